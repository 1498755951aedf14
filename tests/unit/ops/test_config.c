/* What a config that is right becomes. */
#include "tests/unit/ops/fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void check_networks(const struct config *config)
{
    char text[PREFIX_TEXT_MAX], endpoint[ENDPOINT_TEXT_MAX];

    cr_assert_eq(config->listen.num_addresses, 2);
    cr_assert_str_eq(ip_format(&config->listen.addrs[1], text), "2001:db8::1");
    cr_assert_str_eq(config->listen.assign, "lo");
    cr_assert_eq(config->num_pools, 2);
    cr_assert(config->pools[0].has_v4 && config->pools[0].has_v6 && config->pools[0].source_nat);
    cr_assert_str_eq(prefix_format(&config->pools[0].v4, text), "10.9.0.0/22");
    cr_assert_str_eq(prefix_format(&config->pools[0].v6, text), "2001:db8:9::/64");
    cr_assert_str_eq(ip_format(&config->pools[0].dns_addrs[0], text), "10.0.0.53");
    cr_assert(config->pools[1].has_v4 && !config->pools[1].has_v6 && !config->pools[1].source_nat);
    cr_assert_str_eq(endpoint_format(&config->metrics.address, endpoint), "[::1]:9500");
}

static void check_connections(const struct config *config)
{
    const struct config_connection *staff = &config->connections[0], *things = &config->connections[1];
    char text[PREFIX_TEXT_MAX];

    cr_assert_eq(config->num_connections, 2);
    cr_assert_eq(staff->identity_index, 0);
    cr_assert_eq(staff->pool_index, 0);
    cr_assert_eq(staff->num_match, 2);
    cr_assert_eq(staff->crl_policy, CONFIG_CRL_REQUIRED);
    cr_assert_eq(staff->num_prefixes, 1);
    cr_assert_str_eq(prefix_format(&staff->prefixes[0], text), "10.0.0.0/8");
    cr_assert_eq(things->auth, CONFIG_AUTH_PSK);
    cr_assert_eq(things->identity_index, 1);
    cr_assert_eq(things->pool_index, 1);
    cr_assert_eq(things->num_match, 1);
    cr_assert_str_eq(things->match[0], "*");
    cr_assert_eq(things->num_secrets, 2);
    cr_assert_eq(things->num_prefixes, 2);
    cr_assert_str_eq(prefix_format(&things->prefixes[0], text), "0.0.0.0/0");
    cr_assert_str_eq(prefix_format(&things->prefixes[1], text), "::/0");
}

static void check_values(const struct config *config)
{
    const struct config_timers *timers = &config->timers;

    cr_assert_eq(config->num_workers, 2);
    cr_assert_eq(config->plane.type, CONFIG_PLANE_USER);
    cr_assert_eq(config->plane.mtu, 1400);
    cr_assert_eq(config->store.on_failure, CONFIG_STORE_REFUSE);
    cr_assert_eq(config->limits.cookie_threshold, 9);
    cr_assert_eq(timers->half_open_ns, 10 * NS_PER_S);
    cr_assert_eq(timers->dpd_ns, 0);
    cr_assert_eq(timers->retransmit_ns, 500 * NS_PER_MS);
    cr_assert_eq(timers->retries, 4);
    cr_assert_eq(timers->response_keep_ns, 120 * NS_PER_S);
    cr_assert_eq(timers->ike_lifetime_ns, 86400 * NS_PER_S);
    cr_assert_eq(timers->child_lifetime_ns, 7200 * NS_PER_S);
    cr_assert_eq(config->log.level, CONFIG_LOG_DEBUG);
    cr_assert_eq(config->proposals.ike.num_encrs, 1);
    cr_assert_eq(config->proposals.ike.encrs[0].encr, ENCR_AES_CBC);
    cr_assert_eq(config->proposals.ike.encrs[0].bits, 256);
    cr_assert_eq(config->proposals.ike.kes[0], KE_P384);
    cr_assert_eq(config->proposals.esp.encrs[0].encr, ENCR_AES_GCM_16);
    cr_assert_eq(config->proposals.esp.num_integs, 3);
}

static void check_all_paths(const struct config *config)
{
    cr_assert_str_eq(config->store.path, "/etc/holdfast/store");
    cr_assert_str_eq(config->fleet_key, "/etc/holdfast/fleet.key");
    cr_assert(!config->fleet_key_generated);
    cr_assert_str_eq(config->identities[0].key, "/etc/holdfast/server.key");
    cr_assert_str_eq(config->connections[0].ca[0], "/etc/holdfast/ca.pem");
    cr_assert_str_eq(config->connections[0].crl[0], "/etc/holdfast/ca.crl");
    cr_assert_str_eq(config->connections[1].secrets[0].secret_file, "/etc/holdfast/alice.psk");
    cr_assert_str_eq(config->log.file, "/etc/holdfast/events.log");
    cr_assert_str_eq(config->control.socket, "/etc/holdfast/control.sock");
}

Test(config, every_key_arrives)
{
    struct config *config = config_of(full_config);

    cr_assert_eq(errors_new()->count, 0, "%s", findings_of(errors_new()));
    check_networks(config);
    check_connections(config);
    check_values(config);
    check_all_paths(config);
    config_free(config);
}

Test(config, little_is_needed)
{
    struct config *config =
        config_of("listen: {addresses: [192.0.2.1]}\n"
                  "identities: [{id: a.example}]\n"
                  "connections: [{name: c, auth: psk, secrets: [{id: \"*\", secret: s3cret}]}]\n");

    cr_assert_eq(config->listen.ike_port, 500);
    cr_assert_eq(config->listen.natt_port, 4500);
    cr_assert_eq(config->num_workers, 0);
    cr_assert_eq(config->shard_bits, 4);
    cr_assert_eq(config->plane.mtu, 1360);
    cr_assert_str_eq(config->plane.interface, "hf");
    cr_assert_str_eq(config->store.path, "/var/lib/holdfast/store");
    cr_assert_eq(config->store.size_mb, 1024);
    cr_assert(config->fleet_key_generated);
    cr_assert_str_eq(config->fleet_key, "/var/lib/holdfast/fleet.key");
    cr_assert_eq(config->limits.sessions, 10000);
    cr_assert_eq(config->timers.dpd_ns, 30 * NS_PER_S);
    cr_assert_str_eq(config->log.file, "-");
    cr_assert_eq(config->log.level, CONFIG_LOG_INFO);
    cr_assert_null(config->metrics.listen);
    cr_assert_null(config->user);
    cr_assert_eq(config->connections[0].pool_index, -1);
    cr_assert_eq(config->proposals.ike.num_encrs, 6);
    cr_assert_eq(config->proposals.ike.encrs[0].encr, ENCR_AES_GCM_16);
    for (uint32_t i = 0; i < config->proposals.ike.num_integs; i++) {
        cr_assert_neq(config->proposals.ike.integs[i], INTEG_HMAC_SHA1_96);
    }
    config_free(config);
}

static void fleet_defaults(const struct config_fleet *fleet)
{
    cr_assert(fleet->is_on);
    cr_assert_eq(fleet->port, 4502);
    cr_assert_eq(fleet->weight, 1);
    cr_assert_eq(fleet->mtu, 1500);
    cr_assert_eq(fleet->lease_ns, NS_PER_S);
    cr_assert_eq(fleet->heartbeat_ns, 100 * NS_PER_MS);
    cr_assert_eq(fleet->takes_per_s, 500);
    cr_assert_eq(fleet->gives_per_s, 100);
    cr_assert_eq(fleet->takeover, CONFIG_TAKEOVER_NORMAL);
    cr_assert_str_eq(fleet->site, "default");
}

Test(config, of_a_fleet)
{
    char text[ENDPOINT_TEXT_MAX];
    struct config *config =
        config_of("listen: {addresses: [192.0.2.1]}\n"
                  "fleet_key: f.key\n"
                  "fleet: {node: 7, address: \"2001:db8::7\"}\n"
                  "store: {type: valkey, servers: [\"[fd00::5]:6379\", \"10.0.0.5:6380\"],\n"
                  "        password_file: p, tls: {ca: ca.pem, name: store.example}}\n"
                  "identities: [{id: a.example}]\n"
                  "connections: [{name: c, auth: psk, secrets: [{id: \"*\", secret: s3cret}]}]\n");

    fleet_defaults(&config->fleet);
    cr_assert_eq(config->shard_bits, 10);
    cr_assert_eq(config->steering.node, 7);
    cr_assert_eq(config->store.type, CONFIG_STORE_VALKEY);
    cr_assert_eq(config->store.num_servers, 2);
    cr_assert_str_eq(endpoint_format(&config->store.endpoints[0], text), "[fd00::5]:6379");
    cr_assert_str_eq(endpoint_format(&config->store.endpoints[1], text), "10.0.0.5:6380");
    cr_assert_str_eq(config->store.password_file, "/etc/holdfast/p");
    cr_assert_str_eq(config->store.tls.ca, "/etc/holdfast/ca.pem");
    cr_assert(config->store.tls.is_on);
    cr_assert_str_eq(config->store.fleet, "holdfast");
    config_free(config);
}

/* The commented example shows every key and is right but for the files it names. */
Test(config, example_is_right)
{
    static char text[65536];
    char path[256] = "docs/holdfast.example.yaml";
    FILE *file = fopen(path, "r");

    for (const char *up = "../"; file == NULL && strlen(path) < 200; file = fopen(path, "r")) {
        memmove(path + strlen(up), path, strlen(path) + 1);
        memcpy(path, up, strlen(up));
    }
    cr_assert_not_null(file, "not found above the working folder");
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    struct config *config = config_of(text);
    cr_assert_eq(errors_new()->count, 0, "%s", findings_of(errors_new()));
    config_free(config);
}

Test(config, files_are_looked_at)
{
    struct folder folder = folder_new();
    const char *path = text_keep(folder_write(&folder, "c.yaml", full_config, 0644));
    struct config_errors *errors = errors_new();
    struct config *config;

    folder_write(&folder, "server.pem", "x", 0644);
    folder_write(&folder, "server.key", "x", 0644);
    folder_write(&folder, "ca.pem", "", 0644);
    folder_write(&folder, "alice.psk", "x", 0604);
    cr_assert(!config_load(path, &config, errors));
    cr_assert_null(config);
    const char *found = findings_of(errors);
    static const char *const wanted[] = {
        ":14:12: fleet_key: ",
        "/fleet.key: no such file",
        ":19:10: warning: identities[0].key: ",
        "/server.key can be read by everyone (mode 0644); use chmod 600",
        ":35:10: connections[0].ca[0]: ",
        "/ca.pem: is empty",
        ":36:11: connections[0].crl[0]: ",
        "/ca.crl: no such file",
        ":45:22: warning: connections[1].secrets[0].secret_file: ",
        ":47:17: warning: connections[1].secrets[1].secret: a secret in a file that everyone can read (mode "
        "0644)",
    };
    for (size_t i = 0; i < HF_COUNT(wanted); i++) {
        cr_assert_not_null(strstr(found, wanted[i]), "%s is missing in\n%s", wanted[i], found);
    }
    cr_assert_null(strstr(found, "four horses"));
    cr_assert_eq(errors->num_errors, 3);
    cr_assert_eq(errors->num_warnings, 3);

    folder_write(&folder, "fleet.key", "x", 0600);
    folder_write(&folder, "server.key", "x", 0600);
    folder_write(&folder, "ca.pem", "x", 0644);
    folder_write(&folder, "ca.crl", "x", 0644);
    folder_write(&folder, "alice.psk", "x", 0600);
    folder_write(&folder, "c.yaml", text_replace(full_config, "user: root", "user: no-such-user"), 0600);
    cr_assert(config_load(path, &config, errors), "%s", findings_of(errors));
    cr_assert_not_null(strstr(findings_of(errors), ": warning: user: there is no user 'no-such-user'"));
    cr_assert_eq(errors->num_warnings, 1);
    config_free(config);
    folder_write(&folder, "c.yaml", full_config, 0600);
    cr_assert(config_load(path, &config, errors), "%s", findings_of(errors));
    cr_assert_eq(errors->count, 0);
    config_free(config);

    cr_assert(!config_load(folder_path(&folder, "none.yaml"), &config, errors));
    cr_assert_not_null(strstr(findings_of(errors), "/none.yaml: no such file"));
    cr_assert(!config_load(folder.path, &config, errors));
    cr_assert_not_null(strstr(findings_of(errors), ": is a directory"));
}

static const char little_config[] =
    "listen: {addresses: [192.0.2.1]}\n"
    "store: {path: store}\n"
    "identities: [{id: a.example}]\n"
    "connections: [{name: c, auth: psk, secrets: [{id: \"*\", secret: s3cret}]}]\n";

/* Paths are relative to the folder the file is named in, also when it is a link to elsewhere. */
Test(config, paths_are_relative_to_the_file)
{
    struct folder folder = folder_new(), elsewhere = folder_new();
    struct config_errors *errors = errors_new();
    struct config *config;
    char wanted[200], real[4096];

    folder_write(&elsewhere, "real.yaml", little_config, 0600);
    cr_assert_eq(symlink(folder_path(&elsewhere, "real.yaml"), folder_path(&folder, "c.yaml")), 0);
    cr_assert_eq(chdir(folder.path), 0);
    cr_assert_not_null(realpath(folder.path, real));
    (void)snprintf(wanted, sizeof(wanted), "%.150s/store", real);
    const char *const names[] = {"c.yaml", "./c.yaml", folder_path(&folder, "c.yaml")};
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        cr_assert(config_load(names[i], &config, errors), "%s", findings_of(errors));
        cr_assert_str_eq(config->store.path, wanted);
        cr_assert_str_eq(errors->file, names[i]);
        config_free(config);
    }
    cr_assert_eq(chdir("/"), 0);
}

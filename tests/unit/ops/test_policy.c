/* From a config with its files to what the engine is given. */
#include "tests/unit/ops/fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* full_config with all its files in a folder. */
struct place {
    struct folder folder;
    struct issued ca, other_ca, server;
};

static void place_fill(struct place *place)
{
    char crl[4096];

    place->folder = folder_new();
    issue_ca(&place->ca, "CN=Test CA");
    issue_ca(&place->other_ca, "CN=Other CA");
    issue(&place->server, &place->ca, "vpn.example.net", NOW_UNIX_S + 90 * 86400);
    issue_crl(&place->ca, crl, sizeof(crl));
    folder_write(&place->folder, "c.yaml", full_config, 0600);
    folder_write(&place->folder, "server.pem", place->server.cert, 0644);
    folder_write(&place->folder, "server.key", place->server.key, 0600);
    folder_write(&place->folder, "ca.pem", place->ca.cert, 0644);
    folder_write(&place->folder, "ca.crl", crl, 0644);
    folder_write(&place->folder, "alice.psk", "a secret of some length \r\nsecond line\n", 0600);
    folder_write(&place->folder, "fleet.key", "x", 0600);
}

/* Loads c.yaml and builds; the config is gone afterwards, as after a reload. */
static struct policy *place_build(const struct place *place)
{
    struct policy_setup setup = {.workers = 4, .force_encap = true, .now_unix_s = NOW_UNIX_S};
    struct config_errors *errors = errors_new();
    struct config *config;

    cr_assert(config_load(folder_path(&place->folder, "c.yaml"), &config, errors), "%s", findings_of(errors));
    struct policy *policy = policy_build(config, &setup, errors);
    config_free(config);
    return policy;
}

static struct identity identity_of(const char *text)
{
    struct identity id;
    cr_assert(identity_parse(text, &id));
    return id;
}

static void check_connections(const struct policy *policy)
{
    const struct policy_connection *c = policy->connections;
    struct identity alice = identity_of("alice@example.net"), host = identity_of("pc.staff.example");

    cr_assert_eq(policy->num_connections, 3, "one for each pattern");
    cr_assert_str_eq(c[0].name, "staff");
    cr_assert_str_eq(c[1].name, "staff");
    cr_assert(identity_matches(&host, c[0].match) && !identity_matches(&alice, c[0].match));
    cr_assert(identity_matches(&alice, c[1].match));
    cr_assert_not_null(c[0].trust);
    cr_assert_eq(c[0].trust, c[1].trust);
    cr_assert_eq(trust_certreq(c[0].trust).len, 20);
    cr_assert_eq(c[0].num_subnets, 1);
    cr_assert_eq(c[0].subnets[0].port_last, 65535);
    cr_assert_eq(c[2].auth, POLICY_AUTH_PSK);
    cr_assert_eq(c[2].pool, 1);
    cr_assert_eq(c[2].num_subnets, 2);
    cr_assert_eq(c[2].num_secrets, 2);
    cr_assert(span_equal(c[2].secrets[0].secret, span_of_string("a secret of some length")));
    cr_assert_str_eq(c[2].secrets[0].pattern, "alice@example.net");
    cr_assert(span_equal(c[2].secrets[1].secret, span_of_string("four horses and a staple")));
}

Test(policy, of_everything)
{
    static struct place place;
    int64_t not_after;

    place_fill(&place);
    struct policy *policy = place_build(&place);
    cr_assert_not_null(policy, "%s", findings_of(errors_new()));
    cr_assert_eq(errors_new()->count, 0, "%s", findings_of(errors_new()));
    cr_assert_eq(policy->num_identities, 2);
    cr_assert(policy_not_after(&policy->identities[0], &not_after));
    cr_assert_eq(not_after, NOW_UNIX_S + 90 * 86400);
    cr_assert(!policy_not_after(&policy->identities[1], &not_after));
    check_connections(policy);
    cr_assert_eq(policy->num_pools, 2);
    cr_assert_str_eq(policy->pools[0].domains[0], "corp.example");
    cr_assert_eq(policy->ike.num_encr, 1);
    cr_assert_eq(policy->ike.encr[0].bits, 256);
    cr_assert_eq(policy->esp.num_ke, 1);
    cr_assert_eq(policy->half_open_max, 13, "50 among 4 workers, rounded up");
    cr_assert_eq(policy->cookie_threshold, 3);
    cr_assert_eq(policy->num_listen, 2);
    cr_assert(policy->mobike_unchecked);
    cr_assert_eq(policy->store_failure, POLICY_STORE_REFUSE);
    cr_assert_eq(policy->timers.child_lifetime, 7200 * NS_PER_S);
    cr_assert_eq(policy->timers.ike_rekey, 0);
    cr_assert_eq(policy->timers.child_rekey, 0, "rekeying is the clients' until the config says otherwise");
    cr_assert_eq(policy->child.lifetime.bytes, UINT64_C(256) << 30, "AES-GCM has a margin to keep");
    cr_assert_eq(policy->child.lifetime.packets, UINT64_C(16) << 30);
    cr_assert_eq(policy->child.rekey.bytes, 0);
    cr_assert_eq(policy->child.rekey_group, POLICY_GROUP_SAME);
    cr_assert(!policy->childless && !policy->esp.ke_required);
    cr_assert_eq(policy->timers.auth_lifetime, 0);
    cr_assert_eq(policy->resumption.lifetime, 3600 * NS_PER_S);
    cr_assert_eq(policy->resumption.store_failure, POLICY_STORE_ACCEPT);
    cr_assert(policy->crash_detection && !policy->message_id_sync);
    cr_assert_eq(policy->redirect.type, 0);
    policy_free(policy);
    policy_free(NULL);
}

/* One file is replaced; policy_build() must refuse, or warn, at the line that names it. */
static void refused(struct place *place, const char *name, const char *text, const char *wanted)
{
    folder_write(&place->folder, name, text, 0600);
    struct policy *policy = place_build(place);
    const char *found = findings_of(errors_new());
    cr_assert_null(policy, "%s", wanted);
    cr_assert_not_null(strstr(found, wanted), "wanted: %s\nfound:  %s", wanted, found);
}

static void warned(struct place *place, const char *name, const char *text, const char *wanted)
{
    folder_write(&place->folder, name, text, 0600);
    struct policy *policy = place_build(place);
    const char *found = findings_of(errors_new());
    cr_assert_not_null(policy, "%s", found);
    cr_assert_not_null(strstr(found, wanted), "wanted: %s\nfound:  %s", wanted, found);
    policy_free(policy);
}

Test(policy, refuses_certificates)
{
    static struct place place;
    static struct issued wrong_name, expired, soon;

    place_fill(&place);
    issue(&wrong_name, &place.ca, "other.example.net", NOW_UNIX_S + 90 * 86400);
    issue(&expired, &place.ca, "vpn.example.net", NOW_UNIX_S - 2 * 86400);
    issue(&soon, &place.ca, "vpn.example.net", NOW_UNIX_S + 3 * 86400);
    refused(&place, "server.pem", "no pem", ":18:18: identities[0].certificate: ");
    refused(&place, "server.pem", wrong_name.cert, "/server.key: ");
    folder_write(&place.folder, "server.key", wrong_name.key, 0600);
    refused(&place, "server.pem", wrong_name.cert,
            "/server.pem does not name 'vpn.example.net' (subject alternative name or subject); clients "
            "would refuse it");
    folder_write(&place.folder, "server.key", expired.key, 0600);
    warned(&place, "server.pem", expired.cert, "/server.pem has expired on 2026-11-21");
    folder_write(&place.folder, "server.key", soon.key, 0600);
    warned(&place, "server.pem", soon.cert, "/server.pem expires soon, on 2026-11-26");
    refused(&place, "server.key", "-----BEGIN NOTHING-----", ":18:18: identities[0].certificate: ");
}

Test(policy, refuses_trust_and_secrets)
{
    static struct place place;
    char crl[4096];

    place_fill(&place);
    refused(&place, "ca.pem", "no pem", ":35:10: connections[0].ca[0]: ");
    refused(&place, "ca.pem", place.server.cert, "/ca.pem: certificate is not a CA certificate");
    folder_write(&place.folder, "ca.pem", place.ca.cert, 0644);
    refused(&place, "ca.crl", place.ca.cert, ":36:11: connections[0].crl[0]: ");
    issue_ca(&place.other_ca, "CN=Test CA");
    issue_crl(&place.other_ca, crl, sizeof(crl));
    refused(&place, "ca.crl", crl, "/ca.crl: CRL is not signed by the CA that it names");
    issue_crl(&place.ca, crl, sizeof(crl));
    folder_write(&place.folder, "ca.crl", crl, 0644);
    refused(&place, "alice.psk", "\n\n",
            ":45:22: connections[1].secrets[0].secret_file: the secret is empty");
    warned(&place, "alice.psk", "hunter2\n",
           ":45:22: warning: connections[1].secrets[0].secret_file: the secret has 7 characters; 16 random "
           "ones or more "
           "resist guessing");
    cr_assert_null(strstr(findings_of(errors_new()), "hunter2"));
}

/* All of it is found in one run, and nothing of a half-built policy is left (the sanitizers watch). */
Test(policy, several_findings)
{
    static struct place place;

    place_fill(&place);
    folder_write(&place.folder, "ca.crl", "no crl", 0600);
    folder_write(&place.folder, "alice.psk", " \n", 0600);
    refused(&place, "server.key", "no key", ":18:18: ");
    cr_assert_eq(errors_new()->num_errors, 3, "%s", findings_of(errors_new()));
}

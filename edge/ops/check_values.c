/* Numbers, durations and paths: tables of what is usual and what is possible. */
#include "edge/ops/config_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool check_default(const struct check *check, char **text, const char *value)
{
    if (*text == NULL) {
        *text = strdup(value);
    }
    if (*text == NULL) {
        check_fail(check, "", "out of memory");
    }
    return *text != NULL;
}

/* ---- numbers ---- */

enum { FLEET_SHARD_BITS = 10 }; /* so that a node more or less moves a small part of each */

#define NUMBER(path, member, usual, min, max)                                                                \
    {path, offsetof(struct config, member), sizeof(((struct config *)NULL)->member), usual, min, max}

/* 0: no limit. */
#define RATE(member, usual) NUMBER("steering.rates." #member, steering.rates.member, usual, 0, 1000000000)

static const struct number_rule {
    const char *path;
    size_t offset, bytes;
    uint64_t usual, min, max;
} number_rules[] = {
    NUMBER("listen.ike_port", listen.ike_port, 500, 1, 65535),
    NUMBER("listen.natt_port", listen.natt_port, 4500, 1, 65535),
    NUMBER("shard_bits", shard_bits, SHARD_BITS_MIN, SHARD_BITS_MIN, SHARD_BITS_MAX),
    NUMBER("plane.mtu", plane.mtu, 1360, 1280, 9000), /* 1280: IPv6 demands it of every link */
    NUMBER("store.size_mb", store.size_mb, 1024, 16, 1u << 20),
    NUMBER("store.replicas", store.replicas, 0, 0, 16),
    NUMBER("fleet.node", fleet.node, 0, 1, FLEET_NODE_MAX),
    NUMBER("fleet.weight", fleet.weight, 1, 1, 1000),
    NUMBER("fleet.mtu", fleet.mtu, 1500, CONFIG_NODE_MTU_MIN, 9216),
    NUMBER("fleet.port", fleet.port, 4502, 1, 65535),
    NUMBER("fleet.takes_per_s", fleet.takes_per_s, 500, 1, 100000),
    NUMBER("fleet.gives_per_s", fleet.gives_per_s, 100, 1, 100000),
    NUMBER("limits.sessions", limits.sessions, 10000, 1, 4000000),
    NUMBER("limits.half_open", limits.half_open, 1000, 16, 1000000),
    NUMBER("limits.half_open_per_address", limits.half_open_per_address, 250, 1, 1000000),
    NUMBER("limits.cookie_threshold", limits.cookie_threshold, 100, 0, 1000000),
    NUMBER("steering.node", steering.node, 1, 0, CONFIG_NODE_ID_MAX),
    NUMBER("steering.hop_port", steering.hop_port, 4501, 1, 65535),
    NUMBER("steering.table_version", steering.table_version, 1, 1, UINT32_MAX),
    NUMBER("steering.key_epoch", steering.key_epoch, 1, 1, UINT32_MAX - 1),
    RATE(first_per_source, 100), /* people behind one carrier's NAT; above it they are asked for a cookie */
    RATE(proven_per_source, 1000),
    RATE(cookies_per_source, 1000),
    RATE(ike_per_session, 1000), /* 32 fragments for each message */
    RATE(fragments_per_source, 10000),
    RATE(icmp_per_source, 100),
    RATE(esp_per_shard, 1000000),
    RATE(esp_per_node, 5000000),
    RATE(ike_per_node, 500000),
    RATE(fragments, 100000),
    RATE(other_versions, 100),
    RATE(too_big, 1000),
    NUMBER("bgp.asn", bgp.asn, 65000, 1, UINT32_MAX - 1),
    NUMBER("bgp.prepend", bgp.prepend, 3, 0, CONFIG_BGP_PREPEND_MAX),
    NUMBER("bgp.timers.bfd_multiplier", bgp.timers.bfd_multiplier, 3, 2, 255),
    NUMBER("bgp.health.rise", bgp.health.rise, 3, 1, 100),
    NUMBER("bgp.health.fall", bgp.health.fall, 2, 1, 100),
    NUMBER("bgp.health.jitter", bgp.health.jitter, 10, 0, 100),
    NUMBER("timers.retries", timers.retries, 5, 1, 20),
};

static uint64_t number_get(const struct check *check, const struct number_rule *rule)
{
    const void *at = (const uint8_t *)check->config + rule->offset;

    switch (rule->bytes) {
    case 1:
        return *(const uint8_t *)at;
    case 2:
        return *(const uint16_t *)at;
    default:
        return *(const uint32_t *)at;
    }
}

static void number_set(const struct check *check, const struct number_rule *rule, uint64_t value)
{
    void *at = (uint8_t *)check->config + rule->offset;

    switch (rule->bytes) {
    case 1:
        *(uint8_t *)at = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)at = (uint16_t)value;
        break;
    default:
        *(uint32_t *)at = (uint32_t)value;
    }
}

void check_numbers(const struct check *check)
{
    for (size_t i = 0; i < HF_COUNT(number_rules); i++) {
        const struct number_rule *rule = &number_rules[i];
        if (!check_has(check, rule->path)) {
            number_set(check, rule, rule->usual);
            continue;
        }
        uint64_t value = number_get(check, rule);
        if (value < rule->min || value > rule->max) {
            check_fail(check, rule->path, "%" PRIu64 " is not between %" PRIu64 " and %" PRIu64, value,
                       rule->min, rule->max);
            number_set(check, rule, rule->usual); /* for the checks that follow */
        }
    }
    if (check_has(check, "fleet") && !check_has(check, "shard_bits")) {
        check->config->shard_bits = FLEET_SHARD_BITS;
    }
    struct config_limits *limits = &check->config->limits;
    if (!check_has(check, "limits.half_open_per_address")) {
        limits->half_open_per_address = limits->half_open / 4;
    }
    if (limits->cookie_threshold > limits->half_open) {
        bool said = check_has(check, "limits.cookie_threshold");
        if (said) {
            check_fail(check, "limits.cookie_threshold",
                       "%u is above half_open (%u): it would never be reached", limits->cookie_threshold,
                       limits->half_open);
        }
        limits->cookie_threshold = limits->half_open;
    }
}

/* ---- durations ---- */

#define TIMER(name, usual, min, max, never)                                                                  \
    {"timers." #name,                                                                                        \
     offsetof(struct config_timers, name),                                                                   \
     offsetof(struct config_timers, name##_ns),                                                              \
     usual,                                                                                                  \
     min,                                                                                                    \
     max,                                                                                                    \
     never}

static const struct timer_rule {
    const char *path;
    size_t text, ns;
    const char *usual;
    ns_t min, max;
    bool never; /* 0 is possible */
} timer_rules[] = {
    TIMER(half_open, "30s", NS_PER_S, 600 * NS_PER_S, false),
    TIMER(dpd, "30s", NS_PER_S, 86400 * NS_PER_S, true),
    TIMER(retransmit, "2s", 100 * NS_PER_MS, 60 * NS_PER_S, false),
    TIMER(response_keep, "180s", NS_PER_S, 600 * NS_PER_S, false),
    TIMER(ike_lifetime, "24h", 300 * NS_PER_S, 30 * 86400 * NS_PER_S, false),
    TIMER(child_lifetime, "8h", 60 * NS_PER_S, 30 * 86400 * NS_PER_S, false),
    TIMER(ike_rekey, "never", NS_PER_S, 30 * 86400 * NS_PER_S, true),
    TIMER(child_rekey, "never", NS_PER_S, 30 * 86400 * NS_PER_S, true),
    TIMER(childless, "never", NS_PER_S, 86400 * NS_PER_S, true),
    TIMER(auth_lifetime, "never", 10 * NS_PER_S, 30 * 86400 * NS_PER_S, true),
};

static void timer_check(const struct check *check, const struct timer_rule *rule)
{
    char least[32], most[32];
    uint8_t *timers = (uint8_t *)&check->config->timers;
    char **text = (char **)(void *)(timers + rule->text);
    ns_t *ns = (ns_t *)(void *)(timers + rule->ns);

    if (!check_default(check, text, rule->usual)) {
        return;
    }
    if (!duration_parse(*text, ns)) {
        check_fail(check, rule->path, "'%s' is not a duration; write it like 500ms, 30s, 5m, 8h or 1d",
                   *text);
        return;
    }
    if (*ns == 0 && rule->never) {
        return;
    }
    if (*ns < rule->min || *ns > rule->max) {
        check_fail(check, rule->path, "%s is not between %s and %s%s", *text,
                   duration_format(rule->min, least), duration_format(rule->max, most),
                   rule->never ? ", or never" : "");
    }
}

/* ---- volumes of Child SAs */

_Static_assert(ESP_KEY_BYTES_MAX == UINT64_C(256) << 30 && ESP_KEY_PACKETS_MAX == UINT64_C(16) << 30,
               "what the table below says");

#define VOLUME(name, usual, min)                                                                             \
    {"timers." #name, offsetof(struct config_timers, name), offsetof(struct config_timers, name##_n), usual, \
     min}

static const struct volume_rule {
    const char *path;
    size_t text, number;
    const char *usual;
    uint64_t min;
} volume_rules[] = {
    VOLUME(child_rekey_bytes, "never", 1 << 20),
    VOLUME(child_rekey_packets, "never", 1 << 10),
    VOLUME(child_lifetime_bytes, "256G", 1 << 20),
    VOLUME(child_lifetime_packets, "16G", 1 << 10),
};

static void volume_check(const struct check *check, const struct volume_rule *rule)
{
    uint8_t *timers = (uint8_t *)&check->config->timers;
    char **text = (char **)(void *)(timers + rule->text);
    uint64_t *number = (uint64_t *)(void *)(timers + rule->number);

    if (!check_default(check, text, rule->usual)) {
        return;
    }
    if (!amount_parse(*text, number)) {
        check_fail(check, rule->path, "'%s' is not an amount; write it like 500M, 64G, 2T or never", *text);
    } else if (*number != 0 && *number < rule->min) {
        check_fail(check, rule->path, "%s is less than %" PRIu64, *text, rule->min);
    }
}

static void volume_order(const struct check *check, const char *path, uint64_t rekey, uint64_t lifetime)
{
    if (rekey != 0 && lifetime != 0 && rekey >= lifetime) {
        check_fail(check, path, "must be below the lifetime, at which traffic ends");
    }
}

void check_timers(const struct check *check)
{
    const struct config_timers *timers = &check->config->timers;

    for (size_t i = 0; i < HF_COUNT(timer_rules); i++) {
        timer_check(check, &timer_rules[i]);
    }
    for (size_t i = 0; i < HF_COUNT(volume_rules); i++) {
        volume_check(check, &volume_rules[i]);
    }
    volume_order(check, "timers.child_rekey_bytes", timers->child_rekey_bytes_n,
                 timers->child_lifetime_bytes_n);
    volume_order(check, "timers.child_rekey_packets", timers->child_rekey_packets_n,
                 timers->child_lifetime_packets_n);
}

/* ---- paths ---- */

static void path_resolve(const struct check *check, const char *folder, char **path)
{
    char *absolute = NULL;

    if (*path == NULL || (*path)[0] == '/') {
        return;
    }
    if (asprintf(&absolute, "%s/%s", folder, *path) < 0) {
        check_fail(check, "", "out of memory");
        return;
    }
    free(*path);
    *path = absolute;
}

/* A generated key lies beside the store's folder, so that both are backed up together. */
static void fleet_key_default(const struct check *check)
{
    struct config *config = check->config;
    const char *slash = config->store.path == NULL ? NULL : strrchr(config->store.path, '/');

    if (config->fleet_key != NULL || slash == NULL || config->fleet.is_on) {
        return;
    }
    config->fleet_key_generated = true;
    if (asprintf(&config->fleet_key, "%.*s/fleet.key", (int)(slash - config->store.path),
                 config->store.path) < 0) {
        config->fleet_key = NULL;
        check_fail(check, "", "out of memory");
    }
}

static void connection_paths(const struct check *check, const char *folder,
                             struct config_connection *connection)
{
    for (uint32_t i = 0; i < connection->num_ca; i++) {
        path_resolve(check, folder, &connection->ca[i]);
    }
    for (uint32_t i = 0; i < connection->num_crl; i++) {
        path_resolve(check, folder, &connection->crl[i]);
    }
    for (uint32_t i = 0; i < connection->num_secrets; i++) {
        path_resolve(check, folder, &connection->secrets[i].secret_file);
    }
}

void check_paths(const struct check *check, const char *folder)
{
    struct config *config = check->config;

    if (!check_default(check, &config->store.path, "/var/lib/holdfast/store") ||
        !check_default(check, &config->log.file, "-") ||
        !check_default(check, &config->control.socket, "/run/holdfast/control.sock") ||
        !check_default(check, &config->plane.interface, "hf")) {
        return;
    }
    if (!check_has(check, "log.level")) {
        config->log.level = CONFIG_LOG_INFO;
    }
    path_resolve(check, folder, &config->store.path);
    path_resolve(check, folder, &config->store.password_file);
    path_resolve(check, folder, &config->store.tls.ca);
    path_resolve(check, folder, &config->store.tls.certificate);
    path_resolve(check, folder, &config->store.tls.key);
    path_resolve(check, folder, &config->fleet_key);
    path_resolve(check, folder, &config->control.socket);
    if (strcmp(config->log.file, "-") != 0) {
        path_resolve(check, folder, &config->log.file);
    }
    fleet_key_default(check);
    for (uint32_t i = 0; i < config->bgp.num_neighbours; i++) {
        path_resolve(check, folder, &config->bgp.neighbours[i].password_file);
    }
    for (uint32_t i = 0; i < config->num_identities; i++) {
        path_resolve(check, folder, &config->identities[i].certificate);
        path_resolve(check, folder, &config->identities[i].key);
    }
    for (uint32_t i = 0; i < config->num_connections; i++) {
        connection_paths(check, folder, &config->connections[i]);
    }
    if (strlen(config->control.socket) > 107) {
        check_fail(check, "control.socket", "the path is longer than a Unix socket's can be (107)");
    }
}

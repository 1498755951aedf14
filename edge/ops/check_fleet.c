/* This node as a member of a fleet, and the store that all members share. */
#include "edge/ops/config_check.h"

#include <string.h>

enum { HEARTBEATS_PER_LEASE = 5 }; /* three may be missed before a node is steered around */

static void duration_check(const struct check *check, const char *path, char **text, const char *usual,
                           ns_t min, ns_t max, ns_t *ret_ns)
{
    char least[32], most[32];

    if (!check_default(check, text, usual)) {
        return;
    }
    if (!duration_parse(*text, ret_ns)) {
        check_fail(check, path, "'%s' is not a duration; write it like 100ms or 1s", *text);
    } else if (*ret_ns < min || *ret_ns > max) {
        check_fail(check, path, "%s is not between %s and %s", *text, duration_format(min, least),
                   duration_format(max, most));
    }
}

static void address_check(const struct check *check)
{
    struct config_fleet *fleet = &check->config->fleet;
    const struct config_listen *listen = &check->config->listen;

    if (!ip_parse(fleet->address, &fleet->addr) || ip_is_zero(&fleet->addr)) {
        check_fail(check, "fleet.address", "'%.60s' is not an IP address that other nodes can reach",
                   fleet->address);
        return;
    }
    for (uint32_t i = 0; i < listen->num_addresses; i++) {
        if (ip_equal(&listen->addrs[i], &fleet->addr)) {
            check_fail(check, "fleet.address", "%s is one of listen.addresses, which all nodes have",
                       fleet->address);
        }
    }
}

/* In a fleet the nodes and who has which shard come from the store. */
static void steering_of_fleet(const struct check *check)
{
    static const char *const keys[] = {"steering.node", "steering.nodes", "steering.table_version"};

    for (size_t i = 0; i < HF_COUNT(keys); i++) {
        if (check_has(check, keys[i])) {
            check_fail(check, keys[i], "in a fleet this comes from the store; take it out");
        }
    }
    check->config->steering.node = check->config->fleet.node;
    if (check->config->fleet.port == check->config->steering.hop_port) {
        check_fail(check, check_has(check, "fleet.port") ? "fleet.port" : "fleet",
                   "port and steering.hop_port are both %u", check->config->fleet.port);
    }
}

/* ---- the store ---- */

static void servers_check(const struct check *check)
{
    struct config_store *store = &check->config->store;

    if (store->num_servers == 0) {
        check_fail(check, "store.servers", "missing: the servers of the store, like 10.0.0.5:6379");
    }
    for (uint32_t i = 0; i < store->num_servers; i++) {
        if (!endpoint_parse(store->servers[i], &store->endpoints[i])) {
            check_fail(check, PATH("store.servers[%u]", i),
                       "'%.60s' is not an address and port, like 10.0.0.5:6379 or [fd00::5]:6379",
                       store->servers[i]);
        }
    }
}

static void valkey_check(const struct check *check)
{
    struct config_store *store = &check->config->store;
    const struct config_store_tls *tls = &store->tls;

    servers_check(check);
    if (check_default(check, &store->fleet, "holdfast") && !name_is_fine(store->fleet)) {
        check_fail(check, "store.fleet", "'%s' has more than letters, digits, '-', '_' and '.'",
                   store->fleet);
    }
    if (store->user != NULL && store->password_file == NULL) {
        check_fail(check, "store.user", "user needs password_file beside it");
    }
    if ((tls->certificate == NULL) != (tls->key == NULL)) {
        check_fail(check, tls->key == NULL ? "store.tls.certificate" : "store.tls.key",
                   "certificate and key go together");
    }
    if (check->config->fleet_key == NULL) {
        check_fail(check, "fleet",
                   "fleet_key is missing: all nodes have the same, made by `holdfast pki fleet-key FILE`");
    }
}

/* Connection tracking is of one node. */
static void pools_warn(const struct check *check)
{
    for (uint32_t i = 0; i < check->config->num_pools; i++) {
        if (check->config->pools[i].source_nat) {
            check_warn(check, PATH("pools[%u].source_nat", i),
                       "connections through it end when their session moves to another node");
        }
    }
}

static void not_valkey_check(const struct check *check)
{
    static const char *const keys[] = {"store.servers", "store.user",  "store.password_file",
                                       "store.tls",     "store.fleet", "store.replicas"};

    for (size_t i = 0; i < HF_COUNT(keys); i++) {
        if (check_has(check, keys[i])) {
            check_fail(check, keys[i], "only a store of type valkey has this");
        }
    }
}

void check_fleet(const struct check *check)
{
    struct config *config = check->config;
    struct config_fleet *fleet = &config->fleet;
    bool is_valkey = config->store.type == CONFIG_STORE_VALKEY;

    fleet->is_on = check_has(check, "fleet");
    config->store.tls.is_on = check_has(check, "store.tls");
    if (is_valkey != fleet->is_on) {
        check_fail(check, is_valkey ? "store.type" : "fleet",
                   is_valkey ? "valkey is for fleets: a section fleet is missing"
                             : "a fleet needs a store that its nodes share: store.type valkey");
        return;
    }
    if (!is_valkey) {
        not_valkey_check(check);
        return;
    }
    valkey_check(check);
    pools_warn(check);
    address_check(check);
    steering_of_fleet(check);
    duration_check(check, "fleet.lease", &fleet->lease, "1s", 300 * NS_PER_MS, 30 * NS_PER_S,
                   &fleet->lease_ns);
    duration_check(check, "fleet.heartbeat", &fleet->heartbeat, "100ms", 10 * NS_PER_MS, 5 * NS_PER_S,
                   &fleet->heartbeat_ns);
    if (fleet->heartbeat_ns * HEARTBEATS_PER_LEASE > fleet->lease_ns) {
        check_fail(check, check_has(check, "fleet.heartbeat") ? "fleet.heartbeat" : "fleet.lease",
                   "a lease (%s) must have time for %u heartbeats (%s)", fleet->lease, HEARTBEATS_PER_LEASE,
                   fleet->heartbeat);
    }
    if (check_default(check, &fleet->site, "default") && !name_is_fine(fleet->site)) {
        check_fail(check, "fleet.site", "'%s' has more than letters, digits, '-', '_' and '.'", fleet->site);
    }
}

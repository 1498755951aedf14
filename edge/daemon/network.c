#include "edge/daemon/network.h"

#include "edge/daemon/network_internal.h"
#include "edge/plane/nft.h"
#include "edge/pool/pool.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { TUN_TRIES = 100, TUN_RETRY_MS = 50 };

static struct ip_prefix host_prefix(const struct ip_addr *addr)
{
    bool v4 = ip_is_v4(addr);
    return (struct ip_prefix){.addr = *addr, .bits = v4 ? 32 : 128, .is_v4 = v4};
}

/* ---- our own addresses */

static bool addresses_assign(struct network *n, const struct config_listen *listen, char *ret_error)
{
    if (listen->assign == NULL) {
        return true;
    }
    n->is_assigned = true;
    for (uint32_t i = 0; i < listen->num_addresses; i++) {
        struct ip_prefix prefix = host_prefix(&listen->addrs[i]);
        if (!link_address_add(n->link, listen->assign, &prefix, ret_error)) {
            return false;
        }
    }
    return true;
}

static void addresses_take_back(struct network *n)
{
    const struct config_listen *listen = &n->config_start->listen;
    char error[LINK_ERROR_MAX];
    for (uint32_t i = 0; n->is_assigned && i < listen->num_addresses; i++) {
        struct ip_prefix prefix = host_prefix(&listen->addrs[i]);
        (void)!link_address_delete(n->link, listen->assign, &prefix, error);
    }
    n->is_assigned = false;
}

/* ---- TUN devices and routes */

/* The kernel may hold the devices of a daemon that was killed for some moments after its end. */
static int tun_create_patiently(const char *name, struct tun_device *ret_device)
{
    int error = tun_create(name, ret_device);
    for (int tries = 0; error == -EBUSY && tries < TUN_TRIES; tries++) {
        (void)poll(NULL, 0, TUN_RETRY_MS);
        error = tun_create(name, ret_device);
    }
    return error;
}

/* No link-local address, and so no router solicitations into the void; before the device is up. */
static void without_link_local(const char *name)
{
    char path[80];
    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/addr_gen_mode", name);
    FILE *file = fopen(path, "we");
    if (file != NULL) { /* else the kernel has no IPv6 */
        (void)fputs("1", file);
        (void)fclose(file);
    }
}

static bool tuns_create(struct network *n, const struct config *config, char *ret_error)
{
    for (uint32_t i = 0; i < n->num_workers; i++) {
        int len = snprintf(n->names[i], TUN_NAME_MAX, "%s%u", config->plane.interface, i);
        if (len >= TUN_NAME_MAX) {
            snprintf(ret_error, NETWORK_ERROR_MAX, "plane.interface %s is too long for a number behind it",
                     config->plane.interface);
            return false;
        }
        int error = tun_create_patiently(n->names[i], &n->tuns[i]);
        if (error != 0) {
            snprintf(ret_error, NETWORK_ERROR_MAX, "TUN device %s: %s", n->names[i], strerror(-error));
            n->tuns[i].fd = -1;
            return false;
        }
        without_link_local(n->names[i]);
        if (!link_up(n->link, n->names[i], config->plane.mtu, ret_error)) {
            return false;
        }
    }
    return true;
}

/* The second address of a pool is ours: what clients may use as their gateway, and what answers pings. */
static bool gateway_add(struct network *n, const struct ip_prefix *pool, char *ret_error)
{
    struct ip_addr gateway = pool_gateway(pool);
    struct ip_prefix prefix = host_prefix(&gateway);
    return link_address_add(n->link, n->names[0], &prefix, ret_error);
}

static bool pool_add(struct network *n, const struct ip_prefix *pool, char *ret_error)
{
    return link_cover_add(n->link, pool, ret_error) && gateway_add(n, pool, ret_error) &&
           network_routes_add(n, pool, ret_error);
}

static bool pool_remove(struct network *n, const struct ip_prefix *pool, char *ret_error)
{
    struct ip_addr gateway = pool_gateway(pool);
    struct ip_prefix address = host_prefix(&gateway);
    return network_routes_remove(n, pool, ret_error) &&
           link_address_delete(n->link, n->names[0], &address, ret_error) &&
           link_cover_delete(n->link, pool, ret_error);
}

/* What a config's pools need of the host. */
struct pools {
    struct ip_prefix v[2 * POOLS_MAX], nat[2 * POOLS_MAX]; /* all, and those of source_nat */
    uint32_t count, num_nat;
};

static void pools_put(struct pools *pools, const struct ip_prefix *prefix, bool source_nat)
{
    pools->v[pools->count++] = *prefix;
    if (source_nat) {
        pools->nat[pools->num_nat++] = *prefix;
    }
}

static struct pools pools_of(const struct config *config)
{
    struct pools pools = {.count = 0};
    for (uint32_t i = 0; i < config->num_pools; i++) {
        const struct config_pool *pool = &config->pools[i];
        if (pool->has_v4) {
            pools_put(&pools, &pool->v4, pool->source_nat);
        }
        if (pool->has_v6) {
            pools_put(&pools, &pool->v6, pool->source_nat);
        }
    }
    return pools;
}

static bool is_among(const struct ip_prefix *prefix, const struct ip_prefix *all, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (prefix_equal(prefix, &all[i])) {
            return true;
        }
    }
    return false;
}

static bool are_among(const struct ip_prefix *some, uint32_t num_some, const struct ip_prefix *all,
                      uint32_t count)
{
    for (uint32_t i = 0; i < num_some; i++) {
        if (!is_among(&some[i], all, count)) {
            return false;
        }
    }
    return num_some == count;
}

static bool pools_add(struct network *n, const struct pools *pools, const struct pools *but, char *ret_error)
{
    for (uint32_t i = 0; i < pools->count; i++) {
        if (!is_among(&pools->v[i], but->v, but->count) && !pool_add(n, &pools->v[i], ret_error)) {
            return false;
        }
    }
    return true;
}

static bool pools_remove(struct network *n, const struct pools *pools, const struct pools *but,
                         char *ret_error)
{
    for (uint32_t i = 0; i < pools->count; i++) {
        if (!is_among(&pools->v[i], but->v, but->count) && !pool_remove(n, &pools->v[i], ret_error)) {
            return false;
        }
    }
    return true;
}

/* ---- nftables */

static bool table_replace(struct network *n, const struct pools *pools, char *ret_error)
{
    _Static_assert(HF_COUNT(pools->nat) <= NFT_NAT_MAX, "all pools fit");
    struct nft_config table = {
        .tunnel_prefix = n->config_start->plane.interface,
        .mtu = n->config_start->plane.mtu,
        .nat = pools->nat,
        .num_nat = pools->num_nat,
    };
    n->has_table = true;
    return nft_apply(&table, ret_error);
}

static void table_remove(struct network *n)
{
    char error[NFT_ERROR_MAX];
    if (n->has_table) {
        (void)!nft_remove(error);
    }
    n->has_table = false;
}

/* ---- all of it */

bool network_up(struct network *n, const struct config *config, uint32_t num_workers,
                char ret_error[NETWORK_ERROR_MAX])
{
    *n = (struct network){
        .num_workers = num_workers,
        .shard_bits = config->shard_bits,
        .in_fleet = config->fleet.is_on,
        .config_start = config,
    };
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        n->tuns[i].fd = -1;
    }
    n->link = link_open(ret_error);
    struct pools pools = pools_of(config), none = {.count = 0};
    /* What a daemon that was killed left is in the way of ours, but for the covers of pools that stay. */
    return n->link != NULL && link_routes_clear(n->link, pools.v, pools.count, ret_error) &&
           addresses_assign(n, &config->listen, ret_error) && tuns_create(n, config, ret_error) &&
           pools_add(n, &pools, &none, ret_error) && table_replace(n, &pools, ret_error) &&
           link_forwarding_enable(&n->forwarding_changed, ret_error);
}

/* What is new comes before anything goes. */
static bool pools_change(struct network *n, const struct pools *before, const struct pools *after,
                         char *ret_error)
{
    return pools_add(n, after, before, ret_error) && table_replace(n, after, ret_error) &&
           pools_remove(n, before, after, ret_error);
}

static bool pools_equal(const struct pools *a, const struct pools *b)
{
    return are_among(a->v, a->count, b->v, b->count) && are_among(a->nat, a->num_nat, b->nat, b->num_nat);
}

bool network_reload(struct network *n, const struct config *old, const struct config *new,
                    char ret_error[NETWORK_ERROR_MAX])
{
    char again[NETWORK_ERROR_MAX];
    struct pools before = pools_of(old), after = pools_of(new);
    if (pools_equal(&before, &after) || pools_change(n, &before, &after, ret_error)) {
        return true;
    }
    /* Of what was to go some may have gone, and of what was to come some may be there. */
    if (!pools_change(n, &after, &before, again)) {
        size_t len = strlen(ret_error);
        snprintf(ret_error + len, NETWORK_ERROR_MAX - len, "; nor can it be taken back: %s", again);
    }
    return false;
}

void network_down(struct network *n)
{
    char error[LINK_ERROR_MAX];
    if (n->config_start == NULL) {
        return;
    }
    table_remove(n);
    if (n->link != NULL) {
        (void)!link_routes_clear(n->link, NULL, 0, error);
        addresses_take_back(n);
        link_close(n->link);
    }
    for (uint32_t i = 0; i < n->num_workers; i++) {
        if (n->tuns[i].fd >= 0) {
            tun_close(&n->tuns[i]);
        }
    }
    n->config_start = NULL;
}

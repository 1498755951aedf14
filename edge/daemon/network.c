#include "edge/daemon/network.h"

#include "edge/io/steer.h"
#include "edge/plane/nft.h"
#include "edge/pool/pool.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { ROUTES_MAX = 2 * SHARD_BITS_MAX, TUN_TRIES = 100, TUN_RETRY_MS = 50 };

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

static bool pool_routes_add(struct network *n, const struct ip_prefix *pool, char *ret_error)
{
    struct ip_prefix routes[ROUTES_MAX];
    for (uint32_t w = 0; w < n->num_workers; w++) {
        uint16_t first = (uint16_t)steer_first_shard(n->shard_bits, n->num_workers, w);
        uint16_t last = (uint16_t)(steer_first_shard(n->shard_bits, n->num_workers, w + 1) - 1);
        size_t count = pool_routes(pool, n->shard_bits, first, last, routes, ROUTES_MAX);
        for (size_t i = 0; i < count; i++) {
            if (!link_route_add(n->link, n->names[w], &routes[i], ret_error)) {
                return false;
            }
        }
    }
    return true;
}

static bool pool_add(struct network *n, const struct ip_prefix *pool, char *ret_error)
{
    return gateway_add(n, pool, ret_error) && pool_routes_add(n, pool, ret_error);
}

static bool pools_add(struct network *n, const struct config *config, char *ret_error)
{
    for (uint32_t i = 0; i < config->num_pools; i++) {
        const struct config_pool *pool = &config->pools[i];
        if ((pool->has_v4 && !pool_add(n, &pool->v4, ret_error)) ||
            (pool->has_v6 && !pool_add(n, &pool->v6, ret_error))) {
            return false;
        }
    }
    return true;
}

/* ---- nftables */

static bool table_replace(struct network *n, const struct config *config, char *ret_error)
{
    struct ip_prefix nat[2 * POOLS_MAX];
    _Static_assert(HF_COUNT(nat) <= NFT_NAT_MAX, "all pools fit");
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->num_pools; i++) {
        const struct config_pool *pool = &config->pools[i];
        if (pool->source_nat && pool->has_v4) {
            nat[count++] = pool->v4;
        }
        if (pool->source_nat && pool->has_v6) {
            nat[count++] = pool->v6;
        }
    }
    struct nft_config table = {
        .tunnel_prefix = n->config_start->plane.interface,
        .mtu = n->config_start->plane.mtu,
        .nat = nat,
        .num_nat = count,
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
        .config_start = config,
    };
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        n->tuns[i].fd = -1;
    }
    n->link = link_open(ret_error);
    /* What a daemon that was killed left is in the way of ours. */
    return n->link != NULL && link_routes_clear(n->link, ret_error) &&
           addresses_assign(n, &config->listen, ret_error) && tuns_create(n, config, ret_error) &&
           pools_add(n, config, ret_error) && table_replace(n, config, ret_error) &&
           link_forwarding_enable(&n->forwarding_changed, ret_error);
}

bool network_reload(struct network *n, const struct config *config, char ret_error[NETWORK_ERROR_MAX])
{
    /* Routes that stay are away for a moment, in which packets for clients are dropped as in any route
     * change. */
    return link_routes_clear(n->link, ret_error) && pools_add(n, config, ret_error) &&
           table_replace(n, config, ret_error);
}

void network_down(struct network *n)
{
    char error[LINK_ERROR_MAX];
    if (n->config_start == NULL) {
        return;
    }
    table_remove(n);
    if (n->link != NULL) {
        (void)!link_routes_clear(n->link, error);
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

/* Which addresses of the pools go to which TUN device: each worker's shards are slices of every pool. In a
 * fleet only slices of shards that are here have a route of their own. */
#include "edge/daemon/network_internal.h"

#include "edge/io/steer.h"
#include "edge/pool/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUTES_MAX = 2 * SHARD_BITS_MAX };

typedef bool route_change(struct link *, const char *, const struct ip_prefix *, char *);

/* Those of the shards first..last of a worker. */
static bool run_each(struct network *n, const struct ip_prefix *pool, uint32_t worker, uint32_t first,
                     uint32_t last, route_change *change, char *ret_error)
{
    struct ip_prefix routes[ROUTES_MAX];
    size_t count = pool_routes(pool, n->shard_bits, (uint16_t)first, (uint16_t)last, routes, ROUTES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!change(n->link, n->names[worker], &routes[i], ret_error)) {
            return false;
        }
    }
    return true;
}

/* Of all shards of every worker. */
static bool all_each(struct network *n, const struct ip_prefix *pool, route_change *change, char *ret_error)
{
    bool fine = true;
    for (uint32_t w = 0; w < n->num_workers && fine; w++) {
        uint32_t first = steer_first_shard(n->shard_bits, n->num_workers, w);
        uint32_t end = steer_first_shard(n->shard_bits, n->num_workers, w + 1);
        fine = run_each(n, pool, w, first, end - 1, change, ret_error);
    }
    return fine;
}

static bool bit_is(const uint64_t *bits, uint32_t shard)
{
    return (bits[shard / 64] >> (shard % 64) & 1) != 0;
}

/* Of one worker's shards that have their bit: neighbours have routes together. */
static bool bits_each_worker(struct network *n, const struct ip_prefix *pool, const uint64_t *bits,
                             uint32_t worker, route_change *change, char *ret_error)
{
    uint32_t shard = steer_first_shard(n->shard_bits, n->num_workers, worker);
    uint32_t end = steer_first_shard(n->shard_bits, n->num_workers, worker + 1);
    while (shard < end) {
        uint32_t first = shard;
        while (shard < end && bit_is(bits, shard)) {
            shard++;
        }
        if (shard > first && !run_each(n, pool, worker, first, shard - 1, change, ret_error)) {
            return false;
        }
        shard++;
    }
    return true;
}

static bool bits_each(struct network *n, const struct ip_prefix *pool, const uint64_t *bits,
                      route_change *change, char *ret_error)
{
    bool fine = true;
    for (uint32_t w = 0; w < n->num_workers && fine; w++) {
        fine = bits_each_worker(n, pool, bits, w, change, ret_error);
    }
    return fine;
}

bool network_routes_add(struct network *n, const struct ip_prefix *pool, char *ret_error)
{
    if (!n->in_fleet) {
        return all_each(n, pool, link_route_add, ret_error);
    }
    return all_each(n, pool, link_fallback_add, ret_error) &&
           bits_each(n, pool, n->routed, link_route_add, ret_error);
}

bool network_routes_remove(struct network *n, const struct ip_prefix *pool, char *ret_error)
{
    if (!n->in_fleet) {
        return all_each(n, pool, link_route_delete, ret_error);
    }
    return bits_each(n, pool, n->routed, link_route_delete, ret_error) &&
           all_each(n, pool, link_fallback_delete, ret_error);
}

/* ---- shards that come and go */

void network_shard_set(struct network *n, uint16_t shard, bool is_here)
{
    uint64_t bit = UINT64_C(1) << (shard % 64);
    if (is_here) {
        n->here[shard / 64] |= bit;
    } else {
        n->here[shard / 64] &= ~bit;
    }
}

/* Ascending, without overlaps. */
struct routes {
    struct ip_prefix *v;
    uint32_t count;
};

static void routes_list(const struct network *n, const struct ip_prefix *pool, const uint64_t *bits,
                        uint32_t worker, struct routes *ret_routes)
{
    uint32_t shard = steer_first_shard(n->shard_bits, n->num_workers, worker);
    uint32_t end = steer_first_shard(n->shard_bits, n->num_workers, worker + 1);
    ret_routes->count = 0;
    while (shard < end) {
        uint32_t first = shard;
        while (shard < end && bit_is(bits, shard)) {
            shard++;
        }
        if (shard > first) { /* no more routes than shards */
            ret_routes->count +=
                (uint32_t)pool_routes(pool, n->shard_bits, (uint16_t)first, (uint16_t)(shard - 1),
                                      ret_routes->v + ret_routes->count, shard - first);
        }
        shard++;
    }
}

/* What is in `some` and not in `others`. */
static bool routes_but(struct network *n, uint32_t worker, const struct routes *some,
                       const struct routes *others, route_change *change, char *ret_error)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < some->count; i++) {
        const struct ip_prefix *prefix = &some->v[i];
        while (k < others->count && ip_compare(&others->v[k].addr, &prefix->addr) < 0) {
            k++;
        }
        bool is_there = k < others->count && prefix_equal(&others->v[k], prefix);
        if (!is_there && !change(n->link, n->names[worker], prefix, ret_error)) {
            return false;
        }
    }
    return true;
}

static bool pool_apply(struct network *n, const struct ip_prefix *pool, struct routes *before,
                       struct routes *after, char *ret_error)
{
    bool fine = true;
    for (uint32_t w = 0; w < n->num_workers && fine; w++) {
        routes_list(n, pool, n->routed, w, before);
        routes_list(n, pool, n->here, w, after);
        fine = routes_but(n, w, after, before, link_route_add, ret_error) &&
               routes_but(n, w, before, after, link_route_delete, ret_error);
    }
    return fine;
}

static bool pools_apply(struct network *n, const struct config *config, struct routes *before,
                        struct routes *after, char *ret_error)
{
    bool fine = true;
    for (uint32_t i = 0; i < config->num_pools && fine; i++) {
        const struct config_pool *pool = &config->pools[i];
        fine = (!pool->has_v4 || pool_apply(n, &pool->v4, before, after, ret_error)) &&
               (!pool->has_v6 || pool_apply(n, &pool->v6, before, after, ret_error));
    }
    return fine;
}

bool network_shards_apply(struct network *n, const struct config *config, char ret_error[NETWORK_ERROR_MAX])
{
    size_t bytes = sizeof(struct ip_prefix) << n->shard_bits;
    struct routes before = {.v = malloc(bytes)}, after = {.v = malloc(bytes)};
    bool fine = before.v != NULL && after.v != NULL;
    if (!fine) {
        snprintf(ret_error, NETWORK_ERROR_MAX, "%s", strerror(ENOMEM));
    }
    fine = fine && pools_apply(n, config, &before, &after, ret_error);
    if (fine) {
        memcpy(n->routed, n->here, sizeof(n->routed));
    }
    free(before.v);
    free(after.v);
    return fine;
}

/* The policy's pools, this worker's slices of them. */
#include "edge/core/internal.h"

static struct pool_config slice_config(const struct core_config *config, const struct ip_prefix *prefix)
{
    return (struct pool_config){.prefix = *prefix,
                                .shard_bits = config->shard_bits,
                                .shards = config->shards,
                                .num_shards = config->num_shards};
}

static size_t slice_bytes(const struct core_config *config, bool present, const struct ip_prefix *prefix)
{
    struct pool_config slice = slice_config(config, prefix);
    return present ? (pool_bytes(&slice) + 63) & ~(size_t)63 : 0;
}

size_t pools_bytes(const struct core_config *config, const struct policy *policy)
{
    size_t bytes = 64;
    for (uint32_t i = 0; i < policy->num_pools; i++) {
        const struct policy_pool *pool = &policy->pools[i];
        bytes += slice_bytes(config, pool->has_v4, &pool->v4) + slice_bytes(config, pool->has_v6, &pool->v6);
    }
    return bytes;
}

void pools_init(struct core *core, void *memory, const struct policy *policy)
{
    uint8_t *at = memory;
    core->num_pools = policy->num_pools;
    for (uint32_t i = 0; i < policy->num_pools; i++) {
        const struct policy_pool *from = &policy->pools[i];
        struct core_pool *pool = &core->pools[i];
        *pool = (struct core_pool){.name = from->name, .has_v4 = from->has_v4, .has_v6 = from->has_v6};
        if (pool->has_v4) {
            struct pool_config slice = slice_config(&core->config, &from->v4);
            pool_init(&pool->v4, at, &slice);
            at += slice_bytes(&core->config, true, &from->v4);
        }
        if (pool->has_v6) {
            struct pool_config slice = slice_config(&core->config, &from->v6);
            pool_init(&pool->v6, at, &slice);
            at += slice_bytes(&core->config, true, &from->v6);
        }
    }
}

static struct pool *family_of(struct core_pool *pool, bool v6)
{
    return v6 ? (pool->has_v6 ? &pool->v6 : NULL) : (pool->has_v4 ? &pool->v4 : NULL);
}

/* Which pool an address is of, whatever the pool is called by now: a reload may rename it, and an address has
 * one owner. */
static struct pool *pool_of(struct core *core, const struct ip_addr *addr)
{
    for (uint32_t i = 0; i < core->num_pools; i++) {
        struct pool *pool = family_of(&core->pools[i], !ip_is_v4(addr));
        if (pool != NULL && prefix_contains(&pool->config.prefix, addr)) {
            return pool;
        }
    }
    return NULL;
}

static bool is_of_shard(const struct core *core, const struct pool *pool, const struct ike_address_wish *wish)
{
    uint16_t shard;
    return pool_shard_of(&pool->config.prefix, pool->config.shard_bits, wish->wanted, &shard) &&
           shard == core->config.shards[wish->position];
}

bool pools_take(struct core *core, const struct ike_address_wish *wish, struct ip_addr *ret_addr)
{
    struct pool *pool = family_of(&core->pools[wish->pool], wish->v6);
    if (pool == NULL) {
        return false;
    }
    bool in_fleet = core->config.in_fleet; /* addresses go where their shard goes, and so do routes */
    if (wish->wanted != NULL && (!in_fleet || is_of_shard(core, pool, wish)) &&
        pool_take_at(pool, wish->wanted)) {
        *ret_addr = *wish->wanted;
        return true;
    }
    return in_fleet ? pool_take_in(pool, wish->position, ret_addr)
                    : pool_take(pool, wish->position, ret_addr);
}

bool pools_take_at(struct core *core, const struct ip_addr *addr)
{
    struct pool *pool = pool_of(core, addr);
    return pool == NULL || pool_take_at(pool, addr);
}

/* An address of a pool that a reload removed is nobody's any more: then there is nothing to give back. */
void pools_free(struct core *core, const struct ip_addr *addr)
{
    struct pool *pool = pool_of(core, addr);
    if (pool != NULL) {
        (void)!pool_free(pool, addr);
    }
}

static uint32_t position_of(const struct pool_config *config, const struct ip_addr *addr)
{
    uint16_t shard;
    if (!pool_shard_of(&config->prefix, config->shard_bits, addr, &shard)) {
        return UINT32_MAX;
    }
    for (uint32_t i = 0; i < config->num_shards; i++) {
        if (config->shards[i] == shard) {
            return i;
        }
    }
    return UINT32_MAX;
}

uint32_t pools_position(struct core *core, const struct ip_addr *addr)
{
    const struct pool *pool = pool_of(core, addr);
    return pool == NULL ? UINT32_MAX : position_of(&pool->config, addr);
}

uint32_t pools_left(const struct core *core, uint32_t position)
{
    for (uint32_t i = 0; i < core->num_pools; i++) {
        if (core->pools[i].has_v4) {
            return pool_free_in(&core->pools[i].v4, position);
        }
    }
    return UINT32_MAX;
}

static uint64_t leased_in(const struct pool *pool, bool present)
{
    return present ? pool->used : 0;
}

static uint64_t size_of(const struct core *core, const struct pool *pool, bool present)
{
    uint64_t size = 0;
    for (uint32_t i = 0; present && i < core->config.num_shards; i++) {
        size += pool_free_in(pool, i);
    }
    return size + leased_in(pool, present);
}

uint32_t core_pools(const struct core *core, struct pool_view *ret_views, uint32_t cap)
{
    uint32_t count = HF_MIN(core->num_pools, cap);
    for (uint32_t i = 0; i < count; i++) {
        const struct core_pool *pool = &core->pools[i];
        ret_views[i] = (struct pool_view){
            .name = pool->name,
            .leased_v4 = leased_in(&pool->v4, pool->has_v4),
            .leased_v6 = leased_in(&pool->v6, pool->has_v6),
            .size_v4 = size_of(core, &pool->v4, pool->has_v4),
            .size_v6 = size_of(core, &pool->v6, pool->has_v6),
        };
    }
    return count;
}

#include "tests/unit/pool/fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;
    cr_assert(prefix_parse(text, &prefix), "%s", text);
    return prefix;
}

struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr;
    cr_assert(ip_parse(text, &addr), "%s", text);
    return addr;
}

struct fixture *fixture_new(const char *prefix, uint8_t shard_bits, uint16_t first, uint16_t step)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct pool_config config = {.prefix = prefix_of(prefix), .shard_bits = shard_bits, .shards = f->shards};
    for (uint32_t shard = first; shard < UINT32_C(1) << shard_bits; shard += step) {
        f->shards[config.num_shards++] = (uint16_t)shard;
    }
    f->memory = malloc(pool_bytes(&config));
    pool_init(&f->pool, f->memory, &config);
    return f;
}

void fixture_free(struct fixture *f)
{
    free(f->memory);
    free(f);
}

uint32_t fixture_free_in_all(const struct fixture *f)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < f->pool.config.num_shards; i++) {
        sum += pool_free_in(&f->pool, i);
    }
    return sum;
}

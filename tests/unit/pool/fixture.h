/* A pool of a worker that has the shards first, first + step, ... of a prefix. */
#pragma once

#include "edge/pool/pool.h"

struct fixture {
    struct pool pool;
    void *memory;
    uint16_t shards[1 << SHARD_BITS_MAX];
};

/* Both assert that the text is well formed. */
struct ip_prefix prefix_of(const char *text);
struct ip_addr addr_of(const char *text);
struct fixture *fixture_new(const char *prefix, uint8_t shard_bits, uint16_t first, uint16_t step);
void fixture_free(struct fixture *f);
/* Sum of pool_free_in() over the worker's shards. */
uint32_t fixture_free_in_all(const struct fixture *f);

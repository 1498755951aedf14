/* Virtual address leases of one worker. A pool's prefix is divided among the fleet's shards in equal,
 * contiguous slices (shard = offset / slice size), so that a shard's addresses move with it and one inner
 * route per run of shards is enough. A session takes an address from its own shard's slice, else from another
 * shard of the same worker. Never leased: the prefix's first address, its second (the gateway) and the last
 * one of an IPv4 prefix (broadcast). */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/limits.h"

/* Addresses of one shard that are ever handed out: bounds the memory for IPv6's huge slices. */
#define POOL_SLICE_MAX 65536

struct pool_config {
    struct ip_prefix prefix;
    uint8_t shard_bits;
    const uint16_t *shards; /* this worker's, ascending, outlives the pool; its positions = the slab's */
    uint32_t num_shards;
};

struct pool {
    struct pool_config config;
    uint64_t slice;    /* addresses per shard in the prefix, at most 2^63 */
    uint32_t usable;   /* of them handed out or reserved, at most POOL_SLICE_MAX */
    uint64_t *bits;    /* one bit per (shard position, offset): leased */
    uint32_t *used_in; /* per shard position: leases */
    uint32_t *cursor;  /* per shard position: where to search next, so that a freed address rests */
    uint32_t reserved_in_first, reserved_in_last; /* network, gateway; broadcast */
    uint32_t used;
};

/* A prefix must hold at least one usable address per shard: IPv4 with 16 shards a /26, with 1024 shards a
 * /20. An IPv6 prefix must not hold ::ffff:0:0/96. */
HF_MUST bool pool_fits(const struct ip_prefix *prefix, uint8_t shard_bits);
/* Bytes of memory pool_init() needs, a multiple of 8; the prefix fits (asserted). */
size_t pool_bytes(const struct pool_config *config);
/* `memory` (aligned to 8) belongs to the caller and outlives the pool; *config is copied. */
void pool_init(struct pool *pool, void *memory, const struct pool_config *config);
/* Takes an address, preferring the shard position; false when every slice of this worker is used up. */
HF_MUST bool pool_take(struct pool *pool, uint32_t position, struct ip_addr *ret_addr);
/* Only of this shard position: in a fleet the others may be another node's soon. */
HF_MUST bool pool_take_in(struct pool *pool, uint32_t position, struct ip_addr *ret_addr);
/* Takes one certain address (a session read back, or the one a client asks for again); false when it is
 * leased, reserved or outside this worker's slices. */
HF_MUST bool pool_take_at(struct pool *pool, const struct ip_addr *addr);
/* Returns an address; false when it was not leased here (a bug the caller asserts on). */
HF_MUST bool pool_free(struct pool *pool, const struct ip_addr *addr);
/* Addresses of one shard's slice that can be taken now. */
uint32_t pool_free_in(const struct pool *pool, uint32_t position);
/* Which shard an address belongs to; false when outside the prefix. */
HF_MUST bool pool_shard_of(const struct ip_prefix *prefix, uint8_t shard_bits, const struct ip_addr *addr,
                           uint16_t *ret_shard);
/* The gateway's own inner address: the prefix's second (never leased). */
struct ip_addr pool_gateway(const struct ip_prefix *prefix);
/* The fewest prefixes that cover the slices of shards first..last (asserted to be in order and to exist) and
 * nothing else: the routes of one worker. Returns how many were written, at most `cap`; 2 * shard_bits always
 * suffice. */
size_t pool_routes(const struct ip_prefix *prefix, uint8_t shard_bits, uint16_t first, uint16_t last,
                   struct ip_prefix *ret_routes, size_t cap);

#include "edge/pool/pool.h"

#include "edge/base/bytes.h"

#include <string.h>

enum {
    V4_DEPTH = 96, /* bits before the IPv4 address in the v4-mapped form */
    WORD_BITS = 64,
    RESERVED_FIRST = 2, /* the network's (IPv6: subnet router anycast, RFC 4291 2.6.1), the gateway's */
    SLICE_BITS_MIN = 2, /* room for these, the broadcast address and one more */
};

/* An IPv6 prefix must not hold the v4-mapped addresses: in ip_addr they are IPv4's. */
static const struct ip_prefix V4_MAPPED = {.addr = {.bytes = {[10] = 0xff, [11] = 0xff}}, .bits = V4_DEPTH};

/* ---- where a shard's slice lies: the shard is the `shard_bits` bits after the prefix */

static uint32_t prefix_depth(const struct ip_prefix *prefix)
{
    return prefix->bits + (prefix->is_v4 ? V4_DEPTH : 0);
}

/* Bits of an address that count within a slice; negative when there are more shards than addresses. */
static int slice_bits(const struct ip_prefix *prefix, uint8_t shard_bits)
{
    return 128 - (int)prefix_depth(prefix) - shard_bits;
}

/* Sets `count` bits after the first `depth` ones to the low bits of `value`. */
static void bits_set(struct ip_addr *addr, uint32_t depth, uint32_t count, uint32_t value)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = depth + i;
        uint32_t bit = value >> (count - 1 - i) & 1;
        uint8_t mask = (uint8_t)(0x80 >> at % 8);
        addr->bytes[at / 8] = (uint8_t)((addr->bytes[at / 8] & ~mask) | (bit != 0 ? mask : 0));
    }
}

static uint32_t bits_get(const struct ip_addr *addr, uint32_t depth, uint32_t count)
{
    uint32_t value = 0;
    for (uint32_t at = depth; at < depth + count; at++) {
        value = value << 1 | (addr->bytes[at / 8] >> (7 - at % 8) & 1);
    }
    return value;
}

static struct ip_addr slice_first(const struct ip_prefix *prefix, uint8_t shard_bits, uint16_t shard)
{
    struct ip_addr first = prefix_first(prefix);
    bits_set(&first, prefix_depth(prefix), shard_bits, shard);
    return first;
}

bool pool_fits(const struct ip_prefix *prefix, uint8_t shard_bits)
{
    bool holds_mapped = !prefix->is_v4 && prefix_overlaps(prefix, &V4_MAPPED);
    return shard_bits <= SHARD_BITS_MAX && !holds_mapped && slice_bits(prefix, shard_bits) >= SLICE_BITS_MIN;
}

bool pool_shard_of(const struct ip_prefix *prefix, uint8_t shard_bits, const struct ip_addr *addr,
                   uint16_t *ret_shard)
{
    hf_assert(slice_bits(prefix, shard_bits) >= 0);
    if (!prefix_contains(prefix, addr)) {
        return false;
    }
    *ret_shard = (uint16_t)bits_get(addr, prefix_depth(prefix), shard_bits);
    return true;
}

struct ip_addr pool_gateway(const struct ip_prefix *prefix)
{
    struct ip_addr network = prefix_first(prefix);
    return ip_add(&network, 1);
}

size_t pool_routes(const struct ip_prefix *prefix, uint8_t shard_bits, uint16_t first, uint16_t last,
                   struct ip_prefix *ret_routes, size_t cap)
{
    hf_assert(slice_bits(prefix, shard_bits) >= 0);
    hf_assert(first <= last && last >> shard_bits == 0);
    size_t count = 0;
    uint32_t from = first;
    while (from <= last && count < cap) {
        /* The largest aligned block that begins here and does not reach beyond `last`. */
        uint32_t size_bits = 0;
        while (size_bits < shard_bits && from % (UINT32_C(2) << size_bits) == 0 &&
               from + (UINT32_C(2) << size_bits) - 1 <= last) {
            size_bits++;
        }
        ret_routes[count++] = (struct ip_prefix){
            .addr = slice_first(prefix, shard_bits, (uint16_t)from),
            .bits = (uint8_t)(prefix->bits + shard_bits - size_bits),
            .is_v4 = prefix->is_v4,
        };
        from += UINT32_C(1) << size_bits;
    }
    return count;
}

/* ---- leases */

static uint32_t words_per_shard(uint32_t usable)
{
    return (usable + WORD_BITS - 1) / WORD_BITS;
}

static uint64_t slice_size(const struct pool_config *config)
{
    int bits = slice_bits(&config->prefix, config->shard_bits);
    hf_assert(bits >= SLICE_BITS_MIN);
    return UINT64_C(1) << HF_MIN(bits, 63);
}

size_t pool_bytes(const struct pool_config *config)
{
    uint32_t usable = (uint32_t)HF_MIN(slice_size(config), POOL_SLICE_MAX);
    size_t per_shard = words_per_shard(usable) * sizeof(uint64_t) + 2 * sizeof(uint32_t);
    return per_shard * config->num_shards;
}

void pool_init(struct pool *pool, void *memory, const struct pool_config *config)
{
    hf_assert(pool_fits(&config->prefix, config->shard_bits));
    for (uint32_t i = 0; i < config->num_shards; i++) {
        hf_assert(config->shards[i] >> config->shard_bits == 0);
        hf_assert(i == 0 || config->shards[i - 1] < config->shards[i]);
    }
    memset(memory, 0, pool_bytes(config));
    uint64_t slice = slice_size(config);
    uint32_t usable = (uint32_t)HF_MIN(slice, POOL_SLICE_MAX);
    uint64_t *bits = memory;
    uint32_t *counts = (uint32_t *)(bits + (size_t)words_per_shard(usable) * config->num_shards);
    *pool = (struct pool){
        .config = *config,
        .slice = slice,
        .usable = usable,
        .bits = bits,
        .used_in = counts,
        .cursor = counts + config->num_shards,
        .reserved_in_first = RESERVED_FIRST,
        .reserved_in_last = config->prefix.is_v4 && slice == usable ? 1 : 0,
    };
}

static bool offset_is_reserved(const struct pool *pool, uint32_t position, uint32_t offset)
{
    uint32_t shard = pool->config.shards[position];
    uint32_t shard_last = (UINT32_C(1) << pool->config.shard_bits) - 1;
    return (shard == 0 && offset < pool->reserved_in_first) ||
           (shard == shard_last && offset >= pool->usable - pool->reserved_in_last);
}

static uint64_t *lease_word(const struct pool *pool, uint32_t position, uint32_t offset, uint64_t *ret_mask)
{
    *ret_mask = UINT64_C(1) << offset % WORD_BITS;
    return &pool->bits[(size_t)position * words_per_shard(pool->usable) + offset / WORD_BITS];
}

static bool offset_is_free(const struct pool *pool, uint32_t position, uint32_t offset)
{
    uint64_t mask;
    uint64_t word = *lease_word(pool, position, offset, &mask);
    return (word & mask) == 0 && !offset_is_reserved(pool, position, offset);
}

static void offset_lease(struct pool *pool, uint32_t position, uint32_t offset)
{
    uint64_t mask;
    uint64_t *word = lease_word(pool, position, offset, &mask);
    hf_assert((*word & mask) == 0);
    *word |= mask;
    pool->used_in[position]++;
    pool->used++;
}

/* Addresses of a slice that can be leased at all. */
static uint32_t slice_capacity(const struct pool *pool, uint32_t position)
{
    uint32_t shard = pool->config.shards[position];
    uint32_t shard_last = (UINT32_C(1) << pool->config.shard_bits) - 1;
    return pool->usable - (shard == 0 ? pool->reserved_in_first : 0) -
           (shard == shard_last ? pool->reserved_in_last : 0);
}

uint32_t pool_free_in(const struct pool *pool, uint32_t position)
{
    hf_assert(position < pool->config.num_shards);
    return slice_capacity(pool, position) - pool->used_in[position];
}

/* A free offset of a slice that has one, from its cursor on; full words are passed over whole. */
static uint32_t offset_find(const struct pool *pool, uint32_t position)
{
    uint32_t offset = pool->cursor[position];
    for (uint32_t seen = 0; seen <= pool->usable + WORD_BITS;) {
        uint64_t mask;
        if (offset % WORD_BITS == 0 && *lease_word(pool, position, offset, &mask) == UINT64_MAX) {
            offset += WORD_BITS;
            seen += WORD_BITS;
        } else if (offset_is_free(pool, position, offset)) {
            return offset;
        } else {
            offset++;
            seen++;
        }
        offset = offset >= pool->usable ? 0 : offset;
    }
    hf_assert(false);
    return 0;
}

static struct ip_addr position_first(const struct pool *pool, uint32_t position)
{
    const struct pool_config *config = &pool->config;
    return slice_first(&config->prefix, config->shard_bits, config->shards[position]);
}

bool pool_take_in(struct pool *pool, uint32_t position, struct ip_addr *ret_addr)
{
    if (pool_free_in(pool, position) == 0) {
        return false;
    }
    uint32_t offset = offset_find(pool, position);
    struct ip_addr first = position_first(pool, position);
    offset_lease(pool, position, offset);
    pool->cursor[position] = (offset + 1) % pool->usable;
    *ret_addr = ip_add(&first, offset);
    return true;
}

bool pool_take(struct pool *pool, uint32_t position, struct ip_addr *ret_addr)
{
    uint32_t num_shards = pool->config.num_shards;
    hf_assert(position < num_shards);
    uint32_t tried = 0;
    while (tried < num_shards && !pool_take_in(pool, (position + tried) % num_shards, ret_addr)) {
        tried++;
    }
    return tried < num_shards;
}

/* Position of a shard in this worker's ascending list. */
static bool shard_position(const struct pool *pool, uint16_t shard, uint32_t *ret_position)
{
    uint32_t low = 0;
    uint32_t high = pool->config.num_shards;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pool->config.shards[middle] < shard) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_position = low;
    return low < pool->config.num_shards && pool->config.shards[low] == shard;
}

/* Where an address is in the tables; false when this worker never hands it out. */
static bool address_place(const struct pool *pool, const struct ip_addr *addr, uint32_t *ret_position,
                          uint32_t *ret_offset)
{
    const struct pool_config *config = &pool->config;
    uint16_t shard;
    if (!pool_shard_of(&config->prefix, config->shard_bits, addr, &shard) ||
        !shard_position(pool, shard, ret_position)) {
        return false;
    }
    struct ip_addr first = position_first(pool, *ret_position);
    uint64_t offset = be64_load(addr->bytes + 8) - be64_load(first.bytes + 8);
    struct ip_addr same = ip_add(&first, offset);
    if (offset >= pool->usable || !ip_equal(&same, addr)) {
        return false;
    }
    *ret_offset = (uint32_t)offset;
    return !offset_is_reserved(pool, *ret_position, *ret_offset);
}

bool pool_take_at(struct pool *pool, const struct ip_addr *addr)
{
    uint32_t position, offset;
    if (!address_place(pool, addr, &position, &offset) || !offset_is_free(pool, position, offset)) {
        return false;
    }
    offset_lease(pool, position, offset);
    return true;
}

bool pool_free(struct pool *pool, const struct ip_addr *addr)
{
    uint32_t position, offset;
    if (!address_place(pool, addr, &position, &offset)) {
        return false;
    }
    uint64_t mask;
    uint64_t *word = lease_word(pool, position, offset, &mask);
    if ((*word & mask) == 0) {
        return false;
    }
    *word &= ~mask;
    pool->used_in[position]--;
    pool->used--;
    return true;
}

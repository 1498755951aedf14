#include "edge/base/bytes.h"
#include "tests/unit/base/random.h"
#include "tests/unit/pool/fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(lease, every_shard_needs_an_address)
{
    static const struct {
        const char *prefix;
        uint8_t shard_bits;
        bool fits;
    } rows[] = {
        {"10.0.0.0/24", 4, true},    {"10.0.0.0/26", 4, true},      {"10.0.0.0/27", 4, false},
        {"10.0.0.0/28", 4, false},   {"10.0.0.1", 4, false},        {"10.0.0.0/20", 10, true},
        {"10.0.0.0/21", 10, false},  {"10.0.0.0/8", 14, true},      {"0.0.0.0/0", 14, true},
        {"10.0.0.0/16", 14, true},   {"10.0.0.0/17", 14, false},    {"10.0.0.0/8", SHARD_BITS_MAX + 1, false},
        {"2001:db8::/64", 10, true}, {"2001:db8::/32", 14, true},   {"2001:db8::/112", 14, true},
        {"2001:db8::/122", 4, true}, {"2001:db8::/113", 14, false}, {"2001:db8::/123", 4, false},
        {"2001:db8::1", 4, false},   {"fd00::/8", 4, true},         {"fd00::/8", SHARD_BITS_MAX + 1, false},
        {"::/0", 4, false},          {"::/80", 4, false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct ip_prefix prefix = prefix_of(rows[i].prefix);
        cr_expect_eq(pool_fits(&prefix, rows[i].shard_bits), rows[i].fits, "%s by 2^%d", rows[i].prefix,
                     rows[i].shard_bits);
    }
}

/* Takes all there is and returns how many: each one once, each in a shard of this worker. */
static uint32_t take_all(struct fixture *f)
{
    const struct pool_config *config = &f->pool.config;
    struct ip_addr addr;
    uint32_t taken = 0;
    while (pool_take(&f->pool, taken % config->num_shards, &addr)) {
        uint16_t shard;
        cr_assert(pool_shard_of(&config->prefix, config->shard_bits, &addr, &shard));
        cr_assert_eq(shard, config->shards[taken % config->num_shards]);
        cr_assert_not(pool_take_at(&f->pool, &addr), "leased twice");
        taken++;
        if (pool_free_in(&f->pool, taken % config->num_shards) == 0) {
            break;
        }
    }
    while (pool_take(&f->pool, 0, &addr)) {
        taken++;
    }
    return taken;
}

Test(lease, all_but_what_is_reserved)
{
    static const struct {
        const char *prefix;
        uint8_t shard_bits;
        uint16_t first, step;
        uint32_t leases;
    } rows[] = {
        {"10.0.0.0/24", 4, 0, 1, 253},
        {"10.0.0.0/26", 4, 0, 1, 61},
        {"10.0.0.0/24", 4, 1, 2, 127},
        {"10.0.0.0/24", 4, 0, 2, 126},
        {"10.0.0.0/24", 4, 3, 16, 16},
        {"10.0.0.0/20", 10, 0, 1, 4093},
        {"10.0.0.0/8", 4, 15, 1, 65536},
        {"2001:db8::/122", 4, 0, 1, 62},
        {"2001:db8::/64", 4, 0, 16, 65534},
        {"fd00::/8", 4, 15, 1, 65536},
        {"2001:db8::/108", 4, 0, 4, 4 * 65536 - 2},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct fixture *f = fixture_new(rows[i].prefix, rows[i].shard_bits, rows[i].first, rows[i].step);
        cr_expect_eq(fixture_free_in_all(f), rows[i].leases, "%s", rows[i].prefix);
        cr_expect_eq(take_all(f), rows[i].leases, "%s", rows[i].prefix);
        cr_expect_eq(f->pool.used, rows[i].leases, "%s", rows[i].prefix);
        cr_expect_eq(fixture_free_in_all(f), 0, "%s", rows[i].prefix);
        fixture_free(f);
    }
}

Test(lease, certain_addresses)
{
    static const struct {
        const char *prefix;
        uint8_t shard_bits;
        uint16_t first, step;
        const char *addr;
        bool leased;
    } rows[] = {
        {"10.0.0.0/24", 4, 0, 1, "10.0.0.2", true},
        {"10.0.0.0/24", 4, 0, 1, "10.0.0.254", true},
        {"10.0.0.0/24", 4, 0, 1, "10.0.0.0", false},   /* network */
        {"10.0.0.0/24", 4, 0, 1, "10.0.0.1", false},   /* gateway */
        {"10.0.0.0/24", 4, 0, 1, "10.0.0.255", false}, /* broadcast */
        {"10.0.0.0/24", 4, 0, 1, "10.0.1.2", false},
        {"10.0.0.0/24", 4, 0, 1, "9.255.255.255", false},
        {"10.0.0.0/24", 4, 0, 1, "::10.0.0.2", false},
        {"10.0.0.0/24", 4, 1, 2, "10.0.0.16", true},
        {"10.0.0.0/24", 4, 1, 2, "10.0.0.31", true},
        {"10.0.0.0/24", 4, 1, 2, "10.0.0.32", false}, /* another worker's */
        {"10.0.0.0/8", 4, 0, 1, "10.0.255.255", true},
        {"10.0.0.0/8", 4, 0, 1, "10.1.0.0", false}, /* beyond POOL_SLICE_MAX */
        {"10.0.0.0/8", 4, 0, 1, "10.255.255.255", false},
        {"2001:db8::/64", 4, 0, 1, "2001:db8::", false},
        {"2001:db8::/64", 4, 0, 1, "2001:db8::1", false},
        {"2001:db8::/64", 4, 0, 1, "2001:db8::2", true},
        {"2001:db8::/64", 4, 0, 1, "2001:db8::ffff", true},
        {"2001:db8::/64", 4, 0, 1, "2001:db8::1:0", false},
        {"2001:db8::/64", 4, 0, 1, "2001:db8:0:0:f000::", true},
        {"2001:db8::/64", 4, 0, 1, "2001:db8:0:0:ffff:ffff:ffff:ffff", false},
        {"2001:db8::/64", 4, 0, 1, "2001:db8:0:1::2", false},
        {"fd00::/8", 14, 0, 1, "fd00:400::5", true},
        {"fd00::/8", 14, 0, 1, "fd00:400:0:1::5", false}, /* differs above the offset's 64 bits */
        {"fd00::/8", 14, 0, 1, "fd00:401::5", false},
        {"2001:db8::/122", 4, 0, 1, "2001:db8::3f", true}, /* no broadcast in IPv6 */
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct fixture *f = fixture_new(rows[i].prefix, rows[i].shard_bits, rows[i].first, rows[i].step);
        struct ip_addr addr = addr_of(rows[i].addr);
        uint32_t size = fixture_free_in_all(f);
        cr_expect_not(pool_free(&f->pool, &addr), "%s was not leased", rows[i].addr);
        cr_expect_eq(pool_take_at(&f->pool, &addr), rows[i].leased, "%s of %s", rows[i].addr, rows[i].prefix);
        cr_expect_not(pool_take_at(&f->pool, &addr), "%s twice", rows[i].addr);
        cr_expect_eq(fixture_free_in_all(f), size - rows[i].leased, "%s", rows[i].addr);
        cr_expect_eq(pool_free(&f->pool, &addr), rows[i].leased, "%s", rows[i].addr);
        cr_expect_eq(fixture_free_in_all(f), size, "%s", rows[i].addr);
        fixture_free(f);
    }
}

Test(lease, own_shard_first_and_freed_ones_rest)
{
    struct fixture *f = fixture_new("10.0.0.0/24", 4, 0, 1);
    struct ip_addr addr;
    uint16_t shard;
    for (uint32_t i = 0; i < 20; i++) { /* 16 of shard 5, then the next shards' */
        cr_assert(pool_take(&f->pool, 5, &addr));
        cr_assert(pool_shard_of(&f->pool.config.prefix, 4, &addr, &shard));
        cr_expect_eq(shard, i < 16 ? 5 : 6, "address %u", i);
    }
    struct ip_addr first = addr_of("10.0.0.96"), next;
    cr_assert(pool_free(&f->pool, &first));
    cr_assert(pool_take(&f->pool, 6, &next));
    cr_expect_not(ip_equal(&first, &next), "handed out again at once");
    fixture_free(f);
}

/* The model: which of the prefix's addresses are leased, by their last 16 bits. */
struct model {
    bool leased[1 << 16];
    uint32_t count;
};

static void model_set(struct model *model, const struct ip_addr *addr, bool leased)
{
    bool *cell = &model->leased[be16_load(addr->bytes + 14)];
    cr_assert_neq(*cell, leased);
    *cell = leased;
    model->count += leased ? 1 : UINT32_MAX;
}

static void step_random(struct fixture *f, struct model *model, uint64_t *random)
{
    const struct pool_config *config = &f->pool.config;
    uint64_t choice = random_next(random);
    uint32_t position = (uint32_t)(choice >> 32) % config->num_shards;
    struct ip_addr first = prefix_first(&config->prefix);
    struct ip_addr addr = ip_add(&first, choice >> 8 & 0xfff);
    bool was_leased = model->leased[be16_load(addr.bytes + 14)];
    if (choice % 8 < 3) {
        bool is_full = fixture_free_in_all(f) == 0;
        bool taken = pool_take(&f->pool, position, &addr);
        cr_assert_neq(taken, is_full);
        if (taken) {
            model_set(model, &addr, true);
        }
    } else if (choice % 8 < 4) {
        if (pool_take_at(&f->pool, &addr)) {
            model_set(model, &addr, true);
        }
    } else {
        cr_assert_eq(pool_free(&f->pool, &addr), was_leased);
        if (was_leased) {
            model_set(model, &addr, false);
        }
    }
}

Test(lease, random_operations_conserve)
{
    static const struct {
        const char *prefix;
        uint8_t shard_bits;
        uint16_t first, step;
    } rows[] = {
        {"10.7.0.0/20", 4, 0, 1},
        {"10.7.0.0/20", 10, 1, 3},
        {"10.7.16.0/24", 4, 0, 2},
        {"fd00::/116", 4, 1, 2},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct fixture *f = fixture_new(rows[i].prefix, rows[i].shard_bits, rows[i].first, rows[i].step);
        struct model *model = calloc(1, sizeof(*model));
        uint32_t size = fixture_free_in_all(f);
        uint64_t random = i;
        for (uint32_t step = 0; step < 20000; step++) {
            step_random(f, model, &random);
            cr_assert_eq(f->pool.used, model->count);
            cr_assert_eq(f->pool.used + fixture_free_in_all(f), size, "%s: leased + free", rows[i].prefix);
        }
        free(model);
        fixture_free(f);
    }
}

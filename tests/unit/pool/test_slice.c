#include "edge/base/bytes.h"
#include "tests/unit/base/random.h"
#include "tests/unit/pool/fixture.h"

#include <criterion/criterion.h>

Test(slice, shards_divide_the_prefix)
{
    static const struct {
        const char *prefix;
        uint8_t shard_bits;
    } rows[] = {{"10.0.0.0/24", 4}, {"10.0.16.0/20", 10}, {"10.8.0.0/16", 14}, {"2001:db8::/112", 4}};

    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct ip_prefix prefix = prefix_of(rows[i].prefix);
        struct ip_addr addr = prefix_first(&prefix), last = prefix_last(&prefix);
        uint32_t size = be32_load(last.bytes + 12) - be32_load(addr.bytes + 12) + 1;
        uint32_t slice = size >> rows[i].shard_bits;
        for (uint32_t offset = 0; offset < size; offset++, addr = ip_add(&addr, 1)) {
            uint16_t shard;
            cr_assert(pool_shard_of(&prefix, rows[i].shard_bits, &addr, &shard));
            cr_assert_eq(shard, offset / slice, "%s + %u", rows[i].prefix, offset);
        }
    }
}

Test(slice, of_single_addresses)
{
    static const struct {
        const char *prefix;
        uint8_t shard_bits;
        const char *addr;
        int shard; /* -1: outside */
    } rows[] = {
        {"10.0.0.0/24", 4, "10.0.1.0", -1},
        {"10.0.0.0/24", 4, "2001:db8::1", -1},
        {"2001:db8::/32", 14, "2001:db8::", 0},
        {"2001:db8::/32", 14, "2001:db8:3:ffff::1", 0},
        {"2001:db8::/32", 14, "2001:db8:4::", 1},
        {"2001:db8::/32", 14, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", (1 << 14) - 1},
        {"2001:db8::/32", 14, "2001:db9::", -1},
        {"2001:db8::/64", 4, "2001:db8:0:0:7fff:ffff:ffff:ffff", 7},
        {"2001:db8::/64", 4, "2001:db8:0:0:8000::", 8},
        {"2001:db8::/64", 10, "10.0.0.1", -1},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct ip_prefix prefix = prefix_of(rows[i].prefix);
        struct ip_addr addr = addr_of(rows[i].addr);
        uint16_t shard;
        bool inside = pool_shard_of(&prefix, rows[i].shard_bits, &addr, &shard);
        cr_expect_eq(inside ? shard : -1, rows[i].shard, "%s in %s", rows[i].addr, rows[i].prefix);
    }
    struct ip_prefix prefix = prefix_of("10.0.0.0/24");
    struct ip_addr gateway = pool_gateway(&prefix), wanted = addr_of("10.0.0.1");
    cr_expect(ip_equal(&gateway, &wanted));
}

/* The routes are in order, touch each other, begin and end with the slices, and no two could be one. */
static void check_routes(const struct ip_prefix *prefix, uint8_t shard_bits, uint16_t first, uint16_t last)
{
    struct ip_prefix routes[2 * SHARD_BITS_MAX + 1];
    size_t count = pool_routes(prefix, shard_bits, first, last, routes, HF_COUNT(routes));
    cr_assert(count >= 1 && count <= 2u * shard_bits, "%zu routes", count);
    for (size_t i = 0; i < count; i++) {
        struct ip_addr begin = prefix_first(&routes[i]), end = prefix_last(&routes[i]);
        uint16_t shard;
        cr_assert(ip_equal(&begin, &routes[i].addr), "host bits set");
        cr_assert_eq(routes[i].is_v4, prefix->is_v4);
        cr_assert(pool_shard_of(prefix, shard_bits, &begin, &shard));
        cr_assert(i > 0 || shard == first);
        cr_assert(pool_shard_of(prefix, shard_bits, &end, &shard));
        cr_assert(i + 1 < count || shard == last);
        struct ip_addr behind = ip_add(&end, 1);
        cr_assert(i + 1 == count || ip_equal(&behind, &routes[i + 1].addr), "a hole or an overlap");
        if (i + 1 < count && routes[i].bits == routes[i + 1].bits) {
            struct ip_prefix both = routes[i];
            both.bits--;
            cr_assert_not(prefix_contains(&both, &routes[i + 1].addr), "two routes for one");
        }
    }
    /* Ends on slice boundaries: the neighbours belong to the neighbouring shards. */
    struct ip_addr end = prefix_last(&routes[count - 1]);
    struct ip_addr behind = ip_add(&end, 1);
    uint16_t shard = 0;
    bool inside = pool_shard_of(prefix, shard_bits, &behind, &shard);
    cr_assert(inside ? shard == last + 1 : last + 1 == 1 << shard_bits);
}

Test(slice, routes_cover_exactly_the_slices)
{
    static const char *const prefixes[] = {"10.0.0.0/24", "10.64.0.0/10", "2001:db8::/64", "2001:db8::/32"};
    uint64_t random = 0;
    for (size_t i = 0; i < HF_COUNT(prefixes); i++) {
        struct ip_prefix prefix = prefix_of(prefixes[i]);
        for (uint16_t first = 0; first < 16; first++) {
            for (uint16_t last = first; last < 16; last++) {
                check_routes(&prefix, 4, first, last);
            }
        }
        for (uint32_t n = 0; n < 2000 && i > 0; n++) {
            uint16_t a = random_next(&random) % (1 << 14), b = random_next(&random) % (1 << 14);
            check_routes(&prefix, 14, HF_MIN(a, b), HF_MAX(a, b));
        }
        check_routes(&prefix, 4, 0, 15);
    }
    struct ip_prefix route, all = prefix_of("10.0.0.0/24");
    cr_expect_eq(pool_routes(&all, 4, 0, 15, &route, 1), 1);
    cr_expect_eq(route.bits, 24);
    cr_expect_eq(pool_routes(&all, 4, 1, 14, &route, 1), 1, "no more than there is room for");
}

/* Counting by prefix: what is shared, what is not, and what comes back. */
#include "edge/base/limits.h"
#include "edge/ike/source.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t key[2] = {0x0123456789abcdef, 0xfedcba9876543210};

struct counting {
    struct sources sources;
    void *memory;
};

static struct counting counting_new(uint32_t half_open_max)
{
    struct counting c = {.memory = malloc(sources_bytes(half_open_max))};
    sources_init(&c.sources, c.memory, half_open_max, key);
    return c;
}

static struct source from(const struct counting *c, const char *text)
{
    struct ip_addr addr;
    cr_assert(ip_parse(text, &addr), "%s", text);
    return source_of(&c->sources, &addr);
}

static bool is_full(const struct sources *sources, const struct source *source, uint32_t limit)
{
    return sources_full_level(sources, source, limit) != SOURCE_NOT_FULL;
}

/* After `limit` handshakes of each of the first, the second may have none, or may. */
Test(source, networks_share_what_they_may_have)
{
    static const struct {
        const char *what, *taker[4], *other;
        bool full;
    } rows[] = {
        {"an address", {"192.0.2.1"}, "192.0.2.1", true},
        {"its neighbour", {"192.0.2.1"}, "192.0.2.2", false},
        {"a /24 whose addresses took twice as much", {"192.0.2.1", "192.0.2.2"}, "192.0.2.3", true},
        {"the next /24", {"192.0.2.1", "192.0.2.2"}, "192.0.3.1", false},
        {"a /64 that took half", {"2001:db8:1:2::1"}, "2001:db8:1:2:ffff::9", true},
        {"the /56 around it, which may have twice that", {"2001:db8:1:2::1"}, "2001:db8:1:3::1", false},
        {"a /56", {"2001:db8:1:2::1", "2001:db8:1:3::1"}, "2001:db8:1:4::1", true},
        {"the next /56", {"2001:db8:1:2::1", "2001:db8:1:3::1"}, "2001:db8:1:104::1", false},
        {"a /48",
         {"2001:db8:1:2::1", "2001:db8:1:102::1", "2001:db8:1:202::1", "2001:db8:1:302::1"},
         "2001:db8:1:402::1",
         true},
        {"the next /48",
         {"2001:db8:1:2::1", "2001:db8:1:102::1", "2001:db8:1:202::1", "2001:db8:1:302::1"},
         "2001:db8:2::1",
         false},
        {"an IPv6 prefix with the bytes of an IPv4 address", {"192.0.2.1"}, "c000:201::", false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct counting c = counting_new(1000);
        struct source other = from(&c, rows[i].other);
        uint32_t limit = 8;
        for (uint32_t t = 0; t < HF_COUNT(rows[i].taker) && rows[i].taker[t] != NULL; t++) {
            struct source taker = from(&c, rows[i].taker[t]);
            uint32_t may = taker.is_v4 ? limit : limit / 2;
            for (uint32_t n = 0; n < may; n++) {
                cr_assert(!is_full(&c.sources, &taker, limit), "%s: %u", rows[i].what, n);
                sources_enter(&c.sources, &taker);
            }
        }
        cr_expect_eq(is_full(&c.sources, &other, limit), rows[i].full, "%s", rows[i].what);
        for (uint32_t t = 0; t < HF_COUNT(rows[i].taker) && rows[i].taker[t] != NULL; t++) {
            struct source taker = from(&c, rows[i].taker[t]);
            for (uint32_t n = 0; n < (taker.is_v4 ? limit : limit / 2); n++) {
                sources_leave(&c.sources, &taker);
            }
        }
        cr_expect(!is_full(&c.sources, &other, limit), "%s: all have left", rows[i].what);
        free(c.memory);
    }
}

/* Handshakes of as many networks as there can be blame nearly nobody else. */
Test(source, strangers_are_not_blamed)
{
    enum { HALF_OPEN = 4096, ASKED = 1000 };
    struct counting c = counting_new(HALF_OPEN);
    char text[IP_TEXT_MAX];
    for (uint32_t i = 0; i < HALF_OPEN; i++) {
        snprintf(text, sizeof(text), "2001:db8:%x::1", i);
        struct source source = from(&c, text);
        sources_enter(&c.sources, &source);
    }
    uint32_t blamed = 0;
    for (uint32_t i = 0; i < ASKED; i++) {
        snprintf(text, sizeof(text), "198.18.%u.%u", i / 256, i % 256);
        struct source source = from(&c, text);
        blamed += is_full(&c.sources, &source, 4);
    }
    cr_expect_leq(blamed, ASKED / 100, "%u of %d", blamed, ASKED);
    free(c.memory);
}

Test(source, work_without_a_login_is_bounded_and_decays)
{
    struct counting c = counting_new(1000);
    struct source source = from(&c, "192.0.2.1"), neighbour = from(&c, "192.0.2.2");
    ns_t now = 100 * NS_PER_S;
    uint32_t cost = 16, times = SOURCE_WORK_MAX / 16;
    for (uint32_t i = 0; i < times; i++) {
        cr_assert(sources_charge(&c.sources, &source, now, cost), "%u", i);
    }
    cr_expect(!sources_charge(&c.sources, &source, now, cost));
    cr_expect(sources_charge(&c.sources, &neighbour, now, cost), "its /24 has room");
    now += (ns_t)cost * SOURCE_WORK_INTERVAL_NS;
    cr_expect(sources_charge(&c.sources, &source, now, cost), "some came back");
    cr_expect(!sources_charge(&c.sources, &source, now, cost));
    sources_refund(&c.sources, &source, cost);
    cr_expect(sources_charge(&c.sources, &source, now, cost), "a login");
    now += (ns_t)SOURCE_WORK_MAX * SOURCE_WORK_INTERVAL_NS;
    for (uint32_t i = 0; i < times; i++) {
        cr_assert(sources_charge(&c.sources, &source, now, cost), "all came back: %u", i);
    }
    free(c.memory);
}

/* By the clock, however often somebody asks. */
Test(source, work_decays_while_it_is_asked_for)
{
    struct counting c = counting_new(1000);
    struct source source = from(&c, "192.0.2.1");
    ns_t now = 1000 * NS_PER_S;
    cr_assert(sources_charge(&c.sources, &source, now, SOURCE_WORK_MAX));
    for (ns_t at = 0; at < 4 * NS_PER_S; at += 1030000) { /* about a thousand refused attempts in a second */
        (void)!sources_charge(&c.sources, &source, now + at, SOURCE_WORK_MAX);
    }
    cr_expect(sources_charge(&c.sources, &source, now + 4 * NS_PER_S, 4 * 1900), "4 s are worth 7692 units");
    free(c.memory);
}

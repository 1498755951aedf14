#include "edge/base/addr.h"

#include <criterion/criterion.h>

/* NULL: refused. Expected text as RFC 5952 writes it. */
static const struct {
    const char *text;
    const char *expected;
} ADDRESSES[] = {
    {"0.0.0.0", "0.0.0.0"},
    {"192.0.2.1", "192.0.2.1"},
    {"255.255.255.255", "255.255.255.255"},
    {"::", "::"},
    {"::1", "::1"},
    {"1::", "1::"},
    {"2001:DB8::ABCD", "2001:db8::abcd"},
    {"2001:0db8:0000:0000:0000:0000:0002:0001", "2001:db8::2:1"},
    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* 4.2.2: a single zero group stays */
    {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},          /* 4.2.3: the longest run */
    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},    /* 4.2.3: the first of equals */
    {"0:0:1:0:0:1:0:0", "::1:0:0:1:0:0"},
    {"1:0:0:0:0:0:0:0", "1::"},
    {"::1:2", "::1:2"}, /* not the deprecated IPv4-compatible form */
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"::ffff:192.0.2.1", "192.0.2.1"}, /* one form for one address */
    {"::fffe:192.0.2.1", "::fffe:c000:201"},
    {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
    {"1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"},
    {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"}, /* 4.2.2 again: "::" is read for one group, not written */
    {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
    {"1:2:3:4::5:6.7.8.9", "1:2:3:4:0:5:607:809"},
    {"", NULL},
    {"1", NULL},
    {"1.2.3", NULL},
    {"1.2.3.4.5", NULL},
    {"1.2.3.256", NULL},
    {"01.2.3.4", NULL},
    {"0x1.2.3.4", NULL},
    {"1.2.3.4 ", NULL},
    {" 1.2.3.4", NULL},
    {"1.2.3.4/8", NULL},
    {"-1.2.3.4", NULL},
    {":", NULL},
    {":::", NULL},
    {"1::2::3", NULL},
    {"1:2:3:4:5:6:7", NULL},
    {"1:2:3:4:5:6:7:8:9", NULL},
    {"12345::", NULL},
    {"1:2:3:4:5:6:7:8::", NULL},
    {"::1:2:3:4:5:6:7:8", NULL},
    {"1::2:3:4:5:6:7:8", NULL},
    {"1:2:3:4:5:6:7:", NULL},
    {":1:2:3:4:5:6:7", NULL},
    {"::1:", NULL},
    {"1:::2", NULL},
    {"1:2:3:4:5:6:7:1.2.3.4", NULL},
    {"::1.2.3", NULL},
    {"::1.2.3.4.5", NULL},
    {"::1.2.3.4:5", NULL},
    {"::g", NULL},
    {"::@", NULL},
    {"fe80::1%eth0", NULL},
    {"[::1]", NULL},
    {"gateway.example", NULL},
};

Test(addr, parse_and_format)
{
    for (size_t i = 0; i < HF_COUNT(ADDRESSES); i++) {
        struct ip_addr addr, again;
        char text[IP_TEXT_MAX];
        bool ok = ip_parse(ADDRESSES[i].text, &addr);
        cr_assert_eq(ok, ADDRESSES[i].expected != NULL, "%s", ADDRESSES[i].text);
        if (ok) {
            cr_assert_str_eq(ip_format(&addr, text), ADDRESSES[i].expected);
            cr_assert(ip_parse(text, &again) && ip_equal(&addr, &again), "%s", text);
        }
    }
}

static struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr;
    cr_assert(ip_parse(text, &addr), "%s", text);
    return addr;
}

Test(addr, families)
{
    const uint8_t four[4] = {192, 0, 2, 1};
    const uint8_t sixteen[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct ip_addr v4 = ip_from_v4(four), v6 = ip_from_v6(sixteen);
    struct ip_addr want_v4 = addr_of("192.0.2.1"), want_v6 = addr_of("2001:db8::1");
    cr_assert(ip_equal(&v4, &want_v4) && ip_equal(&v6, &want_v6));
    cr_assert(ip_is_v4(&v4) && !ip_is_v4(&v6));
    cr_assert(span_equal(ip_span(&v4), span_of(four, 4)) && span_equal(ip_span(&v6), span_of(sixteen, 16)));

    struct ip_addr zero_v4 = addr_of("0.0.0.0"), zero_v6 = addr_of("::"), one = addr_of("::1");
    cr_assert(ip_is_zero(&zero_v4) && ip_is_zero(&zero_v6) && !ip_is_zero(&one) && !ip_is_zero(&v4));
    cr_assert(!ip_equal(&zero_v4, &zero_v6));
    cr_assert(ip_compare(&one, &v6) < 0 && ip_compare(&v6, &one) > 0 && ip_compare(&one, &one) == 0);
}

Test(addr, endpoints)
{
    char text[ENDPOINT_TEXT_MAX];
    struct endpoint a = {addr_of("192.0.2.1"), 4500}, b = a, c = {addr_of("2001:db8::1"), 0};
    struct endpoint longest = {addr_of("2001:db81:2222:3333:4444:5555:6666:7777"), 65535};
    cr_assert_str_eq(endpoint_format(&a, text), "192.0.2.1:4500");
    cr_assert_str_eq(endpoint_format(&c, text), "[2001:db8::1]:0");
    cr_assert_str_eq(endpoint_format(&longest, text), "[2001:db81:2222:3333:4444:5555:6666:7777]:65535");
    cr_assert(endpoint_equal(&a, &b));
    b.port++;
    cr_assert(!endpoint_equal(&a, &b));
    b = a;
    b.addr = c.addr;
    cr_assert(!endpoint_equal(&a, &b));
}

static const struct {
    const char *from;
    uint64_t offset;
    const char *expected;
} SUMS[] = {
    {"10.0.0.255", 1, "10.0.1.0"},
    {"10.0.0.0", 0, "10.0.0.0"},
    {"255.255.255.255", 1, "0.0.0.0"},
    {"10.0.0.0", UINT64_C(1) << 32, "10.0.0.0"},
    {"2001:db8::ffff:ffff:ffff:ffff", 1, "2001:db8:0:1::"},
    {"2001:db8::1", UINT64_MAX, "2001:db8:0:1::"},
    {"2001:db8::", UINT64_MAX, "2001:db8::ffff:ffff:ffff:ffff"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, "::"},
};

Test(addr, sums_stay_in_their_family)
{
    for (size_t i = 0; i < HF_COUNT(SUMS); i++) {
        struct ip_addr from = addr_of(SUMS[i].from), sum = ip_add(&from, SUMS[i].offset);
        char text[IP_TEXT_MAX];
        cr_assert_str_eq(ip_format(&sum, text), SUMS[i].expected);
    }
}

/* NULL: refused. */
static const struct {
    const char *text;
    const char *expected, *first, *last;
} PREFIXES[] = {
    {"10.0.0.0/8", "10.0.0.0/8", "10.0.0.0", "10.255.255.255"},
    {"0.0.0.0/0", "0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
    {"192.0.2.128/25", "192.0.2.128/25", "192.0.2.128", "192.0.2.255"},
    {"192.0.2.6/31", "192.0.2.6/31", "192.0.2.6", "192.0.2.7"},
    {"192.0.2.7", "192.0.2.7/32", "192.0.2.7", "192.0.2.7"},
    {"::/0", "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"2001:db8::/33", "2001:db8::/33", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"},
    {"2001:db8::1", "2001:db8::1/128", "2001:db8::1", "2001:db8::1"},
    {"::ffff:10.0.0.0/104", "10.0.0.0/8", "10.0.0.0", "10.255.255.255"},
    {"::ffff:0.0.0.0/96", "0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
    {"::ffff:192.0.2.1", "192.0.2.1/32", "192.0.2.1", "192.0.2.1"},
    {"10.0.0.1/8", NULL, NULL, NULL},
    {"0.0.0.1/0", NULL, NULL, NULL},
    {"2001:db8::1/127", NULL, NULL, NULL},
    {"::ffff:0.0.0.0/95", NULL, NULL, NULL},
    {"10.0.0.0/33", NULL, NULL, NULL},
    {"2001:db8::/129", NULL, NULL, NULL},
    {"10.0.0.0/", NULL, NULL, NULL},
    {"10.0.0.0/08", NULL, NULL, NULL},
    {"10.0.0.0/+8", NULL, NULL, NULL},
    {"10.0.0.0/ 8", NULL, NULL, NULL},
    {"10.0.0.0/8/8", NULL, NULL, NULL},
    {"10.0.0.0/1000", NULL, NULL, NULL},
    {"10.0.0.0/4294967304", NULL, NULL, NULL},
    {"/8", NULL, NULL, NULL},
    {"", NULL, NULL, NULL},
    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd/8", NULL, NULL, NULL},
};

Test(addr, prefixes)
{
    for (size_t i = 0; i < HF_COUNT(PREFIXES); i++) {
        struct ip_prefix prefix;
        char text[PREFIX_TEXT_MAX];
        bool ok = prefix_parse(PREFIXES[i].text, &prefix);
        cr_assert_eq(ok, PREFIXES[i].expected != NULL, "%s", PREFIXES[i].text);
        if (ok) {
            struct ip_addr first = prefix_first(&prefix), last = prefix_last(&prefix);
            cr_assert_str_eq(prefix_format(&prefix, text), PREFIXES[i].expected);
            cr_assert_str_eq(ip_format(&first, text), PREFIXES[i].first);
            cr_assert_str_eq(ip_format(&last, text), PREFIXES[i].last);
            cr_assert(prefix_contains(&prefix, &first) && prefix_contains(&prefix, &last));
            cr_assert_eq(prefix.is_v4, ip_is_v4(&prefix.addr));
        }
    }
}

static struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;
    cr_assert(prefix_parse(text, &prefix), "%s", text);
    return prefix;
}

Test(addr, prefix_contains)
{
    static const struct {
        const char *prefix, *addr;
        bool expected;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"192.0.2.0/25", "192.0.2.127", true},
        {"192.0.2.0/25", "192.0.2.128", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.0", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::", false}, /* families do not mix, however wide */
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "10.0.0.1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct ip_prefix prefix = prefix_of(rows[i].prefix);
        struct ip_addr addr = addr_of(rows[i].addr);
        bool contains = prefix_contains(&prefix, &addr);
        cr_assert_eq(contains, rows[i].expected, "%s %s", rows[i].prefix, rows[i].addr);
    }
}

Test(addr, prefix_overlaps)
{
    static const struct {
        const char *a, *b;
        bool expected;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0/8", true},    {"10.0.0.0/8", "10.1.0.0/16", true},
        {"10.0.0.0/9", "10.128.0.0/9", false}, {"10.0.0.0/8", "11.0.0.0/8", false},
        {"0.0.0.0/0", "192.0.2.1", true},      {"0.0.0.0/0", "::/0", false},
        {"::/0", "2001:db8::/32", true},       {"2001:db8::/64", "2001:db8:0:1::/64", false},
        {"192.0.2.1", "192.0.2.1", true},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct ip_prefix a = prefix_of(rows[i].a), b = prefix_of(rows[i].b);
        cr_assert_eq(prefix_overlaps(&a, &b), rows[i].expected, "%s %s", rows[i].a, rows[i].b);
        cr_assert_eq(prefix_overlaps(&b, &a), rows[i].expected, "%s %s", rows[i].b, rows[i].a);
    }
}

#include "edge/ike/internal.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr;
    cr_assert(ip_parse(text, &addr), "%s", text);
    return addr;
}

/* "10.0.0.0-10.0.0.255", with "/17:53-53" for protocol and ports. */
static struct ts_range range_parse(const char *text)
{
    char first[64], last[64];
    struct ts_range range = {.port_last = UINT16_MAX};
    unsigned protocol = 0, from = 0, to = UINT16_MAX;
    int found = sscanf(text, "%63[^-]-%63[^/]/%u:%u-%u", first, last, &protocol, &from, &to);
    cr_assert_geq(found, 2, "%s", text);
    range.first = addr_of(first);
    range.last = addr_of(last);
    range.protocol = (uint8_t)protocol;
    range.port_first = (uint16_t)from;
    range.port_last = (uint16_t)to;
    return range;
}

static uint32_t ranges_parse(const char *text, struct ts_range *ret)
{
    char copy[512], *rest = copy;
    uint32_t count = 0;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *part = strsep(&rest, " "); part != NULL && *part != '\0'; part = strsep(&rest, " ")) {
        ret[count++] = range_parse(part);
    }
    return count;
}

static bool range_equal(const struct ts_range *a, const struct ts_range *b)
{
    return a->protocol == b->protocol && a->port_first == b->port_first && a->port_last == b->port_last &&
           ip_equal(&a->first, &b->first) && ip_equal(&a->last, &b->last);
}

#define ALL4 "0.0.0.0-255.255.255.255"
#define ALL6 "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

/* RFC 7296 2.9 */
Test(narrow, selectors_are_what_both_sides_allow)
{
    static const struct {
        const char *what, *offer, *allowed, *result;
    } rows[] = {
        {"everything", ALL4, "10.0.0.0-10.255.255.255", "10.0.0.0-10.255.255.255"},
        {"one address", ALL4 " " ALL6, "10.9.0.7-10.9.0.7", "10.9.0.7-10.9.0.7"},
        {"both families", ALL4 " " ALL6, ALL4 " " ALL6, ALL4 " " ALL6},
        {"families do not mix", ALL6, "10.0.0.0-10.255.255.255", ""},
        {"nothing in common", "192.168.0.0-192.168.255.255", "10.0.0.0-10.255.255.255", ""},
        {"an overlap", "10.0.0.0-10.0.0.99", "10.0.0.50-10.0.0.200", "10.0.0.50-10.0.0.99"},
        {"the very packet first, then its net", "10.1.2.3-10.1.2.3/6:443-443 10.0.0.0-10.255.255.255",
         "10.0.0.0-10.255.255.255", "10.1.2.3-10.1.2.3/6:443-443 10.0.0.0-10.255.255.255"},
        {"twice the same", ALL4 " " ALL4, "10.0.0.0-10.0.0.255", "10.0.0.0-10.0.0.255"},
        {"protocol of the client", "10.0.0.0-10.0.0.255/17:0-65535", ALL4, "10.0.0.0-10.0.0.255/17:0-65535"},
        {"protocol of ours", ALL4, "10.0.0.0-10.0.0.255/6:22-22", "10.0.0.0-10.0.0.255/6:22-22"},
        {"protocols that differ", "10.0.0.0-10.0.0.255/17:0-65535", ALL4 "/6:0-65535", ""},
        {"ports that overlap", ALL4 "/6:100-300", ALL4 "/6:200-400", ALL4 "/6:200-300"},
        {"ports that do not", ALL4 "/6:100-199", ALL4 "/6:200-400", ""},
        {"two nets of ours", ALL4, "10.0.0.0-10.0.0.255 172.16.0.0-172.16.0.255",
         "10.0.0.0-10.0.0.255 172.16.0.0-172.16.0.255"},
        {"nothing allowed", ALL4, "", ""},
    };
    static uint8_t memory[2048];
    static struct ts_view view;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct ts_range offer[8], allowed[8], wanted[8], got[SELECTORS_PER_CHILD_MAX];
        struct builder b;
        chain_begin(&b, memory, sizeof(memory));
        build_ts(&b, PAYLOAD_TSI, offer, ranges_parse(rows[i].offer, offer));
        struct span chain = message_end(&b);
        cr_assert_eq(ts_read(span_of(chain.data + 4, chain.len - 4), &view), CAUSE_NONE, "%s", rows[i].what);
        uint32_t count = narrow(&view, allowed, ranges_parse(rows[i].allowed, allowed), got, HF_COUNT(got));
        cr_expect_eq(count, ranges_parse(rows[i].result, wanted), "%s: %u ranges", rows[i].what, count);
        for (uint32_t j = 0; j < count; j++) {
            cr_expect(range_equal(&got[j], &wanted[j]), "%s: range %u", rows[i].what, j);
        }
        cr_expect_leq(narrow(&view, allowed, ranges_parse(rows[i].allowed, allowed), got, 1), 1,
                      "the cap holds");
    }
}

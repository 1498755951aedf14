#include "edge/base/bytes.h"
#include "edge/esp/inner.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* In a block of its own size, so that a sanitizer sees a read past the end. */
static bool read_exactly(const uint8_t *bytes, size_t len, struct inner *ret_inner)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    memcpy(copy, bytes, len);
    bool ok = inner_read(span_of(copy, len), ret_inner);
    free(copy);
    return ok;
}

struct v4_row {
    uint32_t no;
    uint8_t first, protocol;
    uint16_t total, fragment;
    size_t len;
    bool ok, is_fragment, has_ports;
    uint16_t source_port, destination_port;
};

/* The bytes behind the fixed header are 1, 2, 3, ... */
static const struct v4_row v4_rows[] = {
    {1, 0x45, 6, 40, 0, 40, true, false, true, 0x0102, 0x0304},
    {2, 0x45, 17, 28, 0x4000, 60, true, false, true, 0x0102, 0x0304}, /* bytes behind it are not its own */
    {3, 0x46, 17, 32, 0, 32, true, false, true, 0x0506, 0x0708},
    {4, 0x44, 17, 40, 0, 40, false, false, false, 0, 0},
    {5, 0x4f, 17, 40, 0, 40, false, false, false, 0, 0}, /* header longer than the packet */
    {6, 0x45, 17, 41, 0, 40, false, false, false, 0, 0},
    {7, 0x45, 17, 19, 0, 40, false, false, false, 0, 0},
    {8, 0x45, 17, 20, 0, 20, true, false, false, 0, 0},
    {9, 0x45, 17, 23, 0, 23, true, false, false, 0, 0},
    {10, 0x45, 17, 40, 0x2000, 40, true, true, true, 0x0102, 0x0304}, /* first fragment */
    {11, 0x45, 17, 40, 0x0001, 40, true, true, false, 0, 0},
    {12, 0x45, 1, 40, 0, 40, true, false, true, 0x0102, 0x0102}, /* ICMP type and code */
    {13, 0x45, 50, 40, 0, 40, true, false, false, 0, 0},
    {14, 0x55, 17, 40, 0, 40, false, false, false, 0, 0},
    {15, 0x45, 17, 40, 0, 19, false, false, false, 0, 0},
    {16, 0x45, 17, 0, 0, 40, false, false, false, 0, 0},
    {17, 0x45, 132, 40, 0, 40, true, false, true, 0x0102, 0x0304},
};

Test(inner, ipv4)
{
    for (size_t i = 0; i < HF_COUNT(v4_rows); i++) {
        const struct v4_row *row = &v4_rows[i];
        uint8_t packet[64] = {row->first, [9] = row->protocol, [12] = 10, [15] = 1, [16] = 10, [19] = 2};
        struct inner inner;

        be16_store(packet + 2, row->total);
        be16_store(packet + 6, row->fragment);
        for (size_t k = 20; k < sizeof(packet); k++) {
            packet[k] = (uint8_t)(k - 19);
        }
        bool ok = read_exactly(packet, row->len, &inner);
        cr_expect_eq(ok, row->ok, "row %u", row->no);
        if (ok && row->ok) {
            cr_expect_eq(inner.len, row->total, "row %u", row->no);
            cr_expect_eq(inner.is_fragment, row->is_fragment, "row %u", row->no);
            cr_expect_eq(inner.has_ports, row->has_ports, "row %u", row->no);
            cr_expect_eq(inner.source_port, row->source_port, "row %u", row->no);
            cr_expect_eq(inner.destination_port, row->destination_port, "row %u", row->no);
        }
    }
}

struct v6_row {
    uint32_t no;
    uint8_t next;
    uint8_t rest[40];
    size_t rest_len;
    bool ok;
    uint8_t protocol;
    uint32_t l4_at;
    bool is_fragment, has_ports;
};

static const struct v6_row v6_rows[] = {
    {1, 6, {1, 2, 3, 4}, 4, true, 6, 40, false, true},
    {2, 0, {17, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 12, true, 17, 48, false, true},
    {3, 60, {17, 1, 0, 0, 0, 0, 0, 0, [16] = 1, 2, 3, 4}, 20, true, 17, 56, false, true},
    {4, 60, {17, 2, 0, 0, 0, 0, 0, 0, [16] = 1, 2, 3, 4}, 20, false, 0, 0, false, false},
    {5, 60, {17, 0, 0, 0, 0, 0, 0}, 7, false, 0, 0, false, false},
    {6, 44, {17, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4}, 12, true, 17, 48, true, true}, /* first fragment */
    {7, 44, {17, 0, 0, 9, 0, 0, 0, 9, 1, 2, 3, 4}, 12, true, 17, 48, true, false},
    {8, 44, {17, 0, 0, 8, 0, 0, 0, 9, 1, 2, 3, 4}, 12, true, 17, 48, true, false},
    {9, 44, {17, 0, 0, 1, 0, 0, 0}, 7, false, 0, 0, false, false},
    {10, 43, {58, 0, 0, 0, 0, 0, 0, 0, 128, 0}, 10, true, 58, 48, false, true},
    {11, 59, {0}, 0, true, 59, 40, false, false},
    {12, 50, {1, 2, 3, 4}, 4, true, 50, 40, false, false},
};

Test(inner, ipv6)
{
    struct inner inner;

    for (size_t i = 0; i < HF_COUNT(v6_rows); i++) {
        const struct v6_row *row = &v6_rows[i];
        uint8_t packet[80] = {0x60, [6] = row->next, [8] = 0x20, [23] = 1, [24] = 0x20, [39] = 2};

        be16_store(packet + 4, (uint16_t)row->rest_len);
        memcpy(packet + 40, row->rest, row->rest_len);
        bool ok = read_exactly(packet, 40 + row->rest_len, &inner);
        cr_expect_eq(ok, row->ok, "row %u", row->no);
        if (ok && row->ok) {
            cr_expect_eq(inner.protocol, row->protocol, "row %u", row->no);
            cr_expect_eq(inner.l4_at, row->l4_at, "row %u", row->no);
            cr_expect_eq(inner.is_fragment, row->is_fragment, "row %u", row->no);
            cr_expect_eq(inner.has_ports, row->has_ports, "row %u", row->no);
        }
    }
    /* ::ffff:10.0.0.1 in an IPv6 header would pass for the IPv4 address. */
    uint8_t mapped[40] = {0x60, [6] = 59, [18] = 0xff, 0xff, 10, 0, 0, 1, 0x20, 1, [39] = 2};
    cr_expect(!read_exactly(mapped, sizeof(mapped), &inner));
    uint8_t chain[40 + 9 * 8] = {0x60, [5] = 9 * 8, [6] = 60, [8] = 0x20, [24] = 0x20};
    for (size_t i = 0; i < 9; i++) {
        chain[40 + 8 * i] = i < 8 ? 60 : 17;
    }
    cr_expect(read_exactly(chain, sizeof(chain), &inner));
    cr_expect(!inner.has_ports && inner.protocol == 60);
}

static struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr;

    cr_assert(ip_parse(text, &addr));
    return addr;
}

struct selector_row {
    uint32_t no;
    struct {
        const char *first, *last;
        uint8_t protocol;
        uint16_t port_first, port_last;
    } from, to;
    const char *source, *destination;
    uint8_t protocol;
    bool has_ports;
    uint16_t source_port, destination_port;
    bool allowed;
};

#define ANY_V4 {"0.0.0.0", "255.255.255.255", 0, 0, 65535}
#define ANY_V6 {"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0, 0, 65535}
#define HOST {"10.0.0.5", "10.0.0.5", 0, 0, 65535}

/* RFC 4301 4.4.1.1, RFC 7296 3.13.1 */
static const struct selector_row selector_rows[] = {
    {1, HOST, ANY_V4, "10.0.0.5", "192.0.2.1", 6, true, 1, 2, true},
    {2, HOST, ANY_V4, "10.0.0.6", "192.0.2.1", 6, true, 1, 2, false},
    {3, HOST, ANY_V4, "10.0.0.4", "192.0.2.1", 6, true, 1, 2, false},
    {4, HOST, ANY_V6, "10.0.0.5", "192.0.2.1", 6, true, 1, 2, false}, /* 192.0.2.1 is not in ::/0 */
    {5, ANY_V6, ANY_V6, "2001:db8::1", "2001:db8::2", 6, true, 1, 2, true},
    {6, ANY_V6, ANY_V4, "2001:db8::1", "2001:db8::2", 6, true, 1, 2, false},
    {7, {"10.0.0.5", "10.0.0.5", 17, 0, 65535}, ANY_V4, "10.0.0.5", "192.0.2.1", 6, true, 1, 2, false},
    {8, {"10.0.0.5", "10.0.0.5", 6, 0, 65535}, ANY_V4, "10.0.0.5", "192.0.2.1", 6, true, 1, 2, true},
    {9, HOST, {"192.0.2.1", "192.0.2.1", 6, 443, 443}, "10.0.0.5", "192.0.2.1", 6, true, 9, 443, true},
    {10, HOST, {"192.0.2.1", "192.0.2.1", 6, 443, 443}, "10.0.0.5", "192.0.2.1", 6, true, 443, 9, false},
    {11, HOST, {"192.0.2.1", "192.0.2.1", 6, 443, 443}, "10.0.0.5", "192.0.2.1", 6, false, 0, 0, false},
    {12, HOST, ANY_V4, "10.0.0.5", "192.0.2.1", 17, false, 0, 0, true}, /* a later fragment, any port */
    {13, HOST, {"0.0.0.0", "255.255.255.255", 0, 65535, 0}, "10.0.0.5", "192.0.2.1", 17, false, 0, 0, true},
    {14, HOST, {"0.0.0.0", "255.255.255.255", 0, 65535, 0}, "10.0.0.5", "192.0.2.1", 17, true, 1, 2, false},
    {15,
     {"10.0.0.5", "10.0.0.5", 1, 0x0800, 0x08ff},
     ANY_V4,
     "10.0.0.5",
     "192.0.2.1",
     1,
     true,
     0x0800,
     0x0800,
     true},
    {16,
     {"10.0.0.5", "10.0.0.5", 1, 0x0800, 0x08ff},
     ANY_V4,
     "10.0.0.5",
     "192.0.2.1",
     1,
     true,
     0x0500,
     0x0500,
     false},
    {17, HOST, {"192.0.2.0", "192.0.2.255", 0, 0, 65535}, "10.0.0.5", "192.0.3.0", 6, true, 1, 2, false},
    {18, HOST, {"192.0.2.0", "192.0.2.255", 0, 0, 65535}, "10.0.0.5", "192.0.2.255", 6, true, 1, 2, true},
};

Test(inner, selectors)
{
    for (size_t i = 0; i < HF_COUNT(selector_rows); i++) {
        const struct selector_row *row = &selector_rows[i];
        struct ts_range from = {row->from.protocol, row->from.port_first, row->from.port_last,
                                addr_of(row->from.first), addr_of(row->from.last)};
        struct ts_range to = {row->to.protocol, row->to.port_first, row->to.port_last, addr_of(row->to.first),
                              addr_of(row->to.last)};
        struct inner inner = {.source = addr_of(row->source),
                              .destination = addr_of(row->destination),
                              .protocol = row->protocol,
                              .has_ports = row->has_ports,
                              .source_port = row->source_port,
                              .destination_port = row->destination_port};
        struct ts_range none = from;
        none.protocol = 250;
        struct ts_range second[] = {none, from};
        cr_expect_eq(inner_allowed(&inner, &from, 1, &to, 1), row->allowed, "row %u", row->no);
        cr_expect_eq(inner_allowed(&inner, second, 2, &to, 1), row->allowed, "row %u, second range", row->no);
        cr_expect(!inner_allowed(&inner, &from, 0, &to, 1), "row %u, no range", row->no);
        cr_expect(!inner_allowed(&inner, &from, 1, &to, 0), "row %u, no range", row->no);
    }
}

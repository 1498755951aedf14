/* Traffic selector payloads (RFC 7296 3.13), both ways. */
#include "edge/base/reader.h"
#include "edge/wire/build.h"

#define SELECTOR_HEADER_BYTES 4 /* type, protocol, length: what every type has */

/* Bytes of one address of a known type, 0 for an unknown one. */
static size_t address_bytes(uint8_t type)
{
    return type == TS_IPV4_ADDR_RANGE ? 4 : type == TS_IPV6_ADDR_RANGE ? 16 : 0;
}

/* OPAQUE is written as the one reversed range 65535..0 (RFC 7296 3.13.1). */
static bool ports_are_valid(uint16_t first, uint16_t last)
{
    return first <= last || (first == UINT16_MAX && last == 0);
}

/* A mapped address (::ffff:a.b.c.d) at one end of an IPv6 range would turn into IPv4 in ip_addr; none
 * belongs on the wire. */
static bool address_is_mapped(struct span address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return address.len == 16 && memcmp(address.data, prefix, sizeof(prefix)) == 0;
}

static bool selector_is_valid(const struct selector *selector)
{
    return ports_are_valid(selector->port_first, selector->port_last) &&
           memcmp(selector->first.data, selector->last.data, selector->first.len) <= 0 &&
           !address_is_mapped(selector->first) && !address_is_mapped(selector->last);
}

static enum cause selector_read(struct reader *r, struct ts_view *ts)
{
    uint8_t type = reader_u8(r);
    struct selector selector = {.protocol = reader_u8(r)};
    uint16_t length = reader_u16(r);
    if (r->failed || length < SELECTOR_HEADER_BYTES) {
        return CAUSE_TS_SYNTAX;
    }
    struct reader inner = reader_of(reader_take(r, (size_t)length - SELECTOR_HEADER_BYTES));
    size_t len = address_bytes(type);
    if (r->failed || len == 0) {
        return r->failed ? CAUSE_TS_SYNTAX : CAUSE_NONE;
    }
    selector.port_first = reader_u16(&inner);
    selector.port_last = reader_u16(&inner);
    selector.first = reader_take(&inner, len);
    selector.last = reader_take(&inner, len);
    if (!reader_done(&inner) || !selector_is_valid(&selector)) {
        return CAUSE_TS_SYNTAX;
    }
    if (ts->count == IKE_SELECTORS_MAX) {
        return CAUSE_TS_COUNT;
    }
    ts->v[ts->count++] = selector;
    return CAUSE_NONE;
}

enum cause ts_read(struct span body, struct ts_view *ret_ts)
{
    struct reader r = reader_of(body);
    uint8_t count = reader_u8(&r);
    reader_take(&r, 3); /* reserved */
    enum cause cause = count == 0 ? CAUSE_TS_SYNTAX : CAUSE_NONE;
    ret_ts->count = 0;
    for (uint32_t i = 0; i < count && cause == CAUSE_NONE; i++) {
        cause = selector_read(&r, ret_ts);
    }
    if (cause == CAUSE_NONE && !reader_done(&r)) {
        cause = CAUSE_TS_SYNTAX;
    }
    if (cause != CAUSE_NONE) {
        ret_ts->count = 0;
    }
    return cause;
}

void build_ts(struct builder *b, uint8_t payload_type, const struct ts_range *ranges, uint32_t count)
{
    hf_assert(count > 0 && count <= UINT8_MAX);
    payload_begin(b, payload_type);
    writer_u32(&b->w, count << 24); /* the count, then three reserved bytes */
    for (uint32_t i = 0; i < count; i++) {
        const struct ts_range *range = &ranges[i];
        struct span first = ip_span(&range->first);
        struct span last = ip_span(&range->last);
        hf_assert(first.len == last.len);
        writer_u8(&b->w, first.len == 4 ? TS_IPV4_ADDR_RANGE : TS_IPV6_ADDR_RANGE);
        writer_u8(&b->w, range->protocol);
        writer_u16(&b->w, (uint16_t)(SELECTOR_HEADER_BYTES + 4 + 2 * first.len));
        writer_u16(&b->w, range->port_first);
        writer_u16(&b->w, range->port_last);
        writer_span(&b->w, first);
        writer_span(&b->w, last);
    }
    payload_end(b);
}

static struct ip_addr selector_address(struct span bytes)
{
    hf_assert(bytes.len == 4 || bytes.len == 16);
    return bytes.len == 4 ? ip_from_v4(bytes.data) : ip_from_v6(bytes.data);
}

void selector_range(const struct selector *selector, struct ts_range *ret_range)
{
    *ret_range = (struct ts_range){
        .protocol = selector->protocol,
        .port_first = selector->port_first,
        .port_last = selector->port_last,
        .first = selector_address(selector->first),
        .last = selector_address(selector->last),
    };
}

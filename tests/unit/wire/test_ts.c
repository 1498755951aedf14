#include "edge/wire/build.h"
#include "tests/unit/wire/raw.h"

#include <criterion/criterion.h>

#define NET_10 " 07 00 0010 0000 ffff 0a000000 0affffff"
#define ANY_V6 " 08 00 0028 0000 ffff 00*16 ff*16"

Test(ts, bad_ones_have_a_cause)
{
    static const struct {
        const char *what;
        const char *hex;
        enum cause cause;
        uint32_t count;
    } rows[] = {
        {"one IPv4", "01 000000" NET_10, CAUSE_NONE, 1},
        {"both families", "02 000000" NET_10 ANY_V6, CAUSE_NONE, 2},
        {"one address", "01 000000 07 11 0010 0035 0035 0a000001 0a000001", CAUSE_NONE, 1},
        {"opaque ports", "01 000000 07 06 0010 ffff 0000 0a000000 0affffff", CAUSE_NONE, 1},
        {"reserved bytes set", "01 ffffff" NET_10, CAUSE_NONE, 1},
        {"empty body", "", CAUSE_TS_SYNTAX, 0},
        {"short body", "01 0000", CAUSE_TS_SYNTAX, 0},
        {"no selector", "00 000000", CAUSE_TS_SYNTAX, 0},
        {"none counted, one there", "00 000000" NET_10, CAUSE_TS_SYNTAX, 0},
        {"one counted, none there", "01 000000", CAUSE_TS_SYNTAX, 0},
        {"two counted, one there", "02 000000" NET_10, CAUSE_TS_SYNTAX, 0},
        {"one counted, two there", "01 000000" NET_10 NET_10, CAUSE_TS_SYNTAX, 0},
        {"255 counted", "ff 000000" NET_10, CAUSE_TS_SYNTAX, 0},
        {"a rest", "01 000000" NET_10 "00", CAUSE_TS_SYNTAX, 0},
        {"length 0", "01 000000 07 00 0000 0000 ffff 0a000000 0affffff", CAUSE_TS_SYNTAX, 0},
        {"length 3", "01 000000 07 00 0003 0000 ffff 0a000000 0affffff", CAUSE_TS_SYNTAX, 0},
        {"length too small", "01 000000 07 00 000f 0000 ffff 0a000000 0affffff", CAUSE_TS_SYNTAX, 0},
        {"length too big", "01 000000 07 00 0011 0000 ffff 0a000000 0affffff", CAUSE_TS_SYNTAX, 0},
        {"length 64 k", "01 000000 07 00 ffff 0000 ffff 0a000000 0affffff", CAUSE_TS_SYNTAX, 0},
        {"IPv4 with IPv6's length", "01 000000 07 00 0028 0000 ffff 00*16 ff*16", CAUSE_TS_SYNTAX, 0},
        {"IPv6 with IPv4's length", "01 000000 08 00 0010 0000 ffff 0a000000 0affffff", CAUSE_TS_SYNTAX, 0},
        {"IPv4 start > end", "01 000000 07 00 0010 0000 ffff 0a000001 0a000000", CAUSE_TS_SYNTAX, 0},
        {"IPv6 start > end", "01 000000 08 00 0028 0000 ffff 20*16 1f*16", CAUSE_TS_SYNTAX, 0},
        {"port start > end", "01 000000 07 06 0010 0051 0050 0a000000 0affffff", CAUSE_TS_SYNTAX, 0},
        {"port start > end 0", "01 000000 07 06 0010 fffe 0000 0a000000 0affffff", CAUSE_TS_SYNTAX, 0},
        {"mapped start", "01 000000 08 00 0028 0000 ffff 00*10 ffff 0a000001 ff*16", CAUSE_TS_SYNTAX, 0},
        {"mapped end", "01 000000 08 00 0028 0000 ffff 00*16 00*10 ffff 0a000001", CAUSE_TS_SYNTAX, 0},
        {"unknown type only", "01 000000 09 00 0008 01020304", CAUSE_NONE, 0},
        {"unknown type, header only", "01 000000 0a 00 0004", CAUSE_NONE, 0},
        {"unknown type, too short", "01 000000 0a 00 0003", CAUSE_TS_SYNTAX, 0},
        {"unknown type, too long", "01 000000 0a 00 0009 01020304", CAUSE_TS_SYNTAX, 0},
        {"unknown type between", "03 000000" NET_10 "0a 00 0007 736563" ANY_V6, CAUSE_NONE, 2},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct raw raw = {.len = 0};
        struct ts_view ts;
        raw_hex(&raw, rows[i].hex);
        enum cause cause = ts_read(raw_span(&raw), &ts);
        cr_expect_eq(cause, rows[i].cause, "%s: %d", rows[i].what, cause);
        cr_expect_eq(ts.count, rows[i].count, "%s", rows[i].what);
    }
}

Test(ts, their_number_is_limited)
{
    for (uint32_t count = 1; count <= 255; count++) {
        struct raw raw = {.len = 0};
        struct ts_view ts;
        raw_u8(&raw, count);
        raw_hex(&raw, "000000");
        for (uint32_t i = 0; i < count; i++) {
            raw_hex(&raw, NET_10);
        }
        enum cause want = count > IKE_SELECTORS_MAX ? CAUSE_TS_COUNT : CAUSE_NONE;
        cr_expect_eq(ts_read(raw_span(&raw), &ts), want, "%u", count);
        cr_expect_eq(ts.count, want == CAUSE_NONE ? count : 0);
    }
}

Test(ts, comes_back_from_the_builder)
{
    struct raw raw = {.len = 0};
    struct ts_view ts;
    struct ts_range ranges[2];
    size_t at = raw_payload(&raw, PAYLOAD_NONE);
    raw_hex(&raw, "02 000000 07 11 0010 0035 0050 0a000000 0affffff");
    raw_hex(&raw, "08 3a 0028 8000 80ff 2001 0db8 00*12 2001 0db8 00*8 ff*4");
    raw_close(&raw, at);
    struct span whole = raw_span(&raw);
    cr_assert_eq(ts_read(span_of(whole.data + 4, whole.len - 4), &ts), CAUSE_NONE);
    selector_range(&ts.v[0], &ranges[0]);
    selector_range(&ts.v[1], &ranges[1]);
    cr_expect_eq(ranges[0].protocol, 17);
    cr_expect_eq(ranges[0].port_first, 0x35);
    cr_expect_eq(ranges[0].port_last, 0x50);
    cr_expect(ip_is_v4(&ranges[0].first) && ip_is_v4(&ranges[0].last));
    cr_expect(!ip_is_v4(&ranges[1].first) && !ip_is_v4(&ranges[1].last));
    cr_expect_eq(ranges[1].last.bytes[15], 0xff);

    uint8_t memory[128];
    struct builder b;
    chain_begin(&b, memory, sizeof(memory));
    build_ts(&b, PAYLOAD_TSR, ranges, 2);
    cr_expect(span_equal(message_end(&b), whole));
    cr_expect_eq(b.first, PAYLOAD_TSR);
}

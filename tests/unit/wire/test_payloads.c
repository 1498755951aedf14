#include "edge/wire/message.h"
#include "tests/unit/wire/raw.h"

#include <criterion/criterion.h>

static enum cause chain_read(uint8_t first, const char *hex, struct raw *raw, struct payloads *ret_payloads)
{
    raw->len = 0;
    raw_hex(raw, hex);
    return payloads_read(first, raw_span(raw), ret_payloads);
}

Test(payloads, bad_chains_have_a_cause)
{
    static const struct {
        uint8_t first;
        const char *hex;
        enum cause cause;
    } rows[] = {
        {PAYLOAD_NONE, "", CAUSE_NONE},
        {PAYLOAD_NONE, "00", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "000000", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "00 00 0000", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "00 00 0003", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "00 00 0004", CAUSE_NONE},
        {PAYLOAD_NONCE, "00 00 0005", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "00 00 0004 00", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "00 00 ffff aa*40", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "28 00 0004", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "28 00 0006 aabb", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "28 00 0003 00 00 0005 aa", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_NONCE, "28 00 0006 aabb 00 00 0004", CAUSE_NONE},
        /* reserved bits, and the critical bit on a type that is known, are ignored (RFC 7296 3.2) */
        {PAYLOAD_NONCE, "00 ff 0004", CAUSE_NONE},
        /* SK and SKF end the chain, whatever they name as next */
        {PAYLOAD_SK, "28 00 0006 aabb", CAUSE_NONE},
        {PAYLOAD_SK, "28 00 0006 aabb 00 00 0004", CAUSE_PAYLOAD_LENGTH},
        {PAYLOAD_SKF, "00 00 0004", CAUSE_NONE},
        {PAYLOAD_SKF, "35 00 0006 aabb 00 00 0004", CAUSE_PAYLOAD_LENGTH},
        /* unknown types: IKEv1's, between the known ones, private ones */
        {1, "32 00 0005 aa 36 00 0004 ff 00 0004 00 00 0004", CAUSE_NONE},
        {200, "c8 00 0004 c8 00 0000", CAUSE_PAYLOAD_LENGTH},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct raw raw;
        struct payloads payloads;
        cr_expect_eq(chain_read(rows[i].first, rows[i].hex, &raw, &payloads), rows[i].cause, "row %zu", i);
    }
}

Test(payloads, views_point_into_the_chain)
{
    struct raw raw;
    struct payloads payloads;
    const char *hex = "c8 00 0006 0102 | c9 00 0005 03 | 2e 80 0004 | 29 00 0007 040506";
    cr_assert_eq(chain_read(PAYLOAD_SA, hex, &raw, &payloads), CAUSE_NONE);
    cr_assert_eq(payloads.count, 2);
    cr_assert_eq(payloads.present, PAYLOAD_BIT(PAYLOAD_SA) | PAYLOAD_BIT(PAYLOAD_SK));
    cr_assert_eq(payloads.inner_first, PAYLOAD_NOTIFY);
    cr_assert_eq(payloads.unknown_critical, 201);
    cr_assert_eq(payloads.v[0].type, PAYLOAD_SA);
    cr_assert_eq(payloads.v[0].body.len, 2);
    cr_assert_eq(payloads.v[1].type, PAYLOAD_SK);
    cr_assert_eq(payloads.v[1].body_offset, 19);
    cr_assert_eq(payloads.v[1].body.data, raw.bytes + 19);
    cr_assert_eq(payloads.v[1].body.len, 3);
    cr_assert_not(payloads.v[1].critical);

    cr_assert_eq(chain_read(49, "28 00 0004 | 31 80 0004 00 80 0004", &raw, &payloads), CAUSE_NONE);
    cr_assert_eq(payloads.unknown_critical, 49,
                 "the first unknown type with the critical bit, not the first one");
    cr_assert_eq(payloads.count, 1);
    cr_assert(payloads.v[0].critical);
}

/* Chains of one type, with `count` payloads. */
static enum cause chain_of(uint8_t type, uint32_t count)
{
    struct raw raw = {.len = 0};
    struct payloads payloads;
    for (uint32_t i = 0; i < count; i++) {
        raw_u8(&raw, i + 1 < count ? type : PAYLOAD_NONE);
        raw_hex(&raw, "00 0004");
    }
    return payloads_read(type, raw_span(&raw), &payloads);
}

Test(payloads, their_number_is_limited_known_or_not)
{
    static const uint8_t types[] = {PAYLOAD_NOTIFY, PAYLOAD_VENDOR, 1, 200};
    for (size_t i = 0; i < HF_COUNT(types); i++) {
        cr_expect_eq(chain_of(types[i], IKE_PAYLOADS_MAX), CAUSE_NONE);
        cr_expect_eq(chain_of(types[i], IKE_PAYLOADS_MAX + 1), CAUSE_PAYLOAD_COUNT);
        cr_expect_eq(chain_of(types[i], 4096), CAUSE_PAYLOAD_COUNT);
    }
}

#include "edge/wire/build.h"
#include "tests/unit/wire/raw.h"

#include <criterion/criterion.h>

/* A message of one payload with this body. */
static enum cause body_read(uint8_t type, const char *hex, struct raw *raw, struct message *ret_message)
{
    struct payloads payloads;
    raw->len = 0;
    size_t at = raw_payload(raw, PAYLOAD_NONE);
    raw_hex(raw, hex);
    raw_close(raw, at);
    cr_assert_eq(payloads_read(type, raw_span(raw), &payloads), CAUSE_NONE);
    return message_read(&payloads, ret_message);
}

struct body_row {
    uint8_t type;
    const char *hex;
    enum cause cause;
};

static void bodies_check(const struct body_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct raw raw;
        struct message m;
        enum cause cause = body_read(rows[i].type, rows[i].hex, &raw, &m);
        cr_expect_eq(cause, rows[i].cause, "type %u: %s: %d", rows[i].type, rows[i].hex, cause);
        cr_expect(cause != CAUSE_NONE || m.present == PAYLOAD_BIT(rows[i].type));
    }
}

Test(message, bad_bodies_have_a_cause)
{
    static const struct body_row rows[] = {
        {PAYLOAD_KE, "001f 0000 c3*32", CAUSE_NONE},
        /* a group that Holdfast lacks: INVALID_KE_PAYLOAD, no syntax error */
        {PAYLOAD_KE, "0012 0000 c3*1024", CAUSE_NONE},
        {PAYLOAD_KE, "", CAUSE_KE_SYNTAX},
        {PAYLOAD_KE, "001f 00", CAUSE_KE_SYNTAX},
        {PAYLOAD_KE, "001f 0000", CAUSE_KE_SYNTAX},
        {PAYLOAD_NONCE, "", CAUSE_NONCE_SIZE},
        {PAYLOAD_NONCE, "4e*15", CAUSE_NONCE_SIZE},
        {PAYLOAD_NONCE, "4e*16", CAUSE_NONE},
        {PAYLOAD_NONCE, "4e*256", CAUSE_NONE},
        {PAYLOAD_NONCE, "4e*257", CAUSE_NONCE_SIZE},
        {PAYLOAD_NONCE, "4e*9000", CAUSE_NONCE_SIZE},
        {PAYLOAD_IDI, "", CAUSE_ID_SYNTAX},
        {PAYLOAD_IDI, "02 0000", CAUSE_ID_SYNTAX},
        {PAYLOAD_IDI, "02 000000", CAUSE_ID_SYNTAX},
        {PAYLOAD_IDI, "02 000000 61", CAUSE_NONE},
        {PAYLOAD_IDI, "02 ffffff 61", CAUSE_NONE},
        {PAYLOAD_IDI, "02 000000 61 00 62", CAUSE_NONE}, /* an embedded NUL is the matcher's question */
        {PAYLOAD_IDI, "00 000000 61", CAUSE_ID_SYNTAX},
        {PAYLOAD_IDI, "0b 000000 61*256", CAUSE_NONE},
        {PAYLOAD_IDI, "0b 000000 61*257", CAUSE_ID_SYNTAX},
        {PAYLOAD_IDR, "0b 000000 61*16000", CAUSE_ID_SYNTAX},
        {PAYLOAD_IDR, "01 000000 0a000001", CAUSE_NONE},
        {PAYLOAD_IDR, "01 000000 0a0000", CAUSE_ID_SYNTAX},
        {PAYLOAD_IDR, "01 000000 0a000001 00", CAUSE_ID_SYNTAX},
        {PAYLOAD_IDR, "05 000000 20*16", CAUSE_NONE},
        {PAYLOAD_IDR, "05 000000 20*15", CAUSE_ID_SYNTAX},
        {PAYLOAD_IDR, "05 000000 0a000001", CAUSE_ID_SYNTAX},
        {PAYLOAD_CERT, "", CAUSE_CERT_SYNTAX},
        {PAYLOAD_CERT, "04", CAUSE_CERT_SYNTAX},
        {PAYLOAD_CERT, "04 30", CAUSE_NONE},
        {PAYLOAD_CERT, "04 30*8192", CAUSE_NONE},
        {PAYLOAD_CERT, "04 30*8193", CAUSE_CERT_SYNTAX},
        {PAYLOAD_CERTREQ, "", CAUSE_CERT_SYNTAX},
        {PAYLOAD_CERTREQ, "04", CAUSE_NONE},
        {PAYLOAD_CERTREQ, "0c 00*7", CAUSE_NONE},
        {PAYLOAD_AUTH, "", CAUSE_AUTH_SYNTAX},
        {PAYLOAD_AUTH, "02 0000", CAUSE_AUTH_SYNTAX},
        {PAYLOAD_AUTH, "02 000000", CAUSE_AUTH_SYNTAX},
        {PAYLOAD_AUTH, "00 000000 51*32", CAUSE_AUTH_SYNTAX},
        {PAYLOAD_AUTH, "fa 000000 51", CAUSE_NONE},
        {PAYLOAD_EAP, "", CAUSE_EAP_SYNTAX},
        {PAYLOAD_EAP, "03 01 00", CAUSE_EAP_SYNTAX},
        {PAYLOAD_EAP, "03 01 0004", CAUSE_NONE},
        {PAYLOAD_EAP, "02 01 0005 01", CAUSE_NONE},
        {PAYLOAD_EAP, "02 01 0004 01", CAUSE_EAP_SYNTAX},
        {PAYLOAD_EAP, "02 01 0006 01", CAUSE_EAP_SYNTAX},
        {PAYLOAD_EAP, "02 01 ffff 01", CAUSE_EAP_SYNTAX},
        {PAYLOAD_VENDOR, "", CAUSE_NONE},
        {PAYLOAD_SA, "", CAUSE_NONE}, /* read by sa_read() and ts_read() when they are needed */
        {PAYLOAD_TSI, "", CAUSE_NONE},
        {PAYLOAD_TSR, "ff", CAUSE_NONE},
    };
    bodies_check(rows, HF_COUNT(rows));
}

Test(message, bad_notifies_deletes_and_attributes_have_a_cause)
{
    static const struct body_row rows[] = {
        {PAYLOAD_NOTIFY, "", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "00 00 40", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "00 00 4004", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "00 01 4004", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "03 04 000b c1c2c3", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "03 ff 000b c1c2c3c4", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "03 04 000b c1c2c3c4", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "01 00 4004 aa*20", CAUSE_NONE}, /* odd protocols where there is no SPI */
        {PAYLOAD_NOTIFY, "ff 00 4004 aa*20", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "00 00 4006", CAUSE_NOTIFY_SYNTAX}, /* COOKIE */
        {PAYLOAD_NOTIFY, "00 00 4006 c0", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "00 00 4006 c0*64", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "00 00 4006 c0*65", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "00 00 4011 c0*7", CAUSE_NOTIFY_SYNTAX}, /* COOKIE2 */
        {PAYLOAD_NOTIFY, "00 00 4011 c0*8", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "00 00 0011 00", CAUSE_NOTIFY_SYNTAX}, /* INVALID_KE_PAYLOAD */
        {PAYLOAD_NOTIFY, "00 00 0011 001f", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "00 00 0011 001f 00", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "00 00 402f 0002 00", CAUSE_NOTIFY_SYNTAX}, /* SIGNATURE_HASH_ALGORITHMS */
        {PAYLOAD_NOTIFY, "03 04 4009 c1c2c3c4", CAUSE_NONE},         /* REKEY_SA, CVE-2023-38710 */
        {PAYLOAD_NOTIFY, "02 04 4009 c1c2c3c4", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "00 04 4009 c1c2c3c4", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "01 04 4009 c1c2c3c4", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "ff 04 4009 c1c2c3c4", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "03 00 4009 c1c2c3c4", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "03 08 4009 c1*8", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_DELETE, "", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "01 00 00", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "01 00 0000", CAUSE_NONE},
        {PAYLOAD_DELETE, "01 00 0001", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "01 00 ffff", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "01 08 0001 e1*8", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "01 00 0000 00", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "03 04 0001 c1c2c3c4", CAUSE_NONE},
        {PAYLOAD_DELETE, "03 04 0000", CAUSE_NONE},
        {PAYLOAD_DELETE, "03 00 0000", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "03 04 0002 c1c2c3c4", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "03 04 0001 c1c2c3c4 d1", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "03 08 0001 c1*8", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "03 ff 0101 c1*32", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "03 04 4000 c1*4", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "00 00 0000", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_DELETE, "ff 04 0001 c1c2c3c4", CAUSE_DELETE_SYNTAX},
        {PAYLOAD_CP, "", CAUSE_CP_SYNTAX},
        {PAYLOAD_CP, "01 0000", CAUSE_CP_SYNTAX},
        {PAYLOAD_CP, "00 000000", CAUSE_CP_SYNTAX},
        {PAYLOAD_CP, "01 000000", CAUSE_NONE},
        {PAYLOAD_CP, "01 000000 0001", CAUSE_CP_SYNTAX},
        {PAYLOAD_CP, "01 000000 0001 0000 00", CAUSE_CP_SYNTAX},
        {PAYLOAD_CP, "01 000000 0001 0004 0a0000", CAUSE_CP_SYNTAX},
        {PAYLOAD_CP, "01 000000 0001 ffff 0a000001", CAUSE_CP_SYNTAX},
        {PAYLOAD_CP, "01 000000 0001 0004 0a000001 7fff 0000", CAUSE_NONE},
    };
    bodies_check(rows, HF_COUNT(rows));
}

/* RFC 5723 7, RFC 6290 5, RFC 6311 6 */
Test(message, bad_notifies_of_mobility_have_a_cause)
{
    static const struct body_row rows[] = {
        {PAYLOAD_NOTIFY, "00 00 4019 00000001", CAUSE_NOTIFY_SYNTAX}, /* TICKET_LT_OPAQUE */
        {PAYLOAD_NOTIFY, "00 00 4019 00000001 aa", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "00 00 401d", CAUSE_NOTIFY_SYNTAX}, /* TICKET_OPAQUE */
        {PAYLOAD_NOTIFY, "00 00 401d aa", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "01 00 4023 aa*15", CAUSE_NOTIFY_SYNTAX}, /* QCD_TOKEN */
        {PAYLOAD_NOTIFY, "01 00 4023 aa*16", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "01 00 4023 aa*129", CAUSE_NOTIFY_SYNTAX},
        {PAYLOAD_NOTIFY, "00 00 4026 aa*11", CAUSE_NOTIFY_SYNTAX}, /* IKEV2_MESSAGE_ID_SYNC */
        {PAYLOAD_NOTIFY, "00 00 4026 aa*12", CAUSE_NONE},
        {PAYLOAD_NOTIFY, "00 00 4027 aa*6", CAUSE_NOTIFY_SYNTAX}, /* IPSEC_REPLAY_COUNTER_SYNC */
        {PAYLOAD_NOTIFY, "00 00 4027 aa*8", CAUSE_NONE},
    };
    bodies_check(rows, HF_COUNT(rows));
}

/* A message of `count` payloads of one type with one body. */
static enum cause message_of(uint8_t type, const char *hex, uint32_t count, struct message *ret_message)
{
    static struct raw raw;
    struct payloads payloads;
    raw.len = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t at = raw_payload(&raw, i + 1 < count ? type : PAYLOAD_NONE);
        raw_hex(&raw, hex);
        raw_close(&raw, at);
    }
    cr_assert_eq(payloads_read(type, raw_span(&raw), &payloads), CAUSE_NONE);
    return message_read(&payloads, ret_message);
}

Test(message, how_often_a_payload_may_occur)
{
    static const struct {
        uint8_t type;
        const char *hex;
        uint32_t most; /* that are accepted */
        enum cause cause;
    } rows[] = {
        {PAYLOAD_SA, "", 1, CAUSE_PAYLOAD_TWICE},
        {PAYLOAD_KE, "001f 0000 c3*32", 1, CAUSE_PAYLOAD_TWICE},
        {PAYLOAD_IDI, "02 000000 61", 1, CAUSE_PAYLOAD_TWICE},
        {PAYLOAD_IDR, "02 000000 61", 1, CAUSE_PAYLOAD_TWICE},
        {PAYLOAD_AUTH, "02 000000 51", 1, CAUSE_PAYLOAD_TWICE},
        {PAYLOAD_NONCE, "4e*16", 1, CAUSE_PAYLOAD_TWICE},
        {PAYLOAD_TSI, "", 1, CAUSE_PAYLOAD_TWICE},
        {PAYLOAD_TSR, "", 1, CAUSE_PAYLOAD_TWICE},
        {PAYLOAD_CP, "01 000000", 1, CAUSE_PAYLOAD_TWICE},
        {PAYLOAD_EAP, "03 01 0004", 1, CAUSE_PAYLOAD_TWICE},
        {PAYLOAD_CERT, "04 30", IKE_CERTS_MAX, CAUSE_PAYLOAD_COUNT},
        {PAYLOAD_DELETE, "03 04 0001 c1c2c3c4", IKE_DELETES_MAX, CAUSE_PAYLOAD_COUNT},
        {PAYLOAD_NOTIFY, "00 00 4004", IKE_NOTIFIES_MAX, CAUSE_PAYLOAD_COUNT},
        /* errors count, known or not */
        {PAYLOAD_NOTIFY, "00 00 0063", IKE_NOTIFIES_MAX, CAUSE_PAYLOAD_COUNT},
        {PAYLOAD_NOTIFY, "00 00 a000", IKE_PAYLOADS_MAX, CAUSE_NONE},
        {PAYLOAD_CERTREQ, "04", IKE_PAYLOADS_MAX, CAUSE_NONE},
        {PAYLOAD_VENDOR, "", IKE_PAYLOADS_MAX, CAUSE_NONE},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct message m;
        cr_expect_eq(message_of(rows[i].type, rows[i].hex, rows[i].most, &m), CAUSE_NONE, "row %zu", i);
        if (rows[i].most < IKE_PAYLOADS_MAX) {
            cr_expect_eq(message_of(rows[i].type, rows[i].hex, rows[i].most + 1, &m), rows[i].cause,
                         "row %zu", i);
        }
    }
}

Test(message, unknown_status_notifies_take_no_room_from_known_ones)
{
    struct raw raw = {.len = 0};
    struct payloads payloads;
    struct message m;
    for (uint32_t i = 0; i < IKE_NOTIFIES_MAX + 8; i++) {
        raw_hex(&raw, "29 00 0008 00 00 a000");
    }
    raw_hex(&raw, "29 00 0008 00 00 0063 | 00 00 0009 00 00 4006 c0");
    cr_assert_eq(payloads_read(PAYLOAD_NOTIFY, raw_span(&raw), &payloads), CAUSE_NONE);
    cr_assert_eq(message_read(&payloads, &m), CAUSE_NONE);
    cr_expect_eq(m.num_notifies, 2);
    cr_expect_eq(m.notifies[0].type, 99, "an unknown error is still an error");
    cr_assert_not_null(message_notify(&m, NOTIFY_COOKIE));
    cr_expect_eq(message_notify(&m, NOTIFY_COOKIE)->data.len, 1);
    cr_expect_null(message_notify(&m, 0xa000));
    cr_expect_null(message_notify(&m, NOTIFY_REKEY_SA));
}

Test(message, attributes_beyond_the_limit_are_ignored_but_checked)
{
    struct raw raw = {.len = 0};
    struct payloads payloads;
    struct message m;
    size_t at = raw_payload(&raw, PAYLOAD_NONE);
    raw_hex(&raw, "01 000000");
    for (uint32_t i = 0; i < 200; i++) {
        raw_hex(&raw, "8003 0001");
        raw_u8(&raw, i);
    }
    raw_close(&raw, at);
    cr_assert_eq(payloads_read(PAYLOAD_CP, raw_span(&raw), &payloads), CAUSE_NONE);
    cr_assert_eq(message_read(&payloads, &m), CAUSE_NONE);
    cr_expect_eq(m.cp.type, CP_CFG_REQUEST);
    cr_expect_eq(m.cp.count, IKE_ATTRIBUTES_MAX);
    cr_expect_eq(m.cp.v[IKE_ATTRIBUTES_MAX - 1].type, CP_INTERNAL_IP4_DNS,
                 "the reserved bit is no part of the type");
    cr_expect_eq(m.cp.v[IKE_ATTRIBUTES_MAX - 1].value.data[0], IKE_ATTRIBUTES_MAX - 1);
    raw.bytes[raw.len - 2] = 2; /* the last attribute lies */
    cr_assert_eq(payloads_read(PAYLOAD_CP, raw_span(&raw), &payloads), CAUSE_NONE);
    cr_expect_eq(message_read(&payloads, &m), CAUSE_CP_SYNTAX);
}

Test(message, fragments_out_of_bounds_have_a_cause)
{
    static const struct {
        const char *hex;
        enum cause cause;
    } rows[] = {
        {"", CAUSE_PAYLOAD_LENGTH},          {"0001 00", CAUSE_PAYLOAD_LENGTH},
        {"0000 0000", CAUSE_FRAGMENT_NUMBER}, {"0000 0001 aa", CAUSE_FRAGMENT_NUMBER},
        {"0001 0000 aa", CAUSE_FRAGMENT_NUMBER}, {"0002 0001 aa", CAUSE_FRAGMENT_NUMBER},
        {"ffff fffe aa", CAUSE_FRAGMENT_NUMBER}, {"0001 0021 aa", CAUSE_FRAGMENT_NUMBER},
        {"0001 ffff aa", CAUSE_FRAGMENT_NUMBER}, {"ffff ffff aa", CAUSE_FRAGMENT_NUMBER},
        {"0001 0001 aa", CAUSE_NONE},            {"0001 0020 aa", CAUSE_NONE},
        {"0020 0020 aa", CAUSE_NONE},            {"0021 0020 aa", CAUSE_FRAGMENT_NUMBER},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct raw raw = {.len = 0};
        struct fragment_view fragment;
        raw_hex(&raw, rows[i].hex);
        cr_expect_eq(fragment_read(raw_span(&raw), &fragment), rows[i].cause, "%s", rows[i].hex);
        cr_expect(rows[i].cause != CAUSE_NONE || (fragment.sealed.len == 1 &&
                  fragment.total <= IKE_FRAGMENTS_MAX));
    }
}

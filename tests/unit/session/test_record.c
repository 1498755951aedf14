#include "edge/base/bytes.h"
#include "edge/crypto/seal.h"
#include "tests/unit/base/random.h"
#include "tests/unit/session/sample.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static uint8_t bytes[RECORD_BYTES_MAX];

static void expect_round_trip(const struct session_record *record, const char *what)
{
    struct session_record *back = malloc(sizeof(*back));
    memset(back, 0xee, sizeof(*back));
    size_t len = record_encode(record, bytes, sizeof(bytes));
    cr_assert_gt(len, 0, "%s", what);
    cr_expect_eq(record_decode(span_of(bytes, len), back), CAUSE_NONE, "%s", what);
    cr_expect(records_equal(record, back), "%s", what);
    free(back);
}

Test(record, comes_back_as_it_was)
{
    static const struct {
        const char *what;
        uint16_t encr, bits, integ, prf;
    } rows[] = {
        {"GCM-128", ENCR_AES_GCM_16, 128, INTEG_NONE, PRF_HMAC_SHA2_256},
        {"GCM-256", ENCR_AES_GCM_16, 256, INTEG_NONE, PRF_HMAC_SHA2_384},
        {"ChaCha20", ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, PRF_HMAC_SHA2_512},
        {"CBC-128, SHA2-256", ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256},
        {"CBC-192, SHA2-384", ENCR_AES_CBC, 192, INTEG_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384},
        {"CBC-256, SHA2-512", ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, PRF_HMAC_SHA2_512},
    };
    static struct session_record record;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        sample_suite(rows[i].encr, rows[i].bits, rows[i].integ, rows[i].prf, &record);
        expect_round_trip(&record, rows[i].what);
    }
    record.num_children = 0;
    record.num_addresses = 0;
    record.connection[0] = 0;
    record.fragmentation = true;
    record.natt = false;
    expect_round_trip(&record, "without children and addresses");
    sample_large(&record);
    expect_round_trip(&record, "as large as can be");
}

Test(record, has_room_sealed_or_says_so)
{
    static struct session_record record;
    sample_large(&record);
    size_t len = record_encode(&record, bytes, sizeof(bytes));
    cr_expect_leq(len + SEAL_OVERHEAD_BYTES, RECORD_BYTES_MAX);
    uint8_t *exact = malloc(len);
    for (size_t cap = 0; cap < len; cap++) {
        cr_assert_eq(record_encode(&record, exact, cap), 0, "%zu bytes", cap);
    }
    cr_expect_eq(record_encode(&record, exact, len), len);
    free(exact);
}

/* Decodes from memory of exactly this size, so that a read beyond it is seen. */
static enum cause decode_exact(const uint8_t *data, size_t len)
{
    static struct session_record record, zero;
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, data, len);
    memset(&record, 0xee, sizeof(record));
    enum cause cause = record_decode(span_of(copy, len), &record);
    cr_assert(cause == CAUSE_NONE || memcmp(&record, &zero, sizeof(zero)) == 0,
              "keys of a refused record stay");
    free(copy);
    return cause;
}

Test(record, cut_or_extended)
{
    static struct session_record record;
    sample_small(&record);
    record.num_children = 0; /* a record cut before what need not be there is a record */
    record.mobike = false;
    size_t len = record_encode(&record, bytes, sizeof(bytes));
    for (size_t cut = 0; cut < len; cut++) {
        cr_assert_eq(decode_exact(bytes, cut), CAUSE_RECORD, "%zu of %zu bytes", cut, len);
    }
    memset(bytes + len, 0, 3);
    cr_expect_eq(decode_exact(bytes, len + 1), CAUSE_RECORD);
    cr_expect_eq(decode_exact(bytes, len + 3), CAUSE_NONE, "an empty field of an unknown tag");
}

/* Where a field's body begins; nested: within the first child. */
static size_t field_at(size_t from, size_t to, uint8_t tag)
{
    while (from < to && bytes[from] != tag) {
        from += 3 + (size_t)be16_load(bytes + from + 1);
    }
    cr_assert_lt(from, to, "no field %u", tag);
    return from + 3;
}

Test(record, bad_values)
{
    static const struct {
        const char *what;
        uint8_t tag, nested; /* nested: a child's field, tag is then 14 */
        size_t offset;
        const char *value; /* hex, two bytes */
        enum cause cause;
    } rows[] = {
        {"IKE suite as it is", 4, 0, 0, "\x00\x14", CAUSE_NONE},
        {"unknown cipher", 4, 0, 0, "\x00\x03", CAUSE_RECORD},
        {"unknown key length", 4, 0, 2, "\x00\x81", CAUSE_RECORD},
        {"another key length", 4, 0, 2, "\x00\x80", CAUSE_RECORD},
        {"AEAD with integrity", 4, 0, 4, "\x00\x0c", CAUSE_RECORD},
        {"unknown PRF", 4, 0, 6, "\x00\x63", CAUSE_RECORD},
        {"another PRF", 4, 0, 6, "\x00\x06", CAUSE_RECORD},
        {"unknown flag", 3, 0, 0, "\x10\x04", CAUSE_RECORD},
        {"local port 0", 7, 0, 16, "\x00\x00", CAUSE_RECORD},
        {"remote port 0", 7, 0, 34, "\x00\x00", CAUSE_RECORD},
        {"two families", 7, 0, 10, "\x00\x00", CAUSE_RECORD},
        {"identity without type", 8, 0, 0, "\x00\x76", CAUSE_RECORD},
        {"zero in a name", 10, 0, 1, "\x00\x61", CAUSE_RECORD},
        {"child as it is", 14, 2, 0, "\x00\x14", CAUSE_NONE},
        {"child's unknown cipher", 14, 2, 0, "\x00\x0b", CAUSE_RECORD},
        {"child's key length", 14, 2, 2, "\x00\xc0", CAUSE_RECORD},
        {"child's integrity", 14, 2, 4, "\x00\x02", CAUSE_RECORD},
        {"child's ESN 2", 14, 2, 8, "\x02\x03", CAUSE_RECORD},
        {"selector of another family", 14, 5, 0, "\x06\x00", CAUSE_RECORD},
        {"selector of no family", 14, 5, 0, "\x05\x00", CAUSE_RECORD},
        {"selector first > last", 14, 6, 6, "\x0b\x01", CAUSE_RECORD},
        {"ports first > last", 14, 5, 2, "\xff\xff", CAUSE_NONE}, /* 65535..65535 */
        {"ports 65535..1", 14, 6, 4, "\x00\x01", CAUSE_RECORD},
    };
    static struct session_record record;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        sample_small(&record);
        size_t len = record_encode(&record, bytes, sizeof(bytes));
        size_t at = field_at(1, len, rows[i].tag);
        at = rows[i].nested == 0 ? at : field_at(at, len, rows[i].nested);
        memcpy(bytes + at + rows[i].offset, rows[i].value, 2);
        cr_expect_eq(decode_exact(bytes, len), rows[i].cause, "%s", rows[i].what);
    }
    for (uint8_t tag = 2, i = 0; i < 2; i++) { /* SPIs of zero */
        size_t len = record_encode(&record, bytes, sizeof(bytes));
        memset(bytes + field_at(1, len, tag) + 8 * i, 0, 8);
        cr_expect_eq(decode_exact(bytes, len), CAUSE_RECORD, "SPI %u", i);
        len = record_encode(&record, bytes, sizeof(bytes));
        memset(bytes + field_at(field_at(1, len, 14), len, 1) + 4 * i, 0, 4);
        cr_expect_eq(decode_exact(bytes, len), CAUSE_RECORD, "ESP SPI %u", i);
    }
}

/* The record with the field `tag` `times` times instead of once. */
static size_t with_field(const uint8_t *from, size_t len, uint8_t tag, uint32_t times, uint8_t *ret_bytes)
{
    size_t out = 1;
    ret_bytes[0] = from[0];
    for (size_t at = 1; at < len;) {
        size_t size = 3 + (size_t)be16_load(from + at + 1);
        for (uint32_t i = 0; i < (from[at] == tag ? times : 1); i++) {
            memcpy(ret_bytes + out, from + at, size);
            out += size;
        }
        at += size;
    }
    return out;
}

Test(record, fields_missing_twice_or_unknown)
{
    static uint8_t changed[2 * RECORD_BYTES_MAX];
    static struct session_record record;
    sample_small(&record);
    size_t len = record_encode(&record, bytes, sizeof(bytes));
    for (uint8_t tag = 1; tag <= 13; tag++) {
        cr_expect_eq(decode_exact(changed, with_field(bytes, len, tag, 0, changed)), CAUSE_RECORD, "no %u",
                     tag);
        cr_expect_eq(decode_exact(changed, with_field(bytes, len, tag, 2, changed)), CAUSE_RECORD, "2 x %u",
                     tag);
    }
    for (uint32_t times = 0; times <= CHILD_PER_SA_MAX + 1; times++) {
        enum cause wanted = times <= CHILD_PER_SA_MAX ? CAUSE_NONE : CAUSE_RECORD;
        cr_expect_eq(decode_exact(changed, with_field(bytes, len, 14, times, changed)), wanted, "%u", times);
    }
    memcpy(changed, bytes, len);
    memcpy(changed + len, (uint8_t[]){17, 0, 2, 1, 2}, 5);
    cr_expect_eq(decode_exact(changed, len + 5), CAUSE_RECORD, "a time of two bytes");
    for (uint32_t tag = 18; tag <= 255; tag++) {
        bool nested = tag >= 18 && tag <= 24; /* a request, a former IKE SA, what has another size */
        memcpy(changed, bytes, len);
        memcpy(changed + len, (uint8_t[]){(uint8_t)tag, 0, 2, 1, 2}, 5);
        cr_expect_eq(decode_exact(changed, len + 5), nested ? CAUSE_RECORD : CAUSE_NONE, "a newer field %u",
                     tag);
    }
    for (uint32_t version = 0; version <= 255; version++) {
        bytes[0] = (uint8_t)version;
        cr_expect_eq(decode_exact(bytes, len), version == 1 ? CAUSE_NONE : CAUSE_RECORD, "version %u",
                     version);
    }
}

Test(record, any_change_is_harmless)
{
    static struct session_record record;
    uint64_t random = 1;
    sample_large(&record);
    size_t len = record_encode(&record, bytes, sizeof(bytes));
    uint8_t *changed = malloc(len);
    for (uint32_t i = 0; i < 20000; i++) {
        memcpy(changed, bytes, len);
        for (uint64_t n = random_next(&random) % 4 + 1; n > 0; n--) {
            changed[random_next(&random) % len] = (uint8_t)random_next(&random);
        }
        enum cause cause = decode_exact(changed, len);
        cr_assert(cause == CAUSE_NONE || cause == CAUSE_RECORD);
    }
    free(changed);
}

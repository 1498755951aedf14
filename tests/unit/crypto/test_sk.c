#include "edge/crypto/sk.h"

#include "edge/crypto/esp_cipher.h"
#include "tests/unit/crypto/hex.h"

#include <criterion/criterion.h>

struct suite_row {
    uint16_t encr, bits, integ;
};

static const struct suite_row suites[] = {
    {ENCR_AES_GCM_16, 128, INTEG_NONE},           {ENCR_AES_GCM_16, 192, INTEG_NONE},
    {ENCR_AES_GCM_16, 256, INTEG_NONE},           {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE},
    {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96},      {ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128},
    {ENCR_AES_CBC, 192, INTEG_HMAC_SHA2_384_192}, {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256},
};

static uint8_t key_e[ENCR_KEY_BYTES_MAX], key_a[INTEG_KEY_BYTES_MAX];

static struct sk_key key_of(const struct suite_row *row)
{
    for (size_t i = 0; i < sizeof(key_e); i++) {
        key_e[i] = (uint8_t)(0x10 + i);
    }
    for (size_t i = 0; i < sizeof(key_a); i++) {
        key_a[i] = (uint8_t)(0x80 + i);
    }
    return (struct sk_key){row->encr, row->bits, row->integ, key_e, key_a};
}

enum { AAD_BYTES = 32, MESSAGE_MAX = 2048 };

/* An SK payload in its message: header bytes, then the sealed body. */
struct message {
    uint8_t bytes[MESSAGE_MAX];
    size_t body_len;
};

static struct message message_seal(const struct sk_key *key, uint64_t iv, struct span plain)
{
    struct message m = {.body_len = sk_sealed_bytes(key, plain.len)};

    memset(m.bytes, 0xee, sizeof(m.bytes));
    for (size_t i = 0; i < AAD_BYTES; i++) {
        m.bytes[i] = (uint8_t)i;
    }
    cr_assert(sk_seal(key, iv, span_of(m.bytes, AAD_BYTES), plain, m.bytes + AAD_BYTES));
    cr_assert_eq(m.bytes[AAD_BYTES + m.body_len], 0xee, "writes no further than it said");
    return m;
}

static enum cause message_open(const struct sk_key *key, const struct message *m, uint8_t *ret_plain,
                               size_t *ret_len)
{
    return sk_open(key, span_of(m->bytes, AAD_BYTES), span_of(m->bytes + AAD_BYTES, m->body_len), ret_plain,
                   ret_len);
}

Test(sk, rfc7634_appendix_b)
{
    struct hex key =
        hex("80 81 82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f 90 91 92 93 94 95 96 97 98 99 9a 9b 9c 9d"
            "9e 9f a0 a1 a2 a3");
    struct hex aad = hex("c0 c1 c2 c3 c4 c5 c6 c7 d0 d1 d2 d3 d4 d5 d6 d7 2e 20 25 00 00 00 00 09 00 00 00 45"
                         "29 00 00 29");
    struct hex plain = hex("00 00 00 0c 00 00 40 01 00 00 00 0a");
    struct sk_key sk = {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, key.bytes, NULL};
    uint8_t body[64], opened[64];
    size_t len;

    cr_assert_eq(sk_sealed_bytes(&sk, plain.len), 37);
    cr_assert(sk_seal(&sk, UINT64_C(0x1011121314151617), hex_span(&aad), hex_span(&plain), body));
    hex_expect("encrypted payload", span_of(body, 37),
               "10 11 12 13 14 15 16 17 61 03 94 70 1f 8d 01 7f 7c 12 92 48 89 6b 71 bf e2 52 36 ef"
               "d7 cd c6 70 66 90 63 15 b2");
    cr_assert_eq(sk_open(&sk, hex_span(&aad), span_of(body, 37), opened, &len), CAUSE_NONE);
    cr_assert_eq(len, plain.len);
    cr_assert_arr_eq(opened, plain.bytes, len);
}

Test(sk, every_suite_opens_what_it_sealed)
{
    for (size_t s = 0; s < HF_COUNT(suites); s++) {
        struct sk_key key = key_of(&suites[s]);
        uint8_t plain[300], opened[MESSAGE_MAX];
        for (size_t i = 0; i < sizeof(plain); i++) {
            plain[i] = (uint8_t)(i * 7);
        }
        for (size_t len = 0; len <= sizeof(plain); len++) {
            struct message m = message_seal(&key, len, span_of(plain, len));
            size_t opened_len = 12345;
            cr_assert_eq(message_open(&key, &m, opened, &opened_len), CAUSE_NONE, "suite %zu length %zu", s,
                         len);
            cr_assert_eq(opened_len, len);
            cr_assert_arr_eq(opened, plain, len);
        }
    }
}

/* sk_plain_bytes() is the inverse of sk_sealed_bytes(): what fits does, one byte more does not. */
Test(sk, lengths)
{
    for (size_t s = 0; s < HF_COUNT(suites); s++) {
        struct sk_key key = key_of(&suites[s]);
        cr_assert_eq(sk_plain_bytes(&key, 0), 0);
        for (size_t sealed = sk_sealed_bytes(&key, 0); sealed < 1500; sealed++) {
            size_t plain = sk_plain_bytes(&key, sealed);
            cr_assert_leq(sk_sealed_bytes(&key, plain), sealed, "suite %zu", s);
            cr_assert_gt(sk_sealed_bytes(&key, plain + 1), sealed, "suite %zu", s);
        }
    }
}

static bool is_zero_or_untouched(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0 && bytes[i] != 0x55) {
            return false;
        }
    }
    return true;
}

/* Each bit of the authenticated header and of the body matters, and a refused message leaves no plaintext. */
Test(sk, every_flipped_bit_is_noticed)
{
    static const uint8_t plain[] = "the inner payloads";

    for (size_t s = 0; s < HF_COUNT(suites); s++) {
        struct sk_key key = key_of(&suites[s]);
        struct message good = message_seal(&key, 77, span_of(plain, sizeof(plain)));
        for (size_t bit = 0; bit < 8 * (AAD_BYTES + good.body_len); bit++) {
            struct message bad = good;
            uint8_t opened[MESSAGE_MAX];
            size_t len = 1;
            memset(opened, 0x55, sizeof(opened));
            bad.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_eq(message_open(&key, &bad, opened, &len), CAUSE_ICV, "suite %zu bit %zu", s, bit);
            cr_assert_eq(len, 0);
            cr_assert(is_zero_or_untouched(opened, sizeof(opened)), "suite %zu bit %zu", s, bit);
        }
    }
}

Test(sk, every_truncation_is_noticed)
{
    for (size_t s = 0; s < HF_COUNT(suites); s++) {
        struct sk_key key = key_of(&suites[s]);
        struct message good = message_seal(&key, 78, span_of("x", 1));
        uint8_t opened[MESSAGE_MAX];
        size_t len;
        for (size_t cut = 0; cut < good.body_len; cut++) {
            struct message bad = good;
            bad.body_len = cut;
            enum cause cause = message_open(&key, &bad, opened, &len);
            cr_assert(cause == CAUSE_SHORT || cause == CAUSE_ICV, "suite %zu at %zu", s, cut);
            cr_assert_eq(len, 0);
        }
        struct message short_one = {.body_len = 0};
        cr_assert_eq(message_open(&key, &short_one, opened, &len), CAUSE_SHORT);
        /* IV and ICV alone hold no pad length byte. */
        short_one.body_len = sk_sealed_bytes(&key, 0) - encr_block_bytes(key.encr);
        cr_assert_eq(message_open(&key, &short_one, opened, &len), CAUSE_SHORT);
    }
}

/* A peer may pad as it likes (RFC 7296 3.14, RFC 5282 3, RFC 7634 3). Our own seal pads as little as it can,
 * so the foreign message comes out of the ESP cipher: behind 8 bytes of header its packets look the same. */
static struct message message_foreign(const struct suite_row *row, const uint8_t *padded, size_t len)
{
    struct message m;
    struct esp_suite suite = {row->encr, row->bits, row->integ, KE_NONE, false};
    struct esp_keys keys;
    struct esp_cipher cipher;

    memcpy(keys.encr, key_e, sizeof(keys.encr));
    memcpy(keys.integ, key_a, sizeof(keys.integ));
    cr_assert(esp_cipher_init(&cipher, &suite, &keys));
    size_t iv_len = esp_cipher_iv_bytes(&cipher);
    memset(m.bytes, 9, 8);
    memcpy(m.bytes + 8 + iv_len, padded, len);
    cr_assert(esp_cipher_seal(&cipher, m.bytes, len, 0, 5));
    m.body_len = iv_len + len + esp_cipher_icv_bytes(&cipher);
    esp_cipher_done(&cipher);
    return m;
}

Test(sk, padding_of_any_length)
{
    enum { PADDED = 288 };

    for (size_t s = 0; s < HF_COUNT(suites); s++) {
        struct sk_key key = key_of(&suites[s]);
        for (unsigned pad = 0; pad < 256; pad++) {
            uint8_t padded[PADDED], opened[MESSAGE_MAX];
            size_t len;
            memset(padded, 0x77, sizeof(padded)); /* nor is the padding zero */
            padded[PADDED - 1] = (uint8_t)pad;
            struct message m = message_foreign(&suites[s], padded, PADDED);
            cr_assert_eq(sk_open(&key, span_of(m.bytes, 8), span_of(m.bytes + 8, m.body_len), opened, &len),
                         CAUSE_NONE);
            cr_assert_eq(len, PADDED - 1 - pad);
            if (pad >= 16) { /* more padding than there are bytes, though it authenticates */
                m = message_foreign(&suites[s], padded + PADDED - 16, 16);
                cr_assert_eq(
                    sk_open(&key, span_of(m.bytes, 8), span_of(m.bytes + 8, m.body_len), opened, &len),
                    CAUSE_PADDING, "suite %zu pad %u", s, pad);
                cr_assert_eq(len, 0);
                cr_assert(is_zero_or_untouched(opened, 16));
            }
        }
    }
}

/* The IV of CBC must not be predictable from the ones before it, and both must never repeat for new numbers.
 */
Test(sk, initialisation_vectors)
{
    struct sk_key gcm = key_of(&suites[0]);
    struct message m = message_seal(&gcm, UINT64_C(0x0001000000000005), span_of("x", 1));
    hex_expect("AEAD IV is the number", span_of(m.bytes + AAD_BYTES, 8), "0001000000000005");

    struct sk_key cbc = key_of(&suites[4]);
    uint8_t seen[64][16];
    for (size_t i = 0; i < HF_COUNT(seen); i++) {
        m = message_seal(&cbc, i, span_of("x", 1));
        memcpy(seen[i], m.bytes + AAD_BYTES, 16);
        for (size_t j = 0; j < i; j++) {
            cr_assert_neq(memcmp(seen[i], seen[j], 8), 0, "no half of an IV repeats");
            cr_assert_neq(memcmp(seen[i] + 8, seen[j] + 8, 8), 0);
        }
    }
}

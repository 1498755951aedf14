#include "edge/crypto/esp_cipher.h"

#include "edge/base/bytes.h"
#include "tests/unit/crypto/hex.h"

#include <criterion/criterion.h>

struct suite_row {
    uint16_t encr, bits, integ;
    size_t iv, icv, block;
};

static const struct suite_row suites[] = {
    {ENCR_AES_GCM_16, 128, INTEG_NONE, 8, 16, 4},
    {ENCR_AES_GCM_16, 192, INTEG_NONE, 8, 16, 4},
    {ENCR_AES_GCM_16, 256, INTEG_NONE, 8, 16, 4},
    {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, 8, 16, 4},
    {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, 16, 12, 16},
    {ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128, 16, 16, 16},
    {ENCR_AES_CBC, 192, INTEG_HMAC_SHA2_384_192, 16, 24, 16},
    {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, 16, 32, 16},
};

enum { PACKET_MAX = 2048, PLAIN = 96 };

struct packet {
    _Alignas(16) uint8_t bytes[PACKET_MAX];
    size_t len;
};

static void keys_fill(struct esp_keys *ret_keys)
{
    for (size_t i = 0; i < sizeof(ret_keys->encr); i++) {
        ret_keys->encr[i] = (uint8_t)(3 * i + 1);
    }
    for (size_t i = 0; i < sizeof(ret_keys->integ); i++) {
        ret_keys->integ[i] = (uint8_t)(5 * i + 2);
    }
}

static void cipher_open_for(const struct suite_row *row, bool esn, struct esp_cipher *ret_cipher)
{
    struct esp_suite suite = {row->encr, row->bits, row->integ, KE_NONE, esn};
    struct esp_keys keys;

    keys_fill(&keys);
    cr_assert(esp_cipher_init(ret_cipher, &suite, &keys));
}

static struct packet packet_seal(struct esp_cipher *cipher, const uint8_t *plain, size_t len,
                                 uint32_t seq_high)
{
    struct packet p;
    size_t iv_len = esp_cipher_iv_bytes(cipher);

    memset(p.bytes, 0xcc, sizeof(p.bytes));
    be32_store(p.bytes, 0x01020304);
    be32_store(p.bytes + 4, 5);
    memcpy(p.bytes + 8 + iv_len, plain, len);
    cr_assert(esp_cipher_seal(cipher, p.bytes, len, seq_high, 99));
    p.len = 8 + iv_len + len + esp_cipher_icv_bytes(cipher);
    cr_assert_eq(p.bytes[p.len], 0xcc, "writes no further than the ICV");
    return p;
}

static void plain_fill(uint8_t *ret_plain, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ret_plain[i] = (uint8_t)(i * 11 + 1);
    }
}

Test(esp_cipher, rfc7634_appendix_a)
{
    struct hex keymat =
        hex("80 81 82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f 90 91 92 93 94 95 96 97 98 99 9a 9b"
            "9c 9d 9e 9f a0 a1 a2 a3");
    struct hex plain =
        hex("45 00 00 54 a6 f2 00 00 40 01 e7 78 c6 33 64 05 c0 00 02 05 08 00 5b 7a 3a 08 00 00"
            "55 3b ec 10 00 07 36 27 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b"
            "1c 1d 1e 1f 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f 30 31 32 33 34 35 36 37"
            "01 02 02 04");
    static const char expected[] = "01 02 03 04 00 00 00 05 10 11 12 13 14 15 16 17 24 03 94 28 b9 7f 41 7e "
                                   "3c 13 75 3a 4f 05 08 7b 67 c3 52 e6"
                                   "a7 fa b1 b9 82 d4 66 ef 40 7a e5 c6 14 ee 80 99 d5 28 44 eb 61 aa 95 df "
                                   "ab 4c 02 f7 2a a7 1e 7c 4c 4f 64 c9"
                                   "be fe 2f ac c6 38 e8 f3 cb ec 16 3f ac 46 9b 50 27 73 f6 fb 94 e6 64 da "
                                   "91 65 b8 28 29 f6 41 e0 76 aa a8 26"
                                   "6b 7f b0 f7 b1 1b 36 99 07 e1 ad 43";
    struct esp_suite suite = {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, KE_NONE, false};
    struct esp_keys keys = {0};
    struct esp_cipher cipher;
    uint8_t packet[256] = {1, 2, 3, 4, 0, 0, 0, 5};
    size_t len;

    memcpy(keys.encr, keymat.bytes, keymat.len);
    cr_assert(esp_cipher_init(&cipher, &suite, &keys));
    memcpy(packet + 16, plain.bytes, plain.len);
    cr_assert(esp_cipher_seal(&cipher, packet, plain.len, 0, UINT64_C(0x1011121314151617)));
    hex_expect("ESP packet", span_of(packet, 16 + plain.len + 16), expected);
    cr_assert_eq(esp_cipher_open(&cipher, packet, 16 + plain.len + 16, 0, &len), CAUSE_NONE);
    hex_expect("plaintext", span_of(packet + 16, len),
               "45 00 00 54 a6 f2 00 00 40 01 e7 78 c6 33 64 05 c0 00 02 05 08 00 5b 7a 3a 08 00 00 55 3b ec "
               "10 00 07"
               "36 27 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 24 "
               "25 26 27"
               "28 29 2a 2b 2c 2d 2e 2f 30 31 32 33 34 35 36 37 01 02 02 04");
    esp_cipher_done(&cipher);
}

Test(esp_cipher, round_trips)
{
    for (size_t s = 0; s < HF_COUNT(suites); s++) {
        for (int esn = 0; esn < 2; esn++) {
            struct esp_cipher cipher;
            uint8_t plain[1504];
            cipher_open_for(&suites[s], esn == 1, &cipher);
            cr_assert_eq(esp_cipher_iv_bytes(&cipher), suites[s].iv);
            cr_assert_eq(esp_cipher_icv_bytes(&cipher), suites[s].icv);
            cr_assert_eq(esp_cipher_block_bytes(&cipher), suites[s].block);
            plain_fill(plain, sizeof(plain));
            for (size_t len = suites[s].block; len <= sizeof(plain); len += suites[s].block) {
                struct packet p = packet_seal(&cipher, plain, len, 7);
                size_t opened = 0;
                cr_assert_eq(esp_cipher_open(&cipher, p.bytes, p.len, 7, &opened), CAUSE_NONE);
                cr_assert_eq(opened, len);
                cr_assert_arr_eq(p.bytes + 8 + suites[s].iv, plain, len);
            }
            esp_cipher_done(&cipher);
        }
    }
}

/* With ESN the high half is authenticated though it is not sent; without it does not count. */
Test(esp_cipher, extended_sequence_numbers)
{
    for (size_t s = 0; s < HF_COUNT(suites); s++) {
        for (int esn = 0; esn < 2; esn++) {
            struct esp_cipher cipher;
            uint8_t plain[PLAIN];
            size_t len;
            cipher_open_for(&suites[s], esn == 1, &cipher);
            plain_fill(plain, sizeof(plain));
            struct packet p = packet_seal(&cipher, plain, sizeof(plain), 7);
            enum cause expected = esn == 1 ? CAUSE_ESP_ICV : CAUSE_NONE;
            cr_assert_eq(esp_cipher_open(&cipher, p.bytes, p.len, 8, &len), expected, "suite %zu", s);
            esp_cipher_done(&cipher);
        }
    }
}

static bool contains(const struct packet *p, const uint8_t *needle, size_t len)
{
    return memmem(p->bytes, p->len, needle, len) != NULL;
}

Test(esp_cipher, every_flipped_bit_is_noticed)
{
    for (size_t s = 0; s < HF_COUNT(suites); s++) {
        struct esp_cipher cipher;
        uint8_t plain[PLAIN];
        cipher_open_for(&suites[s], true, &cipher);
        plain_fill(plain, sizeof(plain));
        struct packet good = packet_seal(&cipher, plain, sizeof(plain), 7);
        for (size_t bit = 0; bit < 8 * good.len; bit++) {
            struct packet bad = good;
            size_t len = 1;
            bad.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_eq(esp_cipher_open(&cipher, bad.bytes, bad.len, 7, &len), CAUSE_ESP_ICV, "%zu/%zu", s,
                         bit);
            cr_assert_eq(len, 0);
            cr_assert_not(contains(&bad, plain, 16), "plaintext of a forged packet stays behind");
        }
        for (size_t cut = 0; cut < good.len; cut++) {
            struct packet bad = good;
            size_t len = 1;
            enum cause cause = esp_cipher_open(&cipher, bad.bytes, cut, 7, &len);
            cr_assert(cause == CAUSE_ESP_SHORT || cause == CAUSE_ESP_ICV);
            cr_assert_eq(len, 0);
        }
        esp_cipher_done(&cipher);
    }
}

/* Two directions with different keys or salts do not understand each other; done leaves no key. */
Test(esp_cipher, keys_matter_and_are_wiped)
{
    for (size_t s = 0; s < HF_COUNT(suites); s++) {
        struct esp_suite suite = {suites[s].encr, suites[s].bits, suites[s].integ, KE_NONE, false};
        struct esp_keys keys;
        struct esp_cipher one, other;
        uint8_t plain[PLAIN];
        size_t len;
        keys_fill(&keys);
        cr_assert(esp_cipher_init(&one, &suite, &keys));
        if (suites[s].integ == INTEG_NONE) {
            keys.encr[encr_key_bytes(suites[s].encr, suites[s].bits) - 1] ^= 1; /* the salt's last byte */
        } else {
            keys.integ[integ_key_bytes(suites[s].integ) - 1] ^= 1;
        }
        cr_assert(esp_cipher_init(&other, &suite, &keys));
        plain_fill(plain, sizeof(plain));
        struct packet p = packet_seal(&one, plain, sizeof(plain), 0);
        cr_assert_eq(esp_cipher_open(&other, p.bytes, p.len, 0, &len), CAUSE_ESP_ICV, "suite %zu", s);
        esp_cipher_done(&one);
        esp_cipher_done(&other);
        cr_assert_null(memmem(&one, sizeof(one), keys.encr, 16), "suite %zu keeps its key", s);
    }
    static const struct esp_suite wrong[] = {{ENCR_AES_GCM_16, 128, INTEG_HMAC_SHA2_256_128, KE_NONE, false},
                                             {ENCR_AES_CBC, 128, INTEG_NONE, KE_NONE, false},
                                             {ENCR_AES_CBC, 129, INTEG_HMAC_SHA1_96, KE_NONE, false},
                                             {ENCR_NONE, 0, INTEG_NONE, KE_NONE, false}};
    for (size_t i = 0; i < HF_COUNT(wrong); i++) {
        struct esp_keys keys;
        struct esp_cipher cipher;
        keys_fill(&keys);
        cr_assert_not(esp_cipher_init(&cipher, &wrong[i], &keys), "row %zu", i);
    }
}

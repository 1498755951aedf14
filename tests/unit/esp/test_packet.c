#include "edge/base/bytes.h"
#include "tests/unit/esp/build.h"

#include <criterion/criterion.h>

enum { PACKET_MAX = 9000 + ESP_OVERHEAD_MAX, SPI = 0x40001234 };

struct pair {
    struct esp_out out;
    struct esp_in in;
    struct esp_cipher cipher_out, cipher_in;
};

static struct pair *pair_make(const struct suite_row *row, uint64_t sequence)
{
    static struct pair pair;
    struct esp_suite suite = suite_of(row);
    struct esp_keys keys = keys_of(9);

    cr_assert(esp_cipher_init(&pair.cipher_out, &suite, &keys));
    cr_assert(esp_cipher_init(&pair.cipher_in, &suite, &keys));
    esp_out_init(&pair.out, &suite, SPI, iv_high(3, 0), sequence, UINT64_MAX);
    esp_in_init(&pair.in, &suite, SPI, sequence);
    return &pair;
}

static void pair_done(struct pair *pair)
{
    esp_cipher_done(&pair->cipher_out);
    esp_cipher_done(&pair->cipher_in);
}

static size_t seal_inner(struct pair *pair, const uint8_t *inner, size_t len, uint8_t *ret_packet)
{
    memcpy(ret_packet + pair->out.shape.head_len, inner, len);
    cr_assert_eq(esp_seal(&pair->out, &pair->cipher_out, ret_packet, len), CAUSE_NONE);
    return esp_sealed_len(&pair->out.shape, len);
}

static void round_trip(struct pair *pair, const uint8_t *inner, size_t len)
{
    static uint8_t packet[PACKET_MAX + 1];
    struct esp_opened opened;

    size_t sealed_len = esp_sealed_len(&pair->out.shape, len);
    packet[sealed_len] = 0xa5;
    cr_assert_eq(seal_inner(pair, inner, len, packet), sealed_len);
    cr_assert_eq(packet[sealed_len], 0xa5, "length %zu: written beyond", len);
    cr_assert(sealed_len <= len + ESP_OVERHEAD_MAX);
    cr_assert_eq(sealed_len % 4, 0);
    cr_assert_eq(be32_load(packet), SPI);
    cr_assert_eq(be32_load(packet + 4), (uint32_t)pair->out.sequence);
    enum cause cause = esp_open(&pair->in, &pair->cipher_in, packet, sealed_len, &opened);
    cr_assert_eq(cause, CAUSE_NONE, "length %zu: %s", len, cause_text(cause));
    cr_assert(opened.authentic && opened.is_newest);
    cr_assert_eq(opened.inner.len, len);
    cr_assert_eq(opened.sequence, pair->out.sequence);
    cr_assert_arr_eq(opened.packet, inner, len);
}

Test(esp_packet, every_suite_and_size)
{
    static uint8_t inner[9000];

    for (size_t i = 0; i < NUM_SUITES; i++) {
        /* With ESN across the wrap of the low half. */
        struct pair *pair = pair_make(&suites[i], suites[i].esn ? UINT32_MAX - 700 : 0);
        for (size_t len = INNER_V4_HEADER; len <= 1500; len++) {
            inner_v4(inner, len);
            round_trip(pair, inner, len);
        }
        for (size_t len = INNER_V6_HEADER; len <= 200; len++) {
            inner_v6(inner, len);
            round_trip(pair, inner, len);
        }
        inner_v4(inner, 9000);
        round_trip(pair, inner, 9000);
        pair_done(pair);
    }
}

/* Every single bit is protected, and a forged packet leaves no trace in the window. */
Test(esp_packet, tampering)
{
    static uint8_t inner[64], packet[256], copy[256];
    struct esp_opened opened;

    inner_v4(inner, sizeof(inner));
    for (size_t i = 0; i < NUM_SUITES; i++) {
        struct pair *pair = pair_make(&suites[i], 100);
        size_t len = seal_inner(pair, inner, sizeof(inner), packet);
        for (size_t bit = 0; bit < len * 8; bit++) {
            memcpy(copy, packet, len);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            enum cause cause = esp_open(&pair->in, &pair->cipher_in, copy, len, &opened);
            cr_assert(cause == CAUSE_ESP_ICV || (cause == CAUSE_ESP_REPLAY && bit / 8 >= 4 && bit / 8 < 8),
                      "suite %zu bit %zu: %s", i, bit, cause_text(cause));
            cr_assert(!opened.authentic && opened.packet == NULL);
            cr_assert_eq(pair->in.replay.top, 100);
        }
        for (size_t cut = 0; cut < len; cut++) {
            memcpy(copy, packet, len);
            enum cause cause = esp_open(&pair->in, &pair->cipher_in, copy, cut, &opened);
            cr_assert(cause == CAUSE_ESP_SHORT || cause == CAUSE_ESP_ICV);
        }
        memcpy(copy, packet, len);
        cr_assert_eq(esp_open(&pair->in, &pair->cipher_in, copy, len, &opened), CAUSE_NONE);
        memcpy(copy, packet, len);
        cr_assert_eq(esp_open(&pair->in, &pair->cipher_in, copy, len, &opened), CAUSE_ESP_REPLAY);
        pair_done(pair);
    }
}

struct content {
    uint32_t no;
    uint8_t next, pad_len;
    uint8_t padding[16];
    size_t inner_len, extra_len; /* bytes behind the inner packet: traffic flow padding */
    bool is_v6;
    enum cause cause;
    bool dummy;
};

/* RFC 4303 2.4 to 2.7; plaintext of 64 bytes with the trailer. */
static const struct content contents[] = {
    {1, 4, 2, {1, 2}, 60, 0, false, CAUSE_NONE, false},
    {2, 4, 2, {1, 3}, 60, 0, false, CAUSE_ESP_PADDING, false},
    {3, 4, 2, {0, 0}, 60, 0, false, CAUSE_ESP_PADDING, false},
    {4, 4, 63, {1, 2}, 60, 0, false, CAUSE_ESP_PADDING, false}, /* longer than the plaintext */
    {5, 4, 255, {1, 2}, 60, 0, false, CAUSE_ESP_PADDING, false},
    {6, 4, 0, {0}, 40, 22, false, CAUSE_NONE, false},
    {7, 4, 4, {1, 2, 3, 4}, 30, 28, false, CAUSE_NONE, false},
    {8, 41, 2, {1, 2}, 60, 0, true, CAUSE_NONE, false},
    {9, 4, 2, {1, 2}, 60, 0, true, CAUSE_ESP_INNER, false}, /* says IPv4 and holds IPv6 */
    {10, 41, 2, {1, 2}, 60, 0, false, CAUSE_ESP_INNER, false},
    {11, 59, 2, {1, 2}, 60, 0, false, CAUSE_NONE, true},
    {12, 59, 2, {2, 1}, 60, 0, false, CAUSE_ESP_PADDING, false},
    {13, 6, 2, {1, 2}, 60, 0, false, CAUSE_ESP_INNER, false}, /* transport mode */
    {14, 4, 2, {1, 2}, 61, 0, false, CAUSE_ESP_INNER, false}, /* the inner header claims a byte more */
    {15, 0, 2, {1, 2}, 60, 0, false, CAUSE_ESP_INNER, false},
};

Test(esp_packet, what_is_inside)
{
    enum { PLAIN = 64, HEAD = 16, TAG = 16 };
    struct pair *pair = pair_make(&suites[0], 0);

    for (size_t i = 0; i < HF_COUNT(contents); i++) {
        const struct content *row = &contents[i];
        uint8_t packet[HEAD + PLAIN + TAG + 8] = {0};
        struct esp_opened opened;

        be32_store(packet, SPI);
        be32_store(packet + 4, (uint32_t)(i + 1));
        (row->is_v6 ? inner_v6 : inner_v4)(packet + HEAD, row->inner_len);
        size_t at = HEAD + PLAIN - ESP_TRAILER - HF_MIN(row->pad_len, sizeof(row->padding));
        memcpy(packet + at, row->padding, HEAD + PLAIN - ESP_TRAILER - at);
        packet[HEAD + PLAIN - 2] = row->pad_len;
        packet[HEAD + PLAIN - 1] = row->next;
        cr_assert(esp_cipher_seal(&pair->cipher_out, packet, PLAIN, 0, i));
        enum cause cause = esp_open(&pair->in, &pair->cipher_in, packet, HEAD + PLAIN + TAG, &opened);
        cr_expect_eq(cause, row->cause, "row %u: %s", row->no, cause_text(cause));
        cr_expect(opened.authentic, "row %u", row->no);
        cr_expect((opened.packet != NULL) == (row->cause == CAUSE_NONE && !row->dummy), "row %u", row->no);
        cr_expect(opened.packet == NULL || opened.inner.len == row->inner_len, "row %u", row->no);
    }
    pair_done(pair);
}

/* RFC 4303 3.3.3: the counter must not cycle; nor may it pass what the store has reserved. */
Test(esp_packet, sequence_numbers_end)
{
    uint8_t packet[256] = {0};
    struct esp_keys keys = keys_of(1);
    struct esp_cipher cipher;
    struct esp_out out;

    for (int esn = 0; esn < 2; esn++) {
        struct esp_suite suite = suite_of(&suites[esn]);
        uint64_t last = esn ? IV_COUNTER_MAX : UINT32_MAX;
        cr_assert(esp_cipher_init(&cipher, &suite, &keys));
        esp_out_init(&out, &suite, SPI, iv_high(1, 0), last - 2, UINT64_MAX);
        for (int i = 0; i < 4; i++) {
            inner_v4(packet + out.shape.head_len, 40);
            cr_expect_eq(esp_seal(&out, &cipher, packet, 40), i < 2 ? CAUSE_NONE : CAUSE_ESP_SEQUENCE);
        }
        cr_expect_eq(out.sequence, last);
        cr_expect(esp_out_is_spent(&out));

        esp_out_init(&out, &suite, SPI, iv_high(1, 0), 10, 20);
        cr_expect(!esp_out_is_spent(&out));
        for (int i = 1; i <= 12; i++) {
            inner_v4(packet + out.shape.head_len, 40);
            cr_expect_eq(esp_seal(&out, &cipher, packet, 40), i <= 10 ? CAUSE_NONE : CAUSE_ESP_SEQUENCE);
            cr_expect_eq(esp_out_wants_limit(&out), i >= 5, "after %d", i);
        }
        esp_out_limit(&out, 15); /* not lower than before */
        cr_expect_eq(esp_seal(&out, &cipher, packet, 40), CAUSE_ESP_SEQUENCE);
        esp_out_limit(&out, 30);
        cr_expect(!esp_out_wants_limit(&out));
        inner_v4(packet + out.shape.head_len, 40);
        cr_expect_eq(esp_seal(&out, &cipher, packet, 40), CAUSE_NONE);
        cr_expect_eq(be32_load(packet + 4), 21);
        esp_cipher_done(&cipher);
    }
}

/* One key, installed by owners that know nothing of each other, of which two were given one epoch by a store
 * that forgot the first claim, and by one again above what it reserved. */
Test(esp_packet, no_iv_twice)
{
    static uint64_t ivs[6 * 500];
    const struct {
        uint16_t epoch, node;
        uint64_t sequence;
    } installs[] = {{1, 0, 0}, {2, 0, 0}, {65535, 0, 0}, {2, 0, 500}, {2, 1, 0}, {2, FLEET_NODE_MAX, 0}};
    struct esp_suite suite = suite_of(&suites[1]);
    struct esp_keys keys = keys_of(1);
    size_t num = 0;

    for (size_t i = 0; i < HF_COUNT(installs); i++) {
        struct esp_cipher cipher;
        struct esp_out out;
        uint8_t packet[128] = {0};

        cr_assert(esp_cipher_init(&cipher, &suite, &keys));
        esp_out_init(&out, &suite, SPI, iv_high(installs[i].epoch, installs[i].node), installs[i].sequence,
                     UINT64_MAX);
        for (int k = 0; k < 500; k++) {
            inner_v4(packet + out.shape.head_len, 40);
            cr_assert_eq(esp_seal(&out, &cipher, packet, 40), CAUSE_NONE);
            ivs[num] = be64_load(packet + 8);
            cr_assert_eq(ivs[num] >> 48, installs[i].epoch);
            for (size_t j = 0; j < num; j++) {
                cr_assert_neq(ivs[j], ivs[num]);
            }
            num++;
        }
        esp_cipher_done(&cipher);
    }
}

Test(esp_packet, window_moves_with_authentic_packets_only)
{
    static uint8_t inner[64], sealed[8][256];
    struct pair *pair = pair_make(&suites[0], 0);
    struct esp_opened opened;
    size_t len = 0;

    inner_v4(inner, sizeof(inner));
    for (int i = 0; i < 8; i++) {
        len = seal_inner(pair, inner, sizeof(inner), sealed[i]);
    }
    uint8_t forged[256];
    memcpy(forged, sealed[0], len);
    be32_store(forged + 4, 1000000); /* far ahead: would throw all others out of the window */
    cr_expect_eq(esp_open(&pair->in, &pair->cipher_in, forged, len, &opened), CAUSE_ESP_ICV);
    const int order[] = {3, 0, 7, 1, 6, 2, 5, 4};
    int newest = -1;
    for (size_t i = 0; i < HF_COUNT(order); i++) {
        cr_expect_eq(esp_open(&pair->in, &pair->cipher_in, sealed[order[i]], len, &opened), CAUSE_NONE);
        cr_expect_eq(opened.is_newest, order[i] > newest);
        newest = HF_MAX(newest, order[i]);
    }
    pair_done(pair);
}

#include "edge/io/steer.h"

#include "edge/base/bytes.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const uint64_t first_key[2] = {11, 12};

static struct hf_spi_config spi_config(void)
{
    return (struct hf_spi_config){
        .epochs[1] = {.k1 = {1, 2}, .k2 = {3, 4}, .k3 = {5, 6}},
        .shard_bits = 6,
        .mint_epoch = 1,
    };
}

Test(datagram, classification)
{
    static const struct {
        bool natt;
        size_t len;
        uint8_t bytes[8];
        enum datagram_kind kind;
    } rows[] = {
        {false, 0, {0}, DATAGRAM_IKE}, /* too short to be IKE, which the core counts */
        {false, 1, {0xff}, DATAGRAM_IKE},
        {false, 8, {0, 0, 0, 0, 1}, DATAGRAM_IKE}, /* no marker on port 500 */
        {true, 0, {0}, DATAGRAM_SHORT},
        {true, 1, {0xff}, DATAGRAM_KEEPALIVE},
        {true, 1, {0xfe}, DATAGRAM_SHORT},
        {true, 2, {0xff, 0xff}, DATAGRAM_SHORT},
        {true, 3, {0}, DATAGRAM_SHORT},
        {true, 4, {0}, DATAGRAM_IKE},
        {true, 8, {0, 0, 0, 0, 1}, DATAGRAM_IKE},
        {true, 4, {0, 0, 0, 1}, DATAGRAM_ESP},
        {true, 8, {0xff, 0, 0, 0, 1}, DATAGRAM_ESP},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        cr_assert_eq(datagram_classify(rows[i].natt, span_of(rows[i].bytes, rows[i].len)), rows[i].kind,
                     "row %zu", i);
    }
}

/* RFC 7296 2.6: the cookie is the first payload. */
Test(datagram, first_messages)
{
    static const struct {
        const char *what;
        uint8_t next_payload, exchange, flags;
        size_t len;
        uint16_t notify;
        enum first_message kind;
    } rows[] = {
        {"IKE_SA_INIT", 33, 34, 0x08, 300, 0, FIRST_BARE},
        {"IKE_SESSION_RESUME", 40, 38, 0x08, 300, 0, FIRST_BARE},
        {"with a cookie in front", 41, 34, 0x08, 300, 16390, FIRST_WITH_COOKIE},
        {"with another notify in front", 41, 34, 0x08, 300, 16388, FIRST_BARE},
        {"ends before the notify's type", 41, 34, 0x08, 35, 16390, FIRST_BARE},
        {"a header and no more", 33, 34, 0x08, 28, 0, FIRST_BARE},
        {"an answer", 33, 34, 0x20, 300, 0, FIRST_NOT},
        {"an answer that says it is not", 33, 34, 0x28, 300, 0, FIRST_NOT},
        {"IKE_AUTH", 46, 35, 0x08, 300, 0, FIRST_NOT},
        {"shorter than a header", 33, 34, 0x08, 27, 0, FIRST_NOT},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t bytes[300] = {0};
        bytes[16] = rows[i].next_payload;
        bytes[18] = rows[i].exchange;
        bytes[19] = rows[i].flags;
        be16_store(bytes + 34, rows[i].notify);
        cr_expect_eq(first_message_kind(span_of(bytes, rows[i].len)), rows[i].kind, "%s", rows[i].what);
    }
}

Test(steer, shards_are_contiguous_and_all_owned)
{
    struct steer *steer = calloc(1, sizeof(*steer));
    struct hf_spi_config config = spi_config();
    for (uint32_t workers = 1; workers <= WORKERS_MAX; workers++) {
        steer_init(steer, &config, first_key, workers);
        cr_assert_eq(steer_first_shard(config.shard_bits, workers, 0), 0);
        cr_assert_eq(steer_first_shard(config.shard_bits, workers, workers), 64);
        for (uint32_t shard = 0; shard < 64; shard++) {
            uint32_t owner = steer->worker_of[shard];
            cr_assert(steer_first_shard(6, workers, owner) <= shard &&
                      shard < steer_first_shard(6, workers, owner + 1));
        }
    }
    free(steer);
}

static void ike_header(uint8_t *message, uint64_t spi_i, uint64_t spi_r, uint8_t flags)
{
    memset(message, 0, 28);
    be64_store(message, spi_i);
    be64_store(message + 8, spi_r);
    message[17] = 0x20;
    message[19] = flags;
}

/* The I flag alone says which SPI is ours (DESIGN section 3). */
Test(steer, ike_by_the_flag)
{
    struct steer *steer = calloc(1, sizeof(*steer));
    struct hf_spi_config config = spi_config();
    struct ip_addr source = ip_from_v4((const uint8_t[]){192, 0, 2, 1});
    uint8_t m[28];
    steer_init(steer, &config, first_key, 4);
    for (uint16_t shard = 0; shard < 64; shard++) {
        uint64_t ours = hf_ike_spi_encode(&config, &(struct hf_spi){.shard = shard, .epoch = 1, .index = 9});
        uint64_t other =
            hf_ike_spi_encode(&config, &(struct hf_spi){.shard = 63 - shard, .epoch = 1, .index = 9});
        ike_header(m, other, ours, 0x08); /* from the initiator of the SA: SPIr is ours */
        cr_assert_eq(steer_ike(steer, &source, span_of(m, 28), 0), shard / 16u);
        ike_header(m, other, ours, 0x28); /* the response flag changes nothing */
        cr_assert_eq(steer_ike(steer, &source, span_of(m, 28), 0), shard / 16u);
        ike_header(m, ours, other, 0x00); /* we made the SA: SPIi is ours */
        cr_assert_eq(steer_ike(steer, &source, span_of(m, 28), 0), shard / 16u);
    }
    ike_header(m, 77, 0x1234567890abcdef, 0x08);
    cr_assert_eq(steer_ike(steer, &source, span_of(m, 28), 3), 3, "a forged SPI is counted where it came");
    cr_assert_eq(steer_ike(steer, &source, span_of(m, 27), 2), 2, "so is a short message");
    free(steer);
}

Test(steer, first_packet_by_spi_and_address)
{
    struct steer *steer = calloc(1, sizeof(*steer));
    struct hf_spi_config config = spi_config();
    uint32_t seen[4] = {0};
    uint8_t m[28];
    steer_init(steer, &config, first_key, 4);
    for (uint32_t i = 0; i < 4000; i++) {
        struct ip_addr source = ip_from_v4((const uint8_t[]){10, 0, (uint8_t)(i >> 8), (uint8_t)i});
        ike_header(m, 1000 + i, 0, 0x08);
        uint32_t worker = steer_ike(steer, &source, span_of(m, 28), 0);
        cr_assert_lt(worker, 4);
        cr_assert_eq(worker, steer_ike(steer, &source, span_of(m, 28), 1), "wherever it comes in");
        seen[worker]++;
    }
    for (int i = 0; i < 4; i++) {
        cr_assert(seen[i] > 850 && seen[i] < 1150, "worker %d got %u", i, seen[i]);
    }
    free(steer);
}

enum { SEGMENT = 40 };

static void put_esp(uint8_t *at, const struct hf_spi_config *config, uint16_t shard)
{
    memset(at, 0x55, SEGMENT);
    be32_store(at, hf_esp_spi_encode(config, &(struct hf_spi){.shard = shard, .epoch = 1, .index = 7}));
}

/* A burst of one flow may hold ESP of several workers, IKE and keepalives (the last segment). */
Test(steer, burst_is_split_into_runs)
{
    struct steer *steer = calloc(1, sizeof(*steer));
    struct hf_spi_config config = spi_config();
    uint8_t bytes[6 * SEGMENT + 1];
    steer_init(steer, &config, first_key, 4);
    put_esp(bytes, &config, 1);
    put_esp(bytes + SEGMENT, &config, 2);
    put_esp(bytes + 2 * SEGMENT, &config, 40);
    memset(bytes + 3 * SEGMENT, 0, 4);
    ike_header(bytes + 3 * SEGMENT + 4, 5,
               hf_ike_spi_encode(&config, &(struct hf_spi){.shard = 63, .epoch = 1}), 0x08);
    put_esp(bytes + 4 * SEGMENT, &config, 40);
    put_esp(bytes + 5 * SEGMENT, &config, 41);
    bytes[6 * SEGMENT] = 0xff;
    static const struct {
        enum datagram_kind kind;
        uint32_t worker, at, len, segment, count;
    } rows[] = {
        {DATAGRAM_ESP, 0, 0, 2 * SEGMENT, SEGMENT, 2},
        {DATAGRAM_ESP, 2, 2 * SEGMENT, SEGMENT, 0, 1},
        {DATAGRAM_IKE, 3, 3 * SEGMENT + 4, SEGMENT - 4, 0, 1},
        {DATAGRAM_ESP, 2, 4 * SEGMENT, 2 * SEGMENT, SEGMENT, 2},
        {DATAGRAM_KEEPALIVE, 1, 6 * SEGMENT, 1, 0, 1},
    };
    struct datagram datagram = {.bytes = bytes, .len = sizeof(bytes), .segment = SEGMENT, .natt = true};
    struct datagram_run run;
    size_t offset = 0;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        cr_assert(steer_run(steer, &datagram, 1, &offset, &run), "run %zu", i);
        cr_assert(run.kind == rows[i].kind && run.worker == rows[i].worker && run.count == rows[i].count,
                  "run %zu", i);
        cr_assert(run.bytes == bytes + rows[i].at && run.len == rows[i].len && run.segment == rows[i].segment,
                  "run %zu", i);
    }
    cr_assert(!steer_run(steer, &datagram, 1, &offset, &run));
    free(steer);
}

Test(steer, empty_datagram_is_one_run)
{
    struct steer *steer = calloc(1, sizeof(*steer));
    struct hf_spi_config config = spi_config();
    uint8_t nothing[1];
    steer_init(steer, &config, first_key, 2);
    struct datagram datagram = {.bytes = nothing, .len = 0, .natt = true};
    struct datagram_run run;
    size_t offset = 0;
    cr_assert(steer_run(steer, &datagram, 1, &offset, &run));
    cr_assert(run.kind == DATAGRAM_SHORT && run.len == 0 && run.worker == 1);
    cr_assert(!steer_run(steer, &datagram, 1, &offset, &run));
    free(steer);
}

#include "ebpf/shared.h"
#include "edge/base/compiler.h"
#include "edge/base/limits.h"
#include "tests/unit/base/random.h"

#include <criterion/criterion.h>
#include <string.h>

_Static_assert(sizeof(struct hf_spi_config) == 200 && sizeof(struct hf_spi) == 8, "alike in both worlds");
_Static_assert((int)HF_SHARD_BITS_MIN == SHARD_BITS_MIN, "one limit");
_Static_assert((int)HF_SHARD_BITS_MAX == SHARD_BITS_MAX, "one limit");

/* Key words of epoch e: k1 = {0x1000e+1, 0x11..e}, k2 = {0x2000e+2, 0x22..e}, k3 = {0x3000e+3, 0x33..e}. */
static struct hf_spi_config config_make(uint8_t shard_bits)
{
    struct hf_spi_config config = {.shard_bits = shard_bits, .mint_epoch = 1};
    for (uint64_t e = 1; e <= 3; e++) {
        config.epochs[e] = (struct hf_spi_keys){
            .k1 = {0x1000 * e + 1, 0x1111111111111111 * e},
            .k2 = {0x2000 * e + 2, 0x2222222222222222 * e},
            .k3 = {0x3000 * e + 3, 0x3333333333333333 * e},
        };
    }
    return config;
}

/* Frozen: SPIs live in clients and stores across releases. Computed by a second implementation, written in
 * another language from the description of the layout alone. */
static const struct {
    uint8_t shard_bits;
    struct hf_spi spi;
    uint64_t ike;
    uint32_t esp;
} VECTORS[] = {
    {10, {.index = 0, .shard = 0, .epoch = 1, .generation = 0}, 0x64677a431f01db16, 0x40000077},
    {10, {.index = 70000, .shard = 513, .epoch = 1, .generation = 1}, 0x7aba8415f4ae341f, 0x4445c2ba},
    {10, {.index = 1048575, .shard = 1023, .epoch = 3, .generation = 255}, 0xd8cef84a8610d549, 0xfffffe77},
    {4, {.index = 67108863, .shard = 9, .epoch = 2, .generation = 7}, 0xb500a2730c18131d, 0xbffffff5},
    {14, {.index = 65535, .shard = 16383, .epoch = 1, .generation = 128}, 0x4acbf73f515bac92, 0x7ffffab6},
    {14, {.index = 1, .shard = 1, .epoch = 2, .generation = 1}, 0xa193c99018fb7cb4, 0x8000603e},
    {7, {.index = 4242424, .shard = 100, .epoch = 3, .generation = 42}, 0xe1a73c4135857025, 0xe05dfc45},
};

static bool spi_equal(const struct hf_spi *a, const struct hf_spi *b, bool with_generation)
{
    return a->index == b->index && a->shard == b->shard && a->epoch == b->epoch &&
           b->generation == (with_generation ? a->generation : 0);
}

Test(spi, vectors)
{
    for (size_t i = 0; i < HF_COUNT(VECTORS); i++) {
        struct hf_spi_config config = config_make(VECTORS[i].shard_bits);
        struct hf_spi ike, esp;
        const struct hf_spi *spi = &VECTORS[i].spi;
        cr_assert_eq(hf_ike_spi_encode(&config, spi), VECTORS[i].ike, "%zu", i);
        cr_assert_eq(hf_esp_spi_encode(&config, spi), VECTORS[i].esp, "%zu", i);
        cr_assert(hf_ike_spi_decode(&config, VECTORS[i].ike, &ike) && spi_equal(spi, &ike, true), "%zu", i);
        cr_assert(hf_esp_spi_decode(&config, VECTORS[i].esp, &esp) && spi_equal(spi, &esp, false), "%zu", i);
    }
}

static void round_trip(const struct hf_spi_config *config, const struct hf_spi *spi)
{
    struct hf_spi ike, esp;
    uint64_t ike_spi = hf_ike_spi_encode(config, spi);
    uint32_t esp_spi = hf_esp_spi_encode(config, spi);
    cr_assert(hf_ike_spi_decode(config, ike_spi, &ike) && spi_equal(spi, &ike, true));
    cr_assert(hf_esp_spi_decode(config, esp_spi, &esp) && spi_equal(spi, &esp, false));
    cr_assert(esp_spi >= UINT32_C(1) << 30, "neither reserved nor a non-ESP marker");
}

Test(spi, round_trip_for_every_shard_width)
{
    uint64_t seed = 3;
    for (uint8_t bits = HF_SHARD_BITS_MIN; bits <= HF_SHARD_BITS_MAX; bits++) {
        struct hf_spi_config config = config_make(bits);
        uint32_t index_max = (UINT32_C(1) << (30 - bits)) - 1, shard_max = (UINT32_C(1) << bits) - 1;
        for (uint8_t epoch = 1; epoch <= 3; epoch++) {
            round_trip(&config, &(struct hf_spi){.epoch = epoch});
            round_trip(&config, &(struct hf_spi){index_max, (uint16_t)shard_max, epoch, 255});
        }
        for (int i = 0; i < 2000; i++) {
            uint64_t random = random_next(&seed);
            round_trip(&config, &(struct hf_spi){.index = (uint32_t)random & index_max,
                                                 .shard = (uint16_t)(random >> 32 & shard_max),
                                                 .epoch = (uint8_t)(1 + (random >> 48) % 3),
                                                 .generation = (uint8_t)(random >> 56)});
        }
    }
}

/* Fields that do not fit and epochs without keys give no SPI, and no SPI of such an epoch is accepted. */
Test(spi, refusals)
{
    struct hf_spi_config config = config_make(10);
    static const struct hf_spi unfit[] = {
        {.epoch = 0},
        {.epoch = 4},
        {.epoch = 255},
        {.epoch = 1, .shard = 1024},
        {.epoch = 1, .index = UINT32_C(1) << 20},
        {.epoch = 1, .index = UINT32_MAX, .shard = UINT16_MAX},
    };
    struct hf_spi spi = {.epoch = 2}, untouched = {7, 7, 7, 7}, ret = untouched;
    for (size_t i = 0; i < HF_COUNT(unfit); i++) {
        cr_assert_eq(hf_ike_spi_encode(&config, &unfit[i]), 0, "%zu", i);
        cr_assert_eq(hf_esp_spi_encode(&config, &unfit[i]), 0, "%zu", i);
    }
    uint64_t ike = hf_ike_spi_encode(&config, &spi);
    uint32_t esp = hf_esp_spi_encode(&config, &spi);
    config.epochs[0] = config.epochs[1]; /* keys make no epoch 0 */
    cr_assert_eq(hf_ike_spi_encode(&config, &unfit[0]), 0);
    cr_assert(!hf_ike_spi_decode(&config, 0, &ret) && !hf_esp_spi_decode(&config, 0, &ret));
    cr_assert(!hf_ike_spi_decode(&config, UINT64_MAX >> 2, &ret));
    cr_assert(!hf_esp_spi_decode(&config, UINT32_MAX >> 2, &ret));

    memset(&config.epochs[2], 0, sizeof(config.epochs[2]));
    cr_assert(!hf_ike_spi_decode(&config, ike, &ret) && !hf_esp_spi_decode(&config, esp, &ret));
    cr_assert(hf_ike_spi_encode(&config, &spi) == 0 && hf_esp_spi_encode(&config, &spi) == 0);

    static const uint8_t bad_widths[] = {0, 3, 15, 255};
    for (size_t i = 0; i < HF_COUNT(bad_widths); i++) {
        config = config_make(bad_widths[i]);
        cr_assert(!hf_ike_spi_decode(&config, ike, &ret) && !hf_esp_spi_decode(&config, esp, &ret));
        cr_assert(hf_ike_spi_encode(&config, &spi) == 0 && hf_esp_spi_encode(&config, &spi) == 0);
    }
    cr_assert(memcmp(&ret, &untouched, sizeof(ret)) == 0, "a refusal writes nothing");
}

/* A guess succeeds with 3/4 * 2^-24: none of 10^5 of this seed, none that is a bit away from a real one. */
Test(spi, forgeries)
{
    struct hf_spi_config config = config_make(10);
    struct hf_spi ret;
    uint64_t seed = 4;
    for (int i = 0; i < 100000; i++) {
        cr_assert(!hf_ike_spi_decode(&config, random_next(&seed), &ret));
    }
    for (size_t i = 0; i < HF_COUNT(VECTORS); i++) {
        config = config_make(VECTORS[i].shard_bits);
        for (int bit = 0; bit < 64; bit++) {
            uint64_t forged = VECTORS[i].ike ^ UINT64_C(1) << bit;
            cr_assert(!hf_ike_spi_decode(&config, forged, &ret), "%zu bit %d", i, bit);
        }
    }
}

/* ESP SPIs have no tag. What garbage may do is spread evenly: no shard gets more than its share. */
Test(spi, esp_garbage_spreads_over_shards)
{
    struct hf_spi_config config = config_make(4);
    uint32_t hits[16] = {0}, decoded = 0;
    uint64_t seed = 5;
    for (int i = 0; i < 160000; i++) {
        struct hf_spi ret;
        if (hf_esp_spi_decode(&config, (uint32_t)random_next(&seed), &ret)) {
            cr_assert(ret.shard < 16 && ret.index < UINT32_C(1) << 26 && ret.epoch >= 1 && ret.epoch <= 3);
            hits[ret.shard]++;
            decoded++;
        }
    }
    cr_assert(decoded > 119000 && decoded < 121000, "three epochs of four: %u", decoded);
    for (int shard = 0; shard < 16; shard++) {
        /* 7500, 4.7 standard deviations to each side */
        cr_assert(hits[shard] > 7100 && hits[shard] < 7900, "shard %d: %u", shard, hits[shard]);
    }
}

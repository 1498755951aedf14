/* NIST's CAVP samples for SP 800-135 IKEv2 (as NSS and libreswan carry them), one per hash. */
#include "edge/crypto/kdf.h"

#include "edge/base/bytes.h"
#include "tests/unit/crypto/hex.h"

#include <criterion/criterion.h>

enum { CAVP_DKM_BYTES = 132 };

struct kdf_case {
    const char *name;
    struct ike_suite suite;
    const char *ni, *nr, *spi_i, *spi_r, *shared;
    const char *skeyseed;
    const char *dkm; /* CAVP_DKM_BYTES of SK_d | SK_ai | ... */
    const char *shared_new, *skeyseed_rekey;
    const char *dkm_child, *dkm_child_pfs; /* NULL when the sample has none */
};

static const struct kdf_case cases[] = {
    {.name = "SHA-1",
     .suite = {ENCR_AES_GCM_16, 256, INTEG_NONE, PRF_HMAC_SHA1, KE_MODP_2048},
     .ni = "32b50d5f4a3763f3",
     .nr = "9206a04b26564cb1",
     .spi_i = "34c9e7c188868785",
     .spi_r = "3ff77d760d2b2199",
     .shared = "4b2c1f971981a8ad8d0abeafabf38cf75fc8349c148142465ed9c8b516b8be52",
     .skeyseed = "a9a7b222b59f8f48645f28a1db5b5f5d7479cba7",
     .dkm = "a14293677cc80ff8f9cc0eee30d895da9d8f405666e30ef0dfcb63c634a46002a2a63080e514a062768b76606f9fa5e9"
            "92204fc5a670bde3f10d6b027113936a5c55b648a194ae587b0088d52204b702c979fa280870d2ed41efa9c549fd1119"
            "8af1670b143d384bd275c5f594cf266b05ebadca855e4249520a441a81157435a7a56cc4",
     .shared_new = "863f3c9d06efd39d2b907b97f8699e5dd5251ef64a2a176f36ee40c87d4f9330",
     .skeyseed_rekey = "63e81194946ebd05df7df5ebf5d8750056bf1f1d",
     .dkm_child =
         "8059e3ee8810e6c3a91bc8bcd2a7a41151b8d0e6ae239c7b38093ad85ef4c5811a8e7b5d1cdabd9560b2d5e092d1f24e"
         "2d4b85eccdf0ad0dc9abd94b51ee71814ca6dbc8bb51b6309f5b9545c7eb35cf5580b1e521a8fe20754a2d883ba0c2cf"
         "285f524aea6545b33106bc03e614296d319d41d4b50b3f510b1c0a22f3e664994d234cb4",
     .dkm_child_pfs =
         "bb43244c1860ad65ee1e211ffe8bb3661750c8f89cb9f547df7f4fa61d37301628190e38c66232eab4b3ab14c400a519"
         "7dd3730ed4820a8a10394d51e1c0400052f63ebd36b0e7ef53aaed31eba4a5080d7d4b5666023a8bbb5ffb7857240f9a"
         "05884d1b7d2f933708450b7b3288f1fc863ab49fa901227cffc06e27899c7054d56fd74c"},
    {.name = "SHA-256",
     .suite = {ENCR_AES_GCM_16, 128, INTEG_NONE, PRF_HMAC_SHA2_256, KE_P256},
     .ni = "3f302be1abcb28e1",
     .nr = "8c332ee006064c9b",
     .spi_i = "40dac39e1e1a8640",
     .spi_r = "8619a1cf9a6e4c07",
     .shared = "0f4d257d7a58fc4545c7d7a88119eee5d5c9690c5b4c989171d3abbfd99d1d29",
     .skeyseed = "5f00d1bd2c58ec224b1e6b71fa0f19a1faa7a193952c444411b47c1a9d8ba6fe",
     .dkm = "0b137d669b0947d7d026d593f0305ad401ff0c471357d695778a9c7f4b4869ece98aca531188d16041b3bb936d2dbb3b"
            "4993a6e768a809160de45d0283f273a6cdf6854379e31be72b8d3d1fa990cf9c5b015ca9f918a7df6253c958114a09d4"
            "e1c19bdcd4db14b29d98db1a74ad405c588662c14a04d0d36aa4ab55e90f8986d12d4aad",
     .shared_new = "25f3b12d6f282739256e39bf54eda53b60ffcf379bb7bcc90c27b4c4c578616c",
     .skeyseed_rekey = "2d63f6debc92048b4fef3889c4c99ca67d6496e0fac14a2bca9a2d6566ff2398"},
    {.name = "SHA-384",
     .suite = {ENCR_AES_CBC, 192, INTEG_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384, KE_P384},
     .ni = "fd1b572a8e735591",
     .nr = "6013b0ef88dacd3d",
     .spi_i = "2116ad07ce61f749",
     .spi_r = "24880e55f11a65b7",
     .shared = "d3288cd87565101e88fe3bad918f31939d8dd26ff1071f8b2d7f447524e58d7c",
     .skeyseed =
         "69fe7a1ac94adaeb711295f5fe004b1a8d6a0b65d05692758ce8ad2f7a45f59d7d0b596f51f7dfcf3330061888f6a94f",
     .dkm = "4f904c2025c90c817ea5ff9b662a6fdb445a73b57cdf09eacd379b95e1f03cacb04cd6deeda4f952191dd9bc1f7a9502"
            "471a648d74dc06d38112de48a42501f6b1a3ad55c2099cd9a648e5f17e5bf3e34bf9b5953decb768a34f875fe2b78dca"
            "0c2fcca81ec1a412006dfaed38fa06882e61f4c148105fb8e231fdb33c4d484c001721d4",
     .shared_new = "3358f620539473aee8d07e779764c4c6a9aabddc79a28e136b3bac021dbde44a",
     .skeyseed_rekey =
         "e0548c1682e13bce454026b3b1bdf42985b24e4e7408095a7c529de38c3d1fcb04c9fe6868042a34c9614c6c99e3fcea"},
    {.name = "SHA-512",
     .suite = {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, PRF_HMAC_SHA2_512, KE_X25519},
     .ni = "97c41a9b0a03e74c",
     .nr = "a659fd06e1746600",
     .spi_i = "ff43c5c689b95481",
     .spi_r = "e2ba607f30079bb7",
     .shared = "276255c3eaace5c6db32b609aa86c0ef07bba4bf2dc4c262995efd95ca607c3f",
     .skeyseed = "d6e74966b75fd2afab48be319d63d97c8a5d2ffe2e320763a462c664b36c3a94"
                 "4067d867c3a55fd8a7e5cca64b22e24415987e15549f09a81b455adaa5303df8",
     .dkm = "22259105314717dc73c210919ee9cb3ded774dc087e866aa3960404c0ed7b8e78e79b993888388e2e5cb238d4bfcb4cd"
            "ee9da074a26e329d6c2f2f660cc9c711c941a2fb3d85a2e5d01e579c8f2c9d00fa6fabe76a137b00c7ff1b2918999065"
            "88c26f073d819063238c4c844f0f8d221b65b76dbc9ed6f6368e5dba86b3e81b60eb44a1",
     .shared_new = "bb4015f7727b35532021336a9e4a6370ac8729b01fbb8f15d52236820fac4709",
     .skeyseed_rekey = "ecdaf3ccb990abc898a453b03fd56f9975275f150e1e571b0560b3cb2ee67289"
                       "e82b899cdc2129fd821fe8aebea796f190765c25798f5883f923526551f16a4b"},
};

/* The keys in the order of RFC 7296 2.14, as one string. */
static size_t keys_join(const struct ike_suite *suite, const struct ike_keys *keys, uint8_t *ret_bytes)
{
    size_t prf_len = prf_bytes(suite->prf);
    size_t integ_len = integ_key_bytes(suite->integ);
    size_t encr_len = encr_key_bytes(suite->encr, suite->encr_bits);
    const struct span order[] = {span_of(keys->d, prf_len),    span_of(keys->ai, integ_len),
                                 span_of(keys->ar, integ_len), span_of(keys->ei, encr_len),
                                 span_of(keys->er, encr_len),  span_of(keys->pi, prf_len),
                                 span_of(keys->pr, prf_len)};
    size_t len = 0;
    for (size_t i = 0; i < HF_COUNT(order); i++) {
        memcpy(ret_bytes + len, order[i].data, order[i].len);
        len += order[i].len;
    }
    return len;
}

static void check_first(const struct kdf_case *c)
{
    struct hex ni = hex(c->ni), nr = hex(c->nr), shared = hex(c->shared);
    struct nonces nonces = {hex_span(&ni), hex_span(&nr)};
    struct ike_keys keys;
    uint8_t joined[sizeof(keys)];

    kdf_ike(&c->suite, hex_span(&shared), &nonces, be64_load(hex(c->spi_i).bytes),
            be64_load(hex(c->spi_r).bytes), &keys);
    size_t len = keys_join(&c->suite, &keys, joined);
    cr_assert_geq(len, CAVP_DKM_BYTES);
    hex_expect(c->name, span_of(joined, CAVP_DKM_BYTES), c->dkm);

    /* What lies behind the sample's 132 bytes: the same prf+ from the sample's SKEYSEED. */
    struct hex skeyseed = hex(c->skeyseed), spi_i = hex(c->spi_i), spi_r = hex(c->spi_r);
    const struct span seed[] = {hex_span(&ni), hex_span(&nr), hex_span(&spi_i), hex_span(&spi_r)};
    uint8_t whole[sizeof(keys)];
    prf_plus(c->suite.prf, hex_span(&skeyseed), seed, HF_COUNT(seed), whole, len);
    cr_assert_arr_eq(joined, whole, len, "%s", c->name);
}

static void check_rekey(const struct kdf_case *c)
{
    struct hex ni = hex(c->ni), nr = hex(c->nr), shared = hex(c->shared_new), dkm = hex(c->dkm);
    struct hex skeyseed = hex(c->skeyseed_rekey);
    struct nonces nonces = {hex_span(&ni), hex_span(&nr)};
    /* The new SA may use another PRF: SKEYSEED comes from the old one (RFC 7296 2.18). */
    struct ike_suite suite = {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, PRF_HMAC_SHA2_256, KE_P256};
    struct ike_keys keys;
    uint8_t joined[sizeof(keys)], expected[sizeof(keys)];
    static const uint8_t spis[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

    kdf_ike_rekey(&suite, c->suite.prf, span_of(dkm.bytes, prf_bytes(c->suite.prf)), hex_span(&shared),
                  &nonces, be64_load(spis), be64_load(spis + 8), &keys);
    size_t len = keys_join(&suite, &keys, joined);
    const struct span seed[] = {hex_span(&ni), hex_span(&nr), span_of(spis, sizeof(spis))};
    prf_plus(suite.prf, hex_span(&skeyseed), seed, HF_COUNT(seed), expected, len);
    cr_assert_arr_eq(joined, expected, len, "%s", c->name);
}

static void check_child(const struct kdf_case *c, struct span shared, const char *expected)
{
    struct hex ni = hex(c->ni), nr = hex(c->nr), dkm = hex(c->dkm);
    struct nonces nonces = {hex_span(&ni), hex_span(&nr)};
    struct esp_suite suite = {ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_384_192, KE_NONE, false};
    struct esp_keys from_i, from_r;
    uint8_t joined[128];

    kdf_child(c->suite.prf, span_of(dkm.bytes, prf_bytes(c->suite.prf)), shared, &nonces, &suite, &from_i,
              &from_r);
    memcpy(joined, from_i.encr, 16);
    memcpy(joined + 16, from_i.integ, 48);
    memcpy(joined + 64, from_r.encr, 16);
    memcpy(joined + 80, from_r.integ, 48);
    struct hex want = hex(expected);
    cr_assert_arr_eq(joined, want.bytes, sizeof(joined), "%s", c->name);
}

Test(kdf, nist_samples)
{
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        const struct kdf_case *c = &cases[i];
        check_first(c);
        check_rekey(c);
        if (c->dkm_child != NULL) {
            struct hex shared = hex(c->shared_new);
            check_child(c, span_of(NULL, 0), c->dkm_child);
            check_child(c, hex_span(&shared), c->dkm_child_pfs);
        }
    }
}

Test(kdf, key_lengths_of_the_registry)
{
    static const struct {
        uint16_t encr, bits;
        size_t key;
    } encrs[] = {
        {ENCR_AES_CBC, 128, 16},
        {ENCR_AES_CBC, 192, 24},
        {ENCR_AES_CBC, 256, 32},
        {ENCR_AES_GCM_16, 128, 20},
        {ENCR_AES_GCM_16, 192, 28},
        {ENCR_AES_GCM_16, 256, 36},
        {ENCR_CHACHA20_POLY1305, 256, 36},
        {ENCR_AES_CBC, 0, 0},
        {ENCR_AES_CBC, 512, 0},
        {ENCR_CHACHA20_POLY1305, 128, 0},
        {3, 192, 0},
        {ENCR_NONE, 0, 0},
    };
    for (size_t i = 0; i < HF_COUNT(encrs); i++) {
        cr_assert_eq(encr_key_bytes(encrs[i].encr, encrs[i].bits), encrs[i].key, "row %zu", i);
    }
    static const struct {
        uint16_t integ;
        size_t key, icv;
    } integs[] = {{INTEG_HMAC_SHA1_96, 20, 12},
                  {INTEG_HMAC_SHA2_256_128, 32, 16},
                  {INTEG_HMAC_SHA2_384_192, 48, 24},
                  {INTEG_HMAC_SHA2_512_256, 64, 32},
                  {INTEG_NONE, 0, 0},
                  {1, 0, 0}};
    for (size_t i = 0; i < HF_COUNT(integs); i++) {
        cr_assert_eq(integ_key_bytes(integs[i].integ), integs[i].key, "row %zu", i);
        cr_assert_eq(integ_icv_bytes(integs[i].integ), integs[i].icv, "row %zu", i);
    }
}

/* RFC 5723 5.1, against the formula written out. */
Test(kdf, resumption)
{
    static const struct ike_suite suite = {ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256,
                                           KE_X25519};
    uint8_t seed[10 + 32 + 20] = "Resumption", spis[16] = {0}, old[32], keymat[224], skeyseed[32];
    memset(old, 7, sizeof(old));
    memset(seed + 10, 1, 32);
    memset(seed + 42, 2, 20);
    spis[7] = 3;
    spis[15] = 4;
    struct nonces nonces = {.i = span_of(seed + 10, 32), .r = span_of(seed + 42, 20)};
    const struct span input = span_of(seed, sizeof(seed));
    const struct span more[] = {nonces.i, nonces.r, span_of(spis, sizeof(spis))};
    struct ike_keys keys;
    prf_compute(suite.prf, span_of(old, sizeof(old)), &input, 1, skeyseed);
    prf_plus(suite.prf, span_of(skeyseed, sizeof(skeyseed)), more, HF_COUNT(more), keymat, sizeof(keymat));
    kdf_ike_resume(&suite, span_of(old, sizeof(old)), &nonces, 3, 4, &keys);
    cr_assert_arr_eq(keys.d, keymat, 32);
    cr_assert_arr_eq(keys.ai, keymat + 32, 32);
    cr_assert_arr_eq(keys.ei, keymat + 96, 16);
    cr_assert_arr_eq(keys.er, keymat + 112, 16);
    cr_assert_arr_eq(keys.pr, keymat + 160, 32);
}

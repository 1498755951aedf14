#include "edge/crypto/seal.h"

#include "tests/unit/crypto/hex.h"
#include "tests/unit/crypto/random.h"

#include <criterion/criterion.h>

Test(seal, records)
{
    struct test_random random = {.state = 5};
    struct rand_source source = test_random_source(&random);
    static const uint8_t key[32] = {1, 2, 3}, other_key[32] = {1, 2, 4};
    struct span aad = span_of_string("shard 7, index 1, epoch 3"),
                other_aad = span_of_string("shard 7, index 1, epoch 4");
    uint8_t plain[200], sealed[200 + SEAL_OVERHEAD_BYTES], again[200 + SEAL_OVERHEAD_BYTES], opened[200];

    memset(plain, 0x5a, sizeof(plain));
    for (size_t len = 0; len <= sizeof(plain); len++) {
        struct span all = span_of(sealed, len + SEAL_OVERHEAD_BYTES);
        cr_assert(seal_record(key, &source, aad, span_of(plain, len), sealed));
        cr_assert(unseal_record(key, aad, all, opened));
        cr_assert_arr_eq(opened, plain, len);
        cr_assert_not(unseal_record(other_key, aad, all, opened));
        cr_assert_not(unseal_record(key, other_aad, all, opened));
        cr_assert_not(unseal_record(key, span_of(NULL, 0), all, opened));
        cr_assert_not(unseal_record(key, aad, span_of(sealed, all.len - 1), opened));
        cr_assert(seal_record(key, &source, aad, span_of(plain, len), again));
        cr_assert_neq(memcmp(sealed, again, all.len), 0, "a nonce of its own each time");
    }
    for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_not(unseal_record(key, aad, span_of(sealed, sizeof(sealed)), opened), "bit %zu", bit);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < SEAL_OVERHEAD_BYTES; len++) {
        cr_assert_not(unseal_record(key, aad, span_of(sealed, len), opened));
    }
}

/* Fixed for ever: nodes of different versions share the fleet key. Made with Python's hmac: HKDF-SHA256 with
 * salt "holdfast fleet 1" and info label | 0 | 64-bit number. */
Test(seal, fleet_keys)
{
    uint8_t fleet_key[FLEET_KEY_BYTES], key[70];

    for (size_t i = 0; i < sizeof(fleet_key); i++) {
        fleet_key[i] = (uint8_t)i;
    }
    fleet_derive(fleet_key, "record", 0, key, 32);
    hex_expect("record 0", span_of(key, 32),
               "b193e5c6e9dff9c792443f866193ac708c1e471b592867a1e7bc479c29c6e1fa");
    fleet_derive(fleet_key, "spi", 2, key, 70);
    hex_expect("spi 2", span_of(key, 70),
               "db849b37433380779596eb71f8ded9b0d4b923491484db531cc147f67e5509bc86b3de"
               "249a2baddf4fdf75ee4dfb022bb7f8a9e5455d7e384ae6cb3ef970fcd8f5f0deb1fb1b");
    uint8_t other[32];
    fleet_derive(fleet_key, "record", 1, key, 32);
    fleet_derive(fleet_key, "recor", 0, other, 32);
    cr_assert_neq(memcmp(key, other, 32), 0);
}

Test(seal, system_random)
{
    struct rand_source source = rand_system();
    uint8_t a[32] = {0}, b[32] = {0};

    rand_fill(&source, a, sizeof(a));
    rand_fill(&source, b, sizeof(b));
    cr_assert_neq(memcmp(a, b, sizeof(a)), 0);
    cr_assert_neq(rand_u64(&source), rand_u64(&source));
}

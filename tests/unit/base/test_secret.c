#include "edge/base/secret.h"

#include <criterion/criterion.h>

Test(secret, equal)
{
    uint8_t a[32], b[32];
    memset(a, 0x5a, sizeof(a));
    memcpy(b, a, sizeof(a));
    cr_assert(secret_equal(a, b, sizeof(a)));
    cr_assert(secret_equal(a, b, 0));
    for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert(!secret_equal(a, b, sizeof(a)), "bit %zu", bit);
        cr_assert(secret_equal(a, b, bit / 8), "only `len` bytes count");
        b[bit / 8] = a[bit / 8];
    }
}

Test(secret, wipe)
{
    uint8_t key[40];
    memset(key, 0xff, sizeof(key));
    secret_wipe(key + 4, 32);
    for (size_t i = 0; i < sizeof(key); i++) {
        cr_assert_eq(key[i], i < 4 || i >= 36 ? 0xff : 0);
    }
    secret_wipe(NULL, 0);
}

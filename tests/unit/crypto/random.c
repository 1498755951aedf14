#include "tests/unit/crypto/random.h"

static void random_fill(void *context, uint8_t *ret_bytes, size_t len)
{
    struct test_random *random = context;

    for (size_t i = 0; i < len; i++) {
        if (random->first.len > 0) {
            ret_bytes[i] = random->first.data[0];
            random->first = span_of(random->first.data + 1, random->first.len - 1);
        } else {
            random->state = random->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            ret_bytes[i] = (uint8_t)(random->state >> 56);
        }
    }
}

struct rand_source test_random_source(struct test_random *random)
{
    return (struct rand_source){.fill = random_fill, .context = random};
}

#include "tests/lib/rand.h"

#include "edge/base/bytes.h"

/* In the repeatable build of BoringSSL alone. */
__attribute__((weak)) void RAND_reset_for_fuzzing(void);

uint64_t sim_rand_next(struct sim_rand *rand)
{
    uint64_t z = rand->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t sim_rand_below(struct sim_rand *rand, uint32_t limit)
{
    return (uint32_t)((sim_rand_next(rand) >> 32) * limit >> 32);
}

static void fill(void *context, uint8_t *ret_bytes, size_t len)
{
    struct sim_rand *rand = context;
    for (size_t i = 0; i < len; i++) {
        ret_bytes[i] = (uint8_t)(sim_rand_next(rand) >> 56);
    }
}

struct rand_source sim_rand_source(struct sim_rand *rand)
{
    return (struct rand_source){.fill = fill, .context = rand};
}

bool sim_rand_library_repeats(void)
{
    return RAND_reset_for_fuzzing != NULL;
}

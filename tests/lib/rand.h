/* The simulator's random numbers: a seeded generator (splitmix64), so that a run is a function of its seed.
 * Not for keys of anything real. */
#pragma once

#include "edge/base/env.h"

struct sim_rand {
    uint64_t state;
};

static inline struct sim_rand sim_rand_of(uint64_t seed)
{
    return (struct sim_rand){.state = seed};
}

uint64_t sim_rand_next(struct sim_rand *rand);
/* Below `limit`, which is at least 1. */
uint32_t sim_rand_below(struct sim_rand *rand, uint32_t limit);
/* True so many times in a thousand. */
static inline bool sim_rand_chance(struct sim_rand *rand, uint32_t permille)
{
    return permille > 0 && sim_rand_below(rand, 1000) < permille;
}
/* A source over `rand`, which outlives it. */
struct rand_source sim_rand_source(struct sim_rand *rand);
/* True with the build of the crypto library whose own random numbers are the same in every process. */
bool sim_rand_library_repeats(void);

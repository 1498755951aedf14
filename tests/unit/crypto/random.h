/* A repeatable rand_source: bytes given first, then a counter through a multiplier. */
#pragma once

#include "edge/base/env.h"
#include "edge/base/span.h"

struct test_random {
    struct span first;
    uint64_t state;
};

struct rand_source test_random_source(struct test_random *random);

/* Where the core's randomness comes from: BoringSSL in the daemon, a seeded generator in the simulator and
 * in tests, so that a run is a function of its seed. */
#pragma once

#include "edge/base/compiler.h"

struct rand_source {
    void (*fill)(void *context, uint8_t *ret_bytes, size_t len);
    void *context;
};

static inline void rand_fill(const struct rand_source *source, void *ret_bytes, size_t len)
{
    source->fill(source->context, ret_bytes, len);
}

static inline uint64_t rand_u64(const struct rand_source *source)
{
    uint64_t value;
    rand_fill(source, &value, sizeof(value));
    return value;
}

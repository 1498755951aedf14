/* Token bucket: how often something may happen, with room for bursts. */
#pragma once

#include "edge/base/compiler.h"

struct bucket {
    ns_t filled_at;
    uint32_t tokens;
};

/* Takes `cost` tokens when they are there. One token comes back every `interval_ns`, up to `burst`; a bucket
 * of zeros starts full. */
static inline bool bucket_take(struct bucket *bucket, ns_t now, ns_t interval_ns, uint32_t burst,
                               uint32_t cost)
{
    uint64_t refill = bucket->filled_at == 0 ? burst : (now - bucket->filled_at) / interval_ns;
    if (refill > 0) {
        bucket->tokens = (uint32_t)HF_MIN((uint64_t)bucket->tokens + refill, (uint64_t)burst);
        bucket->filled_at = now;
    }
    if (bucket->tokens < cost) {
        return false;
    }
    bucket->tokens -= cost;
    return true;
}

/* The traffic selectors of a Child SA as its owner keeps them: most have few, and need no more memory than
 * that. */
#pragma once

#include "edge/base/limits.h"
#include "edge/base/stock.h"
#include "edge/wire/build.h"

struct ranges {
    uint32_t num_local, num_remote;
    struct ts_range v[]; /* local, then remote */
};

enum {
    RANGES_FEW_BYTES = sizeof(struct ranges) + 4 * sizeof(struct ts_range),
    RANGES_MANY_BYTES = sizeof(struct ranges) + 2 * SELECTORS_PER_CHILD_MAX * sizeof(struct ts_range),
};

/* Copies both lists into a place of a stock of RANGES_FEW_BYTES and RANGES_MANY_BYTES, where they stay until
 * stock_give(). NULL when there is none. */
HF_MUST static inline struct ranges *ranges_keep(struct stock *stock, const struct ts_range *local,
                                                 uint32_t num_local, const struct ts_range *remote,
                                                 uint32_t num_remote)
{
    hf_assert(num_local <= SELECTORS_PER_CHILD_MAX && num_remote <= SELECTORS_PER_CHILD_MAX);
    struct ranges *ranges =
        stock_take(stock, sizeof(*ranges) + (num_local + num_remote) * sizeof(struct ts_range));
    if (ranges != NULL) {
        ranges->num_local = num_local;
        ranges->num_remote = num_remote;
        memcpy(ranges->v, local, num_local * sizeof(*local));
        memcpy(ranges->v + num_local, remote, num_remote * sizeof(*remote));
    }
    return ranges;
}

static inline const struct ts_range *ranges_remote(const struct ranges *ranges)
{
    return ranges->v + ranges->num_local;
}

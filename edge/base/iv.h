/* IVs of all that we encrypt, IKE messages and user-space ESP: no key of ours meets one twice in the life of
 * a fleet (docs/FLEET.md).
 *
 *   ownership epoch of the shard (16) | node (10) | counter (38)
 */
#pragma once

#include "edge/base/compiler.h"
#include "edge/base/limits.h"

#define IV_COUNTER_BITS 38
#define IV_NODE_BITS 10
/* The highest counter, and so the last outbound ESP number with extended sequence numbers. */
#define IV_COUNTER_MAX ((UINT64_C(1) << IV_COUNTER_BITS) - 1)

_Static_assert(FLEET_NODE_MAX == (1 << IV_NODE_BITS) - 1, "a node's number fits");
_Static_assert(ESP_KEY_PACKETS_MAX < IV_COUNTER_MAX, "keys are worn before numbers are");

/* Above the counter. `node` 0 is nobody in a fleet, and us without one. */
static inline uint64_t iv_high(uint16_t epoch, uint16_t node)
{
    hf_assert(node <= FLEET_NODE_MAX);
    return (uint64_t)epoch << (IV_NODE_BITS + IV_COUNTER_BITS) | (uint64_t)node << IV_COUNTER_BITS;
}

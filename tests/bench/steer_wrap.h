/* What steer_wrap.bpf.c and bench_steer.c share. */
#pragma once

#include "ebpf/steer.h"

/* What is measured, on the same packets. */
enum wrap_subject {
    WRAP_EMPTY,
    WRAP_STEER,
    WRAP_TABLE, /* a steerer that remembers each flow; forwards all it gets */
};

/* Which fields of the frame say the flow. IPv4, no tags, no options. */
enum wrap_class {
    WRAP_ESP,
    WRAP_IKE,    /* our SPIr, on 4500 */
    WRAP_FORGED, /* an SPIr that nobody made */
    WRAP_FIRST,
    WRAP_PROVEN, /* with the cookie for it */
    WRAP_KEEPALIVE,
    WRAP_FRAGMENT,
    WRAP_NODE_IN, /* ESP, from another node */
};

enum { WRAP_FRAME_BYTES = 512, WRAP_RING = 65537, WRAP_NONCE_BYTES = 32 };

struct wrap_state {
    uint64_t random;
    uint64_t flow_mask; /* flows - 1 */
    uint64_t actions[8];
    uint64_t nonce[WRAP_NONCE_BYTES / 8];
    uint8_t frame[WRAP_FRAME_BYTES];
};

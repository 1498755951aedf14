/* Joins decrypted segments of a TCP or UDP flow into super-packets for the TUN device, so that the kernel
 * handles many at once. Only what the kernel would cut into the very same packets again is joined; TCP and
 * UDP checksums are verified first, because a super-packet gets new ones. */
#pragma once

#include "edge/esp/inner.h"
#include "edge/plane/user.h"

enum { MERGE_FLOWS = 8 };

/* A super-packet in the making, in a room of the host. */
struct merge_flow {
    uint8_t *room;      /* NULL: not in use */
    struct inner inner; /* of the first segment */
    uint32_t len;       /* IP packet so far */
    uint32_t header_len;
    uint32_t segment_len; /* payload of the first segment */
    uint32_t count;
    uint32_t sequence_next;
    bool is_pushed; /* the last segment had PSH, which ends it */
};

struct merge {
    struct merge_flow flows[MERGE_FLOWS];
    uint32_t victim; /* the flow to be written when all are in use */
};

/* Takes a packet that may enter: joins it to its flow, or writes it on its own behind what came before in the
 * flow. */
void merge_packet(struct plane_user *plane, const uint8_t *packet, const struct inner *inner);
/* Writes all that is open. */
void merge_flush(struct plane_user *plane);

/* One io_uring of one thread: how it is set up, how entries are got without ever losing one, and completions
 * as plain values. The thread that starts a ring is the only one that may use it. */
#pragma once

#include "edge/base/compiler.h"

#include <liburing.h>

/* Who gets a completion. */
enum ring_op {
    RING_NONE, /* nobody: cancellations */
    RING_UDP_RECV,
    RING_UDP_SEND,
    RING_TUN,
    RING_DOORBELL,
    RING_STORE,
};

/* What travels through the kernel as user_data. `generation` tells a late completion from one of the slot's
 * present use. */
struct ring_tag {
    uint8_t op;
    uint32_t slot; /* below 2^24 */
    uint32_t generation;
};

struct ring_event {
    struct ring_tag tag;
    int32_t res; /* the operation's result, or -errno */
    uint32_t flags;
};

struct ring {
    struct io_uring uring;
    struct ring_event *held; /* taken out of turn by ring_next_of() */
    uint32_t held_first, held_count, held_mask;
    int error;          /* the first error of the ring itself, -errno; it does not work any more */
    uint64_t overflows; /* times the completion queue was too short; the kernel kept what did not fit */
};

static inline uint64_t ring_tag_pack(struct ring_tag tag)
{
    return (uint64_t)tag.op << 56 | (uint64_t)(tag.slot & 0xffffff) << 32 | tag.generation;
}

static inline struct ring_tag ring_tag_unpack(uint64_t data)
{
    return (struct ring_tag){
        .op = (uint8_t)(data >> 56),
        .slot = (uint32_t)(data >> 32) & 0xffffff,
        .generation = (uint32_t)data,
    };
}

/* Room for `entries` submissions of one batch and four times as many completions. It takes only the
 * operations that a worker uses (ring.c), for good. 0 or -errno; it may be copied until it is started. */
HF_MUST int ring_open(struct ring *ring, uint32_t entries);
/* By the thread that will use it. 0 or -errno. */
HF_MUST int ring_start(struct ring *ring);
/* Ends everything that is under way, so that nothing refers to buffers and descriptors any more: the kernel
 * would otherwise let go of them some time after ring_close(). */
void ring_cancel(struct ring *ring);
void ring_close(struct ring *ring);

/* An entry to prepare; its tag is set. When the queue is full the batch is submitted early. NULL only when
 * the ring is broken (ring->error says how). */
struct io_uring_sqe *ring_sqe(struct ring *ring, struct ring_tag tag);

/* Submits what was prepared and waits for a completion, at most `timeout` (NS_NEVER: without limit, 0: not at
 * all). False when the ring is broken. */
HF_MUST bool ring_wait(struct ring *ring, ns_t timeout);
/* Submits without waiting. */
void ring_submit(struct ring *ring);

/* The next completion; false when there is none now. */
HF_MUST bool ring_next(struct ring *ring, struct ring_event *ret_event);
/* The next completion of one kind, while all others wait for ring_next() in their order: for a caller that
 * needs a slot back in the middle of a batch. */
HF_MUST bool ring_next_of(struct ring *ring, enum ring_op op, struct ring_event *ret_event);

/* Watches a descriptor once: the completion's `res` has the poll events. */
void ring_poll(struct ring *ring, int fd, uint32_t events, struct ring_tag tag);

#include "edge/io/ring.h"

#include <errno.h>
#include <stdlib.h>

/* From the best kernel to the oldest that will do.
 * SINGLE_ISSUER   one thread submits: the kernel skips a lock, and DEFER_TASKRUN asks for it
 * DEFER_TASKRUN   completions are made when we wait for them, not by interrupting the batch that is worked on
 * COOP_TASKRUN    the older form: made at the next system call, without an interrupt; TASKRUN_FLAG shows that
 *                 some are due
 * SUBMIT_ALL      one entry the kernel refuses does not hold back the rest of the batch
 * CQSIZE          multishot receives complete more often than they are submitted */
static const uint32_t setups[] = {
    IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_CQSIZE,
};

#define COMPLETIONS_PER_ENTRY 4

/* What goes through a ring is not seen by seccomp, so a ring takes what a worker does, and nothing else: the
 * rest fails with EACCES, whoever asks. */
static const uint8_t allowed_ops[] = {
    IORING_OP_READ,     /* the doorbell */
    IORING_OP_POLL_ADD, /* TUN device, store */
    IORING_OP_RECVMSG,
    IORING_OP_SENDMSG,
};
static const uint8_t allowed_registers[] = {
    IORING_REGISTER_ENABLE_RINGS, IORING_REGISTER_RING_FDS,    IORING_UNREGISTER_RING_FDS,
    IORING_REGISTER_PBUF_RING,    IORING_UNREGISTER_PBUF_RING, IORING_REGISTER_SYNC_CANCEL,
};

static int restrict_to_these(struct io_uring *uring)
{
    struct io_uring_restriction rules[HF_COUNT(allowed_ops) + HF_COUNT(allowed_registers) + 1] = {0};
    unsigned count = 0;
    for (size_t i = 0; i < HF_COUNT(allowed_ops); i++) {
        rules[count++] = (struct io_uring_restriction){
            .opcode = IORING_RESTRICTION_SQE_OP,
            .sqe_op = allowed_ops[i],
        };
    }
    for (size_t i = 0; i < HF_COUNT(allowed_registers); i++) {
        rules[count++] = (struct io_uring_restriction){
            .opcode = IORING_RESTRICTION_REGISTER_OP,
            .register_op = allowed_registers[i],
        };
    }
    rules[count++] = (struct io_uring_restriction){
        .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
        .sqe_flags = IOSQE_BUFFER_SELECT,
    };
    return io_uring_register_restrictions(uring, rules, count);
}

int ring_open(struct ring *ring, uint32_t entries)
{
    hf_assert(entries > 0 && (entries & (entries - 1)) == 0);
    *ring = (struct ring){.held_mask = entries * COMPLETIONS_PER_ENTRY - 1};
    ring->held = calloc(entries * COMPLETIONS_PER_ENTRY, sizeof(*ring->held));
    if (ring->held == NULL) {
        return -ENOMEM;
    }
    int error = -EINVAL;
    for (size_t i = 0; i < HF_COUNT(setups) && error == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = setups[i] | IORING_SETUP_R_DISABLED,
            .cq_entries = entries * COMPLETIONS_PER_ENTRY,
        };
        error = io_uring_queue_init_params(entries, &ring->uring, &params);
    }
    if (error < 0) {
        free(ring->held);
        ring->held = NULL;
        return error;
    }
    error = restrict_to_these(&ring->uring);
    if (error < 0) {
        ring_close(ring);
    }
    return error;
}

int ring_start(struct ring *ring)
{
    int error = io_uring_enable_rings(&ring->uring);
    if (error < 0) {
        return error;
    }
    (void)io_uring_register_ring_fd(&ring->uring); /* saves a reference count per call; fine without */
    return 0;
}

void ring_cancel(struct ring *ring)
{
    struct io_uring_sync_cancel_reg cancel = {
        .fd = -1,
        .flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
        .timeout = {.tv_sec = 1},
    };
    struct ring_event event;
    ring_submit(ring);
    (void)io_uring_register_sync_cancel(&ring->uring, &cancel);
    while (io_uring_get_events(&ring->uring) >= 0 && ring_next(ring, &event)) {
    }
}

void ring_close(struct ring *ring)
{
    if (ring->held != NULL) {
        io_uring_queue_exit(&ring->uring);
        free(ring->held);
        ring->held = NULL;
    }
}

/* Results that say "later" or "nothing yet". EBUSY: completions overflowed and must be taken first. */
static bool is_passing(int result)
{
    return result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY;
}

static void note_error(struct ring *ring, int result)
{
    if (!is_passing(result) && ring->error == 0) {
        ring->error = result;
    }
}

void ring_submit(struct ring *ring)
{
    note_error(ring, io_uring_submit(&ring->uring));
}

struct io_uring_sqe *ring_sqe(struct ring *ring, struct ring_tag tag)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    for (int tries = 0; sqe == NULL && ring->error == 0; tries++) {
        ring_submit(ring);
        sqe = io_uring_get_sqe(&ring->uring);
        if (sqe == NULL && tries == 100) {
            ring->error = -EBUSY;
        }
    }
    if (sqe != NULL) {
        io_uring_sqe_set_data64(sqe, ring_tag_pack(tag));
    }
    return sqe;
}

bool ring_wait(struct ring *ring, ns_t timeout)
{
    struct io_uring_cqe *cqe;
    if (ring->error != 0) {
        return false;
    }
    if (ring->held_count > 0) {
        timeout = 0;
    }
    if (io_uring_cq_has_overflow(&ring->uring)) {
        ring->overflows++;
    }
    struct __kernel_timespec limit = {
        .tv_sec = (long long)(timeout / NS_PER_S),
        .tv_nsec = (long long)(timeout % NS_PER_S),
    };
    note_error(ring, io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1,
                                                      timeout == NS_NEVER ? NULL : &limit, NULL));
    return ring->error == 0;
}

static bool take(struct ring *ring, struct ring_event *ret_event)
{
    struct io_uring_cqe *cqe;
    if (io_uring_peek_cqe(&ring->uring, &cqe) != 0) {
        return false;
    }
    *ret_event = (struct ring_event){
        .tag = ring_tag_unpack(io_uring_cqe_get_data64(cqe)),
        .res = cqe->res,
        .flags = cqe->flags,
    };
    io_uring_cqe_seen(&ring->uring, cqe);
    return true;
}

bool ring_next(struct ring *ring, struct ring_event *ret_event)
{
    if (ring->held_count == 0) {
        return take(ring, ret_event);
    }
    *ret_event = ring->held[ring->held_first & ring->held_mask];
    ring->held_first++;
    ring->held_count--;
    return true;
}

bool ring_next_of(struct ring *ring, enum ring_op op, struct ring_event *ret_event)
{
    while (ring->held_count <= ring->held_mask && take(ring, ret_event)) {
        if (ret_event->tag.op == op) {
            return true;
        }
        ring->held[(ring->held_first + ring->held_count) & ring->held_mask] = *ret_event;
        ring->held_count++;
    }
    return false;
}

void ring_poll(struct ring *ring, int fd, uint32_t events, struct ring_tag tag)
{
    struct io_uring_sqe *sqe = ring_sqe(ring, tag);
    if (sqe != NULL) {
        io_uring_prep_poll_add(sqe, fd, events);
    }
}

/* Messages from one thread to one other: a ring of bytes without a lock. The writer fills messages in place
 * and shows them together; the reader sees each as one piece of memory. A full mailbox refuses, it never
 * waits. The doorbell wakes a reader that sleeps, and costs no system call while it is awake. */
#pragma once

#include "edge/base/span.h"

#include <stdatomic.h>

#define MAILBOX_ALIGN 16

struct mailbox {
    uint8_t *bytes;
    uint64_t capacity;
    _Alignas(64) struct { /* the writer's */
        _Atomic uint64_t shown;
        uint64_t written; /* end of the last message, shown or not */
        uint64_t freed;   /* as last seen */
        uint64_t refused; /* messages that had no room */
    } w;
    _Alignas(64) struct { /* the reader's */
        _Atomic uint64_t freed;
        uint64_t taken; /* end of the message mailbox_next() gave out */
        uint64_t shown; /* as last seen */
    } r;
};

/* `memory`: `capacity` bytes, a power of 2, aligned to MAILBOX_ALIGN; belongs to the caller. */
void mailbox_init(struct mailbox *box, void *memory, uint64_t capacity);

/* The writer's side. Room for one message of `len` bytes, aligned to MAILBOX_ALIGN, or NULL (counted). What
 * is not shown before the next call stays and is shown with it. A message takes at most half the mailbox
 * (asserted). */
HF_MUST void *mailbox_room(struct mailbox *box, uint32_t len);
/* Half of it or more is taken. */
bool mailbox_is_crowded(struct mailbox *box);
/* Lets the reader see all messages up to here. */
void mailbox_show(struct mailbox *box);

/* The reader's side. The next message, valid until the next call here or mailbox_done(); false when there is
 * none. */
HF_MUST bool mailbox_next(struct mailbox *box, struct span *ret_message);
/* Gives the memory of all messages taken so far back to the writer. */
void mailbox_done(struct mailbox *box);
HF_MUST bool mailbox_is_empty(struct mailbox *box);

/* One for each reader, shared by all its mailboxes. */
struct doorbell {
    int fd; /* an eventfd, non-blocking */
    _Atomic uint32_t asleep;
};

/* 0 or -errno. */
HF_MUST int doorbell_open(struct doorbell *bell);
void doorbell_close(struct doorbell *bell);
/* The writer, after mailbox_show(). */
void doorbell_ring(struct doorbell *bell);
/* The reader, before it sleeps. It must then look into its mailboxes once more, and not sleep if one has
 * something. */
void doorbell_sleep(struct doorbell *bell);
/* The reader, awake again. */
void doorbell_wake(struct doorbell *bell);

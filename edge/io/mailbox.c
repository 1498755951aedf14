#include "edge/io/mailbox.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* In front of each message. A message never wraps around: when it does not fit before the end, a header with
 * LEN_SKIP fills the rest. */
struct head {
    uint32_t len;
    uint32_t pad[3];
};
#define LEN_SKIP UINT32_MAX

static uint64_t bytes_of(uint32_t len)
{
    uint64_t mask = MAILBOX_ALIGN - 1;
    return (sizeof(struct head) + len + mask) & ~mask;
}

void mailbox_init(struct mailbox *box, void *memory, uint64_t capacity)
{
    hf_assert(capacity >= 64 && (capacity & (capacity - 1)) == 0);
    hf_assert((uintptr_t)memory % MAILBOX_ALIGN == 0);
    memset(box, 0, sizeof(*box));
    box->bytes = memory;
    box->capacity = capacity;
}

static bool has_room(struct mailbox *box, uint64_t bytes)
{
    if (box->w.written + bytes - box->w.freed <= box->capacity) {
        return true;
    }
    /* Acquire: the reader is done with the memory before we write there. */
    box->w.freed = atomic_load_explicit(&box->r.freed, memory_order_acquire);
    return box->w.written + bytes - box->w.freed <= box->capacity;
}

bool mailbox_is_crowded(struct mailbox *box)
{
    return !has_room(box, box->capacity / 2);
}

static struct head *head_at(struct mailbox *box, uint64_t position)
{
    return (struct head *)(box->bytes + (position & (box->capacity - 1)));
}

void *mailbox_room(struct mailbox *box, uint32_t len)
{
    uint64_t bytes = bytes_of(len);
    hf_assert(bytes <= box->capacity / 2);
    uint64_t to_end = box->capacity - (box->w.written & (box->capacity - 1));
    uint64_t skip = bytes <= to_end ? 0 : to_end;
    if (!has_room(box, skip + bytes)) {
        box->w.refused++;
        return NULL;
    }
    if (skip > 0) {
        head_at(box, box->w.written)->len = LEN_SKIP;
        box->w.written += skip;
    }
    struct head *head = head_at(box, box->w.written);
    head->len = len;
    box->w.written += bytes;
    return head + 1;
}

void mailbox_show(struct mailbox *box)
{
    atomic_store_explicit(&box->w.shown, box->w.written, memory_order_release);
}

bool mailbox_is_empty(struct mailbox *box)
{
    if (box->r.taken == box->r.shown) {
        box->r.shown = atomic_load_explicit(&box->w.shown, memory_order_acquire);
    }
    return box->r.taken == box->r.shown;
}

bool mailbox_next(struct mailbox *box, struct span *ret_message)
{
    if (mailbox_is_empty(box)) {
        return false;
    }
    struct head *head = head_at(box, box->r.taken);
    if (head->len == LEN_SKIP) { /* always followed by a message that was shown with it */
        box->r.taken += box->capacity - (box->r.taken & (box->capacity - 1));
        head = head_at(box, box->r.taken);
    }
    *ret_message = span_of(head + 1, head->len);
    box->r.taken += bytes_of(head->len);
    return true;
}

void mailbox_done(struct mailbox *box)
{
    atomic_store_explicit(&box->r.freed, box->r.taken, memory_order_release);
}

int doorbell_open(struct doorbell *bell)
{
    atomic_init(&bell->asleep, 0);
    bell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return bell->fd < 0 ? -errno : 0;
}

void doorbell_close(struct doorbell *bell)
{
    if (bell->fd >= 0) {
        close(bell->fd);
        bell->fd = -1;
    }
}

/* The writer shows, then looks whether the reader sleeps; the reader says that it sleeps, then looks for what
 * is shown. With both in one total order at least one of them sees the other. */
void doorbell_ring(struct doorbell *bell)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_exchange_explicit(&bell->asleep, 0, memory_order_seq_cst) != 0) {
        eventfd_t one = 1;
        (void)!write(bell->fd, &one, sizeof(one)); /* EAGAIN: it rings already */
    }
}

void doorbell_sleep(struct doorbell *bell)
{
    atomic_store_explicit(&bell->asleep, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
}

void doorbell_wake(struct doorbell *bell)
{
    atomic_store_explicit(&bell->asleep, 0, memory_order_relaxed);
}

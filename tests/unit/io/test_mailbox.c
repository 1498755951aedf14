#include "edge/io/mailbox.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CAPACITY 4096
#define MESSAGES 200000

struct link {
    struct mailbox box;
    struct doorbell bell;
    _Alignas(16) uint8_t memory[CAPACITY];
};

/* Message n: its number, then bytes that follow from it; lengths of all kinds. */
static uint32_t length_of(uint32_t n)
{
    return 4 + (n * 2654435761U >> 8) % (n % 97 == 0 ? 2000 : 120);
}

static void fill(uint8_t *room, uint32_t n)
{
    uint32_t len = length_of(n);
    memcpy(room, &n, 4);
    memset(room + 4, (int)(n & 0xff), len - 4);
}

static bool fits(struct span message, uint32_t n)
{
    uint32_t number;
    if (message.len != length_of(n)) {
        return false;
    }
    memcpy(&number, message.data, 4);
    for (size_t i = 4; i < message.len; i++) {
        if (message.data[i] != (n & 0xff)) {
            return false;
        }
    }
    return number == n;
}

static void *writer_run(void *argument)
{
    struct link *link = argument;
    for (uint32_t n = 0; n < MESSAGES;) {
        void *room = mailbox_room(&link->box, length_of(n));
        if (room != NULL) {
            fill(room, n);
            n++;
        }
        if (room == NULL || n % 7 == 0 || n == MESSAGES) {
            mailbox_show(&link->box);
            doorbell_ring(&link->bell);
        }
    }
    return NULL;
}

/* Sleeps as a worker does; a lost wake-up would end in the time limit. */
static bool reader_sleep(struct link *link)
{
    bool woken = true;
    doorbell_sleep(&link->bell);
    if (mailbox_is_empty(&link->box)) {
        struct pollfd pfd = {.fd = link->bell.fd, .events = POLLIN};
        uint64_t rings;
        woken = poll(&pfd, 1, 10000) == 1;
        (void)!read(link->bell.fd, &rings, sizeof(rings));
    }
    doorbell_wake(&link->bell);
    return woken;
}

Test(mailbox, two_threads)
{
    struct link *link = aligned_alloc(64, sizeof(*link));
    mailbox_init(&link->box, link->memory, CAPACITY);
    cr_assert_eq(doorbell_open(&link->bell), 0);
    pthread_t writer;
    cr_assert_eq(pthread_create(&writer, NULL, writer_run, link), 0);
    uint32_t n = 0;
    while (n < MESSAGES) {
        struct span message;
        for (int batch = 0; batch < 50 && mailbox_next(&link->box, &message); batch++) {
            cr_assert(fits(message, n), "message %u", n);
            n++;
        }
        mailbox_done(&link->box);
        cr_assert(n == MESSAGES || !mailbox_is_empty(&link->box) || reader_sleep(link), "woken for %u", n);
    }
    pthread_join(writer, NULL);
    cr_assert(mailbox_is_empty(&link->box));
    doorbell_close(&link->bell);
    free(link);
}

/* One thread, against a count of what must fit: a full mailbox refuses and counts, and is whole after it is
 * emptied, at every place of the ring. */
Test(mailbox, full)
{
    struct link *link = aligned_alloc(64, sizeof(*link));
    mailbox_init(&link->box, link->memory, CAPACITY);
    struct span message;
    uint32_t n = 0, refused = 0;
    for (int round = 0; round < 300; round++) {
        uint32_t first = n;
        void *room;
        cr_assert(!mailbox_next(&link->box, &message));
        while ((room = mailbox_room(&link->box, length_of(n))) != NULL) {
            fill(room, n);
            n++;
        }
        refused++;
        cr_assert_eq(link->box.w.refused, refused);
        cr_assert_geq(n, first + 1, "an empty mailbox takes at least one");
        cr_assert(!mailbox_next(&link->box, &message), "nothing is seen before it is shown");
        mailbox_show(&link->box);
        for (uint32_t i = first; i < n; i++) {
            cr_assert(mailbox_next(&link->box, &message) && fits(message, i), "message %u", i);
        }
        mailbox_done(&link->box);
    }
    free(link);
}

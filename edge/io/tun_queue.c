#include "edge/io/tun_queue.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct tun_queue {
    int fd;
    struct ring *ring;
    bool ready;
    int error;
    uint8_t *memory; /* the packet read last, then the rooms */
    uint8_t free[TUN_ROOMS];
    uint32_t num_free;
    bool lent[TUN_ROOMS];
    struct tun_counters counters;
};

#define MEMORY_BYTES ((size_t)TUN_ROOM_BYTES * (TUN_ROOMS + 1))

static void watch(struct tun_queue *queue)
{
    queue->ready = false;
    ring_poll(queue->ring, queue->fd, POLLIN, (struct ring_tag){.op = RING_TUN});
}

int tun_queue_open(int fd, struct ring *ring, struct tun_queue **ret_queue)
{
    struct tun_queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL) {
        return -ENOMEM;
    }
    queue->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (queue->memory == MAP_FAILED) {
        free(queue);
        return -ENOMEM;
    }
    (void)madvise(queue->memory, MEMORY_BYTES, MADV_DONTDUMP); /* clients' plaintext */
    queue->fd = fd;
    queue->ring = ring;
    for (uint32_t i = 0; i < TUN_ROOMS; i++) {
        queue->free[i] = (uint8_t)(TUN_ROOMS - 1 - i);
    }
    queue->num_free = TUN_ROOMS;
    watch(queue);
    *ret_queue = queue;
    return 0;
}

void tun_queue_close(struct tun_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    close(queue->fd);
    munmap(queue->memory, MEMORY_BYTES);
    free(queue);
}

struct tun_counters *tun_counters(struct tun_queue *queue)
{
    return &queue->counters;
}

int tun_queue_error(const struct tun_queue *queue)
{
    return queue->error;
}

void tun_ready(struct tun_queue *queue, const struct ring_event *event)
{
    (void)event; /* a failed poll too: reading says what is the matter */
    queue->ready = true;
}

bool tun_is_ready(const struct tun_queue *queue)
{
    return queue->ready;
}

size_t tun_read(struct tun_queue *queue, uint8_t **ret_packet)
{
    ssize_t len = read(queue->fd, queue->memory, TUN_ROOM_BYTES);
    if (len > 0) {
        queue->counters.reads++;
        *ret_packet = queue->memory;
        return (size_t)len;
    }
    if (len < 0 && errno != EAGAIN && errno != EINTR) {
        queue->error = errno;
        queue->ready = false;
        return 0;
    }
    watch(queue);
    return 0;
}

uint8_t *tun_room(struct tun_queue *queue)
{
    if (queue->num_free == 0) {
        return NULL;
    }
    uint32_t room = queue->free[--queue->num_free];
    queue->lent[room] = true;
    return queue->memory + (size_t)TUN_ROOM_BYTES * (room + 1);
}

void tun_drop(struct tun_queue *queue, uint8_t *room)
{
    size_t offset = (size_t)(room - queue->memory);
    hf_assert(offset % TUN_ROOM_BYTES == 0 && offset > 0 && offset < MEMORY_BYTES);
    uint32_t number = (uint32_t)(offset / TUN_ROOM_BYTES - 1);
    hf_assert(queue->lent[number]);
    queue->lent[number] = false;
    queue->free[queue->num_free++] = (uint8_t)number;
}

void tun_write(struct tun_queue *queue, uint8_t *room, size_t len)
{
    if (write(queue->fd, room, len) == (ssize_t)len) {
        queue->counters.writes++;
    } else {
        queue->counters.drops[CAUSE_PLANE]++;
    }
    tun_drop(queue, room);
}

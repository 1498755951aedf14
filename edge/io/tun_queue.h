/* A TUN device's descriptor on a worker's ring. The ring says when there is something to read; then packets
 * are read one after the other into the same memory, which stays in the cache, until the device is empty or
 * the worker wants to do something else. A worker that cannot send does not read: the device's own queue is
 * the place to wait, and to drop. */
#pragma once

#include "edge/base/cause.h"
#include "edge/io/ring.h"

enum { TUN_ROOM_BYTES = 65536 + 64, TUN_ROOMS = 64 };

struct tun_counters {
    uint64_t reads, writes;
    uint64_t drops[CAUSE_COUNT]; /* CAUSE_PLANE: the device refused a packet */
};

struct tun_queue;

/* `fd` is non-blocking; taken over on success. 0 or -errno. */
HF_MUST int tun_queue_open(int fd, struct ring *ring, struct tun_queue **ret_queue);
void tun_queue_close(struct tun_queue *queue);
struct tun_counters *tun_counters(struct tun_queue *queue);
/* Errno of a device that does not work any more (removed), or 0. */
int tun_queue_error(const struct tun_queue *queue);

/* For a completion RING_TUN. */
void tun_ready(struct tun_queue *queue, const struct ring_event *event);
/* Whether there may be something to read. */
bool tun_is_ready(const struct tun_queue *queue);
/* One packet with its virtio_net_hdr, valid until the next call; 0 when there is none, then the device is
 * watched again. */
size_t tun_read(struct tun_queue *queue, uint8_t **ret_packet);

/* Room for a packet of up to 65536 bytes behind its virtio_net_hdr, or NULL; written at once. */
uint8_t *tun_room(struct tun_queue *queue);
void tun_write(struct tun_queue *queue, uint8_t *room, size_t len);
void tun_drop(struct tun_queue *queue, uint8_t *room);

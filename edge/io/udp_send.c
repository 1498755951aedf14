#include "edge/io/udp_internal.h"

#include <errno.h>
#include <netinet/udp.h>

#define FINISH_WAIT_NS (200 * NS_PER_MS)

void udp_send_init(struct udp *udp)
{
    for (uint32_t i = 0; i < UDP_SEND_SLOTS; i++) {
        udp->free[i] = UDP_SEND_SLOTS - 1 - i;
    }
    udp->num_free = UDP_SEND_SLOTS;
}

static uint8_t *room_of(struct udp *udp, uint32_t slot)
{
    return udp->rooms + (size_t)slot * UDP_ROOM_BYTES;
}

static uint32_t slot_of(const struct udp *udp, const uint8_t *room)
{
    size_t offset = (size_t)(room - udp->rooms);
    hf_assert(room >= udp->rooms && offset < (size_t)UDP_SEND_SLOTS * UDP_ROOM_BYTES);
    hf_assert(offset % UDP_ROOM_BYTES == 0);
    return (uint32_t)(offset / UDP_ROOM_BYTES);
}

static void slot_free(struct udp *udp, uint32_t slot)
{
    hf_assert(udp->slots[slot].busy && udp->num_free < UDP_SEND_SLOTS);
    udp->slots[slot].busy = false;
    udp->slots[slot].generation++;
    udp->free[udp->num_free++] = slot;
}

uint32_t udp_rooms_free(const struct udp *udp)
{
    return udp->num_free;
}

/* All rooms are taken in the middle of a batch: what was prepared is submitted, and what the kernel could
 * send at once, which is nearly everything, comes back. */
static void make_room(struct udp *udp)
{
    struct ring_event event;
    ring_submit(udp->ring);
    while (ring_next_of(udp->ring, RING_UDP_SEND, &event)) {
        udp_sent(udp, &event);
    }
}

uint8_t *udp_room(struct udp *udp)
{
    if (udp->num_free == 0) {
        make_room(udp);
    }
    if (udp->num_free == 0) {
        return NULL;
    }
    uint32_t slot = udp->free[--udp->num_free];
    udp->slots[slot].busy = true;
    return room_of(udp, slot);
}

void udp_drop(struct udp *udp, uint8_t *room)
{
    slot_free(udp, slot_of(udp, room));
}

/* The place of the socket with this address, or count. */
static uint32_t socket_of(struct udp *udp, const struct endpoint *local)
{
    if (endpoint_equal(&udp->sockets.v[udp->socket_found].local, local)) {
        return udp->socket_found;
    }
    for (uint32_t i = 0; i < udp->sockets.count; i++) {
        if (endpoint_equal(&udp->sockets.v[i].local, local)) {
            udp->socket_found = i;
            return i;
        }
    }
    return udp->sockets.count;
}

static void set_segment(struct udp_slot *slot, size_t segment)
{
    slot->segment = (uint32_t)segment;
    if (segment == 0) {
        return;
    }
    uint16_t value = (uint16_t)segment;
    slot->control.first = (struct cmsghdr){
        .cmsg_level = IPPROTO_UDP,
        .cmsg_type = UDP_SEGMENT,
        .cmsg_len = CMSG_LEN(sizeof(value)),
    };
    memcpy(CMSG_DATA(&slot->control.first), &value, sizeof(value));
    slot->header.msg_control = &slot->control;
    slot->header.msg_controllen = sizeof(slot->control);
}

void udp_send(struct udp *udp, uint8_t *room, size_t len, size_t segment, const struct endpoint *local,
              const struct endpoint *remote)
{
    uint32_t number = slot_of(udp, room);
    struct udp_slot *slot = &udp->slots[number];
    hf_assert(slot->busy && len <= UDP_ROOM_BYTES && segment <= len);
    slot->socket = socket_of(udp, local);
    struct ring_tag tag = {.op = RING_UDP_SEND, .slot = number, .generation = slot->generation};
    struct io_uring_sqe *sqe = slot->socket < udp->sockets.count ? ring_sqe(udp->ring, tag) : NULL;
    if (sqe == NULL) {
        udp->counters.drops[CAUSE_SEND_FAILED]++;
        slot_free(udp, number);
        return;
    }
    slot->bytes = (struct iovec){.iov_base = room, .iov_len = len};
    slot->header = (struct msghdr){.msg_name = &slot->remote, .msg_iov = &slot->bytes, .msg_iovlen = 1};
    slot->header.msg_namelen = sockaddr_from(remote, &slot->remote);
    set_segment(slot, segment < len ? segment : 0);
    io_uring_prep_sendmsg(sqe, udp->sockets.v[slot->socket].fd, &slot->header, 0);
    udp->num_flying++;
}

void udp_send_message(struct udp *udp, const struct endpoint *local, const struct endpoint *remote, bool natt,
                      struct span message)
{
    size_t marker = natt ? NON_ESP_MARKER_BYTES : 0;
    hf_assert(message.len <= UDP_ROOM_BYTES - marker);
    uint8_t *room = udp_room(udp);
    if (room == NULL) {
        udp->counters.drops[CAUSE_SEND_FAILED]++;
        return;
    }
    memset(room, 0, marker);
    memcpy(room + marker, message.data, message.len);
    udp_send(udp, room, marker + message.len, 0, local, remote);
}

static uint64_t datagrams_of(const struct udp_slot *slot)
{
    return slot->segment == 0 ? 1 : (slot->bytes.iov_len + slot->segment - 1) / slot->segment;
}

/* The kernel refuses a burst whose datagrams exceed the path MTU, or on some devices any burst; single
 * datagrams it fragments and sends. */
static void send_singly(struct udp *udp, struct udp_slot *slot)
{
    uint8_t *bytes = slot->bytes.iov_base;
    size_t total = slot->bytes.iov_len;
    udp->counters.segments_resent++;
    for (size_t at = 0; at < total; at += slot->segment) {
        size_t len = HF_MIN(slot->segment, total - at);
        ssize_t sent = sendto(udp->sockets.v[slot->socket].fd, bytes + at, len, MSG_DONTWAIT,
                              &slot->remote.any, slot->header.msg_namelen);
        if (sent >= 0) {
            udp->counters.datagrams_out++;
            udp->counters.bytes_out += len;
        } else {
            udp->counters.drops[CAUSE_SEND_FAILED]++;
        }
    }
}

void udp_sent(struct udp *udp, const struct ring_event *event)
{
    hf_assert(event->tag.slot < UDP_SEND_SLOTS);
    struct udp_slot *slot = &udp->slots[event->tag.slot];
    hf_assert(slot->busy && slot->generation == event->tag.generation);
    int result = event->res;
    if (result >= 0) {
        udp->counters.datagrams_out += datagrams_of(slot);
        udp->counters.bytes_out += (uint64_t)result;
    } else if (slot->segment != 0 && (result == -EINVAL || result == -EMSGSIZE || result == -EIO)) {
        send_singly(udp, slot);
    } else {
        udp->counters.drops[CAUSE_SEND_FAILED] += datagrams_of(slot);
    }
    udp->num_flying--;
    slot_free(udp, event->tag.slot);
}

void udp_send_finish(struct udp *udp)
{
    struct ring_event event;
    for (int tries = 0; udp->num_flying > 0 && tries < 5 && ring_wait(udp->ring, FINISH_WAIT_NS); tries++) {
        while (ring_next_of(udp->ring, RING_UDP_SEND, &event)) {
            udp_sent(udp, &event);
        }
    }
}

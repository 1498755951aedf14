#include "edge/io/udp_internal.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A received buffer: struct io_uring_recvmsg_out, name, control, payload. Both reserved sizes are multiples
 * of 16, so that payload is aligned to 16. */
enum {
    NAME_BYTES = 32,
    CONTROL_BYTES = 32,
    OVERHEAD_BYTES = (int)sizeof(struct io_uring_recvmsg_out) + NAME_BYTES + CONTROL_BYTES,
    SMALL_BYTES = OVERHEAD_BYTES + IKE_DATAGRAM_BYTES_MAX,
    LARGE_BYTES = OVERHEAD_BYTES + UDP_ROOM_BYTES,
};
_Static_assert(sizeof(union sockaddr_ip) <= NAME_BYTES, "room for the sender's address");
_Static_assert(CMSG_SPACE(sizeof(int)) <= CONTROL_BYTES, "room for the segment size");
_Static_assert(OVERHEAD_BYTES % 16 == 0, "aligned payload");

/* Plaintext of clients is in these pages: not for core dumps. */
static void *pages(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(memory, bytes, MADV_DONTDUMP);
    return memory;
}

/* ---- receive buffers */

static void buffer_give(struct udp_buffers *buffers, uint16_t id, uint32_t offset)
{
    io_uring_buf_ring_add(buffers->ring, buffers->memory + (size_t)id * buffers->bytes, buffers->bytes, id,
                          io_uring_buf_ring_mask(buffers->count), (int)offset);
}

static int buffers_open(struct udp_buffers *buffers, struct ring *ring, uint16_t group, uint32_t count,
                        uint32_t bytes)
{
    int error = 0;
    *buffers = (struct udp_buffers){.count = count, .bytes = bytes, .group = group};
    buffers->memory = pages((size_t)count * bytes);
    if (buffers->memory == NULL) {
        return -ENOMEM;
    }
    buffers->ring = io_uring_setup_buf_ring(&ring->uring, count, group, 0, &error);
    if (buffers->ring == NULL) {
        return error;
    }
    for (uint32_t i = 0; i < count; i++) {
        buffer_give(buffers, (uint16_t)i, i);
    }
    io_uring_buf_ring_advance(buffers->ring, (int)count);
    return 0;
}

static void buffers_close(struct udp_buffers *buffers, struct ring *ring)
{
    if (buffers->ring != NULL) {
        io_uring_free_buf_ring(&ring->uring, buffers->ring, buffers->count, buffers->group);
    }
    if (buffers->memory != NULL) {
        munmap(buffers->memory, (size_t)buffers->count * buffers->bytes);
    }
}

static void buffers_give_back(struct udp_buffers *buffers)
{
    for (uint32_t i = 0; i < buffers->num_used; i++) {
        buffer_give(buffers, buffers->used[i], i);
    }
    io_uring_buf_ring_advance(buffers->ring, (int)buffers->num_used);
    buffers->num_used = 0;
}

/* ---- receiving */

static void receive_start(struct udp *udp, uint32_t i)
{
    struct io_uring_sqe *sqe = ring_sqe(udp->ring, (struct ring_tag){.op = RING_UDP_RECV, .slot = i});
    if (sqe == NULL) {
        return;
    }
    const struct udp_socket *socket = &udp->sockets.v[i];
    io_uring_prep_recvmsg_multishot(sqe, socket->fd, &udp->receive, MSG_TRUNC);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = socket->natt ? udp->large.group : udp->small.group;
    udp->receiving[i] = true;
}

static uint32_t segment_of(struct io_uring_recvmsg_out *out, struct msghdr *header)
{
    for (struct cmsghdr *c = io_uring_recvmsg_cmsg_firsthdr(out, header); c != NULL;
         c = io_uring_recvmsg_cmsg_nexthdr(out, header, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(c), sizeof(segment));
            return segment > 0 ? (uint32_t)segment : 0;
        }
    }
    return 0;
}

static void count_received(struct udp_counters *counters, const struct datagram *datagram)
{
    counters->bytes_in += datagram->len;
    if (datagram->segment == 0) {
        counters->datagrams_in++;
    } else {
        counters->datagrams_in += (datagram->len + datagram->segment - 1) / datagram->segment;
        counters->bursts_in++;
    }
}

static bool received_in(struct udp *udp, const struct udp_socket *socket, uint8_t *buffer, int len,
                        struct datagram *ret_datagram)
{
    struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(buffer, len, &udp->receive);
    struct datagram datagram = {.local = socket->local, .natt = socket->natt, .hop = socket->hop};
    if (out == NULL ||
        !sockaddr_to(io_uring_recvmsg_name(out), HF_MIN(out->namelen, NAME_BYTES), &datagram.remote)) {
        udp->counters.drops[CAUSE_SHORT]++;
        return false;
    }
    if ((out->flags & MSG_TRUNC) != 0) {
        udp->counters.drops[CAUSE_TRUNCATED]++;
        return false;
    }
    datagram.bytes = io_uring_recvmsg_payload(out, &udp->receive);
    datagram.len = io_uring_recvmsg_payload_length(out, len, &udp->receive);
    datagram.segment = segment_of(out, &udp->receive);
    if (datagram.segment >= datagram.len) {
        datagram.segment = 0;
    }
    count_received(&udp->counters, &datagram);
    *ret_datagram = datagram;
    return true;
}

/* Ends of a multishot receive that starting it again heals: no buffer left (they come back at the end of the
 * batch), completion queue full, an ICMP error. */
static void receive_failed(struct udp *udp, int result)
{
    if (result == -EBADF || result == -EINVAL || result == -ENOTSOCK || result == -EOPNOTSUPP ||
        result == -EFAULT) {
        udp->error = result;
    }
}

bool udp_received(struct udp *udp, const struct ring_event *event, struct datagram *ret_datagram)
{
    hf_assert(event->tag.slot < udp->sockets.count);
    const struct udp_socket *socket = &udp->sockets.v[event->tag.slot];
    if ((event->flags & IORING_CQE_F_MORE) == 0) {
        udp->receiving[event->tag.slot] = false;
        udp->counters.receives_stopped++;
    }
    if (event->res < 0) {
        receive_failed(udp, event->res);
    }
    if ((event->flags & IORING_CQE_F_BUFFER) == 0) {
        return false;
    }
    struct udp_buffers *buffers = socket->natt ? &udp->large : &udp->small;
    uint16_t id = (uint16_t)(event->flags >> IORING_CQE_BUFFER_SHIFT);
    hf_assert(id < buffers->count && buffers->num_used < buffers->count);
    buffers->used[buffers->num_used++] = id;
    return event->res >= 0 &&
           received_in(udp, socket, buffers->memory + (size_t)id * buffers->bytes, event->res, ret_datagram);
}

bool udp_batch_end(struct udp *udp)
{
    buffers_give_back(&udp->small);
    buffers_give_back(&udp->large);
    for (uint32_t i = 0; i < udp->sockets.count && udp->error == 0; i++) {
        if (!udp->receiving[i]) {
            receive_start(udp, i);
        }
    }
    return udp->error == 0;
}

int udp_error(const struct udp *udp)
{
    return udp->error;
}

struct udp_counters *udp_counters(struct udp *udp)
{
    return &udp->counters;
}

/* ---- start and end */

static int udp_set_up(struct udp *udp)
{
    int error = buffers_open(&udp->small, udp->ring, 0, UDP_SMALL_BUFFERS, SMALL_BYTES);
    if (error == 0) {
        error = buffers_open(&udp->large, udp->ring, 1, UDP_LARGE_BUFFERS, LARGE_BYTES);
    }
    udp->rooms = pages((size_t)UDP_SEND_SLOTS * UDP_ROOM_BYTES);
    if (error == 0 && udp->rooms == NULL) {
        error = -ENOMEM;
    }
    return error;
}

int udp_open(const struct udp_sockets *sockets, struct ring *ring, struct udp **ret_udp)
{
    struct udp *udp = calloc(1, sizeof(*udp));
    if (udp == NULL) {
        return -ENOMEM;
    }
    udp->ring = ring;
    udp->receive = (struct msghdr){.msg_namelen = NAME_BYTES, .msg_controllen = CONTROL_BYTES};
    int error = udp_set_up(udp);
    if (error != 0) {
        udp_close(udp);
        return error;
    }
    udp->sockets = *sockets;
    udp_send_init(udp);
    for (uint32_t i = 0; i < udp->sockets.count; i++) {
        receive_start(udp, i);
    }
    if (ring->error != 0) {
        ring_cancel(ring); /* receives must have ended before their buffers go */
        udp->sockets.count = 0;
        udp_close(udp);
        return ring->error;
    }
    *ret_udp = udp;
    return 0;
}

void udp_close(struct udp *udp)
{
    if (udp == NULL) {
        return;
    }
    if (udp->sockets.count > 0) {
        udp_send_finish(udp);
        ring_cancel(udp->ring); /* receives must have ended before their buffers go */
    }
    udp_sockets_close(&udp->sockets);
    buffers_close(&udp->small, udp->ring);
    buffers_close(&udp->large, udp->ring);
    if (udp->rooms != NULL) {
        munmap(udp->rooms, (size_t)UDP_SEND_SLOTS * UDP_ROOM_BYTES);
    }
    free(udp);
}

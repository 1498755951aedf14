/* Shared by udp.c and udp_send.c alone. */
#pragma once

#include "edge/io/sockaddr.h"
#include "edge/io/udp.h"

/* One size of receive buffers, from which the kernel takes. */
struct udp_buffers {
    struct io_uring_buf_ring *ring;
    uint8_t *memory;
    uint32_t count, bytes; /* of each, recvmsg's own header included */
    uint16_t group;
    uint16_t used[UDP_LARGE_BUFFERS]; /* to give back at the end of the batch */
    uint32_t num_used;
};

struct udp_slot {
    uint32_t generation;
    uint32_t socket;
    bool busy;
    struct msghdr header;
    struct iovec bytes;
    union sockaddr_ip remote;
    uint32_t segment;
    union {
        struct cmsghdr first;
        uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control;
};

struct udp {
    struct ring *ring;
    struct udp_sockets sockets;
    bool receiving[UDP_SOCKETS_MAX];
    struct msghdr receive; /* how name and control of received datagrams are laid out */
    struct udp_buffers small, large;
    int error;

    struct udp_slot slots[UDP_SEND_SLOTS];
    uint8_t *rooms;                /* UDP_ROOM_BYTES for each slot */
    uint32_t free[UDP_SEND_SLOTS]; /* a stack: the room used last is warm in the cache */
    uint32_t num_free, num_flying;
    uint32_t socket_found; /* where the last reply left */
    struct udp_counters counters;
};

void udp_send_init(struct udp *udp);
/* Waits for the kernel to be done with all rooms. */
void udp_send_finish(struct udp *udp);

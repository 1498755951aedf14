/* UDP of one worker on its ring. Receiving: one multishot recvmsg for each socket into buffers that the
 * kernel picks; received bytes stay in place until udp_batch_end(). Sending: fixed slots, each with room for
 * a burst of datagrams (UDP_SEGMENT), taken back when the kernel is done with them. */
#pragma once

#include "edge/base/span.h"
#include "edge/io/ring.h"
#include "edge/io/steer.h"
#include "edge/io/udp_socket.h"

enum {
    UDP_ROOM_BYTES = 65536,
    UDP_SEND_SLOTS = 128,
    UDP_SMALL_BUFFERS = 64,  /* for the IKE port: IKE_DATAGRAM_BYTES_MAX each */
    UDP_LARGE_BUFFERS = 128, /* for the NAT-T port: whole bursts */
};

/* Datagrams and bytes of UDP payload. */
struct udp_counters {
    uint64_t datagrams_in, bytes_in, datagrams_out, bytes_out;
    uint64_t bursts_in;        /* buffers that held more than one datagram */
    uint64_t receives_stopped; /* multishot receives that ended and were started again */
    uint64_t segments_resent;  /* bursts the kernel refused, sent one by one */
    uint64_t drops[CAUSE_COUNT];
};

struct udp;

/* Takes over the sockets (closes them at the end) and starts receiving. 0, or -errno and nothing is taken
 * over. */
HF_MUST int udp_open(const struct udp_sockets *sockets, struct ring *ring, struct udp **ret_udp);
/* Before ring_close(). */
void udp_close(struct udp *udp);
struct udp_counters *udp_counters(struct udp *udp);

/* For a completion RING_UDP_RECV: true and the datagram when it carried one, whose bytes may be changed until
 * udp_batch_end(). */
HF_MUST bool udp_received(struct udp *udp, const struct ring_event *event, struct datagram *ret_datagram);
/* Gives all buffers received so far back to the kernel and starts receives that have ended. False when a
 * socket does not work any more: udp_error() says why. */
HF_MUST bool udp_batch_end(struct udp *udp);
int udp_error(const struct udp *udp);

/* A room of UDP_ROOM_BYTES; NULL when all are on their way and none has come back. */
uint8_t *udp_room(struct udp *udp);
/* Sends a room: one datagram (`segment` 0) or several of `segment` bytes each, the last may be shorter. From
 * an address that is not listened on nothing is sent (CAUSE_SEND_FAILED). */
void udp_send(struct udp *udp, uint8_t *room, size_t len, size_t segment, const struct endpoint *local,
              const struct endpoint *remote);
void udp_drop(struct udp *udp, uint8_t *room);
/* Rooms free now. */
uint32_t udp_rooms_free(const struct udp *udp);
/* Copies a message into a room, behind the non-ESP marker when `natt`, and sends it. */
void udp_send_message(struct udp *udp, const struct endpoint *local, const struct endpoint *remote, bool natt,
                      struct span message);
/* For a completion RING_UDP_SEND. */
void udp_sent(struct udp *udp, const struct ring_event *event);

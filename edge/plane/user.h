/* The user-space data plane: ESP in UDP on one side, a TUN device with vnet headers on the other. One per
 * worker, nothing shared. It makes no system call and reads no clock: the host (the daemon, or a test) hands
 * in what it read, with the time of the batch, and lends the buffers that go out.
 *
 * What came together stays together: a super-packet of the TUN device (TSO, USO) leaves as one UDP burst of
 * equal datagrams, and a burst from a client goes into the TUN device as one super-packet. */
#pragma once

#include "ebpf/shared.h"
#include "edge/core/plane.h"

enum {
    PLANE_BURST_BYTES =
        65536, /* every room; at most 65507 bytes and 64 datagrams of one go out as one burst */
    PLANE_MTU_MIN = 1280,
    PLANE_MTU_MAX = 9000,
};

/* Given by the host. A room is lent until it is sent, written or dropped; several may be lent at once (one
 * burst, and one super-packet per flow that is being coalesced), all of them no longer than until
 * plane_user_flush(). A room function may answer NULL: the packet is dropped and counted (CAUSE_SEND_FAILED).
 */
struct plane_host {
    void *context;
    uint8_t *(*udp_room)(void *context);
    /* gso_size 0: one datagram; else datagrams of gso_size each, of which the last may be shorter. */
    void (*udp_send)(void *context, uint8_t *room, size_t len, size_t gso_size, const struct endpoint *local,
                     const struct endpoint *remote);
    void (*udp_drop)(void *context, uint8_t *room);
    uint8_t *(*tun_room)(void *context);
    /* `len` counts the struct virtio_net_hdr (10 bytes) in front of the packet. */
    void (*tun_write)(void *context, uint8_t *room, size_t len);
    void (*tun_drop)(void *context, uint8_t *room);
    /* Copied and queued by the host, delivered to the core later: never from within core_step(). False when
     * the queue is full: what still holds is told again with the next packet. */
    bool (*event)(void *context, const struct plane_event *event);
};

struct plane_user_config {
    struct hf_spi_config spi;
    const uint16_t *shards; /* this worker's, ascending; belongs to the host, outlives the plane */
    uint32_t num_shards;
    uint32_t children_max; /* as in core_config: per shard ceil(children_max / 2^shard_bits) */
    uint32_t warm_max;     /* children whose ciphers are kept; 0: PLANE_WARM_MAX */
    uint32_t mtu;          /* of the TUN device: inner packets, PLANE_MTU_MIN..PLANE_MTU_MAX */
    bool tun_uso;          /* tun_create() said that the kernel takes UDP super-packets */
    uint64_t hash_key[2];  /* random: buckets of inner addresses */
    /* NULL, or bits that are set while a child has the SPI: bit (shard << live_bits | index). Shared with the
     * other workers and the steering program. */
    uint64_t *live;
    uint8_t live_bits; /* 2^live_bits is not less than children of one shard */
    struct plane_host host;
};

/* Of one worker, written by its thread alone. Bytes are those of inner packets. */
struct plane_user_counters {
    uint64_t packets_in, bytes_in, packets_out, bytes_out;
    uint64_t udp_bursts;         /* udp_send() calls */
    uint64_t tun_writes;         /* tun_write() calls */
    uint64_t dummies;            /* ESP dummy packets (RFC 4303 2.6), discarded as they should be */
    uint64_t too_big_sent;       /* ICMP errors for inner packets above the MTU */
    uint64_t drops[CAUSE_COUNT]; /* both directions */
    uint32_t children;           /* gauge */
};

struct plane_user;
/* Bytes of memory plane_user_init() wants (aligned to 64, zero). Of a child's part nothing is touched before
 * it is installed, so fresh anonymous memory stays sparse. */
size_t plane_user_bytes(const struct plane_user_config *config);
/* `memory` belongs to the caller and outlives the plane. */
struct plane_user *plane_user_init(void *memory, const struct plane_user_config *config);
/* Wipes every key; the memory may then be freed. Nothing may be lent: flush before. */
void plane_user_done(struct plane_user *plane);

/* SPIs of children that are there must be of the new keys, too. */
void plane_user_spi_config(struct plane_user *plane, const struct hf_spi_config *spi);

/* Carries out an operation at once. CAUSE_PLANE when it cannot: unknown child, child or SPI installed
 * already, SPI that is not of this worker's shards, algorithms the library refuses.
 *
 * IV of an outbound packet: iv_high(iv_epoch, iv_node) | sequence number. A key must never be installed with
 * the same epoch and node and a sequence_out below what was sent before; no number above sequence_limit is
 * ever sent. */
void plane_user_op(struct plane_user *plane, ns_t now, const struct plane_op *op,
                   struct plane_done *ret_done);

/* One UDP payload (gso_size 0), or several of gso_size each as UDP_GRO delivers them (the last may be
 * shorter), behind no non-ESP marker at least in the first. Decrypts in place: `bytes` is scratch afterwards.
 */
void plane_user_inbound(struct plane_user *plane, ns_t now, const struct endpoint *local,
                        const struct endpoint *remote, uint8_t *bytes, size_t len, size_t gso_size);
/* One read from the TUN device: struct virtio_net_hdr (10 bytes) and an IP packet. `packet` is scratch
 * afterwards. */
void plane_user_outbound(struct plane_user *plane, ns_t now, uint8_t *packet, size_t len);
/* End of a batch: sends and writes what is being coalesced. */
void plane_user_flush(struct plane_user *plane, ns_t now);

/* Valid as long as the plane. */
const struct plane_user_counters *plane_user_counters(const struct plane_user *plane);

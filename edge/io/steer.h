/* What a datagram is and whose it is. SO_REUSEPORT spreads datagrams over the workers by address and port;
 * the shard in the SPI says which worker has the session (DESIGN section 3). */
#pragma once

#include "ebpf/shared.h"
#include "edge/base/addr.h"
#include "edge/base/cause.h"
#include "edge/base/limits.h"

/* One datagram, or with `segment` several of the same flow that the kernel put together (UDP_GRO): all have
 * `segment` bytes but the last, which may be shorter. */
struct datagram {
    struct endpoint local, remote;
    uint8_t *bytes;
    size_t len;
    uint32_t segment; /* 0: one datagram */
    bool natt;        /* came to the port for NAT traversal (4500) */
    bool hop;         /* came from another node */
    uint8_t num_hops; /* from a node to the next, before it came here; nodes_open() sets these two */
    uint16_t hop_node;
};

enum datagram_kind {
    DATAGRAM_IKE,
    DATAGRAM_ESP,
    DATAGRAM_KEEPALIVE, /* RFC 3948 2.3 */
    DATAGRAM_SHORT,     /* neither */
};

#define NON_ESP_MARKER_BYTES 4

/* RFC 3948 2.2. On port 4500 IKE comes behind four zero bytes, which are still in `bytes`. */
enum datagram_kind datagram_classify(bool natt, struct span bytes);

/* An IKE_SA_INIT or IKE_SESSION_RESUME request (without marker): whether the sender returns a cookie, which
 * stands in front (RFC 7296 2.6). Only what is cheap to see: it may be malformed, and the cookie wrong. */
enum first_message { FIRST_NOT, FIRST_WITH_COOKIE, FIRST_BARE };
enum first_message first_message_kind(struct span message);

struct steer {
    struct hf_spi_config spi;
    uint64_t first_key[2]; /* for hf_first_worker() */
    uint32_t num_workers;
    uint8_t worker_of[1 << SHARD_BITS_MAX]; /* by shard */
};

/* Worker w of `num_workers` gets the shards from steer_first_shard(w) up to that of w + 1. */
uint32_t steer_first_shard(uint8_t shard_bits, uint32_t num_workers, uint32_t worker);
void steer_init(struct steer *steer, const struct hf_spi_config *spi, const uint64_t first_key[2],
                uint32_t num_workers);
/* The worker of an IKE message (without marker). What is too short, or carries an SPI that nobody minted, is
 * `here`'s, to be counted there. */
uint32_t steer_ike(const struct steer *steer, const struct ip_addr *source, struct span message,
                   uint32_t here);
/* The worker of an ESP packet; `here` for what cannot be decoded. */
uint32_t steer_esp(const struct steer *steer, struct span packet, uint32_t here);

/* The shard that an IKE message (without marker) or an ESP packet says it is of; STEER_NO_SHARD for first
 * messages and for what cannot be decoded. */
#define STEER_NO_SHARD UINT32_MAX
uint32_t steer_shard(const struct steer *steer, enum datagram_kind kind, struct span bytes);

/* Neighbouring segments of one kind for one worker. IKE messages come one at a time, without marker. */
struct datagram_run {
    enum datagram_kind kind;
    uint32_t worker;
    uint8_t *bytes;
    size_t len;
    uint32_t segment; /* 0: one datagram */
    uint32_t count;   /* datagrams */
};
/* The run at *offset, which moves behind it; false at the end. A datagram of no bytes is one run. Start with
 * *offset 0. */
HF_MUST bool steer_run(const struct steer *steer, const struct datagram *datagram, uint32_t here,
                       size_t *offset, struct datagram_run *ret_run);

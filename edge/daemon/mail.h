/* What threads write to each other. Every message begins with struct mail. */
#pragma once

#include "edge/core/core.h"
#include "edge/io/steer.h"
#include "edge/io/tun_queue.h"
#include "edge/io/udp.h"
#include "edge/ops/control.h"
#include "edge/plane/user.h"

#include <stddef.h>

enum mail_type {
    MAIL_DATAGRAM, /* worker to worker: struct mail_datagram */
    MAIL_REPLACED, /* worker to worker: struct mail_replaced */
    MAIL_ASK,      /* main to worker: struct mail_ask */
    MAIL_POLICY,   /* main to worker: struct mail_policy */
    MAIL_SHARD,    /* main to worker: struct mail_shard */
    MAIL_LEASE,    /* main to worker: struct mail_lease */
    MAIL_PROBE,    /* main to worker: nothing to do but a round, which the heartbeat tells of */
    MAIL_STOP,     /* main to worker: finish what is under way and end */
    MAIL_ANSWER,   /* worker to main: struct mail_answer, with lines or struct worker_status behind it */
    MAIL_NEWS,     /* worker to main: struct mail_news */
};

struct mail {
    enum mail_type type;
};

struct mail_datagram {
    struct mail mail;
    enum datagram_kind kind; /* IKE or ESP */
    struct endpoint local, remote;
    uint32_t segment;
    bool natt;
    bool hop; /* as in struct datagram, and the next two */
    uint8_t num_hops;
    uint16_t hop_node;
    uint32_t shard; /* STEER_NO_SHARD: of none; in a fleet */
    uint32_t len;
    _Alignas(16) uint8_t pad[12];
    uint8_t marker[NON_ESP_MARKER_BYTES]; /* zero: so that IKE can be sent on as it came */
    /* Bytes may be changed by the reader; aligned as received packets are. */
    uint8_t bytes[];
};
_Static_assert(offsetof(struct mail_datagram, bytes) % 16 == 0, "aligned");

struct mail_replaced {
    struct mail mail;
    struct identity identity;
    char connection[CONFIG_NAME_MAX + 1];
    ns_t before;
};

enum ask_type {
    ASK_STATUS,     /* struct worker_status */
    ASK_SESSIONS,   /* lines of those that are selected, from `cursor` on */
    ASK_DISCONNECT, /* the same are ended; no lines */
    ASK_DRAIN,
    ASK_UNDRAIN,
    ASK_EPOCHS, /* uint32_t[4]: SAs by the epoch of their SPI */
};

struct mail_ask {
    struct mail mail;
    enum ask_type type;
    uint64_t token;
    uint32_t cursor;
    struct control_selector selector;
};

struct mail_answer {
    struct mail mail;
    uint64_t token;
    uint32_t cursor; /* where to go on */
    bool last;
    uint32_t count; /* sessions in this part */
    uint32_t len;
    _Alignas(16) uint8_t bytes[]; /* lines, each with its newline */
};

struct mail_policy {
    struct mail mail;
    const struct policy *policy;
    void *pool_memory;
    size_t pool_bytes;
    struct hf_spi_config spi;
};

struct mail_shard {
    struct mail mail;
    struct event_shard shard;
};

struct mail_lease {
    struct mail mail;
    bool may_begin;
};

struct mail_news {
    struct mail mail;
    struct effect_shard shard;
};

#define POOL_NAME_MAX 64

struct worker_pool {
    char name[POOL_NAME_MAX];
    struct pool_view view; /* its name is not set: it belongs to the worker's policy */
};

/* Upper bounds of the histogram of rounds; a last bucket holds what took longer. */
#define ROUND_BOUNDS_US {50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000}
enum { ROUND_BUCKETS = 14 };

struct worker_status {
    struct core_counters core;
    struct plane_user_counters plane;
    struct udp_counters udp;
    struct tun_counters tun;
    uint64_t handed_over; /* datagrams for other workers */
    uint64_t forwarded;   /* to other nodes */
    uint64_t ring_overflows;
    uint64_t cpu_ns;
    uint64_t rounds[ROUND_BUCKETS], rounds_ns; /* not cumulative */
    uint32_t num_pools;
    struct worker_pool pools[POOLS_MAX];
};

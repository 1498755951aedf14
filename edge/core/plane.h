/* What the core asks of a data plane, and what a data plane tells it. Adapters (edge/plane) carry it out; the
 * core never sees a packet of the user's traffic. */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/cause.h"
#include "edge/base/limits.h"
#include "edge/crypto/kdf.h"
#include "edge/wire/build.h"

enum plane_op_type {
    PLANE_INSTALL,         /* both directions of a Child SA, at once or not at all */
    PLANE_OUTBOUND,        /* make this Child SA the one that carries outbound traffic of its addresses */
    PLANE_UPDATE_ENDPOINT, /* the peer's outer address changed */
    PLANE_SEQUENCE_LIMIT,  /* a higher outbound sequence number has been reserved in the store */
    PLANE_REMOVE,
    PLANE_READ, /* counters only */
};

/* Of one direction, from the install on; 0: without end. */
struct plane_volume {
    uint64_t bytes, packets;
};

/* A Child SA as a data plane needs it. `child` is the core's handle and the plane's key for all further
 * operations. */
struct plane_child {
    uint32_t child;
    uint32_t session; /* worker-local session number, to group children of one session */
    uint32_t spi_in;  /* ours, on packets from the client */
    uint32_t spi_out; /* the client's */
    struct esp_suite suite;
    struct esp_keys key_in, key_out;
    struct endpoint local, remote;
    uint16_t iv_epoch;        /* of every IV under key_out (edge/base/iv.h): the shard's ownership epoch, */
    uint16_t iv_node;         /* and we */
    uint64_t sequence_out;    /* last outbound sequence number that may have been used */
    uint64_t sequence_limit;  /* PLANE_EVENT_SEQUENCE is due before this one is reached */
    uint64_t replay_start;    /* inbound numbers up to this one are old */
    struct plane_volume soft; /* PLANE_EVENT_AGED when a direction has carried so much */
    struct plane_volume hard; /* then PLANE_EVENT_WORN, and no more traffic either way */
    struct ip_addr addresses[ADDRESSES_PER_SESSION_MAX]; /* the client's inner addresses: outbound lookup */
    uint32_t num_addresses;
    struct ts_range ts_local[SELECTORS_PER_CHILD_MAX]; /* behind us */
    struct ts_range ts_remote[SELECTORS_PER_CHILD_MAX];
    uint32_t num_ts_local, num_ts_remote;
    bool is_deaf;  /* what comes in under key_in is dropped (CAUSE_ESP_TAKEOVER): it may be a replay */
    bool outbound; /* carries outbound traffic from the start; a rekeyed child waits for PLANE_OUTBOUND */
};

struct plane_op {
    enum plane_op_type type;
    uint64_t token; /* comes back in plane_done */
    uint32_t child;
    const struct plane_child *install; /* PLANE_INSTALL; copied by the plane */
    struct endpoint local, remote;     /* PLANE_UPDATE_ENDPOINT */
    uint64_t sequence_limit;           /* PLANE_SEQUENCE_LIMIT */
};

struct plane_counters {
    uint64_t packets_in, bytes_in, packets_out, bytes_out;
    uint64_t sequence_out; /* last used */
    uint64_t sequence_in;  /* highest authenticated */
    ns_t last_in;          /* when the last authentic packet came; 0 = never */
};

struct plane_done {
    uint64_t token;
    uint32_t child;
    enum plane_op_type type;
    enum cause cause;               /* CAUSE_NONE or CAUSE_PLANE */
    struct plane_counters counters; /* PLANE_READ and PLANE_REMOVE */
};

enum plane_event_type {
    PLANE_EVENT_SEQUENCE, /* half of the reserved outbound numbers are used */
    PLANE_EVENT_SPENT,    /* sequence numbers or IVs nearly used up: the child must be rekeyed or dropped */
    PLANE_EVENT_MOVED,    /* authentic packet from another outer address (NAT rebinding) */
    PLANE_EVENT_AGED,     /* the soft volume is reached: the child should be rekeyed */
    PLANE_EVENT_WORN,     /* the hard volume is reached: the child carries nothing any more */
};

struct plane_event {
    enum plane_event_type type;
    uint32_t child;
    uint64_t sequence_out;
    struct plane_volume volume;    /* but for PLANE_EVENT_MOVED: carried so far, of the busier direction */
    struct endpoint local, remote; /* PLANE_EVENT_MOVED: where it came to and from */
};

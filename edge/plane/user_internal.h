/* Shared by the files of the user plane. */
#pragma once

#include "edge/base/map.h"
#include "edge/esp/packet.h"
#include "edge/plane/user.h"
#include "edge/plane/user_merge.h"
#include "edge/wire/ranges.h"

enum {
    UDP_BURST_MAX = 65507,   /* what an IPv4 datagram can carry */
    UDP_BURST_SEGMENTS = 64, /* UDP_MAX_SEGMENTS of the kernels that have UDP_SEGMENT */
};

/* One Child SA. Its place in the table follows from its SPI; `next` links the children that carry outbound
 * traffic of the same inner address, the latest first. */
struct user_child {
    struct esp_in in;
    struct esp_out out;
    struct esp_suite suite;
    struct esp_keys key_in, key_out;
    uint32_t warm; /* its place among the ciphers, WARM_NONE while it is idle */
    uint32_t child;
    struct endpoint local, remote;
    struct ip_addr addresses[ADDRESSES_PER_SESSION_MAX];
    uint32_t next[ADDRESSES_PER_SESSION_MAX];
    uint32_t num_addresses;
    struct ranges *ts; /* of table.ranges */
    uint64_t packets_in, bytes_in, packets_out, bytes_out;
    ns_t last_in;
    ns_t moved_again;          /* the next PLANE_EVENT_MOVED not before */
    bool is_outbound;          /* listed */
    bool is_deaf;              /* plane_child.is_deaf */
    struct plane_volume watch; /* soft, then hard */
    struct plane_volume hard;
    bool told_half, told_spent, told_aged, told_worn;
    bool is_worn; /* carries nothing any more */
};

#define WARM_NONE UINT32_MAX

/* The ciphers of a child with traffic. Idle ones have only their keys. */
struct warm {
    struct esp_cipher in, out;
    uint32_t slot;  /* of the child; of a free place: the next free one, WARM_NONE at the end */
    bool is_recent; /* used since the hand came by */
};

struct user_table {
    uint32_t *spis; /* per slot: the SPI that is installed, 0 for none; all that a garbage SPI touches */
    struct user_child *children; /* per slot */
    uint16_t *positions;         /* per shard: its position among ours, or UINT16_MAX */
    struct map by_child;         /* the core's handle -> slot */
    struct map by_address;       /* hash of an inner address -> slot of the first child in its list */
    uint32_t per_shard, num_shards;
    struct stock ranges;
    struct warm *warm;
    uint32_t num_warm;  /* at most PLANE_WARM_MAX */
    uint32_t warm_used; /* places that were ever used */
    uint32_t warm_free; /* of them the first that nobody has */
    uint32_t warm_hand; /* where the next one to be taken away is looked for */
};

/* Sealed packets for one client, of one size but for the last. */
struct burst {
    uint8_t *room; /* NULL: none open */
    size_t len, size;
    uint32_t count;
    bool is_closed; /* the last one was shorter */
    struct endpoint local, remote;
};

struct plane_user {
    struct plane_user_config config;
    struct plane_user_counters counters;
    struct user_table table;
    struct burst burst;
    struct merge merge;
    ns_t icmp_refilled; /* tokens for ICMP errors */
    uint32_t icmp_tokens;
};

/* user_child.c */
size_t table_bytes(const struct plane_user_config *config);
void table_init(struct plane_user *plane, uint8_t *memory);
/* NULL when the SPI is not installed here. */
struct user_child *table_by_spi(struct plane_user *plane, uint32_t spi);
struct user_child *table_by_child(struct plane_user *plane, uint32_t child);
/* The first child in the list of the packet's destination whose selectors admit it; else NULL. */
struct user_child *table_for_outbound(struct plane_user *plane, const struct inner *inner);
HF_MUST bool child_install(struct plane_user *plane, const struct plane_child *install);
/* In front of the lists of its addresses. */
void child_carry_outbound(struct plane_user *plane, struct user_child *child);
/* Wipes its keys. */
void child_remove(struct plane_user *plane, struct user_child *child);
/* Its ciphers, made from the keys when there are none. Valid until it is called for another child. */
struct warm *child_warm(struct plane_user *plane, struct user_child *child);

/* user_outbound.c */
void burst_flush(struct plane_user *plane);

/* user_volume.c */
bool event_send(struct plane_user *plane, const struct user_child *child, enum plane_event_type type);
void volume_init(struct user_child *child, const struct plane_child *install);
/* A limit is reached: the soft one the first time, then the hard one. */
void volume_reached(struct plane_user *plane, struct user_child *child);

static inline void volume_watch(struct plane_user *plane, struct user_child *child, uint64_t bytes,
                                uint64_t packets)
{
    if (bytes >= child->watch.bytes || packets >= child->watch.packets) {
        volume_reached(plane, child);
    }
}

/* user_icmp.c: tells the sender of an inner packet that the tunnel's MTU is smaller (RFC 1191, RFC 4443 3.2);
 * says nothing where these RFCs or the rate limit forbid it. */
void icmp_too_big(struct plane_user *plane, ns_t now, const uint8_t *packet, const struct inner *inner);

static inline void drop_count(struct plane_user *plane, enum cause cause)
{
    plane->counters.drops[cause]++;
}

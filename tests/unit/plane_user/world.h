/* Two user planes back to back, a gateway and a client, with hosts that record what comes out. */
#pragma once

#include "edge/plane/user.h"
#include "edge/plane/user_segment.h"

enum { UDP_MAX = 4096, TUN_MAX = 8192, EVENTS_MAX = 64, SHARD_BITS = 4, CHILDREN = 64 };

struct sent {
    uint8_t *bytes;
    size_t len, gso_size;
    struct endpoint local, remote;
};

struct written {
    uint8_t *bytes; /* with the vnet header; a block of just its size */
    size_t len;
};

struct side {
    struct plane_user *plane;
    struct plane_user_config config;
    uint16_t shards[1 << SHARD_BITS];
    struct endpoint address;
    struct sent udp[UDP_MAX];
    struct written tun[TUN_MAX];
    struct plane_event events[EVENTS_MAX];
    uint32_t num_udp, num_tun, num_events;
    int lent; /* rooms out */
    bool has_no_room, takes_no_events;
};

struct world {
    struct side gateway, client;
    uint32_t mtu;
    bool uso;
};

/* The addresses of the tests: the client's inner addresses, and hosts behind the gateway. */
#define CLIENT_V4 "10.0.0.5"
#define CLIENT_V6 "2001:db8:5::5"
#define SERVER_V4 "192.0.2.80"
#define SERVER_V6 "2001:db8:80::80"

struct ip_addr addr_of(const char *text);
struct ts_range range_of(const char *prefix);

struct world *world_open(uint32_t mtu, bool uso);
void world_close(struct world *world); /* every room must be back */
/* Forgets what was recorded. */
void side_clear(struct side *side);

uint32_t spi_of(const struct side *side, uint32_t shard, uint32_t index);
/* A child on the gateway, and its mirror image on the client: AES-GCM-128 with ESN, any traffic of the
 * client's addresses. */
struct plane_child child_of(const struct world *world, uint32_t child, uint32_t shard, uint32_t index);
struct plane_child mirror_of(const struct world *world, const struct plane_child *child);
enum cause side_install(struct side *side, const struct plane_child *child);
/* Installs child 1 on both sides. */
void world_connect(struct world *world);
struct plane_done side_op(struct side *side, struct plane_op op);

/* Hands a packet to the outbound side, behind `vnet`; NULL: no offload. */
void side_send(struct side *side, const struct virtio_net_hdr *vnet, const uint8_t *packet, size_t len);
void side_receive(struct side *side, ns_t now, const struct endpoint *remote, const uint8_t *bytes,
                  size_t len, size_t gso_size);
void side_flush(struct side *side);
/* Delivers what `from` sent, and forgets it there. */
void side_deliver(struct side *from, struct side *to);

/* Node to node by hand: what the steering program could not forward by itself, because the kernel had to
 * reassemble it first, because it does not fit the way to the other node in one piece (steer.h), or because
 * there is no program. */
#pragma once

#include "ebpf/steer.h"
#include "edge/io/udp.h"
#include "edge/ops/config.h"

enum { NODES_TOO_BIG_MAX = 128 };

/* One node, by its number. The main thread writes, workers read: who meets a change in the middle finds no
 * such node, and the client sends again. */
struct nodes_entry {
    uint32_t turn;     /* odd while it is written */
    uint32_t is_alive; /* by itself: may change at any time */
    uint64_t addr[2];  /* as hf_word_load() reads it; zero: no such node */
};

/* What is not said to change is constant once the workers run. */
struct nodes {
    const uint64_t *rows; /* the shard table (steer.h), which changes; NULL: there are no other nodes */
    const struct config_listen *listen;
    uint64_t keys[4][2]; /* of the node-to-node header, by epoch */
    uint8_t epoch;
    uint16_t self;
    uint16_t hop_port;
    struct endpoint local;                    /* of this node: where packets of others come to */
    uint32_t table_version;                   /* changes */
    struct nodes_entry entries[HF_NODES_MAX]; /* change: nodes_set(), nodes_alive_set() */
};

/* Which node this is, and where packets of others come to; false when there can be no others. */
bool nodes_self(const struct config *config, uint16_t *ret_self, struct endpoint *ret_local);

/* For the main thread, at any time; `id` is below HF_NODES_MAX. NULL: there is no such node any more. A new
 * one is dead at first. */
void nodes_set(struct nodes *nodes, uint16_t id, const struct ip_addr *addr);
void nodes_alive_set(struct nodes *nodes, uint16_t id, bool is_alive);

/* The node that a shard belongs to now: the first of its row that lives, and this one without other nodes.
 * NODES_NOBODY when both are dead. */
#define NODES_NOBODY UINT16_MAX
uint16_t nodes_owner(const struct nodes *nodes, uint32_t shard);
/* Writes what is sent to the node: the header, and the client's packet with `payload` behind its UDP header.
 * `client` is where the packet came from and to, and by how many nodes. The length, and where to; 0 when
 * there is no such node, it is the one that sent the packet, it has come by too many, or there is no room. */
size_t nodes_seal(const struct nodes *nodes, uint16_t node, const struct datagram *client,
                  struct span payload, uint8_t *ret_bytes, size_t cap, struct endpoint *ret_remote);
/* An ICMP error about a packet of ours to a client: it was too big for the way there. */
struct nodes_too_big {
    struct endpoint client, local; /* ports 0: it was ESP without UDP */
    uint32_t mtu;
};
/* Writes the error for another node, whose kernel and program take it as if a router had sent it. The length,
 * and where to; 0 when there is no such node. */
size_t nodes_seal_too_big(const struct nodes *nodes, uint16_t node, const struct nodes_too_big *error,
                          uint8_t ret_bytes[NODES_TOO_BIG_MAX], struct endpoint *ret_remote);

/* nodes.c: another node's address, whole; false when there is none now. */
HF_MUST bool nodes_find(const struct nodes *nodes, uint32_t id, struct ip_addr *ret_addr);

/* Takes a packet of another node apart: the client's datagram, a view into it. False for what no node of the
 * fleet made, or for no address of ours. */
HF_MUST bool nodes_open(const struct nodes *nodes, const struct datagram *datagram,
                        struct datagram *ret_datagram);

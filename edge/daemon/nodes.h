/* Node to node by hand: what the steering program could not forward by itself, because the kernel had to
 * reassemble it first, or because it does not fit the way to the other node in one piece (steer.h). */
#pragma once

#include "ebpf/steer.h"
#include "edge/io/udp.h"
#include "edge/ops/config.h"

/* Constant once the workers run. */
struct nodes {
    const uint64_t *rows; /* the program's shard table; NULL: there are no other nodes */
    const struct config *config;
    uint64_t keys[4][2]; /* of the node-to-node header, by epoch */
    uint8_t epoch;
    struct endpoint local; /* of this node: where packets of others come to */
};

/* Where packets of other nodes come to; false when the config names no nodes. */
bool nodes_self(const struct config *config, struct endpoint *ret_local);
/* The node that a shard belongs to; this one without other nodes. */
uint16_t nodes_owner(const struct nodes *nodes, uint32_t shard);
/* Writes what is sent to the node: the header, and the client's packet with `payload` behind its UDP header.
 * The length, and where to; 0 when there is no such node, or no room. */
size_t nodes_seal(const struct nodes *nodes, uint16_t node, const struct endpoint *client,
                  const struct endpoint *local, struct span payload, uint8_t *ret_bytes, size_t cap,
                  struct endpoint *ret_remote);
/* Takes a packet of another node apart: the client's datagram, a view into it. False for what no node of the
 * fleet made, or for no address of ours. */
HF_MUST bool nodes_open(const struct nodes *nodes, const struct datagram *datagram,
                        struct datagram *ret_datagram);

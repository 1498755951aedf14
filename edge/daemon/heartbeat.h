/* Heartbeats on their way between nodes: sealed under a key of the fleet, together with who sent them to
 * whom, over UDP. What is not from a node of the fleet to this one is counted, and nothing else comes of it;
 * what is repeated is the engine's to see (struct fleet_heartbeat has a number).
 *
 *   "HFHB" | version 1 | 0 | from 16 | to 16 | nonce 12 | sealed heartbeat | tag 16 */
#pragma once

#include "edge/base/addr.h"
#include "edge/crypto/seal.h"
#include "edge/session/fleet.h"

enum {
    HEARTBEAT_HEAD_BYTES = 10,
    HEARTBEAT_PACKET_MAX = HEARTBEAT_HEAD_BYTES + FLEET_HEARTBEAT_BYTES_MAX + SEAL_OVERHEAD_BYTES,
};

enum heartbeat_fault {
    HEARTBEAT_GOOD,
    HEARTBEAT_STRANGE,   /* no heartbeat, or of another version */
    HEARTBEAT_ASTRAY,    /* for another node */
    HEARTBEAT_FORGED,    /* not sealed with our fleet's key */
    HEARTBEAT_MALFORMED, /* sealed with it, and yet nonsense */
    HEARTBEAT_TOO_MANY,  /* more than are looked at */
    HEARTBEAT_FAULTS,
};
const char *heartbeat_fault_name(enum heartbeat_fault fault); /* "forged" */

struct heartbeats {
    int fd;
    uint16_t node;
    uint8_t key[32];
    struct rand_source rand;
    uint16_t port;
    ns_t refilled;
    uint32_t tokens;
    uint64_t sent, send_failed, received[HEARTBEAT_FAULTS];
};

/* Binds to `local`. 0 or -errno. */
HF_MUST int heartbeats_open(struct heartbeats *heartbeats, const struct endpoint *local, uint16_t node,
                            const uint8_t fleet_key[FLEET_KEY_BYTES]);
void heartbeats_close(struct heartbeats *heartbeats);
void heartbeats_send(struct heartbeats *heartbeats, uint16_t to, const struct ip_addr *address,
                     const struct fleet_heartbeat *heartbeat);

struct heartbeat_in {
    enum heartbeat_fault fault;
    uint16_t from; /* as it says; 0 when it does not */
    struct endpoint remote;
    struct fleet_heartbeat heartbeat; /* HEARTBEAT_GOOD */
};
/* The next one; false when there is none. Never blocks. */
HF_MUST bool heartbeats_next(struct heartbeats *heartbeats, ns_t now, struct heartbeat_in *ret_in);

/* The packets themselves. 0 when it does not fit. */
size_t heartbeat_seal(const struct heartbeats *heartbeats, uint16_t to,
                      const struct fleet_heartbeat *heartbeat, uint8_t ret_packet[HEARTBEAT_PACKET_MAX]);
void heartbeat_open(const struct heartbeats *heartbeats, struct span packet, struct heartbeat_in *ret_in);

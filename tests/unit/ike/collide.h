/* Both sides act at once: chosen nonces and datagrams that are held back. */
#pragma once

#include "tests/unit/ike/live.h"

/* Random numbers whose next 32-byte draws are chosen: the nonces of a rekey, and X25519 keys. */
struct chosen {
    struct rand_source real;
    uint8_t fill; /* every byte of them; 0: as it comes */
};
extern struct chosen of_gateway, of_client;

/* A session that the gateway is about to rekey; 0: not that. */
struct world *collide_begin(ns_t child_rekey, ns_t ike_rekey);
/* Until the next datagram is on its way. */
void collide_until_asked(struct world *world);
/* Every byte of the four nonces of two rekeys that cross, and what of the client's comes late. */
struct collision {
    uint8_t gateway_i, client_i; /* requests */
    uint8_t gateway_r, client_r; /* answers */
    ns_t request_late_ms, answer_late_ms;
};
/* The gateway asks, the client does the same with `act`, and both have answered once. */
void collide_both(struct world *world, const struct collision *collision, void (*act)(struct world *world));
/* Holds back the datagrams of one direction that are on their way. */
void collide_delay(struct world *world, enum item_type type, ns_t by);

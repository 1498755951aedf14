/* A live gateway and its client for the tables of this folder: what it answers and what it counts. */
#pragma once

#include "tests/lib/world.h"

/* A world whose client has a different config: `change` may edit it before the client is made anew. */
struct world *live_new(const struct world_options *options, void (*change)(struct initiator_config *config));
/* Differences of counters since live_mark(). */
void live_mark(struct world *world);
uint64_t live_drops(struct world *world, enum cause cause);
uint64_t live_drops_all(struct world *world);
uint64_t live_handshakes(struct world *world, enum cause cause);
uint64_t live_sent(struct world *world);
/* Lets everything come to rest, then frees the world; reports a violation that the checkers found. */
void live_free(struct world *world);
/* The IKE_SA_INIT request of a fresh client, not sent; its bytes are the client's. */
struct span live_first_message(struct world *world);

/* Stories: what a client does with a gateway from its first datagram to the empty end. A story is run again
 * and again, each time with another fault; whatever happens, the checkers must find nothing and the client
 * must get there. */
#pragma once

#include "tests/lib/world.h"

struct story {
    const char *name;
    const char *what;
    bool certificates, wrong_ke, mobike;
    uint32_t cookie_threshold; /* as in world_options */
    /* Before faults count; NULL: nothing. False when it went wrong. */
    bool (*begin)(struct world *world);
    /* Under faults. */
    void (*act)(struct world *world);
    /* What must hold when it is over and all faults were the network's; NULL: the client is up. */
    bool (*reached)(const struct world *world);
};

/* Ends with an entry without name. */
extern const struct story stories[];

/* The end of every story: faults are over, the client gets in (again), is served, leaves; then time passes
 * until nothing is left. */
void story_finish(struct world *world);
/* The part of it before time passes, for one client. */
void story_finish_client(struct world *world, uint32_t client);

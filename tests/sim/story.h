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
    ns_t child_rekey, ike_rekey;
    /* Before faults count; NULL: nothing. False when it went wrong. */
    bool (*begin)(struct world *world);
    /* Under faults. */
    void (*act)(struct world *world);
    /* What must hold when it is over and all faults were the network's; NULL: the client is up. */
    bool (*reached)(const struct world *world);
    bool survives; /* the session outlives a restart at any moment */
};

/* story_roam.c */
bool begin_roam(struct world *world);
void act_roam(struct world *world);
void act_roam_family(struct world *world);
void act_roam_rekey_child(struct world *world);
void act_roam_rekey_ike(struct world *world);
void act_roam_twice(struct world *world);
/* The client is up with one child, whose traffic goes to where it is. */
bool story_is_there(const struct world *world);
/* Traffic of the client: the plane says so where it comes from elsewhere than expected. */
void story_esp(struct world *world, const struct initiator *client);

/* Ends with an entry without name. */
extern const struct story stories[];

/* The end of every story: faults are over, the client gets in (again), is served, leaves; then time passes
 * until nothing is left. */
void story_finish(struct world *world);
/* The part of it before time passes, for one client. */
void story_finish_client(struct world *world, uint32_t client);

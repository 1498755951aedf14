/* The window: a session that has something to do takes a place, with a client in it, until that is done. */
#pragma once

#include "tools/ikeload/load.h"

/* A place for the session; one must be free (asserted). Its client is as the last session left it. */
struct place *place_take(struct load *load, uint32_t index);
/* A place whose client goes on with a parked session; `repeated_id` as for session_resume(). */
struct place *place_resume(struct load *load, uint32_t index, uint32_t repeated_id);
/* After anything happened to the client: its session goes on, is parked, or has ended. `was_up`: it was up
 * before that. */
void place_settle(struct load *load, struct place *place, bool was_up);

/* The session is gone for a while, and then begins anew. */
void session_goes_away(struct load *load, uint32_t index);
/* Around `every` from now; NS_NEVER when that is 0. */
ns_t load_around(struct load *load, ns_t every);
/* A number from 0 to 1. */
double load_chance(struct load *load);

/* Bugs planted in the core from outside, as a mistake in its code would show: the product itself knows
 * nothing of it. */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/world_internal.h"

void plant_at_session_up(struct world *world)
{
    struct core *core = world->core;
    if (world->options.planted == PLANTED_LEASE_LOST) {
        struct ip_addr lost;
        (void)!pool_take(&core->pools[0].v4, 0, &lost);
    } else if (world->options.planted == PLANTED_GAUGE) {
        core->ike->counters.sessions++;
    }
}

static struct ike_sa *first_established(struct ike *ike)
{
    for (uint32_t slot = 0; slot < ike_capacity(ike); slot++) {
        if (slab_is_used(&ike->sas, slot) && ike->sa[slot].state == SA_ESTABLISHED) {
            return &ike->sa[slot];
        }
    }
    return NULL;
}

void plant_after_datagram(struct world *world, bool forged)
{
    struct ike *ike = world->core->ike;
    struct ike_sa *sa = first_established(ike);
    if (sa != NULL && world->options.planted == PLANTED_UNCHECKED_ICV && forged) {
        sa->peer_next_id++;
    }
}

void plant_after_event(struct world *world)
{
    struct ike *ike = world->core->ike;
    struct ike_sa *sa = first_established(ike);
    if (sa != NULL && world->options.planted == PLANTED_WINDOW && sa->wait == WAIT_NOTHING &&
        sa->response.valid && sa->response.id == 2) {
        sa->peer_next_id = sa->response.id;
        sent_free(ike, &sa->response);
    }
}

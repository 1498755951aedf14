/* Draining, and the end of the process. */
#include "edge/session/fleet_internal.h"

void drain_set(struct fleet *fleet, bool drains)
{
    if (fleet->is_draining == drains || fleet->is_leaving) {
        return;
    }
    fleet->is_draining = drains;
    fleet->is_drained_told = false;
    fleet->is_drain_alone_told = false;
    lease_hurry(fleet);
    beat_hurry(fleet);
    places_changed(fleet);
}

void leave_begin(struct fleet *fleet)
{
    if (fleet->is_leaving) {
        return;
    }
    drain_set(fleet, true);
    fleet->is_leaving = true;
    fleet->leave_until = fleet->now + FLEET_LEAVE_NS;
    places_changed(fleet);
}

/* All is given, or nothing can be: no lease, or no time any more. */
static bool leave_is_done(const struct fleet *fleet)
{
    bool is_placed = fleet->places_left == 0 && !fleet->are_members_changed;
    uint32_t busy = parts_taking(fleet) + fleet->states[PART_GIVING] + fleet->states[PART_DROPPING];
    return fleet->now >= fleet->leave_until ||
           (is_placed && busy == 0 && (fleet->states[PART_OWNED] == 0 || !fleet->lease.is_valid));
}

void leave_work(struct fleet *fleet)
{
    if (!fleet->is_leaving) {
        return;
    }
    if (!fleet->lease.is_over && leave_is_done(fleet)) {
        lease_end(fleet);
        fleet->leave_until = fleet->now + fleet->config.lease;
    }
    fleet_wake(fleet, fleet->leave_until);
    if (fleet->lease.is_over && fleet->now >= fleet->leave_until) {
        fleet->is_left = true;
        fleet->wake = NS_NEVER;
    }
}

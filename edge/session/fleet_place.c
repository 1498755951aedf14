/* Where each shard belongs. All of them are weighed again when members change, a part in each step; until its
 * turn comes a shard stays where it was. */
#include "edge/session/fleet_internal.h"

static uint16_t site_of(const struct fleet *fleet, const struct peer *peer)
{
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        const struct peer *other = &fleet->peers[i];
        if (other->is_used && strcmp(other->member.site_name, peer->member.site_name) == 0) {
            return (uint16_t)i;
        }
    }
    return 0;
}

static bool has_lease(const struct fleet *fleet, const struct peer *peer)
{
    if (peer->member.node == fleet_self(fleet)) {
        return fleet->lease.was_valid && !fleet->is_leaving;
    }
    return peer->has_lease;
}

static bool is_draining(const struct fleet *fleet, const struct peer *peer)
{
    return peer->member.node == fleet_self(fleet) ? fleet->is_draining : peer->is_draining;
}

/* When all that live drain, they may own as before: a session on a node that is about to go is better than
 * none. */
static void members_list(struct fleet *fleet)
{
    bool some = false;
    fleet->num_members = 0;
    for (uint16_t node = 1; node <= FLEET_NODE_MAX; node++) {
        const struct peer *peer = peer_get(fleet, node);
        if (peer == NULL || peer->is_gone) {
            continue;
        }
        bool may_own = has_lease(fleet, peer) && !is_draining(fleet, peer);
        some |= may_own && peer->member.weight > 0;
        fleet->members[fleet->num_members++] = (struct rendezvous_member){
            .id = node, .weight = peer->member.weight, .site = site_of(fleet, peer), .may_own = may_own};
    }
    for (uint32_t i = 0; !some && i < fleet->num_members; i++) {
        fleet->members[i].may_own = has_lease(fleet, peer_get(fleet, fleet->members[i].id));
    }
}

void places_changed(struct fleet *fleet)
{
    fleet->are_members_changed = true;
    fleet->places_left = fleet->num_parts;
}

static void part_place(struct fleet *fleet, uint32_t shard)
{
    struct part *part = &fleet->parts[shard];
    struct rendezvous_place place =
        rendezvous_place(fleet->config.shards_key, shard, fleet->members, fleet->num_members);
    if (place.primary != part->wanted || place.secondary != part->secondary) {
        part->wanted = place.primary;
        part->secondary = place.secondary;
    }
    part_touch(fleet, shard); /* its owner may have died, or may take again */
}

void places_work(struct fleet *fleet)
{
    if (fleet->are_members_changed) {
        fleet->are_members_changed = false;
        members_list(fleet);
    }
    uint32_t step = FLEET_PLACES_PER_STEP / HF_MAX(fleet->num_members, 1U) + 1;
    for (; step > 0 && fleet->places_left > 0; step--) {
        part_place(fleet, fleet->place_next);
        fleet->place_next = (fleet->place_next + 1) % fleet->num_parts;
        fleet->places_left--;
    }
    if (fleet->places_left > 0) {
        fleet_wake(fleet, fleet->now);
    }
}

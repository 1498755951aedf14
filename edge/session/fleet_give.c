/* Handing over what belongs to another live node: at a bounded rate, a few at a time. */
#include "edge/session/fleet_internal.h"

/* Who drains and hears nobody is cut off itself: from the others, but not from the store, which knows them.
 */
static bool is_cut_off(const struct fleet *fleet)
{
    bool hears_nobody = true;
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        const struct peer *peer = &fleet->peers[i];
        hears_nobody =
            hears_nobody && !(peer->is_used && peer->is_alive && peer->member.node != fleet_self(fleet));
    }
    return hears_nobody && (fleet->is_draining || fleet->is_leaving);
}

/* Who would take it: a node that lives, is heard and has a lease, or, from a process that ends and has nobody
 * else, whoever comes later. RENDEZVOUS_NOBODY: it stays. */
static uint16_t give_target(const struct fleet *fleet, const struct part *part)
{
    if (part->wanted == RENDEZVOUS_NOBODY || part->wanted == fleet_self(fleet)) {
        return fleet->is_leaving ? 0 : RENDEZVOUS_NOBODY;
    }
    const struct peer *peer = peer_get(fleet, part->wanted);
    bool can_take = peer != NULL && ((peer_state(peer) == FLEET_MEMBER_LIVE && peer->beat_has_lease) ||
                                     (peer_state(peer) == FLEET_MEMBER_SILENT && is_cut_off(fleet)));
    return can_take ? part->wanted : RENDEZVOUS_NOBODY;
}

bool part_is_givable(const struct fleet *fleet, const struct part *part)
{
    return part->state == PART_OWNED && part->owner == fleet_self(fleet) && part->epoch == part->own_epoch &&
           give_target(fleet, part) != RENDEZVOUS_NOBODY;
}

static void give(struct fleet *fleet, uint32_t shard)
{
    struct part *part = &fleet->parts[shard];
    part->to = give_target(fleet, part);
    if (fleet->given_untold == 0 && fleet->states[PART_GIVING] == 0) {
        fleet->gives_began = fleet->now;
    }
    rate_use(&fleet->give_rate, fleet->now);
    struct fleet_effect *effect = fleet_emit(fleet, FLEET_EFFECT_GIVE);
    effect->shard.shard = (uint16_t)shard;
    effect->shard.epoch = part->own_epoch;
    effect->shard.to = part->to;
    bit_set(fleet->gives, shard, false);
    part_set_state(fleet, shard, PART_GIVING);
}

/* A process that ends does not wait for the rate. False when no more can be given for the time being. */
static bool give_next(struct fleet *fleet, uint32_t shard)
{
    const struct part *part = &fleet->parts[shard];
    if (fleet->now < part->retry_at) {
        fleet_wake(fleet, part->retry_at);
        return true;
    }
    if (fleet->states[PART_GIVING] >= FLEET_GIVES_MAX) {
        return false;
    }
    if (!fleet->is_leaving && !rate_allows(&fleet->give_rate, fleet->now)) {
        fleet_wake(fleet, fleet->give_rate.next);
        return false;
    }
    if (fleet_room(fleet) <= FLEET_ROOM_ALWAYS) {
        fleet_wake(fleet, fleet->now);
        return false;
    }
    give(fleet, shard);
    return true;
}

void gives_work(struct fleet *fleet)
{
    if (!fleet->lease.is_valid) {
        return;
    }
    uint32_t from = fleet->give_next, ends[2] = {fleet->num_parts, from};
    uint32_t shard = bit_next(fleet->gives, from, fleet->num_parts);
    for (uint32_t half = 0; half < 2; half++) {
        while (shard < ends[half]) {
            if (!give_next(fleet, shard)) {
                fleet->give_next = shard;
                return;
            }
            shard = bit_next(fleet->gives, shard + 1, ends[half]);
        }
        shard = bit_next(fleet->gives, 0, from);
    }
}

/* What follows when something about a shard has changed: where its packets go, whether it is lost, whether it
 * is to be taken or given. */
#include "edge/session/fleet_internal.h"

static uint16_t node_or_none(uint16_t node)
{
    return node == RENDEZVOUS_NOBODY ? 0 : node;
}

static uint16_t row_primary(const struct fleet *fleet, const struct part *part)
{
    if (part->state == PART_GIVING && part->to != 0) {
        return part->to;
    }
    if (part->state == PART_TAKING || part_is_ours(part)) {
        return fleet_self(fleet);
    }
    if (part->owner != 0 && part->owner != fleet_self(fleet) && peer_is_up(peer_get(fleet, part->owner))) {
        return part->owner;
    }
    return node_or_none(part->wanted);
}

static void part_row(struct fleet *fleet, uint32_t shard)
{
    struct part *part = &fleet->parts[shard];
    uint16_t primary = row_primary(fleet, part);
    uint16_t secondary = node_or_none(primary == part->wanted ? part->secondary : part->wanted);
    if (primary == part->row_primary && secondary == part->row_secondary) {
        return;
    }
    part->row_primary = primary;
    part->row_secondary = secondary;
    struct fleet_effect *effect = fleet_emit(fleet, FLEET_EFFECT_ROW);
    effect->row.shard = (uint16_t)shard;
    effect->row.primary = primary;
    effect->row.secondary = secondary;
}

/* A higher epoch than ours, or another owner with the same one: the store forgot our claim, and another made
 * its own since. Or it forgot our claim, and the node that we took for dead is back and has the shard still:
 * it may have written since, and what we have is older. */
static bool part_is_lost(const struct fleet *fleet, const struct part *part)
{
    if (!part_is_ours(part) || part->owner == 0 || part->owner == fleet_self(fleet)) {
        return part_is_ours(part) && epoch_is_newer(part->epoch, part->own_epoch);
    }
    return !epoch_is_newer(part->own_epoch, part->epoch) ||
           (part->owner == part->heir_of && peer_is_up(peer_get(fleet, part->owner)));
}

static void part_drop(struct fleet *fleet, uint32_t shard)
{
    struct fleet_effect *effect = fleet_emit(fleet, FLEET_EFFECT_DROP);
    effect->shard.shard = (uint16_t)shard;
    const struct part *part = &fleet->parts[shard];
    effect->shard.epoch = epoch_is_newer(part->own_epoch, part->epoch) ? part->own_epoch : part->epoch;
    effect->shard.to = 0;
    part_set_state(fleet, shard, PART_DROPPING);
}

/* The table has forgotten that it was ours, and we do not have it: others leave it to us until we say so. */
static void part_disown(struct fleet *fleet, uint32_t shard)
{
    struct part *part = &fleet->parts[shard];
    if (part->state == PART_NONE && part->holder == fleet_self(fleet) &&
        epoch_is_newer(part->seen, part->epoch)) {
        part->holder = 0;
        beat_change(fleet, (uint16_t)shard, 0, part->seen, 0);
    }
}

static void part_refresh(struct fleet *fleet, uint32_t shard)
{
    struct part *part = &fleet->parts[shard];
    part_disown(fleet, shard);
    if (part_is_lost(fleet, part)) {
        part_drop(fleet, shard);
    }
    bool is_free = part_is_free(fleet, part);
    if (!is_free) {
        part->free_since = 0;
    } else if (part->free_since == 0) {
        part->free_since = fleet->now;
    }
    bool takeable = part_is_takeable(fleet, part);
    bit_set(fleet->takes, shard, takeable);
    bit_set(fleet->gives, shard, part_is_givable(fleet, part));
    if (takeable) {
        take_try(fleet, shard);
    }
    part_row(fleet, shard);
    bit_set(fleet->dirty, shard, false);
}

void parts_work(struct fleet *fleet)
{
    uint32_t shard = bit_next(fleet->dirty, fleet->refresh_next, fleet->num_parts);
    for (uint32_t rounds = 0; rounds < 2;) {
        if (shard == fleet->num_parts) {
            rounds++;
            shard = bit_next(fleet->dirty, 0, fleet->num_parts);
            continue;
        }
        if (fleet_room(fleet) <= FLEET_ROOM_ALWAYS) {
            fleet->refresh_next = shard;
            fleet_wake(fleet, fleet->now);
            return;
        }
        part_refresh(fleet, shard);
        shard = bit_next(fleet->dirty, shard + 1, fleet->num_parts);
    }
    fleet->refresh_next = 0;
}

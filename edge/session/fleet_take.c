/* Claiming shards: what is ours by its place and has nobody who serves it. */
#include "edge/session/fleet_internal.h"

/* ---- the rate at which shards are taken, or given */

struct fleet_rate rate_make(uint32_t per_s)
{
    ns_t interval = NS_PER_S / per_s;
    return (struct fleet_rate){.interval = interval, .burst = HF_MAX(interval, NS_PER_S / 20)};
}

bool rate_allows(const struct fleet_rate *rate, ns_t now)
{
    return rate->next <= now;
}

/* What was not used may be used later, for a twentieth of a second. */
void rate_use(struct fleet_rate *rate, ns_t now)
{
    ns_t floor = now > rate->burst ? now - rate->burst : 0;
    rate->next = HF_MAX(rate->next, floor) + rate->interval;
}

/* ---- which */

/* A node that is heard keeps what it serves, even when it does not reach the store. When the store shows less
 * than was seen before, it has forgotten, and what it says of owners is old: who had the shard claims it
 * again, unless it is dead. */
bool part_is_free(const struct fleet *fleet, const struct part *part)
{
    uint16_t owner = epoch_is_newer(part->seen, part->epoch) ? part->holder : part->owner;
    return owner == 0 || owner == fleet_self(fleet) || !peer_is_up(peer_get(fleet, owner));
}

/* We have it, and the table says that we do not, but nobody else: the store has forgotten. */
static bool part_is_forgotten(const struct fleet *fleet, const struct part *part)
{
    return part->state == PART_OWNED && (part->owner != fleet_self(fleet) || part->epoch != part->own_epoch);
}

/* We gave it, another took it, and the store has forgotten both: it is said once more that it is not ours, or
 * the other could not claim it again. */
static bool part_is_ghost(const struct fleet *fleet, const struct part *part)
{
    return part->state == PART_NONE && part->owner == fleet_self(fleet) && !part_is_free(fleet, part);
}

/* Who restarted finds shards that are its own by the table: nobody else may take them, wherever they belong
 * now. */
static bool part_is_mine(const struct fleet *fleet, const struct part *part)
{
    return part->wanted == fleet_self(fleet) || part->owner == fleet_self(fleet);
}

/* Released, and not yet taken by whom it belongs to: the next one stands in, then the one who gave it. */
static bool part_is_stray(const struct fleet *fleet, const struct part *part)
{
    return part->owner == 0 && part->epoch != 0 && (part->secondary == fleet_self(fleet) || part->was_given);
}

bool part_is_takeable(const struct fleet *fleet, const struct part *part)
{
    return part_is_forgotten(fleet, part) || part_is_ghost(fleet, part) ||
           (part->state == PART_NONE && !fleet->is_leaving && part_is_free(fleet, part) &&
            (part_is_mine(fleet, part) || part_is_stray(fleet, part)));
}

static ns_t take_due(const struct fleet *fleet, const struct part *part)
{
    if (part->state == PART_OWNED || part_is_mine(fleet, part)) {
        return part->retry_at;
    }
    ns_t patience = part->secondary == fleet_self(fleet) ? FLEET_SUBSTITUTE_NS : FLEET_GIVER_BACK_NS;
    return HF_MAX(part->retry_at, part->free_since + patience);
}

/* Of a node that died, and not released. */
static bool part_is_of_dead(const struct fleet *fleet, const struct part *part)
{
    return part->owner != 0 && part->owner != fleet_self(fleet);
}

/* ---- when: with a lease, and after all others were heard who may know of higher epochs (FLEET.md "Keys"),
 * or after the time in which they could have renewed their leases, if it was the store that was away */

static bool may_take(struct fleet *fleet)
{
    if (!fleet->lease.is_valid || !fleet->is_joined_view_read) {
        return false;
    }
    if (fleet->now >= fleet->lease.takes_from || peers_all_heard(fleet)) {
        return true;
    }
    fleet_wake(fleet, fleet->lease.takes_from);
    return false;
}

static void ghost_release(struct fleet *fleet, uint32_t shard)
{
    struct part *part = &fleet->parts[shard];
    part->retry_at = fleet->now + FLEET_RETRY_MAX_NS;
    fleet_emit(fleet, FLEET_EFFECT_STORE)->store = (struct store_op){.type = STORE_RELEASE,
                                                                     .token = ++fleet->next_token,
                                                                     .shard = (uint16_t)shard,
                                                                     .epoch = part->epoch,
                                                                     .replaces = STORE_NO_INDEX};
}

static void take(struct fleet *fleet, uint32_t shard)
{
    struct part *part = &fleet->parts[shard];
    if (part_is_ghost(fleet, part)) {
        ghost_release(fleet, shard);
        return;
    }
    part->is_again = part->state == PART_OWNED;
    part->is_substitute = !part->is_again && !part_is_mine(fleet, part);
    part->from = part_is_of_dead(fleet, part) && !part->is_again ? part->owner : 0;
    if (!part->is_again) {
        part->heir_of = part->from;
    }
    if (part->from != 0) {
        rate_use(&fleet->take_rate, fleet->now);
    }
    struct fleet_effect *effect = fleet_emit(fleet, FLEET_EFFECT_TAKE);
    effect->shard.shard = (uint16_t)shard;
    effect->shard.epoch = part->seen;
    effect->shard.to = 0;
    bit_set(fleet->takes, shard, false);
    part_set_state(fleet, shard, PART_TAKING);
}

void take_try(struct fleet *fleet, uint32_t shard)
{
    const struct part *part = &fleet->parts[shard];
    if (!part_is_of_dead(fleet, part) && fleet->now >= take_due(fleet, part) && may_take(fleet) &&
        parts_taking(fleet) < FLEET_TAKES_MAX) {
        take(fleet, shard);
    }
}

/* Takes what is due; false when no more can be taken for the time being. */
static bool take_next(struct fleet *fleet, uint32_t shard)
{
    const struct part *part = &fleet->parts[shard];
    ns_t due = take_due(fleet, part);
    if (fleet->now < due) {
        fleet_wake(fleet, due);
        return true;
    }
    if (parts_taking(fleet) >= FLEET_TAKES_MAX) {
        return false;
    }
    if (part_is_of_dead(fleet, part) && !rate_allows(&fleet->take_rate, fleet->now)) {
        fleet_wake(fleet, fleet->take_rate.next);
        return false;
    }
    if (fleet_room(fleet) <= FLEET_ROOM_ALWAYS) {
        fleet_wake(fleet, fleet->now);
        return false;
    }
    take(fleet, shard);
    return true;
}

/* Once around, from where the last step stopped. */
void takes_work(struct fleet *fleet)
{
    uint32_t from = fleet->take_next, first = bit_next(fleet->takes, from, fleet->num_parts);
    if ((first == fleet->num_parts && bit_next(fleet->takes, 0, from) == from) || !may_take(fleet)) {
        return;
    }
    uint32_t ends[2] = {fleet->num_parts, from}, shard = first;
    for (uint32_t half = 0; half < 2; half++) {
        while (shard < ends[half]) {
            if (!take_next(fleet, shard)) {
                fleet->take_next = shard;
                return;
            }
            shard = bit_next(fleet->takes, shard + 1, ends[half]);
        }
        shard = bit_next(fleet->takes, 0, from);
    }
}

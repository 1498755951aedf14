/* News that sum up: one line for many shards. */
#include "edge/session/fleet_internal.h"

/* Whether shards of this dead node are on the way to us, or should be. */
static bool takeover_goes_on(const struct fleet *fleet, uint16_t node)
{
    for (uint32_t i = 0; i < fleet->num_parts; i++) {
        const struct part *part = &fleet->parts[i];
        bool under_way = part->from == node && (part->state == PART_TAKING || part->state == PART_LOADING);
        if (under_way ||
            (part->owner == node && part->wanted == fleet_self(fleet) && bit_get(fleet->takes, i))) {
            return true;
        }
    }
    return false;
}

static void tell_takeovers(struct fleet *fleet)
{
    fleet->is_takeover_changed = false;
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        struct peer *peer = &fleet->peers[i];
        if (!peer->is_used || peer->taken == 0 || takeover_goes_on(fleet, peer->member.node)) {
            continue;
        }
        if (fleet_room(fleet) <= FLEET_ROOM_ALWAYS) {
            fleet->is_takeover_changed = true;
            fleet_wake(fleet, fleet->now);
            return;
        }
        ns_t took = peer->dead_at == 0 ? 0 : fleet->now - peer->dead_at;
        fleet_news(fleet, FLEET_NEWS_TAKEN_OVER, peer->member.node, peer->taken, took);
        peer->taken = 0;
    }
}

static void tell_given(struct fleet *fleet)
{
    bool goes_on =
        fleet->states[PART_GIVING] > 0 || bit_next(fleet->gives, 0, fleet->num_parts) < fleet->num_parts;
    if (fleet->given_untold > 0 && !goes_on) {
        fleet_news(fleet, FLEET_NEWS_GIVEN, 0, fleet->given_untold, fleet->now - fleet->gives_began);
        fleet->given_untold = 0;
    }
}

/* One line a second at most. */
static void tell_lost(struct fleet *fleet)
{
    if (fleet->lost_untold == 0) {
        return;
    }
    ns_t at = fleet->lost_told_at == 0 ? fleet->now : fleet->lost_told_at + NS_PER_S;
    if (fleet->now < at) {
        fleet_wake(fleet, at);
        return;
    }
    fleet_news(fleet, FLEET_NEWS_LOST, 0, fleet->lost_untold, 0);
    fleet->lost_untold = 0;
    fleet->lost_told_at = fleet->now;
}

static bool someone_may_own(const struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->num_members; i++) {
        if (fleet->members[i].may_own && fleet->members[i].id != fleet_self(fleet) &&
            fleet->members[i].weight > 0) {
            const struct peer *peer = peer_get(fleet, fleet->members[i].id);
            if (peer != NULL && !peer->is_draining) {
                return true;
            }
        }
    }
    return false;
}

static void tell_drain(struct fleet *fleet)
{
    if (!fleet->is_draining || !fleet->is_view_read || fleet->places_left > 0 || fleet->are_members_changed) {
        return;
    }
    if (parts_ours(fleet) + fleet->states[PART_TAKING] == 0) {
        if (!fleet->is_drained_told) {
            fleet_news(fleet, FLEET_NEWS_DRAINED, fleet_self(fleet), 0, 0);
        }
        fleet->is_drained_told = true;
    } else if (!fleet->is_drain_alone_told && !someone_may_own(fleet)) {
        fleet_news(fleet, FLEET_NEWS_DRAIN_ALONE, fleet_self(fleet), parts_ours(fleet), 0);
        fleet->is_drain_alone_told = true;
    }
}

void news_work(struct fleet *fleet)
{
    if (fleet->is_takeover_changed) {
        tell_takeovers(fleet);
    }
    tell_given(fleet);
    tell_lost(fleet);
    tell_drain(fleet);
}

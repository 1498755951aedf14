/* What the CLI and metrics show. */
#include "edge/session/fleet_internal.h"

static void count_shards(const struct fleet *fleet, struct fleet_member_view *ret_view)
{
    uint16_t node = ret_view->member.node;
    for (uint32_t i = 0; i < fleet->num_parts; i++) {
        const struct part *part = &fleet->parts[i];
        ret_view->owned += part->owner == node;
        ret_view->wanted += part->wanted == node;
        ret_view->secondary += part->secondary == node;
    }
}

static struct fleet_member_view self_view(const struct fleet *fleet, const struct peer *peer)
{
    struct fleet_member_view view = {.member = peer->member, .heard = 0, .view = fleet->view};
    view.member.is_draining = fleet->is_draining;
    view.state = fleet->lease.is_valid ? FLEET_MEMBER_LIVE : FLEET_MEMBER_ALONE;
    return view;
}

static struct fleet_member_view peer_view(const struct peer *peer, ns_t now)
{
    struct fleet_member_view view = {.member = peer->member, .heard = NS_NEVER, .view = peer->view};
    view.member.is_draining = peer->is_draining;
    view.state = peer_state(peer);
    if (peer->was_heard) {
        view.heard = now > peer->heard_at ? now - peer->heard_at : 0;
    }
    return view;
}

uint32_t fleet_members(const struct fleet *fleet, ns_t now, struct fleet_member_view *ret_views, uint32_t cap)
{
    uint32_t count = 0;
    for (uint16_t node = 1; node <= FLEET_NODE_MAX && count < cap; node++) {
        const struct peer *peer = peer_get(fleet, node);
        if (peer == NULL) {
            continue;
        }
        bool is_self = node == fleet_self(fleet);
        ret_views[count] = is_self ? self_view(fleet, peer) : peer_view(peer, now);
        count_shards(fleet, &ret_views[count++]);
    }
    return count;
}

struct fleet_shard_view fleet_shard(const struct fleet *fleet, uint16_t shard)
{
    hf_assert(shard < fleet->num_parts);
    const struct part *part = &fleet->parts[shard];
    return (struct fleet_shard_view){
        .owner = part->owner,
        .wanted = part->wanted == RENDEZVOUS_NOBODY ? 0 : part->wanted,
        .secondary = part->secondary == RENDEZVOUS_NOBODY ? 0 : part->secondary,
        .epoch = part->epoch,
        .is_moving = part->state != PART_NONE && part->state != PART_OWNED,
    };
}

void fleet_status(const struct fleet *fleet, ns_t now, struct fleet_status *ret_status)
{
    const struct fleet_own_lease *lease = &fleet->lease;
    *ret_status = (struct fleet_status){
        .has_lease = lease->is_valid,
        .is_draining = fleet->is_draining,
        .is_left = fleet->is_left,
        .lease_left = lease->is_valid && lease->valid_until > now ? lease->valid_until - now : 0,
        .view = fleet->view,
        .owned = parts_ours(fleet),
        .taking = parts_taking(fleet),
        .giving = fleet->states[PART_GIVING],
        .taken_total = fleet->taken_total,
        .given_total = fleet->given_total,
        .lost_total = fleet->lost_total,
        .failed_total = fleet->failed_total,
    };
    for (uint32_t i = 0; i < fleet->num_parts; i++) {
        ret_status->wanted += fleet->parts[i].wanted == fleet_self(fleet);
    }
}

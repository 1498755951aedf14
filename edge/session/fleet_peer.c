/* The other nodes: which there are, whether they are heard, and what the host must know of them. */
#include "edge/session/fleet_internal.h"

const struct peer *peer_get(const struct fleet *fleet, uint16_t node)
{
    uint16_t slot = node <= FLEET_NODE_MAX ? fleet->slot_of[node] : 0;
    return slot == 0 ? NULL : &fleet->peers[slot - 1];
}

struct peer *peer_of(struct fleet *fleet, uint16_t node)
{
    uint16_t slot = node <= FLEET_NODE_MAX ? fleet->slot_of[node] : 0;
    return slot == 0 ? NULL : &fleet->peers[slot - 1];
}

struct peer *peer_add(struct fleet *fleet, uint16_t node)
{
    struct peer *known = peer_of(fleet, node);
    if (known != NULL) {
        known->is_gone = false;
        return known;
    }
    for (uint32_t i = 0; i < FLEET_MEMBERS_MAX; i++) {
        struct peer *peer = &fleet->peers[i];
        if (!peer->is_used) {
            *peer = (struct peer){.is_used = true, .told = FLEET_MEMBER_DEAD, .is_changed = true};
            peer->member.node = node;
            fleet->slot_of[node] = (uint16_t)(i + 1);
            fleet->peers_end = HF_MAX(fleet->peers_end, i + 1);
            places_changed(fleet);
            return peer;
        }
    }
    return NULL;
}

static void peer_remove(struct fleet *fleet, struct peer *peer)
{
    fleet->slot_of[peer->member.node] = 0;
    *peer = (struct peer){.is_used = false};
    places_changed(fleet);
}

enum fleet_member_state peer_state(const struct peer *peer)
{
    if (peer->has_lease) {
        return peer->is_alive ? FLEET_MEMBER_LIVE : FLEET_MEMBER_SILENT;
    }
    return peer->is_alive ? FLEET_MEMBER_ALONE : FLEET_MEMBER_DEAD;
}

void peers_start(struct fleet *fleet)
{
    struct peer *self = peer_add(fleet, fleet_self(fleet));
    self->member = fleet->config.self;
    self->is_alive = true;
}

static bool is_other(const struct fleet *fleet, const struct peer *peer)
{
    return peer->is_used && peer->member.node != fleet_self(fleet);
}

void peers_forgive(struct fleet *fleet, ns_t slept)
{
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        struct peer *peer = &fleet->peers[i];
        if (is_other(fleet, peer) && peer->is_alive) {
            peer->heard_at += slept;
        }
    }
}

bool peers_all_heard(const struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        const struct peer *peer = &fleet->peers[i];
        if (is_other(fleet, peer) && !(peer->was_heard && peer->is_alive)) {
            return false;
        }
    }
    return true;
}

bool peers_are_settled(const struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        const struct peer *peer = &fleet->peers[i];
        if (is_other(fleet, peer) && peer->has_lease != (peer->is_alive && peer->was_heard)) {
            return false;
        }
    }
    return fleet->is_view_read && fleet->lease.is_valid;
}

/* ---- silence */

static ns_t silence_of(const struct fleet *fleet)
{
    return FLEET_SILENT_BEATS * fleet->config.heartbeat + fleet->config.heartbeat / 2;
}

/* A lease that was renewed shortly before its holder fell silent ends about a lease's time later: then it is
 * looked at often, for a while. */
static void watch_lease(struct fleet *fleet, const struct peer *peer)
{
    ns_t lease = fleet->config.lease, from = peer->heard_at + lease - lease / 4;
    if (fleet->now < from) {
        fleet->view_next = HF_MIN(fleet->view_next, from);
    } else if (fleet->now < peer->heard_at + 2 * lease) {
        fleet->view_next = HF_MIN(fleet->view_next, HF_MAX(from, fleet->view_at + lease / 8));
    }
}

static void peer_listen(struct fleet *fleet, struct peer *peer)
{
    ns_t silent_at = peer->heard_at + silence_of(fleet);
    if (peer->is_alive && fleet->now >= silent_at) {
        peer->is_alive = false;
        view_want_now(fleet);
        parts_touch_all(fleet);
    }
    if (peer->is_alive) {
        fleet_wake(fleet, silent_at);
    } else if (peer->has_lease) {
        watch_lease(fleet, peer);
    }
}

/* ---- what the host hears */

static void peer_tell_state(struct fleet *fleet, struct peer *peer)
{
    static const enum fleet_news news[] = {
        [FLEET_MEMBER_LIVE] = FLEET_NEWS_NODE_UP,
        [FLEET_MEMBER_SILENT] = FLEET_NEWS_NODE_SILENT,
        [FLEET_MEMBER_ALONE] = FLEET_NEWS_NODE_ALONE,
        [FLEET_MEMBER_DEAD] = FLEET_NEWS_NODE_DEAD,
    };
    enum fleet_member_state state = peer_state(peer);
    if (state != peer->told) {
        peer->told = (uint8_t)state;
        peer->is_changed = true;
        fleet_news(fleet, news[state], peer->member.node, 0, fleet->now - peer->heard_at);
    }
    if (peer->is_draining != peer->is_drain_told) {
        peer->is_drain_told = peer->is_draining;
        peer->is_changed = true;
        if (peer->is_draining) {
            fleet_news(fleet, FLEET_NEWS_NODE_DRAINS, peer->member.node, 0, 0);
        }
    }
}

static void peer_tell(struct fleet *fleet, struct peer *peer)
{
    peer_tell_state(fleet, peer);
    if (peer->is_changed) {
        peer->is_changed = false;
        struct fleet_effect *effect = fleet_emit(fleet, FLEET_EFFECT_MEMBER);
        effect->member.member = peer->member;
        effect->member.member.is_draining = peer->is_draining;
        effect->member.is_alive = peer->is_alive;
        effect->member.is_gone = peer->is_gone;
    }
}

void peers_work(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        struct peer *peer = &fleet->peers[i];
        if (!is_other(fleet, peer)) {
            continue;
        }
        peer_listen(fleet, peer);
        if (fleet_room(fleet) <= FLEET_ROOM_ALWAYS) {
            fleet_wake(fleet, fleet->now);
            return;
        }
        peer->is_changed |= peer->is_gone;
        peer_tell(fleet, peer);
        if (peer->is_gone) {
            peer_remove(fleet, peer);
        }
    }
}

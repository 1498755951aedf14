/* Heartbeats: what makes changes fast. They decide nothing. */
#include "edge/session/fleet_internal.h"

/* How long a change is repeated, against loss; by then a view has shown it. */
static ns_t repeat_of(const struct fleet *fleet)
{
    return HF_MAX(4 * fleet->config.heartbeat, fleet->config.lease);
}

/* ---- coming in */

static void changes_received(struct fleet *fleet, const struct fleet_heartbeat *heartbeat)
{
    hf_assert(heartbeat->num_changes <= FLEET_CHANGES_MAX);
    for (uint32_t i = 0; i < heartbeat->num_changes; i++) {
        const struct fleet_change *change = &heartbeat->changes[i];
        if (change->shard < fleet->num_parts) {
            part_change(fleet, change->shard, change->owner, change->epoch);
        }
    }
}

static void peer_heard(struct fleet *fleet, struct peer *peer, const struct fleet_heartbeat *heartbeat)
{
    peer->number = heartbeat->number;
    peer->view = heartbeat->view;
    peer->heard_at = fleet->now;
    peer->was_heard = true;
    if (!peer->is_alive || peer->beat_has_lease != heartbeat->has_lease) {
        parts_touch_all(fleet);
    }
    peer->is_alive = true;
    peer->beat_has_lease = heartbeat->has_lease;
    if (peer->is_draining != heartbeat->is_draining) {
        peer->is_draining = heartbeat->is_draining;
        places_changed(fleet);
    }
    if (heartbeat->view > fleet->view || heartbeat->has_lease != peer->has_lease) {
        view_want(fleet);
    }
}

static void beat_answer(struct fleet *fleet, struct peer *peer)
{
    peer->beat_at =
        HF_MIN(peer->beat_at, HF_MAX(fleet->now, peer->beat_sent_at + fleet->config.heartbeat / 4));
}

/* A process that has just joined is looked up at once; one that goes on talking may be a second node of that
 * number, and waits. */
static void stranger_heard(struct fleet *fleet, uint64_t instance)
{
    if (fleet->stranger != instance) {
        fleet->stranger = instance;
        view_want_now(fleet);
    } else {
        view_want(fleet);
    }
}

/* What names another process than ours may be old, and so may be what comes from another process than the one
 * in the table: only who speaks to us now counts as heard. */
void beat_received(struct fleet *fleet, const struct fleet_heartbeat *heartbeat)
{
    struct peer *peer = peer_of(fleet, heartbeat->node);
    if (heartbeat->node == fleet_self(fleet)) {
        return;
    }
    if (peer == NULL || peer->member.instance != heartbeat->instance) {
        stranger_heard(fleet, heartbeat->instance);
        return;
    }
    if (heartbeat->your_instance != fleet->config.self.instance) {
        beat_answer(fleet, peer);
        return;
    }
    if (heartbeat->number <= peer->number) {
        return; /* overtaken, or a copy */
    }
    peer_heard(fleet, peer, heartbeat);
    changes_received(fleet, heartbeat);
}

/* ---- going out */

void beat_hurry(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        if (fleet->peers[i].is_used) {
            beat_answer(fleet, &fleet->peers[i]);
        }
    }
}

void beat_change(struct fleet *fleet, uint16_t shard, uint16_t owner, uint16_t epoch, uint16_t to)
{
    fleet->changes[fleet->changes_next++ % FLEET_CHANGES_MAX] =
        (struct fleet_kept_change){.change = {shard, owner, epoch}, .at = fleet->now};
    beat_hurry(fleet);
    struct peer *taker = to == 0 ? NULL : peer_of(fleet, to);
    if (taker != NULL) {
        taker->beat_at = fleet->now;
    }
}

/* The newest first; then epochs that the store has forgotten, as many as there is room for. */
static void changes_write(struct fleet *fleet, struct fleet_heartbeat *ret_heartbeat)
{
    uint32_t kept = HF_MIN(fleet->changes_next, (uint32_t)FLEET_CHANGES_MAX);
    for (uint32_t i = 1; i <= kept; i++) {
        const struct fleet_kept_change *change =
            &fleet->changes[(fleet->changes_next - i) % FLEET_CHANGES_MAX];
        if (fleet->now - change->at > repeat_of(fleet)) {
            break;
        }
        ret_heartbeat->changes[ret_heartbeat->num_changes++] = change->change;
    }
    uint32_t from = fleet->forgotten_next;
    while (ret_heartbeat->num_changes < FLEET_CHANGES_MAX) {
        uint32_t shard = bit_next(fleet->forgotten, from, fleet->num_parts);
        if (shard == fleet->num_parts) {
            fleet->forgotten_next = 0; /* from the beginning, in the next one */
            return;
        }
        ret_heartbeat->changes[ret_heartbeat->num_changes++] =
            (struct fleet_change){(uint16_t)shard, FLEET_OWNER_UNKNOWN, fleet->parts[shard].seen};
        from = shard + 1;
    }
    fleet->forgotten_next = from;
}

static void beat_send(struct fleet *fleet, struct peer *peer)
{
    struct fleet_effect *effect = fleet_emit(fleet, FLEET_EFFECT_HEARTBEAT);
    struct fleet_heartbeat *heartbeat = &effect->heartbeat.heartbeat;
    effect->heartbeat.to = peer->member.node;
    effect->heartbeat.address = peer->member.address;
    heartbeat->node = fleet_self(fleet);
    heartbeat->instance = fleet->config.self.instance;
    heartbeat->your_instance = peer->member.instance;
    heartbeat->number = ++fleet->beats;
    heartbeat->is_draining = fleet->is_draining;
    heartbeat->has_lease = fleet->lease.is_valid;
    heartbeat->view = fleet->view;
    heartbeat->num_changes = 0;
    changes_write(fleet, heartbeat);
    peer->beat_sent_at = fleet->now;
    peer->beat_at = fleet->now + fleet->config.heartbeat;
}

void beats_work(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        struct peer *peer = &fleet->peers[i];
        if (!peer->is_used || peer->member.node == fleet_self(fleet) || !peer_is_up(peer)) {
            continue;
        }
        if (fleet->now >= peer->beat_at) {
            if (fleet_room(fleet) <= FLEET_ROOM_ALWAYS) {
                fleet_wake(fleet, fleet->now);
                return;
            }
            beat_send(fleet, peer);
        }
        fleet_wake(fleet, peer->beat_at);
    }
}

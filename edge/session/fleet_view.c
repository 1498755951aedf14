/* Reading the store's table. Records are kept until the store says that this was all of it; then it counts,
 * but for what is garbage. */
#include "edge/base/bytes.h"
#include "edge/session/fleet_internal.h"

void view_want(struct fleet *fleet)
{
    fleet->is_view_wanted = true;
}

void view_want_now(struct fleet *fleet)
{
    fleet->view_next =
        HF_MIN(fleet->view_next, HF_MAX(fleet->now, fleet->view_at + fleet->config.lease / 16));
}

/* ---- asking */

static void view_ask(struct fleet *fleet)
{
    struct fleet_reading *reading = &fleet->reading;
    reading->is_under_way = true;
    reading->is_bad = false;
    reading->has_owners = false;
    reading->token = ++fleet->next_token;
    reading->asked_at = fleet->now;
    reading->num_members = 0;
    reading->num_bad = 0;
    fleet->is_view_wanted = false;
    fleet->view_at = fleet->now;
    fleet->view_next = fleet->now + (peers_are_settled(fleet) ? FLEET_VIEW_LEASES : 1) * fleet->config.lease;
    fleet_emit(fleet, FLEET_EFFECT_STORE)->store =
        (struct store_op){.type = STORE_VIEW, .token = reading->token, .replaces = STORE_NO_INDEX};
}

void view_work(struct fleet *fleet)
{
    struct fleet_reading *reading = &fleet->reading;
    ns_t given_up = reading->asked_at + fleet->config.lease;
    if (fleet->lease.is_over) {
        return;
    }
    if (reading->is_under_way && fleet->now < given_up) {
        fleet_wake(fleet, given_up);
        return;
    }
    ns_t soon = fleet->is_view_wanted ? fleet->view_at + fleet->config.lease / 4 : NS_NEVER;
    ns_t due = HF_MIN(fleet->view_next, soon);
    if (fleet->now >= due) {
        view_ask(fleet);
        due = reading->asked_at + fleet->config.lease;
    }
    fleet_wake(fleet, due);
}

/* ---- records */

static bool is_all_zero(struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Nothing: nobody owns anything yet. Entries beyond the fleet's shards may be there, but of nobody. */
static void owners_record(struct fleet_reading *reading, uint32_t num_parts, struct span value)
{
    size_t len = (size_t)num_parts * STORE_OWNER_BYTES;
    if (value.len != 0 && (value.len < len || !is_all_zero(span_of(value.data + len, value.len - len)))) {
        reading->is_bad = true;
        return;
    }
    memset(reading->owners, 0, len);
    if (value.len > 0) {
        memcpy(reading->owners, value.data, len);
    }
    reading->has_owners = true;
}

static void member_record(struct fleet_reading *reading, const struct store_record *record)
{
    struct fleet_member *member = &reading->members[reading->num_members];
    if (record->index < 1 || record->index > FLEET_NODE_MAX || reading->num_members == FLEET_MEMBERS_MAX) {
        reading->is_bad = true;
    } else if (!fleet_member_decode(record->value, member) || member->node != record->index) {
        reading->is_bad = true;
        if (reading->num_bad < FLEET_MEMBERS_MAX) {
            reading->bad_nodes[reading->num_bad++] = (uint16_t)record->index;
        }
    } else {
        reading->has_lease[reading->num_members++] = record->epoch != 0;
    }
}

void view_record(struct fleet *fleet, const struct store_record *record)
{
    struct fleet_reading *reading = &fleet->reading;
    if (!reading->is_under_way || record->token != reading->token) {
        return;
    }
    if (record->index == STORE_NO_INDEX) {
        owners_record(reading, fleet->num_parts, record->value);
    } else {
        member_record(reading, record);
    }
}

/* ---- members */

static bool member_places_differ(const struct fleet_member *a, const struct fleet_member *b)
{
    return a->weight != b->weight || strcmp(a->site_name, b->site_name) != 0;
}

static bool member_differs(const struct fleet_member *a, const struct fleet_member *b)
{
    return member_places_differ(a, b) || a->mtu != b->mtu || a->instance != b->instance ||
           a->is_draining != b->is_draining || !ip_equal(&a->address, &b->address) ||
           strcmp(a->version, b->version) != 0;
}

/* Who is new in the table with a lease counts as heard until it has been silent for as long as others may. */
static void peer_begin(struct fleet *fleet, struct peer *peer, bool has_lease)
{
    peer->was_heard = false;
    peer->number = 0;
    peer->view = 0;
    peer->heard_at = fleet->now;
    peer->is_alive = has_lease;
    peer->beat_has_lease = has_lease;
    peer->beat_at = fleet->now;
}

static void lease_set(struct fleet *fleet, struct peer *peer, bool has_lease)
{
    if (peer->has_lease && !has_lease) {
        peer->dead_at = fleet->now;
        peer->taken = 0;
    }
    if (peer->has_lease != has_lease) {
        peer->has_lease = has_lease;
        places_changed(fleet);
    }
}

static void member_apply(struct fleet *fleet, const struct fleet_member *member, bool has_lease)
{
    struct peer *peer = peer_add(fleet, member->node);
    if (peer == NULL) {
        fleet->reading.is_bad = true;
        return;
    }
    peer->is_in_view = true;
    if (member->node == fleet_self(fleet)) {
        return;
    }
    if (member_places_differ(&peer->member, member) || peer->is_draining != member->is_draining) {
        places_changed(fleet);
    }
    if (peer->member.instance != member->instance || (has_lease && !peer->has_lease && !peer->is_alive)) {
        peer_begin(fleet, peer, has_lease);
    }
    peer->is_changed |= member_differs(&peer->member, member);
    peer->member = *member;
    peer->is_draining = member->is_draining;
    lease_set(fleet, peer, has_lease);
}

static bool is_bad_node(const struct fleet_reading *reading, uint16_t node)
{
    for (uint32_t i = 0; i < reading->num_bad; i++) {
        if (reading->bad_nodes[i] == node) {
            return true;
        }
    }
    return false;
}

/* Who is heard stays, whatever the table says: perhaps the store has lost it. */
static void members_apply(struct fleet *fleet)
{
    struct fleet_reading *reading = &fleet->reading;
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        fleet->peers[i].is_in_view = false;
    }
    for (uint32_t i = 0; i < reading->num_members; i++) {
        member_apply(fleet, &reading->members[i], reading->has_lease[i]);
    }
    for (uint32_t i = 0; i < fleet->peers_end; i++) {
        struct peer *peer = &fleet->peers[i];
        if (!peer->is_used || peer->is_in_view || peer->member.node == fleet_self(fleet) ||
            is_bad_node(reading, peer->member.node)) {
            continue;
        }
        lease_set(fleet, peer, false);
        if (!peer->is_alive && !peer->is_gone) {
            peer->is_gone = true;
            places_changed(fleet);
        }
    }
}

/* ---- owners */

static void owners_apply(struct fleet *fleet)
{
    struct fleet_reading *reading = &fleet->reading;
    for (uint32_t shard = 0; shard < fleet->num_parts; shard++) {
        const uint8_t *entry = reading->owners + (size_t)shard * STORE_OWNER_BYTES;
        uint16_t owner = be16_load(entry), epoch = be16_load(entry + 2);
        if (owner > FLEET_NODE_MAX || (owner != 0 && epoch == 0)) {
            reading->is_bad = true;
        } else {
            part_view(fleet, shard, owner, epoch, reading->asked_at);
        }
    }
}

static void view_judge(struct fleet *fleet)
{
    if (fleet->reading.is_bad && !fleet->is_view_bad_told) {
        fleet_news(fleet, FLEET_NEWS_VIEW_BAD, 0, 0, 0);
    }
    fleet->is_view_bad_told = fleet->reading.is_bad;
}

void view_answered(struct fleet *fleet, const struct store_done *done)
{
    struct fleet_reading *reading = &fleet->reading;
    if (!reading->is_under_way || done->token != reading->token) {
        return;
    }
    reading->is_under_way = false;
    if (done->result != STORE_OK) {
        fleet->is_view_wanted = true;
        return;
    }
    members_apply(fleet);
    if (reading->has_owners) {
        owners_apply(fleet);
    }
    fleet->view = done->view;
    fleet->is_view_read = true;
    fleet->is_joined_view_read |= fleet->lease.is_valid && reading->asked_at >= fleet->lease.joined_at;
    view_judge(fleet);
}

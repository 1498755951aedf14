/* Shards that come and go with their sessions. A session that is given away leaves in this order: its
 * children out of the plane, whose last counters are exact; its record with these; and when all of its shard
 * are written and the shard is released, the session itself. Until then it can stay: nothing of it is lost.
 */
#include "edge/ike/internal.h"

#define LEAVING_MAX 64 /* sessions of one shard between plane and store */
#define TAKEOVER_INTERVAL_NS (NS_PER_S / TAKEOVER_REKEYS_PER_S)

static uint32_t slot_at(const struct ike *ike, uint32_t position, uint32_t index)
{
    uint32_t slot = slab_slot(&ike->sas, position, index);
    return slot != SLAB_NONE && slab_is_used(&ike->sas, slot) ? slot : SLAB_NONE;
}

static void schedule_all(struct ike *ike, uint32_t position)
{
    for (uint32_t i = 0; i < ike->sas.per_shard && ike->sas.used_in[position] > 0; i++) {
        uint32_t slot = slot_at(ike, position, i);
        if (slot != SLAB_NONE) {
            sa_schedule(ike, &ike->sa[slot]);
        }
    }
}

void ike_shard_set(struct ike *ike, struct ike_time time, uint32_t position, enum ike_shard_state state)
{
    struct ike_shard *shard = &ike->shard[position];
    ike->time = time;
    ike->shards_here += state == IKE_SHARD_HERE ? 1 : 0;
    ike->shards_here -= shard->state == IKE_SHARD_HERE ? 1 : 0;
    shard->state = (uint8_t)state;
    shard->cursor = shard->waiting = 0;
    shard->failed = shard->again = false;
    schedule_all(ike, position);
}

bool ike_shard_is_here(const struct ike *ike, uint32_t position)
{
    return ike->shard[position].state == IKE_SHARD_HERE;
}

bool ike_shard_is_leaving(const struct ike *ike, uint32_t position)
{
    return ike->shard[position].state == IKE_SHARD_LEAVING;
}

uint32_t ike_shard_half_open(const struct ike *ike, uint32_t position)
{
    return ike->shard[position].half_open;
}

uint32_t ike_shard_restoring(const struct ike *ike, uint32_t position)
{
    return ike->shard[position].restoring;
}

uint32_t ike_shard_sessions(const struct ike *ike, uint32_t position)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ike->sas.per_shard && ike->sas.used_in[position] > 0; i++) {
        uint32_t slot = slot_at(ike, position, i);
        count += slot != SLAB_NONE &&
                         (ike->sa[slot].state == SA_ESTABLISHED || ike->sa[slot].state == SA_RESTORING)
                     ? 1
                     : 0;
    }
    return count;
}

void ike_shard_save(struct ike *ike, struct ike_time time, uint32_t position)
{
    ike->time = time;
    for (uint32_t i = 0; i < ike->sas.per_shard && ike->sas.used_in[position] > 0; i++) {
        uint32_t slot = slot_at(ike, position, i);
        if (slot != SLAB_NONE && ike->sa[slot].state == SA_ESTABLISHED) {
            ike->sa[slot].save_due = time.now;
            sa_schedule(ike, &ike->sa[slot]);
        }
    }
}

void ike_lease(struct ike *ike, struct ike_time time, bool may_begin)
{
    ike->time = time;
    if (ike->may_begin == may_begin) {
        return;
    }
    ike->may_begin = may_begin;
    for (uint32_t slot = 0; slot < slab_capacity(&ike->sas); slot++) {
        if (!slab_is_used(&ike->sas, slot)) {
            continue;
        }
        struct ike_sa *sa = &ike->sa[slot];
        if (may_begin && sa->unsaved) { /* the store may be back, too; not all at once */
            ns_t soon = time.now + rand_u64(&ike->config.rand) % NS_PER_S;
            sa->save_due = HF_MIN(sa->save_due, soon);
        }
        sa_schedule(ike, sa);
    }
}

/* ---- sessions that leave */

static void leave_write(struct ike *ike, struct ike_sa *sa)
{
    for (uint32_t i = 0; i < sa->num_children; i++) {
        sa->inexact |= ike->child[sa->children[i]].exposed;
    }
    sa->leave = LEAVE_STORE;
    sa->leave_token = sa_token(ike, sa);
    sa_put(ike, sa, sa->leave_token);
}

static void leave_begin(struct ike *ike, struct ike_sa *sa)
{
    struct ike_host *host = &ike->config.host;
    ike->shard[slab_position(&ike->sas, sa->slot)].waiting++;
    sa->leave = LEAVE_PLANE;
    sa->inexact = false;
    sa->leave_open = (uint8_t)sa->num_children;
    for (uint32_t i = 0; i < sa->num_children; i++) {
        struct ike_child *child = &ike->child[sa->children[i]];
        child->remove_token = sa_token(ike, sa);
        host->child_remove(host->context, child, child->remove_token);
    }
    if (sa->leave_open == 0) {
        leave_write(ike, sa);
    }
}

bool leave_removed(struct ike *ike, uint32_t slot, uint64_t token, const struct ike_traffic *traffic)
{
    struct ike_child *child = slab_is_used(&ike->children, slot) ? &ike->child[slot] : NULL;
    if (child == NULL || child->remove_token == 0 || child->remove_token != token) {
        return false;
    }
    struct ike_sa *sa = &ike->sa[child->sa];
    child->remove_token = child->sequence_token = 0;
    if (shard_state(ike, sa) == IKE_SHARD_AWAY) {
        return true; /* lost meanwhile */
    }
    if (traffic == NULL) {
        sa->inexact = true; /* the plane did not know it: what was reserved stays reserved */
    } else {
        sa->bytes_in += traffic->bytes_in;
        sa->bytes_out += traffic->bytes_out;
        child->bytes_in = child->bytes_out = 0;
        child->sequence_limit = HF_MAX(child->sequence_out, traffic->sequence_out);
        child->sequence_in = HF_MAX(child->sequence_in, traffic->sequence_in);
        ike_plane_volume(ike, slot, HF_MAX(traffic->bytes_in, traffic->bytes_out),
                         HF_MAX(traffic->packets_in, traffic->packets_out));
    }
    if (--sa->leave_open == 0) {
        leave_write(ike, sa);
    }
    return true;
}

bool leave_stored(struct ike *ike, struct ike_sa *sa, uint64_t token, bool ok)
{
    struct ike_shard *shard = &ike->shard[slab_position(&ike->sas, sa->slot)];
    if (sa->leave != LEAVE_STORE || sa->leave_token != token) {
        return false;
    }
    hf_assert(shard->waiting > 0);
    shard->waiting--;
    sa->leave = LEAVE_DONE;
    if (ok) {
        sa->stale = SLOT_NONE;
    } else {
        ike->counters.store_failures++;
        shard->failed = true;
    }
    return true;
}

enum ike_leaving ike_shard_leave(struct ike *ike, struct ike_time time, uint32_t position, uint32_t most)
{
    struct ike_shard *shard = &ike->shard[position];
    ike->time = time;
    hf_assert(shard->state == IKE_SHARD_LEAVING);
    if (shard->failed) {
        return shard->waiting == 0 ? IKE_LEAVING_FAILED : IKE_LEAVING_WAITS;
    }
    while (shard->cursor < ike->sas.per_shard && most > 0 && shard->waiting < LEAVING_MAX) {
        uint32_t slot = slot_at(ike, position, shard->cursor++);
        struct ike_sa *sa = slot == SLAB_NONE ? NULL : &ike->sa[slot];
        if (sa == NULL || sa->leave != LEAVE_NOT) {
            continue;
        }
        if (sa->wait != WAIT_NOTHING) {
            shard->again = true; /* plane or store will answer, and then it is looked at once more */
        } else if (sa->state == SA_ESTABLISHED) {
            leave_begin(ike, sa);
            most--;
        }
    }
    if (shard->cursor < ike->sas.per_shard) {
        return most == 0 ? IKE_LEAVING_ON : IKE_LEAVING_WAITS;
    }
    if (shard->again) {
        shard->again = false;
        shard->cursor = 0;
        return IKE_LEAVING_WAITS;
    }
    return shard->waiting == 0 ? IKE_LEAVING_DONE : IKE_LEAVING_WAITS;
}

/* As after a restart: above the last number, and what comes next is reserved in the store. */
static void stay(struct ike *ike, struct ike_sa *sa)
{
    for (uint32_t i = 0; i < sa->num_children; i++) {
        struct ike_child *child = &ike->child[sa->children[i]];
        child->sequence_out = child->sequence_limit;
        child->sequence_limit += ESP_SEQUENCE_STEP;
        child->before.bytes += child->volume.bytes;
        child->before.packets += child->volume.packets;
        child->volume = (struct child_volume){0};
        child_reinstall(ike, sa, child);
    }
    sa->leave = LEAVE_NOT;
    sa_save(ike, sa);
}

bool ike_shard_stay(struct ike *ike, struct ike_time time, uint32_t position, uint32_t most)
{
    struct ike_shard *shard = &ike->shard[position];
    ike->time = time;
    while (shard->cursor < ike->sas.per_shard && most > 0) {
        uint32_t slot = slot_at(ike, position, shard->cursor++);
        if (slot != SLAB_NONE && ike->sa[slot].leave != LEAVE_NOT) {
            stay(ike, &ike->sa[slot]);
            most--;
        }
    }
    return shard->cursor >= ike->sas.per_shard;
}

/* ---- sessions that are forgotten: nobody is told, neither client nor store */

static void sa_forget(struct ike *ike, struct ike_sa *sa)
{
    bool session = sa->state == SA_ESTABLISHED || sa->state == SA_RESTORING;
    if (sa->state == SA_RESTORING) {
        ike->shard[slab_position(&ike->sas, sa->slot)].restoring--;
    }
    if (session) {
        ike->counters.sessions--;
        ike->counters.unsaved -= sa->unsaved ? 1 : 0;
        ike->counters.given += sa->leave == LEAVE_DONE ? 1 : 0;
        ike->counters.ended[CAUSE_NOT_OURS] += sa->leave == LEAVE_DONE ? 0 : 1;
    } else {
        ike->counters.handshakes[CAUSE_NOT_OURS] += sa->state == SA_HALF_OPEN ? 1 : 0;
    }
    pending_sa_free(ike, sa);
    if (sa->leave == LEAVE_NOT) {
        sa_drop_children(ike, sa, CAUSE_NONE);
    }
    while (sa->num_children > 0) { /* out of the plane already */
        child_free(ike, &ike->child[sa->children[sa->num_children - 1]]);
    }
    sa_free_addresses(ike, sa);
    sa_unlink_peer(ike, sa);
    sa->connection[0] = '\0';
    sa_free(ike, sa);
}

void ike_drop_copy(struct ike *ike, struct ike_time time, uint64_t token)
{
    ike->time = time;
    sa_forget(ike, &ike->sa[(uint32_t)token]);
}

/* What is no session: the one that a request of ours is to make goes with the request. */
static void rest_forget(struct ike *ike, struct ike_sa *sa)
{
    struct ike_sa *owner = slab_is_used(&ike->sas, sa->successor) ? &ike->sa[sa->successor] : NULL;
    if (owner != NULL && owner->request.sa == sa->slot) {
        request_clear(ike, owner);
    } else {
        sa_free(ike, sa);
    }
}

bool ike_shard_forget(struct ike *ike, struct ike_time time, uint32_t position, uint32_t most)
{
    struct ike_shard *shard = &ike->shard[position];
    uint32_t per_shard = ike->sas.per_shard;
    ike->time = time;
    hf_assert(shard->state == IKE_SHARD_AWAY);
    for (; shard->cursor < 2 * per_shard && most > 0; shard->cursor++) {
        bool first = shard->cursor < per_shard; /* sessions go before what belongs to them */
        uint32_t slot = slot_at(ike, position, shard->cursor % per_shard);
        if (slot == SLAB_NONE) {
            continue;
        }
        struct ike_sa *sa = &ike->sa[slot];
        bool session = sa->state == SA_ESTABLISHED || sa->state == SA_RESTORING || sa->state == SA_HALF_OPEN;
        if (first && session) {
            most--;
            sa_forget(ike, sa);
        } else if (!first) {
            rest_forget(ike, sa);
        }
    }
    bool done = shard->cursor == 2 * per_shard;
    hf_assert(!done || (ike->sas.used_in[position] == 0 && ike->children.used_in[position] == 0));
    return done;
}

/* ---- children of whose past not all is known */

ns_t takeover_turn(struct ike *ike)
{
    ike->takeover_next = HF_MAX(ike->takeover_next, ike->time.now) + TAKEOVER_INTERVAL_NS;
    return ike->takeover_next + rand_u64(&ike->config.rand) % TAKEOVER_INTERVAL_NS;
}

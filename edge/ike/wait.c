/* Effects in order. An answer that creates something leaves only when the data plane has it and the store has
 * written it; when one of them fails, the answer changes and nothing is left behind. */
#include "edge/ike/internal.h"

#define SAVE_AGAIN_NS (30 * NS_PER_S)
#define AUTH_GRACE_NS (10 * NS_PER_S) /* a client's clock for RFC 4478 starts later than ours */

static struct ike_host *host_of(struct ike *ike)
{
    return &ike->config.host;
}

/* Where a former record of this session may still be. A slot that was used again since holds another's. */
static uint32_t stale_of(const struct ike *ike, const struct ike_sa *sa)
{
    bool still = sa->stale != SLOT_NONE && ike->sas.generation[sa->stale] == sa->stale_generation;
    return still ? sa->stale : SLOT_NONE;
}

static void stale_set(const struct ike *ike, struct ike_sa *sa, uint32_t slot)
{
    sa->stale = slot;
    sa->stale_generation = ike->sas.generation[slot];
}

/* Whether a write is carried out is not known before it is answered, and perhaps not even then. */
void sa_put(struct ike *ike, struct ike_sa *subject, uint64_t token)
{
    struct ike_host *host = host_of(ike);
    subject->record_exists = true;
    host->record_put(host->context, subject, stale_of(ike, subject), token);
}

void sa_erase(struct ike *ike, struct ike_sa *sa)
{
    struct ike_host *host = host_of(ike);
    uint32_t stale = stale_of(ike, sa);
    if (stale != SLOT_NONE) {
        host->record_delete(host->context, stale);
    }
    if (sa->record_exists) {
        host->record_delete(host->context, sa->slot);
    }
    if (sa->pending_sa != SLOT_NONE && ike->sa[sa->pending_sa].record_exists) {
        host->record_delete(host->context, sa->pending_sa);
    }
}

/* The new IKE SA of a rekey carries the record; any other wait is about the SA itself. */
static struct ike_sa *wait_subject(struct ike *ike, struct ike_sa *sa)
{
    return sa->pending == PENDING_IKE_REKEY || sa->pending == PENDING_OWN_IKE ? &ike->sa[sa->pending_sa] : sa;
}

void wait_store(struct ike *ike, struct ike_sa *sa)
{
    struct ike_sa *subject = wait_subject(ike, sa);
    if (subject != sa) {
        uint32_t older = stale_of(ike, sa);
        if (older != SLOT_NONE) {
            host_of(ike)->record_delete(host_of(ike)->context, older);
        }
        stale_set(ike, subject, sa->slot);
    }
    sa->wait = WAIT_STORE;
    sa->wait_token = sa_token(ike, sa);
    sa_put(ike, subject, sa->wait_token);
}

static uint64_t child_install(struct ike *ike, const struct ike_sa *sa, struct ike_child *child)
{
    child_limit(ike, child);
    child->install_token = sa_token(ike, sa);
    host_of(ike)->child_install(host_of(ike)->context, sa, child, child->install_token);
    return child->install_token;
}

void child_reinstall(struct ike *ike, const struct ike_sa *sa, struct ike_child *child)
{
    (void)child_install(ike, sa, child);
}

void wait_begin(struct ike *ike, struct ike_sa *sa, enum sa_pending pending)
{
    sa->pending = pending;
    if (sa->pending_child == SLOT_NONE || pending == PENDING_RESTORE) {
        wait_store(ike, sa);
        return;
    }
    sa->wait = WAIT_PLANE;
    sa->wait_token = child_install(ike, sa, &ike->child[sa->pending_child]);
}

static void session_begin(struct ike *ike, struct ike_sa *sa)
{
    const struct policy_timers *timers = &ike->policy->timers;
    sa->state = SA_ESTABLISHED;
    /* Spread: a thousand sessions that a restart brings back together do not ask or end together. */
    ns_t spread = rand_u64(&ike->config.rand) % (timers->dpd_idle / 4 + 1);
    sa->expires = ike->time.now + timers->ike_lifetime + spread;
    sa->dpd_due = timers->dpd_idle == 0 ? NS_NEVER : ike->time.now + timers->dpd_idle + spread;
    sa->last_in = ike->time.now;
    sa->rekey_at = soft_due(ike, timers->ike_rekey);
    if (sa->auth_until_unix_s != 0) {
        int64_t left_s = HF_MAX(sa->auth_until_unix_s - ike->time.unix_s, INT64_C(0));
        sa->auth_end = ike->time.now + (ns_t)left_s * NS_PER_S + AUTH_GRACE_NS;
    }
    childless_arm(ike, sa);
    children_arm(ike, sa);
}

/* What sa_close() of a session adds: its children go, its records, and the log is told. A child that replaces
 * another comes after it in the list, and goes before it: nothing is left to take the traffic over. */
#define CLOSE_EFFECTS (CHILD_PER_SA_MAX + 3 + 1)
/* The most that one step does: a login that replaces others. Its write may be the one that the store takes
 * again, or failed at once. */
#define LOGIN_EFFECTS (IKE_FRAGMENTS_SENT_MAX + 1 + QUIRK_COUNT + 2)
_Static_assert(LOGIN_EFFECTS + DISCONNECTS_PER_STEP * CLOSE_EFFECTS <= EFFECTS_MAX, "room for all effects");

/* RFC 7296 2.4: the client says that it has no other session; those that it had under this identity are
 * stale. */
void ike_replaced(struct ike *ike, struct ike_time time, const struct identity *id, const char *connection,
                  ns_t before)
{
    ike->time = time;
    uint32_t slot = sa_first_of_peer(ike, id, connection);
    for (uint32_t closed = 0; slot != SLOT_NONE && closed < DISCONNECTS_PER_STEP;) {
        struct ike_sa *other = &ike->sa[slot];
        slot = other->peer_next;
        if (other->established < before && other->state == SA_ESTABLISHED && other->wait == WAIT_NOTHING &&
            !is_still(ike, other) && identity_equal(other->remote_id, id)) {
            sa_close(ike, other, CAUSE_REPLACED, true);
            closed++;
        }
    }
}

static void finish_auth(struct ike *ike, struct ike_sa *sa)
{
    gate_welcome(ike, &ike->half_open[sa->half_open]);
    half_open_free(ike, sa);
    session_begin(ike, sa);
    sa->established = ike->time.now;
    ike->counters.sessions++;
    ike->counters.handshakes_ok++;
    sa_send_response(ike, sa);
    host_of(ike)->news(host_of(ike)->context, NEWS_SESSION_UP, sa, NULL, CAUSE_NONE,
                       sa->resumed_from != 0 ? "resumed" : NULL);
    quirks_announce(ike, sa);
    resume_done(ike, sa);
    if (sa->initial_contact) {
        ike_replaced(ike, ike->time, sa->remote_id, sa->connection, sa->established);
    }
}

static void finish_child(struct ike *ike, struct ike_sa *sa, struct ike_child *child)
{
    if (child->rekeys != SLOT_NONE) {
        ike->child[child->rekeys].state = CHILD_REPLACED;
        ike->counters.child_rekeys++;
    }
    children_arm(ike, sa);
    sa_send_response(ike, sa);
    host_of(ike)->news(host_of(ike)->context, NEWS_CHILD_UP, sa, child, CAUSE_NONE, NULL);
}

/* The session moves to the new IKE SA; the old one stays only to be deleted by who asked for the new one (RFC
 * 7296 2.8). */
static struct ike_sa *session_move(struct ike *ike, struct ike_sa *old)
{
    struct ike_sa *new = &ike->sa[old->pending_sa];
    old->pending_sa = SLOT_NONE;
    sa_unlink_peer(ike, old);
    old->connection[0] = '\0';
    /* As they are now: children may have gone while the record was written, and the client may have moved. */
    new->num_children = old->num_children;
    memcpy(new->children, old->children, sizeof(new->children));
    new->local = old->local;
    new->remote = old->remote;
    new->natt = old->natt;
    new->childless_end = old->childless_end;
    new->shares = old->shares;
    mobike_hand_over(new, old);
    if (ike_former(ike, new) != NULL) {
        ike->sa[new->replaces].successor = new->slot;
    }
    for (uint32_t i = 0; i < new->num_children; i++) {
        ike->child[new->children[i]].sa = new->slot;
    }
    old->num_children = old->num_addresses = 0;
    old->record_exists = false;
    old->unsaved = false; /* the new one took it over when it was made */
    old->stale = SLOT_NONE;
    sa_link_peer(ike, new);
    session_begin(ike, new);
    old->state = SA_REKEYED;
    old->dpd_due = old->save_due = old->child_due = old->rekey_at = NS_NEVER;
    new->redirect_at = old->redirect_at;
    old->childless_end = old->auth_end = old->redirect_at = NS_NEVER;
    old->expires = ike->time.now + REKEYED_LINGER_NS;
    ike->counters.ike_rekeys++;
    host_of(ike)->news(host_of(ike)->context, NEWS_IKE_REKEYED, new, NULL, CAUSE_NONE, NULL);
    mobike_resume(ike, new);
    sa_schedule(ike, new);
    return new;
}

/* The plane prefers what it was given last, and sessions come back in any order: who logged in last has the
 * address that they share. */
static void yield_address(struct ike *ike, const struct ike_sa *sa)
{
    for (uint32_t i = 0; sa->shares && i < sa->num_addresses; i++) {
        const struct ike_sa *latest = sa_sharing(ike, sa, &sa->addresses[i]);
        bool later = latest != NULL && latest->turn > sa->turn && latest->state == SA_ESTABLISHED;
        for (uint32_t c = 0; later && c < latest->num_children; c++) {
            const struct ike_child *child = &ike->child[latest->children[c]];
            if (child->outbound) {
                host_of(ike)->child_outbound(host_of(ike)->context, child);
            }
        }
    }
}

static void finish_restore(struct ike *ike, struct ike_sa *sa)
{
    ike->shard[slab_position(&ike->sas, sa->slot)].restoring--;
    session_begin(ike, sa);
    ike->counters.restored++;
    for (uint32_t i = 0; i < sa->num_children; i++) {
        (void)child_install(ike, sa, &ike->child[sa->children[i]]);
    }
    yield_address(ike, sa);
    host_of(ike)->news(host_of(ike)->context, NEWS_SESSION_RESTORED, sa, NULL, CAUSE_NONE, NULL);
    rekey_ike_done(ike, sa);
    rekey_ike_ask(ike, sa);
}

static void finish_own_rekey(struct ike *ike, struct ike_sa *new)
{
    rekey_ike_done(ike, new);
    token_renew(ike, new);
}

static void wait_finish(struct ike *ike, struct ike_sa *sa)
{
    enum sa_pending pending = sa->pending;
    uint32_t child = sa->pending_child;
    sa->wait = WAIT_NOTHING;
    sa->pending = PENDING_NONE;
    sa->pending_child = SLOT_NONE;
    switch (pending) {
    case PENDING_AUTH:
        finish_auth(ike, sa);
        break;
    case PENDING_CHILD:
        finish_child(ike, sa, &ike->child[child]);
        break;
    case PENDING_IKE_REKEY:
        (void)session_move(ike, sa);
        sa_send_response(ike, sa);
        rekey_ike_urge(ike, sa);
        break;
    case PENDING_OWN_ASK:
        rekey_ike_ask(ike, sa);
        break;
    case PENDING_OWN_IKE:
        ike->counters.own_ike_rekeys++;
        finish_own_rekey(ike, session_move(ike, sa));
        break;
    case PENDING_ANSWER:
        sa_send_response(ike, sa);
        break;
    case PENDING_MOVE:
        sa_send_response(ike, sa);
        mobike_resume(ike, sa);
        break;
    case PENDING_RESTORE:
        finish_restore(ike, sa);
        break;
    case PENDING_OWN_CHILD:
        rekey_child_done(ike, sa, &ike->child[child]);
        break;
    case PENDING_RESUME: /* resume_checked() */
    case PENDING_NONE:
        break;
    }
    sa_schedule(ike, sa);
}

void pending_sa_free(struct ike *ike, struct ike_sa *sa)
{
    if (sa->pending_sa == SLOT_NONE) {
        return;
    }
    struct ike_sa *new = &ike->sa[sa->pending_sa];
    if (sa->request.rival_sa == new->slot) {
        sa->request.rival_sa = SLOT_NONE;
    }
    new->num_children = new->num_addresses = 0; /* still the old IKE SA's */
    new->connection[0] = '\0';
    sa_free(ike, new);
    sa->pending_sa = SLOT_NONE;
}

static bool answer_seal(struct ike *ike, struct ike_sa *sa, uint8_t exchange, uint16_t notify)
{
    struct builder b;
    chain_start(ike, &b);
    build_notify(&b, PROTOCOL_NONE, (struct span){0}, notify, (struct span){0});
    return sa_respond(ike, sa, exchange, &b);
}

/* Undoes what the request would have created and answers that it may be tried again. */
static void wait_failed(struct ike *ike, struct ike_sa *sa, enum cause cause)
{
    enum sa_pending pending = sa->pending;
    uint8_t exchange = pending == PENDING_AUTH ? IKE_AUTH : CREATE_CHILD_SA;
    sa->wait = WAIT_NOTHING;
    sa->pending = PENDING_NONE;
    if (pending == PENDING_OWN_ASK) {
        rekey_ike_ask_later(ike, sa);
        sa_schedule(ike, sa);
        return;
    }
    if (pending == PENDING_OWN_CHILD) {
        uint32_t own = sa->pending_child;
        sa->pending_child = SLOT_NONE;
        rekey_child_undo(ike, sa, &ike->child[own]);
        sa_schedule(ike, sa);
        return;
    }
    if (sa->pending_child != SLOT_NONE) {
        struct ike_child *child = &ike->child[sa->pending_child];
        sa->pending_child = SLOT_NONE;
        child->rekeys = SLOT_NONE;
        child_close(ike, child, CAUSE_NONE);
    }
    if (pending == PENDING_IKE_REKEY) {
        stale_set(ike, sa, sa->pending_sa); /* the write may have been carried out all the same */
    }
    pending_sa_free(ike, sa);
    sa->peer_next_id--; /* the answer under this id never left */
    bool answered = answer_seal(ike, sa, exchange, NOTIFY_TEMPORARY_FAILURE);
    if (answered && cause == CAUSE_PLANE && pending != PENDING_AUTH) {
        /* After a restart the same request must be refused again, not tried again. */
        wait_begin(ike, sa, PENDING_ANSWER);
    } else if (answered) {
        sa_send_response(ike, sa);
    }
    if (pending == PENDING_AUTH) {
        ike->counters.handshakes[cause]++;
        host_of(ike)->news(host_of(ike)->context, NEWS_LOGIN_FAILED, sa, NULL, cause, NULL);
        sa_close(ike, sa, cause, true);
    }
    sa_schedule(ike, sa);
}

void ike_plane_done(struct ike *ike, struct ike_time time, uint64_t token, uint32_t child, bool ok)
{
    ike->time = time;
    if (!slab_is_used(&ike->children, child) || ike->child[child].install_token != token) {
        return; /* it is gone, and its place may be another's */
    }
    struct ike_sa *sa = &ike->sa[(uint32_t)token];
    if (shard_state(ike, sa) == IKE_SHARD_AWAY) {
        return;
    }
    if (ok && ike->child[child].state == CHILD_INSTALLING) {
        ike->child[child].state = CHILD_INSTALLED;
        children_arm(ike, &ike->sa[ike->child[child].sa]); /* of a restored session: it may be due */
        sa_schedule(ike, &ike->sa[ike->child[child].sa]);
    }
    if (sa->wait == WAIT_PLANE && sa->wait_token == token) {
        if (ok) {
            wait_store(ike, sa);
        } else {
            wait_failed(ike, sa, CAUSE_PLANE);
        }
    } else if (!ok) {
        /* Of a restored session. Half a session is worse than none: the client is told, and dials again. */
        ike_disconnect_sa(ike, &ike->sa[ike->child[child].sa], CAUSE_PLANE); /* it may have been rekeyed */
    }
}

void sa_save(struct ike *ike, struct ike_sa *sa)
{
    sa->save_token = sa_token(ike, sa);
    sa_put(ike, sa, sa->save_token);
}

/* The plane may use the numbers that this write reserved. When the write failed it may, too: traffic is worth
 * more than the sure way on after a crash that may not come. */
static void sequences_grant(struct ike *ike, struct ike_sa *sa, uint64_t token)
{
    for (uint32_t i = 0; i < sa->num_children; i++) {
        struct ike_child *child = &ike->child[sa->children[i]];
        if (child->sequence_token != 0 && token_reaches(token, child->sequence_token)) {
            child->sequence_token = 0;
            host_of(ike)->child_sequence(host_of(ike)->context, child);
        }
    }
}

static void sa_saved(struct ike *ike, struct ike_sa *sa, uint64_t token, bool ok)
{
    struct ike_host *host = host_of(ike);
    sequences_grant(ike, sa, token);
    if (ok) {
        sa->stale = SLOT_NONE;
        sa->save_due = NS_NEVER;
        if (sa->unsaved) {
            sa->unsaved = false;
            ike->counters.unsaved--;
            host->news(host->context, NEWS_STORE_RECOVERED, sa, NULL, CAUSE_NONE, NULL);
        }
        return;
    }
    ike->counters.store_failures++;
    sa->save_due = ike->time.now + SAVE_AGAIN_NS;
    if (!sa->unsaved) {
        sa->unsaved = true;
        ike->counters.unsaved++;
        host->news(host->context, NEWS_STORE_FAILED, sa, NULL, CAUSE_STORE, NULL);
    }
}

/* What the request wanted is not done without a record. The session itself goes on, and is written again as
 * it is: the store may hold what was refused. */
static void wait_refused(struct ike *ike, struct ike_sa *sa)
{
    bool session = sa->pending != PENDING_AUTH;
    wait_failed(ike, sa, CAUSE_STORE);
    if (session) {
        sa_saved(ike, sa, sa->wait_token, false);
        sa_schedule(ike, sa);
    } else {
        ike->counters.store_failures++;
    }
}

uint64_t ike_token(const struct ike *ike)
{
    return token_make(token_next(ike->next_token), 0);
}

bool ike_token_is_older(uint64_t token, uint64_t than)
{
    return !token_reaches(token, than);
}

static void written(struct ike *ike, struct ike_sa *sa, uint64_t token, bool waits, bool ok)
{
    /* The client has moved to the IKE SA that we asked for: there is no way back. */
    bool creates = sa->pending != PENDING_RESTORE && sa->pending != PENDING_ANSWER &&
                   sa->pending != PENDING_OWN_IKE && sa->pending != PENDING_MOVE;
    if (waits && !ok && creates && ike->policy->store_failure == POLICY_STORE_REFUSE) {
        wait_refused(ike, sa);
        return;
    }
    struct ike_sa *subject = waits ? wait_subject(ike, sa) : sa;
    sa_saved(ike, subject, token, ok);
    if (!waits && sa->pending_sa != SLOT_NONE) {
        ike->sa[sa->pending_sa].unsaved =
            sa->unsaved; /* a save overtaken by a rekey: one session, one gauge */
    }
    if (waits) {
        wait_finish(ike, sa);
    }
    sa_schedule(ike, subject);
}

bool ike_store_done(struct ike *ike, struct ike_time time, uint64_t token, enum ike_store_result result)
{
    ike->time = time;
    uint32_t slot = (uint32_t)token;
    if (!slab_is_used(&ike->sas, slot) || shard_state(ike, &ike->sa[slot]) == IKE_SHARD_AWAY) {
        return false;
    }
    struct ike_sa *sa = &ike->sa[slot];
    bool waits = sa->wait == WAIT_STORE && sa->wait_token == token;
    bool leaves = sa->leave == LEAVE_STORE && sa->leave_token == token;
    if (!waits && !leaves && sa->save_token != token) {
        return false;
    }
    if (waits && sa->pending == PENDING_RESUME) { /* whether its ticket was seen before */
        resume_checked(ike, sa, result);
        return false;
    }
    if (result == IKE_STORE_FENCED) {
        return true;
    }
    if (!leave_stored(ike, sa, token, result == IKE_STORE_OK)) {
        written(ike, sa, token, waits, result == IKE_STORE_OK);
    }
    return false;
}

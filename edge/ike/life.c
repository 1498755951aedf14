/* How long things live and how they end. */
#include "edge/ike/internal.h"

#define LINGER_NS (10 * NS_PER_S)       /* answers to retransmissions of the last request */
#define ANSWER_KNOWN_NS (60 * NS_PER_S) /* by then a client has it, or has given up */
#define LIFETIME_AGAIN_NS (1 * NS_PER_S)
#define SAVE_LATER_NS (1 * NS_PER_S)
#define IDLE_ANSWER_NS (100 * NS_PER_MS) /* the plane answers child_read within this */

/* The end of a session is told the client, which only its owner may do. */
static bool may_expire(const struct ike *ike, const struct ike_sa *sa)
{
    return sa->state != SA_ESTABLISHED || may_begin(ike, sa);
}

void sa_schedule(struct ike *ike, struct ike_sa *sa)
{
    ns_t due = HF_MIN(sa->save_due, sa->response_expires);
    due = may_expire(ike, sa) ? HF_MIN(due, sa->expires) : due;
    if (may_begin(ike, sa)) {
        due = HF_MIN(due, HF_MIN(sa->request.next_try, HF_MIN(sa->childless_end, sa->auth_end)));
        due = HF_MIN(due, HF_MIN(sa->dpd_due, HF_MIN(sa->child_due, HF_MIN(sa->rekey_at, sa->redirect_at))));
    }
    heap_set(&ike->timers, sa->slot, is_still(ike, sa) ? NS_NEVER : due);
}

/* A child goes that our request in flight speaks of. */
static void request_let_go(struct ike_sa *sa, const struct ike_child *child)
{
    struct sa_request *request = &sa->request;
    request->child = request->child == child->slot ? SLOT_NONE : request->child;
    request->rekeys = request->rekeys == child->slot ? SLOT_NONE : request->rekeys;
    request->rival = request->rival == child->slot ? SLOT_NONE : request->rival;
}

void child_close(struct ike *ike, struct ike_child *child, enum cause cause)
{
    struct ike_host *host = &ike->config.host;
    struct ike_sa *sa = &ike->sa[child->sa];
    bool replaced = false;
    for (uint32_t i = 0; i < sa->num_children; i++) {
        struct ike_child *other = &ike->child[sa->children[i]];
        replaced |= other != child && other->rekeys == child->rekeys;
        if (other->rekeys == child->slot) {
            other->rekeys = SLOT_NONE;
            if (!other->outbound) {
                other->outbound = true;
                host->child_outbound(host->context, other);
            }
        }
    }
    if (child->rekeys != SLOT_NONE && !replaced) { /* the new one goes: the old one may be rekeyed again */
        ike->child[child->rekeys].state = CHILD_INSTALLED;
        ike->child[child->rekeys].doomed = false;
    }
    request_let_go(sa, child);
    host->child_remove(host->context, child, sa_removal_token(sa));
    if (cause != CAUSE_NONE) {
        host->news(host->context, NEWS_CHILD_DOWN, sa, child, cause, NULL);
    }
    child_free(ike, child);
}

void sa_drop_children(struct ike *ike, struct ike_sa *sa, enum cause cause)
{
    while (sa->num_children > 0) {
        child_close(ike, &ike->child[sa->children[sa->num_children - 1]], cause);
    }
}

void sa_free_addresses(struct ike *ike, struct ike_sa *sa)
{
    for (uint32_t i = 0; i < sa->num_addresses; i++) {
        if (!sa->shares || sa_sharing(ike, sa, &sa->addresses[i]) == NULL) {
            ike->config.host.address_free(ike->config.host.context, &sa->addresses[i]);
        }
    }
    sa->num_addresses = 0;
}

void sa_close(struct ike *ike, struct ike_sa *sa, enum cause cause, bool linger)
{
    struct ike_host *host = &ike->config.host;
    if (sa->state == SA_ESTABLISHED || sa->state == SA_RESTORING) {
        ike->counters.ended[cause]++;
        ike->counters.sessions--;
        ike->counters.unsaved -= sa->unsaved ? 1 : 0;
        ike->shard[slab_position(&ike->sas, sa->slot)].restoring -= sa->state == SA_RESTORING ? 1 : 0;
        sa_drop_children(ike, sa, CAUSE_NONE); /* first: the host adds what they transferred (core.h) */
        host->news(host->context, NEWS_SESSION_DOWN, sa, NULL, cause, NULL);
    }
    /* Nothing is left that our rekey could be for; but an IKE SA that the client has under a lost collision
     * is ours to delete, and without its answer there are no keys for that. */
    bool collision = sa->request.kind == REQUEST_REKEY_IKE && sa->request.rival_sa != SLOT_NONE && linger;
    if (sa->request.exchange == CREATE_CHILD_SA && !collision) {
        request_clear(ike, sa);
    }
    sa_erase(ike, sa);
    pending_sa_free(ike, sa);
    sa_drop_children(ike, sa, CAUSE_NONE);
    sa_free_addresses(ike, sa);
    sa_unlink_peer(ike, sa);
    sa->connection[0] = '\0';
    sa->wait = WAIT_NOTHING;
    sa->pending = PENDING_NONE;
    sa->pending_child = sa->stale = SLOT_NONE;
    sa->unsaved = sa->record_exists = false;
    sa->save_token = 0; /* a write that is answered later is about a session that is over */
    if (!linger) {
        sa_free(ike, sa);
        return;
    }
    half_open_forget(ike, sa);
    sa->state = SA_CLOSED;
    sa->expires = ike->time.now + LINGER_NS;
    sa->dpd_due = sa->save_due = sa->child_due = sa->rekey_at = NS_NEVER;
    sa->childless_end = sa->auth_end = sa->redirect_at = NS_NEVER;
    sa_schedule(ike, sa);
}

/* Asks the plane first: traffic is life, and an idle client costs one message per interval, not two. */
static void sa_check_idle(struct ike *ike, struct ike_sa *sa)
{
    struct ike_host *host = &ike->config.host;
    if (ike->policy->timers.dpd_idle == 0) {
        sa->dpd_due = NS_NEVER;
        return;
    }
    ns_t idle_since = sa->last_in + ike->policy->timers.dpd_idle;
    if (ike->time.now < idle_since) {
        sa->idle_asked = false;
        sa->dpd_due = idle_since;
    } else if (!sa->idle_asked && sa->num_children > 0) {
        for (uint32_t i = 0; i < sa->num_children; i++) {
            host->child_read(host->context, &ike->child[sa->children[i]], 0);
        }
        sa->idle_asked = true;
        sa->dpd_due = ike->time.now + IDLE_ANSWER_NS;
    } else {
        sa->idle_asked = false;
        sa->dpd_due = ike->time.now + ike->policy->timers.dpd_idle;
        if (!sa->request.message.valid && sa->wait == WAIT_NOTHING) {
            request_dpd(ike, sa);
        }
    }
}

static ns_t child_end(const struct ike *ike, const struct ike_child *child)
{
    /* A DELETE that overtakes our answer is about nothing that the client knows; then it takes the answer. */
    bool known = child->answer_id + 1 != ike->sa[child->sa].peer_next_id;
    if (child->ends_for != CAUSE_NONE) {
        return known ? 0 : child->created + ANSWER_KNOWN_NS;
    }
    return child->created + ike->policy->timers.child_lifetime;
}

static uint64_t amount_left(uint64_t limit, uint64_t carried)
{
    return limit == 0 ? 0 : limit > carried ? limit - carried : 1;
}

/* Where there is a hard limit, there is a soft one: traffic that ends is worth an attempt. */
static uint64_t amount_soft(struct ike *ike, uint64_t rekey, uint64_t lifetime)
{
    uint64_t latest = lifetime - lifetime / 4;
    uint64_t soft = rekey == 0 || (lifetime != 0 && latest < rekey) ? latest : rekey;
    return soft == 0 ? 0 : soft - rand_u64(&ike->config.rand) % (soft / 8 + 1);
}

void child_limit(struct ike *ike, struct ike_child *child)
{
    const struct policy_volume *rekey = &ike->policy->child.rekey, *lifetime = &ike->policy->child.lifetime;
    const struct child_volume *before = &child->before;
    child->soft.bytes = amount_left(amount_soft(ike, rekey->bytes, lifetime->bytes), before->bytes);
    child->soft.packets = amount_left(amount_soft(ike, rekey->packets, lifetime->packets), before->packets);
    child->hard.bytes = amount_left(lifetime->bytes, before->bytes);
    child->hard.packets = amount_left(lifetime->packets, before->packets);
}

static ns_t child_due(const struct ike *ike, const struct ike_child *child)
{
    if (child->doomed) {
        return 0;
    }
    ns_t rekey_at = child->state == CHILD_INSTALLED ? child->rekey_at : NS_NEVER;
    return HF_MIN(child_end(ike, child), rekey_at);
}

void childless_arm(struct ike *ike, struct ike_sa *sa)
{
    ns_t longest = ike->policy->timers.childless;
    if (sa->state == SA_ESTABLISHED && sa->num_children == 0 && longest != 0 &&
        sa->childless_end == NS_NEVER) {
        sa->childless_end = ike->time.now + longest;
    }
}

void children_arm(struct ike *ike, struct ike_sa *sa)
{
    sa->child_due = NS_NEVER;
    for (uint32_t i = 0; i < sa->num_children; i++) {
        sa->child_due = HF_MIN(sa->child_due, child_due(ike, &ike->child[sa->children[i]]));
    }
    bool busy = sa->request.message.valid || sa->wait != WAIT_NOTHING; /* one exchange at a time */
    sa->child_due = HF_MAX(sa->child_due, ike->time.now + (busy ? LIFETIME_AGAIN_NS : 0));
}

static uint16_t rekey_group(const struct ike *ike, const struct ike_sa *sa, const struct ike_child *child)
{
    uint16_t group = ike->policy->child.rekey_group;
    bool none = child->suite.ke == KE_NONE && ike->policy->esp.ke_required;
    if (group == POLICY_GROUP_IKE || (group == POLICY_GROUP_SAME && none)) {
        return sa->suite.ke;
    }
    return group == POLICY_GROUP_NONE ? KE_NONE : group == POLICY_GROUP_SAME ? child->suite.ke : group;
}

/* A child that nobody rekeyed in time goes (RFC 7296 2.8: lifetimes are each side's own). */
static void child_act(struct ike *ike, struct ike_sa *sa, struct ike_child *child)
{
    if (child->doomed) {
        (void)request_delete_child(ike, sa, child);
    } else if (child_end(ike, child) <= ike->time.now) {
        if (request_delete_child(ike, sa, child)) {
            child_close(ike, child, child->ends_for != CAUSE_NONE ? child->ends_for : CAUSE_LIFETIME);
            sa->save_due = ike->time.now;
        }
    } else {
        (void)rekey_child_start(ike, sa, child, rekey_group(ike, sa, child), false);
    }
}

void children_work(struct ike *ike, struct ike_sa *sa)
{
    bool free = may_begin(ike, sa) && !sa->request.message.valid && sa->wait == WAIT_NOTHING &&
                sa->state == SA_ESTABLISHED &&
                !rekey_ike_is_rival(ike, sa); /* else the session may move on from under our request */
    for (uint32_t i = 0; free && i < sa->num_children; i++) {
        struct ike_child *child = &ike->child[sa->children[i]];
        if (child_due(ike, child) > ike->time.now) {
            continue;
        }
        if (sa->learn_our_id) {
            request_dpd(ike, sa); /* a request that matters is sent under an id that is known to be right */
        } else {
            child_act(ike, sa, child);
        }
        break;
    }
    children_arm(ike, sa);
    if (sa->child_due <= ike->time.now) {
        sa->child_due = ike->time.now + LIFETIME_AGAIN_NS;
    }
}

static void sa_expire(struct ike *ike, struct ike_sa *sa)
{
    sa->expires = NS_NEVER;
    switch (sa->state) {
    case SA_HALF_OPEN:
        ike->counters.handshakes[CAUSE_TIMEOUT]++;
        sa_close(ike, sa, CAUSE_TIMEOUT, false);
        break;
    case SA_ESTABLISHED:
        if (sa->disowned) {
            sa_close(ike, sa, CAUSE_PEER_DELETE, true);
        } else {
            ike_disconnect_sa(ike, sa, CAUSE_LIFETIME);
        }
        break;
    case SA_REKEYED:
    case SA_CLOSED:
        sa_free(ike, sa);
        break;
    default: /* restoring and closing end otherwise */
        break;
    }
}

/* What the client hears of, before what it does not. */
static bool sa_timer_first(struct ike *ike, struct ike_sa *sa)
{
    ns_t now = ike->time.now;
    if (sa->expires <= now && may_expire(ike, sa)) {
        sa_expire(ike, sa);
    } else if (!may_begin(ike, sa)) {
        return false;
    } else if (sa->auth_end <= now) {
        ike_disconnect_sa(ike, sa, CAUSE_AUTH_LIFETIME);
    } else if (sa->childless_end <= now) {
        ike_disconnect_sa(ike, sa, CAUSE_CHILDLESS);
    } else if (sa->request.next_try <= now) {
        request_retry(ike, sa);
    } else {
        return false;
    }
    return true;
}

static void sa_timer_own(struct ike *ike, struct ike_sa *sa)
{
    ns_t now = ike->time.now;
    if (sa->redirect_at <= now) {
        redirect_work(ike, sa);
    } else if (sa->rekey_at <= now) {
        rekey_ike_work(ike, sa);
    } else if (sa->child_due <= now) {
        children_work(ike, sa);
    } else if (sa->dpd_due <= now) {
        sa_check_idle(ike, sa);
    }
}

/* Every branch may free the SA; what is due next follows from its fields, so one is handled at a time. */
static void sa_timer(struct ike *ike, struct ike_sa *sa)
{
    ns_t now = ike->time.now;
    if (sa_timer_first(ike, sa)) {
        /* that was it */
    } else if (sa->response_expires <= now) {
        sa->response_expires = NS_NEVER;
        if (sa->wait == WAIT_NOTHING) {
            sent_free(ike, &sa->response);
        }
    } else if (sa->save_due <= now) {
        /* What is being created is not to be written before it is done. */
        bool may_save = sa->wait == WAIT_NOTHING && sa->state == SA_ESTABLISHED;
        sa->save_due = sa->wait == WAIT_NOTHING ? NS_NEVER : now + SAVE_LATER_NS;
        if (may_save) {
            sa_save(ike, sa);
        }
    } else if (may_begin(ike, sa)) {
        sa_timer_own(ike, sa);
    }
    if (sa->state != SA_FREE) {
        sa_schedule(ike, sa);
    }
}

void ike_timer(struct ike *ike, struct ike_time time)
{
    ike->time = time;
    uint32_t slot;
    if (heap_first(&ike->timers, &slot) <= time.now) {
        sa_timer(ike, &ike->sa[slot]);
    }
}

ns_t ike_deadline(const struct ike *ike)
{
    uint32_t slot;
    return heap_first(&ike->timers, &slot);
}

void ike_disconnect_sa(struct ike *ike, struct ike_sa *sa, enum cause cause)
{
    request_delete(ike, sa);
    sa_close(ike, sa, cause, true);
    if (sa->request.message.valid) {
        sa->state = SA_CLOSING;
        sa->expires = NS_NEVER;
        sa_schedule(ike, sa);
    }
}

bool ike_disconnect(struct ike *ike, struct ike_time time, uint64_t session_id)
{
    ike->time = time;
    for (uint32_t slot = 0; slot < slab_capacity(&ike->sas); slot++) {
        struct ike_sa *sa = &ike->sa[slot];
        if (slab_is_used(&ike->sas, slot) && sa->state == SA_ESTABLISHED && sa->wait == WAIT_NOTHING &&
            sa->session_id == session_id && may_begin(ike, sa)) {
            ike_disconnect_sa(ike, sa, CAUSE_OPERATOR);
            return true;
        }
    }
    return false;
}

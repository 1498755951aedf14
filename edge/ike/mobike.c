/* Clients that move (RFC 4555), and what all ways of moving have in common.
 *
 *   client                                                     us
 *   HDR, SK{N(UPDATE_SA_ADDRESSES), [N(NAT_DETECTION_*),]   ->
 *           [N(NO_NATS_ALLOWED),] [N(COOKIE2)]}
 *                                                           <-  HDR, SK{[N(NAT_DETECTION_*),] [N(COOKIE2)]}
 *                                                           <-  HDR, SK{N(COOKIE2)}, to the new address only
 *   HDR, SK{N(COOKIE2)}                                     ->
 *
 * IKE follows an update at once, ESP when the client has answered at its new address: section 3.7 says that
 * this check SHOULD be made, and before IPsec SAs are changed. The update itself proves nothing, for whoever
 * has the keys can write any source address. The check is left out where the address was proven before: the
 * handshake and every earlier move prove the one that ESP uses now, at whatever port.
 */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

#define SAVE_MOVED_NS (30 * NS_PER_S) /* a NAT that rebinds often must not wear out the store */
#define NO_NATS_BYTES_MAX 36

void sa_go_to(struct ike *ike, struct ike_sa *sa, const struct ike_path *path)
{
    struct ike_host *host = &ike->config.host;
    bool same = endpoint_equal(&sa->local, &path->local) && endpoint_equal(&sa->remote, &path->remote);
    sa->move.pending = sa->move.lost = false;
    if (same && sa->natt == path->natt) {
        return;
    }
    sa->local = path->local;
    sa->remote = path->remote;
    sa->natt = path->natt;
    for (uint32_t i = 0; i < sa->num_children; i++) {
        host->child_endpoint(host->context, sa, &ike->child[sa->children[i]]);
    }
    if (sa->state == SA_ESTABLISHED) {
        ike->counters.moves++;
        host->news(host->context, NEWS_SESSION_MOVED, sa, NULL, CAUSE_NONE, NULL);
    }
}

void sa_drift(struct ike *ike, struct ike_sa *sa, const struct ike_path *path)
{
    sa_go_to(ike, sa, path);
    if (sa->state == SA_ESTABLISHED) {
        sa->save_due = HF_MIN(sa->save_due, ike->time.now + SAVE_MOVED_NS);
    }
}

bool mobike_forbids(const struct ike_input *input)
{
    const struct notify *notify = message_notify(input->message, NOTIFY_NO_NATS_ALLOWED);
    if (notify == NULL) {
        return false;
    }
    const struct ike_datagram *datagram = input->datagram;
    uint8_t seen[NO_NATS_BYTES_MAX];
    struct writer w = writer_of(seen, sizeof(seen));
    writer_span(&w, ip_span(&datagram->remote.addr));
    writer_span(&w, ip_span(&datagram->local.addr));
    writer_u16(&w, datagram->remote.port);
    writer_u16(&w, datagram->local.port);
    return w.overflow || !span_equal(notify->data, writer_span_of(&w));
}

void mobike_offer(struct ike *ike, struct ike_sa *sa, const struct ike_input *input, struct builder *b)
{
    const struct policy *policy = ike->policy;
    struct span none = {0};
    sa->mobike = message_notify(input->message, NOTIFY_MOBIKE_SUPPORTED) != NULL;
    if (!sa->mobike) {
        return;
    }
    build_notify(b, PROTOCOL_NONE, none, NOTIFY_MOBIKE_SUPPORTED, none);
    for (uint32_t i = 0; i < policy->num_listen; i++) {
        const struct ip_addr *addr = &policy->listen[i];
        uint16_t type = ip_is_v4(addr) ? NOTIFY_ADDITIONAL_IP4_ADDRESS : NOTIFY_ADDITIONAL_IP6_ADDRESS;
        if (!ip_is_zero(addr) && !ip_equal(addr, &input->datagram->local.addr)) {
            build_notify(b, PROTOCOL_NONE, none, type, ip_span(addr));
        }
    }
}

void mobike_inherit(struct ike_sa *new, const struct ike_sa *old)
{
    new->mobike = old->mobike;
    new->behind_nat = old->behind_nat;
    new->move = (struct sa_move){.pending = old->move.pending, .to = old->move.to};
}

void mobike_hand_over(struct ike_sa *new, struct ike_sa *old)
{
    mobike_inherit(new, old);
    old->successor = new->slot;
}

/* The IKE SA that carries the session: an update may have been under way when its own was replaced. What the
 * client has said since then, under the new one, is newer. */
static struct ike_sa *carrier_of(struct ike *ike, struct ike_sa *sa)
{
    if (sa->state == SA_ESTABLISHED) {
        return sa;
    }
    struct ike_sa *new = &ike->sa[sa->successor];
    bool good = sa->state == SA_REKEYED && slab_is_used(&ike->sas, sa->successor) &&
                new->state == SA_ESTABLISHED &&new->session_id == sa->session_id && !new->move.told;
    return good ? new : NULL;
}

/* ---- where a client may be */

/* A client inside of its own tunnel would have ESP go round in circles. */
static bool is_inner(const struct policy *policy, const struct ip_addr *addr)
{
    for (uint32_t i = 0; i < policy->num_pools; i++) {
        const struct policy_pool *pool = &policy->pools[i];
        if ((pool->has_v4 && prefix_contains(&pool->v4, addr)) ||
            (pool->has_v6 && prefix_contains(&pool->v6, addr))) {
            return true;
        }
    }
    return false;
}

static bool is_acceptable(const struct ike *ike, const struct endpoint *remote)
{
    for (uint32_t i = 0; i < ike->policy->num_listen; i++) {
        if (ip_equal(&ike->policy->listen[i], &remote->addr)) {
            return false;
        }
    }
    return remote->port != 0 && !ip_is_zero(&remote->addr) && !is_inner(ike->policy, &remote->addr);
}

static bool is_proven(const struct ike *ike, const struct ike_sa *sa, const struct endpoint *remote)
{
    return ike->policy->mobike_unchecked || ip_equal(&sa->remote.addr, &remote->addr);
}

/* ---- the return routability check (RFC 4555 3.7) */

static void check_begin(struct ike *ike, struct ike_sa *sa)
{
    struct sa_move *move = &sa->move;
    struct builder b;
    uint32_t id = sa->our_next_id;
    if (!move->pending || sa->state != SA_ESTABLISHED || sa->request.message.valid) {
        return;
    }
    rand_fill(&ike->config.rand, move->cookie, sizeof(move->cookie));
    chain_start(ike, &b);
    build_notify(&b, PROTOCOL_NONE, (struct span){0}, NOTIFY_COOKIE2,
                 span_of(move->cookie, sizeof(move->cookie)));
    if (request_send(ike, sa, INFORMATIONAL, REQUEST_DPD, &b)) {
        move->asked = true;
        move->astray = false;
        move->id = id;
    }
}

void mobike_resume(struct ike *ike, struct ike_sa *sa)
{
    if (sa->pending == PENDING_OWN_ASK) {
        return; /* it leaves when the record is written, for where the client is then */
    }
    if (sa->state == SA_ESTABLISHED && sa->request.message.valid) {
        /* RFC 4555 3.5: what was asked is asked on at the new address; 3.7: who answers it has not shown
         * where. */
        sa->move.astray = true;
        sa->request.tries = 1;
        sa->request.next_try = ike->time.now + ike->policy->timers.retransmit;
        sa_send_request(ike, sa);
        return;
    }
    check_begin(ike, sa);
}

bool mobike_retreat(struct ike *ike, struct ike_sa *sa)
{
    if (!sa->move.pending) {
        return false;
    }
    sa->move.pending = false;
    sa->move.astray = sa->move.lost = true;
    sa->request.tries = 0;
    sa->save_due = ike->time.now; /* the record says that it went */
    return true;
}

enum mobike_verdict mobike_judge(const struct ike_sa *sa, const struct ike_input *input)
{
    const struct sa_move *move = &sa->move;
    if (!move->asked || input->header.message_id != move->id) {
        return MOBIKE_NOT_ASKED;
    }
    const struct notify *cookie = message_notify(input->message, NOTIFY_COOKIE2);
    bool equal = cookie != NULL && cookie->data.len == sizeof(move->cookie) &&
                 secret_equal(cookie->data.data, move->cookie, sizeof(move->cookie));
    if (equal) {
        return move->astray ? MOBIKE_SOMEWHERE : MOBIKE_THERE;
    }
    /* A restored session tries ids whose answers the client may have had ready from before. */
    return sa->learn_our_id ? MOBIKE_SOMEWHERE : MOBIKE_WRONG;
}

void mobike_answered(struct ike *ike, struct ike_sa *sa, enum mobike_verdict verdict)
{
    if (sa->state != SA_ESTABLISHED) {
        return;
    }
    if (verdict == MOBIKE_WRONG) { /* section 3.7: the IKE SA MUST be closed */
        ike_disconnect_sa(ike, sa, CAUSE_COOKIE_WRONG);
        return;
    }
    if (verdict == MOBIKE_THERE && sa->move.pending) {
        struct ike_path path = sa->move.to;
        sa_go_to(ike, sa, &path);
    }
    check_begin(ike, sa);
}

/* ---- what clients say */

static void cookie_copy(const struct message *message, struct builder *b)
{
    const struct notify *cookie = message_notify(message, NOTIFY_COOKIE2);
    if (cookie != NULL) {
        build_notify(b, PROTOCOL_NONE, (struct span){0}, NOTIFY_COOKIE2, cookie->data);
    }
}

static void update(struct ike *ike, struct ike_sa *sa, const struct ike_input *input, bool nat_known)
{
    const struct ike_datagram *datagram = input->datagram;
    struct ike_path path = {.local = datagram->local, .remote = datagram->remote, .natt = datagram->natt};
    ike->counters.mobike_updates++;
    sa->move.told = true;
    if (nat_known) {
        sa->behind_nat = nat_is_between(input);
    }
    if (is_proven(ike, sa, &path.remote)) {
        sa_go_to(ike, sa, &path);
    } else {
        sa->move.pending = true;
        sa->move.to = path;
    }
}

bool mobike_inform(struct ike *ike, struct ike_sa *sa, const struct ike_input *input, struct builder *b)
{
    const struct message *message = input->message;
    const struct ike_datagram *datagram = input->datagram;
    struct span none = {0};
    bool updates = message_notify(message, NOTIFY_UPDATE_SA_ADDRESSES) != NULL;
    bool asks_nat = message_notify(message, NOTIFY_NAT_DETECTION_SOURCE_IP) != NULL;
    if (!sa->mobike) {
        return false;
    }
    cookie_copy(message, b);
    if (mobike_forbids(input)) {
        build_notify(b, PROTOCOL_NONE, none, NOTIFY_UNEXPECTED_NAT_DETECTED, none);
        ike_drop(ike, CAUSE_NAT_FORBIDDEN);
        return false;
    }
    if (updates && !is_acceptable(ike, &datagram->remote)) {
        build_notify(b, PROTOCOL_NONE, none, NOTIFY_UNACCEPTABLE_ADDRESSES, none);
        ike_drop(ike, CAUSE_ADDRESS_REFUSED);
        return false;
    }
    if (asks_nat) { /* section 3.8: in any request */
        nat_build(ike, b, sa->spi_i, sa->spi_r, &datagram->local, &datagram->remote);
    }
    struct ike_sa *carrier = carrier_of(ike, sa);
    if (!updates || carrier == NULL) {
        return false;
    }
    update(ike, carrier, input, asks_nat);
    if (carrier != sa) {
        carrier->save_due = ike->time.now;
        mobike_resume(ike, carrier);
        sa_schedule(ike, carrier);
    }
    return carrier == sa;
}

/* Section 3.8: ESP may show that a NAT has bound anew, before the client knows. It also shows where a client
 * is that moved while nobody listened, or whose check found no way. */
void mobike_seen(struct ike *ike, struct ike_sa *sa, const struct ike_path *path)
{
    bool may_move = sa->behind_nat || sa->restored || sa->move.lost;
    if (sa->move.pending) {
        check_begin(ike, sa); /* in case it could not be begun before */
        return;
    }
    if (!may_move || sa->state != SA_ESTABLISHED || !is_acceptable(ike, &path->remote)) {
        return;
    }
    if (is_proven(ike, sa, &path->remote)) {
        sa_drift(ike, sa, path);
        return;
    }
    sa->move.pending = true;
    sa->move.to = *path;
    sa->save_due = HF_MIN(sa->save_due, ike->time.now + SAVE_MOVED_NS);
    mobike_resume(ike, sa);
}

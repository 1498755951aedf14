/* Child SAs that we rekey (RFC 7296 1.3.3, 2.8):
 *
 *   us                                                 client
 *   HDR, SK{N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}  ->
 *                                                  <-  HDR, SK{SA, Nr, [KEr,] TSi, TSr}
 *   HDR, SK{D} of the old one                      ->
 *                                                  <-  HDR, SK{D}
 *
 * The offer is the old child again: its suite, its group or none, its selectors exactly (Windows refuses
 * anything else). The new one carries our traffic as soon as plane and store have it, for the client had it
 * before us; the old one receives until the client has confirmed its end.
 */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

#define REKEY_AGAIN_NS (10 * NS_PER_S) /* after TEMPORARY_FAILURE, and when there is no room */

/* RFC 7296 2.8.1: octet by octet; one that ends is the lower one. */
bool nonce_is_lower(const struct nonce_low *a, const struct nonce_low *b)
{
    int order = memcmp(a->bytes, b->bytes, HF_MIN(a->len, b->len));
    return order < 0 || (order == 0 && a->len < b->len);
}

static struct nonce_low nonce_of(struct span nonce)
{
    struct nonce_low low = {.len = (uint16_t)HF_MIN(nonce.len, sizeof(low.bytes))};
    memcpy(low.bytes, nonce.data, low.len);
    return low;
}

struct nonce_low nonces_lowest(const struct nonces *nonces)
{
    struct nonce_low i = nonce_of(nonces->i), r = nonce_of(nonces->r);
    return nonce_is_lower(&r, &i) ? r : i;
}

static void rekey_later(struct ike *ike, struct ike_child *old)
{
    old->rekey_at = ike->time.now + REKEY_AGAIN_NS;
}

static void offer_build(struct ike *ike, struct builder *b, const struct ike_child *old,
                        const struct ike_child *child, const struct sa_request *own,
                        const struct ke_value *public)
{
    uint8_t old_spi[4], spi[4];
    struct proposal_choice offer = {.number = 1, .protocol = PROTOCOL_ESP, .esp = child->suite};
    be32_store(old_spi, old->spi_in);
    be32_store(spi, child->spi_in);
    chain_start(ike, b);
    build_notify(b, PROTOCOL_ESP, span_of(old_spi, sizeof(old_spi)), NOTIFY_REKEY_SA, (struct span){0});
    propose_answer(ike, b, &offer, span_of(spi, sizeof(spi)));
    build_nonce(b, span_of(own->nonce, sizeof(own->nonce)));
    if (own->ke.group != KE_NONE) {
        build_ke(b, own->ke.group, span_of(public->bytes, public->len));
    }
    build_ts(b, PAYLOAD_TSI, child->ts->v, child->ts->num_local);
    build_ts(b, PAYLOAD_TSR, ranges_remote(child->ts), child->ts->num_remote);
}

static void child_resemble(struct ike *ike, struct ike_child *child, const struct ike_child *old,
                           uint16_t group)
{
    child->suite = old->suite;
    child->suite.ke = group;
    ike_child_select(ike, child, old->ts->v, old->ts->num_local, ranges_remote(old->ts), old->ts->num_remote);
}

bool rekey_child_start(struct ike *ike, struct ike_sa *sa, struct ike_child *old, uint16_t group, bool again)
{
    struct ike_child *child = child_reserve(ike, sa);
    if (child == NULL) {
        rekey_later(ike, old);
        return false;
    }
    child_resemble(ike, child, old, group);
    struct sa_request own = {.again = again};
    struct ke_value public;
    struct builder b;
    rand_fill(&ike->config.rand, own.nonce, sizeof(own.nonce));
    bool ok = group == KE_NONE || ke_generate(group, &ike->config.rand, &own.ke, &public);
    if (ok) {
        offer_build(ike, &b, old, child, &own, &public);
        ok = request_send(ike, sa, CREATE_CHILD_SA, REQUEST_REKEY_CHILD, &b);
    }
    if (ok) {
        sa->request.again = again;
        sa->request.early = old->answer_id + 1 == sa->peer_next_id;
        sa->request.child = child->slot;
        sa->request.rekeys = old->slot;
        memcpy(sa->request.nonce, own.nonce, sizeof(own.nonce));
        sa->request.ke = own.ke;
    } else {
        child_release(ike, child);
        rekey_later(ike, old);
    }
    secret_wipe(&own.ke, sizeof(own.ke));
    return ok;
}

void rekey_child_rival(struct ike_sa *sa, const struct ike_child *child, const struct nonces *nonces)
{
    struct sa_request *own = &sa->request;
    if (own->message.valid && own->kind == REQUEST_REKEY_CHILD && child->rekeys != SLOT_NONE &&
        own->rekeys == child->rekeys) {
        own->rival = child->slot;
        own->rival_nonce = nonces_lowest(nonces);
    }
}

/* The client's error. The old child lives on in every case but one. */
static void refused(struct ike *ike, struct ike_sa *sa, const struct sa_request *was,
                    const struct notify *error)
{
    struct ike_child *old = was->rekeys == SLOT_NONE ? NULL : &ike->child[was->rekeys];
    if (old == NULL || old->state != CHILD_INSTALLED) {
        return; /* gone, or replaced by the client: it was faster */
    }
    uint16_t group = error->data.len == 2 ? be16_load(error->data.data) : KE_NONE;
    switch (error->type) {
    case NOTIFY_TEMPORARY_FAILURE:
        rekey_later(ike, old);
        break;
    case NOTIFY_CHILD_SA_NOT_FOUND: /* RFC 7296 2.25.1: it is gone without a word */
        if (was->early) {
            rekey_later(ike, old); /* or it is not there yet */
            break;
        }
        child_close(ike, old, CAUSE_PEER_DELETE);
        sa->save_due = ike->time.now;
        break;
    case NOTIFY_INVALID_KE_PAYLOAD:
        if (!was->again && group != was->ke.group && ke_supported(group) &&
            propose_allows_group(&ike->policy->esp, group)) {
            (void)rekey_child_start(ike, sa, old, group, true);
            break;
        }
        old->rekey_at = NS_NEVER;
        break;
    case NOTIFY_NO_PROPOSAL_CHOSEN: /* perhaps of the group that we wished for: as it was, it was welcome */
        if (!was->again && was->ke.group != old->suite.ke && !ike->policy->esp.ke_required) {
            (void)rekey_child_start(ike, sa, old, old->suite.ke, true);
            break;
        }
        old->rekey_at = NS_NEVER;
        break;
    default: /* Windows behind a NAT refuses every rekey of ours: its child is its own until the hard end */
        old->rekey_at = NS_NEVER;
        if (ike_notify_name(error->type) == NULL) {
            quirk_met(ike, sa, QUIRK_REKEY_REFUSED);
        }
        break;
    }
}

/* What is not to be replayed is not to be received: who does not rekey such a child loses it. */
static void refused_for_good(struct ike *ike, struct ike_sa *sa, uint32_t slot)
{
    struct ike_child *old = slot == SLOT_NONE ? NULL : &ike->child[slot];
    if (old != NULL && old->state == CHILD_INSTALLED && old->exposed && old->rekey_at == NS_NEVER &&
        ike->policy->takeover_strict && !sa->request.message.valid) {
        child_spent(ike, sa, old, CAUSE_ESP_TAKEOVER);
    }
}

static bool answer_ke(const struct sa_request *was, const struct message *message,
                      struct ke_value *ret_shared)
{
    if (was->ke.group == KE_NONE) {
        return message->ke.len == 0;
    }
    return message->ke_group == was->ke.group && ke_derive(&was->ke, message->ke, ret_shared);
}

static uint32_t answer_narrow(struct ike *ike, struct span body, const struct ts_range *offered,
                              uint32_t count, struct ts_range ret_ranges[SELECTORS_PER_CHILD_MAX])
{
    return ts_read(body, &ike->scratch.ts) == CAUSE_NONE
               ? narrow(&ike->scratch.ts, offered, count, ret_ranges, SELECTORS_PER_CHILD_MAX)
               : 0;
}

/* Fills in the child as the answer describes it. False: the answer is none. */
static bool answer_read(struct ike *ike, struct ike_sa *sa, const struct sa_request *was,
                        const struct message *message, struct ike_child *child)
{
    struct sa_view *answer = &ike->scratch.offer;
    struct ke_value shared = {0};
    if (message->nonce.len == 0 || sa_read(message->sa, answer) != CAUSE_NONE ||
        !propose_esp_accepted(answer, &child->suite, &child->spi_out) ||
        sa_child_by_spi_out(ike, sa, child->spi_out) != NULL) {
        return false;
    }
    struct ts_range local[SELECTORS_PER_CHILD_MAX], remote[SELECTORS_PER_CHILD_MAX];
    uint32_t num_local = answer_narrow(ike, message->ts_i, child->ts->v, child->ts->num_local, local);
    uint32_t num_remote =
        answer_narrow(ike, message->ts_r, ranges_remote(child->ts), child->ts->num_remote, remote);
    if (num_local == 0 || num_remote == 0 || !answer_ke(was, message, &shared)) {
        return false;
    }
    ike_child_select(ike, child, local, num_local, remote, num_remote);
    struct nonces nonces = {.i = span_of(was->nonce, sizeof(was->nonce)), .r = message->nonce};
    kdf_child(sa->suite.prf, span_of(sa->keys.d, prf_bytes(sa->suite.prf)), span_of(shared.bytes, shared.len),
              &nonces, &child->suite, &child->key_out, &child->key_in);
    secret_wipe(&shared, sizeof(shared));
    return true;
}

/* RFC 7296 2.8.1: of two pairs that replace the same child, the one with the lowest nonce is closed by who
 * asked for it. */
static bool is_redundant(const struct sa_request *was, const struct message *message)
{
    struct nonces nonces = {.i = span_of(was->nonce, sizeof(was->nonce)), .r = message->nonce};
    struct nonce_low lowest = nonces_lowest(&nonces);
    return was->rival != SLOT_NONE && nonce_is_lower(&lowest, &was->rival_nonce);
}

/* The client has a child that we do not want, or have no use for. */
static void give_up(struct ike *ike, struct ike_sa *sa, struct ike_child *child)
{
    if (request_delete_child(ike, sa, child)) {
        sa->request.child = child->slot; /* released when the client has confirmed */
    } else {
        child_release(ike, child);
    }
}

void rekey_child_answered(struct ike *ike, struct ike_sa *sa, const struct sa_request *was,
                          const struct message *message)
{
    struct ike_child *child = &ike->child[was->child];
    const struct notify *error = message_error(message);
    if (sa->state != SA_ESTABLISHED || error != NULL) {
        ike->counters.child_rekeys_refused[REKEY_OURS] += error != NULL ? 1 : 0;
        child_release(ike, child);
        if (sa->state == SA_ESTABLISHED) {
            refused(ike, sa, was, error);
            refused_for_good(ike, sa, was->rekeys);
            children_arm(ike, sa);
        }
        return;
    }
    struct ike_child *old = was->rekeys == SLOT_NONE ? NULL : &ike->child[was->rekeys];
    if (!answer_read(ike, sa, was, message, child)) {
        ike_drop(ike, CAUSE_SA_SYNTAX);
        if (old != NULL) {
            old->rekey_at = NS_NEVER;
        }
        give_up(ike, sa, child);
    } else if (child->spi_out == was->gone) { /* it came and went before its answer was here */
        child_release(ike, child);
        if (old != NULL) {
            rekey_later(ike, old);
        }
    } else if (is_redundant(was, message)) {
        give_up(ike, sa, child);
    } else {
        if (was->rival != SLOT_NONE) {
            ike->child[was->rival].rekeys = SLOT_NONE; /* the client deletes it */
        }
        child->rekeys = was->rekeys;
        child->sequence_limit = ESP_SEQUENCE_STEP;
        child_adopt(ike, sa, child);
        if (old != NULL) {
            old->state = CHILD_REPLACED;
            old->doomed = true; /* before the record is written: a restart goes on with it */
        }
        sa->pending_child = child->slot;
        wait_begin(ike, sa, PENDING_OWN_CHILD);
    }
    children_arm(ike, sa);
}

void rekey_child_done(struct ike *ike, struct ike_sa *sa, struct ike_child *child)
{
    struct ike_host *host = &ike->config.host;
    child->outbound = true;
    host->child_outbound(host->context, child);
    ike->counters.child_rekeys++;
    ike->counters.own_child_rekeys++;
    host->news(host->context, NEWS_CHILD_UP, sa, child, CAUSE_NONE, NULL);
    children_work(ike, sa);
}

/* The client has it: it stays until the client has confirmed its end, which may have to wait for another
 * request of ours. */
void rekey_child_undo(struct ike *ike, struct ike_sa *sa, struct ike_child *child)
{
    if (child->rekeys != SLOT_NONE) {
        struct ike_child *old = &ike->child[child->rekeys];
        old->state = CHILD_INSTALLED;
        old->doomed = false;
        rekey_later(ike, old);
    }
    child->rekeys = SLOT_NONE;
    child->state = CHILD_REPLACED;
    child->doomed = true;
    sa->save_due = ike->time.now;
    children_arm(ike, sa);
}

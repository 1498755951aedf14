/* The IKE SA that we rekey (RFC 7296 1.3.2, 2.18): of the new one we are the original initiator.
 *
 *   us                        client
 *   HDR, SK{SA, Ni, KEi}  ->
 *                         <-  HDR, SK{SA, Nr, KEr}
 *   HDR, SK{D} on the old one
 *
 * The session moves when the record is written. When the client rekeys at the same time, the session moves to
 * its SA first, and on to ours when that one survives (RFC 7296 2.8.2).
 */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

#define REKEY_AGAIN_NS (10 * NS_PER_S)

static void offer_build(struct ike *ike, struct builder *b, const struct ike_sa *new,
                        const struct sa_request *own, const struct ke_value *public)
{
    uint8_t spi[8];
    struct proposal_choice offer = {.number = 1, .protocol = PROTOCOL_IKE, .ike = new->suite};
    be64_store(spi, new->spi_i);
    chain_start(ike, b);
    propose_answer(ike, b, &offer, span_of(spi, sizeof(spi)));
    build_nonce(b, span_of(own->nonce, sizeof(own->nonce)));
    build_ke(b, own->ke.group, span_of(public->bytes, public->len));
}

/* Without keys and the client's SPI it hears nothing. */
void rekey_ike_place(struct ike_sa *new, const struct ike_sa *sa, uint16_t group, uint64_t our_spi)
{
    new->state = SA_REKEYED; /* not yet a session of its own */
    new->successor = sa->slot;
    new->we_are_initiator = true;
    new->spi_i = our_spi;
    new->spi_r = 0;
    new->suite = sa->suite;
    new->suite.ke = group;
}

void rekey_ike_start(struct ike *ike, struct ike_sa *sa, uint16_t group, bool again)
{
    struct sa_request own = {0};
    struct ke_value public;
    struct builder b;
    struct ike_sa *new = sa_take(ike, slab_position(&ike->sas, sa->slot));
    sa->rekey_at = ike->time.now + REKEY_AGAIN_NS;
    if (new == NULL) {
        return;
    }
    rekey_ike_place(new, sa, group, new->spi_r);
    rand_fill(&ike->config.rand, own.nonce, sizeof(own.nonce));
    bool ok = ke_generate(group, &ike->config.rand, &own.ke, &public);
    if (ok) {
        offer_build(ike, &b, new, &own, &public);
        ok = request_seal(ike, sa, CREATE_CHILD_SA, REQUEST_REKEY_IKE, &b);
    }
    if (ok) {
        sa->rekey_at = NS_NEVER;
        sa->request.again = again;
        sa->request.sa = new->slot;
        memcpy(sa->request.nonce, own.nonce, sizeof(own.nonce));
        sa->request.ke = own.ke;
        wait_begin(ike, sa, PENDING_OWN_ASK);
    } else {
        sa_free(ike, new);
    }
    secret_wipe(&own.ke, sizeof(own.ke));
}

void rekey_ike_ask(struct ike *ike, struct ike_sa *sa)
{
    if (sa->request.message.valid) {
        sa->request.next_try = ike->time.now + ike->policy->timers.retransmit;
        if (may_begin(ike, sa)) {
            sa_send_request(ike, sa);
        }
    }
}

void rekey_ike_ask_later(struct ike *ike, struct ike_sa *sa)
{
    request_clear(ike, sa);
    sa->our_next_id--; /* it was not sent */
    sa->rekey_at = ike->time.now + REKEY_AGAIN_NS;
}

void rekey_ike_work(struct ike *ike, struct ike_sa *sa)
{
    bool free = !sa->request.message.valid && sa->wait == WAIT_NOTHING && !rekey_ike_is_rival(ike, sa);
    for (uint32_t i = 0; i < sa->num_children; i++) {
        free &= !ike->child[sa->children[i]].doomed; /* RFC 7296 2.25.2: one thing after the other */
    }
    sa->rekey_at = ike->time.now + NS_PER_S;
    if (free && sa->learn_our_id) {
        request_dpd(ike, sa);
    } else if (free) {
        rekey_ike_start(ike, sa, sa->suite.ke, false);
    }
}

void rekey_ike_rival(struct ike_sa *sa, struct ike_sa *new, const struct nonces *nonces)
{
    if (sa->request.message.valid && sa->request.kind == REQUEST_REKEY_IKE) {
        sa->request.rival_sa = new->slot;
        sa->request.rival_nonce = nonces_lowest(nonces);
    }
}

bool rekey_ike_is_rival(const struct ike *ike, const struct ike_sa *sa)
{
    const struct ike_sa *old = sa->replaces == SLOT_NONE ? NULL : &ike->sa[sa->replaces];
    return old != NULL && old->session_id == sa->session_id && old->request.message.valid &&
           old->request.kind == REQUEST_REKEY_IKE && old->request.rival_sa == sa->slot;
}

/* The IKE SA that has the session: the old one, or what the client made of it meanwhile; NULL when it has
 * gone on from there. */
static struct ike_sa *carrier_of(struct ike *ike, struct ike_sa *sa, const struct sa_request *request)
{
    uint32_t rival = request->rival_sa;
    struct ike_sa *carrier = rival == SLOT_NONE ? sa : &ike->sa[rival];
    bool carries = carrier->state == SA_ESTABLISHED && carrier->session_id == sa->session_id;
    return carries ? carrier : NULL;
}

/* RFC 7296 2.8.2: the one with the lowest nonce is closed by who asked for it. */
static bool has_lost(const struct sa_request *was, const struct message *message)
{
    struct nonces nonces = {.i = span_of(was->nonce, sizeof(was->nonce)), .r = message->nonce};
    struct nonce_low lowest = nonces_lowest(&nonces);
    return was->rival_sa != SLOT_NONE && nonce_is_lower(&lowest, &was->rival_nonce);
}

bool rekey_ike_must_wait(struct ike *ike, struct ike_sa *sa, const struct message *message)
{
    uint32_t rival = sa->request.rival_sa;
    if (sa->request.kind != REQUEST_REKEY_IKE || rival == SLOT_NONE) {
        return false;
    }
    const struct ike_sa *carrier = carrier_of(ike, sa, &sa->request);
    bool wins = message_error(message) == NULL && !has_lost(&sa->request, message);
    return ike->sa[rival].state == SA_RESTORING ||
           (wins && carrier != NULL && (carrier->wait != WAIT_NOTHING || carrier->request.message.valid));
}

void rekey_ike_urge(struct ike *ike, struct ike_sa *sa)
{
    if (sa->request.message.valid && sa->request.kind == REQUEST_REKEY_IKE) {
        sa_send_request(ike, sa);
    }
}

static void refused(struct ike *ike, struct ike_sa *sa, const struct sa_request *was,
                    const struct notify *error)
{
    if (sa->state != SA_ESTABLISHED) {
        return; /* the client was faster */
    }
    sa->save_due = ike->time.now; /* the record is to forget the request */
    uint16_t group = error->data.len == 2 ? be16_load(error->data.data) : KE_NONE;
    bool other_group = error->type == NOTIFY_INVALID_KE_PAYLOAD && !was->again && group != was->ke.group &&
                       ke_supported(group) && propose_allows_group(&ike->policy->ike, group);
    if (other_group) {
        rekey_ike_start(ike, sa, group, true);
    } else if (error->type == NOTIFY_TEMPORARY_FAILURE) {
        sa->rekey_at = ike->time.now + REKEY_AGAIN_NS;
    } /* else the client rekeys, or dials again at the hard end */
}

static bool answer_read(struct ike *ike, const struct ike_sa *sa, const struct sa_request *was,
                        const struct message *message, struct ike_sa *new)
{
    struct sa_view *answer = &ike->scratch.offer;
    struct ke_value shared = {0};
    if (message->nonce.len == 0 || message->ke_group != was->ke.group ||
        sa_read(message->sa, answer) != CAUSE_NONE ||
        !propose_ike_accepted(answer, &new->suite, &new->spi_r) ||
        !ke_derive(&was->ke, message->ke, &shared)) {
        return false;
    }
    struct nonces nonces = {.i = span_of(was->nonce, sizeof(was->nonce)), .r = message->nonce};
    kdf_ike_rekey(&new->suite, sa->suite.prf, span_of(sa->keys.d, prf_bytes(sa->suite.prf)),
                  span_of(shared.bytes, shared.len), &nonces, new->spi_i, new->spi_r, &new->keys);
    secret_wipe(&shared, sizeof(shared));
    new->natt = sa->natt;
    new->fragmentation = sa->fragmentation;
    new->local = sa->local;
    new->remote = sa->remote;
    return true;
}

/* The new IKE SA is one too many: the client is told under its own keys. */
static void give_up(struct ike *ike, struct ike_sa *new)
{
    new->state = SA_CLOSING;
    request_delete(ike, new);
    if (new->request.message.valid) {
        sa_schedule(ike, new);
    } else {
        sa_free(ike, new);
    }
}

/* The client deleted what has the session, and nothing takes its place: it was the session that it meant. */
static void disowned_close(struct ike *ike, struct ike_sa *carrier)
{
    if (carrier != NULL && carrier->disowned) {
        sa_close(ike, carrier, CAUSE_PEER_DELETE, true);
    }
}

void rekey_ike_answered(struct ike *ike, struct ike_sa *sa, const struct sa_request *was,
                        const struct message *message)
{
    struct ike_sa *new = &ike->sa[was->sa];
    const struct notify *error = message_error(message);
    struct ike_sa *carrier = carrier_of(ike, sa, was);
    if (error != NULL || !answer_read(ike, sa, was, message, new)) {
        sa_free(ike, new);
        if (error != NULL) {
            ike->counters.ike_rekeys_refused[REKEY_OURS]++;
            refused(ike, sa, was, error);
        } else {
            ike_drop(ike, CAUSE_SA_SYNTAX);
        }
        disowned_close(ike, carrier);
        return;
    }
    if (carrier == NULL || has_lost(was, message)) {
        give_up(ike, new);
        disowned_close(ike, carrier);
        return;
    }
    sa_inherit(ike, new, carrier);
    new->replaces = sa->slot;
    carrier->pending_sa = new->slot;
    wait_begin(ike, carrier, PENDING_OWN_IKE);
    sa_schedule(ike, carrier);
}

void rekey_ike_done(struct ike *ike, const struct ike_sa *new)
{
    struct ike_sa *old = ike_former(ike, new) == NULL ? NULL : &ike->sa[new->replaces];
    if (new->we_are_initiator && old != NULL && old->state == SA_REKEYED) {
        request_delete(ike, old);
        sa_schedule(ike, old);
    }
}

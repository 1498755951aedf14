/* IKE_SA_INIT (RFC 7296 1.2):
 *
 *   client                                         us
 *   HDR, [N(COOKIE)], SAi1, KEi, Ni, N(NAT..)  ->
 *                                              <-  HDR, SAr1, KEr, Nr, N(NAT..), [CERTREQ], N(..)
 *   or, without state: N(COOKIE), N(INVALID_KE_PAYLOAD), N(NO_PROPOSAL_CHOSEN)
 */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

#define INIT_REQUIRED (PAYLOAD_BIT(PAYLOAD_SA) | PAYLOAD_BIT(PAYLOAD_KE) | PAYLOAD_BIT(PAYLOAD_NONCE))

/* What is computed before anything changes. */
struct init_work {
    struct first first;
    struct proposal_choice choice;
    struct ke_value public;
    struct ke_value shared;
};

static bool init_negotiate(struct ike *ike, struct init_work *work)
{
    const struct message *message = work->first.input.message;
    struct sa_view *offer = &ike->scratch.offer;
    struct span none = {0};
    enum cause cause = sa_read(message->sa, offer);
    if (cause != CAUSE_NONE) {
        ike_drop(ike, cause); /* INVALID_SYNTAX is for encrypted messages only (RFC 7296 3.10.1) */
        return false;
    }
    cause = propose_ike(&ike->policy->ike, offer, message->ke_group, &work->choice);
    if (cause != CAUSE_NONE) {
        const char *hint = quirk_refusal(ike, &ike->scratch.payloads, offer);
        first_news(ike, &work->first, cause, hint != NULL ? hint : propose_describe(ike, offer));
        first_refuse(ike, &work->first, cause, NOTIFY_NO_PROPOSAL_CHOSEN, none);
        return false;
    }
    if (work->choice.ike.ke != message->ke_group) {
        uint8_t group[2];
        be16_store(group, work->choice.ike.ke);
        first_refuse(ike, &work->first, CAUSE_KE_GROUP, NOTIFY_INVALID_KE_PAYLOAD,
                     span_of(group, sizeof(group)));
        return false;
    }
    if (message->ke.len != ke_public_bytes(message->ke_group)) {
        ike_drop(ike, CAUSE_KE_INVALID);
        return false;
    }
    if (!first_passes(ike, &work->first, gate_charge(ike, &work->first.input, &work->first.pass))) {
        return false;
    }
    bool agreed = ke_agree(message->ke_group, &ike->config.rand, message->ke, &work->public, &work->shared);
    if (!agreed) {
        ike_drop(ike, CAUSE_KE_INVALID);
    }
    return agreed;
}

static void build_hashes(struct builder *b)
{
    static const uint16_t known[] = {HASH_SHA2_256, HASH_SHA2_384, HASH_SHA2_512, HASH_IDENTITY};
    uint8_t data[2 * HF_COUNT(known)];
    size_t len = 0;
    for (size_t i = 0; i < HF_COUNT(known); i++) {
        if ((sign_hashes_supported() & HASH_BIT(known[i])) != 0) {
            be16_store(data + len, known[i]);
            len += 2;
        }
    }
    build_notify(b, PROTOCOL_NONE, (struct span){0}, NOTIFY_SIGNATURE_HASH_ALGORITHMS, span_of(data, len));
}

static void build_certreqs(struct ike *ike, struct builder *b)
{
    const struct trust *last = NULL;
    for (uint32_t i = 0; i < ike->policy->num_connections; i++) {
        const struct policy_connection *connection = &ike->policy->connections[i];
        if (connection->auth == POLICY_AUTH_CERT && connection->trust != last) {
            build_certreq(b, trust_certreq(connection->trust));
            last = connection->trust;
        }
    }
}

static struct span init_answer(struct ike *ike, const struct init_work *work, const struct ike_sa *sa)
{
    const struct message *message = work->first.input.message;
    struct builder b;
    struct span none = {0};
    first_answer_begin(ike, sa, IKE_SA_INIT, &b);
    propose_answer(ike, &b, &work->choice, none);
    build_ke(&b, work->choice.ike.ke, span_of(work->public.bytes, work->public.len));
    build_nonce(&b, span_of(work->first.nonce_r, sizeof(work->first.nonce_r)));
    nat_build(ike, &b, sa->spi_i, sa->spi_r, &sa->local, &sa->remote);
    build_certreqs(ike, &b);
    if (message_notify(message, NOTIFY_FRAGMENTATION_SUPPORTED) != NULL) {
        build_notify(&b, PROTOCOL_NONE, none, NOTIFY_FRAGMENTATION_SUPPORTED, none);
    }
    if (message_notify(message, NOTIFY_SIGNATURE_HASH_ALGORITHMS) != NULL) {
        build_hashes(&b);
    }
    if (ike->policy->childless) {
        build_notify(&b, PROTOCOL_IKE, none, NOTIFY_CHILDLESS_IKEV2_SUPPORTED, none);
    }
    return message_end(&b);
}

static void init_commit(struct ike *ike, struct init_work *work)
{
    const struct message *message = work->first.input.message;
    struct ike_sa *sa = first_take(ike, &work->first, NULL);
    if (sa == NULL) {
        return;
    }
    rand_fill(&ike->config.rand, work->first.nonce_r, sizeof(work->first.nonce_r));
    sa->suite = work->choice.ike;
    struct nonces nonces = {.i = message->nonce,
                            .r = span_of(work->first.nonce_r, sizeof(work->first.nonce_r))};
    kdf_ike(&sa->suite, span_of(work->shared.bytes, work->shared.len), &nonces, sa->spi_i, sa->spi_r,
            &sa->keys);
    struct span answer = init_answer(ike, work, sa);
    if (answer.len == 0 || !first_remember(ike, sa, &work->first, answer)) {
        ike_drop(ike, CAUSE_HALF_OPEN_FULL);
        sa_free(ike, sa);
        return;
    }
    sa->state = SA_HALF_OPEN;
    if (sa->natt) {
        quirk_met(ike, sa, QUIRK_FIRST_ON_4500);
    }
    sa->expires = ike->time.now + ike->policy->timers.half_open;
    sa_schedule(ike, sa);
    first_send(ike, sa);
}

void exch_init(struct ike *ike, const struct ike_datagram *datagram, const struct ike_header *header)
{
    struct init_work work;
    if (!first_begin(ike, datagram, header, INIT_REQUIRED, &work.first)) {
        return;
    }
    work.shared = (struct ke_value){0};
    if (first_passes(ike, &work.first, gate_admit(ike, &work.first.input, &work.first.pass)) &&
        init_negotiate(ike, &work)) {
        init_commit(ike, &work);
    }
    secret_wipe(&work.shared, sizeof(work.shared));
}

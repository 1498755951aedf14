/* IKE_SESSION_RESUME (RFC 5723 4.3.2):
 *
 *   client                                                us
 *   HDR, [N(COOKIE),] Ni, N(TICKET_OPAQUE) [, N(NAT..)] ->
 *                                                       <-  HDR, Nr [, N(NAT..)]
 *   or, without state: N(COOKIE), N(TICKET_NACK), upon which the client begins with IKE_SA_INIT
 *
 * IKE_AUTH follows (exch_auth.c). Where in the fleet the ticket was given does not matter. Before the answer
 * leaves, the store says whether the ticket was used before. What a login would be refused for, resumption
 * is, too: the connection is there and is for this identity, the secret or the certificate is still good, the
 * algorithms are allowed, and the login that it goes back to has not ended. */
#include "edge/base/secret.h"
#include "edge/crypto/prf.h"
#include "edge/ike/internal.h"

#define RESUME_REQUIRED PAYLOAD_BIT(PAYLOAD_NONCE)
#define ONCE_MARGIN_S 60 /* clocks of nodes differ */

struct resume_work {
    struct first first;
    struct ike_ticket ticket;
    struct span bytes; /* of the ticket */
};

/* RFC 5723 4.3.2: not protected, and the client goes on with IKE_SA_INIT. */
static void resume_refuse(struct ike *ike, const struct resume_work *work, enum cause cause)
{
    first_news(ike, &work->first, cause, NULL);
    first_refuse(ike, &work->first, cause, NOTIFY_TICKET_NACK, (struct span){0});
}

static bool has_encr(const struct policy_suites *allowed, const struct ike_suite *suite)
{
    for (uint32_t i = 0; i < allowed->num_encr; i++) {
        if (allowed->encr[i].encr == suite->encr && allowed->encr[i].bits == suite->encr_bits) {
            return true;
        }
    }
    return false;
}

static bool has_id(const uint16_t *allowed, uint32_t count, uint16_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (allowed[i] == id) {
            return true;
        }
    }
    return false;
}

/* Whether a login could agree on it today. */
static bool suite_is_allowed(const struct policy_suites *allowed, const struct ike_suite *suite)
{
    bool integ = encr_is_aead(suite->encr) ? suite->integ == INTEG_NONE
                                           : has_id(allowed->integ, allowed->num_integ, suite->integ);
    return integ && has_encr(allowed, suite) && has_id(allowed->prf, allowed->num_prf, suite->prf) &&
           propose_allows_group(allowed, suite->ke);
}

static bool has_secret(const struct policy_connection *connection, const struct identity *id)
{
    for (uint32_t i = 0; i < connection->num_secrets; i++) {
        if (identity_matches(id, connection->secrets[i].pattern)) {
            return true;
        }
    }
    return false;
}

/* RFC 4478, counted from the login itself, however often it was resumed since. */
static int64_t login_end(const struct ike *ike, const struct ike_ticket *ticket)
{
    ns_t lifetime = ike->policy->timers.auth_lifetime;
    int64_t end = ticket->auth_until_unix_s == 0 ? INT64_MAX : ticket->auth_until_unix_s;
    return lifetime == 0 ? end : HF_MIN(end, ticket->login_unix_s + (int64_t)(lifetime / NS_PER_S));
}

static enum cause ticket_allowed(const struct ike *ike, const struct ike_ticket *ticket)
{
    const struct policy *policy = ike->policy;
    const struct policy_connection *connection = connection_by_name(policy, ticket->connection);
    if (connection == NULL || !identity_matches(&ticket->remote_id, connection->match)) {
        return CAUSE_NO_CONNECTION;
    }
    if (!identity_equal(&policy->identities[connection->identity].id, &ticket->local_id)) {
        return CAUSE_NO_IDENTITY;
    }
    if (connection->auth != ticket->auth) {
        return CAUSE_AUTH_METHOD;
    }
    if (!suite_is_allowed(&policy->ike, &ticket->suite)) {
        return CAUSE_NO_PROPOSAL;
    }
    if (login_end(ike, ticket) <= ike->time.unix_s) {
        return CAUSE_AUTH_LIFETIME;
    }
    if (connection->auth == POLICY_AUTH_CERT) {
        return cert_mark_check(connection->trust, &ticket->cert, ike->time.unix_s);
    }
    return has_secret(connection, &ticket->remote_id) ? CAUSE_NONE : CAUSE_PSK_UNKNOWN;
}

static enum cause resume_read(struct ike *ike, struct resume_work *work)
{
    const struct notify *notify = message_notify(work->first.input.message, NOTIFY_TICKET_OPAQUE);
    work->bytes = notify->data;
    if (ike->policy->resumption.lifetime == 0) {
        return CAUSE_RESUMPTION_OFF;
    }
    enum cause cause = ticket_open(ike, work->bytes, &work->ticket);
    return cause == CAUSE_NONE ? ticket_allowed(ike, &work->ticket) : cause;
}

static struct span resume_answer(struct ike *ike, const struct resume_work *work, const struct ike_sa *sa)
{
    const struct message *message = work->first.input.message;
    const struct span none = {0};
    struct builder b;
    first_answer_begin(ike, sa, IKE_SESSION_RESUME, &b);
    build_nonce(&b, span_of(work->first.nonce_r, sizeof(work->first.nonce_r)));
    /* Only where the client asks: libreswan carries none of these on from its login. */
    if (message_notify(message, NOTIFY_NAT_DETECTION_SOURCE_IP) != NULL) {
        nat_build(ike, &b, sa->spi_i, sa->spi_r, &sa->local, &sa->remote);
    }
    if (sa->fragmentation) {
        build_notify(&b, PROTOCOL_NONE, none, NOTIFY_FRAGMENTATION_SUPPORTED, none);
    }
    if (ike->policy->childless) {
        build_notify(&b, PROTOCOL_IKE, none, NOTIFY_CHILDLESS_IKEV2_SUPPORTED, none);
    }
    return message_end(&b);
}

/* RFC 5723 section 5: what the new IKE SA has from the ticket. */
static void sa_from_ticket(struct ike *ike, struct ike_sa *sa, const struct resume_work *work)
{
    const struct ike_ticket *ticket = &work->ticket;
    struct nonces nonces = {.i = work->first.input.message->nonce,
                            .r = span_of(work->first.nonce_r, sizeof(work->first.nonce_r))};
    int64_t end = login_end(ike, ticket);
    sa->suite = ticket->suite;
    kdf_ike_resume(&sa->suite, span_of(ticket->sk_d, prf_bytes(sa->suite.prf)), &nonces, sa->spi_i, sa->spi_r,
                   &sa->keys);
    sa->resumed_from = ticket->session_id;
    sa->login_unix_s = ticket->login_unix_s;
    sa->auth_until_unix_s = end == INT64_MAX ? 0 : end;
    sa->cert = ticket->cert;
    ike_sa_name(ike, &sa->local_id, &ticket->local_id);
    ike_sa_name(ike, &sa->remote_id, &ticket->remote_id);
    memcpy(sa->connection, ticket->connection, sizeof(sa->connection));
}

/* The store is asked about a digest: it learns nothing of the ticket. */
static void resume_ask(struct ike *ike, struct ike_sa *sa, const struct resume_work *work)
{
    uint8_t digest[32];
    hash_sha256(&work->bytes, 1, digest);
    int64_t left_s = work->ticket.expires_unix_s - ike->time.unix_s + ONCE_MARGIN_S;
    sa->pending = PENDING_RESUME;
    sa->wait = WAIT_STORE;
    sa->wait_token = sa_token(ike, sa);
    ike->config.host.once(ike->config.host.context, slab_position(&ike->sas, sa->slot),
                          span_of(digest, sizeof(digest)), (uint32_t)left_s * 1000, sa->wait_token);
}

static void resume_commit(struct ike *ike, struct resume_work *work)
{
    const struct ike_ticket *ticket = &work->ticket;
    const struct ip_addr *near = ticket->num_addresses > 0 ? &ticket->addresses[0] : NULL;
    struct ike_sa *sa = first_take(ike, &work->first, near);
    if (sa == NULL) {
        return;
    }
    rand_fill(&ike->config.rand, work->first.nonce_r, sizeof(work->first.nonce_r));
    sa_from_ticket(ike, sa, work);
    struct span answer = resume_answer(ike, work, sa);
    if (answer.len == 0 || !first_remember(ike, sa, &work->first, answer)) {
        ike_drop(ike, CAUSE_HALF_OPEN_FULL);
        sa_free(ike, sa);
        return;
    }
    struct half_open *half_open = &ike->half_open[sa->half_open];
    memcpy(half_open->former, ticket->addresses, sizeof(half_open->former));
    half_open->num_former = ticket->num_addresses;
    sa->state = SA_HALF_OPEN;
    sa->expires = ike->time.now + ike->policy->timers.half_open;
    sa_schedule(ike, sa);
    resume_ask(ike, sa, work);
}

void exch_resume(struct ike *ike, const struct ike_datagram *datagram, const struct ike_header *header)
{
    struct resume_work work;
    if (!first_begin(ike, datagram, header, RESUME_REQUIRED, &work.first)) {
        return;
    }
    const struct ike_input *input = &work.first.input;
    if (message_notify(input->message, NOTIFY_TICKET_OPAQUE) == NULL) {
        ike_drop(ike, CAUSE_PAYLOAD_MISSING);
        return;
    }
    if (!first_passes(ike, &work.first, gate_admit(ike, input, &work.first.pass)) ||
        !first_passes(ike, &work.first, gate_charge(ike, input, &work.first.pass))) {
        return;
    }
    enum cause cause = resume_read(ike, &work);
    if (cause == CAUSE_NONE) {
        resume_commit(ike, &work);
    } else {
        resume_refuse(ike, &work, cause);
    }
    secret_wipe(&work.ticket, sizeof(work.ticket));
}

/* The request is gone by now: the answer goes to where it came from. */
static void resume_nack(struct ike *ike, struct ike_sa *sa, enum cause cause)
{
    struct ike_datagram datagram = {.local = sa->local, .remote = sa->remote, .natt = sa->natt};
    struct ike_header header = {
        .spi_i = sa->spi_i, .exchange = IKE_SESSION_RESUME, .flags = IKE_FLAG_INITIATOR};
    ike->counters.handshakes[cause]++;
    ike_drop(ike, cause);
    ike->config.host.news(ike->config.host.context, NEWS_LOGIN_FAILED, sa, NULL, cause, NULL);
    answer_plain(ike, &datagram, &header, NOTIFY_TICKET_NACK, (struct span){0});
    sa_close(ike, sa, cause, false);
}

void resume_checked(struct ike *ike, struct ike_sa *sa, enum ike_store_result result)
{
    sa->wait = WAIT_NOTHING;
    sa->pending = PENDING_NONE;
    if (result == IKE_STORE_FENCED) {
        resume_nack(ike, sa, CAUSE_TICKET_USED);
        return;
    }
    if (result == IKE_STORE_FAILED) {
        ike->counters.resumptions_unchecked++;
        if (ike->policy->resumption.store_failure == POLICY_STORE_REFUSE) {
            resume_nack(ike, sa, CAUSE_STORE);
            return;
        }
    }
    first_send(ike, sa);
}

void resume_done(struct ike *ike, struct ike_sa *sa)
{
    if (sa->resumed_from == 0) {
        return;
    }
    ike->counters.resumptions++;
    uint32_t slot = sa_first_of_peer(ike, sa->remote_id, sa->connection);
    while (slot != SLOT_NONE) {
        struct ike_sa *other = &ike->sa[slot];
        slot = other->peer_next;
        if (other != sa && other->session_id == sa->resumed_from && other->state == SA_ESTABLISHED &&
            other->wait == WAIT_NOTHING) {
            sa_close(ike, other, CAUSE_RESUMED, false);
            return;
        }
    }
}

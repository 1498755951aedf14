/* IKE_AUTH (RFC 7296 1.2, 2.15):
 *
 *   client                                                       us
 *   HDR, SK{IDi, [CERT,] [IDr,] AUTH, [CP,] SAi2, TSi, TSr}  ->
 *                                                            <-  HDR, SK{IDr, [CERT+,] AUTH, [CP,] SAr2, TSi,
 * TSr} or SK{N(AUTHENTICATION_FAILED)}, and the client learns no more than that; or the IKE SA without a
 * child and the reason why (RFC 7296 1.2).
 *
 * Without SAi2, TSi and TSr the client wants no child yet (RFC 6023).
 */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

/* What is learned before anything is granted. */
struct auth_work {
    const struct ike_input *input;
    const struct half_open *half_open;
    const struct policy_identity *identity;
    const struct policy_connection *connection;
    struct identity remote_id;
    struct span secret; /* of a PSK client */
    enum cause cause;
    struct cert_mark cert;
    bool malformed;    /* the cause is one that INVALID_SYNTAX answers */
    bool message_only; /* a resuming client's AUTH covers its first message and no more */
};

static bool auth_failed(struct auth_work *work, enum cause cause)
{
    work->cause = cause;
    return false;
}

/* RealMessage | Nonce | prf(SK_p, ID body): what an AUTH payload covers. `message` ends up in scratch.init.
 */
struct auth_octets {
    struct span parts[3];
    uint8_t id_mac[PRF_BYTES_MAX];
};

static void octets_of(struct ike *ike, const struct ike_sa *sa, struct blob message, struct span nonce,
                      const uint8_t *sk_p, struct span id_body, struct auth_octets *ret)
{
    blob_get(&ike->blobs, message, ike->scratch.init, sizeof(ike->scratch.init));
    size_t mac_bytes = prf_bytes(sa->suite.prf);
    prf_compute(sa->suite.prf, span_of(sk_p, mac_bytes), &id_body, 1, ret->id_mac);
    ret->parts[0] = span_of(ike->scratch.init, message.len);
    ret->parts[1] = nonce;
    ret->parts[2] = span_of(ret->id_mac, mac_bytes);
}

static bool verify_psk(const struct ike_sa *sa, const struct policy_connection *connection,
                       const struct auth_octets *octets, struct auth_work *work)
{
    struct span auth = work->input->message->auth;
    work->cause = CAUSE_PSK_UNKNOWN;
    for (uint32_t i = 0; i < connection->num_secrets; i++) {
        if (!identity_matches(&work->remote_id, connection->secrets[i].pattern)) {
            continue;
        }
        uint8_t expected[PRF_BYTES_MAX];
        psk_auth(sa->suite.prf, connection->secrets[i].secret, octets->parts, HF_COUNT(octets->parts),
                 expected);
        size_t len = prf_bytes(sa->suite.prf);
        bool equal = auth.len == len && secret_equal(auth.data, expected, len);
        secret_wipe(expected, sizeof(expected));
        if (equal) {
            work->secret = connection->secrets[i].secret;
            return true;
        }
        work->cause = CAUSE_PSK_WRONG;
    }
    return false;
}

static bool verify_cert(struct ike *ike, const struct policy_connection *connection,
                        const struct auth_octets *octets, struct auth_work *work)
{
    const struct message *message = work->input->message;
    struct span certs[IKE_CERTS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < message->num_certs; i++) {
        if (message->certs[i].encoding == CERT_X509_SIGNATURE) {
            certs[count++] = message->certs[i].data;
        }
    }
    if (count == 0) {
        return auth_failed(work, CAUSE_CERT_MISSING);
    }
    struct public_key *key = NULL;
    work->cause = cert_verify(connection->trust, certs, count, &work->remote_id, ike->time.unix_s, &key);
    if (work->cause == CAUSE_NONE) {
        work->cause =
            sign_verify(key, message->auth_method, message->auth, octets->parts, HF_COUNT(octets->parts));
    }
    public_key_free(key);
    if (work->cause == CAUSE_NONE && !cert_mark_of(certs[0], &work->cert)) {
        work->cause = CAUSE_CERT_PARSE;
    }
    return work->cause == CAUSE_NONE;
}

/* Tries the connections that fit identities and method, in order. */
static bool auth_verify(struct ike *ike, const struct ike_sa *sa, struct auth_work *work)
{
    const struct message *message = work->input->message;
    const struct half_open *half_open = work->half_open;
    struct auth_octets octets;
    octets_of(ike, sa, half_open->request, span_of(half_open->nonce_r, sizeof(half_open->nonce_r)),
              sa->keys.pi, message->id_i.body, &octets);
    bool psk = message->auth_method == AUTH_SHARED_KEY;
    work->cause = CAUSE_NO_CONNECTION;
    for (uint32_t i = 0; i < ike->policy->num_connections; i++) {
        const struct policy_connection *connection = &ike->policy->connections[i];
        const struct policy_identity *identity = &ike->policy->identities[connection->identity];
        if ((work->identity != NULL && work->identity != identity) ||
            !identity_matches(&work->remote_id, connection->match)) {
            continue;
        }
        if ((connection->auth == POLICY_AUTH_PSK) != psk) {
            work->cause = work->cause == CAUSE_NO_CONNECTION ? CAUSE_AUTH_METHOD : work->cause;
            continue;
        }
        if (psk ? verify_psk(sa, connection, &octets, work) : verify_cert(ike, connection, &octets, work)) {
            work->connection = connection;
            work->identity = identity;
            work->cause = CAUSE_NONE;
            return true;
        }
    }
    return false;
}

static struct identity identity_of(const struct id_view *view)
{
    struct identity id = {.type = view->type, .len = (uint16_t)view->data.len};
    if (id.len > 0) { /* absent: no bytes, and no place where they would be */
        memcpy(id.data, view->data.data, id.len);
    }
    return id;
}

/* IDr names who we are to be; without it, the connection that fits the client says so. */
static bool auth_identify(struct ike *ike, struct auth_work *work)
{
    const struct message *message = work->input->message;
    struct identity wanted = identity_of(&message->id_r);
    work->remote_id = identity_of(&message->id_i);
    for (uint32_t i = 0; i < ike->policy->num_identities && work->identity == NULL; i++) {
        const struct policy_identity *identity = &ike->policy->identities[i];
        if (identity_equal(&identity->id, &wanted)) {
            work->identity = identity;
        }
    }
    if (wanted.type != 0 && work->identity == NULL) {
        return auth_failed(work, CAUSE_NO_IDENTITY);
    }
    /* A client that wants EAP sends no AUTH (RFC 7296 2.16). */
    return message->auth_method != 0 || auth_failed(work, CAUSE_AUTH_METHOD);
}

/* ---- after IKE_SESSION_RESUME (RFC 5723 4.3.3): AUTH = prf(SK_px, <message octets>) */

/* The octets are those of RFC 7296 2.15. To libreswan they are the first message alone, which is as good: Nr
 * is in the key, and the identities are the ticket's or nobody's. */
static void resume_auth(const struct ike_sa *sa, const uint8_t *sk_p, const struct auth_octets *octets,
                        bool message_only, uint8_t ret_auth[PRF_BYTES_MAX])
{
    prf_compute(sa->suite.prf, span_of(sk_p, prf_bytes(sa->suite.prf)), octets->parts,
                message_only ? 1 : HF_COUNT(octets->parts), ret_auth);
}

static bool id_is(const struct id_view *view, const struct identity *id)
{
    return view->type == id->type && span_equal(view->data, span_of(id->data, id->len));
}

static bool resume_identify(struct ike *ike, const struct ike_sa *sa, struct auth_work *work)
{
    const struct message *message = work->input->message;
    work->remote_id = identity_whole(sa->remote_id);
    work->connection = connection_by_name(ike->policy, sa->connection);
    if (!id_is(&message->id_i, sa->remote_id) ||
        (message->id_r.type != 0 && !id_is(&message->id_r, sa->local_id))) {
        return auth_failed(work, CAUSE_TICKET_IDENTITY);
    }
    if (work->connection == NULL) { /* since the ticket was read */
        return auth_failed(work, CAUSE_NO_CONNECTION);
    }
    work->identity = &ike->policy->identities[work->connection->identity];
    work->cert = sa->cert;
    if (message->num_certs > 0) {
        return auth_failed(work, CAUSE_PAYLOAD_UNEXPECTED);
    }
    return message->auth_method == AUTH_SHARED_KEY || auth_failed(work, CAUSE_AUTH_METHOD);
}

static bool resume_verify(struct ike *ike, const struct ike_sa *sa, struct auth_work *work)
{
    const struct half_open *half_open = work->half_open;
    struct span auth = work->input->message->auth;
    uint8_t expected[PRF_BYTES_MAX];
    struct auth_octets octets;
    size_t len = prf_bytes(sa->suite.prf);
    if (!resume_identify(ike, sa, work)) {
        return false;
    }
    octets_of(ike, sa, half_open->request, span_of(half_open->nonce_r, sizeof(half_open->nonce_r)),
              sa->keys.pi, work->input->message->id_i.body, &octets);
    bool equal = false;
    for (int i = 0; i < 2 && !equal; i++) {
        work->message_only = i == 1;
        resume_auth(sa, sa->keys.pi, &octets, work->message_only, expected);
        equal = auth.len == len && secret_equal(auth.data, expected, len);
    }
    secret_wipe(expected, sizeof(expected));
    return equal || auth_failed(work, CAUSE_AUTH_WRONG);
}

/* IDr, CERT and AUTH. */
static bool build_our_auth(struct ike *ike, const struct ike_sa *sa, struct auth_work *work,
                           struct builder *b)
{
    const struct identity *id = &work->identity->id;
    const struct half_open *half_open = work->half_open;
    uint8_t body[4 + IKE_ID_BYTES_MAX] = {id->type}, method = AUTH_SHARED_KEY, auth[SIGNATURE_BYTES_MAX];
    memcpy(body + 4, id->data, id->len);
    struct auth_octets octets;
    octets_of(ike, sa, half_open->response, span_of(half_open->nonce_i, half_open->nonce_i_len), sa->keys.pr,
              span_of(body, 4 + (size_t)id->len), &octets);
    build_id(b, PAYLOAD_IDR, id->type, span_of(id->data, id->len));
    size_t len = prf_bytes(sa->suite.prf);
    if (sa->resumed_from != 0) {
        resume_auth(sa, sa->keys.pr, &octets, work->message_only, auth);
        work->cause = CAUSE_NONE;
    } else if (work->connection->auth == POLICY_AUTH_PSK) {
        psk_auth(sa->suite.prf, work->secret, octets.parts, HF_COUNT(octets.parts), auth);
    } else {
        const struct span *certs;
        size_t count = credential_chain(work->identity->credential, &certs);
        for (size_t i = 0; i < count; i++) {
            build_cert(b, CERT_X509_SIGNATURE, certs[i]);
        }
        work->cause = sign_auth(work->identity->credential, half_open->peer_hashes, octets.parts,
                                HF_COUNT(octets.parts), &method, auth, &len);
    }
    build_auth(b, method, span_of(auth, len));
    return work->cause == CAUSE_NONE;
}

/* RFC 4555 3.9: a client that wants no NAT is told of one, and nothing is granted. */
static bool nat_is_allowed(struct auth_work *work)
{
    bool forbidden =
        message_notify(work->input->message, NOTIFY_MOBIKE_SUPPORTED) != NULL && mobike_forbids(work->input);
    return !forbidden || auth_failed(work, CAUSE_NAT_FORBIDDEN);
}

static void sa_name_connection(struct ike *ike, struct ike_sa *sa, const struct auth_work *work)
{
    size_t len = strlen(work->connection->name);
    hf_assert(len < sizeof(sa->connection));
    memcpy(sa->connection, work->connection->name, len + 1);
    ike_sa_name(ike, &sa->local_id, &work->identity->id);
    ike_sa_name(ike, &sa->remote_id, &work->remote_id);
    sa->cert = work->cert;
    if (sa->resumed_from == 0) {
        sa->login_unix_s = ike->time.unix_s;
    }
}

/* Addresses and the first child; when they are not to be had, the IKE SA stands without and says why. False:
 * what was asked for cannot be read. INVALID_SYNTAX in IKE_AUTH means that there is no IKE SA (RFC 7296
 * 2.21.2), so it must not stand. */
static bool build_first_child(struct ike *ike, struct ike_sa *sa, struct auth_work *work, struct builder *b)
{
    const struct message *message = work->input->message;
    const struct half_open *half_open = work->half_open;
    struct child_request request = {
        .message = message,
        .in_auth = true,
        .nonces = {.i = span_of(half_open->nonce_i, half_open->nonce_i_len),
                   .r = span_of(half_open->nonce_r, sizeof(half_open->nonce_r))},
    };
    struct child_result result = {.notify = NOTIFY_INTERNAL_ADDRESS_FAILURE};
    struct ike_child *child = NULL;
    result.cause = cp_assign(ike, sa, work->connection, &message->cp);
    if (result.cause == CAUSE_NONE && message->sa.data == NULL) {
        cp_answer(ike, b, sa, &message->cp);
        return true;
    }
    if (result.cause == CAUSE_NONE && work->connection->pool != POLICY_NO_POOL && sa->num_addresses == 0) {
        result = (struct child_result){.notify = NOTIFY_FAILED_CP_REQUIRED, .cause = CAUSE_CP_MISSING};
    }
    if (result.cause == CAUSE_NONE) {
        child = child_create(ike, sa, &request, &result);
    }
    if (child == NULL && result.notify == NOTIFY_INVALID_SYNTAX) {
        work->malformed = true;
        return auth_failed(work, result.cause);
    }
    if (child == NULL) {
        const char *detail = result.cause == CAUSE_NO_PROPOSAL ? propose_describe(ike, &ike->scratch.offer)
                                                               : "IKE SA without a Child SA";
        ike->config.host.news(ike->config.host.context, NEWS_CHILD_FAILED, sa, NULL, result.cause, detail);
        cp_answer(ike, b, sa, &message->cp);
        build_notify(b, PROTOCOL_NONE, (struct span){0}, result.notify, (struct span){0});
        return true;
    }
    cp_answer(ike, b, sa, &message->cp);
    child_answer(ike, b, child, &result);
    sa->pending_child = child->slot;
    return true;
}

/* RFC 4478 2: how long this login is good for. */
static void build_auth_lifetime(struct ike *ike, struct ike_sa *sa, struct builder *b)
{
    uint8_t lifetime_s[4];
    struct span none = {0};
    ns_t lifetime = ike->policy->timers.auth_lifetime;
    if (lifetime != 0 && sa->resumed_from == 0) {
        sa->auth_until_unix_s = ike->time.unix_s + (int64_t)(lifetime / NS_PER_S);
    }
    if (sa->auth_until_unix_s == 0) {
        return;
    }
    be32_store(lifetime_s, (uint32_t)HF_MAX(sa->auth_until_unix_s - ike->time.unix_s, INT64_C(1)));
    build_notify(b, PROTOCOL_NONE, none, NOTIFY_AUTH_LIFETIME, span_of(lifetime_s, sizeof(lifetime_s)));
}

static void auth_refuse(struct ike *ike, struct ike_sa *sa, const struct auth_work *work)
{
    ike_sa_name(ike, &sa->remote_id, &work->remote_id);
    ike->counters.handshakes[work->cause]++;
    ike->config.host.news(ike->config.host.context, NEWS_LOGIN_FAILED, sa, NULL, work->cause, NULL);
    if (work->malformed) {
        sa_respond_fatal(ike, sa, IKE_AUTH, work->cause);
        return;
    }
    sa_respond_notify(ike, sa, IKE_AUTH,
                      work->cause == CAUSE_NAT_FORBIDDEN ? NOTIFY_UNEXPECTED_NAT_DETECTED
                                                         : NOTIFY_AUTHENTICATION_FAILED,
                      (struct span){0});
    sa_close(ike, sa, work->cause, true);
}

void exch_auth(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    struct auth_work work = {.input = input, .half_open = &ike->half_open[sa->half_open]};
    struct builder b;
    chain_start(ike, &b);
    bool good = sa->resumed_from != 0 ? resume_verify(ike, sa, &work)
                                      : auth_identify(ike, &work) && auth_verify(ike, sa, &work);
    if (!good || !nat_is_allowed(&work) || !build_our_auth(ike, sa, &work, &b)) {
        auth_refuse(ike, sa, &work);
        return;
    }
    sa_name_connection(ike, sa, &work);
    sa_link_peer(ike, sa);
    if (work.connection->auth == POLICY_AUTH_CERT && sa->resumed_from == 0 && !input->message->has_certreq) {
        quirk_met(ike, sa, QUIRK_NO_CERTREQ);
    }
    sa->initial_contact = message_notify(input->message, NOTIFY_INITIAL_CONTACT) != NULL;
    sa->established_unix_s = ike->time.unix_s;
    token_build(ike, sa, &b); /* RFC 6290 4.2: behind AUTH */
    if (!build_first_child(ike, sa, &work, &b)) {
        auth_refuse(ike, sa, &work);
        return;
    }
    mobike_offer(ike, sa, input, &b);
    build_auth_lifetime(ike, sa, &b);
    sync_offer(ike, sa, input->message, &b);
    ticket_answer(ike, sa, input->message, &b);
    if (!sa_respond(ike, sa, IKE_AUTH, &b)) {
        work.cause = CAUSE_FRAGMENT_NO_ROOM;
        sa->pending_child = SLOT_NONE;
        auth_refuse(ike, sa, &work);
        return;
    }
    sa->expires = NS_NEVER; /* from here on plane and store answer, not the client */
    wait_begin(ike, sa, PENDING_AUTH);
    sa_schedule(ike, sa);
}

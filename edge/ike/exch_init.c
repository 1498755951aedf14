/* IKE_SA_INIT (RFC 7296 1.2):
 *
 *   client                                         us
 *   HDR, [N(COOKIE)], SAi1, KEi, Ni, N(NAT..)  ->
 *                                              <-  HDR, SAr1, KEr, Nr, N(NAT..), [CERTREQ], N(..)
 *   or, without state: N(COOKIE), N(INVALID_KE_PAYLOAD), N(NO_PROPOSAL_CHOSEN)
 */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

#define NEWS_INTERVAL_NS (100 * NS_PER_MS)
#define NEWS_BURST 50
#define INIT_REQUIRED (PAYLOAD_BIT(PAYLOAD_SA) | PAYLOAD_BIT(PAYLOAD_KE) | PAYLOAD_BIT(PAYLOAD_NONCE))

/* What is computed before anything changes. */
struct init_work {
    struct ike_input input;
    struct proposal_choice choice;
    uint64_t digest;
    struct gate_pass pass;
    uint8_t nonce_r[IKE_NONCE_BYTES];
    struct ke_value public;
    struct ke_value shared;
};

static uint64_t init_digest(const struct ike *ike, const struct ike_datagram *datagram)
{
    uint8_t source[18];
    memcpy(source, datagram->remote.addr.bytes, 16);
    be16_store(source + 16, datagram->remote.port);
    return ike_hash(ike, datagram->bytes, span_of(source, sizeof(source)));
}

static void refuse(struct ike *ike, const struct init_work *work, enum cause cause, uint16_t notify,
                   struct span data)
{
    ike_drop(ike, cause);
    answer_plain(ike, work->input.datagram, &work->input.header, notify, data);
}

static bool init_passes(struct ike *ike, struct init_work *work, enum cause cause)
{
    if (cause == CAUSE_COOKIE_WANTED || cause == CAUSE_COOKIE_WRONG) {
        uint8_t bytes[HF_COOKIE_BYTES];
        cookie_write(ike, &work->input, bytes);
        ike->counters.cookies_sent++;
        refuse(ike, work, cause, NOTIFY_COOKIE, span_of(bytes, sizeof(bytes)));
    } else if (cause != CAUSE_NONE) {
        ike_drop(ike, cause);
    }
    return cause == CAUSE_NONE;
}

static void init_news(struct ike *ike, const struct init_work *work, enum cause cause, const char *detail)
{
    /* There is no SA to speak of: the news carries a bare one with what is known. */
    struct ike_sa stranger = {.spi_i = work->input.header.spi_i,
                              .local = work->input.datagram->local,
                              .remote = work->input.datagram->remote};
    ike->counters.handshakes[cause]++;
    if (!bucket_take(&ike->news, ike->time.now, NEWS_INTERVAL_NS, NEWS_BURST, 1)) {
        return; /* counted; a flood is not to fill the disk */
    }
    ike->config.host.news(ike->config.host.context, NEWS_LOGIN_FAILED, &stranger, NULL, cause, detail);
}

static bool init_negotiate(struct ike *ike, struct init_work *work)
{
    const struct message *message = work->input.message;
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
        init_news(ike, work, cause, hint != NULL ? hint : propose_describe(ike, offer));
        refuse(ike, work, cause, NOTIFY_NO_PROPOSAL_CHOSEN, none);
        return false;
    }
    if (work->choice.ike.ke != message->ke_group) {
        uint8_t group[2];
        be16_store(group, work->choice.ike.ke);
        refuse(ike, work, CAUSE_KE_GROUP, NOTIFY_INVALID_KE_PAYLOAD, span_of(group, sizeof(group)));
        return false;
    }
    if (message->ke.len != ke_public_bytes(message->ke_group)) {
        ike_drop(ike, CAUSE_KE_INVALID);
        return false;
    }
    if (!init_passes(ike, work, gate_charge(ike, &work->input, &work->pass))) {
        return false;
    }
    bool agreed = ke_agree(message->ke_group, &ike->config.rand, message->ke, &work->public, &work->shared);
    if (!agreed) {
        ike_drop(ike, CAUSE_KE_INVALID);
    }
    return agreed;
}

static unsigned announced_hashes(const struct message *message)
{
    const struct notify *notify = message_notify(message, NOTIFY_SIGNATURE_HASH_ALGORITHMS);
    unsigned hashes = 0;
    for (size_t i = 0; notify != NULL && i + 2 <= notify->data.len; i += 2) {
        uint16_t hash = be16_load(notify->data.data + i);
        hashes |= hash < 16 ? HASH_BIT(hash) : 0;
    }
    return hashes;
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
    const struct message *message = work->input.message;
    struct ike_header header = {.spi_i = sa->spi_i,
                                .spi_r = sa->spi_r,
                                .version = 0x20,
                                .exchange = IKE_SA_INIT,
                                .flags = IKE_FLAG_RESPONSE};
    struct builder b;
    struct span none = {0};
    message_begin(&b, ike->scratch.inner, sizeof(ike->scratch.inner), &header);
    propose_answer(ike, &b, &work->choice, none);
    build_ke(&b, work->choice.ike.ke, span_of(work->public.bytes, work->public.len));
    build_nonce(&b, span_of(work->nonce_r, sizeof(work->nonce_r)));
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

/* The handshake's own state; false when a table is full, with nothing taken. */
static bool init_remember(struct ike *ike, struct ike_sa *sa, const struct init_work *work,
                          struct span answer)
{
    struct half_open *half_open = half_open_take(ike, sa);
    if (half_open == NULL) {
        return false;
    }
    gate_enter(ike, half_open, &work->pass);
    struct span nonce_i = work->input.message->nonce;
    memcpy(half_open->nonce_i, nonce_i.data, nonce_i.len);
    half_open->nonce_i_len = (uint16_t)nonce_i.len;
    memcpy(half_open->nonce_r, work->nonce_r, sizeof(half_open->nonce_r));
    half_open->peer_hashes = announced_hashes(work->input.message);
    half_open->digest = work->digest;
    return blob_put(&ike->blobs, work->input.datagram->bytes, &half_open->request) &&
           blob_put(&ike->blobs, answer, &half_open->response) &&
           map_put(&ike->init_digests, work->digest, sa->slot);
}

static void init_commit(struct ike *ike, const struct init_work *work)
{
    const struct ike_datagram *datagram = work->input.datagram;
    const struct message *message = work->input.message;
    enum cause cause = gate_make_room(ike, &work->pass);
    if (cause != CAUSE_NONE) {
        ike_drop(ike, cause);
        return;
    }
    struct ike_sa *sa = sa_take(ike, ike->config.host.shard_pick(ike->config.host.context));
    if (sa == NULL) {
        ike_drop(ike, CAUSE_SESSIONS_FULL);
        return;
    }
    sa->spi_i = work->input.header.spi_i;
    sa->suite = work->choice.ike;
    sa->local = datagram->local;
    sa->remote = datagram->remote;
    sa->natt = datagram->natt;
    sa->behind_nat = nat_is_between(&work->input);
    sa->fragmentation = message_notify(message, NOTIFY_FRAGMENTATION_SUPPORTED) != NULL;
    sa->peer_next_id = 1;
    sa->session_id = rand_u64(&ike->config.rand) | 1;
    struct nonces nonces = {.i = message->nonce, .r = span_of(work->nonce_r, sizeof(work->nonce_r))};
    kdf_ike(&sa->suite, span_of(work->shared.bytes, work->shared.len), &nonces, sa->spi_i, sa->spi_r,
            &sa->keys);
    struct span answer = init_answer(ike, work, sa);
    if (answer.len == 0 || !init_remember(ike, sa, work, answer)) {
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
    ike->config.host.send(ike->config.host.context, &sa->local, &sa->remote, sa->natt, answer);
    ike->counters.datagrams_out++;
}

/* The same bytes from the same place: the same answer (RFC 7296 2.1). */
static bool init_repeated(struct ike *ike, const struct ike_datagram *datagram, uint64_t digest)
{
    uint32_t slot = map_get(&ike->init_digests, digest);
    if (slot == MAP_NONE) {
        return false;
    }
    const struct ike_sa *sa = &ike->sa[slot];
    struct blob answer = ike->half_open[sa->half_open].response;
    blob_get(&ike->blobs, answer, ike->scratch.init, sizeof(ike->scratch.init));
    ike->config.host.send(ike->config.host.context, &datagram->local, &datagram->remote, datagram->natt,
                          span_of(ike->scratch.init, answer.len));
    ike->counters.datagrams_out++;
    ike->counters.retransmits_answered++;
    return true;
}

static enum cause init_read(struct ike *ike, const struct ike_datagram *datagram,
                            const struct ike_header *header)
{
    struct span chain =
        span_of(datagram->bytes.data + IKE_HEADER_BYTES, datagram->bytes.len - IKE_HEADER_BYTES);
    enum cause cause = payloads_read(header->next_payload, chain, &ike->scratch.payloads);
    return cause == CAUSE_NONE ? message_read(&ike->scratch.payloads, &ike->scratch.message) : cause;
}

bool ike_is_proven(struct ike *ike, struct ike_time time, const struct ike_datagram *datagram)
{
    ike->time = time;
    struct ike_input input = {.datagram = datagram, .message = &ike->scratch.message};
    if (ike_header_read(datagram->bytes, &input.header) != CAUSE_NONE ||
        init_read(ike, datagram, &input.header) != CAUSE_NONE) {
        return false;
    }
    const struct notify *cookie = message_notify(input.message, NOTIFY_COOKIE);
    return cookie != NULL && cookie_is_valid(ike, &input, cookie->data);
}

void exch_init(struct ike *ike, const struct ike_datagram *datagram, const struct ike_header *header)
{
    struct init_work work = {
        .input = {.datagram = datagram, .header = *header, .message = &ike->scratch.message}};
    work.digest = init_digest(ike, datagram);
    if (init_repeated(ike, datagram, work.digest)) {
        return;
    }
    enum cause cause = init_read(ike, datagram, header);
    const struct message *message = work.input.message;
    if (cause == CAUSE_NONE && message->unknown_critical != 0) {
        refuse(ike, &work, CAUSE_PAYLOAD_CRITICAL, NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
               span_of(&message->unknown_critical, 1));
        return;
    }
    if (cause == CAUSE_NONE && (message->present & INIT_REQUIRED) != INIT_REQUIRED) {
        cause = CAUSE_PAYLOAD_MISSING;
    }
    if (cause != CAUSE_NONE) {
        ike_drop(ike, cause);
        return;
    }
    if (init_passes(ike, &work, gate_admit(ike, &work.input, &work.pass)) && init_negotiate(ike, &work)) {
        rand_fill(&ike->config.rand, work.nonce_r, sizeof(work.nonce_r));
        init_commit(ike, &work);
    }
    secret_wipe(&work.shared, sizeof(work.shared));
}

/* First messages: IKE_SA_INIT, and IKE_SESSION_RESUME, which "behaves exactly like" it but for what it
 * carries (RFC 5723 4.3.2). */
#include "edge/ike/internal.h"

#define NEWS_INTERVAL_NS (100 * NS_PER_MS)
#define NEWS_BURST 50

static uint64_t first_digest(const struct ike *ike, const struct ike_datagram *datagram)
{
    uint8_t source[18];
    memcpy(source, datagram->remote.addr.bytes, 16);
    be16_store(source + 16, datagram->remote.port);
    return ike_hash(ike, datagram->bytes, span_of(source, sizeof(source)));
}

void first_refuse(struct ike *ike, const struct first *first, enum cause cause, uint16_t notify,
                  struct span data)
{
    ike_drop(ike, cause);
    answer_plain(ike, first->input.datagram, &first->input.header, notify, data);
}

bool first_passes(struct ike *ike, const struct first *first, enum cause cause)
{
    if (cause == CAUSE_COOKIE_WANTED || cause == CAUSE_COOKIE_WRONG) {
        uint8_t bytes[HF_COOKIE_BYTES];
        cookie_write(ike, &first->input, bytes);
        ike->counters.cookies_sent++;
        first_refuse(ike, first, cause, NOTIFY_COOKIE, span_of(bytes, sizeof(bytes)));
    } else if (cause != CAUSE_NONE) {
        ike_drop(ike, cause);
    }
    if (cause == CAUSE_DRAINING) {
        (void)redirect_first(ike, first);
    }
    return cause == CAUSE_NONE;
}

void first_news(struct ike *ike, const struct first *first, enum cause cause, const char *detail)
{
    /* There is no SA to speak of: the news carries a bare one with what is known. */
    struct ike_sa stranger = {.spi_i = first->input.header.spi_i,
                              .local = first->input.datagram->local,
                              .remote = first->input.datagram->remote};
    ike->counters.handshakes[cause]++;
    if (!bucket_take(&ike->news, ike->time.now, NEWS_INTERVAL_NS, NEWS_BURST, 1)) {
        return; /* counted; a flood is not to fill the disk */
    }
    ike->config.host.news(ike->config.host.context, NEWS_LOGIN_FAILED, &stranger, NULL, cause, detail);
}

struct ike_sa *first_take(struct ike *ike, const struct first *first, const struct ip_addr *near)
{
    const struct ike_datagram *datagram = first->input.datagram;
    const struct message *message = first->input.message;
    enum cause cause = gate_make_room(ike, &first->pass);
    if (cause != CAUSE_NONE) {
        ike_drop(ike, cause);
        return NULL;
    }
    struct ike_sa *sa = sa_take(ike, ike->config.host.shard_pick(ike->config.host.context, near));
    if (sa == NULL) {
        ike_drop(ike, CAUSE_SESSIONS_FULL);
        return NULL;
    }
    sa->spi_i = first->input.header.spi_i;
    sa->local = datagram->local;
    sa->remote = datagram->remote;
    sa->natt = datagram->natt;
    sa->behind_nat = nat_is_between(&first->input);
    sa->fragmentation = message_notify(message, NOTIFY_FRAGMENTATION_SUPPORTED) != NULL;
    sa->follows = redirect_is_known(message);
    sa->peer_next_id = 1;
    sa->session_id = rand_u64(&ike->config.rand) | 1;
    return sa;
}

void first_answer_begin(struct ike *ike, const struct ike_sa *sa, uint8_t exchange, struct builder *b)
{
    struct ike_header header = {.spi_i = sa->spi_i,
                                .spi_r = sa->spi_r,
                                .version = 0x20,
                                .exchange = exchange,
                                .flags = IKE_FLAG_RESPONSE};
    message_begin(b, ike->scratch.inner, sizeof(ike->scratch.inner), &header);
}

void first_send(struct ike *ike, const struct ike_sa *sa)
{
    struct blob answer = ike->half_open[sa->half_open].response;
    blob_get(&ike->blobs, answer, ike->scratch.init, sizeof(ike->scratch.init));
    ike->config.host.send(ike->config.host.context, &sa->local, &sa->remote, sa->natt,
                          span_of(ike->scratch.init, answer.len));
    ike->counters.datagrams_out++;
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

bool first_remember(struct ike *ike, struct ike_sa *sa, const struct first *first, struct span answer)
{
    struct half_open *half_open = half_open_take(ike, sa);
    if (half_open == NULL) {
        return false;
    }
    gate_enter(ike, half_open, &first->pass);
    struct span nonce_i = first->input.message->nonce;
    memcpy(half_open->nonce_i, nonce_i.data, nonce_i.len);
    half_open->nonce_i_len = (uint16_t)nonce_i.len;
    memcpy(half_open->nonce_r, first->nonce_r, sizeof(half_open->nonce_r));
    half_open->peer_hashes = announced_hashes(first->input.message);
    half_open->digest = first->digest;
    return blob_put(&ike->blobs, first->input.datagram->bytes, &half_open->request) &&
           blob_put(&ike->blobs, answer, &half_open->response) &&
           map_put(&ike->init_digests, first->digest, sa->slot);
}

/* The same bytes from the same place: the same answer (RFC 7296 2.1). */
static bool first_repeated(struct ike *ike, const struct ike_datagram *datagram, uint64_t digest)
{
    uint32_t slot = map_get(&ike->init_digests, digest);
    if (slot == MAP_NONE) {
        return false;
    }
    const struct ike_sa *sa = &ike->sa[slot];
    if (sa->wait != WAIT_NOTHING) {
        ike_drop(ike, CAUSE_BUSY);
        return true;
    }
    struct blob answer = ike->half_open[sa->half_open].response;
    blob_get(&ike->blobs, answer, ike->scratch.init, sizeof(ike->scratch.init));
    ike->config.host.send(ike->config.host.context, &datagram->local, &datagram->remote, datagram->natt,
                          span_of(ike->scratch.init, answer.len));
    ike->counters.datagrams_out++;
    ike->counters.retransmits_answered++;
    return true;
}

static enum cause first_read(struct ike *ike, const struct ike_datagram *datagram,
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
        first_read(ike, datagram, &input.header) != CAUSE_NONE) {
        return false;
    }
    const struct notify *cookie = message_notify(input.message, NOTIFY_COOKIE);
    return cookie != NULL && cookie_is_valid(ike, &input, cookie->data);
}

bool first_begin(struct ike *ike, const struct ike_datagram *datagram, const struct ike_header *header,
                 uint64_t required, struct first *ret_first)
{
    *ret_first =
        (struct first){.input = {.datagram = datagram, .header = *header, .message = &ike->scratch.message}};
    ret_first->digest = first_digest(ike, datagram);
    if (first_repeated(ike, datagram, ret_first->digest)) {
        return false;
    }
    enum cause cause = first_read(ike, datagram, header);
    const struct message *message = ret_first->input.message;
    if (cause == CAUSE_NONE && message->unknown_critical != 0) {
        first_refuse(ike, ret_first, CAUSE_PAYLOAD_CRITICAL, NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
                     span_of(&message->unknown_critical, 1));
        return false;
    }
    if (cause == CAUSE_NONE && (message->present & required) != required) {
        cause = CAUSE_PAYLOAD_MISSING;
    }
    if (cause != CAUSE_NONE) {
        ike_drop(ike, cause);
        return false;
    }
    return true;
}

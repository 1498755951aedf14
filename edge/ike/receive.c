/* From a datagram to the exchange it belongs to. Cheap checks first; nothing in an SA changes before the ICV
 * holds. */
#include "edge/ike/internal.h"

#define LEARN_WINDOW 4096 /* how far a peer's next id may have moved on since its record was written */

#define BIT(type) PAYLOAD_BIT(PAYLOAD_##type)

/* The protocol as a table: which exchange is answered in which state, and what it cannot do without. */
struct exchange_row {
    uint8_t exchange;
    uint8_t state;
    uint64_t required;
    void (*handler)(struct ike *ike, struct ike_sa *sa, const struct ike_input *input);
};

static void authenticate(struct ike *ike, struct ike_sa *sa, const struct ike_input *input);
static void create_child(struct ike *ike, struct ike_sa *sa, const struct ike_input *input);

static const struct exchange_row rows[] = {
    {IKE_AUTH, SA_HALF_OPEN, BIT(IDI), authenticate},
    {CREATE_CHILD_SA, SA_ESTABLISHED, BIT(SA) | BIT(NONCE), create_child},
    {CREATE_CHILD_SA, SA_REKEYED, BIT(SA) | BIT(NONCE), create_child},
    {INFORMATIONAL, SA_ESTABLISHED, 0, exch_info},
    {INFORMATIONAL, SA_REKEYED, 0, exch_info},
    {INFORMATIONAL, SA_CLOSING, 0, exch_info}, /* both sides delete at once */
};

/* CREATE_CHILD_SA means three things; the protocol of the proposals and the selectors tell which. */
static void create_child(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    const struct message *message = input->message;
    struct sa_view *offer = &ike->scratch.offer;
    uint64_t selectors = BIT(TSI) | BIT(TSR);
    enum cause cause = sa_read(message->sa, offer);
    quirks_of_create(ike, sa, message, offer);
    bool rekeys_ike = cause == CAUSE_NONE && offer->count > 0 && offer->proposals[0].protocol == PROTOCOL_IKE;
    if (cause != CAUSE_NONE || (!rekeys_ike && (message->present & selectors) != selectors)) {
        sa_respond_fatal(ike, sa, CREATE_CHILD_SA, cause == CAUSE_NONE ? CAUSE_PAYLOAD_MISSING : cause);
    } else if (rekeys_ike) {
        exch_ike_rekey(ike, sa, input);
    } else {
        exch_child(ike, sa, input);
    }
}

static const struct exchange_row *row_of(uint8_t exchange, uint8_t state)
{
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        if (rows[i].exchange == exchange && rows[i].state == state) {
            return &rows[i];
        }
    }
    return NULL;
}

/* RFC 7383 2.6.1: of a repeated fragmented request, only the first fragment is answered again. */
static bool asks_again(const struct payloads *outer)
{
    const struct payload *last = outer->count > 0 ? &outer->v[outer->count - 1] : NULL;
    struct fragment_view fragment;
    return last == NULL || last->type != PAYLOAD_SKF ||
           (fragment_read(last->body, &fragment) == CAUSE_NONE && fragment.number == 1);
}

/* RFC 7296 2.11: an answer goes to where its question came from. */
static void sa_answer_to(struct ike_sa *sa, const struct ike_datagram *datagram)
{
    sa->reply =
        (struct ike_path){.local = datagram->local, .remote = datagram->remote, .natt = datagram->natt};
}

/* Message ids (RFC 7296 2.1 to 2.3). True: the request is the next one. */
static bool request_is_next(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    const struct payloads *outer = &ike->scratch.payloads;
    uint32_t id = input->header.message_id;
    /* The client may use the IKE SA of our rekey before our record of it is written: the session has not
     * moved yet, so the children are still the old one's. */
    bool too_early = sa->state == SA_REKEYED && sa->connection[0] != '\0';
    if (sa->wait != WAIT_NOTHING || sa->state == SA_RESTORING || too_early) {
        ike_drop(ike, CAUSE_BUSY);
        return false;
    }
    if (sa->response.valid && id == sa->response.id) {
        if (!sa_is_authentic(ike, sa, input->datagram->bytes, outer)) {
            ike_drop(ike, CAUSE_ICV);
        } else if (asks_again(outer)) {
            sa_answer_to(sa, input->datagram);
            if (sa->state == SA_CLOSED) {
                rekey_ike_urge(ike, sa); /* as when it was answered first */
            }
            sa_send_response(ike, sa);
            ike->counters.retransmits_answered++;
        }
        return false;
    }
    uint32_t ahead = id - sa->peer_next_id;
    if (id == UINT32_MAX || ahead > (sa->learn_id ? LEARN_WINDOW : 0)) {
        ike_drop(ike, CAUSE_MESSAGE_ID);
        return false;
    }
    return true;
}

static enum cause open_and_read(struct ike *ike, struct ike_sa *sa, const struct ike_input *input,
                                enum cause *ret_inner)
{
    uint8_t first = PAYLOAD_NONE;
    struct span inner = {0};
    struct payloads *payloads = &ike->scratch.payloads;
    *ret_inner = CAUSE_NONE;
    enum cause cause = sa_open(ike, sa, &input->header, input->datagram->bytes, payloads, &first, &inner);
    if (cause != CAUSE_NONE) {
        return cause;
    }
    *ret_inner = payloads_read(first, inner, payloads);
    if (*ret_inner == CAUSE_NONE) {
        *ret_inner = message_read(payloads, &ike->scratch.message);
    }
    if (*ret_inner == CAUSE_NONE && (ike->scratch.message.present & (BIT(SK) | BIT(SKF))) != 0) {
        *ret_inner = CAUSE_PAYLOAD_UNEXPECTED;
    }
    return CAUSE_NONE;
}

/* The message is authentic: its source is where the client is now. A client behind a NAT may show up
 * elsewhere at any time (RFC 7296 2.23), and the handshake moves from port 500 to 4500. */
static void sa_follow(struct ike *ike, struct ike_sa *sa, const struct ike_datagram *datagram)
{
    struct ike_path path = {.local = datagram->local, .remote = datagram->remote, .natt = datagram->natt};
    sa->last_in = ike->time.now;
    /* After a restore old requests cannot be told from new ones at first: then only ESP moves the client. A
     * client with MOBIKE says when it moves (RFC 4555 3.8). */
    bool may_move = sa->state == SA_HALF_OPEN || (sa->behind_nat && !sa->restored && !sa->mobike);
    bool moved = !endpoint_equal(&sa->remote, &path.remote) || !endpoint_equal(&sa->local, &path.local);
    if (may_move && moved) {
        sa_drift(ike, sa, &path);
    }
}

static void answer_malformed(struct ike *ike, struct ike_sa *sa, uint8_t exchange, enum cause cause,
                             uint8_t critical)
{
    bool stranger = sa->state == SA_HALF_OPEN;
    if (stranger) {
        ike->counters.handshakes[cause]++;
        ike->config.host.news(ike->config.host.context, NEWS_LOGIN_FAILED, sa, NULL, cause, NULL);
    }
    if (cause != CAUSE_PAYLOAD_CRITICAL) {
        sa_respond_fatal(ike, sa, exchange, cause);
        return;
    }
    ike_drop(ike, cause);
    sa_respond_notify(ike, sa, exchange, NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD, span_of(&critical, 1));
    if (stranger) {
        sa_close(ike, sa, cause, true);
    }
}

/* With all that a child needs; or with nothing of it, where that is allowed (RFC 6023). */
static void authenticate(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    uint64_t child = BIT(SA) | BIT(TSI) | BIT(TSR), has = input->message->present & child;
    if (has == child || (has == 0 && ike->policy->childless)) {
        exch_auth(ike, sa, input);
    } else {
        answer_malformed(ike, sa, IKE_AUTH, CAUSE_PAYLOAD_MISSING, 0);
    }
}

static void receive_request(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    uint8_t exchange = input->header.exchange;
    uint32_t id = input->header.message_id;
    if (!request_is_next(ike, sa, input)) {
        return;
    }
    const struct exchange_row *row = row_of(exchange, sa->state);
    if (row == NULL) {
        ike_drop(ike, ike_exchange_name(exchange) == NULL ? CAUSE_EXCHANGE_UNKNOWN : CAUSE_STATE);
        return;
    }
    if (sa->state == SA_HALF_OPEN && !ike->may_begin) {
        ike_drop(ike, CAUSE_NO_LEASE); /* the client asks again */
        return;
    }
    enum cause inner;
    enum cause cause = open_and_read(ike, sa, input, &inner);
    if (cause != CAUSE_NONE) {
        if (cause != CAUSE_BUSY) { /* a fragment that was taken is no drop */
            ike_drop(ike, cause);
        }
        return;
    }
    reassembly_free(ike, sa); /* of this message, or of one that is past */
    sa->peer_next_id = id;
    sa_answer_to(sa, input->datagram);
    sa_follow(ike, sa, input->datagram);
    const struct message *message = input->message;
    if (inner == CAUSE_NONE && message->unknown_critical != 0) {
        inner = CAUSE_PAYLOAD_CRITICAL;
    } else if (inner == CAUSE_NONE && (message->present & row->required) != row->required) {
        inner = CAUSE_PAYLOAD_MISSING;
    }
    if (inner != CAUSE_NONE) {
        answer_malformed(ike, sa, exchange, inner, message->unknown_critical);
    } else {
        row->handler(ike, sa, input);
    }
}

static void receive_response(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    const struct sa_request *request = &sa->request;
    if (!request->message.valid || request->message.id != input->header.message_id ||
        request->exchange != input->header.exchange) {
        ike_drop(ike, CAUSE_RESPONSE_UNASKED);
        return;
    }
    bool creates = request->exchange == CREATE_CHILD_SA;
    if (creates && sa->wait != WAIT_NOTHING) {
        ike_drop(ike, CAUSE_BUSY); /* we ask again, and the client answers again */
        return;
    }
    enum cause inner;
    enum cause cause = open_and_read(ike, sa, input, &inner);
    if (cause != CAUSE_NONE || inner != CAUSE_NONE) {
        if (cause != CAUSE_BUSY) {
            ike_drop(ike, cause != CAUSE_NONE ? cause : inner);
        }
        return;
    }
    if (creates && rekey_ike_must_wait(ike, sa, input->message)) {
        ike_drop(ike, CAUSE_BUSY);
        return;
    }
    if (request->kind == REQUEST_SYNC && !sync_is_answer(sa, input->message)) {
        ike_drop(ike, CAUSE_SYNC_WRONG); /* RFC 6311 5.1: in silence */
        return;
    }
    sa_follow(ike, sa, input->datagram);
    enum mobike_verdict verdict = mobike_judge(sa, input);
    request_answered(ike, sa, input);
    mobike_answered(ike, sa, verdict);
}

static void receive_protected(struct ike *ike, const struct ike_input *input)
{
    const struct ike_header *header = &input->header;
    bool from_initiator = (header->flags & IKE_FLAG_INITIATOR) != 0;
    bool is_response = (header->flags & IKE_FLAG_RESPONSE) != 0;
    enum cause cause;
    struct ike_sa *sa = sa_by_spi(ike, from_initiator ? header->spi_r : header->spi_i, &cause);
    if (sa == NULL) {
        ike_drop(ike, cause);
        if (cause == CAUSE_SPI_FORGED || cause == CAUSE_SPI_UNKNOWN) {
            dead_end_answer(ike, input, cause);
        }
        return;
    }
    if (sa->spi_i == 0 || sa->spi_r == 0) {
        ike_drop(ike, CAUSE_SPI_UNKNOWN); /* of a rekey of ours that has no answer, and so no keys, yet */
        return;
    }
    struct span bytes = input->datagram->bytes;
    struct span chain = span_of(bytes.data + IKE_HEADER_BYTES, bytes.len - IKE_HEADER_BYTES);
    if (sa->spi_i != header->spi_i || sa->spi_r != header->spi_r) {
        cause = CAUSE_SPI_MISMATCH; /* its SA is gone and the slot another's */
        dead_end_answer(ike, input, cause);
    } else if (from_initiator == sa->we_are_initiator) {
        cause = CAUSE_FLAGS;
    } else {
        cause = payloads_read(header->next_payload, chain, &ike->scratch.payloads);
    }
    if (cause != CAUSE_NONE) {
        ike_drop(ike, cause);
        return;
    }
    if (is_response) {
        receive_response(ike, sa, input);
    } else {
        receive_request(ike, sa, input);
    }
    if (sa->state != SA_FREE) {
        sa_schedule(ike, sa);
    }
}

static void receive_version(struct ike *ike, const struct ike_datagram *datagram,
                            const struct ike_header *header)
{
    ike_drop(ike, CAUSE_VERSION);
    if ((header->flags & IKE_FLAG_RESPONSE) == 0 && header->version >> 4 > 2) { /* RFC 7296 2.5 */
        answer_plain(ike, datagram, header, NOTIFY_INVALID_MAJOR_VERSION, (struct span){0});
    }
}

void ike_receive(struct ike *ike, struct ike_time time, const struct ike_datagram *datagram)
{
    struct ike_input input = {.datagram = datagram, .message = &ike->scratch.message};
    ike->time = time;
    ike->counters.datagrams_in++;
    if (datagram->bytes.len > IKE_DATAGRAM_BYTES_MAX) {
        ike_drop(ike, CAUSE_LENGTH);
        return;
    }
    enum cause cause = ike_header_read(datagram->bytes, &input.header);
    const struct ike_header *header = &input.header;
    if (cause == CAUSE_VERSION) {
        receive_version(ike, datagram, header);
    } else if (cause != CAUSE_NONE) {
        ike_drop(ike, cause);
    } else if (header->exchange != IKE_SA_INIT &&
               (header->exchange != IKE_SESSION_RESUME || header->spi_r != 0)) {
        receive_protected(ike, &input);
    } else if ((header->flags & (IKE_FLAG_RESPONSE | IKE_FLAG_INITIATOR)) != IKE_FLAG_INITIATOR) {
        ike_drop(ike, CAUSE_FLAGS);
    } else if (header->spi_r != 0 || header->message_id != 0) {
        ike_drop(ike, CAUSE_STATE);
    } else if (header->exchange == IKE_SESSION_RESUME) {
        exch_resume(ike, datagram, header);
    } else {
        exch_init(ike, datagram, header);
    }
}

/* Answers: sealed inside an IKE SA, or plain to a request that belongs to none. */
#include "edge/ike/internal.h"

/* Unprotected error answers to strangers: enough for people who mistyped, too few to be worth spoofing for.
 */
#define ANSWER_BURST 64
#define ANSWER_INTERVAL_NS (10 * NS_PER_MS)

void chain_start(struct ike *ike, struct builder *b)
{
    chain_begin(b, ike->scratch.inner, sizeof(ike->scratch.inner));
}

bool sa_respond(struct ike *ike, struct ike_sa *sa, uint8_t exchange, struct builder *b)
{
    struct span inner = message_end(b);
    bool overflow = b->w.overflow;
    uint32_t id = sa->peer_next_id;
    if (overflow || !sa_seal(ike, sa, exchange, true, id, b->first, inner, &sa->response)) {
        return false;
    }
    sa->peer_next_id = id + 1;
    sa->response_expires = ike->time.now + ike->policy->timers.response_keep;
    return true;
}

void sa_respond_notify(struct ike *ike, struct ike_sa *sa, uint8_t exchange, uint16_t notify,
                       struct span data)
{
    struct builder b;
    chain_start(ike, &b);
    build_notify(&b, PROTOCOL_NONE, (struct span){0}, notify, data);
    if (sa_respond(ike, sa, exchange, &b)) {
        sa_send_response(ike, sa);
    }
}

void sa_refuse(struct ike *ike, struct ike_sa *sa, struct builder *b)
{
    if (!sa_respond(ike, sa, CREATE_CHILD_SA, b)) {
        return;
    }
    if (sa->state == SA_ESTABLISHED) {
        wait_begin(ike, sa, PENDING_ANSWER);
    } else {
        sa_send_response(ike, sa);
    }
}

void sa_refuse_notify(struct ike *ike, struct ike_sa *sa, uint16_t notify, struct span data)
{
    struct builder b;
    chain_start(ike, &b);
    build_notify(&b, PROTOCOL_NONE, (struct span){0}, notify, data);
    sa_refuse(ike, sa, &b);
}

void sa_respond_fatal(struct ike *ike, struct ike_sa *sa, uint8_t exchange, enum cause cause)
{
    ike_drop(ike, cause);
    sa_respond_notify(ike, sa, exchange, NOTIFY_INVALID_SYNTAX, (struct span){0});
    sa_close(ike, sa, cause, true);
}

/* A cookie, the right group, another gateway or that a ticket is no good is no bigger than the question and
 * what an honest client waits for. */
static bool answer_allowed(struct ike *ike, uint16_t notify)
{
    if (notify == NOTIFY_COOKIE || notify == NOTIFY_INVALID_KE_PAYLOAD || notify == NOTIFY_TICKET_NACK ||
        notify == NOTIFY_REDIRECT ||
        bucket_take(&ike->answers, ike->time.now, ANSWER_INTERVAL_NS, ANSWER_BURST, 1)) {
        return true;
    }
    ike_drop(ike, CAUSE_RATE);
    return false;
}

void plain_begin(struct ike *ike, const struct ike_header *header, struct builder *b)
{
    struct ike_header answer = {
        .spi_i = header->spi_i,
        .spi_r = header->spi_r,
        .version = 0x20,
        .exchange = header->exchange,
        .flags = (uint8_t)(IKE_FLAG_RESPONSE | (~header->flags & IKE_FLAG_INITIATOR)),
        .message_id = header->message_id,
    };
    message_begin(b, ike->scratch.inner, sizeof(ike->scratch.inner), &answer);
}

void plain_send(struct ike *ike, const struct ike_datagram *datagram, struct builder *b)
{
    struct span bytes = message_end(b);
    hf_assert(bytes.len > 0);
    ike->config.host.send(ike->config.host.context, &datagram->local, &datagram->remote, datagram->natt,
                          bytes);
    ike->counters.datagrams_out++;
}

void answer_plain(struct ike *ike, const struct ike_datagram *datagram, const struct ike_header *header,
                  uint16_t notify, struct span data)
{
    struct builder b;
    if (!answer_allowed(ike, notify)) {
        return;
    }
    plain_begin(ike, header, &b);
    build_notify(&b, PROTOCOL_NONE, (struct span){0}, notify, data);
    plain_send(ike, datagram, &b);
}

/* Tickets and IKE_SESSION_RESUME on the client's side (RFC 5723). */
#include "tests/lib/initiator_internal.h"

void client_ask_ticket(struct initiator *client, struct builder *b)
{
    struct span none = {0};
    if (client->config.want_ticket) {
        build_notify(b, PROTOCOL_NONE, none, NOTIFY_TICKET_REQUEST, none);
    }
}

void client_read_ticket(struct initiator *client, const struct initiator_sa *sa)
{
    const struct notify *notify = message_notify(&client->message, NOTIFY_TICKET_LT_OPAQUE);
    client->ticket_refused = message_notify(&client->message, NOTIFY_TICKET_NACK) != NULL;
    if (notify == NULL || notify->data.len - 4 > sizeof(client->ticket.bytes)) {
        return;
    }
    struct initiator_ticket *ticket = &client->ticket;
    ticket->lifetime_s = be32_load(notify->data.data);
    ticket->len = notify->data.len - 4;
    memcpy(ticket->bytes, notify->data.data + 4, ticket->len);
    ticket->suite = sa->suite;
    memcpy(ticket->sk_d, sa->keys.d, sizeof(ticket->sk_d));
    client->tickets++;
}

bool initiator_ask_ticket(struct initiator *client, ns_t now)
{
    struct builder b;
    client->now = now;
    if (client->state != INITIATOR_UP || client_current(client)->task != TASK_NONE) {
        return false;
    }
    struct span none = {0};
    client_chain(client, &b);
    build_notify(&b, PROTOCOL_NONE, none, NOTIFY_TICKET_REQUEST, none);
    client_request(client, client_current(client), INFORMATIONAL, TASK_TICKET, &b);
    return true;
}

bool initiator_resume(struct initiator *client, ns_t now)
{
    if (client->ticket.len == 0) {
        return false;
    }
    client_begin(client, now);
    client->resuming = true;
    client_nonce(client);
    client_resume_send(client);
    return true;
}

void client_resume_send(struct initiator *client)
{
    struct initiator_sa *sa = client_current(client);
    struct ike_header header = {
        .spi_i = sa->spi_i, .version = 0x20, .exchange = IKE_SESSION_RESUME, .flags = IKE_FLAG_INITIATOR};
    struct span none = {0};
    struct builder b;
    message_begin(&b, client->init_request, sizeof(client->init_request), &header);
    if (client->cookie_len > 0) {
        build_notify(&b, PROTOCOL_NONE, none, NOTIFY_COOKIE, span_of(client->cookie, client->cookie_len));
    }
    build_nonce(&b, span_of(client->nonce, client->nonce_len));
    build_notify(&b, PROTOCOL_NONE, none, NOTIFY_TICKET_OPAQUE,
                 span_of(client->ticket.bytes, client->ticket.len));
    if (!client->config.resume_bare) {
        client_build_nat(client, &b);
    }
    if (client->config.fragmentation && !client->config.resume_bare) {
        build_notify(&b, PROTOCOL_NONE, none, NOTIFY_FRAGMENTATION_SUPPORTED, none);
    }
    client_first_sent(client, message_end(&b), IKE_SESSION_RESUME);
}

void client_resume_receive(struct initiator *client, const struct ike_header *header, struct span bytes)
{
    struct initiator_sa *sa = client_current(client);
    const struct message *message = &client->message;
    if (message_notify(message, NOTIFY_TICKET_NACK) != NULL) {
        client->ticket.len = 0;
        client->nacks++;
        initiator_connect(client, client->now); /* RFC 5723 4.3.2 */
        return;
    }
    if (header->spi_r == 0 || message->nonce.len == 0) {
        client_init_detour(client);
        return;
    }
    memcpy(client->nonce_r, message->nonce.data, message->nonce.len);
    client->nonce_r_len = (uint16_t)message->nonce.len;
    sa->spi_r = header->spi_r;
    sa->suite = client->ticket.suite;
    struct nonces nonces = {.i = span_of(client->nonce, client->nonce_len), .r = message->nonce};
    kdf_ike_resume(&sa->suite, span_of(client->ticket.sk_d, prf_bytes(sa->suite.prf)), &nonces, sa->spi_i,
                   sa->spi_r, &sa->keys);
    if (!client->config.deviate.ticket_again) {
        client->ticket.len = 0; /* RFC 5723 4.3.1 */
    }
    client_first_done(client, bytes);
}

void client_resume_auth(const struct initiator *client, const struct initiator_sa *sa, const uint8_t *sk_p,
                        const struct span *parts, size_t num_parts, uint8_t ret_auth[PRF_BYTES_MAX])
{
    prf_compute(sa->suite.prf, span_of(sk_p, prf_bytes(sa->suite.prf)), parts,
                client->config.resume_bare ? 1 : num_parts, ret_auth);
}

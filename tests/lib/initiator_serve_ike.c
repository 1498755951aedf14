/* The IKE SA that the gateway rekeys (RFC 7296 1.3.2, 2.8.2, 2.25.2). */
#include "tests/lib/initiator_internal.h"

static void refuse(struct builder *b, uint16_t notify)
{
    build_notify(b, PROTOCOL_NONE, (struct span){0}, notify, (struct span){0});
}

void client_yield(struct initiator *client)
{
    if (client->rival.there) {
        client->rival.there = false;
        client->current = client->rival.sa;
    }
}

static bool is_busy(const struct initiator *client, const struct initiator_sa *sa)
{
    return sa != &client->sa[client->current] || sa->task == TASK_DELETE_IKE ||
           sa->task == TASK_CREATE_CHILD || sa->task == TASK_REKEY_CHILD || sa->task == TASK_DELETE_CHILD;
}

static void serve_answer(struct initiator *client, struct builder *b, const struct initiator_sa *new,
                         struct span nonce, const struct ke_value *public)
{
    uint8_t spi[8];
    be64_store(spi, new->spi_r);
    client->offer.proposals[0].spi = span_of(spi, sizeof(spi));
    build_sa(b, &client->offer);
    build_nonce(b, nonce);
    build_ke(b, new->suite.ke, span_of(public->bytes, public->len));
}

/* From then on the session is the new one's, unless we are rekeying too: then the nonces decide. */
void client_serve_rekey_ike(struct initiator *client, struct initiator_sa *sa, struct builder *b)
{
    const struct message *message = &client->message;
    struct ike_suite suite;
    struct ke_private private;
    struct ke_value public, shared;
    uint8_t nonce[IKE_NONCE_BYTES];
    uint64_t spi_i;
    if (is_busy(client, sa)) {
        refuse(b, NOTIFY_TEMPORARY_FAILURE);
        return;
    }
    if (!client_read_ike_suite(client, &suite, &spi_i) || spi_i == 0 || message->nonce.len == 0) {
        refuse(b, NOTIFY_NO_PROPOSAL_CHOSEN);
        return;
    }
    if (message->ke_group != suite.ke || !ke_generate(suite.ke, &client->config.rand, &private, &public) ||
        !ke_derive(&private, message->ke, &shared)) {
        refuse(b, NOTIFY_INVALID_SYNTAX);
        return;
    }
    struct initiator_sa *new = client_sa_take(client);
    if (new == NULL) {
        refuse(b, NOTIFY_TEMPORARY_FAILURE);
        return;
    }
    rand_fill(&client->config.rand, nonce, sizeof(nonce));
    rand_fill(&client->config.rand, &new->spi_r, sizeof(new->spi_r));
    new->spi_r |= 1;
    new->spi_i = spi_i;
    new->suite = suite;
    new->by_gateway = true;
    struct nonces nonces = {.i = message->nonce, .r = span_of(nonce, sizeof(nonce))};
    kdf_ike_rekey(&new->suite, sa->suite.prf, span_of(sa->keys.d, prf_bytes(sa->suite.prf)),
                  span_of(shared.bytes, shared.len), &nonces, new->spi_i, new->spi_r, &new->keys);
    client->counters.gateway_ike_rekeys++;
    if (sa->task == TASK_REKEY_IKE) {
        client_rival_note(client, nonces.i, nonces.r);
        client->rival.sa = (uint32_t)(new - client->sa);
    } else {
        client->current = (uint32_t)(new - client->sa);
    }
    serve_answer(client, b, new, nonces.r, &public);
}

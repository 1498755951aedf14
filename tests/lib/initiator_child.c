/* CREATE_CHILD_SA on the client's side: new and rekeyed children, the rekeyed IKE SA (RFC 7296 1.3, 2.8). */
#include "tests/lib/initiator_internal.h"

struct initiator_child *client_child_take(struct initiator *client)
{
    for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
        if (!client->children[i].used) {
            client->children[i] = (struct initiator_child){.used = true};
            return &client->children[i];
        }
    }
    return NULL;
}

bool client_child_accept(struct initiator *client, struct span nonce_r, const struct ke_value *shared)
{
    const struct initiator_sa *sa = client_current(client);
    struct initiator_child child = {.used = true, .spi_in = client->child_spi};
    if (!client_read_esp_suite(client, &child.suite, &child.spi_out) || !client_read_ts(client, &child)) {
        return false;
    }
    struct nonces nonces = {.i = span_of(client->nonce, client->nonce_len), .r = nonce_r};
    struct span secret = shared == NULL ? (struct span){0} : span_of(shared->bytes, shared->len);
    kdf_child(sa->suite.prf, span_of(sa->keys.d, prf_bytes(sa->suite.prf)), secret, &nonces, &child.suite,
              &child.key_out, &child.key_in);
    struct initiator_child *place = client_child_take(client);
    if (place == NULL) {
        return false;
    }
    *place = child;
    return true;
}

/* `rekeyed` is the index of a child, or INITIATOR_CHILDREN_MAX for a new one. */
static void create_child_send(struct initiator *client, uint32_t rekeyed)
{
    uint16_t group = client->config.esp[0].ke;
    struct builder b;
    client_chain(client, &b);
    if (rekeyed < INITIATOR_CHILDREN_MAX) {
        uint8_t spi[4];
        be32_store(spi, client->children[rekeyed].spi_in);
        build_notify(&b, PROTOCOL_ESP, span_of(spi, sizeof(spi)), NOTIFY_REKEY_SA, (struct span){0});
    }
    rand_fill(&client->config.rand, &client->child_spi, sizeof(client->child_spi));
    client->child_spi |= UINT32_C(1) << 30;
    client_nonce(client);
    client_build_esp_sa(client, &b, true);
    build_nonce(&b, span_of(client->nonce, client->nonce_len));
    if (group != KE_NONE) {
        client_ke(client, group);
        client_build_ke(client, &b);
    }
    client_build_ts(client, &b);
    client->rekeyed = rekeyed;
    client->rival.there = false;
    client_request(client, client_current(client), CREATE_CHILD_SA,
                   rekeyed < INITIATOR_CHILDREN_MAX ? TASK_REKEY_CHILD : TASK_CREATE_CHILD, &b);
}

static bool ready(struct initiator *client, ns_t now)
{
    client->now = now;
    return client->state == INITIATOR_UP && client_current(client)->task == TASK_NONE;
}

bool initiator_create_child(struct initiator *client, ns_t now)
{
    if (!ready(client, now)) {
        return false;
    }
    create_child_send(client, INITIATOR_CHILDREN_MAX);
    return true;
}

bool initiator_rekey_child(struct initiator *client, ns_t now, uint32_t index)
{
    if (!ready(client, now) || index >= INITIATOR_CHILDREN_MAX || !client->children[index].used) {
        return false;
    }
    create_child_send(client, index);
    return true;
}

bool initiator_rekey_ike(struct initiator *client, ns_t now)
{
    if (!ready(client, now)) {
        return false;
    }
    uint8_t spi[8];
    struct builder b;
    client_chain(client, &b);
    rand_fill(&client->config.rand, &client->rekey_spi, sizeof(client->rekey_spi));
    client->rekey_spi |= 1;
    be64_store(spi, client->rekey_spi);
    client->rival.there = false;
    client_nonce(client);
    client_ke(client, client->config.ike[0].ke);
    client_build_ike_sa(client, &b, span_of(spi, sizeof(spi)));
    build_nonce(&b, span_of(client->nonce, client->nonce_len));
    client_build_ke(client, &b);
    client_ask_ticket(client, &b);
    client_request(client, client_current(client), CREATE_CHILD_SA, TASK_REKEY_IKE, &b);
    return true;
}

void client_child_answered(struct initiator *client, struct initiator_sa *sa, enum initiator_task task)
{
    const struct message *message = &client->message;
    struct ke_value shared = {0};
    client->child_notify = client_error_in(message);
    bool refused = client->child_notify != 0 || message->sa.len == 0 || message->nonce.len == 0;
    if (!refused && message->ke.len > 0 && !ke_derive(&client->ke_private, message->ke, &shared)) {
        refused = true;
    }
    if (refused || !client_child_accept(client, message->nonce, message->ke.len > 0 ? &shared : NULL)) {
        return;
    }
    (void)sa;
    if (task != TASK_REKEY_CHILD) {
        return;
    }
    const struct initiator_child *old = &client->children[client->rekeyed];
    if (client_lost_to_rival(client, message->nonce)) {
        client->after_delete = client->child_spi;
    } else if (old->used && !client->config.deviate.skip_child_delete) {
        client->after_delete = old->spi_in;
    }
}

/* The session goes on under the new IKE SA; the old one is deleted by who asked for the rekey. */
void client_rekey_answered(struct initiator *client, struct initiator_sa *sa)
{
    const struct message *message = &client->message;
    struct ke_value shared;
    struct ike_suite suite;
    uint64_t spi_r;
    client->child_notify = client_error_in(message);
    if (client->child_notify != 0 || !client_read_ike_suite(client, &suite, &spi_r) || spi_r == 0 ||
        message->ke_group != client->ke_group || !ke_derive(&client->ke_private, message->ke, &shared)) {
        client_yield(client);
        return;
    }
    struct initiator_sa *new = client_sa_take(client);
    hf_assert(new != NULL);
    new->spi_i = client->rekey_spi;
    new->spi_r = spi_r;
    new->suite = suite;
    struct nonces nonces = {.i = span_of(client->nonce, client->nonce_len), .r = message->nonce};
    kdf_ike_rekey(&new->suite, sa->suite.prf, span_of(sa->keys.d, prf_bytes(sa->suite.prf)),
                  span_of(shared.bytes, shared.len), &nonces, new->spi_i, new->spi_r, &new->keys);
    uint32_t rival = client->rival.sa;
    if (client_lost_to_rival(client, message->nonce)) {
        client->current = rival;
        client_delete_ike(client, new);
        return; /* the gateway deletes the old one */
    }
    client->current = (uint32_t)(new - client->sa);
    client_read_ticket(client, new);
    client_read_token(client, new);
    if (client->config.deviate.skip_ike_delete) {
        sa->used = false;
    } else {
        client_delete_ike(client, sa);
    }
}

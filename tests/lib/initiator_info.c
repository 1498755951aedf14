/* INFORMATIONAL on the client's side, as asker and as answerer (RFC 7296 1.4). */
#include "tests/lib/initiator_internal.h"

static bool ready(struct initiator *client, ns_t now)
{
    client->now = now;
    return client->state == INITIATOR_UP && client_current(client)->task == TASK_NONE;
}

bool initiator_dpd(struct initiator *client, ns_t now)
{
    struct builder b;
    if (!ready(client, now)) {
        return false;
    }
    client_chain(client, &b);
    client_request(client, client_current(client), INFORMATIONAL, TASK_DPD, &b);
    return true;
}

void client_delete_ike(struct initiator *client, struct initiator_sa *sa)
{
    struct builder b;
    client_chain(client, &b);
    build_delete(&b, PROTOCOL_IKE, 0, NULL, 0);
    client_request(client, sa, INFORMATIONAL, TASK_DELETE_IKE, &b);
}

bool initiator_delete(struct initiator *client, ns_t now)
{
    if (!ready(client, now)) {
        return false;
    }
    client_delete_ike(client, client_current(client));
    return true;
}

void client_delete_child(struct initiator *client, uint32_t spi_in)
{
    struct builder b;
    client_chain(client, &b);
    build_delete(&b, PROTOCOL_ESP, 4, &spi_in, 1);
    client->delete_spi = spi_in;
    client_request(client, client_current(client), INFORMATIONAL, TASK_DELETE_CHILD, &b);
}

bool initiator_delete_child(struct initiator *client, ns_t now, uint32_t index)
{
    if (!ready(client, now) || index >= INITIATOR_CHILDREN_MAX || !client->children[index].used) {
        return false;
    }
    client_delete_child(client, client->children[index].spi_in);
    return true;
}

void client_child_deleted(struct initiator *client)
{
    for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
        if (client->children[i].spi_in == client->delete_spi) {
            client->children[i].used = false;
        }
    }
}

/* The gateway deletes children by its own SPIs, which are what we send to; the answer names ours. */
static void children_deleted(struct initiator *client, const struct delete_view *view, struct builder *b)
{
    uint32_t answer[INITIATOR_CHILDREN_MAX];
    uint16_t count = 0;
    for (uint16_t i = 0; i < view->count; i++) {
        uint32_t spi = be32_load(view->spis.data + (size_t)i * 4);
        for (uint32_t j = 0; j < INITIATOR_CHILDREN_MAX; j++) {
            struct initiator_child *child = &client->children[j];
            if (child->used && child->spi_out == spi) {
                bool crosses = client->sa[client->current].task == TASK_DELETE_CHILD &&
                               client->delete_spi == child->spi_in;
                if (!crosses) { /* RFC 7296 1.4.1: what both delete at once is not named */
                    answer[count++] = child->spi_in;
                }
                child->used = false;
            }
        }
    }
    if (count > 0) {
        build_delete(b, PROTOCOL_ESP, 4, answer, count);
    }
}

void client_answer(struct initiator *client, struct initiator_sa *sa, const struct ike_header *header)
{
    const struct message *message = &client->message;
    bool closes = false;
    struct builder b;
    client_chain(client, &b);
    if (header->exchange == INFORMATIONAL) {
        for (uint32_t i = 0; i < message->num_deletes; i++) {
            const struct delete_view *view = &message->deletes[i];
            closes |= view->protocol == PROTOCOL_IKE;
            if (view->protocol == PROTOCOL_ESP) {
                children_deleted(client, view, &b);
            }
        }
        client_copy_cookie2(client, &b);
        client_read_token(client, sa);
        client_count_jump(client);
        (void)client_read_redirect(client, false);
    } else {
        client_serve_create(client, sa, &b);
    }
    struct span inner = message_end(&b);
    client_seal(client, sa, header->exchange, client_flags(sa, true), header->message_id, b.first, inner,
                &sa->response);
    client_send(client, &sa->response);
    sa->peer_next_id = header->message_id + 1;
    client->counters.requests_answered++;
    if (closes && sa->task == TASK_REKEY_IKE) {
        client_yield(client); /* our answer is lost, theirs is not */
    }
    if (closes && sa == client_current(client)) {
        client_close(client, INITIATOR_PEER_DELETED);
    } else if (closes) {
        sa->used = false;
        sa->task = TASK_NONE;
        sa->next_try = NS_NEVER;
    }
}

/* MOBIKE on the client's side (RFC 4555): it moves, says so, and answers checks. */
#include "tests/lib/initiator_internal.h"

static void build_no_nats(const struct initiator *client, struct builder *b)
{
    uint8_t bytes[36];
    struct writer w = writer_of(bytes, sizeof(bytes));
    uint16_t lie = client->config.deviate.no_nats_lie ? 1 : 0;
    writer_span(&w, ip_span(&client->local.addr));
    writer_span(&w, ip_span(&client->remote.addr));
    writer_u16(&w, (uint16_t)(client->local.port ^ lie));
    writer_u16(&w, client->remote.port);
    build_notify(b, PROTOCOL_NONE, (struct span){0}, NOTIFY_NO_NATS_ALLOWED, writer_span_of(&w));
}

void client_build_mobike(struct initiator *client, struct builder *b)
{
    struct span none = {0};
    if (!client->config.mobike) {
        return;
    }
    build_notify(b, PROTOCOL_NONE, none, NOTIFY_MOBIKE_SUPPORTED, none);
    if (client->config.no_nats) {
        build_no_nats(client, b);
    }
}

void client_read_mobike(struct initiator *client)
{
    const struct message *message = &client->message;
    client->mobike = message_notify(message, NOTIFY_MOBIKE_SUPPORTED) != NULL;
    client->num_gateways = 0;
    for (uint32_t i = 0; i < message->num_notifies; i++) {
        const struct notify *notify = &message->notifies[i];
        bool v4 = notify->type == NOTIFY_ADDITIONAL_IP4_ADDRESS && notify->data.len == 4;
        bool v6 = notify->type == NOTIFY_ADDITIONAL_IP6_ADDRESS && notify->data.len == 16;
        if ((v4 || v6) && client->num_gateways < INITIATOR_GATEWAYS_MAX) {
            client->gateways[client->num_gateways++] =
                v4 ? ip_from_v4(notify->data.data) : ip_from_v6(notify->data.data);
        }
    }
}

static void update_send(struct initiator *client)
{
    struct span none = {0};
    struct builder b;
    client->update_due = false;
    client_chain(client, &b);
    build_notify(&b, PROTOCOL_NONE, none, NOTIFY_UPDATE_SA_ADDRESSES, none);
    client_build_nat(client, &b);
    if (client->config.no_nats) {
        build_no_nats(client, &b);
    }
    rand_fill(&client->config.rand, client->cookie2, sizeof(client->cookie2));
    build_notify(&b, PROTOCOL_NONE, none, NOTIFY_COOKIE2, span_of(client->cookie2, sizeof(client->cookie2)));
    client_request(client, client_current(client), INFORMATIONAL, TASK_UPDATE, &b);
}

void initiator_roam(struct initiator *client, ns_t now, const struct endpoint *local,
                    const struct endpoint *remote)
{
    struct initiator_sa *sa = client_current(client);
    client->now = now;
    client->local = *local;
    client->remote = *remote;
    client->update_due = true;
    if (sa->task == TASK_NONE) {
        client_update_if_due(client);
    } else { /* RFC 4555 3.5: what is in flight goes on from here */
        client_send(client, &sa->request);
    }
}

void client_update_if_due(struct initiator *client)
{
    if (client->update_due && client->state == INITIATOR_UP && client_current(client)->task == TASK_NONE) {
        update_send(client);
    }
}

void client_update_answered(struct initiator *client)
{
    const struct notify *cookie = message_notify(&client->message, NOTIFY_COOKIE2);
    uint16_t error = client_error_in(&client->message);
    if (cookie == NULL || !span_equal(cookie->data, span_of(client->cookie2, sizeof(client->cookie2)))) {
        client_fail(client, INITIATOR_BAD_PEER, 0);
        return;
    }
    client->update_notify = error;
    bool told = message_notify(&client->message, NOTIFY_NAT_DETECTION_DESTINATION_IP) != NULL;
    if (error == 0 && !told) {
        client_fail(client, INITIATOR_BAD_PEER, 0);
    } else {
        client->updates++;
    }
}

void client_copy_cookie2(struct initiator *client, struct builder *b)
{
    const struct deviations *deviate = &client->config.deviate;
    const struct notify *cookie = message_notify(&client->message, NOTIFY_COOKIE2);
    uint8_t copy[64];
    if (cookie == NULL || deviate->cookie2_missing) {
        return;
    }
    memcpy(copy, cookie->data.data, cookie->data.len);
    copy[0] ^= deviate->cookie2_flip ? 1 : 0;
    client->cookies_copied++;
    build_notify(b, PROTOCOL_NONE, (struct span){0}, NOTIFY_COOKIE2, span_of(copy, cookie->data.len));
}

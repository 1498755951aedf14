/* A gateway that has restarted, has lost the session, or wants to be left: RFC 6311, RFC 6290, RFC 5685 on
 * the client's side. */
#include "tests/lib/initiator_internal.h"

/* ---- tokens: the taker's side of RFC 6290 */

void client_read_token(struct initiator *client, struct initiator_sa *sa)
{
    const struct notify *notify = message_notify(&client->message, NOTIFY_QCD_TOKEN);
    if (notify != NULL && notify->protocol == PROTOCOL_IKE) {
        memcpy(sa->token, notify->data.data, notify->data.len);
        sa->token_len = (uint16_t)notify->data.len;
    }
}

bool client_take_token(struct initiator *client, const struct initiator_sa *sa,
                       const struct ike_header *header, struct span bytes)
{
    struct span chain = span_of(bytes.data + IKE_HEADER_BYTES, bytes.len - IKE_HEADER_BYTES);
    if (header->next_payload != PAYLOAD_NOTIFY || (header->flags & IKE_FLAG_RESPONSE) == 0 ||
        payloads_read(header->next_payload, chain, &client->payloads) != CAUSE_NONE ||
        message_read(&client->payloads, &client->message) != CAUSE_NONE) {
        return false;
    }
    const struct notify *notify = message_notify(&client->message, NOTIFY_QCD_TOKEN);
    client->invalid_spis += message_notify(&client->message, NOTIFY_INVALID_IKE_SPI) != NULL ? 1 : 0;
    bool good =
        notify != NULL && sa->token_len > 0 && span_equal(notify->data, span_of(sa->token, sa->token_len));
    client->bad_tokens += notify != NULL && !good ? 1 : 0;
    if (good) {
        client_close(client, INITIATOR_PEER_LOST);
    }
    return true;
}

/* ---- message ids: the peer's side of RFC 6311 */

void client_offer_sync(struct initiator *client, struct builder *b)
{
    const struct span none = {0};
    if (client->config.sync_ids) {
        build_notify(b, PROTOCOL_NONE, none, NOTIFY_IKEV2_MESSAGE_ID_SYNC_SUPPORTED, none);
    }
    if (client->config.sync_replay) {
        build_notify(b, PROTOCOL_NONE, none, NOTIFY_IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED, none);
    }
}

void client_read_sync(struct initiator *client)
{
    const struct message *message = &client->message;
    client->sync_ids = message_notify(message, NOTIFY_IKEV2_MESSAGE_ID_SYNC_SUPPORTED) != NULL;
    client->sync_replay = message_notify(message, NOTIFY_IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED) != NULL;
}

void client_count_jump(struct initiator *client)
{
    const struct notify *jump = message_notify(&client->message, NOTIFY_IPSEC_REPLAY_COUNTER_SYNC);
    if (jump != NULL && client->sync_replay) {
        client->jumped += jump->data.len == 8 ? be64_load(jump->data.data) : be32_load(jump->data.data);
        client->jump_bytes = (uint16_t)jump->data.len;
    }
}

bool client_serve_sync(struct initiator *client, struct initiator_sa *sa, const struct ike_header *header)
{
    const struct notify *notify = message_notify(&client->message, NOTIFY_IKEV2_MESSAGE_ID_SYNC);
    if (!client->sync_ids || header->message_id != 0 || header->exchange != INFORMATIONAL || notify == NULL) {
        return false;
    }
    uint32_t m1 = be32_load(notify->data.data + 4), p1 = be32_load(notify->data.data + 8);
    if (m1 < sa->peer_next_id || m1 <= sa->sync_seen) { /* 5.1: in silence */
        client->counters.garbage++;
        return true;
    }
    client_count_jump(client);
    uint8_t data[12];
    uint32_t p2 = HF_MAX(p1, sa->next_id);
    memcpy(data, notify->data.data, 4);
    data[0] ^= client->config.deviate.sync_nonce_flip ? 1 : 0;
    be32_store(data + 4, client->config.deviate.sync_low ? p1 - 1 : p2);
    be32_store(data + 8, m1);
    struct builder b;
    struct initiator_sent answer;
    client_chain(client, &b);
    build_notify(&b, PROTOCOL_NONE, (struct span){0}, NOTIFY_IKEV2_MESSAGE_ID_SYNC,
                 span_of(data, sizeof(data)));
    struct span inner = message_end(&b);
    client_seal(client, sa, INFORMATIONAL, client_flags(sa, true), 0, b.first, inner, &answer);
    client_send(client, &answer);
    sa->sync_seen = m1;
    sa->peer_next_id = m1;
    sa->next_id = p2;
    client->syncs++;
    return true;
}

/* ---- RFC 5685 */

bool client_read_redirect(struct initiator *client, bool first)
{
    const struct notify *notify = message_notify(&client->message, NOTIFY_REDIRECT);
    if (notify == NULL || notify->data.len < 2 || notify->data.len < 2u + notify->data.data[1]) {
        return false;
    }
    size_t len = notify->data.data[1];
    struct span nonce = span_of(notify->data.data + 2 + len, notify->data.len - 2 - len);
    struct span wanted = first ? span_of(client->nonce, client->nonce_len) : (struct span){0};
    if (!span_equal(nonce, wanted)) {
        client->counters.garbage++;
        return false;
    }
    client->redirect_type = notify->data.data[0];
    client->redirect_len = (uint16_t)len;
    memcpy(client->redirect, notify->data.data + 2, len);
    client->redirects++;
    return true;
}

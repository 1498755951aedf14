/* IKE_SA_INIT on the client's side, with its detours by COOKIE and INVALID_KE_PAYLOAD (RFC 7296 1.2, 2.6). */
#include "tests/lib/initiator_internal.h"

static void nat_hash(const struct initiator_sa *sa, const struct endpoint *ep, uint8_t ret_hash[20])
{
    uint8_t spis[16], port[2];
    be64_store(spis, sa->spi_i);
    be64_store(spis + 8, sa->spi_r);
    be16_store(port, ep->port);
    struct span parts[] = {span_of(spis, sizeof(spis)), ip_span(&ep->addr), span_of(port, sizeof(port))};
    hash_sha1(parts, HF_COUNT(parts), ret_hash);
}

void client_build_nat(struct initiator *client, struct builder *b)
{
    const struct initiator_sa *sa = client_current(client);
    uint8_t source[20] = {0}, destination[20];
    if (!client->config.behind_nat) {
        nat_hash(sa, &client->local, source);
    }
    nat_hash(sa, &client->remote, destination);
    struct span none = {0};
    build_notify(b, PROTOCOL_NONE, none, NOTIFY_NAT_DETECTION_SOURCE_IP, span_of(source, sizeof(source)));
    build_notify(b, PROTOCOL_NONE, none, NOTIFY_NAT_DETECTION_DESTINATION_IP,
                 span_of(destination, sizeof(destination)));
}

static void build_hashes(struct builder *b)
{
    static const uint8_t hashes[] = {0, HASH_SHA2_256, 0, HASH_SHA2_384, 0, HASH_SHA2_512, 0, HASH_IDENTITY};
    build_notify(b, PROTOCOL_NONE, (struct span){0}, NOTIFY_SIGNATURE_HASH_ALGORITHMS,
                 span_of(hashes, sizeof(hashes)));
}

void client_init_send(struct initiator *client)
{
    struct initiator_sa *sa = client_current(client);
    const struct deviations *deviate = &client->config.deviate;
    struct ike_header header = {.spi_i = sa->spi_i, .version = 0x20, .exchange = IKE_SA_INIT};
    header.flags = (uint8_t)((deviate->no_initiator_flag ? 0 : IKE_FLAG_INITIATOR) |
                             (deviate->response_flag ? IKE_FLAG_RESPONSE : 0));
    struct span none = {0};
    struct builder b;
    message_begin(&b, client->init_request, sizeof(client->init_request), &header);
    if (client->cookie_len > 0) {
        build_notify(&b, PROTOCOL_NONE, none, NOTIFY_COOKIE, span_of(client->cookie, client->cookie_len));
    }
    client_build_ike_sa(client, &b, none);
    client_build_ke(client, &b);
    build_nonce(&b, span_of(client->nonce, client->nonce_len));
    client_build_nat(client, &b);
    if (client->config.fragmentation) {
        build_notify(&b, PROTOCOL_NONE, none, NOTIFY_FRAGMENTATION_SUPPORTED, none);
    }
    if (client->config.follows) {
        build_notify(&b, PROTOCOL_NONE, none, NOTIFY_REDIRECT_SUPPORTED, none);
    }
    build_hashes(&b);
    client_first_sent(client, message_end(&b), IKE_SA_INIT);
}

void client_first_sent(struct initiator *client, struct span request, uint8_t exchange)
{
    struct initiator_sa *sa = client_current(client);
    hf_assert(request.len > 0);
    client->init_request_len = request.len;
    memcpy(sa->request.bytes, request.data, request.len);
    sa->request.lens[0] = request.len;
    sa->request.count = 1;
    sa->request.id = 0;
    sa->request.valid = true;
    sa->task = TASK_INIT;
    sa->exchange = exchange;
    sa->tries = 1;
    sa->next_try = client->now + client->config.retransmit;
    client_send(client, &sa->request);
}

/* An answer without keys: another try, or the end. */
void client_init_detour(struct initiator *client)
{
    const struct notify *cookie = message_notify(&client->message, NOTIFY_COOKIE);
    const struct notify *group = message_notify(&client->message, NOTIFY_INVALID_KE_PAYLOAD);
    if (cookie != NULL) {
        memcpy(client->cookie, cookie->data.data, cookie->data.len);
        client->cookie_len = (uint16_t)cookie->data.len;
        if (client->resuming) {
            client_resume_send(client);
        } else {
            client_init_send(client);
        }
    } else if (group != NULL && be16_load(group->data.data) == client->ke_group) {
        client->counters.garbage++; /* has been done: a copy that came late */
    } else if (group != NULL && ke_supported(be16_load(group->data.data))) {
        client_ke(client, be16_load(group->data.data));
        client_init_send(client);
    } else if (client_read_redirect(client, true)) {
        client_fail(client, INITIATOR_REFUSED, NOTIFY_REDIRECT);
    } else {
        uint16_t error = client_error_in(&client->message);
        if (error != 0) {
            client_fail(client, INITIATOR_REFUSED, error);
        }
    }
}

static bool behind_nat(struct initiator *client)
{
    uint8_t source[20], destination[20];
    const struct initiator_sa *sa = client_current(client);
    nat_hash(sa, &client->remote, source);
    nat_hash(sa, &client->local, destination);
    const struct notify *s = message_notify(&client->message, NOTIFY_NAT_DETECTION_SOURCE_IP);
    const struct notify *d = message_notify(&client->message, NOTIFY_NAT_DETECTION_DESTINATION_IP);
    return s != NULL && d != NULL &&
           (!span_equal(s->data, span_of(source, sizeof(source))) ||
            !span_equal(d->data, span_of(destination, sizeof(destination))) || client->config.behind_nat);
}

static unsigned hashes_in(const struct message *message)
{
    const struct notify *notify = message_notify(message, NOTIFY_SIGNATURE_HASH_ALGORITHMS);
    unsigned hashes = 0;
    for (size_t i = 0; notify != NULL && i + 2 <= notify->data.len; i += 2) {
        uint16_t hash = be16_load(notify->data.data + i);
        hashes |= hash < 16 ? HASH_BIT(hash) : 0;
    }
    return hashes;
}

static bool init_accept(struct initiator *client, const struct ike_header *header)
{
    struct initiator_sa *sa = client_current(client);
    const struct message *message = &client->message;
    struct ke_value shared;
    uint64_t spi;
    struct ike_suite suite;
    if (!client_read_ike_suite(client, &suite, &spi) || message->ke_group != client->ke_group ||
        suite.ke != client->ke_group || message->nonce.len == 0 ||
        !ke_derive(&client->ke_private, message->ke, &shared)) {
        return false;
    }
    memcpy(client->nonce_r, message->nonce.data, message->nonce.len);
    client->nonce_r_len = (uint16_t)message->nonce.len;
    sa->spi_r = header->spi_r;
    sa->suite = suite;
    struct nonces nonces = {.i = span_of(client->nonce, client->nonce_len), .r = message->nonce};
    kdf_ike(&sa->suite, span_of(shared.bytes, shared.len), &nonces, sa->spi_i, sa->spi_r, &sa->keys);
    return true;
}

void client_init_receive(struct initiator *client, const struct ike_header *header, struct span bytes)
{
    struct initiator_sa *sa = client_current(client);
    struct span chain = span_of(bytes.data + IKE_HEADER_BYTES, bytes.len - IKE_HEADER_BYTES);
    uint8_t exchange = client->resuming ? IKE_SESSION_RESUME : IKE_SA_INIT;
    if (client->state != INITIATOR_INIT || header->exchange != exchange || header->spi_i != sa->spi_i ||
        header->message_id != 0 ||
        (header->flags & (IKE_FLAG_RESPONSE | IKE_FLAG_INITIATOR)) != IKE_FLAG_RESPONSE ||
        payloads_read(header->next_payload, chain, &client->payloads) != CAUSE_NONE ||
        message_read(&client->payloads, &client->message) != CAUSE_NONE) {
        client->counters.garbage++;
        return;
    }
    if (client->resuming) {
        client_resume_receive(client, header, bytes);
        return;
    }
    if (header->spi_r == 0 || (client->message.present & PAYLOAD_BIT(PAYLOAD_SA)) == 0) {
        client_init_detour(client);
        return;
    }
    if (!init_accept(client, header)) {
        client_fail(client, INITIATOR_BAD_PEER, 0);
        return;
    }
    client_first_done(client, bytes);
}

void client_first_done(struct initiator *client, struct span bytes)
{
    struct initiator_sa *sa = client_current(client);
    sa->has_keys = true;
    rand_fill(&client->config.rand, &sa->iv, sizeof(sa->iv));
    sa->iv >>= 8;
    sa->next_id = 1;
    memcpy(client->init_response, bytes.data, bytes.len);
    client->init_response_len = bytes.len;
    client->peer_hashes = hashes_in(&client->message);
    client->fragmentation = client->config.fragmentation &&
                            message_notify(&client->message, NOTIFY_FRAGMENTATION_SUPPORTED) != NULL;
    client->childless = message_notify(&client->message, NOTIFY_CHILDLESS_IKEV2_SUPPORTED) != NULL;
    if (behind_nat(client)) {
        client->natt = true;
        client->local.port = client->remote.port = 4500;
    }
    client->counters.exchanges_done++;
    client_auth_send(client);
}

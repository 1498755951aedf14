/* IKE_AUTH on the client's side (RFC 7296 1.2, 2.15). */
#include "tests/lib/initiator_internal.h"

#include "edge/base/secret.h"

struct octets {
    struct span parts[3];
    uint8_t mac[PRF_BYTES_MAX];
};

static void octets_of(const struct initiator_sa *sa, struct span message, struct span nonce,
                      const uint8_t *sk_p, struct span id_body, struct octets *ret)
{
    size_t len = prf_bytes(sa->suite.prf);
    prf_compute(sa->suite.prf, span_of(sk_p, len), &id_body, 1, ret->mac);
    ret->parts[0] = message;
    ret->parts[1] = nonce;
    ret->parts[2] = span_of(ret->mac, len);
}

static void build_own_auth(struct initiator *client, struct builder *b)
{
    const struct initiator_sa *sa = client_current(client);
    const struct identity *id = &client->config.id;
    uint8_t body[4 + IKE_ID_BYTES_MAX] = {id->type}, auth[SIGNATURE_BYTES_MAX], method = AUTH_SHARED_KEY;
    memcpy(body + 4, id->data, id->len);
    struct octets octets;
    octets_of(sa, span_of(client->init_request, client->init_request_len),
              span_of(client->nonce_r, client->nonce_r_len), sa->keys.pi, span_of(body, 4 + (size_t)id->len),
              &octets);
    size_t len = prf_bytes(sa->suite.prf);
    if (client->resuming) {
        client_resume_auth(client, sa, sa->keys.pi, octets.parts, HF_COUNT(octets.parts), auth);
    } else if (client->config.credential == NULL) {
        psk_auth(sa->suite.prf, client->config.psk, octets.parts, HF_COUNT(octets.parts), auth);
    } else {
        enum cause cause = sign_auth(client->config.credential, client->peer_hashes, octets.parts,
                                     HF_COUNT(octets.parts), &method, auth, &len);
        hf_assert(cause == CAUSE_NONE);
    }
    auth[0] ^= client->config.deviate.auth_flip ? 1 : 0;
    build_auth(b, method, span_of(auth, len));
}

static void build_certs(struct initiator *client, struct builder *b)
{
    if (client->config.credential == NULL || (client->resuming && !client->config.deviate.resume_certs)) {
        return;
    }
    const struct span *certs;
    size_t count = credential_chain(client->config.credential, &certs);
    for (size_t i = 0; i < count; i++) {
        build_cert(b, CERT_X509_SIGNATURE, certs[i]);
    }
    if (!client->config.deviate.no_certreq) {
        build_certreq(b, trust_certreq(client->config.trust));
    }
}

static void build_cp(struct initiator *client, struct builder *b)
{
    const struct initiator_config *config = &client->config;
    if (!config->want_v4 && !config->want_v6) {
        return;
    }
    struct span none = {0};
    cp_begin(b, CP_CFG_REQUEST);
    if (config->want_v4) {
        bool any = config->wanted_v4.bytes[15] == 0 && config->wanted_v4.bytes[12] == 0;
        cp_attribute(b, CP_INTERNAL_IP4_ADDRESS, any ? none : ip_span(&config->wanted_v4));
        cp_attribute(b, CP_INTERNAL_IP4_DNS, none);
    }
    if (config->want_v6) {
        cp_attribute(b, CP_INTERNAL_IP6_ADDRESS, none);
        cp_attribute(b, CP_INTERNAL_IP6_DNS, none);
    }
    if (config->want_dns) {
        cp_attribute(b, CP_INTERNAL_DNS_DOMAIN, none);
    }
    payload_end(b);
}

void client_build_auth(struct initiator *client, struct builder *b)
{
    const struct initiator_config *config = &client->config;
    struct span none = {0};
    rand_fill(&config->rand, &client->child_spi, sizeof(client->child_spi));
    client->child_spi |= UINT32_C(1) << 30;
    build_id(b, PAYLOAD_IDI, config->id.type, span_of(config->id.data, config->id.len));
    build_certs(client, b);
    if (config->initial_contact) {
        build_notify(b, PROTOCOL_NONE, none, NOTIFY_INITIAL_CONTACT, none);
    }
    if (config->id_r.type != 0) {
        build_id(b, PAYLOAD_IDR, config->id_r.type, span_of(config->id_r.data, config->id_r.len));
    }
    if (!config->deviate.no_auth_payload) {
        build_own_auth(client, b);
    }
    build_cp(client, b);
    if (!config->childless) {
        client_build_esp_sa(client, b, false);
    }
    if (!config->childless || config->deviate.lone_selectors) {
        client_build_ts(client, b);
    }
    client_build_mobike(client, b);
    client_ask_ticket(client, b);
    client_offer_sync(client, b);
    if (config->deviate.critical_unknown) {
        payload_begin(b, 200);
        writer_patch_u8(&b->w, b->payload_at + 1, 0x80);
        payload_end(b);
    }
}

void client_auth_send(struct initiator *client)
{
    struct builder b;
    client_chain(client, &b);
    client_build_auth(client, &b);
    client->state = INITIATOR_AUTH;
    client_request(client, client_current(client), IKE_AUTH, TASK_AUTH, &b);
}

static bool verify_cert(struct initiator *client, const struct identity *id, const struct octets *octets)
{
    const struct message *message = &client->message;
    struct span certs[IKE_CERTS_MAX];
    for (uint32_t i = 0; i < message->num_certs; i++) {
        certs[i] = message->certs[i].data;
    }
    struct public_key *key = NULL;
    bool good = message->num_certs > 0 && cert_verify(client->config.trust, certs, message->num_certs, id,
                                                      client->config.now_unix_s, &key) == CAUSE_NONE;
    good = good && sign_verify(key, message->auth_method, message->auth, octets->parts,
                               HF_COUNT(octets->parts)) == CAUSE_NONE;
    public_key_free(key);
    return good;
}

static bool auth_is_good(struct initiator *client)
{
    const struct initiator_sa *sa = client_current(client);
    const struct message *message = &client->message;
    struct identity id = {.type = message->id_r.type, .len = (uint16_t)message->id_r.data.len};
    if (id.type == 0 || id.len > sizeof(id.data)) {
        return false;
    }
    memcpy(id.data, message->id_r.data.data, id.len);
    if (client->config.id_r.type != 0 && !identity_equal(&id, &client->config.id_r)) {
        return false;
    }
    struct octets octets;
    octets_of(sa, span_of(client->init_response, client->init_response_len),
              span_of(client->nonce, client->nonce_len), sa->keys.pr, message->id_r.body, &octets);
    if (client->config.credential != NULL && !client->resuming) {
        return client->config.credulous || verify_cert(client, &id, &octets);
    }
    uint8_t expected[PRF_BYTES_MAX];
    if (client->resuming) {
        client_resume_auth(client, sa, sa->keys.pr, octets.parts, HF_COUNT(octets.parts), expected);
    } else {
        psk_auth(sa->suite.prf, client->config.psk, octets.parts, HF_COUNT(octets.parts), expected);
    }
    return message->auth_method == AUTH_SHARED_KEY && message->auth.len == prf_bytes(sa->suite.prf) &&
           secret_equal(message->auth.data, expected, message->auth.len);
}

static void read_attribute(struct initiator *client, const struct cp_attribute *attribute)
{
    struct span value = attribute->value;
    bool v4 = value.len == 4, v6 = value.len >= 16;
    struct ip_addr addr = v4 ? ip_from_v4(value.data) : (struct ip_addr){0};
    if (v6) {
        memcpy(addr.bytes, value.data, 16);
    }
    bool is_address = (attribute->type == CP_INTERNAL_IP4_ADDRESS && v4) ||
                      (attribute->type == CP_INTERNAL_IP6_ADDRESS && v6);
    bool is_dns =
        (attribute->type == CP_INTERNAL_IP4_DNS && v4) || (attribute->type == CP_INTERNAL_IP6_DNS && v6);
    if (is_address && client->num_addresses < HF_COUNT(client->addresses)) {
        client->addresses[client->num_addresses++] = addr;
    } else if (is_dns && client->num_dns < HF_COUNT(client->dns)) {
        client->dns[client->num_dns++] = addr;
    } else if (attribute->type == CP_INTERNAL_DNS_DOMAIN && value.len < sizeof(client->domains[0]) &&
               client->num_domains < HF_COUNT(client->domains)) {
        memcpy(client->domains[client->num_domains], value.data, value.len);
        client->domains[client->num_domains++][value.len] = '\0';
    }
}

void client_auth_answered(struct initiator *client)
{
    const struct message *message = &client->message;
    uint16_t error = client_error_in(message);
    if ((message->present & PAYLOAD_BIT(PAYLOAD_AUTH)) == 0) {
        client_fail(client, error != 0 ? INITIATOR_REFUSED : INITIATOR_BAD_PEER, error);
        return;
    }
    if (!auth_is_good(client)) {
        client_fail(client, INITIATOR_BAD_PEER, 0);
        return;
    }
    client->num_addresses = client->num_dns = client->num_domains = 0;
    for (uint32_t i = 0; i < message->cp.count; i++) {
        read_attribute(client, &message->cp.v[i]);
    }
    client_read_mobike(client);
    client_read_ticket(client, client_current(client));
    client_read_token(client, client_current(client));
    client_read_sync(client);
    client->child_notify = error;
    const struct notify *lifetime = message_notify(message, NOTIFY_AUTH_LIFETIME);
    client->auth_lifetime_s =
        lifetime != NULL && lifetime->data.len == 4 ? be32_load(lifetime->data.data) : 0;
    if (message->sa.len > 0 &&
        !client_child_accept(client, span_of(client->nonce_r, client->nonce_r_len), NULL)) {
        client_fail(client, INITIATOR_BAD_PEER, 0);
        return;
    }
    client->state = INITIATOR_UP;
}

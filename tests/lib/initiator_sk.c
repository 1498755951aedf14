/* Sealing and opening on the client's side (RFC 7296 3.14, RFC 7383). */
#include "tests/lib/initiator_internal.h"

#include "edge/crypto/sk.h"

static struct sk_key key_of(const struct initiator_sa *sa, bool ours)
{
    bool initiators = ours != sa->by_gateway;
    return (struct sk_key){
        .encr = sa->suite.encr,
        .encr_bits = sa->suite.encr_bits,
        .integ = sa->suite.integ,
        .e = initiators ? sa->keys.ei : sa->keys.er,
        .a = initiators ? sa->keys.ai : sa->keys.ar,
    };
}

void client_seal_part(struct initiator_sa *sa, uint8_t exchange, uint8_t flags, uint32_t id, uint8_t first,
                      struct span plain, uint16_t number, uint16_t total, struct initiator_sent *sent)
{
    struct ike_header header = {.spi_i = sa->spi_i,
                                .spi_r = sa->spi_r,
                                .version = 0x20,
                                .exchange = exchange,
                                .flags = flags,
                                .message_id = id};
    size_t used = 0;
    for (uint32_t i = 0; i < sent->count; i++) {
        used += sent->lens[i];
    }
    struct sk_key key = key_of(sa, true);
    struct builder b;
    message_begin(&b, sent->bytes + used, sizeof(sent->bytes) - used, &header);
    size_t bytes = sk_sealed_bytes(&key, plain.len);
    uint8_t inner_first = number <= 1 ? first : PAYLOAD_NONE;
    size_t at =
        number == 0 ? build_sk(&b, inner_first, bytes) : build_skf(&b, inner_first, number, total, bytes);
    struct span datagram = message_end(&b);
    hf_assert(datagram.data != NULL && sent->count < INITIATOR_DATAGRAMS_MAX);
    bool sealed = sk_seal(&key, sa->iv++, span_of(sent->bytes + used, at), plain, sent->bytes + used + at);
    hf_assert(sealed);
    sent->lens[sent->count++] = datagram.len;
}

void client_seal(struct initiator *client, struct initiator_sa *sa, uint8_t exchange, uint8_t flags,
                 uint32_t id, uint8_t first, struct span inner, struct initiator_sent *ret_sent)
{
    struct sk_key key = key_of(sa, true);
    ret_sent->count = 0;
    ret_sent->id = id;
    ret_sent->valid = true;
    size_t whole = IKE_HEADER_BYTES + PAYLOAD_HEADER_BYTES + sk_sealed_bytes(&key, inner.len);
    if (!client->fragmentation || whole <= IKE_FRAGMENT_BYTES) {
        client_seal_part(sa, exchange, flags, id, first, inner, 0, 0, ret_sent);
        return;
    }
    size_t step = sk_plain_bytes(&key, IKE_FRAGMENT_BYTES - IKE_HEADER_BYTES - PAYLOAD_HEADER_BYTES - 4);
    uint16_t total = (uint16_t)((inner.len + step - 1) / step);
    for (uint16_t i = 0; i < total; i++) {
        size_t at = i * step;
        client_seal_part(sa, exchange, flags, id, first,
                         span_of(inner.data + at, HF_MIN(step, inner.len - at)), (uint16_t)(i + 1), total,
                         ret_sent);
    }
}

void client_send(struct initiator *client, const struct initiator_sent *sent)
{
    size_t at = 0;
    for (uint32_t i = 0; i < sent->count; i++) {
        client->counters.datagrams_out++;
        client->config.send(client->config.context, &client->local, &client->remote, client->natt,
                            span_of(sent->bytes + at, sent->lens[i]));
        at += sent->lens[i];
    }
}

static bool fragments_join(struct initiator *client, struct initiator_fragments *fragments,
                           uint8_t *ret_first, struct span *ret_inner)
{
    size_t used = 0;
    for (uint32_t i = 0; i < fragments->total; i++) {
        if (used + fragments->lens[i] > sizeof(client->plain)) {
            return false;
        }
        memcpy(client->plain + used, fragments->bytes[i], fragments->lens[i]);
        used += fragments->lens[i];
    }
    *ret_first = fragments->first;
    *ret_inner = span_of(client->plain, used);
    fragments->total = 0;
    return true;
}

static bool open_fragment(struct initiator *client, struct initiator_sa *sa, const struct ike_header *header,
                          struct span datagram, uint8_t *ret_first, struct span *ret_inner)
{
    const struct payload *skf = &client->payloads.v[client->payloads.count - 1];
    struct initiator_fragments *fragments = &sa->fragments;
    bool response = (header->flags & IKE_FLAG_RESPONSE) != 0;
    struct fragment_view view;
    if (fragment_read(skf->body, &view) != CAUSE_NONE || view.total > INITIATOR_DATAGRAMS_MAX) {
        return false;
    }
    struct sk_key key = key_of(sa, false);
    struct span aad = span_of(datagram.data, (size_t)(view.sealed.data - datagram.data));
    size_t len;
    if (sk_open(&key, aad, view.sealed, client->plain, &len) != CAUSE_NONE ||
        len > sizeof(fragments->bytes[0])) {
        return false;
    }
    if (fragments->total != view.total || fragments->id != header->message_id ||
        fragments->response != response) {
        *fragments =
            (struct initiator_fragments){.total = view.total, .id = header->message_id, .response = response};
    }
    memcpy(fragments->bytes[view.number - 1], client->plain, len);
    fragments->lens[view.number - 1] = len;
    fragments->received |= UINT32_C(1) << (view.number - 1);
    fragments->first = view.number == 1 ? client->payloads.inner_first : fragments->first;
    bool whole = fragments->received == (uint32_t)((UINT64_C(1) << view.total) - 1);
    return whole && fragments_join(client, fragments, ret_first, ret_inner);
}

bool client_open(struct initiator *client, struct initiator_sa *sa, const struct ike_header *header,
                 struct span datagram, uint8_t *ret_first, struct span *ret_inner)
{
    struct payloads *payloads = &client->payloads;
    struct span chain = span_of(datagram.data + IKE_HEADER_BYTES, datagram.len - IKE_HEADER_BYTES);
    if (!sa->has_keys || payloads_read(header->next_payload, chain, payloads) != CAUSE_NONE ||
        payloads->count == 0) {
        return false;
    }
    const struct payload *last = &payloads->v[payloads->count - 1];
    if (last->type == PAYLOAD_SKF) {
        return open_fragment(client, sa, header, datagram, ret_first, ret_inner);
    }
    if (last->type != PAYLOAD_SK) {
        return false;
    }
    struct sk_key key = key_of(sa, false);
    struct span aad = span_of(datagram.data, (size_t)(last->body.data - datagram.data));
    size_t len;
    if (last->body.len > sizeof(client->plain) ||
        sk_open(&key, aad, last->body, client->plain, &len) != CAUSE_NONE) {
        return false;
    }
    *ret_first = payloads->inner_first;
    *ret_inner = span_of(client->plain, len);
    return true;
}

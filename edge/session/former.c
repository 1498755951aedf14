/* The IKE SA that a rekey replaced, and our own request to rekey one: kept until nobody can ask for them any
 * more, so that a restart between two messages of a rekey costs no session. */
#include "edge/session/field.h"

enum former_field {
    FORMER_SPIS = 1,
    FORMER_SUITE,
    FORMER_KEYS,
    FORMER_MESSAGE_IDS,
    FORMER_LAST_REQUIRED = FORMER_MESSAGE_IDS,
    FORMER_WE_ARE_INITIATOR, /* there or not */
    FORMER_RESPONSE,
    FORMER_REQUEST,
};

enum request_field {
    REQUEST_SPI = 1,
    REQUEST_KE, /* group, private value */
    REQUEST_NONCE,
    REQUEST_MESSAGE,
    REQUEST_LAST_REQUIRED = REQUEST_MESSAGE,
    REQUEST_RIVAL_NONCE, /* there or not */
};

void request_write(struct writer *w, uint8_t tag, const struct record_request *request)
{
    hf_assert(request->ke.len <= sizeof(request->ke.bytes));
    if (request->message.len == 0) {
        return;
    }
    size_t outer_at = field_begin(w, tag);
    size_t at = field_begin(w, REQUEST_SPI);
    writer_u64(w, request->spi);
    field_end(w, at);
    at = field_begin(w, REQUEST_KE);
    writer_u16(w, request->ke.group);
    writer_bytes(w, request->ke.bytes, request->ke.len);
    field_end(w, at);
    field_write(w, REQUEST_NONCE, span_of(request->nonce, sizeof(request->nonce)));
    field_write(w, REQUEST_MESSAGE, request->message);
    if (request->rival_nonce_len > 0) {
        field_write(w, REQUEST_RIVAL_NONCE, span_of(request->rival_nonce, request->rival_nonce_len));
    }
    field_end(w, outer_at);
}

void former_write(struct writer *w, uint8_t tag, const struct record_former *former)
{
    if (former->spi_i == 0) {
        return;
    }
    size_t outer_at = field_begin(w, tag);
    pair64_write(w, FORMER_SPIS, former->spi_i, former->spi_r);
    suite_write(w, FORMER_SUITE, &former->suite);
    keys_write(w, FORMER_KEYS, &former->suite, &former->keys);
    pair32_write(w, FORMER_MESSAGE_IDS, former->peer_next_id, former->our_next_id);
    if (former->we_are_initiator) {
        field_write(w, FORMER_WE_ARE_INITIATOR, (struct span){0});
    }
    if (former->response.len > 0) {
        field_write(w, FORMER_RESPONSE, former->response);
    }
    request_write(w, FORMER_REQUEST, &former->request);
    field_end(w, outer_at);
}

static bool ke_read(struct span body, struct ke_private *ret_ke)
{
    struct reader r = reader_of(body);
    ret_ke->group = reader_u16(&r);
    struct span bytes = reader_rest(&r);
    if (r.failed || !ke_supported(ret_ke->group) || bytes.len == 0 || bytes.len > sizeof(ret_ke->bytes)) {
        return false;
    }
    ret_ke->len = (uint16_t)bytes.len;
    memcpy(ret_ke->bytes, bytes.data, bytes.len);
    return true;
}

static bool nonce_read(struct span body, size_t least, uint8_t ret_nonce[IKE_NONCE_BYTES], uint16_t *ret_len)
{
    *ret_len = (uint16_t)body.len;
    if (body.len < least || body.len > IKE_NONCE_BYTES) {
        return false;
    }
    memcpy(ret_nonce, body.data, body.len);
    return true;
}

bool request_read(struct span bytes, struct record_request *ret_request)
{
    struct fields fields;
    const struct span *body = fields.body;
    uint16_t len;
    if (!fields_read(bytes, REQUEST_LAST_REQUIRED, 0, &fields)) {
        return false;
    }
    struct reader r = reader_of(body[REQUEST_SPI]);
    ret_request->spi = reader_u64(&r);
    ret_request->message = body[REQUEST_MESSAGE];
    bool rival = (fields.seen >> REQUEST_RIVAL_NONCE & 1) != 0;
    return reader_done(&r) && ret_request->spi != 0 && ret_request->message.len > 0 &&
           ke_read(body[REQUEST_KE], &ret_request->ke) &&
           nonce_read(body[REQUEST_NONCE], IKE_NONCE_BYTES, ret_request->nonce, &len) &&
           (!rival || nonce_read(body[REQUEST_RIVAL_NONCE], 1, ret_request->rival_nonce,
                                 &ret_request->rival_nonce_len));
}

bool former_read(struct span bytes, struct record_former *ret_former)
{
    struct fields fields;
    const struct span *body = fields.body;
    if (!fields_read(bytes, FORMER_LAST_REQUIRED, 0, &fields)) {
        return false;
    }
    ret_former->we_are_initiator = (fields.seen >> FORMER_WE_ARE_INITIATOR & 1) != 0;
    if ((fields.seen >> FORMER_RESPONSE & 1) != 0) {
        ret_former->response = body[FORMER_RESPONSE];
    }
    bool asks = (fields.seen >> FORMER_REQUEST & 1) != 0;
    return pair64_read(body[FORMER_SPIS], &ret_former->spi_i, &ret_former->spi_r) && ret_former->spi_i != 0 &&
           ret_former->spi_r != 0 && suite_read(body[FORMER_SUITE], &ret_former->suite) &&
           keys_read(body[FORMER_KEYS], &ret_former->suite, &ret_former->keys) &&
           pair32_read(body[FORMER_MESSAGE_IDS], &ret_former->peer_next_id, &ret_former->our_next_id) &&
           (!asks || request_read(body[FORMER_REQUEST], &ret_former->request));
}

/* Payload bodies of one message (RFC 7296 3.4 to 3.16), by a table of one reader per payload type. */
#include "edge/base/reader.h"
#include "edge/wire/message.h"

#define ID_V4_BYTES 4
#define ID_V6_BYTES 16
#define EAP_HEADER_BYTES 4
#define CP_TYPE_MASK 0x7fff /* above it a reserved bit */

static enum cause read_sa(struct span body, struct message *m)
{
    m->sa = body;
    return CAUSE_NONE;
}

static enum cause read_ke(struct span body, struct message *m)
{
    struct reader r = reader_of(body);
    m->ke_group = reader_u16(&r);
    reader_u16(&r); /* reserved */
    m->ke = reader_rest(&r);
    return r.failed || m->ke.len == 0 ? CAUSE_KE_SYNTAX : CAUSE_NONE;
}

static bool id_size_fits(uint8_t type, size_t len)
{
    switch (type) {
    case ID_IPV4_ADDR:
        return len == ID_V4_BYTES;
    case ID_IPV6_ADDR:
        return len == ID_V6_BYTES;
    default:
        return len > 0 && len <= IKE_ID_BYTES_MAX;
    }
}

static enum cause id_read(struct span body, struct id_view *ret_id)
{
    struct reader r = reader_of(body);
    ret_id->type = reader_u8(&r);
    reader_take(&r, 3); /* reserved */
    ret_id->data = reader_rest(&r);
    ret_id->body = body;
    bool fits = !r.failed && ret_id->type != 0 && id_size_fits(ret_id->type, ret_id->data.len);
    return fits ? CAUSE_NONE : CAUSE_ID_SYNTAX;
}

static enum cause read_id_i(struct span body, struct message *m)
{
    return id_read(body, &m->id_i);
}

static enum cause read_id_r(struct span body, struct message *m)
{
    return id_read(body, &m->id_r);
}

static enum cause read_cert(struct span body, struct message *m)
{
    if (m->num_certs == IKE_CERTS_MAX) {
        return CAUSE_PAYLOAD_COUNT;
    }
    struct reader r = reader_of(body);
    struct cert_view *cert = &m->certs[m->num_certs];
    cert->encoding = reader_u8(&r);
    cert->data = reader_rest(&r);
    if (r.failed || cert->data.len == 0 || cert->data.len > IKE_CERT_BYTES_MAX) {
        return CAUSE_CERT_SYNTAX;
    }
    m->num_certs++;
    return CAUSE_NONE;
}

static enum cause read_certreq(struct span body, struct message *m)
{
    m->has_certreq = true;
    return body.len == 0 ? CAUSE_CERT_SYNTAX : CAUSE_NONE;
}

static enum cause read_auth(struct span body, struct message *m)
{
    struct reader r = reader_of(body);
    m->auth_method = reader_u8(&r);
    reader_take(&r, 3); /* reserved */
    m->auth = reader_rest(&r);
    return r.failed || m->auth_method == 0 || m->auth.len == 0 ? CAUSE_AUTH_SYNTAX : CAUSE_NONE;
}

static enum cause read_nonce(struct span body, struct message *m)
{
    m->nonce = body;
    bool fits = body.len >= IKE_NONCE_BYTES_MIN && body.len <= IKE_NONCE_BYTES_MAX;
    return fits ? CAUSE_NONE : CAUSE_NONCE_SIZE;
}

/* What the types that are acted on must carry, so that nobody else has to look at the sizes again. Their
 * protocol and SPI are otherwise free: clients write odd protocols into notifies that have no SPI. */
static bool notify_is_valid(const struct notify *notify)
{
    size_t len = notify->data.len;
    switch (notify->type) {
    case NOTIFY_COOKIE: /* RFC 7296 2.6 */
        return len >= 1 && len <= IKE_COOKIE_BYTES_MAX;
    case NOTIFY_COOKIE2: /* RFC 4555 4.2.5 */
        return len >= 8 && len <= 64;
    case NOTIFY_NO_NATS_ALLOWED: /* RFC 4555 4.2.6: two addresses, two ports */
        return len == 12 || len == 36;
    case NOTIFY_INVALID_KE_PAYLOAD:
        return len == 2;
    case NOTIFY_SIGNATURE_HASH_ALGORITHMS:
        return len % 2 == 0;
    case NOTIFY_QCD_TOKEN: /* RFC 6290 5 */
        return len >= 16 && len <= 128;
    case NOTIFY_TICKET_LT_OPAQUE: /* RFC 5723 7.1: a lifetime, then the ticket */
        return len > 4;
    case NOTIFY_TICKET_OPAQUE:
        return len > 0;
    case NOTIFY_IKEV2_MESSAGE_ID_SYNC: /* RFC 6311 6.3: nonce and two ids */
        return len == 12;
    case NOTIFY_IPSEC_REPLAY_COUNTER_SYNC: /* RFC 6311 6.4: as long as sequence numbers are */
        return len == 4 || len == 8;
    case NOTIFY_REKEY_SA:
        return (notify->protocol == PROTOCOL_ESP || notify->protocol == PROTOCOL_AH) && notify->spi.len == 4;
    default:
        return true;
    }
}

static enum cause read_notify(struct span body, struct message *m)
{
    struct reader r = reader_of(body);
    struct notify notify = {.protocol = reader_u8(&r)};
    uint8_t spi_bytes = reader_u8(&r);
    notify.type = reader_u16(&r);
    notify.spi = reader_take(&r, spi_bytes);
    notify.data = reader_rest(&r);
    if (r.failed || !notify_is_valid(&notify)) {
        return CAUSE_NOTIFY_SYNTAX;
    }
    if (notify.type > NOTIFY_ERROR_LAST && ike_notify_name(notify.type) == NULL) {
        return CAUSE_NONE; /* RFC 7296 3.10.1: unknown status types are ignored; they take no room either */
    }
    if (m->num_notifies == IKE_NOTIFIES_MAX) {
        return CAUSE_PAYLOAD_COUNT;
    }
    m->notifies[m->num_notifies++] = notify;
    return CAUSE_NONE;
}

/* RFC 7296 3.11: the IKE SA's own SPIs stand in the header, a child's SPI has 4 bytes. */
static bool delete_is_valid(const struct delete_view *view)
{
    switch (view->protocol) {
    case PROTOCOL_IKE:
        return view->spi_bytes == 0 && view->count == 0 && view->spis.len == 0;
    case PROTOCOL_AH:
    case PROTOCOL_ESP:
        return view->spi_bytes == 4 && view->spis.len == (size_t)view->count * 4;
    default:
        return false;
    }
}

static enum cause read_delete(struct span body, struct message *m)
{
    if (m->num_deletes == IKE_DELETES_MAX) {
        return CAUSE_PAYLOAD_COUNT;
    }
    struct reader r = reader_of(body);
    struct delete_view *view = &m->deletes[m->num_deletes];
    view->protocol = reader_u8(&r);
    view->spi_bytes = reader_u8(&r);
    view->count = reader_u16(&r);
    view->spis = reader_rest(&r);
    if (r.failed || !delete_is_valid(view)) {
        return CAUSE_DELETE_SYNTAX;
    }
    m->num_deletes++;
    return CAUSE_NONE;
}

static enum cause read_ts_i(struct span body, struct message *m)
{
    m->ts_i = body;
    return CAUSE_NONE;
}

static enum cause read_ts_r(struct span body, struct message *m)
{
    m->ts_r = body;
    return CAUSE_NONE;
}

static enum cause read_cp(struct span body, struct message *m)
{
    struct reader r = reader_of(body);
    m->cp.type = reader_u8(&r);
    reader_take(&r, 3); /* reserved */
    while (!r.failed && r.rest.len > 0) {
        struct cp_attribute attribute = {.type = reader_u16(&r) & CP_TYPE_MASK};
        attribute.value = reader_take(&r, reader_u16(&r));
        if (!r.failed && m->cp.count < IKE_ATTRIBUTES_MAX) {
            m->cp.v[m->cp.count++] = attribute;
        }
    }
    return r.failed || m->cp.type == 0 ? CAUSE_CP_SYNTAX : CAUSE_NONE;
}

static enum cause read_eap(struct span body, struct message *m)
{
    m->eap = body;
    /* RFC 3748 4: code, identifier, length of the whole. */
    bool fits = body.len >= EAP_HEADER_BYTES && be16_load(body.data + 2) == body.len;
    return fits ? CAUSE_NONE : CAUSE_EAP_SYNTAX;
}

struct payload_rule {
    enum cause (*read)(struct span body, struct message *m);
    bool is_repeatable;
};

/* Types that are missing here carry nothing for the message: vendor ids, and SK and SKF, which hold the
 * next chain. */
static const struct payload_rule rules[] = {
    [PAYLOAD_SA - PAYLOAD_SA] = {read_sa, false},
    [PAYLOAD_KE - PAYLOAD_SA] = {read_ke, false},
    [PAYLOAD_IDI - PAYLOAD_SA] = {read_id_i, false},
    [PAYLOAD_IDR - PAYLOAD_SA] = {read_id_r, false},
    [PAYLOAD_CERT - PAYLOAD_SA] = {read_cert, true},
    [PAYLOAD_CERTREQ - PAYLOAD_SA] = {read_certreq, true},
    [PAYLOAD_AUTH - PAYLOAD_SA] = {read_auth, false},
    [PAYLOAD_NONCE - PAYLOAD_SA] = {read_nonce, false},
    [PAYLOAD_NOTIFY - PAYLOAD_SA] = {read_notify, true},
    [PAYLOAD_DELETE - PAYLOAD_SA] = {read_delete, true},
    [PAYLOAD_TSI - PAYLOAD_SA] = {read_ts_i, false},
    [PAYLOAD_TSR - PAYLOAD_SA] = {read_ts_r, false},
    [PAYLOAD_CP - PAYLOAD_SA] = {read_cp, false},
    [PAYLOAD_EAP - PAYLOAD_SA] = {read_eap, false},
};

enum cause message_read(const struct payloads *payloads, struct message *ret_message)
{
    *ret_message = (struct message){.unknown_critical = payloads->unknown_critical};
    hf_assert(payloads->count <= IKE_PAYLOADS_MAX);
    for (uint32_t i = 0; i < payloads->count; i++) {
        const struct payload *payload = &payloads->v[i];
        hf_assert(payload->type >= PAYLOAD_SA);
        size_t row = (size_t)payload->type - PAYLOAD_SA;
        uint64_t bit = PAYLOAD_BIT(payload->type);
        bool has_rule = row < HF_COUNT(rules) && rules[row].read != NULL;
        if (has_rule && !rules[row].is_repeatable && (ret_message->present & bit) != 0) {
            return CAUSE_PAYLOAD_TWICE;
        }
        enum cause cause = has_rule ? rules[row].read(payload->body, ret_message) : CAUSE_NONE;
        if (cause != CAUSE_NONE) {
            return cause;
        }
        ret_message->present |= bit;
    }
    return CAUSE_NONE;
}

const struct notify *message_notify(const struct message *message, uint16_t type)
{
    for (uint32_t i = 0; i < message->num_notifies; i++) {
        if (message->notifies[i].type == type) {
            return &message->notifies[i];
        }
    }
    return NULL;
}

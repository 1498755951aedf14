/* Message frame and the payloads that are a few fields and a blob (RFC 7296 3.1 to 3.12, 3.14, 3.15). SA
 * and TS are built beside their readers. */
#include "edge/wire/build.h"

#define HEADER_NEXT_AT 16
#define HEADER_LENGTH_AT 24

/* Values of next_at and payload_at that are no offset. */
#define NEXT_IS_FIRST SIZE_MAX        /* chain without payload so far: the type goes to builder.first */
#define NEXT_IS_CLOSED (SIZE_MAX - 1) /* after SK or SKF */
#define PAYLOAD_IS_CLOSED SIZE_MAX

void message_begin(struct builder *b, void *memory, size_t cap, const struct ike_header *header)
{
    *b = (struct builder){
        .w = writer_of(memory, cap),
        .next_at = HEADER_NEXT_AT,
        .payload_at = PAYLOAD_IS_CLOSED,
    };
    writer_u64(&b->w, header->spi_i);
    writer_u64(&b->w, header->spi_r);
    writer_u8(&b->w, PAYLOAD_NONE);
    writer_u8(&b->w, header->version);
    writer_u8(&b->w, header->exchange);
    writer_u8(&b->w, header->flags);
    writer_u32(&b->w, header->message_id);
    writer_u32(&b->w, 0);
}

void chain_begin(struct builder *b, void *memory, size_t cap)
{
    *b = (struct builder){
        .w = writer_of(memory, cap),
        .next_at = NEXT_IS_FIRST,
        .payload_at = PAYLOAD_IS_CLOSED,
        .headless = true,
    };
}

struct span message_end(struct builder *b)
{
    hf_assert(b->payload_at == PAYLOAD_IS_CLOSED);
    if (!b->headless) {
        writer_patch_u32(&b->w, HEADER_LENGTH_AT, (uint32_t)b->w.len);
    }
    return b->w.overflow ? (struct span){0} : writer_span_of(&b->w);
}

/* The generic header of a payload that says `next` itself, and its announcement in the payload before. */
static void header_begin(struct builder *b, uint8_t type, uint8_t next)
{
    hf_assert(b->payload_at == PAYLOAD_IS_CLOSED && b->next_at != NEXT_IS_CLOSED);
    if (b->next_at == NEXT_IS_FIRST) {
        b->first = type;
    } else {
        writer_patch_u8(&b->w, b->next_at, type);
    }
    b->payload_at = b->w.len;
    b->next_at = b->w.len;
    writer_u8(&b->w, next);
    writer_u8(&b->w, 0); /* critical bit: never set on types that RFC 7296 defines */
    writer_u16(&b->w, 0);
}

void payload_begin(struct builder *b, uint8_t type)
{
    header_begin(b, type, PAYLOAD_NONE);
}

void payload_end(struct builder *b)
{
    hf_assert(b->payload_at != PAYLOAD_IS_CLOSED);
    size_t len = b->w.len - b->payload_at;
    if (len > UINT16_MAX) {
        b->w.overflow = true;
    }
    writer_patch_u16(&b->w, b->payload_at + 2, (uint16_t)len);
    b->payload_at = PAYLOAD_IS_CLOSED;
}

void build_notify(struct builder *b, uint8_t protocol, struct span spi, uint16_t type, struct span data)
{
    hf_assert(spi.len <= UINT8_MAX);
    payload_begin(b, PAYLOAD_NOTIFY);
    writer_u8(&b->w, protocol);
    writer_u8(&b->w, (uint8_t)spi.len);
    writer_u16(&b->w, type);
    writer_span(&b->w, spi);
    writer_span(&b->w, data);
    payload_end(b);
}

void build_nonce(struct builder *b, struct span nonce)
{
    payload_begin(b, PAYLOAD_NONCE);
    writer_span(&b->w, nonce);
    payload_end(b);
}

void build_ke(struct builder *b, uint16_t group, struct span data)
{
    payload_begin(b, PAYLOAD_KE);
    writer_u16(&b->w, group);
    writer_u16(&b->w, 0);
    writer_span(&b->w, data);
    payload_end(b);
}

/* A payload of a kind, three reserved bytes and a blob: ID, AUTH. */
static void build_kind(struct builder *b, uint8_t payload_type, uint8_t kind, struct span data)
{
    payload_begin(b, payload_type);
    writer_u32(&b->w, (uint32_t)kind << 24);
    writer_span(&b->w, data);
    payload_end(b);
}

void build_id(struct builder *b, uint8_t payload_type, uint8_t id_type, struct span data)
{
    hf_assert(payload_type == PAYLOAD_IDI || payload_type == PAYLOAD_IDR);
    build_kind(b, payload_type, id_type, data);
}

void build_auth(struct builder *b, uint8_t method, struct span data)
{
    build_kind(b, PAYLOAD_AUTH, method, data);
}

void build_cert(struct builder *b, uint8_t encoding, struct span data)
{
    payload_begin(b, PAYLOAD_CERT);
    writer_u8(&b->w, encoding);
    writer_span(&b->w, data);
    payload_end(b);
}

void build_certreq(struct builder *b, struct span authorities)
{
    payload_begin(b, PAYLOAD_CERTREQ);
    writer_u8(&b->w, CERT_X509_SIGNATURE);
    writer_span(&b->w, authorities);
    payload_end(b);
}

void build_delete(struct builder *b, uint8_t protocol, uint8_t spi_bytes, const uint32_t *spis,
                  uint16_t count)
{
    hf_assert(protocol == PROTOCOL_IKE ? spi_bytes == 0 && count == 0 : spi_bytes == 4);
    payload_begin(b, PAYLOAD_DELETE);
    writer_u8(&b->w, protocol);
    writer_u8(&b->w, spi_bytes);
    writer_u16(&b->w, count);
    for (uint32_t i = 0; i < count; i++) {
        writer_u32(&b->w, spis[i]);
    }
    payload_end(b);
}

void cp_begin(struct builder *b, uint8_t cp_type)
{
    payload_begin(b, PAYLOAD_CP);
    writer_u32(&b->w, (uint32_t)cp_type << 24);
}

void cp_attribute(struct builder *b, uint16_t type, struct span value)
{
    hf_assert(value.len <= UINT16_MAX);
    writer_u16(&b->w, type);
    writer_u16(&b->w, (uint16_t)value.len);
    writer_span(&b->w, value);
}

/* Reserves the sealed body, zeroed so that no stale memory leaves should nobody fill it, and closes the
 * chain. */
static size_t sealed_end(struct builder *b, size_t body_bytes)
{
    size_t body_at = b->w.len;
    uint8_t *room = writer_room(&b->w, body_bytes);
    if (room != NULL) {
        memset(room, 0, body_bytes);
    }
    payload_end(b);
    b->next_at = NEXT_IS_CLOSED;
    return body_at;
}

size_t build_sk(struct builder *b, uint8_t inner_first, size_t body_bytes)
{
    header_begin(b, PAYLOAD_SK, inner_first);
    return sealed_end(b, body_bytes);
}

size_t build_skf(struct builder *b, uint8_t inner_first, uint16_t number, uint16_t total, size_t body_bytes)
{
    hf_assert(number >= 1 && number <= total && (number == 1 || inner_first == PAYLOAD_NONE));
    header_begin(b, PAYLOAD_SKF, inner_first);
    writer_u16(&b->w, number);
    writer_u16(&b->w, total);
    return sealed_end(b, body_bytes);
}

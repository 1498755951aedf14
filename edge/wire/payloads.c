/* Splits a chain of payloads (RFC 7296 3.2). Every payload moves on by at least its own header, so no chain
 * loops. */
#include "edge/base/reader.h"
#include "edge/wire/message.h"

#define CRITICAL_BIT 0x80

static bool type_is_known(uint8_t type)
{
    return (type >= PAYLOAD_SA && type <= PAYLOAD_EAP) || type == PAYLOAD_SKF;
}

static bool type_ends_chain(uint8_t type)
{
    return type == PAYLOAD_SK || type == PAYLOAD_SKF;
}

static void payload_keep(struct payloads *payloads, const struct payload *payload)
{
    if (type_is_known(payload->type)) {
        payloads->v[payloads->count++] = *payload;
        payloads->present |= PAYLOAD_BIT(payload->type);
    } else if (payload->critical && payloads->unknown_critical == 0) {
        payloads->unknown_critical = payload->type;
    }
}

enum cause payloads_read(uint8_t first, struct span chain, struct payloads *ret_payloads)
{
    struct reader r = reader_of(chain);
    uint8_t type = first;
    ret_payloads->count = 0;
    ret_payloads->present = 0;
    ret_payloads->inner_first = PAYLOAD_NONE;
    ret_payloads->unknown_critical = PAYLOAD_NONE;
    /* Unknown payloads are not kept but count: a chain of thousands of them is no message anybody means. */
    for (uint32_t seen = 0; type != PAYLOAD_NONE; seen++) {
        if (seen == IKE_PAYLOADS_MAX) {
            return CAUSE_PAYLOAD_COUNT;
        }
        uint8_t next = reader_u8(&r);
        uint8_t bits = reader_u8(&r);
        uint16_t length = reader_u16(&r);
        if (r.failed || length < PAYLOAD_HEADER_BYTES) {
            return CAUSE_PAYLOAD_LENGTH;
        }
        struct payload payload = {.type = type, .critical = (bits & CRITICAL_BIT) != 0};
        payload.body_offset = chain.len - r.rest.len;
        payload.body = reader_take(&r, (size_t)length - PAYLOAD_HEADER_BYTES);
        if (r.failed) {
            return CAUSE_PAYLOAD_LENGTH;
        }
        payload_keep(ret_payloads, &payload);
        if (type_ends_chain(type)) {
            ret_payloads->inner_first = next;
            break;
        }
        type = next;
    }
    return reader_done(&r) ? CAUSE_NONE : CAUSE_PAYLOAD_LENGTH;
}

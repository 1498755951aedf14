#include "edge/session/field.h"

size_t field_begin(struct writer *w, uint8_t tag)
{
    writer_u8(w, tag);
    writer_u16(w, 0);
    return w->len;
}

void field_end(struct writer *w, size_t body_at)
{
    size_t len = w->overflow ? 0 : w->len - body_at;
    if (len > UINT16_MAX) {
        w->overflow = true;
    } else {
        writer_patch_u16(w, body_at - 2, (uint16_t)len);
    }
}

void field_write(struct writer *w, uint8_t tag, struct span body)
{
    size_t at = field_begin(w, tag);
    writer_span(w, body);
    field_end(w, at);
}

void pair64_write(struct writer *w, uint8_t tag, uint64_t a, uint64_t b)
{
    size_t at = field_begin(w, tag);
    writer_u64(w, a);
    writer_u64(w, b);
    field_end(w, at);
}

void pair32_write(struct writer *w, uint8_t tag, uint32_t a, uint32_t b)
{
    size_t at = field_begin(w, tag);
    writer_u32(w, a);
    writer_u32(w, b);
    field_end(w, at);
}

bool fields_read(struct span bytes, uint8_t required, uint8_t repeats, struct fields *ret_fields)
{
    hf_assert(required <= FIELD_TAG_MAX && repeats <= FIELD_TAG_MAX);
    struct reader r = reader_of(bytes);
    *ret_fields = (struct fields){0};
    while (!r.failed && r.rest.len > 0) {
        uint8_t tag = reader_u8(&r);
        struct span body = reader_take(&r, reader_u16(&r));
        if (tag != 0 && tag == repeats) {
            if (ret_fields->num_repeated == CHILD_PER_SA_MAX) {
                return false;
            }
            ret_fields->repeated[ret_fields->num_repeated++] = body;
        } else if (tag >= 1 && tag <= FIELD_TAG_MAX) {
            if ((ret_fields->seen >> tag & 1) != 0 && tag <= required) {
                return false;
            }
            ret_fields->seen |= UINT32_C(1) << tag;
            ret_fields->body[tag] = body;
        }
    }
    uint32_t wanted = (uint32_t)((UINT64_C(2) << required) - 2);
    return reader_done(&r) && (ret_fields->seen & wanted) == wanted;
}

bool pair64_read(struct span body, uint64_t *ret_a, uint64_t *ret_b)
{
    struct reader r = reader_of(body);
    *ret_a = reader_u64(&r);
    *ret_b = reader_u64(&r);
    return reader_done(&r);
}

bool pair32_read(struct span body, uint32_t *ret_a, uint32_t *ret_b)
{
    struct reader r = reader_of(body);
    *ret_a = reader_u32(&r);
    *ret_b = reader_u32(&r);
    return reader_done(&r);
}

bool encryption_is_known(uint16_t encr, uint16_t encr_bits, uint16_t integ)
{
    return encr_key_bytes(encr, encr_bits) > 0 &&
           (encr_is_aead(encr) ? integ == INTEG_NONE : integ_key_bytes(integ) > 0);
}

/* SA payloads: proposals, transforms, attributes (RFC 7296 3.3), both ways. */
#include "edge/base/reader.h"
#include "edge/wire/build.h"

/* The "last substructure" byte: what says that another one follows. */
#define MORE_PROPOSALS 2
#define MORE_TRANSFORMS 3

#define PROPOSAL_HEADER_BYTES 8
#define TRANSFORM_HEADER_BYTES 8
#define ATTRIBUTE_BYTES 4
#define ATTRIBUTE_TV 0x8000

static bool spi_size_fits(uint8_t protocol, size_t len)
{
    switch (protocol) {
    case PROTOCOL_IKE:
        return len == 0 || len == 8;
    case PROTOCOL_AH:
    case PROTOCOL_ESP:
        return len == 4;
    default: /* never chosen, only stepped over */
        return len == 0 || len == 4 || len == 8;
    }
}

/* Attributes of one transform. Anything but one Key Length in its TV form makes the transform unfit to be
 * chosen; a Key Length of 0 too, for key_bits 0 means that there is none. */
static bool attributes_read(struct reader *r, struct transform *transform)
{
    bool has_key_length = false;
    while (r->rest.len > 0 && !r->failed) {
        uint16_t type = reader_u16(r);
        uint16_t value = reader_u16(r);
        if (type == (ATTRIBUTE_TV | ATTRIBUTE_KEY_LENGTH)) {
            if (has_key_length) {
                return false; /* RFC 7296 3.3: never two attributes of one type */
            }
            has_key_length = true;
            transform->key_bits = value;
            transform->unknown_attribute |= value == 0;
            continue;
        }
        if ((type & ATTRIBUTE_TV) == 0) {
            reader_take(r, value);
        }
        transform->unknown_attribute = true;
    }
    return reader_done(r);
}

/* One transform from `r`, which holds the rest of its proposal. */
static bool transform_read(struct reader *r, bool is_last, struct transform *ret_transform)
{
    uint8_t more = reader_u8(r);
    reader_u8(r); /* reserved */
    uint16_t length = reader_u16(r);
    *ret_transform = (struct transform){.type = reader_u8(r)};
    reader_u8(r); /* reserved */
    ret_transform->id = reader_u16(r);
    if (r->failed || more != (is_last ? 0 : MORE_TRANSFORMS) || length < TRANSFORM_HEADER_BYTES) {
        return false;
    }
    struct span attributes = reader_take(r, (size_t)length - TRANSFORM_HEADER_BYTES);
    struct reader inner = reader_of(attributes);
    return !r->failed && attributes_read(&inner, ret_transform);
}

static enum cause transforms_read(struct reader *r, struct proposal *proposal, struct sa_view *sa)
{
    if (proposal->count == 0) {
        return CAUSE_SA_SYNTAX;
    }
    for (uint32_t i = 0; i < proposal->count; i++) {
        if (sa->num_transforms == IKE_TRANSFORMS_MAX) {
            return CAUSE_SA_COUNT;
        }
        if (!transform_read(r, i + 1u == proposal->count, &sa->transforms[sa->num_transforms])) {
            return CAUSE_SA_SYNTAX;
        }
        sa->num_transforms++;
    }
    return reader_done(r) ? CAUSE_NONE : CAUSE_SA_SYNTAX;
}

static enum cause proposal_read(struct reader *r, struct sa_view *sa)
{
    uint8_t more = reader_u8(r);
    reader_u8(r); /* reserved */
    uint16_t length = reader_u16(r);
    if (r->failed || length < PROPOSAL_HEADER_BYTES) {
        return CAUSE_SA_SYNTAX;
    }
    struct reader inner = reader_of(reader_take(r, (size_t)length - 4));
    if (r->failed || more != (r->rest.len > 0 ? MORE_PROPOSALS : 0)) {
        return CAUSE_SA_SYNTAX;
    }
    struct proposal *proposal = &sa->proposals[sa->count];
    uint8_t number_min = sa->count == 0 ? 1 : sa->proposals[sa->count - 1].number;
    *proposal = (struct proposal){.number = reader_u8(&inner), .first = (uint16_t)sa->num_transforms};
    proposal->protocol = reader_u8(&inner);
    uint8_t spi_bytes = reader_u8(&inner);
    proposal->count = reader_u8(&inner);
    proposal->spi = reader_take(&inner, spi_bytes);
    if (inner.failed || proposal->number < number_min) {
        return CAUSE_SA_SYNTAX;
    }
    if (!spi_size_fits(proposal->protocol, spi_bytes)) {
        return CAUSE_SA_SPI_SIZE;
    }
    return transforms_read(&inner, proposal, sa);
}

enum cause sa_read(struct span body, struct sa_view *ret_sa)
{
    struct reader r = reader_of(body);
    enum cause cause = body.len == 0 ? CAUSE_SA_SYNTAX : CAUSE_NONE;
    ret_sa->count = 0;
    ret_sa->num_transforms = 0;
    while (cause == CAUSE_NONE && r.rest.len > 0) {
        cause = ret_sa->count == IKE_PROPOSALS_MAX ? CAUSE_SA_COUNT : proposal_read(&r, ret_sa);
        ret_sa->count += cause == CAUSE_NONE ? 1 : 0;
    }
    if (cause != CAUSE_NONE) {
        ret_sa->count = 0;
        ret_sa->num_transforms = 0;
    }
    return cause;
}

static void transform_build(struct writer *w, const struct transform *transform, bool is_last)
{
    bool has_key_length = transform->key_bits != 0;
    writer_u8(w, is_last ? 0 : MORE_TRANSFORMS);
    writer_u8(w, 0);
    writer_u16(w, has_key_length ? TRANSFORM_HEADER_BYTES + ATTRIBUTE_BYTES : TRANSFORM_HEADER_BYTES);
    writer_u8(w, transform->type);
    writer_u8(w, 0);
    writer_u16(w, transform->id);
    if (has_key_length) {
        writer_u16(w, ATTRIBUTE_TV | ATTRIBUTE_KEY_LENGTH);
        writer_u16(w, transform->key_bits);
    }
}

static void proposal_build(struct writer *w, const struct sa_view *sa, uint32_t index)
{
    const struct proposal *proposal = &sa->proposals[index];
    hf_assert(proposal->count > 0 && proposal->count <= UINT8_MAX && proposal->spi.len <= UINT8_MAX);
    hf_assert((uint32_t)proposal->first + proposal->count <= IKE_TRANSFORMS_MAX);
    size_t start = w->len;
    writer_u8(w, index + 1u == sa->count ? 0 : MORE_PROPOSALS);
    writer_u8(w, 0);
    size_t length_at = w->len;
    writer_u16(w, 0);
    writer_u8(w, proposal->number);
    writer_u8(w, proposal->protocol);
    writer_u8(w, (uint8_t)proposal->spi.len);
    writer_u8(w, (uint8_t)proposal->count);
    writer_span(w, proposal->spi);
    for (uint32_t i = 0; i < proposal->count; i++) {
        transform_build(w, &sa->transforms[proposal->first + i], i + 1u == proposal->count);
    }
    writer_patch_u16(w, length_at, (uint16_t)(w->len - start));
}

void build_sa(struct builder *b, const struct sa_view *sa)
{
    hf_assert(sa->count > 0 && sa->count <= IKE_PROPOSALS_MAX);
    payload_begin(b, PAYLOAD_SA);
    for (uint32_t i = 0; i < sa->count; i++) {
        proposal_build(&b->w, sa, i);
    }
    payload_end(b);
}

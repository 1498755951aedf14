/* A deviation's message: a good chain of payloads, taken apart, edited and put together without a thought for
 * whether it still makes sense. */
#include "tests/lib/deviant_internal.h"

static struct span keep(struct deviant *d, struct span bytes)
{
    hf_assert(d->used + bytes.len <= sizeof(d->memory));
    uint8_t *at = d->memory + d->used;
    if (bytes.len > 0) {
        memcpy(at, bytes.data, bytes.len);
    }
    d->used += bytes.len;
    return span_of(at, bytes.len);
}

static void part_insert(struct deviant *d, uint32_t at, uint8_t type, struct span body)
{
    hf_assert(d->num_parts < DEVIANT_PARTS_MAX);
    memmove(&d->parts[at + 1], &d->parts[at], (d->num_parts - at) * sizeof(d->parts[0]));
    d->parts[at] = (struct deviant_part){.type = type, .body = body};
    d->num_parts++;
}

static void take_apart(struct deviant *d, uint8_t first, struct span chain)
{
    d->num_parts = 0;
    d->used = 0;
    for (size_t at = 0; first != PAYLOAD_NONE;) {
        size_t len = be16_load(chain.data + at + 2);
        struct span body = span_of(chain.data + at + 4, len - 4);
        part_insert(d, d->num_parts, first, keep(d, body));
        first = chain.data[at];
        at += len;
    }
}

static struct deviant_part *part_of(struct deviant *d, uint8_t type)
{
    for (uint32_t i = 0; i < d->num_parts; i++) {
        if (d->parts[i].type == type) {
            return &d->parts[i];
        }
    }
    return NULL;
}

static void part_fill(struct deviant *d, struct deviant_part *part, const struct edit *edit)
{
    struct span kept = keep(d, span_of(part->body.data, HF_MIN((size_t)edit->at, part->body.len)));
    hf_assert(d->used + edit->times <= sizeof(d->memory));
    memset(d->memory + d->used, edit->value, edit->times);
    d->used += edit->times;
    part->body = span_of(kept.data, kept.len + edit->times);
}

static void part_patch(struct deviant *d, struct deviant_part *part, const struct edit *edit)
{
    struct span copy = keep(d, part->body);
    uint8_t *memory = d->memory + (copy.data - d->memory);
    for (size_t i = 0; i < edit->bytes.len && edit->at + i < copy.len; i++) {
        memory[edit->at + i] = edit->bytes.data[i];
    }
    part->body = copy;
}

static void part_make(struct deviant *d, struct deviant_part *part, const struct edit *edit)
{
    uint8_t *room = d->memory + d->used;
    size_t len = edit->make(room);
    hf_assert(d->used + len <= sizeof(d->memory));
    d->used += len;
    part->body = span_of(room, len);
}

static void edit_part(struct deviant *d, struct deviant_part *part, const struct edit *edit)
{
    switch (edit->op) {
    case EDIT_BODY:
        part->body = edit->bytes;
        break;
    case EDIT_FILL:
        part_fill(d, part, edit);
        break;
    case EDIT_PATCH:
        part_patch(d, part, edit);
        break;
    case EDIT_CUT:
        part->body.len = HF_MIN(part->body.len, (size_t)edit->at);
        break;
    case EDIT_MAKE:
        part_make(d, part, edit);
        break;
    case EDIT_DROP:
        d->num_parts--;
        memmove(part, part + 1, (size_t)(&d->parts[d->num_parts] - part) * sizeof(*part));
        break;
    case EDIT_FLAGS:
        part->flags = edit->value;
        break;
    default:
        part->lies = true;
        part->length = edit->times;
        break;
    }
}

static void edit_apply(struct deviant *d, const struct edit *edit)
{
    struct deviant_part *part;
    switch (edit->op) {
    case EDIT_NONE:
    case EDIT_RAW:
    case EDIT_TAIL:
    case EDIT_HEADER:
    case EDIT_SHORT:
        break; /* of the whole */
    case EDIT_ADD:
    case EDIT_FRONT:
        for (uint32_t i = 0; i < edit->times; i++) {
            part_insert(d, edit->op == EDIT_ADD ? d->num_parts : 0, edit->type, edit->bytes);
        }
        break;
    default:
        part = part_of(d, edit->type);
        hf_assert(part != NULL);
        edit_part(d, part, edit);
        break;
    }
}

static void put(struct writer *w, struct deviant *d)
{
    for (uint32_t i = 0; i < d->num_parts; i++) {
        const struct deviant_part *part = &d->parts[i];
        writer_u8(w, i + 1 < d->num_parts ? d->parts[i + 1].type : PAYLOAD_NONE);
        writer_u8(w, part->flags);
        writer_u16(w, part->lies ? part->length : (uint16_t)(part->body.len + 4));
        writer_span(w, part->body);
    }
}

/* The chain behind `room` bytes that are left free in front. */
static struct span put_together(struct deviant *d, size_t room, uint8_t *ret_first)
{
    struct writer w = writer_of(d->chain + room, sizeof(d->chain) - room);
    put(&w, d);
    *ret_first = d->num_parts > 0 ? d->parts[0].type : PAYLOAD_NONE;
    for (uint32_t i = 0; i < DEVIANT_EDITS_MAX; i++) {
        const struct edit *edit = &d->row->edits[i];
        if (edit->op == EDIT_TAIL) {
            writer_span(&w, edit->bytes);
        } else if (edit->op == EDIT_RAW) {
            w = writer_of(d->chain + room, sizeof(d->chain) - room);
            writer_span(&w, edit->bytes);
            *ret_first = edit->type;
        }
    }
    hf_assert(!w.overflow);
    return writer_span_of(&w);
}

/* ---- good messages */

static void build_child(struct deviant *d, struct builder *b)
{
    struct initiator *client = d->client;
    if (d->row->base == BASE_REKEY_CHILD) {
        uint8_t spi[4];
        be32_store(spi, client->children[initiator_first_child(client)].spi_in);
        build_notify(b, PROTOCOL_ESP, span_of(spi, sizeof(spi)), NOTIFY_REKEY_SA, (struct span){0});
    }
    rand_fill(&client->config.rand, &client->child_spi, sizeof(client->child_spi));
    client->child_spi |= UINT32_C(1) << 30;
    client_nonce(client);
    client_build_esp_sa(client, b, true);
    build_nonce(b, span_of(client->nonce, client->nonce_len));
    client_build_ts(client, b);
}

static void build_rekey_ike(struct initiator *client, struct builder *b)
{
    uint8_t spi[8];
    rand_fill(&client->config.rand, spi, sizeof(spi));
    client_nonce(client);
    client_ke(client, client->config.ike[0].ke);
    client_build_ike_sa(client, b, span_of(spi, sizeof(spi)));
    build_nonce(b, span_of(client->nonce, client->nonce_len));
    client_build_ke(client, b);
}

static void build_base(struct deviant *d)
{
    struct initiator *client = d->client;
    struct builder b;
    if (d->row->base == BASE_INIT) {
        struct span request = span_of(client->init_request, client->init_request_len);
        take_apart(d, request.data[16],
                   span_of(request.data + IKE_HEADER_BYTES, request.len - IKE_HEADER_BYTES));
        return;
    }
    client_chain(client, &b);
    if (d->row->base == BASE_AUTH) {
        client_build_auth(client, &b);
    } else if (d->row->base == BASE_REKEY_IKE) {
        build_rekey_ike(client, &b);
    } else if (d->row->base != BASE_INFO) {
        build_child(d, &b);
    }
    struct span chain = message_end(&b);
    take_apart(d, b.first, chain);
}

static struct span chain_behind(struct deviant *d, size_t room, uint8_t *ret_first)
{
    build_base(d);
    for (uint32_t i = 0; i < DEVIANT_EDITS_MAX; i++) {
        edit_apply(d, &d->row->edits[i]);
    }
    return put_together(d, room, ret_first);
}

struct span deviant_chain(struct deviant *d, uint8_t *ret_first)
{
    return chain_behind(d, 0, ret_first);
}

struct span deviant_first_message(struct deviant *d)
{
    uint8_t first;
    struct span chain = chain_behind(d, IKE_HEADER_BYTES, &first);
    size_t len = IKE_HEADER_BYTES + chain.len;
    memcpy(d->chain, d->client->init_request, IKE_HEADER_BYTES);
    d->chain[16] = first;
    be32_store(d->chain + 24, (uint32_t)len);
    for (uint32_t i = 0; i < DEVIANT_EDITS_MAX; i++) {
        const struct edit *edit = &d->row->edits[i];
        if (edit->op == EDIT_HEADER) {
            memcpy(d->chain + edit->at, edit->bytes.data, edit->bytes.len);
        } else if (edit->op == EDIT_SHORT) {
            len = edit->at;
        }
    }
    return span_of(d->chain, len);
}

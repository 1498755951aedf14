/* Target functions: ike_header_read, payloads_read, message_read, sa_read, ts_read, fragment_read and what
 * builds them.  The input is one message with its inner payloads in the clear. A wrong header stops
 * nothing: byte 16 names the first payload in any case, so that the fuzzer gets to the bodies. Oracle: what
 * was accepted and is built again from its views reads as the same views and, where the input had no
 * freedom (reserved bits, unknown types, unknown attributes), is the same bytes; nothing that was accepted
 * is accepted cut short. */
#include "edge/wire/build.h"

#define INPUT_BYTES_MAX IKE_MESSAGE_BYTES_MAX
#define FIRST_TYPE_AT 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t memory[INPUT_BYTES_MAX * 2];
static uint8_t canonical[INPUT_BYTES_MAX];

static struct span prefix_of(struct span s, size_t len)
{
    return span_of(s.data, len);
}

static struct span body_of(struct span payload)
{
    hf_assert(payload.len >= PAYLOAD_HEADER_BYTES);
    return span_of(payload.data + PAYLOAD_HEADER_BYTES, payload.len - PAYLOAD_HEADER_BYTES);
}

static void header_check(struct span datagram)
{
    struct ike_header header, again;
    enum cause cause = ike_header_read(datagram, &header);
    hf_assert((cause == CAUSE_SHORT) == (datagram.len < IKE_HEADER_BYTES));
    if (cause != CAUSE_NONE) {
        return;
    }
    hf_assert(header.length == datagram.len && header.spi_i != 0);
    struct builder b;
    message_begin(&b, memory, sizeof(memory), &header);
    writer_patch_u8(&b.w, FIRST_TYPE_AT, header.next_payload);
    writer_bytes(&b.w, datagram.data + IKE_HEADER_BYTES, datagram.len - IKE_HEADER_BYTES);
    hf_assert(span_equal(message_end(&b), datagram));
    hf_assert(ike_header_read(prefix_of(datagram, datagram.len - 1), &again) != CAUSE_NONE);
}

/* The chain again, from its payloads. */
static struct span chain_build(const struct payloads *payloads, struct builder *b)
{
    chain_begin(b, memory, sizeof(memory));
    for (uint32_t i = 0; i < payloads->count; i++) {
        const struct payload *payload = &payloads->v[i];
        if (payload->type == PAYLOAD_SK) {
            size_t at = build_sk(b, payloads->inner_first, payload->body.len);
            if (payload->body.len > 0) {
                memcpy(memory + at, payload->body.data, payload->body.len);
            }
        } else {
            payload_begin(b, payload->type);
            writer_span(&b->w, payload->body);
            payload_end(b);
            if (payload->type == PAYLOAD_SKF) { /* the last, so its header is at a known place */
                size_t header_at = b->w.len - payload->body.len - PAYLOAD_HEADER_BYTES;
                writer_patch_u8(&b->w, header_at, payloads->inner_first);
            }
        }
    }
    return message_end(b);
}

static bool chain_has_freedom(uint8_t first, struct span chain, const struct payloads *payloads)
{
    size_t total = 0;
    for (uint32_t i = 0; i < payloads->count; i++) {
        total += payloads->v[i].body.len + PAYLOAD_HEADER_BYTES;
        if (chain.data[payloads->v[i].body_offset - 3] != 0) {
            return true;
        }
    }
    return total != chain.len || (first != PAYLOAD_NONE && payloads->v[0].type != first);
}

static void chain_check(uint8_t first, struct span chain, const struct payloads *payloads)
{
    struct builder b;
    struct payloads again;
    struct span built = chain_build(payloads, &b);
    hf_assert(built.data != NULL);
    hf_assert(payloads_read(b.first, built, &again) == CAUSE_NONE);
    hf_assert(again.count == payloads->count && again.present == payloads->present);
    hf_assert(again.inner_first == payloads->inner_first && again.unknown_critical == 0);
    for (uint32_t i = 0; i < again.count; i++) {
        hf_assert(again.v[i].type == payloads->v[i].type);
        hf_assert(span_equal(again.v[i].body, payloads->v[i].body));
        hf_assert(payloads->v[i].body.data == chain.data + payloads->v[i].body_offset);
    }
    if (!chain_has_freedom(first, chain, payloads)) {
        hf_assert(b.first == first && span_equal(built, chain));
    }
    for (size_t cut = 1; cut <= 8 && cut <= chain.len; cut++) {
        hf_assert(payloads_read(first, prefix_of(chain, chain.len - cut), &again) != CAUSE_NONE);
    }
}

/* The body with the reserved bytes that the reader ignores set to zero, as the builder writes them. */
static struct span sa_canonical(struct span body, const struct sa_view *sa)
{
    size_t at = 0;
    memcpy(canonical, body.data, body.len);
    for (uint32_t i = 0; i < sa->count; i++) {
        canonical[at + 1] = 0;
        at += 8 + sa->proposals[i].spi.len;
        for (uint32_t j = 0; j < sa->proposals[i].count; j++) {
            canonical[at + 1] = 0;
            canonical[at + 5] = 0;
            at += be16_load(canonical + at + 2);
        }
    }
    hf_assert(at == body.len);
    return span_of(canonical, body.len);
}

static void transforms_compare(const struct sa_view *a, const struct sa_view *b, bool *ret_has_unknown)
{
    hf_assert(a->num_transforms == b->num_transforms);
    for (uint32_t i = 0; i < a->num_transforms; i++) {
        const struct transform *s = &a->transforms[i];
        const struct transform *t = &b->transforms[i];
        hf_assert(s->type == t->type && s->id == t->id && s->key_bits == t->key_bits);
        hf_assert(!t->unknown_attribute);
        *ret_has_unknown |= s->unknown_attribute;
    }
}

static void sa_check(struct span body)
{
    static struct sa_view sa, again;
    struct builder b;
    bool has_unknown = false;
    if (sa_read(body, &sa) != CAUSE_NONE) {
        hf_assert(sa.count == 0 && sa.num_transforms == 0);
        return;
    }
    chain_begin(&b, memory, sizeof(memory));
    build_sa(&b, &sa);
    struct span built = body_of(message_end(&b));
    hf_assert(sa_read(built, &again) == CAUSE_NONE && again.count == sa.count);
    for (uint32_t i = 0; i < sa.count; i++) {
        const struct proposal *s = &sa.proposals[i];
        const struct proposal *t = &again.proposals[i];
        hf_assert(s->number == t->number && s->protocol == t->protocol && span_equal(s->spi, t->spi));
        hf_assert(s->first == t->first && s->count == t->count && s->count > 0);
    }
    transforms_compare(&sa, &again, &has_unknown);
    hf_assert(has_unknown || span_equal(built, sa_canonical(body, &sa)));
    for (size_t len = 0; len < body.len; len++) {
        hf_assert(sa_read(prefix_of(body, len), &again) != CAUSE_NONE);
    }
}

static void ts_check(struct span body, uint8_t payload_type)
{
    static struct ts_view ts, again;
    struct ts_range ranges[IKE_SELECTORS_MAX];
    struct builder b;
    if (ts_read(body, &ts) != CAUSE_NONE) {
        hf_assert(ts.count == 0);
        return;
    }
    for (size_t len = 0; len < body.len; len++) {
        hf_assert(ts_read(prefix_of(body, len), &again) != CAUSE_NONE);
    }
    if (ts.count == 0) {
        return; /* only types nobody knows */
    }
    for (uint32_t i = 0; i < ts.count; i++) {
        selector_range(&ts.v[i], &ranges[i]);
        hf_assert(ip_compare(&ranges[i].first, &ranges[i].last) <= 0);
        hf_assert(ip_is_v4(&ranges[i].first) == (ts.v[i].first.len == 4));
    }
    chain_begin(&b, memory, sizeof(memory));
    build_ts(&b, payload_type, ranges, ts.count);
    struct span built = body_of(message_end(&b));
    hf_assert(ts_read(built, &again) == CAUSE_NONE && again.count == ts.count);
    for (uint32_t i = 0; i < ts.count; i++) {
        hf_assert(ts.v[i].protocol == again.v[i].protocol && ts.v[i].port_first == again.v[i].port_first);
        hf_assert(ts.v[i].port_last == again.v[i].port_last && span_equal(ts.v[i].first, again.v[i].first));
        hf_assert(span_equal(ts.v[i].last, again.v[i].last));
    }
    if (body.data[0] == ts.count) { /* no unknown type between, so only the reserved bytes are free */
        hf_assert(span_equal(span_of(built.data + 4, built.len - 4), span_of(body.data + 4, body.len - 4)));
    }
}

static bool has(const struct message *m, uint8_t type)
{
    return (m->present & PAYLOAD_BIT(type)) != 0;
}

static void raw_build(struct builder *b, uint8_t type, struct span body)
{
    payload_begin(b, type);
    writer_span(&b->w, body);
    payload_end(b);
}

static void lists_build(struct builder *b, const struct message *m)
{
    for (uint32_t i = 0; i < m->num_certs; i++) {
        build_cert(b, m->certs[i].encoding, m->certs[i].data);
    }
    for (uint32_t i = 0; i < m->num_notifies; i++) {
        const struct notify *n = &m->notifies[i];
        build_notify(b, n->protocol, n->spi, n->type, n->data);
        hf_assert(message_notify(m, n->type) != NULL);
    }
    for (uint32_t i = 0; i < m->num_deletes; i++) {
        static uint32_t spis[INPUT_BYTES_MAX / 4];
        const struct delete_view *d = &m->deletes[i];
        for (uint32_t j = 0; d->spi_bytes == 4 && j < d->count; j++) {
            spis[j] = be32_load(d->spis.data + (size_t)j * 4);
        }
        build_delete(b, d->protocol, d->spi_bytes, spis, d->count);
    }
    if (has(m, PAYLOAD_CP)) {
        cp_begin(b, m->cp.type);
        for (uint32_t i = 0; i < m->cp.count; i++) {
            cp_attribute(b, m->cp.v[i].type, m->cp.v[i].value);
        }
        payload_end(b);
    }
}

/* The message again, from its views, in the order of the types. */
static struct span message_build(const struct message *m, struct builder *b)
{
    chain_begin(b, memory, sizeof(memory));
    if (has(m, PAYLOAD_SA)) {
        raw_build(b, PAYLOAD_SA, m->sa);
    }
    if (has(m, PAYLOAD_KE)) {
        build_ke(b, m->ke_group, m->ke);
    }
    if (has(m, PAYLOAD_IDI)) {
        build_id(b, PAYLOAD_IDI, m->id_i.type, m->id_i.data);
    }
    if (has(m, PAYLOAD_IDR)) {
        build_id(b, PAYLOAD_IDR, m->id_r.type, m->id_r.data);
    }
    if (m->has_certreq) {
        build_certreq(b, (struct span){0});
    }
    if (has(m, PAYLOAD_AUTH)) {
        build_auth(b, m->auth_method, m->auth);
    }
    if (has(m, PAYLOAD_NONCE)) {
        build_nonce(b, m->nonce);
    }
    if (has(m, PAYLOAD_TSI)) {
        raw_build(b, PAYLOAD_TSI, m->ts_i);
    }
    if (has(m, PAYLOAD_TSR)) {
        raw_build(b, PAYLOAD_TSR, m->ts_r);
    }
    if (has(m, PAYLOAD_EAP)) {
        raw_build(b, PAYLOAD_EAP, m->eap);
    }
    lists_build(b, m);
    return message_end(b);
}

static void fields_compare(const struct message *m, const struct message *n)
{
    hf_assert(span_equal(m->sa, n->sa) && span_equal(m->ts_i, n->ts_i) && span_equal(m->ts_r, n->ts_r));
    hf_assert(m->ke_group == n->ke_group && span_equal(m->ke, n->ke) && span_equal(m->nonce, n->nonce));
    hf_assert(m->id_i.type == n->id_i.type && span_equal(m->id_i.data, n->id_i.data));
    hf_assert(m->id_r.type == n->id_r.type && span_equal(m->id_r.data, n->id_r.data));
    hf_assert(m->has_certreq == n->has_certreq && m->auth_method == n->auth_method);
    hf_assert(span_equal(m->auth, n->auth) && span_equal(m->eap, n->eap));
    hf_assert(m->num_certs == n->num_certs && m->num_notifies == n->num_notifies);
    hf_assert(m->num_deletes == n->num_deletes && m->cp.type == n->cp.type && m->cp.count == n->cp.count);
}

static void lists_compare(const struct message *m, const struct message *n)
{
    for (uint32_t i = 0; i < m->num_certs; i++) {
        hf_assert(m->certs[i].encoding == n->certs[i].encoding);
        hf_assert(span_equal(m->certs[i].data, n->certs[i].data));
    }
    for (uint32_t i = 0; i < m->num_notifies; i++) {
        const struct notify *s = &m->notifies[i];
        const struct notify *t = &n->notifies[i];
        hf_assert(s->protocol == t->protocol && s->type == t->type);
        hf_assert(span_equal(s->spi, t->spi) && span_equal(s->data, t->data));
    }
    for (uint32_t i = 0; i < m->num_deletes; i++) {
        hf_assert(m->deletes[i].protocol == n->deletes[i].protocol);
        hf_assert(m->deletes[i].count == n->deletes[i].count);
        hf_assert(span_equal(m->deletes[i].spis, n->deletes[i].spis));
    }
    for (uint32_t i = 0; i < m->cp.count; i++) {
        hf_assert(m->cp.v[i].type == n->cp.v[i].type && span_equal(m->cp.v[i].value, n->cp.v[i].value));
    }
}

static void message_check(const struct payloads *payloads)
{
    static struct message m, again;
    struct builder b;
    struct payloads rebuilt;
    if (message_read(payloads, &m) != CAUSE_NONE) {
        return;
    }
    hf_assert(m.present == payloads->present && m.unknown_critical == payloads->unknown_critical);
    struct span built = message_build(&m, &b);
    hf_assert(built.data != NULL);
    hf_assert(payloads_read(b.first, built, &rebuilt) == CAUSE_NONE);
    hf_assert(message_read(&rebuilt, &again) == CAUSE_NONE);
    fields_compare(&m, &again);
    lists_compare(&m, &again);
}

static void fragment_check(struct span body)
{
    struct fragment_view fragment;
    if (fragment_read(body, &fragment) == CAUSE_NONE) {
        hf_assert(fragment.number >= 1 && fragment.number <= fragment.total);
        hf_assert(fragment.total <= IKE_FRAGMENTS_MAX && fragment.sealed.len + 4 == body.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span datagram = span_of(data, size);
    struct payloads payloads;
    if (size > INPUT_BYTES_MAX) {
        return 0;
    }
    header_check(datagram);
    if (size < IKE_HEADER_BYTES) {
        return 0;
    }
    struct span chain = span_of(data + IKE_HEADER_BYTES, size - IKE_HEADER_BYTES);
    if (payloads_read(data[FIRST_TYPE_AT], chain, &payloads) != CAUSE_NONE) {
        return 0;
    }
    chain_check(data[FIRST_TYPE_AT], chain, &payloads);
    message_check(&payloads);
    for (uint32_t i = 0; i < payloads.count; i++) {
        const struct payload *payload = &payloads.v[i];
        if (payload->type == PAYLOAD_SA) {
            sa_check(payload->body);
        } else if (payload->type == PAYLOAD_TSI || payload->type == PAYLOAD_TSR) {
            ts_check(payload->body, payload->type);
        } else if (payload->type == PAYLOAD_SKF) {
            fragment_check(payload->body);
        }
    }
    return 0;
}

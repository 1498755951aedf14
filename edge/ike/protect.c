/* SK and SKF payloads: sealing our messages, opening the peer's (RFC 7296 3.14, RFC 7383). */
#include "edge/base/iv.h"
#include "edge/base/secret.h"
#include "edge/base/reader.h"
#include "edge/ike/internal.h"

#define STRANGERS_RESERVE 4 /* the last quarter of the blocks is for those who have logged in */

/* No key ever encrypts twice under one IV: the shard's ownership epoch and our node stand above a counter
 * that only this process moves. */
uint64_t sa_next_iv(struct ike *ike, struct ike_sa *sa)
{
    uint32_t position = slab_position(&ike->sas, sa->slot);
    uint16_t epoch = ike->config.host.epoch(ike->config.host.context, position);
    hf_assert(sa->iv_counter <= IV_COUNTER_MAX);
    return iv_high(epoch, ike->config.node) | sa->iv_counter++;
}

static struct sk_key sa_key(const struct ike_sa *sa, bool outbound)
{
    bool initiators = sa->we_are_initiator == outbound;
    return (struct sk_key){
        .encr = sa->suite.encr,
        .encr_bits = sa->suite.encr_bits,
        .integ = sa->suite.integ,
        .e = initiators ? sa->keys.ei : sa->keys.er,
        .a = initiators ? sa->keys.ai : sa->keys.ar,
    };
}

/* One message being sealed into scratch.wire, datagram by datagram. */
struct sealing {
    struct ike_header header;
    struct sk_key key;
    uint8_t first;
    size_t used; /* bytes of scratch.wire */
};

/* number 0: a whole message in one SK payload. */
static bool seal_datagram(struct ike *ike, struct ike_sa *sa, struct sealing *sealing, struct span plain,
                          uint16_t number, uint16_t total)
{
    uint8_t *start = ike->scratch.wire + sealing->used;
    size_t room = sizeof(ike->scratch.wire) - sealing->used;
    if (room < 2) {
        return false;
    }
    struct builder b;
    message_begin(&b, start + 2, HF_MIN(room - 2, (size_t)UINT16_MAX), &sealing->header);
    size_t body_bytes = sk_sealed_bytes(&sealing->key, plain.len);
    uint8_t first = number <= 1 ? sealing->first : PAYLOAD_NONE;
    size_t body =
        number == 0 ? build_sk(&b, first, body_bytes) : build_skf(&b, first, number, total, body_bytes);
    struct span datagram = message_end(&b);
    if (datagram.len == 0) {
        return false;
    }
    uint8_t *bytes = start + 2;
    if (!sk_seal(&sealing->key, sa_next_iv(ike, sa), span_of(bytes, body), plain, bytes + body)) {
        return false;
    }
    be16_store(start, (uint16_t)datagram.len);
    sealing->used += 2 + datagram.len;
    return true;
}

static bool seal_fragments(struct ike *ike, struct ike_sa *sa, struct sealing *sealing, struct span inner)
{
    size_t overhead = IKE_HEADER_BYTES + PAYLOAD_HEADER_BYTES + 4;
    size_t step = sk_plain_bytes(&sealing->key, IKE_FRAGMENT_BYTES - overhead);
    size_t total = (inner.len + step - 1) / step;
    _Static_assert(IKE_FRAGMENTS_SENT_MAX * (IKE_FRAGMENT_BYTES - 100) >= IKE_MESSAGE_BYTES_MAX, "one fits");
    if (total > IKE_FRAGMENTS_SENT_MAX) {
        return false;
    }
    for (size_t i = 0; i < total; i++) {
        struct span part = span_of(inner.data + i * step, HF_MIN(step, inner.len - i * step));
        if (!seal_datagram(ike, sa, sealing, part, (uint16_t)(i + 1), (uint16_t)total)) {
            return false;
        }
    }
    return true;
}

void sent_free(struct ike *ike, struct sent_message *sent)
{
    if (sent->valid) {
        blob_free(&ike->blobs, &sent->datagrams);
        sent->valid = false;
    }
}

bool sa_seal(struct ike *ike, struct ike_sa *sa, uint8_t exchange, bool response, uint32_t id, uint8_t first,
             struct span inner, struct sent_message *ret_sent)
{
    struct sealing sealing = {
        .header = {.spi_i = sa->spi_i,
                   .spi_r = sa->spi_r,
                   .version = 0x20,
                   .exchange = exchange,
                   .flags = (uint8_t)((sa->we_are_initiator ? IKE_FLAG_INITIATOR : 0) |
                                      (response ? IKE_FLAG_RESPONSE : 0)),
                   .message_id = id},
        .key = sa_key(sa, true),
        .first = first,
    };
    size_t whole = IKE_HEADER_BYTES + PAYLOAD_HEADER_BYTES + sk_sealed_bytes(&sealing.key, inner.len);
    bool sealed = sa->fragmentation && whole > IKE_FRAGMENT_BYTES
                      ? seal_fragments(ike, sa, &sealing, inner)
                      : seal_datagram(ike, sa, &sealing, inner, 0, 0);
    sent_free(ike, ret_sent);
    if (!sealed || !blob_put(&ike->blobs, span_of(ike->scratch.wire, sealing.used), &ret_sent->datagrams)) {
        return false;
    }
    ret_sent->id = id;
    ret_sent->valid = true;
    return true;
}

static void send_to(struct ike *ike, const struct sent_message *sent, const struct ike_path *path)
{
    hf_assert(sent->valid && sent->datagrams.len <= sizeof(ike->scratch.wire));
    blob_get(&ike->blobs, sent->datagrams, ike->scratch.wire, sizeof(ike->scratch.wire));
    struct reader r = reader_of(span_of(ike->scratch.wire, sent->datagrams.len));
    while (r.rest.len > 0) {
        uint16_t len = reader_u16(&r);
        struct span datagram = reader_take(&r, len);
        hf_assert(!r.failed);
        ike->config.host.send(ike->config.host.context, &path->local, &path->remote, path->natt, datagram);
        ike->counters.datagrams_out++;
        ike->counters.fragments_out += len < sent->datagrams.len - 2 ? 1 : 0;
    }
}

void sa_send_request(struct ike *ike, const struct ike_sa *sa)
{
    struct ike_path path = sa_path(sa);
    send_to(ike, &sa->request.message, &path);
}

void sa_send_response(struct ike *ike, const struct ike_sa *sa)
{
    send_to(ike, &sa->response, &sa->reply);
}

static uint32_t fragments_all(const struct reassembly *reassembly)
{
    return (uint32_t)((UINT64_C(1) << reassembly->total) - 1);
}

void reassembly_free(struct ike *ike, struct ike_sa *sa)
{
    if (sa->reassembly == SLOT_NONE) {
        return;
    }
    struct reassembly *reassembly = &ike->reassemblies[sa->reassembly];
    ike->counters.reassembly_failures += reassembly->received != fragments_all(reassembly) ? 1 : 0;
    for (uint32_t i = 0; i < IKE_FRAGMENTS_MAX; i++) {
        blob_free(&ike->blobs, &reassembly->fragments[i]);
    }
    reassembly->sa = SLOT_NONE;
    sa->reassembly = SLOT_NONE;
}

/* A free place; when there is none, the oldest gives way, a stranger's before a client's: nobody keeps others
 * out by starting messages and never ending them. */
static uint32_t reassembly_place(struct ike *ike)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < REASSEMBLIES_MAX; i++) {
        const struct reassembly *candidate = &ike->reassemblies[i], *chosen = &ike->reassemblies[best];
        if (candidate->sa == SLOT_NONE) {
            return i;
        }
        bool stranger = ike->sa[candidate->sa].state == SA_HALF_OPEN;
        bool chosen_stranger = ike->sa[chosen->sa].state == SA_HALF_OPEN;
        if (stranger != chosen_stranger ? stranger : candidate->started < chosen->started) {
            best = i;
        }
    }
    reassembly_free(ike, &ike->sa[ike->reassemblies[best].sa]);
    return best;
}

/* The reassembly of this very message; an unfinished one of another message is given up for it. */
static struct reassembly *reassembly_for(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
                                         uint16_t total)
{
    bool response = (header->flags & IKE_FLAG_RESPONSE) != 0;
    if (sa->reassembly != SLOT_NONE) {
        struct reassembly *current = &ike->reassemblies[sa->reassembly];
        /* RFC 7383 2.6: a higher total supersedes (the sender found a smaller path MTU), a lower one is old.
         */
        if (current->message_id == header->message_id && current->response == response &&
            current->total >= total) {
            return current->total == total ? current : NULL;
        }
        reassembly_free(ike, sa);
    }
    uint32_t at = reassembly_place(ike);
    struct reassembly *reassembly = &ike->reassemblies[at];
    memset(reassembly, 0, sizeof(*reassembly));
    reassembly->sa = sa->slot;
    reassembly->started = ike->time.now;
    reassembly->message_id = header->message_id;
    reassembly->response = response;
    reassembly->total = total;
    sa->reassembly = at;
    return reassembly;
}

static enum cause reassembly_finish(struct ike *ike, struct ike_sa *sa, struct reassembly *reassembly,
                                    uint8_t *ret_first, struct span *ret_inner)
{
    size_t used = 0;
    for (uint16_t i = 0; i < reassembly->total; i++) {
        struct blob fragment = reassembly->fragments[i];
        blob_get(&ike->blobs, fragment, ike->scratch.plain + used, sizeof(ike->scratch.plain) - used);
        used += fragment.len;
    }
    *ret_first = reassembly->inner_first;
    *ret_inner = span_of(ike->scratch.plain, used);
    ike->counters.reassembled++;
    reassembly_free(ike, sa);
    return CAUSE_NONE;
}

static enum cause open_fragment(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
                                struct span datagram, const struct payloads *outer, uint8_t *ret_first,
                                struct span *ret_inner)
{
    const struct payload *skf = &outer->v[outer->count - 1];
    struct fragment_view view;
    enum cause cause = fragment_read(skf->body, &view);
    if (cause != CAUSE_NONE) {
        return cause;
    }
    struct sk_key key = sa_key(sa, false);
    size_t plain_len;
    struct span aad = span_of(datagram.data, (size_t)(view.sealed.data - datagram.data));
    cause = sk_open(&key, aad, view.sealed, ike->scratch.plain, &plain_len);
    if (cause != CAUSE_NONE) {
        return cause;
    }
    ike->counters.fragments_in++;
    struct reassembly *reassembly = reassembly_for(ike, sa, header, view.total);
    if (reassembly == NULL) {
        return CAUSE_FRAGMENT_TOTAL;
    }
    uint32_t bit = UINT32_C(1) << (view.number - 1);
    if ((reassembly->received & bit) != 0) {
        return CAUSE_BUSY;
    }
    if (reassembly->bytes + plain_len > IKE_MESSAGE_BYTES_MAX) {
        reassembly_free(ike, sa);
        return CAUSE_FRAGMENT_TOTAL;
    }
    struct span plain = span_of(ike->scratch.plain, plain_len);
    bool scarce = ike->blobs.free_count < ike->blobs.capacity / STRANGERS_RESERVE;
    if ((scarce && sa->state == SA_HALF_OPEN) ||
        !blob_put(&ike->blobs, plain, &reassembly->fragments[view.number - 1])) {
        reassembly_free(ike, sa);
        return CAUSE_FRAGMENT_NO_ROOM;
    }
    reassembly->received |= bit;
    reassembly->bytes += plain_len;
    reassembly->inner_first = view.number == 1 ? outer->inner_first : reassembly->inner_first;
    return reassembly->received == fragments_all(reassembly)
               ? reassembly_finish(ike, sa, reassembly, ret_first, ret_inner)
               : CAUSE_BUSY;
}

enum cause sa_open(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, struct span datagram,
                   const struct payloads *outer, uint8_t *ret_first, struct span *ret_inner)
{
    const struct payload *last = outer->count > 0 ? &outer->v[outer->count - 1] : NULL;
    if (last == NULL || (last->type != PAYLOAD_SK && last->type != PAYLOAD_SKF)) {
        return CAUSE_PAYLOAD_MISSING;
    }
    if (last->type == PAYLOAD_SKF) {
        return sa->fragmentation ? open_fragment(ike, sa, header, datagram, outer, ret_first, ret_inner)
                                 : CAUSE_PAYLOAD_UNEXPECTED;
    }
    struct sk_key key = sa_key(sa, false);
    size_t plain_len;
    struct span aad = span_of(datagram.data, (size_t)(last->body.data - datagram.data));
    enum cause cause = sk_open(&key, aad, last->body, ike->scratch.plain, &plain_len);
    *ret_first = outer->inner_first;
    *ret_inner = span_of(ike->scratch.plain, plain_len);
    return cause;
}

bool sa_is_authentic(struct ike *ike, const struct ike_sa *sa, struct span datagram,
                     const struct payloads *outer)
{
    const struct payload *last = outer->count > 0 ? &outer->v[outer->count - 1] : NULL;
    struct fragment_view view = {0};
    if (last == NULL || (last->type != PAYLOAD_SK &&
                         (last->type != PAYLOAD_SKF || fragment_read(last->body, &view) != CAUSE_NONE))) {
        return false;
    }
    struct span body = last->type == PAYLOAD_SK ? last->body : view.sealed;
    struct span aad = span_of(datagram.data, (size_t)(body.data - datagram.data));
    struct sk_key key = sa_key(sa, false);
    size_t plain_len;
    return sk_open(&key, aad, body, ike->scratch.plain, &plain_len) == CAUSE_NONE;
}

/* CREATE_CHILD_SA that the gateway asks for, and what becomes of it when both sides rekey the same thing at
 * once (RFC 7296 1.3.3, 2.8.1, 2.25.1). */
#include "tests/lib/initiator_internal.h"

static void refuse(struct builder *b, uint16_t notify)
{
    build_notify(b, PROTOCOL_NONE, (struct span){0}, notify, (struct span){0});
}

/* Octet by octet; one that ends is the lower one. */
static bool is_lower(struct span a, struct span b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        if (a.data[i] != b.data[i]) {
            return a.data[i] < b.data[i];
        }
    }
    return a.len < b.len;
}

static struct span lower_of(struct span a, struct span b)
{
    return is_lower(a, b) ? a : b;
}

void client_rival_note(struct initiator *client, struct span nonce_a, struct span nonce_b)
{
    struct span low = lower_of(nonce_a, nonce_b);
    memcpy(client->rival.nonce, low.data, low.len);
    client->rival.len = (uint16_t)low.len;
    client->rival.there = true;
}

bool client_lost_to_rival(struct initiator *client, struct span nonce_r)
{
    struct span own = lower_of(span_of(client->nonce, client->nonce_len), nonce_r);
    bool lost = client->rival.there && is_lower(own, span_of(client->rival.nonce, client->rival.len));
    client->rival.there = false;
    return lost;
}

static struct initiator_child *child_named(struct initiator *client, const struct notify *notify)
{
    for (uint32_t i = 0; notify->spi.len == 4 && i < INITIATOR_CHILDREN_MAX; i++) {
        struct initiator_child *child = &client->children[i];
        if (child->used && child->spi_out == be32_load(notify->spi.data)) {
            return child;
        }
    }
    return NULL;
}

/* The gateway's only proposal; zero when it is not one of ours. */
static bool read_offer(struct initiator *client, struct esp_suite *ret_suite, uint32_t *ret_spi)
{
    struct sa_view *sa = &client->offer;
    if (sa_read(client->message.sa, sa) != CAUSE_NONE || sa->count != 1 ||
        sa->proposals[0].protocol != PROTOCOL_ESP) {
        return false;
    }
    *ret_suite = (struct esp_suite){.encr_bits = 256};
    *ret_spi = be32_load(sa->proposals[0].spi.data);
    for (uint32_t i = 0; i < sa->num_transforms; i++) {
        const struct transform *t = &sa->transforms[i];
        switch (t->type) {
        case TRANSFORM_ENCR:
            ret_suite->encr = t->id;
            ret_suite->encr_bits = t->key_bits != 0 ? t->key_bits : 256;
            break;
        case TRANSFORM_INTEG:
            ret_suite->integ = t->id;
            break;
        case TRANSFORM_KE:
            ret_suite->ke = t->id;
            break;
        case TRANSFORM_ESN:
            ret_suite->esn = t->id == ESN_YES;
            break;
        default:
            return false;
        }
    }
    const struct esp_suite *own = &client->config.esp[0];
    return own->encr == ret_suite->encr && own->integ == ret_suite->integ;
}

static bool ranges_same(const struct ts_range *a, const struct ts_range *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (a[i].protocol != b[i].protocol || a[i].port_first != b[i].port_first ||
            a[i].port_last != b[i].port_last || !ip_equal(&a[i].first, &b[i].first) ||
            !ip_equal(&a[i].last, &b[i].last)) {
            return false;
        }
    }
    return true;
}

/* TSi is the gateway's side this time. Windows takes nothing but the old selectors. */
static bool read_ts(struct initiator *client, const struct initiator_child *old,
                    struct initiator_child *child)
{
    struct span ts_i = client->message.ts_i;
    client->message.ts_i = client->message.ts_r;
    client->message.ts_r = ts_i;
    return client_read_ts(client, child) && child->num_ts_i == old->num_ts_i &&
           child->num_ts_r == old->num_ts_r && ranges_same(child->ts_i, old->ts_i, old->num_ts_i) &&
           ranges_same(child->ts_r, old->ts_r, old->num_ts_r);
}

static void serve_answer(struct initiator *client, struct builder *b, const struct initiator_child *child,
                         struct span nonce, const struct ke_value *public)
{
    uint8_t spi[4];
    be32_store(spi, child->spi_in);
    client->offer.proposals[0].spi = span_of(spi, sizeof(spi));
    build_sa(b, &client->offer);
    build_nonce(b, nonce);
    if (child->suite.ke != KE_NONE) {
        build_ke(b, child->suite.ke, span_of(public->bytes, public->len));
    }
    build_ts(b, PAYLOAD_TSI, child->ts_r, child->num_ts_r);
    build_ts(b, PAYLOAD_TSR, child->ts_i, child->num_ts_i);
}

static void serve_rekey(struct initiator *client, const struct initiator_sa *sa, struct builder *b,
                        const struct initiator_child *old)
{
    const struct message *message = &client->message;
    struct initiator_child child = {.used = true};
    struct ke_private private;
    struct ke_value public = {0}, shared = {0};
    uint8_t nonce[IKE_NONCE_BYTES];
    if (!read_offer(client, &child.suite, &child.spi_out) || message->nonce.len == 0) {
        refuse(b, NOTIFY_NO_PROPOSAL_CHOSEN);
        return;
    }
    uint16_t wanted = client->config.deviate.want_group;
    if (wanted != 0 && child.suite.ke != wanted) {
        uint8_t group[2];
        be16_store(group, wanted);
        build_notify(b, PROTOCOL_NONE, (struct span){0}, NOTIFY_INVALID_KE_PAYLOAD,
                     span_of(group, sizeof(group)));
        return;
    }
    if (!read_ts(client, old, &child)) {
        refuse(b, NOTIFY_TS_UNACCEPTABLE);
        return;
    }
    if (child.suite.ke != KE_NONE && (message->ke_group != child.suite.ke ||
                                      !ke_generate(child.suite.ke, &client->config.rand, &private, &public) ||
                                      !ke_derive(&private, message->ke, &shared))) {
        refuse(b, NOTIFY_INVALID_SYNTAX);
        return;
    }
    rand_fill(&client->config.rand, nonce, sizeof(nonce));
    rand_fill(&client->config.rand, &child.spi_in, sizeof(child.spi_in));
    child.spi_in |= UINT32_C(1) << 30;
    struct nonces nonces = {.i = message->nonce, .r = span_of(nonce, sizeof(nonce))};
    kdf_child(sa->suite.prf, span_of(sa->keys.d, prf_bytes(sa->suite.prf)), span_of(shared.bytes, shared.len),
              &nonces, &child.suite, &child.key_in, &child.key_out);
    struct initiator_child *place = client_child_take(client);
    if (place == NULL) {
        refuse(b, NOTIFY_NO_ADDITIONAL_SAS);
        return;
    }
    *place = child;
    if (sa->task == TASK_REKEY_CHILD && old == &client->children[client->rekeyed]) {
        client_rival_note(client, nonces.i, nonces.r);
    }
    client->counters.gateway_rekeys++;
    serve_answer(client, b, place, nonces.r, &public);
}

void client_serve_create(struct initiator *client, struct initiator_sa *sa, struct builder *b)
{
    const struct notify *rekeys = message_notify(&client->message, NOTIFY_REKEY_SA);
    struct sa_view *offer = &client->offer;
    bool is_ike = sa_read(client->message.sa, offer) == CAUSE_NONE && offer->count > 0 &&
                  offer->proposals[0].protocol == PROTOCOL_IKE;
    uint16_t refusal = client->config.deviate.refuse_create;
    if (refusal == 0 && is_ike) {
        client_serve_rekey_ike(client, sa, b);
        return;
    }
    if (refusal != 0 || rekeys == NULL) {
        refuse(b, refusal != 0 ? refusal : NOTIFY_NO_ADDITIONAL_SAS);
        return;
    }
    const struct initiator_child *old = child_named(client, rekeys);
    if (old == NULL) {
        build_notify(b, PROTOCOL_ESP, rekeys->spi, NOTIFY_CHILD_SA_NOT_FOUND, (struct span){0});
    } else if (sa != &client->sa[client->current] || sa->task == TASK_REKEY_IKE ||
               sa->task == TASK_DELETE_IKE ||
               (sa->task == TASK_DELETE_CHILD && client->delete_spi == old->spi_in)) {
        refuse(b, NOTIFY_TEMPORARY_FAILURE); /* RFC 7296 2.25 */
    } else {
        serve_rekey(client, sa, b, old);
    }
}

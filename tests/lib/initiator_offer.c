/* What the client proposes, and what it makes of the answer (RFC 7296 2.7, 2.9, 3.3). */
#include "tests/lib/initiator_internal.h"

static void offer_add(struct sa_view *sa, uint8_t type, uint16_t id, uint16_t bits)
{
    sa->transforms[sa->num_transforms++] = (struct transform){.type = type, .id = id, .key_bits = bits};
    sa->proposals[sa->count - 1].count++;
}

static void offer_cipher(struct sa_view *sa, uint16_t encr, uint16_t bits, uint16_t integ)
{
    offer_add(sa, TRANSFORM_ENCR, encr, encr == ENCR_CHACHA20_POLY1305 ? 0 : bits);
    if (integ != INTEG_NONE) {
        offer_add(sa, TRANSFORM_INTEG, integ, 0);
    }
}

static void offer_proposal(struct sa_view *sa, uint8_t protocol, struct span spi)
{
    sa->proposals[sa->count] = (struct proposal){.number = (uint8_t)(sa->count + 1),
                                                 .protocol = protocol,
                                                 .spi = spi,
                                                 .first = (uint16_t)sa->num_transforms};
    sa->count++;
}

void client_build_ike_sa(struct initiator *client, struct builder *b, struct span spi)
{
    struct sa_view *sa = &client->offer;
    sa->count = sa->num_transforms = 0;
    for (uint32_t i = 0; i < client->config.num_ike; i++) {
        const struct ike_suite *suite = &client->config.ike[i];
        offer_proposal(sa, PROTOCOL_IKE, spi);
        offer_cipher(sa, suite->encr, suite->encr_bits, suite->integ);
        offer_add(sa, TRANSFORM_PRF, suite->prf, 0);
        offer_add(sa, TRANSFORM_KE, suite->ke, 0);
    }
    build_sa(b, sa);
}

void client_build_esp_sa(struct initiator *client, struct builder *b, bool with_groups)
{
    struct sa_view *sa = &client->offer;
    uint8_t spi[4];
    be32_store(spi, client->child_spi);
    sa->count = sa->num_transforms = 0;
    for (uint32_t i = 0; i < client->config.num_esp; i++) {
        const struct esp_suite *suite = &client->config.esp[i];
        offer_proposal(sa, PROTOCOL_ESP, span_of(spi, sizeof(spi)));
        offer_cipher(sa, suite->encr, suite->encr_bits, suite->integ);
        if (with_groups && suite->ke != KE_NONE) {
            offer_add(sa, TRANSFORM_KE, suite->ke, 0);
        }
        offer_add(sa, TRANSFORM_ESN, suite->esn ? ESN_YES : ESN_NONE, 0);
    }
    build_sa(b, sa);
}

static uint32_t ts_default(struct ts_range ret_ranges[2])
{
    static const uint8_t zeros[16], ones[16] = {[0 ... 15] = 0xff};
    ret_ranges[0] =
        (struct ts_range){.port_last = UINT16_MAX, .first = ip_from_v4(zeros), .last = ip_from_v4(ones)};
    ret_ranges[1] = (struct ts_range){.port_last = UINT16_MAX};
    memcpy(ret_ranges[1].first.bytes, zeros, sizeof(zeros));
    memcpy(ret_ranges[1].last.bytes, ones, sizeof(ones));
    return 2;
}

static void build_one_ts(struct builder *b, uint8_t type, const struct ts_range *wanted)
{
    struct ts_range ranges[2] = {*wanted};
    bool given = wanted->port_last != 0;
    build_ts(b, type, ranges, given ? 1 : ts_default(ranges));
}

void client_build_ts(struct initiator *client, struct builder *b)
{
    build_one_ts(b, PAYLOAD_TSI, &client->config.ts_i);
    build_one_ts(b, PAYLOAD_TSR, &client->config.ts_r);
}

/* The one transform of a type that the answer may hold; id 0 when absent. */
static struct transform answer_of(const struct sa_view *sa, uint8_t type)
{
    for (uint32_t i = 0; i < sa->num_transforms; i++) {
        if (sa->transforms[i].type == type) {
            return sa->transforms[i];
        }
    }
    return (struct transform){.type = type};
}

static bool read_answer(struct initiator *client, uint8_t protocol)
{
    struct sa_view *sa = &client->offer;
    return client->message.sa.len > 0 && sa_read(client->message.sa, sa) == CAUSE_NONE && sa->count == 1 &&
           sa->proposals[0].protocol == protocol;
}

bool client_read_ike_suite(struct initiator *client, struct ike_suite *ret_suite, uint64_t *ret_spi)
{
    if (!read_answer(client, PROTOCOL_IKE)) {
        return false;
    }
    const struct sa_view *sa = &client->offer;
    struct transform encr = answer_of(sa, TRANSFORM_ENCR);
    *ret_spi = sa->proposals[0].spi.len == 8 ? be64_load(sa->proposals[0].spi.data) : 0;
    *ret_suite = (struct ike_suite){.encr = encr.id,
                                    .encr_bits = encr.key_bits != 0 ? encr.key_bits : 256,
                                    .integ = answer_of(sa, TRANSFORM_INTEG).id,
                                    .prf = answer_of(sa, TRANSFORM_PRF).id,
                                    .ke = answer_of(sa, TRANSFORM_KE).id};
    for (uint32_t i = 0; i < client->config.num_ike; i++) {
        const struct ike_suite *own = &client->config.ike[i];
        if (own->encr == ret_suite->encr && own->integ == ret_suite->integ && own->prf == ret_suite->prf &&
            own->ke == ret_suite->ke && own->encr_bits == ret_suite->encr_bits) {
            return i + 1 == sa->proposals[0].number;
        }
    }
    return false;
}

bool client_read_esp_suite(struct initiator *client, struct esp_suite *ret_suite, uint32_t *ret_spi)
{
    if (!read_answer(client, PROTOCOL_ESP)) {
        return false;
    }
    const struct sa_view *sa = &client->offer;
    struct transform encr = answer_of(sa, TRANSFORM_ENCR);
    *ret_spi = be32_load(sa->proposals[0].spi.data);
    *ret_suite = (struct esp_suite){.encr = encr.id,
                                    .encr_bits = encr.key_bits != 0 ? encr.key_bits : 256,
                                    .integ = answer_of(sa, TRANSFORM_INTEG).id,
                                    .ke = answer_of(sa, TRANSFORM_KE).id,
                                    .esn = answer_of(sa, TRANSFORM_ESN).id == ESN_YES};
    uint32_t number = sa->proposals[0].number;
    if (number == 0 || number > client->config.num_esp) {
        return false;
    }
    const struct esp_suite *own = &client->config.esp[number - 1];
    return own->encr == ret_suite->encr && own->integ == ret_suite->integ &&
           own->encr_bits == ret_suite->encr_bits && own->esn == ret_suite->esn;
}

static bool read_one_ts(struct span body, struct ts_range *ret_ranges, uint32_t *ret_count)
{
    struct ts_view view;
    if (ts_read(body, &view) != CAUSE_NONE || view.count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < view.count; i++) {
        selector_range(&view.v[i], &ret_ranges[i]);
    }
    *ret_count = view.count;
    return true;
}

bool client_read_ts(struct initiator *client, struct initiator_child *child)
{
    return read_one_ts(client->message.ts_i, child->ts_i, &child->num_ts_i) &&
           read_one_ts(client->message.ts_r, child->ts_r, &child->num_ts_r);
}

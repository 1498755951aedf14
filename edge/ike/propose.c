/* Choosing from the proposals of an SA payload (RFC 7296 2.7 and 3.3). */
#include "edge/ike/internal.h"

/* What one proposal offers of one transform type. */
struct offer {
    const struct transform *v;
    uint32_t count;
};

static struct offer offer_of(const struct sa_view *sa, const struct proposal *proposal)
{
    return (struct offer){.v = sa->transforms + proposal->first, .count = proposal->count};
}

static bool offer_has(struct offer offer, uint8_t type, uint16_t id, uint16_t bits)
{
    for (uint32_t i = 0; i < offer.count; i++) {
        const struct transform *t = &offer.v[i];
        if (t->type == type && t->id == id && t->key_bits == bits && !t->unknown_attribute) {
            return true;
        }
    }
    return false;
}

static bool offer_has_type(struct offer offer, uint8_t type)
{
    for (uint32_t i = 0; i < offer.count; i++) {
        if (offer.v[i].type == type) {
            return true;
        }
    }
    return false;
}

/* The first of our algorithms that the proposal has too; 0 (which is NONE for every type) when there is none.
 */
static uint16_t choose(struct offer offer, uint8_t type, const uint16_t *allowed, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (offer_has(offer, type, allowed[i], 0)) {
            return allowed[i];
        }
    }
    return 0;
}

/* ChaCha20 has one key length and no attribute for it (RFC 7634 4). */
static uint16_t attribute_bits(const struct policy_encr *encr)
{
    return encr->encr == ENCR_CHACHA20_POLY1305 ? 0 : encr->bits;
}

/* Cipher and integrity of a proposal by our rank of ciphers; the rank, or UINT32_MAX. */
static uint32_t choose_cipher(const struct policy_suites *allowed, struct offer offer, uint16_t *ret_encr,
                              uint16_t *ret_bits, uint16_t *ret_integ)
{
    for (uint32_t rank = 0; rank < allowed->num_encr; rank++) {
        const struct policy_encr *encr = &allowed->encr[rank];
        if (!offer_has(offer, TRANSFORM_ENCR, encr->encr, attribute_bits(encr))) {
            continue;
        }
        uint16_t integ = INTEG_NONE;
        if (encr_is_aead(encr->encr)) {
            /* RFC 7296 3.3: an AEAD goes with NONE or with no integrity transform at all. */
            if (offer_has_type(offer, TRANSFORM_INTEG) && !offer_has(offer, TRANSFORM_INTEG, INTEG_NONE, 0)) {
                continue;
            }
        } else {
            integ = choose(offer, TRANSFORM_INTEG, allowed->integ, allowed->num_integ);
            if (integ == INTEG_NONE) {
                continue;
            }
        }
        *ret_encr = encr->encr;
        *ret_bits = encr->bits;
        *ret_integ = integ;
        return rank;
    }
    return UINT32_MAX;
}

/* Additional key exchanges must be declinable, and no type may be unknown (RFC 7296 3.3.6, RFC 9370 2.2.1).
 */
static bool extras_fit(struct offer offer, uint8_t *ret_addke_none)
{
    *ret_addke_none = 0;
    for (uint32_t i = 0; i < offer.count; i++) {
        uint8_t type = offer.v[i].type;
        if (type >= TRANSFORM_ADDKE1 && type <= TRANSFORM_ADDKE7) {
            if (!offer_has(offer, type, KE_NONE, 0)) {
                return false;
            }
            *ret_addke_none |= (uint8_t)(1u << (type - TRANSFORM_ADDKE1));
        } else if (type < TRANSFORM_ENCR || type > TRANSFORM_ADDKE7) {
            return false;
        }
    }
    return true;
}

bool propose_allows_group(const struct policy_suites *allowed, uint16_t group)
{
    for (uint32_t i = 0; i < allowed->num_ke; i++) {
        if (allowed->ke[i] == group) {
            return group != KE_NONE;
        }
    }
    return false;
}

enum cause propose_ike(const struct policy_suites *allowed, const struct sa_view *offer, uint16_t ke_sent,
                       struct proposal_choice *ret_choice)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < offer->count; i++) {
        const struct proposal *proposal = &offer->proposals[i];
        struct offer transforms = offer_of(offer, proposal);
        struct proposal_choice choice = {
            .number = proposal->number, .protocol = PROTOCOL_IKE, .spi = proposal->spi};
        struct ike_suite *suite = &choice.ike;
        if (proposal->protocol != PROTOCOL_IKE || !extras_fit(transforms, &choice.addke_none)) {
            continue;
        }
        uint32_t rank = choose_cipher(allowed, transforms, &suite->encr, &suite->encr_bits, &suite->integ);
        suite->prf = choose(transforms, TRANSFORM_PRF, allowed->prf, allowed->num_prf);
        /* The client's own group saves a round trip; among those we allow, no choice is unsafe. */
        suite->ke = propose_allows_group(allowed, ke_sent) && offer_has(transforms, TRANSFORM_KE, ke_sent, 0)
                        ? ke_sent
                        : choose(transforms, TRANSFORM_KE, allowed->ke, allowed->num_ke);
        if (rank < best && suite->prf != PRF_NONE && suite->ke != KE_NONE) {
            best = rank;
            *ret_choice = choice;
        }
    }
    return best == UINT32_MAX ? CAUSE_NO_PROPOSAL : CAUSE_NONE;
}

/* Which group a Child SA's proposal leads to. False: this proposal cannot be used. */
static bool choose_pfs(const struct policy_suites *allowed, struct offer offer, uint16_t ke_sent,
                       uint16_t *ret_ke)
{
    *ret_ke = KE_NONE;
    bool offers_groups = offer_has_type(offer, TRANSFORM_KE);
    if (ke_sent == KE_NONE && !allowed->ke_required) {
        return !offers_groups || offer_has(offer, TRANSFORM_KE, KE_NONE, 0);
    }
    if (offer_has(offer, TRANSFORM_KE, ke_sent, 0) && propose_allows_group(allowed, ke_sent)) {
        *ret_ke = ke_sent;
        return true;
    }
    *ret_ke = choose(offer, TRANSFORM_KE, allowed->ke, allowed->num_ke);
    return *ret_ke != KE_NONE ||
           (!allowed->ke_required && (!offers_groups || offer_has(offer, TRANSFORM_KE, KE_NONE, 0)));
}

enum cause propose_esp(const struct policy_suites *allowed, const struct sa_view *offer, uint16_t ke_sent,
                       bool in_auth, struct proposal_choice *ret_choice)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < offer->count; i++) {
        const struct proposal *proposal = &offer->proposals[i];
        struct offer transforms = offer_of(offer, proposal);
        struct proposal_choice choice = {
            .number = proposal->number, .protocol = PROTOCOL_ESP, .spi = proposal->spi};
        struct esp_suite *suite = &choice.esp;
        if (proposal->protocol != PROTOCOL_ESP || proposal->spi.len != 4 ||
            !extras_fit(transforms, &choice.addke_none)) {
            continue;
        }
        uint32_t rank = choose_cipher(allowed, transforms, &suite->encr, &suite->encr_bits, &suite->integ);
        /* Extended sequence numbers where offered; a proposal without the transform means none (RFC
         * 7296 3.3.3). */
        suite->esn = offer_has(transforms, TRANSFORM_ESN, ESN_YES, 0);
        if (rank < best && (in_auth || choose_pfs(allowed, transforms, ke_sent, &suite->ke))) {
            best = rank;
            *ret_choice = choice;
        }
    }
    return best == UINT32_MAX ? CAUSE_NO_PROPOSAL : CAUSE_NONE;
}

static void answer_add(struct sa_view *sa, uint8_t type, uint16_t id, uint16_t bits)
{
    hf_assert(sa->num_transforms < IKE_TRANSFORMS_MAX);
    sa->transforms[sa->num_transforms++] = (struct transform){.type = type, .id = id, .key_bits = bits};
}

void propose_answer(struct ike *ike, struct builder *b, const struct proposal_choice *choice,
                    struct span our_spi)
{
    bool is_ike = choice->protocol == PROTOCOL_IKE;
    struct policy_encr encr = {.encr = is_ike ? choice->ike.encr : choice->esp.encr,
                               .bits = is_ike ? choice->ike.encr_bits : choice->esp.encr_bits};
    uint16_t integ = is_ike ? choice->ike.integ : choice->esp.integ;
    uint16_t ke = is_ike ? choice->ike.ke : choice->esp.ke;
    struct sa_view *sa = &ike->scratch.answer;
    sa->count = 1;
    sa->num_transforms = 0;
    answer_add(sa, TRANSFORM_ENCR, encr.encr, attribute_bits(&encr));
    if (is_ike) {
        answer_add(sa, TRANSFORM_PRF, choice->ike.prf, 0);
    }
    if (integ != INTEG_NONE) {
        answer_add(sa, TRANSFORM_INTEG, integ, 0);
    }
    if (ke != KE_NONE) {
        answer_add(sa, TRANSFORM_KE, ke, 0);
    }
    if (!is_ike) {
        answer_add(sa, TRANSFORM_ESN, choice->esp.esn ? ESN_YES : ESN_NONE, 0);
    }
    for (uint8_t i = 0; i <= TRANSFORM_ADDKE7 - TRANSFORM_ADDKE1; i++) {
        if ((choice->addke_none & 1u << i) != 0) {
            answer_add(sa, (uint8_t)(TRANSFORM_ADDKE1 + i), KE_NONE, 0);
        }
    }
    sa->proposals[0] = (struct proposal){.number = choice->number,
                                         .protocol = choice->protocol,
                                         .spi = our_spi,
                                         .count = (uint16_t)sa->num_transforms};
    build_sa(b, sa);
}

/* One proposal under number 1, with each transform that the suite has and none beside it. */
static bool answer_is(const struct sa_view *answer, const struct esp_suite *suite)
{
    struct policy_suites own = {.encr = {{suite->encr, suite->encr_bits}},
                                .num_encr = 1,
                                .integ = {suite->integ},
                                .num_integ = 1,
                                .ke = {suite->ke},
                                .num_ke = 1};
    struct proposal_choice choice;
    uint32_t transforms = 2 + (suite->integ != INTEG_NONE ? 1 : 0) + (suite->ke != KE_NONE ? 1 : 0);
    return answer->count == 1 && answer->proposals[0].number == 1 && answer->num_transforms == transforms &&
           propose_esp(&own, answer, suite->ke, false, &choice) == CAUSE_NONE && choice.esp.ke == suite->ke &&
           choice.esp.esn == suite->esn;
}

bool propose_ike_accepted(const struct sa_view *answer, const struct ike_suite *suite, uint64_t *ret_spi)
{
    struct policy_suites own = {.encr = {{suite->encr, suite->encr_bits}},
                                .num_encr = 1,
                                .integ = {suite->integ},
                                .num_integ = 1,
                                .prf = {suite->prf},
                                .num_prf = 1,
                                .ke = {suite->ke},
                                .num_ke = 1};
    struct proposal_choice choice;
    uint32_t transforms = 3 + (suite->integ != INTEG_NONE ? 1 : 0);
    if (answer->count != 1 || answer->proposals[0].number != 1 || answer->num_transforms != transforms ||
        propose_ike(&own, answer, suite->ke, &choice) != CAUSE_NONE || choice.spi.len != 8) {
        return false;
    }
    *ret_spi = be64_load(choice.spi.data);
    return *ret_spi != 0;
}

bool propose_esp_accepted(const struct sa_view *answer, const struct esp_suite *suite, uint32_t *ret_spi)
{
    if (!answer_is(answer, suite)) {
        return false;
    }
    *ret_spi = be32_load(answer->proposals[0].spi.data);
    return *ret_spi >= ESP_SPI_MIN;
}

#include "tests/unit/ike/offers.h"

#include <criterion/criterion.h>

static const struct policy_suites allowed = {
    .encr = {{ENCR_AES_GCM_16, 256},
             {ENCR_AES_GCM_16, 128},
             {ENCR_CHACHA20_POLY1305, 256},
             {ENCR_AES_CBC, 256}},
    .num_encr = 4,
    .integ = {INTEG_HMAC_SHA2_256_128, INTEG_HMAC_SHA2_512_256},
    .num_integ = 2,
    .prf = {PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384},
    .num_prf = 2,
    .ke = {KE_X25519, KE_P256},
    .num_ke = 2,
};

static const struct {
    const char *what, *offer;
    uint16_t ke_sent;
    uint8_t number; /* 0: none */
    struct ike_suite suite;
} ike_rows[] = {
    {"AEAD", "e20/256 p5 k31", 31, 1, {20, 256, 0, 5, 31}},
    {"AEAD with integrity NONE", "e20/256 i0 p5 k31", 31, 1, {20, 256, 0, 5, 31}},
    {"AEAD with integrity only", "e20/256 i12 p5 k31", 31, 0, {0}},
    {"CBC", "e12/256 i12 p5 k31", 31, 1, {12, 256, 12, 5, 31}},
    {"CBC without integrity", "e12/256 p5 k31", 31, 0, {0}},
    {"CBC of a length we do not allow", "e12/128 i12 p5 k31", 31, 0, {0}},
    {"no key length", "e20 p5 k31", 31, 0, {0}},
    {"ChaCha20 has no key length", "e28 p5 k31", 31, 1, {28, 256, 0, 5, 31}},
    {"ChaCha20 with a key length", "e28/256 p5 k31", 31, 0, {0}},
    {"our cipher before their order", "e12/256 i12 p5 k31 | e20/256 p5 k31", 31, 2, {20, 256, 0, 5, 31}},
    {"their order among equals", "e20/256 p6 k31 | e20/256 p5 k31", 31, 1, {20, 256, 0, 6, 31}},
    {"our cipher within a proposal", "e20/128 e20/256 p5 k31", 31, 1, {20, 256, 0, 5, 31}},
    {"our prf within a proposal", "e20/256 p6 p5 k31", 31, 1, {20, 256, 0, 5, 31}},
    {"Windows' mixture", "e12/256 i12 i13 p5 p6 k14 k19", 14, 1, {12, 256, 12, 5, 19}},
    {"the group that was sent", "e20/256 p5 k31 k19", 19, 1, {20, 256, 0, 5, 19}},
    {"a sent group we do not allow", "e20/256 p5 k14 k19 k31", 14, 1, {20, 256, 0, 5, 31}},
    {"a sent group that is not in the proposal", "e20/256 p5 k31", 19, 1, {20, 256, 0, 5, 31}},
    {"no group of ours", "e20/256 p5 k14", 14, 0, {0}},
    {"no group at all", "e20/256 p5", 31, 0, {0}},
    {"group NONE", "e20/256 p5 k0", 0, 0, {0}},
    {"no prf", "e20/256 k31", 31, 0, {0}},
    {"prf of no use", "e20/256 p2 k31", 31, 0, {0}},
    {"an unknown attribute", "e20/256! p5 k31", 31, 0, {0}},
    {"an unknown attribute on one of two", "e20/256! e20/128 p5 k31", 31, 1, {20, 128, 0, 5, 31}},
    {"additional key exchange that may be declined", "e20/256 p5 k31 a1:35 a1:0", 31, 1, {20, 256, 0, 5, 31}},
    {"additional key exchange that may not", "e20/256 p5 k31 a1:35", 31, 0, {0}},
    {"the same, then one without", "e20/256 p5 k31 a1:35 | e12/256 i12 p5 k31", 31, 2, {12, 256, 12, 5, 31}},
    {"extended sequence numbers do no harm", "e20/256 p5 k31 s0", 31, 1, {20, 256, 0, 5, 31}},
};

/* RFC 7296 2.7, 3.3; RFC 5282 8; RFC 9370 2.2.1 */
Test(propose, an_ike_offer_leads_to_our_best)
{
    struct sa_view *sa = calloc(1, sizeof(*sa));
    for (size_t i = 0; i < HF_COUNT(ike_rows); i++) {
        struct proposal_choice choice = {0};
        offer_parse(sa, PROTOCOL_IKE, ike_rows[i].offer);
        enum cause cause = propose_ike(&allowed, sa, ike_rows[i].ke_sent, &choice);
        cr_expect_eq(cause, ike_rows[i].number == 0 ? CAUSE_NO_PROPOSAL : CAUSE_NONE, "%s: %d",
                     ike_rows[i].what, cause);
        if (ike_rows[i].number != 0) {
            const struct ike_suite *is = &choice.ike, *should = &ike_rows[i].suite;
            cr_expect_eq(choice.number, ike_rows[i].number, "%s: proposal %u", ike_rows[i].what,
                         choice.number);
            cr_expect(is->encr == should->encr && is->encr_bits == should->encr_bits &&
                          is->integ == should->integ && is->prf == should->prf && is->ke == should->ke,
                      "%s: %u/%u %u %u %u", ike_rows[i].what, is->encr, is->encr_bits, is->integ, is->prf,
                      is->ke);
        }
    }
    free(sa);
}

Test(propose, an_esp_offer_leads_to_our_best)
{
    static const struct {
        const char *what, *offer;
        uint16_t ke_sent;
        bool in_auth;
        uint8_t number;
        struct esp_suite suite;
    } rows[] = {
        {"first child", "e20/256 s0", 0, true, 1, {20, 256, 0, 0, false}},
        {"first child with a group that counts later", "e20/256 k31 s0", 0, true, 1, {20, 256, 0, 0, false}},
        {"extended sequence numbers", "e20/256 s0 s1", 0, true, 1, {20, 256, 0, 0, true}},
        {"only extended", "e20/256 s1", 0, true, 1, {20, 256, 0, 0, true}},
        {"no word of them", "e20/256", 0, true, 1, {20, 256, 0, 0, false}},
        {"CBC and HMAC", "e12/256 i12 s0", 0, true, 1, {12, 256, 12, 0, false}},
        {"no PFS", "e20/256 s0", 0, false, 1, {20, 256, 0, 0, false}},
        {"PFS", "e20/256 k31 s0", 31, false, 1, {20, 256, 0, 31, false}},
        {"PFS offered, no KE", "e20/256 k31 s0", 0, false, 0, {0}},
        {"PFS offered or not, no KE", "e20/256 k31 k0 s0", 0, false, 1, {20, 256, 0, 0, false}},
        {"another group is wanted", "e20/256 k14 k19 s0", 14, false, 1, {20, 256, 0, 19, false}},
        {"no group of ours", "e20/256 k14 s0", 14, false, 0, {0}},
        {"no group of ours, but NONE", "e20/256 k14 k0 s0", 14, false, 1, {20, 256, 0, 0, false}},
        {"KE without a group in the proposal", "e20/256 s0", 31, false, 1, {20, 256, 0, 0, false}},
        {"the second without PFS", "e20/256 k31 s0 | e20/128 s0", 0, false, 2, {20, 128, 0, 0, false}},
        {"nothing", "e3 s0", 0, true, 0, {0}},
    };
    struct sa_view *sa = calloc(1, sizeof(*sa));
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct proposal_choice choice = {0};
        offer_parse(sa, PROTOCOL_ESP, rows[i].offer);
        enum cause cause = propose_esp(&allowed, sa, rows[i].ke_sent, rows[i].in_auth, &choice);
        cr_expect_eq(cause, rows[i].number == 0 ? CAUSE_NO_PROPOSAL : CAUSE_NONE, "%s: %d", rows[i].what,
                     cause);
        if (rows[i].number != 0) {
            const struct esp_suite *is = &choice.esp, *should = &rows[i].suite;
            cr_expect_eq(choice.number, rows[i].number, "%s: proposal %u", rows[i].what, choice.number);
            cr_expect(is->encr == should->encr && is->encr_bits == should->encr_bits &&
                          is->integ == should->integ && is->ke == should->ke && is->esn == should->esn,
                      "%s: %u/%u %u %u %u", rows[i].what, is->encr, is->encr_bits, is->integ, is->ke,
                      is->esn);
        }
    }
    free(sa);
}

/* What was not on offer is not in the answer, and what was declined by NONE is named again. */
Test(propose, the_answer_is_one_of_the_offer)
{
    static const struct {
        const char *offer, *answer;
    } rows[] = {
        {"e20/256 p5 k31", "e20/256 p5 k31"},
        {"e28 p5 p6 k31 k19", "e28 p5 k31"},
        {"e12/256 i12 i14 p6 k19", "e12/256 p6 i12 k19"},
        {"e20/256 p5 k31 a1:35 a1:0 a3:36 a3:0", "e20/256 p5 k31 a1:0 a3:0"},
    };
    struct ike *ike = calloc(1, sizeof(*ike));
    struct sa_view *sa = calloc(1, sizeof(*sa)), *wanted = calloc(1, sizeof(*sa));
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t memory[512];
        struct proposal_choice choice;
        struct builder b;
        offer_parse(sa, PROTOCOL_IKE, rows[i].offer);
        cr_assert_eq(propose_ike(&allowed, sa, KE_X25519, &choice), CAUSE_NONE);
        chain_begin(&b, memory, sizeof(memory));
        propose_answer(ike, &b, &choice, (struct span){0});
        struct span chain = message_end(&b);
        cr_assert_eq(sa_read(span_of(chain.data + 4, chain.len - 4), sa), CAUSE_NONE);
        offer_parse(wanted, PROTOCOL_IKE, rows[i].answer);
        cr_assert_eq(sa->num_transforms, wanted->num_transforms, "%s", rows[i].offer);
        for (uint32_t j = 0; j < sa->num_transforms; j++) {
            const struct transform *is = &sa->transforms[j], *should = &wanted->transforms[j];
            cr_expect(is->type == should->type && is->id == should->id && is->key_bits == should->key_bits,
                      "%s: transform %u", rows[i].offer, j);
        }
    }
    free(sa);
    free(wanted);
    free(ike);
}

Test(propose, a_useless_offer_is_described_for_the_log)
{
    struct ike *ike = calloc(1, sizeof(*ike));
    struct sa_view *sa = calloc(1, sizeof(*sa));
    offer_parse(sa, PROTOCOL_IKE, "e3 p2 i2 k2 | e12/256 i12 p5 k14");
    cr_expect_str_eq(propose_describe(ike, sa), "offered 3DES/HMAC-SHA1/HMAC-SHA1-96/MODP-1024; "
                                                "AES-CBC-256/HMAC-SHA2-256-128/HMAC-SHA2-256/MODP-2048");
    sa->count = sa->num_transforms = 0;
    for (int i = 0; i < 30; i++) {
        sa->transforms[sa->num_transforms++] = (struct transform){TRANSFORM_ENCR, ENCR_AES_CBC, 256, false};
    }
    sa->proposals[sa->count++] = (struct proposal){.number = 1, .count = 30};
    cr_expect_lt(strlen(propose_describe(ike, sa)), sizeof(ike->scratch.detail));
    free(sa);
    free(ike);
}

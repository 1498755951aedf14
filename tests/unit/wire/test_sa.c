#include "edge/wire/build.h"
#include "tests/unit/wire/raw.h"

#include <criterion/criterion.h>

#define GCM_256 " 00 00 000c 01 00 0014 800e 0100"
#define ESP_20 "00 00 0018 01 03 04 01 c1c2c3c4"

Test(sa, bad_ones_have_a_cause)
{
    static const struct {
        const char *what;
        const char *hex;
        enum cause cause;
    } rows[] = {
        {"one proposal", ESP_20 GCM_256, CAUSE_NONE},
        {"no proposal", "", CAUSE_SA_SYNTAX},
        {"short header", "00 00 0008 01 03 04", CAUSE_SA_SYNTAX},
        {"proposal length 0", "00 00 0000 01 03 04 01 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"proposal length 3", "00 00 0003 01 03 04 01 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"proposal length too small", "00 00 0017 01 03 04 01 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"proposal length too big", "00 00 0019 01 03 04 01 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"proposal length 64 k", "00 00 ffff 01 03 04 01 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"rest after the last", ESP_20 GCM_256 "00", CAUSE_SA_SYNTAX},
        {"more announced, none there", "02 00 0018 01 03 04 01 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"last, but another follows", ESP_20 GCM_256 "00 00 0018 02 03 04 01 c1c2c3c4" GCM_256,
         CAUSE_SA_SYNTAX},
        {"last is neither 0 nor 2", "01 00 0018 01 03 04 01 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"proposal number 0", "00 00 0018 00 03 04 01 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"SPI size beyond the proposal", "00 00 0018 01 03 ff 01 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"ESP without SPI", "00 00 0014 01 03 00 01" GCM_256, CAUSE_SA_SPI_SIZE},
        {"ESP, SPI of 8", "00 00 001c 01 03 08 01 c1*8" GCM_256, CAUSE_SA_SPI_SIZE},
        {"ESP, SPI of 3", "00 00 0017 01 03 03 01 c1*3" GCM_256, CAUSE_SA_SPI_SIZE},
        {"IKE, SPI of 4", "00 00 0018 01 01 04 01 c1*4" GCM_256, CAUSE_SA_SPI_SIZE},
        {"IKE, SPI of 8", "00 00 001c 01 01 08 01 c1*8" GCM_256, CAUSE_NONE},
        {"IKE, no SPI", "00 00 0014 01 01 00 01" GCM_256, CAUSE_NONE},
        {"AH, SPI of 4", "00 00 0018 01 02 04 01 c1*4" GCM_256, CAUSE_NONE},
        {"unknown protocol", "00 00 0018 01 fa 04 01 c1*4" GCM_256, CAUSE_NONE},
        {"unknown protocol, odd SPI", "00 00 0015 01 fa 01 01 c1" GCM_256, CAUSE_SA_SPI_SIZE},
        {"no transforms", "00 00 000c 01 03 04 00 c1c2c3c4", CAUSE_SA_SYNTAX},
        {"fewer transforms counted", "00 00 0018 01 03 04 00 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"more transforms counted", "00 00 0018 01 03 04 02 c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"255 transforms counted", "00 00 0018 01 03 04 ff c1c2c3c4" GCM_256, CAUSE_SA_SYNTAX},
        {"transform says more", ESP_20 "03 00 000c 01 00 0014 800e 0100", CAUSE_SA_SYNTAX},
        {"transform's last is 2", ESP_20 "02 00 000c 01 00 0014 800e 0100", CAUSE_SA_SYNTAX},
        {"transform length 0", ESP_20 "00 00 0000 01 00 0014 800e 0100", CAUSE_SA_SYNTAX},
        {"transform length 7", ESP_20 "00 00 0007 01 00 0014 800e 0100", CAUSE_SA_SYNTAX},
        {"transform leaves a rest", ESP_20 "00 00 0008 01 00 0014 800e 0100", CAUSE_SA_SYNTAX},
        {"transform too long", ESP_20 "00 00 000d 01 00 0014 800e 0100", CAUSE_SA_SYNTAX},
        {"half an attribute", "00 00 0016 01 03 04 01 c1*4 00 00 000a 01 00 0014 800e", CAUSE_SA_SYNTAX},
        {"attribute with a rest", "00 00 0019 01 03 04 01 c1*4 00 00 000d 01 00 0014 800e 0100 00",
         CAUSE_SA_SYNTAX},
        {"TLV longer than the transform", ESP_20 "00 00 000c 01 00 0014 0001 0001", CAUSE_SA_SYNTAX},
        {"TLV of 64 k", ESP_20 "00 00 000c 01 00 0014 0001 ffff", CAUSE_SA_SYNTAX},
        {"key length twice", "00 00 001c 01 03 04 01 c1*4 00 00 0010 01 00 0014 800e 0100 800e 0080",
         CAUSE_SA_SYNTAX},
        {"reserved bytes set", "00 ff 0018 01 03 04 01 c1c2c3c4 00 ff 000c 01 ff 0014 800e 0100", CAUSE_NONE},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct raw raw = {.len = 0};
        struct sa_view sa;
        raw_hex(&raw, rows[i].hex);
        enum cause cause = sa_read(raw_span(&raw), &sa);
        cr_expect_eq(cause, rows[i].cause, "%s: %d", rows[i].what, cause);
        cr_expect(cause == CAUSE_NONE ? sa.count == 1 : sa.count == 0 && sa.num_transforms == 0, "%s",
                  rows[i].what);
    }
}

Test(sa, proposal_numbers_start_anywhere_and_never_fall)
{
    static const struct {
        const char *line;
        enum cause cause;
    } rows[] = {
        {"3 ike=e1e2e3e4e5e6e7e8 e12:256 i12 p5 k14", CAUSE_NONE}, /* macOS 14 rekey */
        {"255 ike e28 p5 k31", CAUSE_NONE},
        {"1 ike e28 p5 k31; 1 ike e20:256 p5 k31", CAUSE_NONE},
        {"1 ike e28 p5 k31; 7 ike e20:256 p5 k31", CAUSE_NONE},
        {"2 ike e28 p5 k31; 1 ike e20:256 p5 k31", CAUSE_SA_SYNTAX},
        {"255 ike e28 p5 k31; 0 ike e20:256 p5 k31", CAUSE_SA_SYNTAX},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct raw raw = {.len = 0};
        struct sa_view sa;
        raw_sa_body(&raw, rows[i].line);
        cr_expect_eq(sa_read(raw_span(&raw), &sa), rows[i].cause, "%s", rows[i].line);
    }
}

Test(sa, attributes_that_nobody_knows_spoil_only_their_transform)
{
    static const struct {
        const char *attributes;
        uint16_t key_bits;
        bool unknown;
    } rows[] = {
        {"", 0, false},
        {"800e 0100", 256, false},
        {"800f 0100", 0, true},                  /* TV of another type */
        {"0001 0003 aabbcc", 0, true},           /* TLV */
        {"0001 0000", 0, true},                  /* empty TLV */
        {"000e 0002 0100", 0, true},             /* a key length must be TV */
        {"800e 0000", 0, true},                  /* a key of no bits is not an absent attribute */
        {"800e 0080 0020 0001 aa", 128, true},
        {"0020 0001 aa 800e 0080", 128, true},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct raw raw = {.len = 0};
        struct sa_view sa;
        size_t proposal = raw_payload(&raw, 0);
        raw_hex(&raw, "01 03 04 02 c1c2c3c4");
        size_t transform = raw_payload(&raw, 3);
        raw_hex(&raw, "01 00 0014");
        raw_hex(&raw, rows[i].attributes);
        raw_close(&raw, transform);
        raw_hex(&raw, "00 00 0008 05 00 0001");
        raw_close(&raw, proposal);
        cr_assert_eq(sa_read(raw_span(&raw), &sa), CAUSE_NONE, "%s", rows[i].attributes);
        cr_expect_eq(sa.num_transforms, 2);
        cr_expect_eq(sa.transforms[0].key_bits, rows[i].key_bits, "%s", rows[i].attributes);
        cr_expect_eq(sa.transforms[0].unknown_attribute, rows[i].unknown, "%s", rows[i].attributes);
        cr_expect_eq(sa.transforms[1].type, TRANSFORM_ESN);
        cr_expect_eq(sa.transforms[1].id, ESN_YES);
        cr_expect_not(sa.transforms[1].unknown_attribute);
    }
}

/* `proposals` proposals of `transforms` transforms each. */
static enum cause sa_of(uint32_t proposals, uint32_t transforms, struct sa_view *ret_sa)
{
    static struct raw raw;
    raw.len = 0;
    for (uint32_t i = 0; i < proposals; i++) {
        size_t at = raw_payload(&raw, i + 1 < proposals ? 2 : 0);
        raw_u8(&raw, i + 1);
        raw_hex(&raw, "01 00");
        raw_u8(&raw, transforms);
        for (uint32_t j = 0; j < transforms; j++) {
            raw_u8(&raw, j + 1 < transforms ? 3 : 0);
            raw_hex(&raw, "00 0008 04 00 001f");
        }
        raw_close(&raw, at);
    }
    return sa_read(raw_span(&raw), ret_sa);
}

Test(sa, more_than_the_limit_is_an_error_and_no_truncation)
{
    struct sa_view sa;
    cr_expect_eq(sa_of(IKE_PROPOSALS_MAX, 1, &sa), CAUSE_NONE);
    cr_expect_eq(sa.count, IKE_PROPOSALS_MAX);
    cr_expect_eq(sa_of(IKE_PROPOSALS_MAX + 1, 1, &sa), CAUSE_SA_COUNT);
    cr_expect_eq(sa_of(255, 1, &sa), CAUSE_SA_COUNT);
    cr_expect_eq(sa_of(1, 255, &sa), CAUSE_NONE);
    cr_expect_eq(sa_of(8, IKE_TRANSFORMS_MAX / 8, &sa), CAUSE_NONE);
    cr_expect_eq(sa.num_transforms, IKE_TRANSFORMS_MAX);
    cr_expect_eq(sa.proposals[7].first, 7 * IKE_TRANSFORMS_MAX / 8);
    cr_expect_eq(sa_of(8, IKE_TRANSFORMS_MAX / 8 + 1, &sa), CAUSE_SA_COUNT);
    cr_expect_eq(sa_of(8, 255, &sa), CAUSE_SA_COUNT, "thousands of transforms");
    cr_expect_eq(sa.num_transforms, 0);
}

Test(sa, comes_back_from_the_builder_byte_for_byte)
{
    static const char *const lines[] = {
        "1 esp=c1c2c3c4 e20:256 n0",
        "2 esp=c1c2c3c4 e28 n0 n1; 3 ah=d1d2d3d4 i12 n0; 9 ike=e1e2e3e4e5e6e7e8 e12:128 e12:256 i12 p5 "
        "k14 k31",
        "1 ike e20:256 e28 p5 p7 k31 k19 k20; 2 ike e12:256 i12 p5 k14",
    };
    for (size_t i = 0; i < HF_COUNT(lines); i++) {
        struct raw raw = {.len = 0};
        struct sa_view sa;
        size_t at = raw_payload(&raw, PAYLOAD_NONE);
        raw_sa_body(&raw, lines[i]);
        raw_close(&raw, at);
        struct span whole = raw_span(&raw);
        cr_assert_eq(sa_read(span_of(whole.data + 4, whole.len - 4), &sa), CAUSE_NONE);
        uint8_t memory[512];
        struct builder b;
        chain_begin(&b, memory, sizeof(memory));
        build_sa(&b, &sa);
        cr_expect(span_equal(message_end(&b), whole), "%s", lines[i]);
        cr_expect_eq(b.first, PAYLOAD_SA);
    }
}

#include "edge/wire/build.h"
#include "tests/unit/wire/raw.h"

#include <criterion/criterion.h>

#define SPIS "a1a2a3a4a5a6a7a8 0000000000000000"

Test(header, is_read_field_by_field)
{
    struct raw raw = {.len = 0};
    raw_hex(&raw, "a1a2a3a4a5a6a7a8 b1b2b3b4b5b6b7b8 21 20 22 28 01020304 0000001c");
    struct ike_header header;
    cr_assert_eq(ike_header_read(raw_span(&raw), &header), CAUSE_NONE);
    cr_assert_eq(header.spi_i, UINT64_C(0xa1a2a3a4a5a6a7a8));
    cr_assert_eq(header.spi_r, UINT64_C(0xb1b2b3b4b5b6b7b8));
    cr_assert_eq(header.next_payload, PAYLOAD_SA);
    cr_assert_eq(header.version, 0x20);
    cr_assert_eq(header.exchange, IKE_SA_INIT);
    cr_assert_eq(header.flags, IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE);
    cr_assert_eq(header.message_id, 0x01020304);
    cr_assert_eq(header.length, 28);

    uint8_t memory[28];
    struct builder b;
    header.next_payload = PAYLOAD_NONE; /* the builder knows better: no payload follows */
    raw.bytes[16] = PAYLOAD_NONE;
    message_begin(&b, memory, sizeof(memory), &header);
    cr_assert(span_equal(message_end(&b), raw_span(&raw)));
}

Test(header, bad_ones_have_a_cause)
{
    static const struct {
        const char *hex;
        enum cause cause;
    } rows[] = {
        {"", CAUSE_SHORT},
        {"00", CAUSE_SHORT},
        {SPIS "21 20 22 08 00000000 000000", CAUSE_SHORT},
        {SPIS "21 20 22 08 00000000 0000001b", CAUSE_LENGTH},
        {SPIS "21 20 22 08 00000000 0000001d", CAUSE_LENGTH},
        {SPIS "21 20 22 08 00000000 00000000", CAUSE_LENGTH},
        {SPIS "21 20 22 08 00000000 ffffffff", CAUSE_LENGTH},
        {SPIS "21 20 22 08 00000000 1c000000", CAUSE_LENGTH},
        {SPIS "21 20 22 08 00000000 0000001c 00", CAUSE_LENGTH},
        {SPIS "21 10 22 08 00000000 0000001c", CAUSE_VERSION},
        {SPIS "21 30 22 08 00000000 0000001c", CAUSE_VERSION},
        {SPIS "21 00 22 08 00000000 0000001c", CAUSE_VERSION},
        {"00*8 b1*8 21 20 22 08 00000000 0000001c", CAUSE_IKE_SPI_ZERO},
        /* RFC 7296 2.5: a higher minor version and reserved flags change nothing; exchange types are the
         * engine's. */
        {SPIS "21 2f 22 cf 00000000 0000001c", CAUSE_NONE},
        {SPIS "21 20 ff 08 00000000 0000001c", CAUSE_NONE},
        {SPIS "21 20 22 08 00000000 00000020 00000004", CAUSE_NONE},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct raw raw = {.len = 0};
        struct ike_header header;
        raw_hex(&raw, rows[i].hex);
        cr_expect_eq(ike_header_read(raw_span(&raw), &header), rows[i].cause, "%s", rows[i].hex);
        /* INVALID_MAJOR_VERSION is answered with the SPIs of the message. */
        cr_expect(rows[i].cause != CAUSE_VERSION || header.spi_i == UINT64_C(0xa1a2a3a4a5a6a7a8), "%s",
                  rows[i].hex);
    }
}

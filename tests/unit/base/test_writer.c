#include "edge/base/writer.h"

#include <criterion/criterion.h>

Test(writer, writes_in_network_order)
{
    uint8_t memory[18];
    static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
    struct writer w = writer_of(memory, sizeof(memory));
    writer_u8(&w, 1);
    writer_u16(&w, 0x0203);
    writer_u32(&w, 0x04050607);
    writer_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
    writer_bytes(&w, "\x10", 1);
    writer_span(&w, span_of("\x11\x12", 2));
    writer_span(&w, (struct span){0});
    cr_assert(!w.overflow);
    cr_assert(span_equal(writer_span_of(&w), span_of(expected, sizeof(expected))));
}

/* One byte too few for each write: nothing of it is written, and nothing after it, even if it would fit. */
Test(writer, overflow_sticks)
{
    static const size_t widths[] = {1, 2, 4, 8, 3};
    for (size_t i = 0; i < HF_COUNT(widths); i++) {
        uint8_t memory[16];
        memset(memory, 0xee, sizeof(memory));
        struct writer w = writer_of(memory, 4 + widths[i] - 1);
        writer_u32(&w, 0);
        switch (i) {
        case 0:
            writer_u8(&w, 0);
            break;
        case 1:
            writer_u16(&w, 0);
            break;
        case 2:
            writer_u32(&w, 0);
            break;
        case 3:
            writer_u64(&w, 0);
            break;
        default:
            writer_bytes(&w, "\0\0", 3);
        }
        cr_assert(w.overflow);
        cr_assert_null(writer_room(&w, 0));
        writer_u8(&w, 0);
        writer_patch_u8(&w, 0, 0xdd);
        writer_patch_u16(&w, 100, 0xdddd); /* after an overflow a slot may never have been made */
        cr_assert_eq(writer_span_of(&w).len, 0, "half a message is none");
        for (size_t at = 0; at < sizeof(memory); at++) {
            cr_assert_eq(memory[at], at < 4 ? 0 : 0xee, "width %zu, byte %zu", widths[i], at);
        }
    }
}

Test(writer, slots_are_filled_in_later)
{
    uint8_t memory[16];
    struct writer w = writer_of(memory, sizeof(memory));
    writer_u8(&w, 0);
    size_t length_at = w.len;
    writer_u16(&w, 0);
    size_t total_at = w.len;
    writer_u32(&w, 0);
    writer_u8(&w, 7);
    writer_patch_u8(&w, 0, 33);
    writer_patch_u16(&w, length_at, (uint16_t)w.len);
    writer_patch_u32(&w, total_at, 0x01020304);
    cr_assert(span_equal(writer_span_of(&w), span_of("\x21\x00\x08\x01\x02\x03\x04\x07", 8)));
}

Test(writer, room)
{
    uint8_t memory[4];
    struct writer w = writer_of(memory, sizeof(memory));
    cr_assert_eq(writer_room(&w, 3), memory);
    cr_assert_eq(writer_room(&w, 0), memory + 3);
    cr_assert_null(writer_room(&w, SIZE_MAX));
    cr_assert(w.overflow);

    struct writer none = writer_of(NULL, 0);
    writer_bytes(&none, NULL, 0);
    cr_assert(!none.overflow);
    writer_u8(&none, 1);
    cr_assert(none.overflow);
}

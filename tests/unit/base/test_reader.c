#include "edge/base/reader.h"

#include <criterion/criterion.h>

static const uint8_t BYTES[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

Test(reader, reads_in_network_order_to_the_end)
{
    struct reader r = reader_of(span_of(BYTES, sizeof(BYTES)));
    uint8_t copy[2];
    cr_assert_eq(reader_u8(&r), 1);
    cr_assert_eq(reader_u16(&r), 0x0203);
    cr_assert_eq(reader_u32(&r), 0x04050607);
    cr_assert_eq(reader_u64(&r), UINT64_C(0x08090a0b0c0d0e0f));
    reader_copy(&r, copy, 2);
    cr_assert(copy[0] == 16 && copy[1] == 17);
    cr_assert(!reader_done(&r), "a byte is left");
    cr_assert_eq(reader_u8(&r), 18);
    cr_assert(reader_done(&r));
}

/* Each read, of an input one byte too short: zeros, and from then on nothing succeeds. */
Test(reader, failure_sticks)
{
    static const size_t widths[] = {1, 2, 4, 8, 3};
    for (size_t i = 0; i < HF_COUNT(widths); i++) {
        struct reader r = reader_of(span_of(BYTES, widths[i] - 1));
        uint8_t copy[3] = {0xff, 0xff, 0xff};
        uint64_t value = 0;
        switch (i) {
        case 0:
            value = reader_u8(&r);
            break;
        case 1:
            value = reader_u16(&r);
            break;
        case 2:
            value = reader_u32(&r);
            break;
        case 3:
            value = reader_u64(&r);
            break;
        default:
            reader_copy(&r, copy, 3);
            value = copy[0] | copy[1] | copy[2];
        }
        cr_assert_eq(value, 0);
        cr_assert(r.failed && !reader_done(&r));
        cr_assert_eq(reader_u8(&r), 0);
        cr_assert_eq(reader_take(&r, 0).len, 0);
        cr_assert_eq(reader_rest(&r).len, 0);
        cr_assert(!reader_done(&r));
    }
}

Test(reader, views_and_rest)
{
    struct reader r = reader_of(span_of(BYTES, 5));
    struct span two = reader_take(&r, 2);
    cr_assert(two.data == BYTES && two.len == 2, "a view, no copy");
    cr_assert_eq(reader_take(&r, 0).len, 0);
    struct span rest = reader_rest(&r);
    cr_assert(rest.data == BYTES + 2 && rest.len == 3 && reader_done(&r));
    cr_assert_eq(reader_rest(&r).len, 0);
    cr_assert(reader_done(&r));
    cr_assert_eq(reader_take(&r, SIZE_MAX).len, 0);
    cr_assert(!reader_done(&r));

    struct reader empty = reader_of((struct span){0});
    cr_assert_eq(reader_take(&empty, 0).len, 0);
    reader_copy(&empty, NULL, 0);
    cr_assert_eq(reader_rest(&empty).len, 0);
    cr_assert(reader_done(&empty), "nothing is complete too");
}

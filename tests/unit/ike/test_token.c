#include "edge/ike/token.h"

#include <criterion/criterion.h>

Test(token, wraps_around)
{
    static const struct {
        uint64_t token, other; /* numbers */
        bool reaches;
    } rows[] = {
        {1, 1, true},
        {2, 1, true},
        {1, 2, false},
        {0x7fffffff, 0x7fffffff, true},
        {1, 0x7fffffff, true}, /* after the wrap */
        {5, 0x7ffffff0, true},
        {0x7fffffff, 1, false}, /* begun before it */
        {0x7ffffff0, 5, false},
        {0x3fffffff, 1, true},
        {0x40000001, 1, false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        for (uint32_t slot = 0; slot < 2; slot++) {
            cr_expect_eq(token_reaches(token_make(rows[i].token, slot), token_make(rows[i].other, 0)),
                         rows[i].reaches, "row %zu", i);
        }
    }
    cr_expect_eq(token_next(0), 1);
    cr_expect_eq(token_next(1), 2);
    cr_expect_eq(token_next(0x7ffffffe), 0x7fffffff);
    cr_expect_eq(token_next(0x7fffffff), 1, "never 0, nor the host's bit");
}

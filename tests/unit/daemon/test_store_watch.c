#include "edge/daemon/store_watch.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(store_watch, does_not_flap)
{
    static const struct {
        uint32_t at_s, full; /* puts that were refused so far */
        const char *error;   /* of the last operation */
        bool up;
    } rows[] = {
        {0, 0, "", true},
        {1, 1, "store /s: cannot write: No space left on device", false},
        {2, 1, "", false}, /* a delete in between worked */
        {3, 2, "", false}, /* failed and worked between two looks */
        {12, 2, "", false},
        {13, 2, "", true},
        {14, 2, "", true},
        {100, 2, "store /s: cannot commit: Input/output error", false},
        {200, 2, "store /s: cannot commit: Input/output error", false}, /* nothing has been tried since */
        {201, 2, "", false},
        {210, 2, "", true},
    };
    struct store_watch watch = {0};
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct store_stats stats = {.ops = {[STORE_PUT] = {[STORE_FULL] = rows[i].full}}};
        snprintf(stats.error, sizeof(stats.error), "%s", rows[i].error);
        cr_expect_eq(store_watch_look(&watch, &stats, rows[i].at_s * NS_PER_S), rows[i].up, "row %zu", i);
    }
}

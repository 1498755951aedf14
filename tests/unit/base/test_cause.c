#include "edge/base/cause.h"

#include <criterion/criterion.h>
#include <string.h>

/* Names are metric labels and JSON values: other people's alerts and scripts depend on their form. */
Test(cause, names)
{
    for (int i = 0; i < CAUSE_COUNT; i++) {
        const char *json = cause_json((enum cause)i);
        size_t plain = strspn(json, "abcdefghijklmnopqrstuvwxyz0123456789_");
        cr_assert(plain > 0 && plain == strlen(json), "%s", json);
        cr_assert_gt(strlen(cause_text((enum cause)i)), 0, "%s", json);
        for (int other = 0; other < i; other++) {
            cr_assert_str_neq(json, cause_json((enum cause)other));
            cr_assert_str_neq(cause_text((enum cause)i), cause_text((enum cause)other));
        }
    }
    cr_assert_eq(CAUSE_NONE, 0);
    cr_assert_str_eq(cause_json(CAUSE_PSK_WRONG), "psk_wrong");
    cr_assert_str_eq(cause_text(CAUSE_PSK_WRONG), "pre-shared key does not match");
}

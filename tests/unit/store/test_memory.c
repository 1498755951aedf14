/* The faults tests can order from the memory store. */
#include "tests/unit/store/harness.h"

#include <criterion/criterion.h>

Test(memory, faults_do_what_they_say)
{
    static const struct {
        const char *what;
        enum memory_fault fault;
        enum store_result put, delete_, claim;
        bool put_stays, deleted_stays; /* whether the record is there afterwards */
    } rows[] = {
        {"works", MEMORY_WORKS, STORE_OK, STORE_OK, STORE_OK, true, false},
        {"full", MEMORY_FULL, STORE_FULL, STORE_OK, STORE_FULL, false, false},
        {"down", MEMORY_DOWN, STORE_DOWN, STORE_DOWN, STORE_DOWN, false, true},
        {"loses", MEMORY_LOSES, STORE_OK, STORE_OK, STORE_OK, false, true},
        {"unknown", MEMORY_UNKNOWN, STORE_UNKNOWN, STORE_UNKNOWN, STORE_UNKNOWN, true, false},
        {"unknown, lost", MEMORY_UNKNOWN_LOST, STORE_UNKNOWN, STORE_UNKNOWN, STORE_UNKNOWN, false, true},
    };
    struct span value = span_of_string("value");
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct harness *h = harness_new(HARNESS_MEMORY);
        cr_assert_eq(harness_claim(h, 1), STORE_OK);
        cr_assert_eq(harness_put(h, 1, 2, STORE_NO_INDEX, value), STORE_OK);
        store_memory_fault(h->store, rows[i].fault, 1, 3);
        cr_expect_eq(harness_put(h, 1, 1, STORE_NO_INDEX, value), rows[i].put, "%s", rows[i].what);
        cr_expect_eq(harness_delete(h, 1, 2), rows[i].delete_, "%s", rows[i].what);
        cr_expect_eq(harness_claim(h, 2), rows[i].claim, "%s", rows[i].what);
        cr_assert_eq(harness_scan(h, 1), STORE_OK, "%s: three operations, no more", rows[i].what);
        cr_expect_eq(harness_record(h, 1) != NULL, rows[i].put_stays, "%s", rows[i].what);
        cr_expect_eq(harness_record(h, 2) != NULL, rows[i].deleted_stays, "%s", rows[i].what);
        harness_free(h);
    }
}

Test(memory, the_nth_operation_fails)
{
    for (uint64_t n = 1; n <= 5; n++) {
        struct harness *h = harness_new(HARNESS_MEMORY);
        cr_assert_eq(harness_claim(h, 1), STORE_OK);
        store_memory_fault(h->store, MEMORY_DOWN, n, n == 5 ? UINT64_MAX : 1);
        for (uint64_t i = 1; i <= 7; i++) {
            bool fails = i == n || (n == 5 && i > n);
            enum store_result result = harness_put(h, 1, (uint32_t)i, STORE_NO_INDEX, (struct span){0});
            cr_expect_eq(result, fails ? STORE_DOWN : STORE_OK, "operation %d, fault at %d", (int)i, (int)n);
        }
        harness_free(h);
    }
}

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

/* A primary that is lost with writes its replica never had: the claim of one node is forgotten, another gets
 * the same epoch, and one that remembers more gets a higher one. */
Test(memory, acknowledged_writes_are_lost)
{
    struct harness *a = harness_new(HARNESS_SHARED_MEMORY);
    struct harness *b = harness_join(a, 2, 0x2222);
    struct span value = span_of_string("value");
    cr_assert_eq(harness_lease(b, "b", 1000), STORE_OK);
    cr_assert_eq(harness_claim(a, 1), STORE_OK);
    cr_assert_eq(harness_put(a, 1, 1, STORE_NO_INDEX, value), STORE_OK);
    cr_assert_eq(harness_do(a, (struct store_op){.type = STORE_RELEASE, .shard = 1, .epoch = 1}), STORE_OK);
    cr_assert(memory_medium_mark(a->medium->memory));
    cr_assert_eq(harness_claim(a, 1), STORE_OK);
    cr_assert_eq(harness_put(a, 1, 2, STORE_NO_INDEX, value), STORE_OK);
    cr_assert(memory_medium_lose(a->medium->memory));
    cr_assert_eq(harness_scan(a, 1), STORE_OK);
    cr_expect_eq(a->num_records, 1);
    cr_assert_eq(harness_claim(b, 1), STORE_OK);
    cr_expect_eq(b->epoch, a->epoch, "the same epoch twice: what a node's number in every IV is for");
    cr_assert_eq(harness_do(b, (struct store_op){.type = STORE_RELEASE, .shard = 1, .epoch = 2}), STORE_OK);
    cr_assert(memory_medium_lose(a->medium->memory));
    cr_assert_eq(harness_do(a, (struct store_op){.type = STORE_CLAIM, .shard = 1, .epoch = 2}), STORE_OK);
    cr_expect_eq(a->epoch, 3, "never the same one of a node that remembers");
    harness_free(b);
    harness_free(a);
}

#include "edge/base/heap.h"

#include "tests/unit/base/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct heap heap_make(uint32_t capacity)
{
    struct heap heap;
    heap_init(&heap, calloc(1, heap_bytes(capacity)), capacity);
    return heap;
}

Test(heap, earliest_first_and_ties_by_id)
{
    struct heap heap = heap_make(5);
    uint32_t id;
    cr_assert_eq(heap_first(&heap, &id), NS_NEVER);
    cr_assert_eq(id, HEAP_ABSENT);
    heap_set(&heap, 4, 70);
    heap_set(&heap, 2, 50);
    heap_set(&heap, 3, 50);
    heap_set(&heap, 0, 50);
    static const uint32_t expected[] = {0, 2, 3, 4};
    for (size_t i = 0; i < HF_COUNT(expected); i++) {
        cr_assert_eq(heap_first(&heap, &id), i < 3 ? 50 : 70);
        cr_assert_eq(id, expected[i]);
        heap_set(&heap, id, NS_NEVER);
        heap_set(&heap, id, NS_NEVER); /* absent ids are fine */
    }
    cr_assert_eq(heap.count, 0);
    free(heap.deadline);
}

Test(heap, deadlines_move_both_ways)
{
    struct heap heap = heap_make(3);
    uint32_t id;
    heap_set(&heap, 0, 10);
    heap_set(&heap, 1, 20);
    heap_set(&heap, 2, 30);
    heap_set(&heap, 0, 25);
    cr_assert(heap_first(&heap, &id) == 20 && id == 1);
    heap_set(&heap, 2, 0);
    cr_assert(heap_first(&heap, &id) == 0 && id == 2);
    heap_set(&heap, 2, NS_NEVER - 1);
    heap_set(&heap, 1, NS_NEVER);
    cr_assert(heap_first(&heap, &id) == 25 && id == 0);
    cr_assert_eq(heap.count, 2);
    free(heap.deadline);
}

enum { IDS = 61 };

static ns_t model_first(const ns_t deadlines[IDS], uint32_t *ret_id)
{
    ns_t first = NS_NEVER;
    *ret_id = HEAP_ABSENT;
    for (uint32_t id = 0; id < IDS; id++) {
        if (deadlines[id] < first) {
            first = deadlines[id];
            *ret_id = id;
        }
    }
    return first;
}

Test(heap, like_the_model)
{
    struct heap heap = heap_make(IDS);
    ns_t model[IDS];
    uint64_t seed = 2;
    for (uint32_t id = 0; id < IDS; id++) {
        model[id] = NS_NEVER;
    }
    for (int step = 0; step < 200000; step++) {
        uint64_t random = random_next(&seed);
        uint32_t id = (uint32_t)(random >> 32) % IDS, first, model_id;
        /* Few different deadlines, so that ties are common; phases of growing and of shrinking. */
        bool removes = random % 8 < (step / 500 % 2 == 0 ? 2 : 6);
        ns_t deadline = removes ? NS_NEVER : random >> 8 & 31;
        heap_set(&heap, id, deadline);
        model[id] = deadline;
        cr_assert_eq(heap_first(&heap, &first), model_first(model, &model_id), "step %d", step);
        cr_assert_eq(first, model_id, "step %d", step);
    }
    free(heap.deadline);
}

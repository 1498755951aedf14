/* Packets that wait: in order, within their memory, whatever is removed in between. */
#include "edge/daemon/held.h"

#include "tests/lib/rand.h"

#include <criterion/criterion.h>
#include <string.h>

enum { RING_BYTES = 4096, ROUNDS = 20000, MODEL_MAX = 256 };

struct model {
    uint32_t number[MODEL_MAX], len[MODEL_MAX], count;
};

static void model_remove(struct model *model, uint32_t at)
{
    model->count--;
    memmove(&model->number[at], &model->number[at + 1], (model->count - at) * sizeof(uint32_t));
    memmove(&model->len[at], &model->len[at + 1], (model->count - at) * sizeof(uint32_t));
}

static void check_all(const struct held *held, const struct model *model)
{
    const struct held_entry *entry;
    uint32_t cursor = 0, at = 0;

    for (; (entry = held_next(held, &cursor)) != NULL; at++) {
        cr_assert_lt(at, model->count);
        cr_assert_eq(entry->shard, model->number[at]);
        cr_assert_eq(entry->len, model->len[at]);
        for (uint32_t i = 0; i < entry->len; i++) {
            cr_assert_eq(entry->bytes[i], (uint8_t)(entry->shard + i));
        }
    }
    cr_assert_eq(at, model->count);
    cr_assert_eq(held->count, model->count);
}

static bool add_one(struct held *held, struct model *model, uint32_t number, uint32_t len)
{
    struct held_entry *entry = model->count == MODEL_MAX ? NULL : held_add(held, number, len, number);
    if (entry == NULL) {
        return false;
    }
    cr_assert((uintptr_t)entry->bytes % HELD_ALIGN == 0 && entry->bytes + len <= held->bytes + held->size);
    for (uint32_t i = 0; i < len; i++) {
        entry->bytes[i] = (uint8_t)(number + i);
    }
    model->number[model->count] = number;
    model->len[model->count++] = len;
    return true;
}

static void remove_one(struct held *held, struct model *model, uint32_t at)
{
    struct held_entry *entry = NULL;
    uint32_t cursor = 0;

    for (uint32_t i = 0; i <= at; i++) {
        entry = held_next(held, &cursor);
    }
    cr_assert_not_null(entry);
    held_remove(held, entry);
    held_trim(held);
    model_remove(model, at);
}

Test(held, as_a_list_would)
{
    static _Alignas(16) uint8_t memory[RING_BYTES];
    static struct model model;
    struct held held;
    struct sim_rand rand = sim_rand_of(7);
    uint32_t refused = 0;

    held_init(&held, memory, sizeof(memory));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t dice = sim_rand_next(&rand);
        if (dice % 5 < 3) {
            refused += !add_one(&held, &model, round, 1 + (uint32_t)(dice >> 8) % 600);
        } else if (model.count > 0) {
            remove_one(&held, &model, dice % 2 == 0 ? 0 : (uint32_t)(dice >> 8) % model.count);
        }
        check_all(&held, &model);
    }
    cr_assert_gt(refused, 100);
    cr_assert_lt(refused, ROUNDS / 2);
    while (model.count > 0) {
        remove_one(&held, &model, model.count - 1);
    }
    cr_assert_eq(held.used, 0);
    cr_assert_null(held_add(&held, 1, RING_BYTES, 0), "what is too large is refused");
    cr_assert(add_one(&held, &model, 1, RING_BYTES / 2), "and there is room again");
}

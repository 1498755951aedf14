#include "edge/base/slab.h"

#include "tests/unit/base/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct slab slab_make(uint32_t shard_count, uint32_t per_shard)
{
    struct slab slab;
    slab_init(&slab, calloc(1, slab_bytes(shard_count, per_shard)), shard_count, per_shard, 0);
    return slab;
}

Test(slab, shards_are_separate)
{
    struct slab slab = slab_make(3, 4);
    cr_assert_eq(slab_capacity(&slab), 12);
    for (uint32_t index = 0; index < 4; index++) {
        uint32_t slot = slab_take(&slab, 1);
        cr_assert_eq(slot, slab_slot(&slab, 1, index), "lowest index first");
        cr_assert_eq(slab_position(&slab, slot), 1);
        cr_assert_eq(slab_index(&slab, slot), index);
        cr_assert(slab_is_used(&slab, slot));
        cr_assert_eq(slab.generation[slot], 1);
    }
    cr_assert_eq(slab_take(&slab, 1), SLAB_NONE, "this shard is full");
    cr_assert_neq(slab_take(&slab, 0), SLAB_NONE, "the next is not");
    cr_assert(slab.used == 5 && slab.used_in[0] == 1 && slab.used_in[1] == 4 && slab.used_in[2] == 0);
    free(slab.next);
}

/* An SPI from a peer carries any position and index. */
Test(slab, lookups_out_of_range)
{
    struct slab slab = slab_make(3, 4);
    cr_assert_eq(slab_slot(&slab, 3, 0), SLAB_NONE);
    cr_assert_eq(slab_slot(&slab, 0, 4), SLAB_NONE);
    cr_assert_eq(slab_slot(&slab, UINT32_MAX, UINT32_MAX), SLAB_NONE);
    cr_assert(!slab_is_used(&slab, SLAB_NONE) && !slab_is_used(&slab, SLAB_USED) && !slab_is_used(&slab, 12));
    cr_assert(!slab_take_at(&slab, 12, 0) && !slab_take_at(&slab, SLAB_NONE, 0));
    free(slab.next);

    struct slab empty = slab_make(2, 0);
    cr_assert_eq(slab_take(&empty, 1), SLAB_NONE);
    free(empty.next);
}

Test(slab, freed_longest_ago_is_used_next)
{
    struct slab slab = slab_make(2, 4);
    uint32_t slots[4];
    for (uint32_t i = 0; i < 4; i++) {
        slots[i] = slab_take(&slab, 0);
    }
    static const uint32_t order[] = {2, 0, 3, 1};
    for (uint32_t i = 0; i < 4; i++) {
        slab_free(&slab, slots[order[i]]);
    }
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t slot = slab_take(&slab, 0);
        cr_assert_eq(slot, slots[order[i]]);
        cr_assert_eq(slab.generation[slot], 2);
    }
    free(slab.next);
}

Test(slab, take_at)
{
    static const uint32_t wanted[] = {0, 3, 1}; /* the head of the list, its tail, its middle */
    struct slab slab = slab_make(2, 4);
    for (uint32_t i = 0; i < HF_COUNT(wanted); i++) {
        uint32_t slot = slab_slot(&slab, 1, wanted[i]);
        cr_assert(slab_take_at(&slab, slot, (uint8_t)(200 + i)));
        cr_assert(slab_is_used(&slab, slot));
        cr_assert_eq(slab.generation[slot], 200 + i, "as the stored session says");
        cr_assert(!slab_take_at(&slab, slot, 1), "twice");
    }
    cr_assert_eq(slab_take(&slab, 1), slab_slot(&slab, 1, 2), "the one that is left");
    cr_assert_eq(slab_take(&slab, 1), SLAB_NONE);
    slab_free(&slab, slab_slot(&slab, 1, 3));
    cr_assert_eq(slab_take(&slab, 1), slab_slot(&slab, 1, 3));
    cr_assert_eq(slab.generation[slab_slot(&slab, 1, 3)], 202);
    free(slab.next);
}

Test(slab, generation_wraps)
{
    struct slab slab = slab_make(1, 1);
    cr_assert(slab_take_at(&slab, 0, 254));
    static const uint8_t expected[] = {255, 0, 1};
    for (size_t i = 0; i < HF_COUNT(expected); i++) {
        slab_free(&slab, 0);
        cr_assert_eq(slab_take(&slab, 0), 0);
        cr_assert_eq(slab.generation[0], expected[i]);
    }
    free(slab.next);
}

enum { SHARDS = 4, PER_SHARD = 16, SLOTS = SHARDS * PER_SHARD };

/* What the slab must do, said naively: a slot's age is the time of its last free. */
struct model {
    bool used[SLOTS];
    uint64_t freed_at[SLOTS];
    uint64_t time;
};

static uint32_t model_oldest(const struct model *model, uint32_t position)
{
    uint32_t oldest = SLAB_NONE;
    for (uint32_t slot = position; slot < SLOTS; slot += SHARDS) {
        if (!model->used[slot] && (oldest == SLAB_NONE || model->freed_at[slot] < model->freed_at[oldest])) {
            oldest = slot;
        }
    }
    return oldest;
}

Test(slab, like_the_model)
{
    struct slab slab = slab_make(SHARDS, PER_SHARD);
    struct model model = {.time = SLOTS};
    uint64_t seed = 1;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        model.freed_at[slot] = slot;
    }
    for (int step = 0; step < 100000; step++) {
        uint64_t random = random_next(&seed);
        uint32_t slot = (uint32_t)(random >> 8) % SLOTS;
        if (random % 4 == 0) {
            cr_assert_eq(slab_take_at(&slab, slot, 0), !model.used[slot]);
            model.used[slot] = true;
        } else if (random % 4 == 1) {
            slot = model_oldest(&model, slot % SHARDS);
            cr_assert_eq(slab_take(&slab, (uint32_t)(random >> 8) % SLOTS % SHARDS), slot);
            if (slot != SLAB_NONE) {
                model.used[slot] = true;
            }
        } else if (model.used[slot]) {
            slab_free(&slab, slot);
            model.used[slot] = false;
            model.freed_at[slot] = model.time++;
        }
    }
    uint32_t used = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        cr_assert_eq(slab_is_used(&slab, slot), model.used[slot]);
        used += model.used[slot];
    }
    cr_assert_eq(slab.used, used);
    free(slab.next);
}

/* Whatever the first slot, every slot is handed out once, from that one on. */
Test(slab, starts_anywhere)
{
    for (uint32_t first = 0; first < 12; first++) {
        struct slab slab;
        void *memory = calloc(1, slab_bytes(3, 5));
        slab_init(&slab, memory, 3, 5, first);
        for (uint32_t i = 0; i < 5; i++) {
            uint32_t slot = slab_take(&slab, 1);
            cr_expect_eq(slab_index(&slab, slot), (first + i) % 5, "first %u, take %u", first, i);
            cr_expect_eq(slab_position(&slab, slot), 1);
        }
        cr_expect_eq(slab_take(&slab, 1), SLAB_NONE);
        free(memory);
    }
}

/* Sessions that come and go: a freed slot rests, and yet few slots are ever touched. */
Test(slab, rests_and_stays_sparse)
{
    enum { MANY = 1000, STEPS = 5000 };
    struct slab slab = slab_make(2, MANY);
    uint32_t freed_at[2 * MANY] = {0}, touched = 0;
    for (uint32_t step = 1; step <= STEPS; step++) {
        uint32_t slot = slab_take(&slab, 1);
        cr_assert_neq(slot, SLAB_NONE);
        cr_assert(freed_at[slot] == 0 || step - freed_at[slot] > SLAB_REST);
        touched += freed_at[slot] == 0;
        freed_at[slot] = step;
        slab_free(&slab, slot);
    }
    cr_expect_leq(touched, SLAB_REST + 1);
    free(slab.next);
}

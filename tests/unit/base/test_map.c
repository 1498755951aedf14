#include "edge/base/map.h"

#include "tests/unit/base/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct map map_make(uint32_t limit)
{
    struct map map;
    map_init(&map, calloc(1, map_bytes(limit)), limit);
    return map;
}

Test(map, put_get_remove)
{
    struct map map = map_make(4);
    static const uint64_t keys[] = {0, 1, UINT64_MAX, UINT64_C(1) << 63}; /* no key is special */
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(map_get(&map, keys[i]), MAP_NONE);
        cr_assert(map_put(&map, keys[i], i));
        cr_assert_eq(map_get(&map, keys[i]), i);
    }
    cr_assert(map_put(&map, keys[2], 77), "overwriting needs no room");
    cr_assert_eq(map_get(&map, keys[2]), 77);
    cr_assert_eq(map.count, 4);
    cr_assert(!map_put(&map, 5, 5), "full");
    cr_assert_eq(map_get(&map, 5), MAP_NONE);
    map_remove(&map, 5);
    cr_assert_eq(map.count, 4);
    map_remove(&map, 0);
    cr_assert_eq(map_get(&map, 0), MAP_NONE);
    cr_assert(map_put(&map, 5, 5), "room again");
    free(map.keys);

    struct map none = map_make(0);
    cr_assert(!map_put(&none, 1, 1));
    cr_assert_eq(map_get(&none, 1), MAP_NONE);
    map_remove(&none, 1);
    free(none.keys);
}

enum { KEYS = 48, LIMIT = 32 };

/* Small tables and few keys: runs collide, wrap around the end and are closed by deletions all the time. */
static void compare_to_model(uint64_t seed, uint64_t key_step)
{
    struct map map = map_make(LIMIT);
    uint32_t model[KEYS], count = 0;
    uint64_t base = random_next(&seed);
    for (uint32_t k = 0; k < KEYS; k++) {
        model[k] = MAP_NONE;
    }
    for (int step = 0; step < 4000; step++) {
        uint64_t random = random_next(&seed);
        uint32_t k = (uint32_t)(random >> 40) % KEYS, value = (uint32_t)random & 0xffff;
        if (random >> 32 & 1) {
            bool fits = model[k] != MAP_NONE || count < LIMIT;
            cr_assert_eq(map_put(&map, base + k * key_step, value), fits);
            count += fits && model[k] == MAP_NONE;
            model[k] = fits ? value : model[k];
        } else {
            map_remove(&map, base + k * key_step);
            count -= model[k] != MAP_NONE;
            model[k] = MAP_NONE;
        }
        cr_assert_eq(map.count, count);
        for (uint32_t i = 0; i < KEYS; i++) {
            cr_assert(map_get(&map, base + i * key_step) == model[i], "step %d", step);
        }
    }
    free(map.keys);
}

Test(map, like_the_model)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        compare_to_model(seed, 1);
        compare_to_model(seed, UINT64_C(1) << 32);
        compare_to_model(seed, UINT64_C(0x123456789abcdef1));
    }
}

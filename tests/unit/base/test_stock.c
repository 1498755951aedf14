#include "edge/base/stock.h"

#include "tests/unit/base/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { CAPACITY = 50, SMALL = 20, LARGE = 100 };

static bool holds(const uint8_t *memory, size_t len, uint8_t byte)
{
    return memchr(memory, byte, len) != NULL;
}

/* Any mixture of sizes fits, places do not overlap, and what is given back is wiped and used first. */
Test(stock, takes_and_gives)
{
    size_t bytes = stock_bytes(SMALL, LARGE, CAPACITY);
    uint8_t *memory = malloc(bytes), *places[CAPACITY];
    size_t lens[CAPACITY];
    struct stock stock;
    uint64_t seed = 7;

    memset(memory, 0xee, bytes);
    stock_init(&stock, memory, SMALL, LARGE, CAPACITY);
    for (int round = 0; round < 100; round++) {
        for (uint32_t i = 0; i < CAPACITY; i++) {
            lens[i] = 1 + random_next(&seed) % LARGE;
            places[i] = stock_take(&stock, lens[i]);
            cr_assert_not_null(places[i]);
            cr_assert_eq((uintptr_t)places[i] % 8, 0);
            memset(places[i], (int)(i + 1), lens[i]);
        }
        cr_assert_null(stock_take(&stock, 1), "all are taken");
        for (uint32_t i = 0; i < CAPACITY; i++) {
            for (size_t at = 0; at < lens[i]; at++) {
                cr_assert_eq(places[i][at], i + 1);
            }
            stock_give(&stock, places[i]);
        }
        cr_assert_eq(stock.used, 0);
    }
    void *place = stock_take(&stock, LARGE);
    memset(place, 0x5a, LARGE);
    stock_give(&stock, place);
    cr_expect(!holds(place, LARGE, 0x5a), "wiped");
    cr_expect_eq(stock_take(&stock, LARGE), place, "what was used last is used first");
    memset(place, 0x5a, LARGE);
    stock_wipe(&stock);
    cr_expect(!holds(memory, bytes, 0x5a));
    stock_give(&stock, NULL);
    free(memory);
}

/* Memory that was never needed is never touched. */
Test(stock, is_sparse)
{
    size_t bytes = stock_bytes(SMALL, LARGE, CAPACITY), touched = 0;
    uint8_t *memory = calloc(1, bytes);
    struct stock stock;

    stock_init(&stock, memory, SMALL, LARGE, CAPACITY);
    for (int i = 0; i < 1000; i++) {
        void *one = stock_take(&stock, SMALL), *other = stock_take(&stock, LARGE);
        memset(one, 1, SMALL);
        memset(other, 1, LARGE);
        stock_give(&stock, one);
        stock_give(&stock, other);
    }
    for (size_t at = 0; at < bytes; at++) {
        touched += memory[at] != 0;
    }
    cr_expect_leq(touched, 2 * sizeof(void *), "%zu bytes, but for the free lists", touched);
    free(memory);
}

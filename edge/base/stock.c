#include "edge/base/stock.h"

#include "edge/base/secret.h"

static size_t aligned(size_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

size_t stock_bytes(size_t small, size_t large, uint32_t capacity)
{
    return (aligned(small) + aligned(large)) * capacity;
}

void stock_init(struct stock *stock, void *memory, size_t small, size_t large, uint32_t capacity)
{
    hf_assert(small >= sizeof(void *) && large > small);
    *stock = (struct stock){
        .small = {.places = memory, .bytes = aligned(small)},
        .large = {.places = (uint8_t *)memory + aligned(small) * capacity, .bytes = aligned(large)},
        .capacity = capacity,
    };
}

void *stock_take(struct stock *stock, size_t bytes)
{
    struct stock_size *size = bytes <= stock->small.bytes ? &stock->small : &stock->large;
    hf_assert(bytes <= size->bytes);
    if (stock->used == stock->capacity) {
        return NULL;
    }
    stock->used++;
    void *place = size->free;
    if (place == NULL) {
        return size->places + size->bytes * size->fresh++;
    }
    memcpy(&size->free, place, sizeof(size->free));
    return place;
}

void stock_give(struct stock *stock, void *place)
{
    if (place == NULL) {
        return;
    }
    struct stock_size *size = (uint8_t *)place < stock->large.places ? &stock->small : &stock->large;
    size_t offset = (size_t)((uint8_t *)place - size->places);
    hf_assert(stock->used > 0 && offset % size->bytes == 0 && offset / size->bytes < size->fresh);
    secret_wipe(place, size->bytes);
    memcpy(place, &size->free, sizeof(size->free));
    size->free = place;
    stock->used--;
}

void stock_wipe(struct stock *stock)
{
    secret_wipe(stock->small.places, stock->small.bytes * stock->small.fresh);
    secret_wipe(stock->large.places, stock->large.bytes * stock->large.fresh);
}

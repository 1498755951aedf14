/* A fixed number of things of two sizes: most are small, all may be large. Each size has room for all, in
 * memory that is not touched before it is needed; what was used before is used first. */
#pragma once

#include "edge/base/compiler.h"

struct stock_size {
    uint8_t *places;
    size_t bytes;   /* of a place */
    uint32_t fresh; /* places from here on have never been touched */
    void *free;     /* a place given back; it begins with the address of the next one */
};

struct stock {
    struct stock_size small, large;
    uint32_t capacity; /* of each size */
    uint32_t used;
};

/* Bytes of memory for `capacity` things of up to `large` bytes, many of them of up to `small`. */
size_t stock_bytes(size_t small, size_t large, uint32_t capacity);
/* `memory` (aligned to 8) belongs to the caller and outlives the stock. None of it is written here. */
void stock_init(struct stock *stock, void *memory, size_t small, size_t large, uint32_t capacity);
/* A place for `bytes`, at most `large` (asserted), aligned to 8, with anything in it; NULL when `capacity`
 * places are taken. */
HF_MUST void *stock_take(struct stock *stock, size_t bytes);
/* Wipes it. NULL is fine. */
void stock_give(struct stock *stock, void *place);
/* Wipes all that was ever used. */
void stock_wipe(struct stock *stock);

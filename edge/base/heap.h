/* Timer heap of fixed size: one deadline per id (0..capacity-1), the earliest first, ties by id so that
 * runs repeat. */
#pragma once

#include "edge/base/compiler.h"

struct heap {
    ns_t *deadline;     /* per id, of those present */
    uint32_t *position; /* per id: place in `order` + 1; 0 when absent */
    uint32_t *order;    /* ids as a binary heap */
    uint32_t count;
    uint32_t capacity;
};

#define HEAP_ABSENT UINT32_MAX

/* Bytes of memory heap_init() needs, a multiple of 8. */
size_t heap_bytes(uint32_t capacity);
/* `memory` (aligned to 8) is zero, belongs to the caller and outlives the heap. None of it is written here.
 */
void heap_init(struct heap *heap, void *memory, uint32_t capacity);
/* Sets or moves the deadline of an id (below capacity, asserted); NS_NEVER removes it, absent or not. */
void heap_set(struct heap *heap, uint32_t id, ns_t deadline);
/* The earliest deadline, NS_NEVER when empty; `ret_id` gets its id, HEAP_ABSENT when empty. The entry
 * stays. */
ns_t heap_first(const struct heap *heap, uint32_t *ret_id);

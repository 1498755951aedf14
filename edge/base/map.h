/* Hash map of fixed size from a 64-bit key to a 32-bit value: open addressing, linear probing, deletion by
 * backward shift. Keys should already be unpredictable to peers (hash them with a secret key if a peer
 * chooses them). */
#pragma once

#include "edge/base/compiler.h"

#define MAP_NONE UINT32_MAX

struct map {
    uint64_t *keys;
    uint32_t *cells; /* the values' complements; 0 marks an empty cell, so that nothing is touched at first */
    uint32_t mask;
    uint32_t count;
    uint32_t limit;
};

/* Bytes of memory (aligned to 8) for up to `limit` entries, at most 2^30; a multiple of 8. */
size_t map_bytes(uint32_t limit);
/* `memory` is zero, belongs to the caller and outlives the map. None of it is written here. */
void map_init(struct map *map, void *memory, uint32_t limit);
/* Inserts or overwrites; false when the key is new and `limit` entries are in it. The value is not
 * MAP_NONE (asserted). */
HF_MUST bool map_put(struct map *map, uint64_t key, uint32_t value);
uint32_t map_get(const struct map *map, uint64_t key); /* MAP_NONE when absent */
void map_remove(struct map *map, uint64_t key);        /* absent keys are fine */

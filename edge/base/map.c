#include "edge/base/map.h"

/* A power of two, at least twice the limit: probe runs stay short, and every search meets an empty cell. */
static uint32_t map_cells(uint32_t limit)
{
    hf_assert(limit <= UINT32_C(1) << 30);
    uint32_t cells = 1;
    while (cells < 2 * limit) {
        cells *= 2;
    }
    return cells;
}

size_t map_bytes(uint32_t limit)
{
    size_t bytes = (size_t)map_cells(limit) * (sizeof(uint64_t) + sizeof(uint32_t));
    return (bytes + 7) / 8 * 8; /* so that the next table can follow */
}

void map_init(struct map *map, void *memory, uint32_t limit)
{
    uint32_t cells = map_cells(limit);
    uint64_t *keys = memory;
    *map = (struct map){.keys = keys, .cells = (uint32_t *)(keys + cells), .mask = cells - 1, .limit = limit};
}

/* Where the search for a key begins. Mixed, so that keys that differ in a few bits only (counters, SPIs of
 * one shard) do not crowd; this is no defence against keys chosen by a peer. */
static uint32_t key_home(const struct map *map, uint64_t key)
{
    uint64_t mixed = (key ^ key >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 32) & map->mask;
}

/* The key's cell, or the empty cell where it would go. */
static uint32_t key_cell(const struct map *map, uint64_t key)
{
    uint32_t i = key_home(map, key);
    while (map->cells[i] != 0 && map->keys[i] != key) {
        i = (i + 1) & map->mask;
    }
    return i;
}

bool map_put(struct map *map, uint64_t key, uint32_t value)
{
    hf_assert(value != MAP_NONE);
    uint32_t i = key_cell(map, key);
    if (map->cells[i] == 0) {
        if (map->count >= map->limit) {
            return false;
        }
        map->count++;
        map->keys[i] = key;
    }
    map->cells[i] = ~value;
    return true;
}

uint32_t map_get(const struct map *map, uint64_t key)
{
    return ~map->cells[key_cell(map, key)];
}

void map_remove(struct map *map, uint64_t key)
{
    uint32_t hole = key_cell(map, key);
    if (map->cells[hole] == 0) {
        return;
    }
    map->count--;
    /* Entries behind the hole move into it unless that would put them before their home. */
    for (uint32_t i = (hole + 1) & map->mask; map->cells[i] != 0; i = (i + 1) & map->mask) {
        uint32_t from_home = (i - key_home(map, map->keys[i])) & map->mask;
        uint32_t from_hole = (i - hole) & map->mask;
        if (from_home >= from_hole) {
            map->keys[hole] = map->keys[i];
            map->cells[hole] = map->cells[i];
            hole = i;
        }
    }
    map->cells[hole] = 0;
}

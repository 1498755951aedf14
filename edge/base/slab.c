#include "edge/base/slab.h"

enum { SHARD_ARRAYS = 3 }; /* head, tail, used_in */

size_t slab_bytes(uint32_t shard_count, uint32_t per_shard)
{
    size_t slots = (size_t)shard_count * per_shard;
    hf_assert(slots < SLAB_USED);
    size_t per_slot = 2 * sizeof(uint32_t) + sizeof(uint8_t);
    size_t bytes = slots * per_slot + (size_t)shard_count * SHARD_ARRAYS * sizeof(uint32_t);
    return (bytes + 7) / 8 * 8; /* so that the next table can follow */
}

void slab_init(struct slab *slab, void *memory, uint32_t shard_count, uint32_t per_shard, uint32_t first)
{
    size_t slots = (size_t)shard_count * per_shard;
    hf_assert(slots < SLAB_USED);
    uint32_t *words = memory;
    *slab = (struct slab){
        .next = words,
        .prev = words + slots,
        .head = words + 2 * slots,
        .tail = words + 2 * slots + shard_count,
        .used_in = words + 2 * slots + 2 * (size_t)shard_count,
        .generation = (uint8_t *)(words + 2 * slots + SHARD_ARRAYS * (size_t)shard_count),
        .shard_count = shard_count,
        .per_shard = per_shard,
    };
    first = per_shard == 0 ? 0 : first % per_shard;
    uint32_t last = per_shard == 0 ? 0 : (first + per_shard - 1) % per_shard;
    for (uint32_t position = 0; position < shard_count; position++) {
        slab->head[position] = slab_slot(slab, position, first);
        slab->tail[position] = slab_slot(slab, position, last);
        slab->used_in[position] = 0;
    }
    for (uint32_t slot = 0; slot < slots; slot++) {
        uint32_t position = slab_position(slab, slot), index = slab_index(slab, slot);
        slab->next[slot] = index == last ? SLAB_NONE : slab_slot(slab, position, (index + 1) % per_shard);
        slab->prev[slot] =
            index == first ? SLAB_NONE : slab_slot(slab, position, (index + per_shard - 1) % per_shard);
        slab->generation[slot] = 0;
    }
}

/* Takes a free slot out of its shard's list. */
static void slot_unlink(struct slab *slab, uint32_t slot)
{
    uint32_t position = slab_position(slab, slot);
    uint32_t next = slab->next[slot];
    uint32_t prev = slab->prev[slot];
    *(next == SLAB_NONE ? &slab->tail[position] : &slab->prev[next]) = prev;
    *(prev == SLAB_NONE ? &slab->head[position] : &slab->next[prev]) = next;
    slab->next[slot] = SLAB_USED;
    slab->prev[slot] = SLAB_USED;
    slab->used_in[position]++;
    slab->used++;
}

uint32_t slab_take(struct slab *slab, uint32_t position)
{
    hf_assert(position < slab->shard_count);
    uint32_t slot = slab->head[position];
    if (slot != SLAB_NONE) {
        slot_unlink(slab, slot);
        slab->generation[slot]++;
    }
    return slot;
}

bool slab_take_at(struct slab *slab, uint32_t slot, uint8_t generation)
{
    if (slot >= slab_capacity(slab) || slab_is_used(slab, slot)) {
        return false;
    }
    slot_unlink(slab, slot);
    slab->generation[slot] = generation;
    return true;
}

void slab_free(struct slab *slab, uint32_t slot)
{
    hf_assert(slab_is_used(slab, slot));
    uint32_t position = slab_position(slab, slot);
    uint32_t last = slab->tail[position];
    slab->next[slot] = SLAB_NONE;
    slab->prev[slot] = last;
    *(last == SLAB_NONE ? &slab->head[position] : &slab->next[last]) = slot;
    slab->tail[position] = slot;
    slab->used_in[position]--;
    slab->used--;
}

bool slab_is_used(const struct slab *slab, uint32_t slot)
{
    return slot < slab_capacity(slab) && slab->next[slot] == SLAB_USED;
}

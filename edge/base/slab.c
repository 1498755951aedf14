#include "edge/base/slab.h"

enum { SHARD_ARRAYS = 5 }; /* head, tail, used_in, resting, fresh */

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
    hf_assert(slots < SLAB_USED - 1);
    uint32_t *words = memory;
    uint32_t *shards = words + 2 * slots;
    *slab = (struct slab){
        .next = words,
        .prev = words + slots,
        .head = shards,
        .tail = shards + shard_count,
        .used_in = shards + 2 * (size_t)shard_count,
        .resting = shards + 3 * (size_t)shard_count,
        .fresh = shards + 4 * (size_t)shard_count,
        .generation = (uint8_t *)(shards + SHARD_ARRAYS * (size_t)shard_count),
        .shard_count = shard_count,
        .per_shard = per_shard,
        .first = per_shard == 0 ? 0 : first % per_shard,
    };
    for (uint32_t position = 0; position < shard_count; position++) {
        slab->head[position] = slab->tail[position] = SLAB_NONE;
    }
}

/* Lists hold slot + 1, so that 0 says that a slot was never in one. */
static uint32_t link_of(uint32_t slot)
{
    return slot == SLAB_NONE ? SLAB_NONE : slot + 1;
}

static uint32_t slot_of(uint32_t link)
{
    return link == SLAB_NONE ? SLAB_NONE : link - 1;
}

static void resting_unlink(struct slab *slab, uint32_t slot)
{
    uint32_t position = slab_position(slab, slot);
    uint32_t next = slot_of(slab->next[slot]);
    uint32_t prev = slot_of(slab->prev[slot]);
    if (next == SLAB_NONE) {
        slab->tail[position] = prev;
    } else {
        slab->prev[next] = link_of(prev);
    }
    if (prev == SLAB_NONE) {
        slab->head[position] = next;
    } else {
        slab->next[prev] = link_of(next);
    }
    slab->resting[position]--;
}

static void slot_take(struct slab *slab, uint32_t slot)
{
    if (slab->next[slot] != 0) {
        resting_unlink(slab, slot);
    }
    slab->next[slot] = SLAB_USED;
    slab->used_in[slab_position(slab, slot)]++;
    slab->used++;
}

/* The next slot that was never used, SLAB_NONE when all were. */
static uint32_t fresh_find(struct slab *slab, uint32_t position)
{
    uint32_t *fresh = &slab->fresh[position];
    while (*fresh < slab->per_shard) {
        uint32_t index = (uint32_t)(((uint64_t)slab->first + *fresh) % slab->per_shard);
        uint32_t slot = slab_slot(slab, position, index);
        if (slab->next[slot] == 0) {
            return slot;
        }
        ++*fresh;
    }
    return SLAB_NONE;
}

uint32_t slab_take(struct slab *slab, uint32_t position)
{
    hf_assert(position < slab->shard_count);
    uint32_t slot = slab->resting[position] > SLAB_REST ? SLAB_NONE : fresh_find(slab, position);
    slot = slot == SLAB_NONE ? slab->head[position] : slot;
    if (slot != SLAB_NONE) {
        slot_take(slab, slot);
        slab->generation[slot]++;
    }
    return slot;
}

bool slab_take_at(struct slab *slab, uint32_t slot, uint8_t generation)
{
    if (slot >= slab_capacity(slab) || slab_is_used(slab, slot)) {
        return false;
    }
    slot_take(slab, slot);
    slab->generation[slot] = generation;
    return true;
}

void slab_free(struct slab *slab, uint32_t slot)
{
    hf_assert(slab_is_used(slab, slot));
    uint32_t position = slab_position(slab, slot);
    uint32_t last = slab->tail[position];
    slab->next[slot] = SLAB_NONE;
    slab->prev[slot] = link_of(last);
    if (last == SLAB_NONE) {
        slab->head[position] = slot;
    } else {
        slab->next[last] = link_of(slot);
    }
    slab->tail[position] = slot;
    slab->resting[position]++;
    slab->used_in[position]--;
    slab->used--;
}

bool slab_is_used(const struct slab *slab, uint32_t slot)
{
    return slot < slab_capacity(slab) && slab->next[slot] == SLAB_USED;
}

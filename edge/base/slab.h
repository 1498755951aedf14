/* Which slots of a table of fixed size are in use. Slots are grouped by shard, because the shard is what
 * has an owner: slot = index * shard_count + shard position. So an SPI that carries (shard, index) leads
 * straight to its slot, and the same SPI keeps leading there when the number of workers changes. Within a
 * shard the slot freed longest ago is used next, once SLAB_REST are free that were used before: until then a
 * slot that was never used, so that a freed one rests, and yet memory that was never touched stays so. */
#pragma once

#include "edge/base/compiler.h"

#define SLAB_NONE UINT32_MAX
#define SLAB_USED (UINT32_MAX - 1) /* in `next` of a taken slot; capacities stay below it */
#define SLAB_REST 64               /* per shard */

struct slab {
    uint32_t
        *next; /* per slot: next free slot + 1, SLAB_NONE; SLAB_USED while taken, 0 before its first use */
    uint32_t *prev;       /* per slot: the free slot before + 1, so that slab_take_at() need not search */
    uint8_t *generation;  /* per slot: counts its uses modulo 256, for IKE SPIs; 1 in the first use */
    uint32_t *head;       /* per shard position: the slot freed longest ago */
    uint32_t *tail;       /* per shard position: the slot freed last */
    uint32_t *used_in;    /* per shard position: slots taken */
    uint32_t *resting;    /* per shard position: slots freed and not taken again */
    uint32_t *fresh;      /* per shard position: steps from `first` to where never used ones are looked for */
    uint32_t shard_count; /* shard positions */
    uint32_t per_shard;   /* slots of one shard */
    uint32_t first;       /* index that is used first */
    uint32_t used;
};

/* Bytes of memory slab_init() needs, a multiple of 8. */
size_t slab_bytes(uint32_t shard_count, uint32_t per_shard);
/* `memory` (aligned to 8) is zero, belongs to the caller and outlives the slab. Nothing per slot is written.
 */
/* Within each shard the slot of index `first` (modulo per_shard) is used first: a random one after a restart
 * keeps an SPI that was in use a moment ago from meaning something else at once. */
void slab_init(struct slab *slab, void *memory, uint32_t shard_count, uint32_t per_shard, uint32_t first);
/* A free slot of the shard position, its generation counted up, or SLAB_NONE. */
HF_MUST uint32_t slab_take(struct slab *slab, uint32_t position);
/* Takes one certain slot (a session read back from the store); false when it is in use or out of range. */
HF_MUST bool slab_take_at(struct slab *slab, uint32_t slot, uint8_t generation);
/* The slot must be in use (asserted). It goes to the end of its shard's list. */
void slab_free(struct slab *slab, uint32_t slot);
/* False for slots out of range, SLAB_NONE too: what slab_slot() says about an SPI from a peer may be asked
 * as it is. */
bool slab_is_used(const struct slab *slab, uint32_t slot);

static inline uint32_t slab_capacity(const struct slab *slab)
{
    return slab->shard_count * slab->per_shard;
}

static inline uint32_t slab_slot(const struct slab *slab, uint32_t position, uint32_t index)
{
    bool fits = position < slab->shard_count && index < slab->per_shard;
    return fits ? index * slab->shard_count + position : SLAB_NONE;
}

static inline uint32_t slab_index(const struct slab *slab, uint32_t slot)
{
    return slot / slab->shard_count;
}

static inline uint32_t slab_position(const struct slab *slab, uint32_t slot)
{
    return slot % slab->shard_count;
}

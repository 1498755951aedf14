/* Packets that wait for a shard that is on its way: in the order in which they came, in memory of a fixed
 * size. One thread's alone. */
#pragma once

#include "edge/base/env.h"
#include "edge/base/limits.h"

struct held_entry {
    uint32_t room;  /* bytes in the ring, with this header; a multiple of HELD_ALIGN */
    uint32_t len;   /* of the packet behind it; 0: nothing any more */
    uint32_t shard; /* as the host numbers them */
    uint32_t pad;
    ns_t since;
    ns_t look; /* not worth a look before */
    _Alignas(16) uint8_t bytes[];
};

enum { HELD_ALIGN = 16 };

struct held {
    uint8_t *bytes;
    uint32_t size;
    uint32_t head, used; /* the oldest entry, and how much from there on is taken */
    uint32_t count;      /* entries that hold something */
};

/* `memory`: `size` bytes, a multiple of HELD_ALIGN and aligned to it; belongs to the caller. */
void held_init(struct held *held, void *memory, uint32_t size);
/* Room for one more, NULL when there is none. */
HF_MUST struct held_entry *held_add(struct held *held, uint32_t shard, uint32_t len, ns_t now);
/* The entries that hold something, oldest first: *cursor is 0 at the start; NULL at the end. Between two
 * calls entries may be removed, and added. */
HF_MUST struct held_entry *held_next(const struct held *held, uint32_t *cursor);
void held_remove(struct held *held, struct held_entry *entry);
/* Gives the room of what was removed back, up to the oldest that still holds something. Cursors begin anew.
 */
void held_trim(struct held *held);

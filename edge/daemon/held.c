#include "edge/daemon/held.h"

#include "edge/base/compiler.h"

#include <string.h>

void held_init(struct held *held, void *memory, uint32_t size)
{
    hf_assert(size % HELD_ALIGN == 0 && (uintptr_t)memory % HELD_ALIGN == 0);
    *held = (struct held){.bytes = memory, .size = size};
}

static struct held_entry *entry_at(const struct held *held, uint32_t offset)
{
    return (struct held_entry *)(void *)(held->bytes + offset);
}

/* No entry goes over the end of the ring: what is left there is an entry without anything, or, when a header
 * does not fit, is skipped by whoever comes by. */
static bool too_near_to_end(const struct held *held, uint32_t offset)
{
    return held->size - offset < sizeof(struct held_entry);
}

static uint32_t step_over(const struct held *held, uint32_t offset)
{
    return too_near_to_end(held, offset) ? held->size - offset : entry_at(held, offset)->room;
}

static void fill_to_end(struct held *held, uint32_t tail)
{
    if (!too_near_to_end(held, tail)) {
        *entry_at(held, tail) = (struct held_entry){.room = held->size - tail};
    }
    held->used += held->size - tail;
}

struct held_entry *held_add(struct held *held, uint32_t shard, uint32_t len, ns_t now)
{
    hf_assert(len > 0);
    if (len > held->size / 2) {
        return NULL;
    }
    uint32_t room = ((uint32_t)sizeof(struct held_entry) + len + HELD_ALIGN - 1) / HELD_ALIGN * HELD_ALIGN;
    if (held->used == 0) {
        held->head = 0;
    }
    uint32_t tail = (held->head + held->used) % held->size;
    uint32_t rest = tail + room > held->size ? held->size - tail : 0;
    if (held->used + rest + room > held->size) {
        return NULL;
    }
    if (rest > 0) {
        fill_to_end(held, tail);
        tail = 0;
    }
    struct held_entry *entry = entry_at(held, tail);
    *entry = (struct held_entry){.room = room, .len = len, .shard = shard, .since = now, .look = now};
    held->used += room;
    held->count++;
    return entry;
}

struct held_entry *held_next(const struct held *held, uint32_t *cursor)
{
    while (*cursor < held->used) {
        uint32_t offset = (held->head + *cursor) % held->size;
        uint32_t step = step_over(held, offset);
        *cursor += step;
        if (!too_near_to_end(held, offset) && entry_at(held, offset)->len > 0) {
            return entry_at(held, offset);
        }
    }
    return NULL;
}

void held_remove(struct held *held, struct held_entry *entry)
{
    hf_assert(entry->len > 0 && held->count > 0);
    entry->len = 0;
    held->count--;
}

void held_trim(struct held *held)
{
    while (held->used > 0) {
        uint32_t offset = held->head;
        if (!too_near_to_end(held, offset) && entry_at(held, offset)->len > 0) {
            return;
        }
        uint32_t step = step_over(held, offset);
        held->head = (offset + step) % held->size;
        held->used -= step;
    }
}

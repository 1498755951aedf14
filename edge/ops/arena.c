#include "edge/ops/arena.h"

#include "edge/base/secret.h"

#include <stdalign.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 16384 };

struct arena_block {
    struct arena_block *next;
    size_t cap, used;
    alignas(max_align_t) uint8_t bytes[];
};

static struct arena_block *block_new(struct arena *arena, size_t least)
{
    size_t cap = HF_MAX(least, (size_t)BLOCK_BYTES);
    struct arena_block *block = calloc(1, sizeof(*block) + cap);

    if (block != NULL) {
        block->cap = cap;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *arena_take(struct arena *arena, size_t bytes)
{
    size_t align = alignof(max_align_t);
    struct arena_block *block = arena->blocks;

    if (bytes > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    bytes = (bytes + align - 1) & ~(align - 1);
    if (block == NULL || block->cap - block->used < bytes) {
        block = block_new(arena, bytes);
    }
    if (block == NULL) {
        arena->failed = true;
        return NULL;
    }
    void *place = block->bytes + block->used;
    block->used += bytes;
    return place;
}

char *arena_text(struct arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = arena_take(arena, bytes);

    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        secret_wipe(block->bytes, block->used);
        free(block);
    }
}

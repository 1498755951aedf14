/* Byte strings of any length in a fixed number of fixed blocks: cached responses, first messages, fragments.
 * Memory that idle sessions hold is then what they need, not the largest message there could be. */
#pragma once

#include "edge/base/span.h"

#define BLOB_BLOCK_BYTES 256
#define BLOB_BLOCK_PAYLOAD (BLOB_BLOCK_BYTES - 4)
#define BLOB_NONE UINT32_MAX

struct blob {
    uint32_t first; /* block, or BLOB_NONE */
    uint32_t len;
};

struct blobs {
    uint8_t *blocks;
    uint32_t capacity;
    uint32_t free_first; /* among those used before, which are taken first */
    uint32_t fresh;      /* blocks from here on have never been touched */
    uint32_t free_count;
};

#define BLOB_EMPTY ((struct blob){.first = BLOB_NONE})

size_t blobs_bytes(uint32_t capacity_blocks);
/* `memory` (aligned to 8) belongs to the caller and outlives the store. None of it is written here. */
void blobs_init(struct blobs *blobs, void *memory, uint32_t capacity_blocks);
/* Copies `bytes` in; false (and nothing taken) when there are too few free blocks. An empty span is an empty
 * blob. */
HF_MUST bool blob_put(struct blobs *blobs, struct span bytes, struct blob *ret_blob);
/* Copies a blob out; `cap` must be at least blob.len. */
void blob_get(const struct blobs *blobs, struct blob blob, uint8_t *ret_bytes, size_t cap);
/* Wipes and returns the blocks; *blob becomes empty. Empty blobs are fine. */
void blob_free(struct blobs *blobs, struct blob *blob);
/* Wipes all that was ever used. */
void blobs_wipe(struct blobs *blobs);

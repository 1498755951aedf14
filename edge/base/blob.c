#include "edge/base/blob.h"

#include "edge/base/secret.h"

/* A block is its successor's number and then payload. */
static uint8_t *block_at(const struct blobs *blobs, uint32_t block)
{
    hf_assert(block < blobs->capacity);
    return blobs->blocks + (size_t)block * BLOB_BLOCK_BYTES;
}

static uint32_t block_next(const struct blobs *blobs, uint32_t block)
{
    uint32_t next;
    memcpy(&next, block_at(blobs, block), sizeof(next));
    return next;
}

static void block_link(struct blobs *blobs, uint32_t block, uint32_t next)
{
    memcpy(block_at(blobs, block), &next, sizeof(next));
}

static uint32_t blocks_for(size_t len)
{
    return (uint32_t)((len + BLOB_BLOCK_PAYLOAD - 1) / BLOB_BLOCK_PAYLOAD);
}

size_t blobs_bytes(uint32_t capacity_blocks)
{
    return (size_t)capacity_blocks * BLOB_BLOCK_BYTES;
}

void blobs_init(struct blobs *blobs, void *memory, uint32_t capacity_blocks)
{
    hf_assert(capacity_blocks > 0 && capacity_blocks < BLOB_NONE);
    *blobs = (struct blobs){.blocks = memory,
                            .capacity = capacity_blocks,
                            .free_first = BLOB_NONE,
                            .free_count = capacity_blocks};
}

void blobs_wipe(struct blobs *blobs)
{
    secret_wipe(blobs->blocks, blobs_bytes(blobs->fresh));
}

/* There is one (free_count). */
static uint32_t block_take(struct blobs *blobs)
{
    uint32_t block = blobs->free_first;
    blobs->free_count--;
    if (block == BLOB_NONE) {
        return blobs->fresh++;
    }
    blobs->free_first = block_next(blobs, block);
    return block;
}

bool blob_put(struct blobs *blobs, struct span bytes, struct blob *ret_blob)
{
    *ret_blob = BLOB_EMPTY;
    uint32_t needed = blocks_for(bytes.len);
    if (needed > blobs->free_count || bytes.len > UINT32_MAX) {
        return false;
    }
    ret_blob->len = (uint32_t)bytes.len;
    uint32_t last = BLOB_NONE;
    for (size_t done = 0; done < bytes.len; done += BLOB_BLOCK_PAYLOAD) {
        uint32_t block = block_take(blobs);
        size_t part = HF_MIN(bytes.len - done, (size_t)BLOB_BLOCK_PAYLOAD);
        memcpy(block_at(blobs, block) + 4, bytes.data + done, part);
        block_link(blobs, block, BLOB_NONE);
        if (last == BLOB_NONE) {
            ret_blob->first = block;
        } else {
            block_link(blobs, last, block);
        }
        last = block;
    }
    return true;
}

void blob_get(const struct blobs *blobs, struct blob blob, uint8_t *ret_bytes, size_t cap)
{
    hf_assert(cap >= blob.len);
    uint32_t block = blob.first;
    for (size_t done = 0; done < blob.len; done += BLOB_BLOCK_PAYLOAD) {
        size_t part = HF_MIN(blob.len - done, (size_t)BLOB_BLOCK_PAYLOAD);
        memcpy(ret_bytes + done, block_at(blobs, block) + 4, part);
        block = block_next(blobs, block);
    }
}

void blob_free(struct blobs *blobs, struct blob *blob)
{
    uint32_t block = blob->first;
    for (uint32_t left = blocks_for(blob->len); left > 0; left--) {
        uint32_t next = block_next(blobs, block);
        secret_wipe(block_at(blobs, block) + 4, BLOB_BLOCK_PAYLOAD);
        block_link(blobs, block, blobs->free_first);
        blobs->free_first = block;
        blobs->free_count++;
        block = next;
    }
    *blob = BLOB_EMPTY;
}

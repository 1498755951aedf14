#include "edge/base/blob.h"

#include "tests/unit/base/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { BLOCKS = 24, HELD = 16, LEN_MAX = 5 * BLOB_BLOCK_PAYLOAD };

static void bytes_fill(uint8_t *bytes, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)random_next(&seed);
    }
}

static void assert_holds(const struct blobs *blobs, struct blob blob, uint64_t seed)
{
    uint8_t expected[LEN_MAX], got[LEN_MAX];
    bytes_fill(expected, blob.len, seed);
    blob_get(blobs, blob, got, sizeof(got));
    cr_assert(memcmp(got, expected, blob.len) == 0);
}

static uint32_t blocks_of(size_t len)
{
    return (uint32_t)(len / BLOB_BLOCK_PAYLOAD + (len % BLOB_BLOCK_PAYLOAD != 0));
}

/* Strings come and go in any order; none disturbs another, and every block is either free or in one of them.
 */
Test(blob, like_the_model)
{
    static const size_t edges[] = {
        0, 1, BLOB_BLOCK_PAYLOAD - 1, BLOB_BLOCK_PAYLOAD, BLOB_BLOCK_PAYLOAD + 1, LEN_MAX};
    struct blobs blobs;
    struct blob held[HELD];
    uint64_t seeds[HELD] = {0}, seed = 6;
    uint8_t bytes[LEN_MAX];
    uint32_t used = 0;
    blobs_init(&blobs, malloc(blobs_bytes(BLOCKS)), BLOCKS);
    for (int i = 0; i < HELD; i++) {
        held[i] = BLOB_EMPTY;
    }
    for (int step = 0; step < 5000; step++) {
        uint64_t random = random_next(&seed);
        size_t len = random & 1 ? edges[(random >> 8) % HF_COUNT(edges)] : (random >> 8) % (LEN_MAX + 1);
        uint32_t i = (uint32_t)(random >> 32) % HELD;
        used -= blocks_of(held[i].len);
        blob_free(&blobs, &held[i]);
        cr_assert(held[i].first == BLOB_NONE && held[i].len == 0);
        bytes_fill(bytes, len, seeds[i] = random);
        bool fits = blocks_of(len) <= BLOCKS - used;
        cr_assert_eq(blob_put(&blobs, span_of(bytes, len), &held[i]), fits, "step %d", step);
        cr_assert_eq(held[i].len, fits ? len : 0);
        used += blocks_of(held[i].len);
        cr_assert_eq(blobs.free_count, BLOCKS - used);
        for (int j = 0; j < HELD; j++) {
            assert_holds(&blobs, held[j], seeds[j]);
        }
    }
    free(blobs.blocks);
}

/* Responses and first messages hold what only the peers should see again. */
Test(blob, freed_blocks_are_wiped)
{
    uint8_t bytes[BLOB_BLOCK_PAYLOAD + 1];
    struct blobs blobs;
    struct blob blob;
    memset(bytes, 0x5a, sizeof(bytes));
    blobs_init(&blobs, malloc(blobs_bytes(2)), 2);
    cr_assert(blob_put(&blobs, span_of(bytes, sizeof(bytes)), &blob));
    cr_assert_not_null(memchr(blobs.blocks, 0x5a, blobs_bytes(2)));
    blob_free(&blobs, &blob);
    cr_assert_null(memchr(blobs.blocks, 0x5a, blobs_bytes(2)));
    free(blobs.blocks);
}

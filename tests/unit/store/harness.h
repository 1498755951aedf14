/* One store of some kind, used step by step: each call submits, waits for the completion and returns its
 * result. */
#pragma once

#include "edge/store/store.h"

struct harness {
    const char *kind;
    bool is_lmdb;
    char path[64]; /* a fresh directory of this test */
    uint32_t size_mb;
    struct store *store;
    uint64_t token;
    uint16_t epoch;                    /* of the last claim */
    struct store_record records[4096]; /* of the last scan; values are copies */
    size_t num_records;
};

#define HARNESS_WORKERS 2

/* Both kinds, for `for (int kind = 0; kind < HARNESS_KINDS; kind++)`. */
enum { HARNESS_MEMORY, HARNESS_LMDB, HARNESS_KINDS };

struct harness *harness_new(int kind);
/* With the directory as it is and this size (MB, 0: default); asserts that it opens and says nothing. */
void harness_open(struct harness *h);
void harness_close(struct harness *h);
/* LMDB: closed and opened again; memory: as it is. */
void harness_reopen(struct harness *h);
void harness_free(struct harness *h); /* removes the directory */

enum store_result harness_claim(struct harness *h, uint16_t shard);
enum store_result harness_put(struct harness *h, uint16_t shard, uint32_t index, uint32_t replaces,
                              struct span value);
enum store_result harness_delete(struct harness *h, uint16_t shard, uint32_t index);
enum store_result harness_scan(struct harness *h, uint16_t shard);
/* The record of the last scan with this index; NULL when there is none. */
const struct store_record *harness_record(const struct harness *h, uint32_t index);

/* Waits until the worker has a completion; false after ten seconds without. */
bool store_wait(struct store *store, uint32_t worker, struct store_completion *ret_completion);
void folder_remove(const char *path);

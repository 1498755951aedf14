#include "tests/unit/store/harness.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int entry_remove(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

void folder_remove(const char *path)
{
    nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

void harness_open(struct harness *h)
{
    char error[STORE_ERROR_MAX] = "";
    struct store_options options = {.path = h->path, .size_mb = h->size_mb, .num_workers = HARNESS_WORKERS};
    h->store = h->is_lmdb ? store_lmdb_open(&options, error) : store_memory_new(&options);
    cr_assert_not_null(h->store, "%s", error);
    cr_assert_str_eq(error, "");
}

struct harness *harness_new(int kind)
{
    struct harness *h = calloc(1, sizeof(*h));
    h->is_lmdb = kind == HARNESS_LMDB;
    h->kind = h->is_lmdb ? "lmdb" : "memory";
    snprintf(h->path, sizeof(h->path), "/tmp/holdfast-store-XXXXXX");
    cr_assert_not_null(mkdtemp(h->path));
    harness_open(h);
    return h;
}

static void records_forget(struct harness *h)
{
    for (size_t i = 0; i < h->num_records; i++) {
        free((void *)h->records[i].value.data);
    }
    h->num_records = 0;
}

void harness_close(struct harness *h)
{
    store_close(h->store);
    h->store = NULL;
}

void harness_reopen(struct harness *h)
{
    if (h->is_lmdb) {
        harness_close(h);
        harness_open(h);
    }
}

void harness_free(struct harness *h)
{
    harness_close(h);
    records_forget(h);
    folder_remove(h->path);
    free(h);
}

bool store_wait(struct store *store, uint32_t worker, struct store_completion *ret_completion)
{
    struct pollfd readable = {.fd = store_event_fd(store, worker), .events = POLLIN};
    return poll(&readable, 1, 10000) == 1 && store_poll(store, worker, ret_completion, 1) == 1;
}

static void record_keep(struct harness *h, const struct store_record *record)
{
    cr_assert_lt(h->num_records, HF_COUNT(h->records));
    uint8_t *copy = malloc(record->value.len + 1);
    memcpy(copy, record->value.data, record->value.len);
    h->records[h->num_records] = *record;
    h->records[h->num_records++].value = span_of(copy, record->value.len);
}

static enum store_result op_do(struct harness *h, struct store_op op)
{
    struct store_completion completion;
    op.token = ++h->token;
    cr_assert(store_submit(h->store, 0, &op));
    for (;;) {
        cr_assert(store_wait(h->store, 0, &completion), "%s: no completion", h->kind);
        if (!completion.is_record) {
            break;
        }
        cr_assert_eq(completion.record.token, op.token);
        cr_assert_eq(completion.record.shard, op.shard);
        record_keep(h, &completion.record);
    }
    cr_assert_eq(completion.done.token, op.token);
    cr_assert_eq(completion.done.type, op.type);
    cr_assert_eq(completion.done.shard, op.shard);
    if (op.type == STORE_CLAIM) {
        h->epoch = completion.done.result == STORE_OK ? completion.done.epoch : h->epoch;
        cr_assert(completion.done.result == STORE_OK || completion.done.epoch == 0);
    }
    return completion.done.result;
}

enum store_result harness_claim(struct harness *h, uint16_t shard)
{
    return op_do(h, (struct store_op){.type = STORE_CLAIM, .shard = shard});
}

enum store_result harness_put(struct harness *h, uint16_t shard, uint32_t index, uint32_t replaces,
                              struct span value)
{
    return op_do(h, (struct store_op){.type = STORE_PUT,
                                      .shard = shard,
                                      .epoch = h->epoch,
                                      .index = index,
                                      .replaces = replaces,
                                      .value = value});
}

enum store_result harness_delete(struct harness *h, uint16_t shard, uint32_t index)
{
    return op_do(h,
                 (struct store_op){.type = STORE_DELETE, .shard = shard, .epoch = h->epoch, .index = index});
}

enum store_result harness_scan(struct harness *h, uint16_t shard)
{
    records_forget(h);
    return op_do(h, (struct store_op){.type = STORE_SCAN, .shard = shard, .epoch = h->epoch});
}

const struct store_record *harness_record(const struct harness *h, uint32_t index)
{
    for (size_t i = 0; i < h->num_records; i++) {
        if (h->records[i].index == index) {
            return &h->records[i];
        }
    }
    return NULL;
}

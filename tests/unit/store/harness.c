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

static struct store *store_new(struct harness *h, const struct store_options *options, char *ret_error)
{
    switch (h->number) {
    case HARNESS_MEMORY:
        return store_memory_new(options);
    case HARNESS_LMDB:
        return store_lmdb_open(options, ret_error);
    case HARNESS_SHARED_MEMORY:
        return store_memory_join(options, h->medium->memory);
    default:
        h->medium->options.store = *options;
        return store_valkey_open(&h->medium->options, ret_error);
    }
}

void harness_open(struct harness *h)
{
    char error[STORE_ERROR_MAX] = "";
    struct store_options options = {
        .path = h->path,
        .size_mb = h->size_mb,
        .num_workers = HARNESS_WORKERS,
        .node = h->node,
        .instance = h->instance,
        .num_shards = HARNESS_SHARDS,
    };
    h->store = store_new(h, &options, error);
    cr_assert_not_null(h->store, "%s", error);
    cr_assert_str_eq(error, "");
}

static struct harness *harness_alloc(int kind, struct harness_medium *medium, uint16_t node,
                                     uint64_t instance)
{
    static const char *const names[] = {"memory", "lmdb", "shared memory", "valkey", "cluster"};
    struct harness *h = calloc(1, sizeof(*h));
    h->number = kind;
    h->kind = names[kind];
    h->medium = medium;
    h->node = node;
    h->instance = instance;
    snprintf(h->path, sizeof(h->path), "/tmp/holdfast-store-XXXXXX");
    cr_assert_not_null(mkdtemp(h->path));
    if (medium != NULL) {
        medium->users++;
    }
    harness_open(h);
    return h;
}

/* ---- what several nodes share */

static struct harness_medium *medium_memory(void)
{
    struct harness_medium *medium = calloc(1, sizeof(*medium));
    medium->memory = memory_medium_new(HARNESS_SHARDS);
    memory_medium_set_clock(medium->memory, 0);
    return medium;
}

struct harness_medium *harness_servers(size_t count, const char *const *args)
{
    static const char *const none[] = {"--save", "", "--appendonly", "no", NULL};
    struct harness_medium *medium = calloc(1, sizeof(*medium));
    snprintf(medium->folder, sizeof(medium->folder), "/tmp/holdfast-valkey-XXXXXX");
    cr_assert_not_null(mkdtemp(medium->folder));
    for (size_t i = 0; i < count; i++) {
        server_init(&medium->servers[i], medium->folder, args != NULL ? args : none);
        server_start(&medium->servers[i]);
        medium->addresses[i] =
            (struct store_valkey_server){.host = "127.0.0.1", .port = medium->servers[i].port};
    }
    medium->num_servers = count;
    medium->options =
        (struct store_valkey_options){.servers = medium->addresses, .num_servers = count, .fleet = "test"};
    medium->options.timeout_ms = 5000; /* the machine may be busy */
    return medium;
}

static struct harness_medium *medium_cluster(void)
{
    static const char *const args[] = {"--save",
                                       "",
                                       "--cluster-enabled",
                                       "yes",
                                       "--cluster-node-timeout",
                                       "1000",
                                       "--cluster-config-file",
                                       "nodes.conf",
                                       NULL};
    static const char *const slots[] = {"0 5460", "5461 10922", "10923 16383"};
    struct harness_medium *medium = harness_servers(3, args);
    for (size_t i = 0; i < 3; i++) {
        char line[80];
        snprintf(line, sizeof(line), "CLUSTER ADDSLOTSRANGE %s", slots[i]);
        server_await(&medium->servers[i], line, "OK");
        snprintf(line, sizeof(line), "CLUSTER MEET 127.0.0.1 %u", medium->servers[i].port);
        server_await(&medium->servers[0], line, "OK");
    }
    for (size_t i = 0; i < 3; i++) {
        server_await(&medium->servers[i], "CLUSTER INFO", "cluster_state:ok");
        server_await(&medium->servers[i], "CLUSTER INFO", "cluster_size:3");
    }
    medium->options.num_servers = 1; /* the others are found */
    return medium;
}

void harness_medium_end(struct harness_medium *medium)
{
    if (medium != NULL && --medium->users == 0) {
        memory_medium_free(medium->memory);
        for (size_t i = 0; i < medium->num_servers; i++) {
            server_kill(&medium->servers[i]);
        }
        if (medium->folder[0] != 0) {
            folder_remove(medium->folder);
        }
        free(medium);
    }
}

static struct harness_medium *the_cluster;

static struct harness_medium *cluster_empty(void)
{
    if (the_cluster == NULL) {
        the_cluster = medium_cluster();
        the_cluster->users++;
    }
    for (size_t i = 0; i < the_cluster->num_servers; i++) {
        server_await(&the_cluster->servers[i], "FLUSHALL", "OK");
    }
    return the_cluster;
}

void harness_cluster_end(void)
{
    harness_medium_end(the_cluster);
    the_cluster = NULL;
}

struct harness *harness_open_on(struct harness_medium *medium, int kind)
{
    return harness_alloc(kind, medium, 1, 0x1111);
}

struct harness *harness_on(struct harness_medium *medium, int kind)
{
    struct harness *h = harness_open_on(medium, kind);
    cr_assert_eq(harness_lease(h, "first", 600 * 1000), STORE_OK, "%s", h->kind);
    return h;
}

struct harness *harness_new(int kind)
{
    if (kind < HARNESS_FLEETS) {
        return harness_alloc(kind, NULL, 0, 0);
    }
    if (kind == HARNESS_VALKEY) {
        return harness_on(harness_servers(1, NULL), kind);
    }
    return harness_on(kind == HARNESS_CLUSTER ? cluster_empty() : medium_memory(), kind);
}

struct harness *harness_join(struct harness *other, uint16_t node, uint64_t instance)
{
    cr_assert_not_null(other->medium);
    return harness_alloc(other->number, other->medium, node, instance);
}

void harness_pass(struct harness *h, uint32_t ms)
{
    if (h->medium->memory == NULL) {
        usleep(ms * 1000);
        return;
    }
    h->medium->now += ms * NS_PER_MS;
    memory_medium_set_clock(h->medium->memory, h->medium->now);
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
    if (h->number != HARNESS_MEMORY) {
        harness_close(h);
        harness_open(h);
    }
}

void harness_free(struct harness *h)
{
    harness_close(h);
    records_forget(h);
    harness_medium_end(h->medium);
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

enum store_result harness_do(struct harness *h, struct store_op op)
{
    struct store_completion completion;
    if (op.type == STORE_SCAN || op.type == STORE_VIEW) {
        records_forget(h);
    }
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
    h->done = completion.done;
    return completion.done.result;
}

enum store_result harness_lease(struct harness *h, const char *value, uint32_t ttl_ms)
{
    return harness_do(
        h, (struct store_op){.type = STORE_LEASE, .value = span_of_string(value), .ttl_ms = ttl_ms});
}

struct span harness_owners(struct harness *h)
{
    const struct store_record *owners = harness_record(h, STORE_NO_INDEX);
    cr_assert_not_null(owners, "%s", h->kind);
    return owners->value;
}

enum store_result harness_claim(struct harness *h, uint16_t shard)
{
    return harness_do(h, (struct store_op){.type = STORE_CLAIM, .shard = shard});
}

enum store_result harness_put(struct harness *h, uint16_t shard, uint32_t index, uint32_t replaces,
                              struct span value)
{
    return harness_do(h, (struct store_op){.type = STORE_PUT,
                                           .shard = shard,
                                           .epoch = h->epoch,
                                           .index = index,
                                           .replaces = replaces,
                                           .value = value});
}

enum store_result harness_delete(struct harness *h, uint16_t shard, uint32_t index)
{
    return harness_do(
        h, (struct store_op){.type = STORE_DELETE, .shard = shard, .epoch = h->epoch, .index = index});
}

enum store_result harness_scan(struct harness *h, uint16_t shard)
{
    return harness_do(h, (struct store_op){.type = STORE_SCAN, .shard = shard, .epoch = h->epoch});
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

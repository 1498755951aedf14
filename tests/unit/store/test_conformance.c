/* What every kind of store promises (edge/store/store.h, edge/session/store_op.h), on each of them. */
#include "edge/base/limits.h"
#include "tests/unit/base/random.h"
#include "tests/unit/store/harness.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

static struct span text(const char *value)
{
    return span_of_string(value);
}

static void records_come_back(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *h = harness_new(kind);
        static uint8_t large[RECORD_BYTES_MAX];
        memset(large, 7, sizeof(large));
        cr_assert_eq(harness_claim(h, 5), STORE_OK);
        cr_expect_eq(h->epoch, 1, "%s", h->kind);
        cr_expect_eq(harness_put(h, 5, 1, STORE_NO_INDEX, text("one")), STORE_OK);
        cr_expect_eq(harness_put(h, 5, UINT32_MAX - 1, STORE_NO_INDEX, text("last")), STORE_OK);
        cr_expect_eq(harness_put(h, 5, 0, STORE_NO_INDEX, text("zero")), STORE_OK);
        cr_expect_eq(harness_put(h, 5, 256, STORE_NO_INDEX, span_of(large, sizeof(large))), STORE_OK);
        cr_expect_eq(harness_put(h, 5, 1, STORE_NO_INDEX, text("another one")), STORE_OK, "overwrites");
        cr_expect_eq(harness_put(h, 5, 3, STORE_NO_INDEX, (struct span){0}), STORE_OK, "empty");
        cr_assert_eq(harness_claim(h, 6), STORE_OK);
        cr_expect_eq(harness_put(h, 6, 1, STORE_NO_INDEX, text("of 6")), STORE_OK);
        harness_reopen(h);

        static const uint32_t order[] = {0, 1, 3, 256, UINT32_MAX - 1};
        cr_assert_eq(harness_scan(h, 5), STORE_OK);
        cr_assert_eq(h->num_records, HF_COUNT(order), "%s: %zu", h->kind, h->num_records);
        for (size_t i = 0; i < HF_COUNT(order); i++) {
            cr_expect_eq(h->records[i].index, order[i], "%s: ascending", h->kind);
            cr_expect_eq(h->records[i].epoch, 1);
        }
        cr_expect(span_equal(h->records[1].value, text("another one")));
        cr_expect_eq(h->records[2].value.len, 0);
        cr_expect(span_equal(h->records[3].value, span_of(large, sizeof(large))));
        cr_assert_eq(harness_scan(h, 6), STORE_OK);
        cr_expect_eq(h->num_records, 1);
        cr_assert_eq(harness_scan(h, 4), STORE_OK, "a shard nobody ever had");
        cr_expect_eq(h->num_records, 0);
        harness_free(h);
    }
}

Test(conformance, records_come_back)
{
    records_come_back(0, HARNESS_KINDS);
}

static void delete_and_replace(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *h = harness_new(kind);
        cr_assert_eq(harness_claim(h, 9), STORE_OK);
        cr_expect_eq(harness_put(h, 9, 1, STORE_NO_INDEX, text("a")), STORE_OK);
        cr_expect_eq(harness_put(h, 9, 2, STORE_NO_INDEX, text("b")), STORE_OK);
        cr_expect_eq(harness_put(h, 9, 3, 1, text("a, rekeyed")), STORE_OK);
        cr_expect_eq(harness_put(h, 9, 2, 2, text("b, again")), STORE_OK, "replaces itself");
        cr_expect_eq(harness_put(h, 9, 4, 77, text("c")), STORE_OK, "replaces what is not there");
        cr_expect_eq(harness_delete(h, 9, 4), STORE_OK);
        cr_expect_eq(harness_delete(h, 9, 4), STORE_OK, "absent is fine");
        harness_reopen(h);
        cr_assert_eq(harness_scan(h, 9), STORE_OK);
        cr_assert_eq(h->num_records, 2, "%s: %zu", h->kind, h->num_records);
        cr_expect(span_equal(harness_record(h, 2)->value, text("b, again")));
        cr_expect(span_equal(harness_record(h, 3)->value, text("a, rekeyed")));
        harness_free(h);
    }
}

Test(conformance, delete_and_replace)
{
    delete_and_replace(0, HARNESS_KINDS);
}

static void only_the_last_owner_writes(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *h = harness_new(kind);
        cr_expect_eq(harness_put(h, 2, 1, STORE_NO_INDEX, text("no owner")), STORE_FENCED, "%s", h->kind);
        cr_assert_eq(harness_claim(h, 2), STORE_OK);
        cr_expect_eq(harness_put(h, 2, 1, STORE_NO_INDEX, text("first owner")), STORE_OK);
        harness_reopen(h);
        uint16_t before = h->epoch;
        cr_assert_eq(harness_claim(h, 2), STORE_OK);
        cr_expect_eq(h->epoch, before + 1, "%s: epochs are durable", h->kind);
        uint16_t second = h->epoch;
        for (int i = -1; i <= 1; i++) {
            h->epoch = (uint16_t)(second + i);
            enum store_result wanted = i == 0 ? STORE_OK : STORE_FENCED;
            cr_expect_eq(harness_put(h, 2, 10, STORE_NO_INDEX, text("second")), wanted, "%s %d", h->kind, i);
            cr_expect_eq(harness_put(h, 2, 10, 1, text("second")), wanted, "%s %d", h->kind, i);
            cr_expect_eq(harness_delete(h, 2, 10), wanted, "%s %d", h->kind, i);
            cr_assert_eq(harness_scan(h, 2), STORE_OK);
        }
        cr_expect_eq(h->num_records, 0, "the replaced one too");
        h->epoch = second;
        cr_expect_eq(harness_put(h, 3, 1, STORE_NO_INDEX, text("x")), STORE_FENCED, "another shard's epoch");
        harness_free(h);
    }
}

Test(conformance, only_the_last_owner_writes)
{
    only_the_last_owner_writes(0, HARNESS_KINDS);
}

enum { EPOCHS_FROM = 65000 };

static void epochs_end(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *h = harness_new(kind);
        cr_assert_eq(harness_do(h, (struct store_op){.type = STORE_CLAIM, .shard = 1, .epoch = 400}),
                     STORE_OK);
        cr_expect_eq(h->epoch, 401, "%s: above what the claimer has seen", h->kind);
        struct store_op claim = {.type = STORE_CLAIM, .shard = 1, .epoch = EPOCHS_FROM};
        struct store_completion completion;
        uint32_t epoch = EPOCHS_FROM;
        for (uint32_t submitted = epoch; epoch < UINT16_MAX;) {
            while (submitted < UINT16_MAX && submitted < epoch + 64) {
                cr_assert(store_submit(h->store, 0, &claim));
                submitted++;
            }
            cr_assert(store_wait(h->store, 0, &completion));
            cr_assert_eq(completion.done.epoch, ++epoch, "%s: in order, each once", h->kind);
        }
        h->epoch = UINT16_MAX;
        cr_expect_eq(harness_put(h, 1, 1, STORE_NO_INDEX, text("x")), STORE_OK);
        cr_expect_eq(harness_claim(h, 1), STORE_FENCED, "%s: keys of this epoch live", h->kind);
        cr_assert_eq(harness_claim(h, 2), STORE_OK);
        cr_expect_eq(harness_do(h, (struct store_op){.type = STORE_CLAIM, .shard = 2, .epoch = UINT16_MAX}),
                     STORE_OK, "%s: seen by the claimer, but nothing is left", h->kind);
        cr_expect_eq(h->epoch, 1);
        h->epoch = UINT16_MAX;
        harness_reopen(h);
        cr_expect_eq(harness_claim(h, 1), STORE_FENCED, "%s", h->kind);
        cr_expect_eq(harness_put(h, 1, 2, 1, text("y")), STORE_OK, "%s: the owner goes on", h->kind);
        cr_expect_eq(harness_delete(h, 1, 2), STORE_OK);
        cr_expect_eq(harness_claim(h, 1), STORE_OK, "%s: nothing is left of old epochs", h->kind);
        cr_expect_eq(h->epoch, 1);
        harness_free(h);
    }
}

Test(conformance, epochs_end)
{
    epochs_end(0, HARNESS_KINDS);
}

/* The model: what a shard's records hold, by index. */
struct model {
    uint32_t versions[64]; /* 0: none */
};

static void random_operations(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *h = harness_new(kind);
        struct model models[2] = {0};
        uint64_t random = 3;
        for (uint16_t shard = 0; shard < 2; shard++) {
            cr_assert_eq(harness_claim(h, shard), STORE_OK);
        }
        for (uint32_t step = 1; step <= 1500; step++) {
            uint64_t choice = random_next(&random);
            uint16_t shard = choice & 1;
            uint32_t index = choice >> 8 & 63, other = choice >> 16 & 63;
            if (choice >> 32 & 1) {
                bool replaces = (choice >> 33 & 3) == 0;
                struct span value = span_of(&step, sizeof(step));
                cr_assert_eq(harness_put(h, shard, index, replaces ? other : STORE_NO_INDEX, value),
                             STORE_OK);
                models[shard].versions[other] = replaces ? 0 : models[shard].versions[other];
                models[shard].versions[index] = step;
            } else {
                cr_assert_eq(harness_delete(h, shard, index), STORE_OK);
                models[shard].versions[index] = 0;
            }
            if (step % 500 == 0) {
                harness_reopen(h);
            }
        }
        for (uint16_t shard = 0; shard < 2; shard++) {
            cr_assert_eq(harness_scan(h, shard), STORE_OK);
            size_t count = 0;
            for (uint32_t index = 0; index < 64; index++) {
                uint32_t version = models[shard].versions[index];
                const struct store_record *record = harness_record(h, index);
                cr_assert_eq(record != NULL, version != 0, "%s: %u", h->kind, index);
                cr_assert(version == 0 || span_equal(record->value, span_of(&version, sizeof(version))));
                count += version != 0;
            }
            cr_expect_eq(count, h->num_records);
        }
        harness_free(h);
    }
}

Test(conformance, random_operations)
{
    random_operations(0, HARNESS_KINDS);
}

/* One worker's thread: its own shard, all operations under way at once. */
struct writer {
    struct harness *h;
    uint32_t worker;
    uint32_t done;
    bool in_order;
};

enum { PER_WRITER = 3000 };

static void *writer_run(void *argument)
{
    struct writer *w = argument;
    struct store *store = w->h->store;
    struct store_op op = {.type = STORE_CLAIM, .shard = (uint16_t)w->worker, .replaces = STORE_NO_INDEX};
    w->in_order = true;
    uint32_t submitted = 0;
    while (w->done < PER_WRITER) {
        struct store_completion ready[64];
        while (submitted < PER_WRITER && store_submit(store, w->worker, &op)) {
            op = (struct store_op){
                .type = STORE_PUT, .shard = (uint16_t)w->worker, .replaces = STORE_NO_INDEX};
            op.epoch = 1;
            op.token = ++submitted;
            op.index = submitted;
            op.value = span_of(&submitted, sizeof(submitted));
        }
        struct pollfd readable = {.fd = store_event_fd(store, w->worker), .events = POLLIN};
        if (poll(&readable, 1, 10000) != 1) {
            break;
        }
        size_t count = store_poll(store, w->worker, ready, HF_COUNT(ready));
        for (size_t i = 0; i < count; i++) {
            w->in_order = w->in_order && !ready[i].is_record && ready[i].done.result == STORE_OK &&
                          ready[i].done.token == w->done && ready[i].done.shard == w->worker;
            w->done++;
        }
    }
    return NULL;
}

static void workers_beside_each_other(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *h = harness_new(kind);
        struct writer writers[HARNESS_WORKERS];
        pthread_t threads[HARNESS_WORKERS];
        for (uint32_t i = 0; i < HARNESS_WORKERS; i++) {
            writers[i] = (struct writer){.h = h, .worker = i};
            cr_assert_eq(pthread_create(&threads[i], NULL, writer_run, &writers[i]), 0);
        }
        for (uint32_t i = 0; i < HARNESS_WORKERS; i++) {
            pthread_join(threads[i], NULL);
            cr_expect_eq(writers[i].done, PER_WRITER, "%s: %u", h->kind, writers[i].done);
            cr_expect(writers[i].in_order, "%s", h->kind);
        }
        for (uint16_t shard = 0; shard < HARNESS_WORKERS; shard++) {
            cr_assert_eq(harness_scan(h, shard), STORE_OK);
            cr_expect_eq(h->num_records, PER_WRITER - 1, "%s: %zu", h->kind, h->num_records);
        }
        struct store_stats stats;
        store_stats(h->store, &stats);
        cr_expect_eq(stats.ops[STORE_PUT][STORE_OK], HARNESS_WORKERS * (PER_WRITER - 1));
        cr_expect_eq(stats.ops[STORE_CLAIM][STORE_OK], HARNESS_WORKERS);
        if (h->number < HARNESS_VALKEY) { /* which counts what others have there too */
            cr_expect_eq(stats.records, HARNESS_WORKERS * (PER_WRITER - 1));
        }
        cr_expect_gt(stats.bytes_used, 0);
        cr_expect_eq(stats.under_way, 0);
        uint64_t timed = 0;
        for (size_t i = 0; i < STORE_LATENCY_BUCKETS; i++) {
            timed += stats.latency[i];
        }
        cr_expect_eq(timed, HARNESS_WORKERS * PER_WRITER + HARNESS_WORKERS + (h->medium != NULL),
                     "with the scans and a lease");
        harness_free(h);
    }
}

Test(conformance, workers_beside_each_other)
{
    workers_beside_each_other(0, HARNESS_KINDS);
}

static void queue_is_bounded(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *h = harness_new(kind);
        struct store_op op = {.type = STORE_CLAIM, .shard = 1};
        struct store_completion ready[100];
        struct pollfd readable = {.fd = store_event_fd(h->store, 0), .events = POLLIN};
        uint32_t accepted = 0, done = 0;
        while (accepted <= STORE_QUEUE_DEFAULT && store_submit(h->store, 0, &op)) {
            accepted++;
        }
        cr_expect_eq(accepted, STORE_QUEUE_DEFAULT);
        cr_expect(store_submit(h->store, 1, &op), "another worker's");
        while (done < accepted && poll(&readable, 1, 10000) == 1) {
            done += (uint32_t)store_poll(h->store, 0, ready, HF_COUNT(ready));
        }
        cr_expect_eq(done, accepted, "%s", h->kind);
        cr_expect_eq(poll(&readable, 1, 0), 0, "nothing is left");
        cr_expect_eq(store_poll(h->store, 0, ready, 1), 0);
        cr_expect(store_submit(h->store, 0, &op));
        harness_free(h);
    }
}

Test(conformance, queue_is_bounded)
{
    queue_is_bounded(0, HARNESS_KINDS);
}

/* More records than a worker is given at once, and operations of the other one in between. */
static void large_scans(int first, int end)
{
    enum { RECORDS = 4000 };
    for (int kind = first; kind < end; kind++) {
        struct harness *h = harness_new(kind);
        cr_assert_eq(harness_claim(h, 1), STORE_OK);
        struct store_op op = {.type = STORE_PUT, .shard = 1, .epoch = 1, .replaces = STORE_NO_INDEX};
        struct store_completion completion;
        for (op.index = 0; op.index < RECORDS; op.index++) {
            op.value = span_of(&op.index, sizeof(op.index));
            cr_assert(store_submit(h->store, 0, &op));
        }
        for (uint32_t i = 0; i < RECORDS; i++) {
            cr_assert(store_wait(h->store, 0, &completion));
        }
        struct store_op scan = {.type = STORE_SCAN, .shard = 1, .token = 5};
        struct store_op claim = {.type = STORE_CLAIM, .shard = 2, .token = 6};
        cr_assert(store_submit(h->store, 0, &scan));
        cr_assert(store_submit(h->store, 1, &claim));
        cr_assert(store_wait(h->store, 1, &completion));
        cr_expect_eq(completion.done.token, 6, "%s: not behind a scan nobody polls", h->kind);
        for (uint32_t i = 0; i < RECORDS; i++) {
            cr_assert(store_wait(h->store, 0, &completion));
            cr_assert(completion.is_record && completion.record.index == i, "%s: %u", h->kind, i);
            cr_assert(span_equal(completion.record.value, span_of(&i, sizeof(i))));
        }
        cr_assert(store_wait(h->store, 0, &completion));
        cr_expect(!completion.is_record && completion.done.token == 5 && completion.done.result == STORE_OK);
        harness_free(h);
    }
}

Test(conformance, large_scans)
{
    large_scans(0, HARNESS_KINDS);
}

/* All of them on one cluster, because it takes its time to start. */
Test(conformance, cluster)
{
    static void (*const all[])(int first, int end) = {
        records_come_back, delete_and_replace,        only_the_last_owner_writes, epochs_end,
        random_operations, workers_beside_each_other, queue_is_bounded,           large_scans,
    };
    for (size_t i = 0; i < HF_COUNT(all); i++) {
        all[i](HARNESS_CLUSTER, HARNESS_CLUSTER + 1);
    }
    harness_cluster_end();
}

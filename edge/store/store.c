#include "edge/store/internal.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

void list_append(struct store_list *list, struct store_item *item)
{
    item->next = NULL;
    *(list->first == NULL ? &list->first : &list->last->next) = item;
    list->last = item;
    list->count++;
}

struct store_item *list_take(struct store_list *list)
{
    struct store_item *item = list->first;
    if (item != NULL) {
        list->first = item->next;
        list->count--;
    }
    return item;
}

void list_free(struct store_list *list)
{
    struct store_item *item;
    while ((item = list_take(list)) != NULL) {
        free(item);
    }
}

ns_t store_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (ns_t)now.tv_sec * NS_PER_S + (ns_t)now.tv_nsec;
}

bool store_begin(struct store *store, const struct store_kind *kind, const struct store_options *options)
{
    hf_assert(options->num_workers > 0);
    *store = (struct store){
        .kind = kind,
        .num_workers = options->num_workers,
        .queue_max = options->queue_max == 0 ? STORE_QUEUE_DEFAULT : options->queue_max,
        .workers = calloc(options->num_workers, sizeof(*store->workers)),
    };
    pthread_mutex_init(&store->lock, NULL);
    bool begun = store->workers != NULL;
    for (uint32_t i = 0; i < store->num_workers && store->workers != NULL; i++) {
        store->workers[i].event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        begun = begun && store->workers[i].event_fd >= 0;
    }
    return begun;
}

void store_done_with(struct store *store)
{
    for (uint32_t i = 0; i < store->num_workers && store->workers != NULL; i++) {
        struct store_worker *worker = &store->workers[i];
        list_free(&worker->ready);
        list_free(&worker->held);
        if (worker->event_fd >= 0) {
            close(worker->event_fd);
        }
    }
    free(store->workers);
    pthread_mutex_destroy(&store->lock);
}

void store_close(struct store *store)
{
    if (store != NULL) {
        store->kind->close(store);
    }
}

/* ---- operations in */

static struct store_item *item_new(uint32_t worker, const struct store_op *op)
{
    struct store_item *item = malloc(sizeof(*item) + op->value.len);
    if (item != NULL) {
        *item = (struct store_item){.worker = worker, .op = *op};
        item->op.value = span_of(item->bytes, op->value.len);
        if (op->value.len > 0) {
            memcpy(item->bytes, op->value.data, op->value.len);
        }
    }
    return item;
}

bool store_submit(struct store *store, uint32_t worker_number, const struct store_op *op)
{
    hf_assert(worker_number < store->num_workers);
    struct store_worker *worker = &store->workers[worker_number];
    struct store_item *item = item_new(worker_number, op);
    if (item == NULL) {
        return false;
    }
    item->submitted = store_now();
    pthread_mutex_lock(&store->lock);
    bool accepted = worker->taken < store->queue_max, wake = false;
    if (accepted) {
        worker->taken++;
        store->stats.under_way++;
        wake = store->kind->submit(store, item);
    }
    pthread_mutex_unlock(&store->lock);
    if (!accepted) {
        free(item);
    }
    if (wake) {
        store->kind->wake(store);
    }
    return accepted;
}

struct store_item *store_record_new(const struct store_item *scan, uint32_t index, uint16_t epoch,
                                    struct span value)
{
    struct store_op op = scan->op;
    op.index = index;
    op.value = value;
    struct store_item *item = item_new(scan->worker, &op);
    if (item != NULL) {
        item->is_record = true;
        item->epoch = epoch;
    }
    return item;
}

/* ---- completions out */

static void item_give(struct store *store, struct store_item *item)
{
    struct store_worker *worker = &store->workers[item->worker];
    list_append(&worker->ready, item);
    if (worker->ready.count == 1) {
        uint64_t one = 1;
        ssize_t written = write(worker->event_fd, &one, sizeof(one));
        hf_assert(written == sizeof(one)); /* the counter is 0 or 1 */
    }
}

void store_give_records(struct store *store, struct store_list *records)
{
    struct store_item *item;
    while ((item = list_take(records)) != NULL) {
        item_give(store, item);
    }
}

static void latency_count(struct store_stats *stats, ns_t latency)
{
    static const uint32_t bounds_us[] = STORE_LATENCY_BOUNDS_US;
    _Static_assert(HF_COUNT(bounds_us) + 1 == STORE_LATENCY_BUCKETS, "one bucket per bound and one above");
    size_t bucket = 0;
    while (bucket < HF_COUNT(bounds_us) && latency > bounds_us[bucket] * NS_PER_US) {
        bucket++;
    }
    stats->latency[bucket]++;
    stats->latency_sum_ns += latency;
}

void store_finish(struct store *store, struct store_item *item, enum store_result result)
{
    hf_assert(store->stats.under_way > 0);
    store->stats.under_way--;
    store->stats.ops[item->op.type][result]++;
    latency_count(&store->stats, store_now() - item->submitted);
    item->result = result;
    item_give(store, item);
}

static struct store_completion completion_of(const struct store_item *item)
{
    if (item->is_record) {
        return (struct store_completion){
            .is_record = true,
            .record = {.token = item->op.token,
                       .shard = item->op.shard,
                       .epoch = item->epoch,
                       .index = item->op.index,
                       .value = item->op.value},
        };
    }
    return (struct store_completion){
        .done = {.token = item->op.token,
                 .type = item->op.type,
                 .result = item->result,
                 .shard = item->op.shard,
                 .epoch = item->epoch,
                 .view = item->view},
    };
}

size_t store_poll(struct store *store, uint32_t worker_number, struct store_completion *ret_completions,
                  size_t max)
{
    hf_assert(worker_number < store->num_workers);
    struct store_worker *worker = &store->workers[worker_number];
    list_free(&worker->held); /* only this worker's thread sees it */
    size_t count = 0;
    pthread_mutex_lock(&store->lock);
    while (count < max && worker->ready.count > 0) {
        struct store_item *item = list_take(&worker->ready);
        list_append(&worker->held, item);
        worker->taken -= item->is_record ? 0 : 1;
        ret_completions[count++] = completion_of(item);
    }
    if (count > 0 && worker->ready.count == 0) {
        uint64_t counter;
        ssize_t len = read(worker->event_fd, &counter, sizeof(counter));
        hf_assert(len == sizeof(counter));
    }
    if (count > 0 && store->kind->polled != NULL) {
        store->kind->polled(store);
    }
    pthread_mutex_unlock(&store->lock);
    return count;
}

int store_event_fd(struct store *store, uint32_t worker)
{
    hf_assert(worker < store->num_workers);
    return store->workers[worker].event_fd;
}

void store_stats(struct store *store, struct store_stats *ret_stats)
{
    pthread_mutex_lock(&store->lock);
    *ret_stats = store->stats;
    pthread_mutex_unlock(&store->lock);
}

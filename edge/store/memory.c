#include "edge/store/memory_medium.h"

#include <stdlib.h>

struct memory {
    struct store store;
    struct memory_medium *medium;
    bool is_alone; /* the medium is its own, and there is no other node */
    struct ledger_node self;
    enum memory_fault fault;
    uint64_t fault_first, fault_count;
};

static enum store_result shard_claim(struct memory *memory, struct store_item *item)
{
    struct memory_medium *medium = memory->medium;
    uint16_t shard = item->op.shard;
    if (!memory->is_alone && !ledger_may_claim(medium->ledger, memory->self, shard, medium_now(medium))) {
        return STORE_FENCED;
    }
    uint16_t epoch = HF_MAX(ledger_epoch(medium->ledger, shard), item->op.epoch);
    if (epoch == UINT16_MAX && !medium_shard_is_empty(medium, shard)) {
        return STORE_FENCED;
    }
    item->epoch = epoch == UINT16_MAX ? 1 : (uint16_t)(epoch + 1);
    ledger_own(medium->ledger, shard, memory->self.node, item->epoch);
    return STORE_OK;
}

static enum store_result shard_scan(struct memory *memory, const struct store_item *item)
{
    struct store_list found = {0};
    enum store_result result = medium_scan(memory->medium, item, &found);
    store_give_records(&memory->store, &found);
    return result;
}

static enum store_result record_change(struct memory *memory, const struct store_op *op)
{
    if (op->epoch == 0 || op->epoch != ledger_epoch(memory->medium->ledger, op->shard)) {
        return STORE_FENCED;
    }
    if (op->type == STORE_PUT) {
        return medium_put(memory->medium, op);
    }
    medium_delete(memory->medium, op->shard, op->index);
    return STORE_OK;
}

static enum store_result ledger_ask(struct memory *memory, struct store_item *item)
{
    struct store_list records = {0};
    enum store_result result =
        ledger_do(memory->medium->ledger, memory->self, item, medium_now(memory->medium), &records);
    store_give_records(&memory->store, &records);
    item->view = ledger_version(memory->medium->ledger);
    return result;
}

static enum store_result op_do(struct memory *memory, struct store_item *item)
{
    const struct store_op *op = &item->op;
    switch (op->type) {
    case STORE_CLAIM:
        return shard_claim(memory, item);
    case STORE_SCAN:
        return shard_scan(memory, item);
    case STORE_PUT:
    case STORE_DELETE:
        return record_change(memory, op);
    case STORE_RELEASE:
        return ledger_release(memory->medium->ledger, op->shard, memory->self.node, op->epoch);
    default:
        return ledger_ask(memory, item);
    }
}

static enum memory_fault fault_next(struct memory *memory)
{
    if (memory->fault_first > 1) {
        memory->fault_first--;
        return MEMORY_WORKS;
    }
    if (memory->fault_count == 0) {
        return MEMORY_WORKS;
    }
    memory->fault_count -= memory->fault_count == UINT64_MAX ? 0 : 1;
    return memory->fault;
}

static enum store_result op_do_or_fail(struct memory *memory, struct store_item *item)
{
    enum store_op_type type = item->op.type;
    switch (fault_next(memory)) {
    case MEMORY_FULL:
        return type == STORE_PUT || type == STORE_CLAIM ? STORE_FULL : op_do(memory, item);
    case MEMORY_DOWN:
        return STORE_DOWN;
    case MEMORY_LOSES:
        return type == STORE_PUT || type == STORE_DELETE ? STORE_OK : op_do(memory, item);
    case MEMORY_UNKNOWN:
        (void)op_do(memory, item);
        item->epoch = 0;
        return STORE_UNKNOWN;
    case MEMORY_UNKNOWN_LOST:
        return STORE_UNKNOWN;
    case MEMORY_WORKS:
        break;
    }
    return op_do(memory, item);
}

static bool memory_submit(struct store *store, struct store_item *item)
{
    struct memory *memory = (struct memory *)store;
    pthread_mutex_lock(&memory->medium->lock);
    enum store_result result = op_do_or_fail(memory, item);
    store->stats.records = memory->medium->records.count;
    store->stats.bytes_used = memory->medium->records.bytes;
    pthread_mutex_unlock(&memory->medium->lock);
    store_finish(store, item, result);
    return false;
}

static void memory_close(struct store *store)
{
    struct memory *memory = (struct memory *)store;
    if (memory->is_alone) {
        memory_medium_free(memory->medium);
    }
    store_done_with(store);
    free(memory);
}

static const struct store_kind MEMORY = {.submit = memory_submit, .close = memory_close};

static struct store *memory_new(const struct store_options *options, struct memory_medium *medium,
                                bool is_alone)
{
    struct memory *memory = calloc(1, sizeof(*memory));
    if (memory == NULL || medium == NULL) {
        if (is_alone) {
            memory_medium_free(medium);
        }
        free(memory);
        return NULL;
    }
    memory->medium = medium;
    memory->is_alone = is_alone;
    memory->self =
        (struct ledger_node){.node = options->node == 0 ? 1 : options->node, .instance = options->instance};
    if (!store_begin(&memory->store, &MEMORY, options)) {
        memory_close(&memory->store);
        return NULL;
    }
    return &memory->store;
}

struct store *store_memory_new(const struct store_options *options)
{
    return memory_new(options, memory_medium_new(options->num_shards), true);
}

struct store *store_memory_join(const struct store_options *options, struct memory_medium *medium)
{
    hf_assert(options->node > 0);
    return memory_new(options, medium, false);
}

void store_memory_fault(struct store *store, enum memory_fault fault, uint64_t first, uint64_t count)
{
    struct memory *memory = (struct memory *)store;
    hf_assert(store->kind == &MEMORY);
    pthread_mutex_lock(&store->lock);
    memory->fault = fault;
    memory->fault_first = first;
    memory->fault_count = count;
    pthread_mutex_unlock(&store->lock);
}

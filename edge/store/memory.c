#include "edge/store/internal.h"

#include <stdlib.h>

struct memory_record {
    uint16_t shard, epoch;
    uint32_t index;
    uint8_t *bytes;
    size_t len;
};

struct memory {
    struct store store;
    struct memory_record *records; /* ascending by shard, then index */
    size_t num_records, capacity;
    uint16_t epochs[UINT16_MAX + 1]; /* per shard */
    enum memory_fault fault;
    uint64_t fault_first, fault_count;
};

static uint64_t key_of(uint16_t shard, uint32_t index)
{
    return (uint64_t)shard << 32 | index;
}

/* Where the record is, or would be. */
static size_t record_place(const struct memory *memory, uint16_t shard, uint32_t index)
{
    size_t low = 0;
    size_t high = memory->num_records;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct memory_record *record = &memory->records[middle];
        if (key_of(record->shard, record->index) < key_of(shard, index)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool record_is_at(const struct memory *memory, size_t place, uint16_t shard, uint32_t index)
{
    return place < memory->num_records && memory->records[place].shard == shard &&
           memory->records[place].index == index;
}

static void record_delete(struct memory *memory, uint16_t shard, uint32_t index)
{
    size_t place = record_place(memory, shard, index);
    if (record_is_at(memory, place, shard, index)) {
        memory->store.stats.bytes_used -= memory->records[place].len;
        free(memory->records[place].bytes);
        memory->num_records--;
        memmove(&memory->records[place], &memory->records[place + 1],
                (memory->num_records - place) * sizeof(*memory->records));
    }
}

static bool room_make(struct memory *memory)
{
    if (memory->num_records < memory->capacity) {
        return true;
    }
    size_t capacity = memory->capacity == 0 ? 64 : 2 * memory->capacity;
    struct memory_record *records = realloc(memory->records, capacity * sizeof(*records));
    if (records == NULL) {
        return false;
    }
    memory->records = records;
    memory->capacity = capacity;
    return true;
}

static enum store_result record_put(struct memory *memory, const struct store_op *op)
{
    uint8_t *bytes = malloc(op->value.len + 1);
    if (bytes == NULL || !room_make(memory)) {
        free(bytes);
        return STORE_FULL;
    }
    if (op->value.len > 0) {
        memcpy(bytes, op->value.data, op->value.len);
    }
    record_delete(memory, op->shard, op->index);
    if (op->replaces != STORE_NO_INDEX) {
        record_delete(memory, op->shard, op->replaces);
    }
    size_t place = record_place(memory, op->shard, op->index);
    memmove(&memory->records[place + 1], &memory->records[place],
            (memory->num_records - place) * sizeof(*memory->records));
    memory->records[place] = (struct memory_record){
        .shard = op->shard,
        .epoch = op->epoch,
        .index = op->index,
        .bytes = bytes,
        .len = op->value.len,
    };
    memory->num_records++;
    memory->store.stats.bytes_used += op->value.len;
    return STORE_OK;
}

static enum store_result shard_claim(struct memory *memory, struct store_item *item)
{
    uint16_t shard = item->op.shard;
    if (memory->epochs[shard] == UINT16_MAX) {
        size_t place = record_place(memory, shard, 0);
        if (place < memory->num_records && memory->records[place].shard == shard) {
            return STORE_FENCED;
        }
        memory->epochs[shard] = 0;
    }
    item->epoch = ++memory->epochs[shard];
    return STORE_OK;
}

static enum store_result shard_scan(struct memory *memory, const struct store_item *item)
{
    struct store_list found = {0};
    uint16_t shard = item->op.shard;
    size_t place = record_place(memory, shard, 0);
    for (; place < memory->num_records && memory->records[place].shard == shard; place++) {
        const struct memory_record *record = &memory->records[place];
        struct store_item *copy =
            store_record_new(item, record->index, record->epoch, span_of(record->bytes, record->len));
        if (copy == NULL) {
            list_free(&found);
            return STORE_DOWN;
        }
        list_append(&found, copy);
    }
    store_give_records(&memory->store, &found);
    return STORE_OK;
}

static enum store_result op_do(struct memory *memory, struct store_item *item)
{
    const struct store_op *op = &item->op;
    if (op->type == STORE_CLAIM) {
        return shard_claim(memory, item);
    }
    if (op->type == STORE_SCAN) {
        return shard_scan(memory, item);
    }
    if (op->epoch == 0 || op->epoch != memory->epochs[op->shard]) {
        return STORE_FENCED;
    }
    if (op->type == STORE_PUT) {
        return record_put(memory, op);
    }
    record_delete(memory, op->shard, op->index);
    return STORE_OK;
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
    enum store_result result = op_do_or_fail(memory, item);
    store->stats.records = memory->num_records;
    store_finish(store, item, result);
    return false;
}

static void memory_close(struct store *store)
{
    struct memory *memory = (struct memory *)store;
    for (size_t i = 0; i < memory->num_records; i++) {
        free(memory->records[i].bytes);
    }
    free(memory->records);
    store_done_with(store);
    free(memory);
}

static const struct store_kind MEMORY = {.submit = memory_submit, .close = memory_close};

struct store *store_memory_new(const struct store_options *options)
{
    struct memory *memory = calloc(1, sizeof(*memory));
    if (memory != NULL && !store_begin(&memory->store, &MEMORY, options)) {
        memory_close(&memory->store);
        memory = NULL;
    }
    return memory == NULL ? NULL : &memory->store;
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

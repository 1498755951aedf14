#include "edge/store/memory_medium.h"

#include <stdlib.h>

struct memory_record {
    uint16_t shard, epoch;
    uint32_t index;
    uint8_t *bytes;
    size_t len;
};

static uint64_t key_of(uint16_t shard, uint32_t index)
{
    return (uint64_t)shard << 32 | index;
}

/* Where the record is, or would be. */
static size_t record_place(const struct memory_records *records, uint16_t shard, uint32_t index)
{
    size_t low = 0;
    size_t high = records->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct memory_record *record = &records->v[middle];
        if (key_of(record->shard, record->index) < key_of(shard, index)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool record_is_at(const struct memory_records *records, size_t place, uint16_t shard, uint32_t index)
{
    return place < records->count && records->v[place].shard == shard && records->v[place].index == index;
}

void medium_delete(struct memory_medium *medium, uint16_t shard, uint32_t index)
{
    struct memory_records *records = &medium->records;
    size_t place = record_place(records, shard, index);
    if (record_is_at(records, place, shard, index)) {
        records->bytes -= records->v[place].len;
        free(records->v[place].bytes);
        records->count--;
        memmove(&records->v[place], &records->v[place + 1], (records->count - place) * sizeof(*records->v));
    }
}

static bool room_make(struct memory_records *records)
{
    if (records->count < records->capacity) {
        return true;
    }
    size_t capacity = records->capacity == 0 ? 64 : 2 * records->capacity;
    struct memory_record *v = realloc(records->v, capacity * sizeof(*v));
    if (v == NULL) {
        return false;
    }
    records->v = v;
    records->capacity = capacity;
    return true;
}

static uint8_t *bytes_copy(const void *data, size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    if (bytes != NULL && len > 0) {
        memcpy(bytes, data, len);
    }
    return bytes;
}

enum store_result medium_put(struct memory_medium *medium, const struct store_op *op)
{
    struct memory_records *records = &medium->records;
    uint8_t *bytes = bytes_copy(op->value.data, op->value.len);
    if (bytes == NULL || !room_make(records)) {
        free(bytes);
        return STORE_FULL;
    }
    medium_delete(medium, op->shard, op->index);
    if (op->replaces != STORE_NO_INDEX) {
        medium_delete(medium, op->shard, op->replaces);
    }
    size_t place = record_place(records, op->shard, op->index);
    memmove(&records->v[place + 1], &records->v[place], (records->count - place) * sizeof(*records->v));
    records->v[place] = (struct memory_record){
        .shard = op->shard,
        .epoch = op->epoch,
        .index = op->index,
        .bytes = bytes,
        .len = op->value.len,
    };
    records->count++;
    records->bytes += op->value.len;
    return STORE_OK;
}

bool medium_shard_is_empty(const struct memory_medium *medium, uint16_t shard)
{
    size_t place = record_place(&medium->records, shard, 0);
    return place == medium->records.count || medium->records.v[place].shard != shard;
}

enum store_result medium_scan(const struct memory_medium *medium, const struct store_item *scan,
                              struct store_list *ret_records)
{
    const struct memory_records *records = &medium->records;
    uint16_t shard = scan->op.shard;
    size_t place = record_place(records, shard, 0);
    for (; place < records->count && records->v[place].shard == shard; place++) {
        const struct memory_record *record = &records->v[place];
        struct store_item *copy =
            store_record_new(scan, record->index, record->epoch, span_of(record->bytes, record->len));
        if (copy == NULL) {
            list_free(ret_records);
            return STORE_DOWN;
        }
        list_append(ret_records, copy);
    }
    return STORE_OK;
}

ns_t medium_now(const struct memory_medium *medium)
{
    return medium->clock_is_set ? medium->now : store_now();
}

void memory_medium_set_clock(struct memory_medium *medium, ns_t now)
{
    pthread_mutex_lock(&medium->lock);
    medium->clock_is_set = true;
    medium->now = now;
    pthread_mutex_unlock(&medium->lock);
}

/* ---- its life, and what a lost primary takes back */

static void records_free(struct memory_records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        free(records->v[i].bytes);
    }
    free(records->v);
    *records = (struct memory_records){0};
}

struct memory_medium *memory_medium_new(uint32_t num_shards)
{
    struct memory_medium *medium = calloc(1, sizeof(*medium));
    struct ledger *ledger = ledger_new(num_shards);
    if (medium == NULL || ledger == NULL) {
        free(medium);
        ledger_free(ledger);
        return NULL;
    }
    medium->ledger = ledger;
    pthread_mutex_init(&medium->lock, NULL);
    return medium;
}

void memory_medium_free(struct memory_medium *medium)
{
    if (medium != NULL) {
        records_free(&medium->records);
        records_free(&medium->marked_records);
        ledger_free(medium->ledger);
        ledger_free(medium->marked);
        pthread_mutex_destroy(&medium->lock);
        free(medium);
    }
}

static bool records_copy(struct memory_records *records, const struct memory_records *from)
{
    records_free(records);
    for (size_t i = 0; i < from->count; i++) {
        uint8_t *bytes = bytes_copy(from->v[i].bytes, from->v[i].len);
        if (bytes == NULL || !room_make(records)) {
            free(bytes);
            return false;
        }
        records->v[records->count] = from->v[i];
        records->v[records->count++].bytes = bytes;
    }
    records->bytes = from->bytes;
    return true;
}

bool memory_medium_mark(struct memory_medium *medium)
{
    pthread_mutex_lock(&medium->lock);
    medium->marked = medium->marked == NULL ? ledger_new(0) : medium->marked;
    bool marked = medium->marked != NULL && ledger_copy(medium->marked, medium->ledger) &&
                  records_copy(&medium->marked_records, &medium->records);
    pthread_mutex_unlock(&medium->lock);
    return marked;
}

bool memory_medium_lose(struct memory_medium *medium)
{
    pthread_mutex_lock(&medium->lock);
    hf_assert(medium->marked != NULL);
    bool lost = ledger_copy(medium->ledger, medium->marked) &&
                records_copy(&medium->records, &medium->marked_records);
    pthread_mutex_unlock(&medium->lock);
    return lost;
}

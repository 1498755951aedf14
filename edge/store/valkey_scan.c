/* Scans: first which records there are, then the records themselves, some at a time and only as the worker
 * takes them. A server's own cursor would give them in no order, some of them twice. */
#include "edge/store/valkey_job.h"

#include "edge/base/bytes.h"

#include <stdlib.h>

enum {
    READY_MAX = 1024, /* a worker with this many completions waiting gets no more records */
    INDEX_BYTES = 4,
    EPOCH_BYTES = 2,
};

size_t scan_batch(const struct job *job)
{
    return HF_MIN(job->num_indexes - job->next_index, (size_t)SCAN_BATCH);
}

bool job_has_room(struct valkey *v, const struct job *job)
{
    return v->store.workers[job->item->worker].ready.count < READY_MAX;
}

static int index_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool keys_take(struct valkey *v, struct job *job, const redisReply *reply)
{
    uint32_t *indexes = malloc((reply->elements + 1) * sizeof(*indexes));
    bool makes_sense = indexes != NULL;
    for (size_t i = 0; i < reply->elements && makes_sense; i++) {
        const redisReply *field = reply->element[i];
        makes_sense = field->type == REDIS_REPLY_STRING && field->len == INDEX_BYTES;
        indexes[i] = makes_sense ? be32_load((const uint8_t *)field->str) : 0;
    }
    if (!makes_sense) {
        free(indexes);
        return false;
    }
    qsort(indexes, reply->elements, sizeof(*indexes), index_order);
    job->indexes = indexes;
    job->num_indexes = reply->elements;
    job->step = STEP_RECORDS;
    if (job->num_indexes == 0) {
        job_finish(v, job, STORE_OK);
    } else {
        jobs_append(&v->scans, job);
    }
    return true;
}

/* Absent ones have been removed since. */
static bool records_make_sense(const struct job *job, const redisReply *reply)
{
    bool makes_sense = reply->elements == scan_batch(job);
    for (size_t i = 0; i < reply->elements && makes_sense; i++) {
        const redisReply *value = reply->element[i];
        makes_sense = value->type == REDIS_REPLY_NIL ||
                      (value->type == REDIS_REPLY_STRING && value->len >= EPOCH_BYTES);
    }
    return makes_sense;
}

static bool records_take(struct valkey *v, struct job *job, const redisReply *reply)
{
    if (!records_make_sense(job, reply)) {
        return false;
    }
    struct store_list records = {0};
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *value = reply->element[i];
        if (value->type == REDIS_REPLY_NIL) {
            continue;
        }
        const uint8_t *bytes = (const uint8_t *)value->str;
        struct store_item *record =
            store_record_new(job->item, job->indexes[job->next_index + i], be16_load(bytes),
                             span_of(bytes + EPOCH_BYTES, value->len - EPOCH_BYTES));
        if (record == NULL) {
            list_free(&records);
            return false;
        }
        list_append(&records, record);
    }
    struct store_item *record;
    while ((record = list_take(&records)) != NULL) {
        list_append(&v->out, record);
    }
    job->next_index += reply->elements;
    if (job->next_index == job->num_indexes) {
        job_finish(v, job, STORE_OK);
    } else {
        jobs_append(&v->scans, job);
    }
    return true;
}

bool scan_take(struct valkey *v, struct job *job, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    return job->step == STEP_KEYS ? keys_take(v, job, reply) : records_take(v, job, reply);
}

/* ---- members and owners */

static int member_order(const void *a, const void *b)
{
    long long x = (*(redisReply *const *)a)->element[0]->integer,
              y = (*(redisReply *const *)b)->element[0]->integer;
    return x < y ? -1 : x > y;
}

static bool member_makes_sense(const redisReply *member)
{
    return member->type == REDIS_REPLY_ARRAY && member->elements == 3 &&
           member->element[0]->type == REDIS_REPLY_INTEGER && member->element[0]->integer > 0 &&
           member->element[0]->integer <= UINT16_MAX && member->element[1]->type == REDIS_REPLY_INTEGER &&
           member->element[2]->type == REDIS_REPLY_STRING;
}

static bool view_makes_sense(const redisReply *reply)
{
    bool makes_sense = reply->elements >= 3 && reply->element[2]->type == REDIS_REPLY_STRING &&
                       reply->element[2]->len % STORE_OWNER_BYTES == 0 &&
                       reply->element[2]->len <= (size_t)VALKEY_SHARDS * STORE_OWNER_BYTES;
    for (size_t i = 3; i < reply->elements && makes_sense; i++) {
        makes_sense = member_makes_sense(reply->element[i]);
    }
    return makes_sense;
}

static bool owners_tell(const struct valkey *v, const struct job *job, const redisReply *owners,
                        struct store_list *ret_records)
{
    size_t len = HF_MAX((size_t)v->num_shards * STORE_OWNER_BYTES, owners->len);
    uint8_t *bytes = calloc(1, len + 1);
    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes, owners->str, owners->len);
    struct store_item *record = store_record_new(job->item, STORE_NO_INDEX, 0, span_of(bytes, len));
    free(bytes);
    if (record != NULL) {
        list_append(ret_records, record);
    }
    return record != NULL;
}

bool scan_view(struct valkey *v, const struct job *job, const redisReply *reply)
{
    struct store_list records = {0};
    if (!view_makes_sense(reply)) {
        return false;
    }
    qsort(reply->element + 3, reply->elements - 3, sizeof(*reply->element), member_order);
    bool told = true;
    for (size_t i = 3; i < reply->elements && told; i++) {
        redisReply *const *member = reply->element[i]->element;
        struct store_item *record =
            store_record_new(job->item, (uint32_t)member[0]->integer, member[1]->integer == 1 ? 1 : 0,
                             span_of(member[2]->str, member[2]->len));
        told = record != NULL;
        if (told) {
            list_append(&records, record);
        }
    }
    if (!told || !owners_tell(v, job, reply->element[2], &records)) {
        list_free(&records);
        return false;
    }
    struct store_item *record;
    while ((record = list_take(&records)) != NULL) {
        list_append(&v->out, record);
    }
    return true;
}

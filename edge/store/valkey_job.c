/* Operations, as steps that are one command each.
 *
 * A connection that ends with commands unanswered leaves open whether they were carried out. All but
 * STORE_ONCE give the same when they are done twice (a claim takes one more epoch), and what still lies in
 * the old connection is refused by its generation, so they are sent again on the next one; only what has no
 * answer when its time is over ends with STORE_UNKNOWN. */
#include "edge/store/valkey_job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void jobs_append(struct job_list *list, struct job *job)
{
    job->next = NULL;
    *(list->first == NULL ? &list->first : &list->last->next) = job;
    list->last = job;
    list->count++;
}

struct job *jobs_take(struct job_list *list)
{
    struct job *job = list->first;
    if (job != NULL) {
        list->first = job->next;
        list->count--;
    }
    return job;
}

static void step_set(const struct valkey *v, struct job *job, enum step step)
{
    struct keys keys;
    job->step = step;
    keys_of(v, job, &keys);
    job->slot = route_slot(keys.v[0], strlen(keys.v[0]));
}

struct job *job_new(struct valkey *v, struct store_item *item)
{
    struct job *job = calloc(1, sizeof(*job));
    if (job != NULL) {
        enum store_op_type type = item->op.type;
        *job = (struct job){
            .item = item,
            .number = ++v->numbers,
            .step = type == STORE_CLAIM  ? STEP_CLAIM
                    : type == STORE_SCAN ? STEP_KEYS
                                         : STEP_ONLY,
            .asking = VALKEY_NO_LINK,
            .floor = item->op.epoch,
        };
        job->until = v->now + v->timeout;
        step_set(v, job, job->step);
        v->jobs++;
    }
    return job;
}

void job_free(struct job *job)
{
    free(job->indexes);
    free(job);
}

void job_proceed(struct valkey *v, const struct link *link, struct job *job, enum step step)
{
    job->wait_link = link->number;
    job->wait_connection = link->connection;
    job->until = v->now + v->timeout;
    step_set(v, job, step);
    route_wait(v, job);
}

void job_finish(struct valkey *v, struct job *job, enum store_result result)
{
    struct store_item *item = job->item;
    item->result = result;
    item->epoch = result == STORE_OK ? item->epoch : 0;
    if (result == STORE_OK || result == STORE_FENCED) {
        v->error[0] = 0;
    }
    list_append(&v->out, item);
    lane_leave(v, job);
    v->jobs--;
    job_free(job);
}

void job_fail(struct valkey *v, struct job *job, const struct link *link, enum store_result result,
              const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    snprintf(v->error, sizeof(v->error), "store valkey %.60s:%u: %s", link->host, link->port, text);
    job_finish(v, job, result);
}

/* ---- without an answer */

static bool changes_nothing(const struct job *job)
{
    return job->item->op.type == STORE_SCAN || job->item->op.type == STORE_VIEW;
}

static void job_give_up(struct valkey *v, struct job *job)
{
    bool is_begun = job->was_sent || (job->item->op.type == STORE_CLAIM && job->step != STEP_CLAIM);
    const char *why = v->link_error[0] != 0 ? v->link_error : "store valkey: no answer in time";
    snprintf(v->error, sizeof(v->error), "%s",
             job->tries > 0 && v->retry_error[0] != 0 ? v->retry_error : why);
    job_finish(v, job, is_begun && !changes_nothing(job) ? STORE_UNKNOWN : STORE_DOWN);
}

void job_lost(struct valkey *v, struct job *job, bool was_sent)
{
    job->was_sent = job->was_sent || was_sent;
    bool ends = was_sent && (job->item->op.type == STORE_ONCE || job->step == STEP_CLAIM_WAIT ||
                             job->step == STEP_FENCE_WAIT);
    if (ends) {
        job_give_up(v, job);
    } else {
        if (job->step == STEP_FENCE && was_sent) {
            step_set(v, job, STEP_CLAIM); /* if it has its epoch, that looks like another's */
        }
        route_wait(v, job);
    }
}

void job_expire(struct valkey *v, struct job *job)
{
    job_give_up(v, job);
}

/* ---- an answer */

static void error_take(struct valkey *v, struct link *link, struct job *job, const char *error)
{
    snprintf(v->retry_error, sizeof(v->retry_error), "store valkey %.60s:%u: %.150s", link->host, link->port,
             error);
    if (route_retry(v, link, job, error)) {
        return;
    }
    enum store_result result = strncmp(error, "OOM ", 4) == 0 ? STORE_FULL : STORE_DOWN;
    if (strncmp(error, SCRIPT_ERROR, strlen(SCRIPT_ERROR)) == 0) { /* it names the key */
        const char *text = error + strlen(SCRIPT_ERROR);
        job_fail(v, job, link, result, "%.*s", (int)strcspn(text, "\r\n"), text);
    } else {
        char keys[KEYS_TEXT_MAX];
        keys_text(v, job, keys);
        job_fail(v, job, link, result, "%s: %.*s", keys, (int)strcspn(error, "\r\n"), error);
    }
}

static bool number_at(const redisReply *reply, size_t i, long long *ret_number)
{
    bool is_number = reply->type == REDIS_REPLY_ARRAY && reply->elements > i &&
                     reply->element[i]->type == REDIS_REPLY_INTEGER;
    *ret_number = is_number ? reply->element[i]->integer : -1;
    return is_number;
}

static void job_garbage(struct valkey *v, struct link *link, struct job *job)
{
    char keys[KEYS_TEXT_MAX];
    keys_text(v, job, keys);
    job_fail(v, job, link, STORE_DOWN, "%s: makes no sense", keys);
}

static void only_take(struct valkey *v, struct link *link, struct job *job, const redisReply *reply)
{
    long long result, version = 0;
    if (job->item->op.type == STORE_ONCE) {
        job_finish(v, job, reply->type == REDIS_REPLY_NIL ? STORE_FENCED : STORE_OK);
    } else if (!number_at(reply, 0, &result)) {
        job_garbage(v, link, job);
    } else if (job->item->op.type == STORE_VIEW) {
        if (number_at(reply, 1, &version) && scan_view(v, job, reply)) {
            job->item->view = (uint64_t)version;
            job_finish(v, job, STORE_OK);
        } else {
            job_garbage(v, link, job);
        }
    } else {
        (void)number_at(reply, 1, &version);
        job->item->view = (uint64_t)HF_MAX(version, 0);
        job_finish(v, job, result == 0 ? STORE_OK : STORE_FENCED);
    }
}

static void claim_take(struct valkey *v, struct link *link, struct job *job, const redisReply *reply)
{
    long long result, epoch = 0;
    bool makes_sense = number_at(reply, 0, &result) &&
                       (result != 0 || (number_at(reply, 1, &epoch) && epoch > 0 && epoch <= UINT16_MAX));
    if (!makes_sense) {
        job_garbage(v, link, job);
    } else if (result == 0) {
        job->item->epoch = (uint16_t)epoch;
        job_proceed(v, link, job, v->min_replicas > 0 ? STEP_CLAIM_WAIT : STEP_FENCE);
    } else if (result == 2 && !job->epochs_begin_again) {
        job_proceed(v, link, job, STEP_UNFENCE);
    } else {
        job_finish(v, job, STORE_FENCED);
    }
}

enum { FENCE_TRIES = 5 };

static void fence_take(struct valkey *v, struct link *link, struct job *job, const redisReply *reply)
{
    long long result, fence = 0;
    bool makes_sense = number_at(reply, 0, &result) &&
                       (result == 0 || (number_at(reply, 1, &fence) && fence >= 0 && fence <= UINT16_MAX));
    if (!makes_sense) {
        job_garbage(v, link, job);
    } else if (result == 0 && v->min_replicas > 0) {
        job_proceed(v, link, job, STEP_FENCE_WAIT);
    } else if (result == 0) {
        job_finish(v, job, STORE_OK);
    } else if (job->fences++ <
               FENCE_TRIES) { /* the owners' table has lost a claim that the shard remembers */
        job->floor = (uint16_t)HF_MAX(job->floor, fence);
        job->epochs_begin_again = false;
        job_proceed(v, link, job, STEP_CLAIM);
    } else {
        job_finish(v, job, STORE_FENCED);
    }
}

static void unfence_take(struct valkey *v, struct link *link, struct job *job, const redisReply *reply)
{
    long long result;
    if (!number_at(reply, 0, &result)) {
        job_garbage(v, link, job);
    } else if (result == 0) {
        job->epochs_begin_again = true;
        job_proceed(v, link, job, STEP_CLAIM);
    } else {
        job_finish(v, job, STORE_FENCED);
    }
}

static void wait_take(struct valkey *v, struct link *link, struct job *job, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < (long long)v->min_replicas) {
        job_fail(v, job, link, STORE_UNKNOWN, "fewer than %u replicas have a claim", v->min_replicas);
    } else if (job->step == STEP_CLAIM_WAIT) {
        job_proceed(v, link, job, STEP_FENCE);
    } else {
        job_finish(v, job, STORE_OK);
    }
}

void job_answer(struct valkey *v, struct link *link, struct job *job, const redisReply *reply)
{
    job->asking = VALKEY_NO_LINK;
    if (reply->type == REDIS_REPLY_ERROR) {
        error_take(v, link, job, reply->str);
        return;
    }
    switch (job->step) {
    case STEP_ONLY:
        only_take(v, link, job, reply);
        break;
    case STEP_CLAIM:
        claim_take(v, link, job, reply);
        break;
    case STEP_FENCE:
        fence_take(v, link, job, reply);
        break;
    case STEP_UNFENCE:
        unfence_take(v, link, job, reply);
        break;
    case STEP_CLAIM_WAIT:
    case STEP_FENCE_WAIT:
        wait_take(v, link, job, reply);
        break;
    default:
        if (!scan_take(v, job, reply)) {
            job_garbage(v, link, job);
        }
    }
}

/* Operations of one shard keep their order. Most follow each other on one connection; a claim and a release
 * touch keys of another hash tag, which may be on another server, so they go alone. */
#include "edge/store/valkey_internal.h"

static bool is_exclusive(const struct job *job)
{
    return job->item->op.type == STORE_CLAIM || job->item->op.type == STORE_RELEASE;
}

static bool has_lane(const struct job *job)
{
    enum store_op_type type = job->item->op.type;
    return is_exclusive(job) || type == STORE_SCAN || type == STORE_PUT || type == STORE_DELETE;
}

static bool may_run(const struct lane *lane, const struct job *job)
{
    return !lane->is_closed && (lane->running == 0 || !is_exclusive(job));
}

static void run(struct valkey *v, struct lane *lane, struct job *job)
{
    lane->running++;
    lane->is_closed = is_exclusive(job);
    job->in_lane = true;
    route_wait(v, job);
}

void lane_enter(struct valkey *v, struct job *job)
{
    struct lane *lane = &v->lanes[job->item->op.shard];
    if (!has_lane(job)) {
        route_wait(v, job);
    } else if (lane->waiting.count == 0 && may_run(lane, job)) {
        run(v, lane, job);
    } else {
        jobs_append(&lane->waiting, job);
    }
}

void lane_leave(struct valkey *v, struct job *job)
{
    struct lane *lane = &v->lanes[job->item->op.shard];
    if (!job->in_lane) {
        return;
    }
    hf_assert(lane->running > 0);
    lane->running--;
    lane->is_closed = false;
    while (lane->waiting.count > 0 && may_run(lane, lane->waiting.first)) {
        run(v, lane, jobs_take(&lane->waiting)); /* what has waited for too long ends at the next tick */
    }
}

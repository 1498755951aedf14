/* Shards that come and go (docs/FLEET.md). The engine of the fleet says what it wishes; here it is done:
 * claimed and read (start.c), or given away:
 *
 *   closing    no new sessions, no exchanges of ours; handshakes may end, for a moment
 *   leaving    children out of the plane, then each session's record with exact numbers
 *   releasing  when all are in the store
 *   forgetting nobody is told
 *
 * When the store does not take it, the sessions come back into the plane and go on here: a shard is served by
 * its owner at every moment but for the last few milliseconds.
 */
#include "edge/core/internal.h"

#define GIVES_OPEN_MAX 8
#define SESSIONS_PER_STEP 4 /* with up to CHILD_PER_SA_MAX effects each, or a record */
#define STAYS_PER_STEP 2    /* with both */
#define EFFECTS_BEFORE_WORK 24
#define POLL_NS (20 * NS_PER_MS)
#define HANDSHAKES_NS (1 * NS_PER_S) /* of which most end within two round trips */
#define RELEASE_TRIES 3

_Static_assert(EFFECTS_BEFORE_WORK + SESSIONS_PER_STEP * (CHILD_PER_SA_MAX + 1) + 2 <= EFFECTS_MAX, "room");

static void news(struct core *core, uint32_t position, enum fleet_shard_news what, enum store_result result)
{
    const struct core_shard *shard = &core->shards[position];
    if (core->config.in_fleet) {
        effect_add(core, EFFECT_SHARD)->shard = (struct effect_shard){.news = what,
                                                                      .shard = core->config.shards[position],
                                                                      .epoch = shard->epoch,
                                                                      .result = result,
                                                                      .sessions = shard->sessions};
    }
}

/* ---- the queue of shards with something to do */

static void work_add(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    if (shard->is_queued) {
        return;
    }
    shard->is_queued = true;
    shard->work_next = WORK_NONE;
    if (core->work_first == WORK_NONE) {
        core->work_first = position;
    } else {
        core->shards[core->work_last].work_next = position;
    }
    core->work_last = position;
}

static uint32_t work_take(struct core *core)
{
    uint32_t position = core->work_first;
    core->work_first = core->shards[position].work_next;
    core->shards[position].is_queued = false;
    return position;
}

/* Of these there are few at a time. */
static void work_later(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    if (!shard->is_late) {
        shard->is_late = true;
        core->num_late++;
    }
    core->poll_at = HF_MIN(core->poll_at, core->time.now + POLL_NS);
}

static void poll(struct core *core)
{
    if (core->poll_at > core->time.now) {
        return;
    }
    core->poll_at = NS_NEVER;
    for (uint32_t i = 0; i < core->config.num_shards && core->num_late > 0; i++) {
        if (core->shards[i].is_late) {
            core->shards[i].is_late = false;
            core->num_late--;
            work_add(core, i);
        }
    }
}

ns_t shard_deadline(const struct core *core)
{
    return core->work_first != WORK_NONE ? core->time.now : core->poll_at;
}

/* ---- coming */

/* Served as soon as the last of its sessions is: whoever holds packets for it can let them go. */
static void ready_check(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    if (!core->config.in_fleet || shard->state != SHARD_OWNED || shard->is_ready ||
        ike_shard_restoring(core->ike, position) > 0) {
        return;
    }
    shard->is_ready = true;
    shard->sessions = ike_shard_sessions(core->ike, position);
    ike_shard_set(core->ike, core->time, position, IKE_SHARD_HERE);
    news(core, position, FLEET_SHARD_READY, STORE_OK);
    if (shard->give_next) {
        work_add(core, position);
    }
}

void shard_claimed(struct core *core, uint32_t position, uint16_t epoch)
{
    struct core_shard *shard = &core->shards[position];
    bool again = shard->reclaiming;
    shard->reclaiming = false;
    shard->epoch = epoch;
    shard->epoch_mark = ike_token(core->ike);
    shard->is_ready = again;
    news(core, position, FLEET_SHARD_TAKEN, STORE_OK);
    if (again) {
        ike_shard_save(core->ike, core->time, position);
        shard->sessions = ike_shard_sessions(core->ike, position);
        news(core, position, FLEET_SHARD_READY, STORE_OK);
        work_add(core, position);
    } else if (core->config.in_fleet) {
        ike_shard_set(core->ike, core->time, position, IKE_SHARD_LOADING);
    }
}

void shard_refused(struct core *core, uint32_t position, enum store_result result)
{
    struct core_shard *shard = &core->shards[position];
    bool again = shard->reclaiming;
    shard->reclaiming = false;
    shard->state = again ? SHARD_OWNED : SHARD_UNCLAIMED;
    shard->sessions = 0;
    shard->give_next = again && shard->give_next;
    news(core, position, FLEET_SHARD_FAILED, result);
    work_add(core, position);
}

void shard_read(struct core *core, uint32_t position)
{
    ready_check(core, position);
}

static void take(struct core *core, uint32_t position, uint16_t epoch)
{
    struct core_shard *shard = &core->shards[position];
    shard->floor = HF_MAX(shard->floor, epoch);
    shard->give_next = false;
    switch ((enum shard_state)shard->state) {
    case SHARD_SCANNING:
    case SHARD_UNREAD:
        news(core, position, FLEET_SHARD_TAKEN, STORE_OK); /* and it goes on being read */
        break;
    case SHARD_CLAIMING:
        break;
    default: /* ours: claimed anew, for the store may have lost our claim; going: when that is done */
        if (shard->state == SHARD_OWNED && !shard->is_ready) {
            news(core, position, FLEET_SHARD_TAKEN, STORE_OK);
        } else {
            start_claim(core, position);
        }
        break;
    }
}

/* ---- going */

static void give_ended(struct core *core)
{
    core->num_giving--;
    for (uint32_t i = 0; i < core->config.num_shards && core->gives_waiting > 0; i++) {
        struct core_shard *shard = &core->shards[i];
        if (shard->give_next && shard->state == SHARD_OWNED) {
            work_add(core, i);
        }
    }
    core->gives_waiting = 0;
}

static bool is_going(const struct core_shard *shard)
{
    return shard->state == SHARD_GIVING || shard->state == SHARD_RELEASING || shard->state == SHARD_STAYING;
}

static void give(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    if (shard->state < SHARD_SCANNING && shard->state != SHARD_CLAIMING) {
        shard->wanted = false;
        shard->sessions = 0;
        if (shard->state == SHARD_UNCLAIMED) { /* else it is told when it is forgotten */
            news(core, position, FLEET_SHARD_GIVEN, STORE_OK);
        }
    } else if (!is_going(shard)) {
        shard->give_next = true;
        shard->wanted = false;
        work_add(core, position);
    }
}

static void give_begin(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    if (shard->state != SHARD_OWNED || !shard->is_ready || shard->reclaiming) {
        return; /* it is looked at again when it is all here */
    }
    if (core->num_giving == GIVES_OPEN_MAX) {
        core->gives_waiting++;
        return;
    }
    core->num_giving++;
    shard->give_next = false;
    shard->state = SHARD_GIVING;
    shard->since = core->time.now;
    shard->tries = 0;
    ike_shard_set(core->ike, core->time, position, IKE_SHARD_CLOSING);
    work_add(core, position);
}

static void release(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    shard->state = SHARD_RELEASING;
    shard->tries++;
    shard->sessions = ike_shard_sessions(core->ike, position);
    store_op(core, STORE_RELEASE, position, shard->epoch);
}

static void give_failed(struct core *core, uint32_t position, enum store_result result)
{
    core->shards[position].state = SHARD_STAYING;
    core->shards[position].result = result;
    ike_shard_set(core->ike, core->time, position, IKE_SHARD_LEAVING); /* from its first session on */
    work_add(core, position);
}

static void give_work(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    if (ike_shard_half_open(core->ike, position) > 0 && core->time.now < shard->since + HANDSHAKES_NS) {
        work_later(core, position);
        return;
    }
    if (!ike_shard_is_leaving(core->ike, position)) {
        ike_shard_set(core->ike, core->time, position, IKE_SHARD_LEAVING);
    }
    switch (ike_shard_leave(core->ike, core->time, position, SESSIONS_PER_STEP)) {
    case IKE_LEAVING_ON:
        work_add(core, position);
        break;
    case IKE_LEAVING_WAITS:
        break; /* shard_answered() */
    case IKE_LEAVING_DONE:
        release(core, position);
        break;
    case IKE_LEAVING_FAILED:
        give_failed(core, position, STORE_DOWN);
        break;
    }
}

static void stay_work(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    if (!ike_shard_stay(core->ike, core->time, position, STAYS_PER_STEP)) {
        work_add(core, position);
        return;
    }
    shard->state = SHARD_OWNED;
    shard->sessions = ike_shard_sessions(core->ike, position);
    ike_shard_set(core->ike, core->time, position, IKE_SHARD_HERE);
    news(core, position, FLEET_SHARD_FAILED, shard->result);
    give_ended(core);
    if (shard->wanted) {
        start_claim(core, position);
    }
}

static void forget_begin(struct core *core, uint32_t position, bool is_given)
{
    struct core_shard *shard = &core->shards[position];
    shard->state = SHARD_FORGETTING;
    shard->is_given = is_given;
    shard->is_ready = false;
    ike_shard_set(core->ike, core->time, position, IKE_SHARD_AWAY);
    work_add(core, position);
}

static void forget_work(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    if (!ike_shard_forget(core->ike, core->time, position, SESSIONS_PER_STEP)) {
        work_add(core, position);
        return;
    }
    shard->state = SHARD_UNCLAIMED;
    if (shard->is_given) {
        news(core, position, FLEET_SHARD_GIVEN, STORE_OK);
        give_ended(core);
    }
    if (shard->wanted) {
        start_claim(core, position);
    }
}

void shard_store_done(struct core *core, uint32_t position, const struct store_done *done)
{
    struct core_shard *shard = &core->shards[position];
    if (done->result == STORE_OK) {
        forget_begin(core, position, true);
    } else if (done->result == STORE_FENCED) {
        shard_lost(core, position);
    } else if (shard->tries < RELEASE_TRIES) {
        work_later(core, position);
    } else {
        give_failed(core, position, done->result);
    }
}

/* ---- lost to another */

void shard_lost(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    bool wanted = shard->wanted;
    if (!shard_is_owned(shard->state)) {
        return;
    }
    core->shards_done -= shard->state >= SHARD_OWNED ? 1 : 0;
    start_forget(core, position);
    shard->sessions = ike_shard_sessions(core->ike, position);
    if (is_going(shard)) {
        give_ended(core);
    }
    shard->wanted = wanted;
    shard->give_next = false;
    forget_begin(core, position, false);
    news(core, position, FLEET_SHARD_LOST, STORE_FENCED);
}

bool shard_is_fenced(const struct core *core, uint64_t token)
{
    const struct core_shard *shard = &core->shards[ike_shard_position(core->ike, (uint32_t)token)];
    return !shard->reclaiming && !ike_token_is_older(token, shard->epoch_mark);
}

/* ---- what the rest of the core tells */

static bool position_of(const struct core *core, uint16_t shard, uint32_t *ret_position)
{
    uint32_t low = 0, high = core->config.num_shards;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (core->config.shards[middle] < shard) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_position = low;
    return low < core->config.num_shards && core->config.shards[low] == shard;
}

void shard_event(struct core *core, const struct event_shard *event)
{
    uint32_t position;
    bool known = position_of(core, event->shard, &position);
    hf_assert(known && core->config.in_fleet);
    switch (event->wish) {
    case SHARD_TAKE:
        take(core, position, event->epoch);
        break;
    case SHARD_GIVE:
        give(core, position);
        break;
    case SHARD_DROP:
        core->shards[position].floor = HF_MAX(core->shards[position].floor, event->epoch);
        if (event->epoch > core->shards[position].epoch) {
            shard_lost(core, position);
        }
        break;
    }
}

void shard_answered(struct core *core, uint64_t token)
{
    uint32_t position = ike_shard_position(core->ike, (uint32_t)token);
    struct core_shard *shard = &core->shards[position];
    if (shard->state == SHARD_GIVING) {
        work_add(core, position);
    } else {
        ready_check(core, position);
    }
}

static void work(struct core *core, uint32_t position)
{
    switch ((enum shard_state)core->shards[position].state) {
    case SHARD_OWNED:
        if (core->shards[position].give_next) {
            give_begin(core, position);
        }
        break;
    case SHARD_GIVING:
        give_work(core, position);
        break;
    case SHARD_RELEASING:
        release(core, position);
        break;
    case SHARD_STAYING:
        stay_work(core, position);
        break;
    case SHARD_FORGETTING:
        forget_work(core, position);
        break;
    default: /* given up meanwhile */
        break;
    }
}

void shard_timer(struct core *core)
{
    poll(core);
    if (core->work_first != WORK_NONE && core->effects->count <= EFFECTS_BEFORE_WORK) {
        work(core, work_take(core));
    }
}

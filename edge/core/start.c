/* Owning shards and reading their sessions back: before the first client, or as a fleet's shards come. A
 * store that does not answer delays sessions of the past, not new ones, unless the policy says so. */
#include "edge/base/secret.h"
#include "edge/core/internal.h"

#define CLAIMS_OPEN_MAX 32
#define CLAIM_RETRY_NS (5 * NS_PER_S)
#define SCAN_RETRY_NS (500 * NS_PER_MS) /* in a fleet: others wait for these sessions */

void store_op(struct core *core, enum store_op_type type, uint32_t position, uint16_t epoch)
{
    effect_add(core, EFFECT_STORE)->store = (struct store_op){
        .type = type,
        .token = SHARD_TOKEN | (uint64_t)core->shards[position].attempt << 32 | position,
        .shard = core->config.shards[position],
        .epoch = epoch,
        .replaces = STORE_NO_INDEX,
    };
}

/* Owned from here on: restored sessions write their records while the scan goes on. */
static void shard_scan(struct core *core, uint32_t position)
{
    core->shards[position].state = SHARD_SCANNING;
    store_op(core, STORE_SCAN, position, core->shards[position].epoch);
}

/* A shard that was claimed is not claimed again when only reading it failed: the new epoch would fence off
 * the writes of the sessions that have been read. */
static void claim_some(struct core *core)
{
    while (core->claims_open < CLAIMS_OPEN_MAX && core->claims_next < core->config.num_shards) {
        uint32_t position = core->claims_next++;
        struct core_shard *shard = &core->shards[position];
        bool again = shard->state == SHARD_OWNED && shard->wanted && !shard->reclaiming;
        if ((shard->state == SHARD_UNCLAIMED && shard->wanted) || again) {
            shard->state = again ? SHARD_OWNED : SHARD_CLAIMING;
            shard->reclaiming = again;
            shard->wanted = false;
            core->claims_open++;
            store_op(core, STORE_CLAIM, position, HF_MAX(shard->epoch, shard->floor));
        } else if (shard->state == SHARD_UNREAD) {
            core->claims_open++;
            shard_scan(core, position);
        }
    }
}

static void start_ready(struct core *core)
{
    core->ready = true;
    effect_audit(core, &(struct audit){.type = AUDIT_READY, .count = core->restored});
}

/* One shard has come to an end, good or bad. */
static void shard_settled(struct core *core)
{
    bool refuse = core->policy->store_failure == POLICY_STORE_REFUSE;
    core->claims_open--;
    claim_some(core);
    if (core->claims_open == 0 && !core->ready && (!refuse || core->shards_done == core->config.num_shards)) {
        start_ready(core);
    }
}

static void retry_later(struct core *core)
{
    if (core->claim_retry == NS_NEVER) { /* once per round, not once per shard */
        core->claim_retry = core->time.now + (core->config.in_fleet ? SCAN_RETRY_NS : CLAIM_RETRY_NS);
        effect_audit(core, &(struct audit){.type = AUDIT_STORE_FAILED, .cause = CAUSE_STORE});
    }
}

static void claim_failed(struct core *core, uint32_t position, enum store_result result)
{
    struct core_shard *shard = &core->shards[position];
    if (core->config.in_fleet) {
        shard_refused(core, position, result);
    } else {
        shard->state = SHARD_UNCLAIMED;
        shard->wanted = true;
        retry_later(core);
    }
}

void start_begin(struct core *core)
{
    hf_assert(!core->started);
    core->started = true;
    if (core->config.in_fleet) {
        core->claims_next = core->config.num_shards;
        start_ready(core);
        return;
    }
    for (uint32_t i = 0; i < core->config.num_shards; i++) {
        core->shards[i].wanted = true;
    }
    claim_some(core);
}

void start_claim(struct core *core, uint32_t position)
{
    core->shards[position].wanted = true;
    core->claims_next = HF_MIN(core->claims_next, position);
    claim_some(core);
}

void start_forget(struct core *core, uint32_t position)
{
    struct core_shard *shard = &core->shards[position];
    if (shard->state == SHARD_CLAIMING || shard->state == SHARD_SCANNING || shard->reclaiming) {
        core->claims_open--;
        claim_some(core);
    }
    shard->reclaiming = shard->wanted = false;
    shard->attempt++;
}

void start_timer(struct core *core)
{
    if (core->claim_retry <= core->time.now) {
        core->claim_retry = NS_NEVER;
        core->claims_next = 0;
        claim_some(core);
    }
}

static void scan_done(struct core *core, uint32_t position, enum store_result result)
{
    struct core_shard *shard = &core->shards[position];
    if (result == STORE_OK) {
        shard->state = SHARD_OWNED;
        core->shards_done++;
        shard_read(core, position);
    } else if (result == STORE_FENCED) {
        shard_lost(core, position);
        return; /* it settled the claim, too */
    } else {
        shard->state = SHARD_UNREAD;
        retry_later(core);
    }
    shard_settled(core);
}

void start_store_done(struct core *core, const struct store_done *done)
{
    uint32_t position = (uint32_t)done->token;
    hf_assert(position < core->config.num_shards);
    struct core_shard *shard = &core->shards[position];
    if ((uint16_t)(done->token >> 32) != shard->attempt) {
        return; /* of a shard that was given or lost since */
    }
    bool again = shard->reclaiming;
    if (done->type == STORE_RELEASE) {
        shard_store_done(core, position, done);
    } else if (done->type == STORE_SCAN) {
        scan_done(core, position, done->result);
    } else if (done->result != STORE_OK) {
        claim_failed(core, position, done->result);
        shard_settled(core);
    } else {
        shard_claimed(core, position, done->epoch);
        if (again) {
            shard_settled(core);
        } else {
            shard_scan(core, position);
        }
    }
}

void start_record(struct core *core, const struct store_record *stored)
{
    const struct core_shard *shard = &core->shards[(uint32_t)stored->token];
    if (shard->state != SHARD_SCANNING || (uint16_t)(stored->token >> 32) != shard->attempt) {
        return;
    }
    if (stored->epoch == shard->epoch) {
        return; /* our own writing, seen because the scan was tried again: not a session of the past */
    }
    enum cause cause = save_open(core, stored);
    if (cause == CAUSE_NONE) {
        cause = save_restore(core);
    }
    secret_wipe(&core->record, sizeof(core->record));
    secret_wipe(core->record_plain, sizeof(core->record_plain));
    if (cause == CAUSE_NONE) {
        core->restored++;
    } else {
        effect_audit(core, &(struct audit){.type = AUDIT_RESTORE_FAILED, .cause = cause});
    }
}

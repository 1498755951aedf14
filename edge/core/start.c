/* Before the first client: own the shards, read their sessions back. A store that does not answer delays
 * sessions of the past, not new ones, unless the policy says so. */
#include "edge/base/secret.h"
#include "edge/core/internal.h"

#define CLAIMS_OPEN_MAX 32
#define CLAIM_RETRY_NS (5 * NS_PER_S)

static void store_op(struct core *core, enum store_op_type type, uint32_t position)
{
    effect_add(core, EFFECT_STORE)->store = (struct store_op){
        .type = type,
        .token = START_TOKEN | position,
        .shard = core->config.shards[position],
        .epoch = core->shards[position].epoch,
        .replaces = STORE_NO_INDEX,
    };
}

/* Owned from here on: restored sessions write their records while the scan goes on. */
static void shard_scan(struct core *core, uint32_t position)
{
    core->shards[position].state = SHARD_SCANNING;
    store_op(core, STORE_SCAN, position);
}

/* A shard that was claimed is not claimed again when only reading it failed: the new epoch would fence off
 * the writes of the sessions that have been read. */
static void claim_some(struct core *core)
{
    while (core->claims_open < CLAIMS_OPEN_MAX && core->claims_next < core->config.num_shards) {
        uint32_t position = core->claims_next++;
        struct core_shard *shard = &core->shards[position];
        if (shard->state == SHARD_UNCLAIMED) {
            shard->state = SHARD_CLAIMING;
            core->claims_open++;
            store_op(core, STORE_CLAIM, position);
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

static void shard_failed(struct core *core, uint32_t position)
{
    if (core->claim_retry == NS_NEVER) { /* once per round, not once per shard */
        core->claim_retry = core->time.now + CLAIM_RETRY_NS;
        effect_audit(core, &(struct audit){.type = AUDIT_STORE_FAILED, .cause = CAUSE_STORE});
    }
    struct core_shard *shard = &core->shards[position];
    shard->state = shard->state == SHARD_CLAIMING ? SHARD_UNCLAIMED : SHARD_UNREAD;
    shard_settled(core);
}

void start_begin(struct core *core)
{
    hf_assert(!core->started);
    core->started = true;
    if (core->config.in_fleet) {
        start_ready(core);
    } else {
        claim_some(core);
    }
}

void start_timer(struct core *core)
{
    if (core->claim_retry <= core->time.now) {
        core->claim_retry = NS_NEVER;
        core->claims_next = 0;
        claim_some(core);
    }
}

void start_store_done(struct core *core, const struct store_done *done)
{
    uint32_t position = (uint32_t)done->token;
    hf_assert(position < core->config.num_shards);
    struct core_shard *shard = &core->shards[position];
    if (done->result != STORE_OK) {
        shard_failed(core, position);
    } else if (done->type == STORE_CLAIM) {
        shard->epoch = done->epoch;
        shard_scan(core, position);
    } else {
        shard->state = SHARD_OWNED;
        core->shards_done++;
        shard_settled(core);
    }
}

void start_record(struct core *core, const struct store_record *stored)
{
    const struct core_shard *shard = &core->shards[(uint32_t)stored->token];
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

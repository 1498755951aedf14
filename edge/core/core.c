/* One worker's composition: events to engines, their wishes to effects. */
#include "edge/core/core.h"

#include "edge/base/secret.h"
#include "edge/core/internal.h"

#define SLACK_PERCENT 25 /* shards fill unevenly */
#define SLACK_SLOTS 4

/* Slots of one shard so that all shards together hold `total`, rekeys and uneven filling included. */
static uint32_t per_shard(uint32_t total, uint8_t shard_bits)
{
    uint32_t shards = UINT32_C(1) << shard_bits;
    uint32_t even = (total + shards - 1) / shards;
    uint32_t slots = even + even * SLACK_PERCENT / 100 + SLACK_SLOTS;
    return HF_MIN(slots, UINT32_C(1) << (30 - shard_bits));
}

/* A record leads to the same slot on every node of a fleet, whatever the number of its workers. */
static uint32_t handshakes_per_shard(const struct core_config *config)
{
    return config->in_fleet ? FLEET_HANDSHAKES_PER_SHARD
                            : (config->half_open_max + config->num_shards - 1) / config->num_shards;
}

static struct ike_config engine_config(const struct core_config *config)
{
    struct ike_config engine = {
        .shards = config->shards,
        .num_shards = config->num_shards,
        .shard_bits = config->shard_bits,
        .sas_per_shard = per_shard(config->sessions_max, config->shard_bits) + handshakes_per_shard(config),
        .children_per_shard = per_shard(config->children_max, config->shard_bits),
        .half_open_max = config->half_open_max,
        .spi = config->spi,
        .node = config->node,
        .in_fleet = config->in_fleet,
        .rand = config->rand,
    };
    memcpy(engine.fleet_key, config->fleet_key, sizeof(engine.fleet_key));
    return engine;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

size_t core_bytes(const struct core_config *config)
{
    struct ike_config engine = engine_config(config);
    return aligned(sizeof(struct core)) + aligned(config->num_shards * sizeof(struct core_shard)) +
           ike_bytes(&engine);
}

uint32_t core_children_max(const struct core_config *config)
{
    return per_shard(config->children_max, config->shard_bits) << config->shard_bits;
}

size_t core_pool_bytes(const struct core_config *config, const struct policy *policy)
{
    return pools_bytes(config, policy);
}

struct core *core_init(void *memory, const struct core_config *config, void *pool_memory)
{
    hf_assert(config->num_shards > 0 && config->shard_bits >= SHARD_BITS_MIN && config->half_open_max > 0);
    uint8_t *at = memory;
    struct core *core = memory;
    memset(core, 0, sizeof(*core));
    core->config = *config;
    core->policy = config->policy;
    core->claim_retry = core->poll_at = NS_NEVER;
    core->work_first = core->work_last = WORK_NONE;
    at += aligned(sizeof(*core));
    core->shards = (struct core_shard *)at;
    memset(core->shards, 0, config->num_shards * sizeof(*core->shards));
    for (uint32_t i = 0; i < config->num_shards; i++) {
        fleet_derive(config->fleet_key, "record", config->shards[i], core->shards[i].record_key,
                     sizeof(core->shards[i].record_key));
    }
    at += aligned(config->num_shards * sizeof(*core->shards));
    struct ike_config engine = engine_config(config);
    engine.host = core_host(core);
    core->ike = ike_init(at, &engine, config->policy);
    pools_init(core, pool_memory, config->policy);
    return core;
}

void core_done(struct core *core)
{
    ike_done(core->ike);
    secret_wipe(core->shards, core->config.num_shards * sizeof(*core->shards));
    secret_wipe(core, sizeof(*core));
}

/* Who is refused has lost the whole shard (docs/FLEET.md, rule 3). */
static void record_done(struct core *core, uint64_t token, enum ike_store_result result)
{
    if (!ike_store_done(core->ike, core->time, token, result)) {
        shard_answered(core, token);
    } else if (!core->config.in_fleet) {
        ike_drop_copy(core->ike, core->time, token); /* there is nobody to have the rest of the shard */
    } else if (shard_is_fenced(core, token)) {
        shard_lost(core, ike_shard_position(core->ike, (uint32_t)token));
    } else {
        record_done(core, token, IKE_STORE_FAILED);
    }
}

static void step_store_done(struct core *core, const struct store_done *done)
{
    if ((done->token & SHARD_TOKEN) != 0) {
        start_store_done(core, done);
    } else if (done->token != 0) {
        enum ike_store_result result = done->result == STORE_OK       ? IKE_STORE_OK
                                       : done->result == STORE_FENCED ? IKE_STORE_FENCED
                                                                      : IKE_STORE_FAILED;
        record_done(core, done->token, result);
    }
}

static void step_plane_done(struct core *core, const struct plane_done *done)
{
    const struct plane_counters *counters = &done->counters;
    struct ike_traffic traffic = {.bytes_in = counters->bytes_in,
                                  .bytes_out = counters->bytes_out,
                                  .packets_in = counters->packets_in,
                                  .packets_out = counters->packets_out,
                                  .sequence_in = counters->sequence_in,
                                  .sequence_out = counters->sequence_out,
                                  .last_in = counters->last_in};
    if (done->type == PLANE_INSTALL) {
        ike_plane_done(core->ike, core->time, done->token, done->child, done->cause == CAUSE_NONE);
    } else if (done->type == PLANE_READ) {
        ike_plane_counters(core->ike, core->time, done->child, &traffic);
    } else if (done->type == PLANE_REMOVE) {
        ike_plane_removed(core->ike, core->time, done->token, done->child,
                          done->cause == CAUSE_NONE ? &traffic : NULL);
    }
    shard_answered(core, done->token);
}

static void step_plane(struct core *core, const struct plane_event *event)
{
    ike_plane_volume(core->ike, event->child, event->volume.bytes, event->volume.packets);
    switch (event->type) {
    case PLANE_EVENT_SEQUENCE:
        ike_plane_sequence(core->ike, core->time, event->child, event->sequence_out);
        break;
    case PLANE_EVENT_SPENT:
        ike_plane_spent(core->ike, core->time, event->child, CAUSE_ESP_SEQUENCE);
        break;
    case PLANE_EVENT_AGED:
        ike_plane_aged(core->ike, core->time, event->child);
        break;
    case PLANE_EVENT_WORN:
        ike_plane_spent(core->ike, core->time, event->child, CAUSE_ESP_VOLUME);
        break;
    case PLANE_EVENT_MOVED:
        ike_plane_moved(core->ike, core->time, event->child, &event->local, &event->remote);
        break;
    }
}

/* Sessions keep their addresses through a reload; those still in a pool of the same name stay leased there.
 */
static void step_policy(struct core *core, const struct policy *policy, void *pool_memory,
                        const struct hf_spi_config *spi)
{
    const struct policy *old = core->policy;
    core->policy = policy;
    pools_init(core, pool_memory, policy);
    for (uint32_t slot = 0; slot < ike_capacity(core->ike); slot++) {
        const struct ike_sa *sa = ike_sa_at(core->ike, slot);
        for (uint32_t i = 0; sa != NULL && i < sa->num_addresses; i++) {
            (void)!pools_take_at(core, &sa->addresses[i]);
        }
    }
    ike_policy(core->ike, policy);
    if (spi != NULL) {
        ike_spi_config(core->ike, spi);
    }
    effect_add(core, EFFECT_POLICY_FREE)->policy = old;
}

static void step_command(struct core *core, const struct event_command *command)
{
    switch (command->type) {
    case COMMAND_DRAIN:
    case COMMAND_UNDRAIN:
        ike_drain(core->ike, core->time, command->type == COMMAND_DRAIN);
        break;
    case COMMAND_DISCONNECT:
        (void)!ike_disconnect(core->ike, core->time, command->session_id);
        break;
    case COMMAND_REPLACED:
        ike_replaced(core->ike, core->time, command->identity, command->connection, command->before);
        break;
    }
}

static struct ike_datagram ike_datagram_of(const struct event_datagram *datagram)
{
    return (struct ike_datagram){.local = datagram->local,
                                 .remote = datagram->remote,
                                 .bytes = datagram->bytes,
                                 .natt = datagram->natt};
}

static void step_datagram(struct core *core, const struct event_datagram *datagram)
{
    if (!core->ready) {
        core->counters.drops[CAUSE_STARTING]++;
        return;
    }
    struct ike_datagram input = ike_datagram_of(datagram);
    ike_receive(core->ike, core->time, &input);
}

bool core_is_proven(struct core *core, int64_t now_unix_s, const struct event_datagram *datagram)
{
    struct ike_time time = {.now = core->time.now, .unix_s = now_unix_s};
    struct ike_datagram input = ike_datagram_of(datagram);
    return ike_is_proven(core->ike, time, &input);
}

static void step_event(struct core *core, const struct event *event)
{
    switch (event->type) {
    case EVENT_START:
        start_begin(core);
        break;
    case EVENT_DATAGRAM:
        step_datagram(core, &event->datagram);
        break;
    case EVENT_TIMER:
        start_timer(core);
        ike_timer(core->ike, core->time);
        shard_timer(core);
        break;
    case EVENT_STORE_DONE:
        step_store_done(core, &event->store);
        break;
    case EVENT_STORE_RECORD:
        start_record(core, &event->record);
        break;
    case EVENT_PLANE_DONE:
        step_plane_done(core, &event->plane_done);
        break;
    case EVENT_PLANE:
        step_plane(core, &event->plane);
        break;
    case EVENT_COMMAND:
        step_command(core, &event->command);
        break;
    case EVENT_POLICY:
        step_policy(core, event->policy.policy, event->policy.pool_memory, event->policy.spi);
        break;
    case EVENT_SHARD:
        shard_event(core, &event->shard);
        break;
    case EVENT_LEASE:
        ike_lease(core->ike, core->time, event->may_begin);
        break;
    }
}

void core_step(struct core *core, const struct event *event, struct effects *ret_effects)
{
    secret_wipe(core->arena, core->arena_used); /* keys on their way to the plane */
    core->arena_used = 0;
    core->effects = ret_effects;
    core->effects->count = 0;
    core->time = (struct ike_time){.now = event->now, .unix_s = event->now_unix_s};
    step_event(core, event);
    for (uint32_t i = 0; i < core->num_failed; i++) {
        record_done(core, core->failed_tokens[i], IKE_STORE_FAILED);
    }
    core->num_failed = 0;
}

ns_t core_deadline(const struct core *core)
{
    return HF_MIN(HF_MIN(core->claim_retry, shard_deadline(core)), ike_deadline(core->ike));
}

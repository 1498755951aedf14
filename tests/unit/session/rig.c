#include "tests/unit/session/rig.h"
#include "edge/base/bytes.h"
#include "tests/lib/rand.h"

#include <stdlib.h>

static struct sim_rand dice;
static uint16_t rows[RIG_SHARDS][2];

static struct fleet_member member_make(uint16_t node, const char *site)
{
    struct fleet_member member = {.node = node, .weight = 100, .mtu = 1500, .instance = 1000 + node};
    memcpy(member.site_name, site, strlen(site));
    member.address.bytes[15] = (uint8_t)node;
    return member;
}

struct rig *rig_new(uint32_t takes_per_s, uint32_t gives_per_s)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->effects = calloc(RIG_EFFECTS, sizeof(*rig->effects));
    dice = sim_rand_of(1);
    memset(rows, 0, sizeof(rows));
    rig->config = (struct fleet_config){
        .self = member_make(1, "here"),
        .shard_bits = RIG_BITS,
        .shards_key = {1, 2},
        .lease = RIG_LEASE,
        .heartbeat = RIG_HEARTBEAT,
        .takes_per_s = takes_per_s,
        .gives_per_s = gives_per_s,
        .rand = sim_rand_source(&dice),
    };
    rig->now = 1000 * NS_PER_S;
    rig->view = 1;
    rig->fleet = fleet_init(aligned_alloc(64, fleet_bytes(&rig->config)), &rig->config);
    return rig;
}

void rig_free(struct rig *rig)
{
    free(rig->fleet);
    free(rig->effects);
    free(rig);
}

void rig_member(struct rig *rig, uint16_t node, const char *site)
{
    rig->members[node] = member_make(node, site);
    rig->has_lease[node] = true;
}

/* ---- the store and the cores */

static void done(struct rig *rig, const struct store_op *op, enum store_result result)
{
    rig_event(rig, &(struct fleet_event){
                       .type = FLEET_EVENT_STORE_DONE,
                       .store = {.token = op->token, .type = op->type, .result = result, .view = rig->view}});
}

static void member_read(struct rig *rig, const struct store_op *op, uint16_t node)
{
    uint8_t bytes[FLEET_MEMBER_BYTES_MAX];
    size_t len = fleet_member_encode(&rig->members[node], bytes, sizeof(bytes));
    len = rig->is_bad_member && node == 2 ? len - 1 : len;
    rig_event(rig, &(struct fleet_event){.type = FLEET_EVENT_STORE_RECORD,
                                         .record = {.token = op->token,
                                                    .index = node,
                                                    .epoch = rig->has_lease[node],
                                                    .value = span_of(bytes, len)}});
}

static void view_read(struct rig *rig, const struct store_op *op)
{
    uint8_t owners[RIG_SHARDS * STORE_OWNER_BYTES];
    for (uint16_t node = 1; node <= RIG_NODES; node++) {
        if (rig->members[node].node != 0) {
            member_read(rig, op, node);
        }
    }
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        be16_store(owners + (size_t)i * 4, rig->owners[i]);
        be16_store(owners + (size_t)i * 4 + 2, rig->epochs[i]);
    }
    struct store_record record = {.token = op->token,
                                  .index = STORE_NO_INDEX,
                                  .value = span_of(owners, sizeof(owners) - (rig->is_short_table ? 4 : 0))};
    rig_event(rig, &(struct fleet_event){.type = FLEET_EVENT_STORE_RECORD, .record = record});
    done(rig, op, STORE_OK);
}

static void store_do(struct rig *rig, const struct store_op *op)
{
    if (rig->is_down || (rig->is_fenced && op->type == STORE_LEASE)) {
        done(rig, op, rig->is_down ? STORE_DOWN : STORE_FENCED);
    } else if (op->type == STORE_VIEW) {
        view_read(rig, op);
    } else if (op->type == STORE_LEASE) {
        hf_assert(fleet_member_decode(op->value, &rig->members[1]));
        rig->has_lease[1] = true;
        done(rig, op, STORE_OK);
    } else {
        rig->has_lease[1] = false;
        done(rig, op, STORE_OK);
    }
}

static void core_do(struct rig *rig, const struct fleet_effect *effect)
{
    uint16_t shard = effect->shard.shard;
    if (effect->type == FLEET_EFFECT_TAKE && rig->is_down) {
        rig_shard(rig, FLEET_SHARD_FAILED, shard, 0, STORE_DOWN);
    } else if (effect->type == FLEET_EFFECT_TAKE) {
        rig->owners[shard] = 1;
        rig->epochs[shard] = (uint16_t)(HF_MAX(rig->epochs[shard], effect->shard.epoch) + 1);
        rig->view++;
        rig_shard(rig, FLEET_SHARD_TAKEN, shard, rig->epochs[shard], STORE_OK);
        rig_shard(rig, FLEET_SHARD_READY, shard, rig->epochs[shard], STORE_OK);
    } else if (effect->type == FLEET_EFFECT_GIVE) {
        rig->owners[shard] = 0;
        rig->view++;
        rig_shard(rig, FLEET_SHARD_GIVEN, shard, rig->epochs[shard], STORE_OK);
    } else {
        rig_shard(rig, FLEET_SHARD_LOST, shard, effect->shard.epoch, STORE_OK);
    }
}

/* ---- steps */

static void keep(struct rig *rig, const struct fleet_effect *effect)
{
    if (effect->type == FLEET_EFFECT_HEARTBEAT) {
        rig->beats++;
        rig->last_beat = effect->heartbeat.heartbeat;
        return;
    }
    if (effect->type == FLEET_EFFECT_ROW) {
        rows[effect->row.shard][0] = effect->row.primary;
        rows[effect->row.shard][1] = effect->row.secondary;
    }
    hf_assert(rig->num_effects < RIG_EFFECTS);
    rig->effects[rig->num_effects++] = *effect;
}

/* Answers come before the next event, in their order. */
void rig_event(struct rig *rig, struct fleet_event *event)
{
    struct fleet_effects *effects = malloc(sizeof(*effects));
    event->now = rig->now;
    fleet_step(rig->fleet, event, effects);
    for (uint32_t i = 0; i < effects->count; i++) {
        keep(rig, &effects->v[i]);
    }
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct fleet_effect *effect = &effects->v[i];
        if (effect->type == FLEET_EFFECT_STORE) {
            store_do(rig, &effect->store);
        } else if (!rig->is_core_silent &&
                   (effect->type == FLEET_EFFECT_TAKE || effect->type == FLEET_EFFECT_GIVE ||
                    effect->type == FLEET_EFFECT_DROP)) {
            core_do(rig, effect);
        }
    }
    free(effects);
}

void rig_shard(struct rig *rig, enum fleet_shard_news news, uint16_t shard, uint16_t epoch,
               enum store_result result)
{
    rig_event(rig, &(struct fleet_event){.type = FLEET_EVENT_SHARD, .shard = {news, shard, epoch, result}});
}

void rig_heartbeat(struct rig *rig, uint16_t node, const struct fleet_change *changes, uint32_t num_changes)
{
    struct fleet_event event = {.type = FLEET_EVENT_HEARTBEAT,
                                .heartbeat = {.node = node,
                                              .instance = rig->members[node].instance,
                                              .your_instance = rig->config.self.instance,
                                              .number = ++rig->number,
                                              .is_draining = rig->members[node].is_draining,
                                              .has_lease = rig->has_lease[node],
                                              .view = rig->view,
                                              .num_changes = num_changes}};
    for (uint32_t i = 0; i < num_changes; i++) {
        event.heartbeat.changes[i] = changes[i];
    }
    rig_event(rig, &event);
}

void rig_command(struct rig *rig, enum fleet_event_type type)
{
    rig_event(rig, &(struct fleet_event){.type = type});
}

void rig_start(struct rig *rig)
{
    rig_command(rig, FLEET_EVENT_START);
}

static void rig_until(struct rig *rig, ns_t until)
{
    uint32_t steps = 0;
    while (fleet_deadline(rig->fleet) <= until) {
        ns_t at = HF_MAX(rig->now, fleet_deadline(rig->fleet));
        steps = at == rig->now ? steps + 1 : 0;
        hf_assert(steps < 1000); /* a deadline that is always now */
        rig->now = at;
        rig_command(rig, FLEET_EVENT_TIMER);
    }
    rig->now = until;
}

void rig_run(struct rig *rig, ns_t duration, uint32_t heard)
{
    for (ns_t end = rig->now + duration; rig->now < end;) {
        rig_until(rig, HF_MIN(end, rig->now + RIG_HEARTBEAT / 2));
        for (uint16_t node = 2; node <= RIG_NODES; node++) {
            if ((heard >> node & 1) != 0) {
                rig_heartbeat(rig, node, NULL, 0);
            }
        }
    }
}

/* ---- looking */

void rig_forget(struct rig *rig)
{
    rig->num_effects = 0;
    rig->beats = 0;
}

uint32_t rig_count(const struct rig *rig, enum fleet_effect_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig->num_effects; i++) {
        count += rig->effects[i].type == type;
    }
    return count;
}

uint32_t rig_news(const struct rig *rig, enum fleet_news news)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig->num_effects; i++) {
        count += rig->effects[i].type == FLEET_EFFECT_NEWS && rig->effects[i].news.news == news;
    }
    return count;
}

const struct fleet_effect *rig_last(const struct rig *rig, enum fleet_effect_type type)
{
    for (uint32_t i = rig->num_effects; i > 0; i--) {
        if (rig->effects[i - 1].type == type) {
            return &rig->effects[i - 1];
        }
    }
    return NULL;
}

uint32_t rig_owned(const struct rig *rig, uint16_t node)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        count += rig->owners[i] == node;
    }
    return count;
}

struct fleet_status rig_status(const struct rig *rig)
{
    struct fleet_status status;
    fleet_status(rig->fleet, rig->now, &status);
    return status;
}

void rig_row(const struct rig *rig, uint16_t shard, uint16_t *ret_primary, uint16_t *ret_secondary)
{
    (void)rig;
    *ret_primary = rows[shard][0];
    *ret_secondary = rows[shard][1];
}

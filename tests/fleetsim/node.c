/* A node: its clock, its engine, and what the engine asks for. */
#include "tests/fleetsim/fleetsim.h"

#include <stdlib.h>
#include <string.h>

#define STORE_DELAY_NS (2 * NS_PER_MS)
#define STORE_SLOW_NS (150 * NS_PER_MS)
#define STORE_TIMEOUT_NS (400 * NS_PER_MS)

/* ---- clock */

ns_t node_clock(const struct sim *sim, const struct node *node)
{
    int64_t passed = (int64_t)(sim->now - node->born_at);
    return SIM_START + (ns_t)(passed + passed / 1000000 * node->drift_ppm);
}

static bool has_left(const struct sim *sim, const struct node *node)
{
    struct fleet_status status;
    fleet_status(node->fleet, node_clock(sim, node), &status);
    return status.is_left;
}

ns_t node_deadline(const struct sim *sim, const struct node *node)
{
    if (!node->is_up) {
        return NS_NEVER;
    }
    ns_t due = fleet_deadline(node->fleet);
    if (node->is_leaving && has_left(sim, node)) {
        return sim->now;
    }
    if (due != NS_NEVER) {
        int64_t left = (int64_t)due - (int64_t)node_clock(sim, node);
        due = left <= 0 ? sim->now : sim->now + (ns_t)(left - left / 1000000 * node->drift_ppm) + NS_PER_US;
    }
    due = HF_MIN(due, node->light->retry_at);
    return due == NS_NEVER ? due : HF_MAX(due, node->paused_until);
}

/* ---- life */

static struct fleet_config config_of(struct sim *sim, struct node *node)
{
    struct fleet_config config = {
        .self = {.node = node->number, .weight = 100, .mtu = 1500, .instance = node->instance},
        .shard_bits = SIM_BITS,
        .shards_key = {7, 9},
        .lease = SIM_LEASE,
        .heartbeat = SIM_HEARTBEAT,
        .takes_per_s = 100,
        .gives_per_s = 50,
        .rand = sim_rand_source(&node->rand),
    };
    snprintf(config.self.site_name, sizeof(config.self.site_name), "site%u",
             node->number % HF_MAX(sim->scenario.num_sites, 1U));
    config.self.address.bytes[15] = (uint8_t)node->number;
    return config;
}

void node_start(struct sim *sim, struct node *node)
{
    if (node->is_up) {
        return;
    }
    node->is_up = true;
    node->is_leaving = false;
    node->life++;
    node->instance = (uint64_t)node->number << 32 | node->life;
    node->rand = sim_rand_of(sim->scenario.seed ^ node->instance);
    node->born_at = sim->now;
    struct fleet_config config = config_of(sim, node);
    node->fleet = fleet_init(aligned_alloc(64, fleet_bytes(&config)), &config);
    node->effects = malloc(sizeof(*node->effects));
    node->light = calloc(1, sizeof(*node->light));
    node->light->retry_at = NS_NEVER;
    memset(node->rows, 0, sizeof(node->rows));
    memset(node->alive, 0, sizeof(node->alive));
    memset(node->held, 0, sizeof(node->held));
    sim_trace(sim, "node %u starts", node->number);
    node_event(sim, node, &(struct fleet_event){.type = FLEET_EVENT_START});
}

void node_crash(struct sim *sim, struct node *node)
{
    if (!node->is_up) {
        return;
    }
    sim_trace(sim, "node %u is gone", node->number);
    node->is_up = false;
    node->paused_until = 0;
    free(node->fleet);
    free(node->effects);
    free(node->light);
    node->fleet = NULL;
    node->effects = NULL;
    node->light = NULL;
}

/* ---- the store, as this node reaches it */

static bool is_cut(const struct sim *sim, const struct node *node)
{
    return sim->now < sim->down_until || sim->now < node->cut_until;
}

void node_store(struct sim *sim, struct node *node, const struct store_op *op, bool of_engine)
{
    bool slow = sim->now < sim->slow_until, cut = is_cut(sim, node);
    ns_t delay = STORE_DELAY_NS / 2 + sim_rand_below(&sim->fate, 1000) * NS_PER_US;
    delay += slow ? sim_rand_below(&sim->fate, 1000) * STORE_SLOW_NS / 1000 : 0;
    node->store_last = HF_MAX(node->store_last, sim->now + (cut ? STORE_TIMEOUT_NS : delay));
    struct item *item = item_add(sim, ITEM_STORE, node->store_last);
    item->node = node->number;
    item->life = node->life;
    item->instance = node->instance;
    item->of_engine = of_engine;
    item->store.op = *op;
    item->store.fate = cut ? STORE_DOWN : STORE_OK;
    if (!cut && sim->now < sim->unknown_until && sim_rand_chance(&sim->fate, 200)) {
        item->store.fate = STORE_UNKNOWN;
        item->store.is_done = sim_rand_chance(&sim->fate, 500);
    }
    if (op->value.len > 0) {
        /* A newer version says more, which this one does not know. */
        static const uint8_t more[] = {30, 0, 3, 1, 2, 3};
        bool says_more = node->is_newer && op->type == STORE_LEASE;
        item->bytes = malloc(op->value.len + sizeof(more));
        memcpy(item->bytes, op->value.data, op->value.len);
        memcpy(item->bytes + op->value.len, more, sizeof(more));
        item->len = op->value.len + (says_more ? sizeof(more) : 0);
        item->store.op.value = span_of(item->bytes, item->len);
    }
}

static void view_tell(struct sim *sim, struct node *node, const struct sim_answer *answer)
{
    uint8_t owners[SIM_SHARDS * STORE_OWNER_BYTES];
    struct fleet_event event = {.type = FLEET_EVENT_STORE_RECORD, .record = {.token = answer->done.token}};
    for (uint32_t i = 1; i <= SIM_NODES; i++) {
        const struct sim_member *member = &answer->seen->members[i];
        event.record.index = i;
        event.record.epoch = member->lease_until > sim->now && sim->scenario.planted != SIM_TWO_TAKERS;
        event.record.value = span_of(member->value, member->len);
        if (member->is_known) {
            node_event(sim, node, &event);
        }
    }
    for (uint32_t i = 0; i < SIM_SHARDS; i++) {
        uint8_t entry[STORE_OWNER_BYTES] = {
            (uint8_t)(answer->seen->owners[i] >> 8), (uint8_t)answer->seen->owners[i],
            (uint8_t)(answer->seen->epochs[i] >> 8), (uint8_t)answer->seen->epochs[i]};
        memcpy(owners + (size_t)i * sizeof(entry), entry, sizeof(entry));
    }
    event.record.index = STORE_NO_INDEX;
    event.record.value = span_of(owners, sizeof(owners));
    node_event(sim, node, &event);
}

void node_answer(struct sim *sim, struct node *node, struct item *item)
{
    const struct store_done *done = &item->answer.done;
    if (!item->of_engine) {
        light_answer(sim, node, &item->answer);
        return;
    }
    if (done->type == STORE_VIEW && sim->scenario.planted == SIM_DEAF) {
        return;
    }
    if (item->answer.seen != NULL) {
        view_tell(sim, node, &item->answer);
    }
    node_event(sim, node, &(struct fleet_event){.type = FLEET_EVENT_STORE_DONE, .store = *done});
}

void node_beat(struct sim *sim, struct node *node, const struct item *item)
{
    struct fleet_event event = {.type = FLEET_EVENT_HEARTBEAT};
    if (!fleet_heartbeat_decode(span_of(item->bytes, item->len), &event.heartbeat)) {
        sim_fail(sim, "D1", "a heartbeat of node %u cannot be read", item->from);
        return;
    }
    if (sim->scenario.planted == SIM_DEAF) {
        event.heartbeat.num_changes = 0;
    }
    node_event(sim, node, &event);
}

/* ---- effects */

static const char *const news_names[] = {
    [FLEET_NEWS_JOINED] = "joined",
    [FLEET_NEWS_LEASE_LOST] = "lease lost",
    [FLEET_NEWS_LEASE_REGAINED] = "lease regained",
    [FLEET_NEWS_NODE_ID_TAKEN] = "node id taken",
    [FLEET_NEWS_NODE_UP] = "up:",
    [FLEET_NEWS_NODE_SILENT] = "silent:",
    [FLEET_NEWS_NODE_ALONE] = "alone:",
    [FLEET_NEWS_NODE_DEAD] = "dead:",
    [FLEET_NEWS_NODE_DRAINS] = "drains:",
    [FLEET_NEWS_TAKEN_OVER] = "taken over of",
    [FLEET_NEWS_GIVEN] = "given",
    [FLEET_NEWS_LOST] = "lost",
    [FLEET_NEWS_DRAINED] = "drained",
    [FLEET_NEWS_DRAIN_ALONE] = "drains alone",
    [FLEET_NEWS_VIEW_BAD] = "view bad",
};

static void effect_do(struct sim *sim, struct node *node, const struct fleet_effect *effect)
{
    switch (effect->type) {
    case FLEET_EFFECT_STORE:
        node_store(sim, node, &effect->store, true);
        break;
    case FLEET_EFFECT_HEARTBEAT:
        net_beat(sim, node, effect->heartbeat.to, &effect->heartbeat.heartbeat);
        break;
    case FLEET_EFFECT_TAKE:
    case FLEET_EFFECT_GIVE:
    case FLEET_EFFECT_DROP:
        sim_trace(sim, "node %u %s shard %u (epoch %u) %u", node->number,
                  effect->type == FLEET_EFFECT_TAKE   ? "takes"
                  : effect->type == FLEET_EFFECT_GIVE ? "gives"
                                                      : "drops",
                  effect->shard.shard, effect->shard.epoch, effect->shard.to);
        light_wish(sim, node, effect->type, effect->shard.shard, effect->shard.epoch);
        break;
    case FLEET_EFFECT_LEASE:
        node->light->may_begin_until = effect->may_begin ? effect->until : 0;
        break;
    case FLEET_EFFECT_ROW:
        node->rows[effect->row.shard][0] = effect->row.primary;
        node->rows[effect->row.shard][1] = effect->row.secondary;
        net_release(sim, node, effect->row.shard);
        break;
    case FLEET_EFFECT_MEMBER:
        node->alive[effect->member.member.node] = effect->member.is_alive && !effect->member.is_gone;
        break;
    case FLEET_EFFECT_NEWS:
        sim_trace(sim, "node %u: %s %u, %u", node->number, news_names[effect->news.news], effect->news.node,
                  effect->news.count);
        break;
    }
}

/* Effects may lead to further steps of the same engine: they are carried out from a copy. */
void node_event(struct sim *sim, struct node *node, struct fleet_event *event)
{
    event->now = node_clock(sim, node);
    fleet_step(node->fleet, event, node->effects);
    uint32_t count = node->effects->count;
    if (count == 0) {
        return;
    }
    struct fleet_effect *effects = malloc(count * sizeof(*effects));
    memcpy(effects, node->effects->v, count * sizeof(*effects));
    for (uint32_t i = 0; i < count; i++) {
        effect_do(sim, node, &effects[i]);
    }
    free(effects);
}

void node_timer(struct sim *sim, struct node *node)
{
    if (node->light->retry_at <= sim->now) {
        light_timer(sim, node);
    }
    if (fleet_deadline(node->fleet) <= node_clock(sim, node)) {
        node_event(sim, node, &(struct fleet_event){.type = FLEET_EVENT_TIMER});
    }
    if (node->is_leaving && has_left(sim, node)) {
        node_crash(sim, node);
    }
}

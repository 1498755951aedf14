/* Effects of the core, carried out in the order it gave them. */
#include "tests/lib/world_internal.h"

#include <stdlib.h>

#define STORE_DELAY_NS (2 * NS_PER_MS)
#define PLANE_DELAY_NS (1 * NS_PER_MS)

bool store_item_counts(const struct item *item)
{
    return item->store.type == STORE_PUT && item->bytes != NULL;
}

static void effect_store(struct world *world, const struct store_op *op)
{
    struct item *item = item_add(world, ITEM_STORE, world->now + STORE_DELAY_NS);
    item->store = *op;
    if (op->value.len > 0) {
        item->bytes = malloc(op->value.len);
        memcpy(item->bytes, op->value.data, op->value.len);
        item->store.value = span_of(item->bytes, op->value.len);
    }
    if (world->options.store_early) {
        world->store.node = world->config.node;
        item->result = store_model_apply(&world->store, &item->store, &item->epoch);
        item->applied = true;
    }
    if (world->options.planted == PLANTED_EARLY_SEND && op->type == STORE_PUT) {
        struct item *early = item_add(world, ITEM_STORE, world->now);
        item = &world->items[world->num_items - 2];
        early->store = (struct store_op){.type = STORE_PUT, .token = op->token, .shard = op->shard};
        early->applied = true; /* the answer comes first, the deed later and without an answer */
        item->store.token = 0;
    }
}

static void effect_plane(struct world *world, const struct plane_op *op)
{
    struct item *item = item_add(world, ITEM_PLANE, world->now + PLANE_DELAY_NS);
    item->plane = *op;
    if (op->type == PLANE_INSTALL) {
        item->install = *op->install;
    }
}

static void effect_audit(struct world *world, const struct audit *audit)
{
    world->audits[audit->type]++;
    if (audit->type == AUDIT_LOGIN_FAILED) {
        world->last_login_cause = audit->cause;
    } else if (audit->type == AUDIT_SESSION_UP) {
        plant_at_session_up(world);
    }
    world_trace(world, "audit %d %s %016llx %s", audit->type, cause_json(audit->cause),
                (unsigned long long)audit->session_id, audit->detail == NULL ? "" : audit->detail);
}

static void effect_shard(struct world *world, const struct effect_shard *shard)
{
    world->news[world->at][shard->shard] = *shard;
    world->num_news[world->at][shard->news]++;
    world_trace(world, "node %u: shard %u news %d epoch %u result %d sessions %u", world->at, shard->shard,
                shard->news, shard->epoch, shard->result, shard->sessions);
    if (shard->news == FLEET_SHARD_READY) {
        world->steer[shard->shard] = (uint8_t)world->at;
    }
}

void world_effects(struct world *world)
{
    for (uint32_t i = 0; i < world->effects.count; i++) {
        const struct effect *effect = &world->effects.v[i];
        switch (effect->type) {
        case EFFECT_SEND:
            net_from_gateway(world, &effect->send);
            break;
        case EFFECT_PLANE:
            effect_plane(world, &effect->plane);
            break;
        case EFFECT_STORE:
            effect_store(world, &effect->store);
            break;
        case EFFECT_AUDIT:
            effect_audit(world, &effect->audit);
            break;
        case EFFECT_POLICY_FREE:
            break;
        case EFFECT_SHARD:
            effect_shard(world, &effect->shard);
            break;
        }
    }
}

static void scan_records(struct world *world, const struct store_op *op)
{
    for (uint32_t i = 0; i < STORE_MODEL_RECORDS; i++) {
        const struct stored *stored = &world->store.records[i];
        if (!stored->used || stored->shard != op->shard) {
            continue;
        }
        uint8_t *copy = malloc(stored->len);
        memcpy(copy, stored->bytes, stored->len);
        struct event event = {.type = EVENT_STORE_RECORD,
                              .record = {.token = op->token,
                                         .shard = stored->shard,
                                         .epoch = stored->epoch,
                                         .index = stored->index,
                                         .value = span_of(copy, stored->len)}};
        world_event(world, &event);
        free(copy);
    }
}

void world_store_item(struct world *world, struct item *item)
{
    const struct store_op *op = &item->store;
    if (!item->applied) {
        world->store.node = world->config.node;
        item->result = store_model_apply(&world->store, op, &item->epoch);
    }
    world_trace(world, "store %d %u/%u -> %d", op->type, op->shard, op->index, item->result);
    if (op->type == STORE_SCAN && item->result == STORE_OK) {
        scan_records(world, op);
    }
    struct event event = {.type = EVENT_STORE_DONE,
                          .store = {.token = op->token,
                                    .type = op->type,
                                    .result = item->result,
                                    .shard = op->shard,
                                    .epoch = item->epoch}};
    world_event(world, &event);
}

void world_plane_item(struct world *world, struct item *item)
{
    struct plane_op *op = &item->plane;
    op->install = &item->install;
    struct plane_counters counters;
    (void)plane_model_counters(&world->plane, op->child, &counters);
    enum cause cause = plane_model_apply(&world->plane, op);
    world_trace(world, "plane %d child %u -> %s", op->type, op->child, cause_json(cause));
    if (world->plane.key_reused) {
        check_fail(world, "N1", "an outbound ESP key is installed twice under one epoch");
    }
    if (world->plane.child_twice) {
        check_fail(world, "E1", "child %u is installed twice", op->child);
    }
    if (op->type == PLANE_INSTALL || op->type == PLANE_READ || op->type == PLANE_REMOVE) {
        struct event event = {
            .type = EVENT_PLANE_DONE,
            .plane_done = {.token = op->token, .child = op->child, .type = op->type, .cause = cause}};
        event.plane_done.counters = counters;
        event.plane_done.counters.last_in = world->plane.traffic ? world->now : 0;
        world_event(world, &event);
    }
}

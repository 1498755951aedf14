/* Links between nodes, the way to the store, and anycast: where a client's packet goes. */
#include "tests/fleetsim/fleetsim.h"

#include <stdlib.h>
#include <string.h>

#define LINK_NS (5 * NS_PER_MS)
#define HOLD_NS (2 * NS_PER_S)
#define HOPS_MAX 2

/* ---- the store */

void net_store(struct sim *sim, struct item *item)
{
    const struct store_op *op = &item->store.op;
    struct sim_answer answer = {
        .done = {.token = op->token, .type = op->type, .shard = op->shard, .result = item->store.fate}};
    if (item->store.fate == STORE_OK) {
        answer = store_carry_out(sim, item->node, item->instance, op);
    } else if (item->store.fate == STORE_UNKNOWN && item->store.is_done) {
        struct sim_answer unheard = store_carry_out(sim, item->node, item->instance, op);
        free(unheard.seen);
    }
    struct item *back = item_add(sim, ITEM_ANSWER, sim->now + NS_PER_MS);
    back->node = item->node;
    back->life = item->life;
    back->of_engine = item->of_engine;
    back->answer = answer;
}

/* ---- between nodes */

static bool is_lost(struct sim *sim, uint16_t from, uint16_t to)
{
    bool apart = sim->now < sim->apart_until && (from <= sim->apart) != (to <= sim->apart);
    return apart || sim->now < sim->split_until[from][to] ||
           (sim->now < sim->loss_until && sim_rand_chance(&sim->fate, 300));
}

static ns_t link_delay(struct sim *sim)
{
    return LINK_NS + sim_rand_below(&sim->fate, 5000) * NS_PER_US;
}

void net_beat(struct sim *sim, struct node *from, uint16_t to, const struct fleet_heartbeat *heartbeat)
{
    static const uint8_t more[] = {29, 0, 1, 7};
    uint8_t bytes[FLEET_HEARTBEAT_BYTES_MAX + sizeof(more)];
    size_t len = fleet_heartbeat_encode(heartbeat, bytes, FLEET_HEARTBEAT_BYTES_MAX);
    hf_assert(len > 0 && to >= 1 && to <= SIM_NODES);
    sim->beats++;
    sim->beat_bytes += len;
    if (is_lost(sim, from->number, to)) {
        return;
    }
    memcpy(bytes + len, more, sizeof(more));
    len += from->is_newer && len + sizeof(more) <= FLEET_HEARTBEAT_BYTES_MAX ? sizeof(more) : 0;
    struct item *item = item_add(sim, ITEM_BEAT, sim->now + link_delay(sim));
    item->node = to;
    item->from = from->number;
    item->life = sim->nodes[to].life;
    item->bytes = malloc(len);
    item->len = len;
    memcpy(item->bytes, bytes, len);
}

void net_request(struct sim *sim, const struct request *request, uint16_t from, uint16_t to)
{
    bool lost =
        from != 0 ? is_lost(sim, from, to) : sim->now < sim->loss_until && sim_rand_chance(&sim->fate, 300);
    if (lost) {
        return;
    }
    struct item *item = item_add(sim, ITEM_REQUEST, sim->now + link_delay(sim));
    item->node = to;
    item->life = sim->nodes[to].life;
    item->request = *request;
    item->request.from = from;
}

void net_reply(struct sim *sim, struct node *from, const struct reply *reply)
{
    (void)from;
    if (sim->now < sim->loss_until && sim_rand_chance(&sim->fate, 300)) {
        return;
    }
    item_add(sim, ITEM_REPLY, sim->now + link_delay(sim))->reply = *reply;
}

/* ---- steering, as rows and the list of the living say */

static void hold(struct sim *sim, struct node *node, const struct request *request)
{
    for (uint32_t i = 0; i < SIM_HELD; i++) {
        struct held *held = &node->held[i];
        if (!held->is_used || held->until <= sim->now) {
            *held = (struct held){.is_used = true, .until = sim->now + HOLD_NS, .request = *request};
            return;
        }
    }
}

static bool is_there(const struct node *node, uint16_t number)
{
    return number != 0 && number != node->number && node->alive[number];
}

void net_route(struct sim *sim, struct node *node, const struct request *request)
{
    if (request->kind == REQUEST_CREATE) {
        light_request(sim, node, request);
        return;
    }
    enum light_state state = node->light->shards[request->shard].state;
    const uint16_t *row = node->rows[request->shard];
    if (state == LIGHT_OWNED) {
        light_request(sim, node, request);
    } else if (state != LIGHT_NONE || row[0] == node->number) {
        hold(sim, node, request);
    } else {
        uint16_t to = is_there(node, row[0]) ? row[0] : row[1];
        if (to == node->number) {
            hold(sim, node, request);
        } else if (is_there(node, to) && request->hops < HOPS_MAX && to != request->from) {
            struct request on = *request;
            on.hops++;
            net_request(sim, &on, node->number, to);
        }
    }
}

void net_release(struct sim *sim, struct node *node, uint16_t shard)
{
    for (uint32_t i = 0; i < SIM_HELD; i++) {
        struct held *held = &node->held[i];
        if (held->is_used && held->request.shard == shard) {
            bool counts = held->until > sim->now;
            held->is_used = false;
            if (counts) {
                net_route(sim, node, &held->request);
            }
        }
    }
}

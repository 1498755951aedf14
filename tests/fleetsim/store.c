/* The store of the fleet: leases, owners, fences and records, as docs/FLEET.md's rules want them. */
#include "edge/base/bytes.h"
#include "tests/fleetsim/fleetsim.h"

#include <stdlib.h>
#include <string.h>

static bool has_lease(const struct sim *sim, uint16_t node)
{
    return sim->store.members[node].lease_until > sim->now;
}

static enum store_result lease(struct sim *sim, uint16_t node, uint64_t instance, const struct store_op *op)
{
    struct sim_member *member = &sim->store.members[node];
    if (has_lease(sim, node) && member->instance != instance) {
        return STORE_FENCED;
    }
    member->is_known = true;
    member->instance = instance;
    member->lease_until = sim->now + op->ttl_ms * NS_PER_MS;
    member->len = op->value.len;
    memcpy(member->value, op->value.data, op->value.len);
    return STORE_OK;
}

static enum store_result unlease(struct sim *sim, uint16_t node, uint64_t instance)
{
    struct sim_member *member = &sim->store.members[node];
    if (member->instance != instance) {
        return STORE_FENCED;
    }
    member->lease_until = 0;
    return STORE_OK;
}

static enum store_result claim(struct sim *sim, uint16_t node, uint64_t instance, const struct store_op *op,
                               uint16_t *ret_epoch)
{
    struct sim_store *store = &sim->store;
    uint16_t owner = store->owners[op->shard];
    bool lives = owner != 0 && owner != node && has_lease(sim, owner);
    bool ours = has_lease(sim, node) && store->members[node].instance == instance;
    if (!ours || (lives && sim->scenario.planted != SIM_TWO_TAKERS)) {
        return STORE_FENCED;
    }
    uint16_t epoch = (uint16_t)(HF_MAX(store->epochs[op->shard], op->epoch) + 1);
    if (sim->scenario.planted == SIM_REUSES_EPOCH && epoch > 2) {
        epoch--;
    }
    store->owners[op->shard] = node;
    store->epochs[op->shard] = store->fences[op->shard] = epoch;
    store->view++;
    *ret_epoch = epoch;
    check_claim(sim, node, op->shard, epoch, owner, lives);
    return STORE_OK;
}

static enum store_result release(struct sim *sim, uint16_t node, const struct store_op *op)
{
    struct sim_store *store = &sim->store;
    if (store->owners[op->shard] != node || store->epochs[op->shard] != op->epoch) {
        return STORE_FENCED;
    }
    store->owners[op->shard] = 0;
    store->view++;
    return STORE_OK;
}

static enum store_result put(struct sim *sim, uint16_t node, const struct store_op *op)
{
    if (op->epoch != sim->store.fences[op->shard] && sim->scenario.planted != SIM_SKIPS_FENCE) {
        return STORE_FENCED;
    }
    hf_assert(op->index < SIM_SESSIONS && op->value.len == SIM_RECORD_BYTES);
    struct sim_record *record = &sim->store.records[op->shard][op->index];
    record->is_used = true;
    record->epoch = op->epoch;
    memcpy(record->bytes, op->value.data, SIM_RECORD_BYTES);
    check_put(sim, node, op->shard, op->epoch);
    sim_trace(sim, "node %u writes shard %u, epoch %u, %u: version %u", node, op->shard, op->epoch, op->index,
              be32_load(record->bytes + 12));
    return STORE_OK;
}

static struct sim_store *copy(const struct sim *sim)
{
    struct sim_store *seen = malloc(sizeof(*seen));
    hf_assert(seen != NULL);
    *seen = sim->store;
    return seen;
}

struct sim_answer store_carry_out(struct sim *sim, uint16_t node, uint64_t instance,
                                  const struct store_op *op)
{
    struct sim_answer answer = {.done = {.token = op->token, .type = op->type, .shard = op->shard}};
    enum store_result *result = &answer.done.result;
    sim->store_ops++;
    switch (op->type) {
    case STORE_LEASE:
        *result = lease(sim, node, instance, op);
        break;
    case STORE_UNLEASE:
        *result = unlease(sim, node, instance);
        break;
    case STORE_CLAIM:
        *result = claim(sim, node, instance, op, &answer.done.epoch);
        break;
    case STORE_RELEASE:
        *result = release(sim, node, op);
        break;
    case STORE_PUT:
        *result = put(sim, node, op);
        break;
    case STORE_VIEW:
        sim->views++;
        answer.seen = copy(sim);
        break;
    default:
        answer.seen = copy(sim);
        break;
    }
    answer.done.view = sim->store.view;
    return answer;
}

/* Clients whose record was newer than what is left may find themselves set back. */
void store_lose(struct sim *sim, const struct sim_store *before)
{
    for (uint32_t i = 0; i < sim->scenario.num_clients; i++) {
        struct client *client = &sim->clients[i];
        const struct sim_record *now = &sim->store.records[client->shard][client->index];
        const struct sim_record *then = &before->records[client->shard][client->index];
        if (client->is_up &&
            (now->is_used != then->is_used || memcmp(now->bytes, then->bytes, SIM_RECORD_BYTES) != 0)) {
            client->is_excused = true;
            sim_trace(sim, "client %u may be set back", i);
        }
    }
    sim->has_lost = true;
    sim->store = *before;
}

/* Invariants, seen from outside (docs/INVARIANTS.md). */
#include "tests/fleetsim/fleetsim.h"

#include <stdlib.h>
#include <string.h>

/* ---- N1: a set of all (key, IV) */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static bool seals_add(struct sim *sim, uint64_t seal)
{
    uint32_t mask = sim->cap_seals - 1, at = (uint32_t)seal & mask;
    while (sim->seals[at] != 0) {
        if (sim->seals[at] == seal) {
            return false;
        }
        at = (at + 1) & mask;
    }
    sim->seals[at] = seal;
    sim->num_seals++;
    return true;
}

static void seals_grow(struct sim *sim)
{
    uint64_t *old = sim->seals;
    uint32_t cap = sim->cap_seals;
    sim->cap_seals = cap == 0 ? 4096 : cap * 2;
    sim->seals = calloc(sim->cap_seals, sizeof(*sim->seals));
    sim->num_seals = 0;
    for (uint32_t i = 0; i < cap; i++) {
        if (old[i] != 0) {
            (void)seals_add(sim, old[i]);
        }
    }
    free(old);
}

void check_seal(struct sim *sim, uint64_t key, uint16_t epoch, uint16_t node, uint64_t counter)
{
    if (sim->num_seals * 2 >= sim->cap_seals) {
        seals_grow(sim);
    }
    uint64_t iv = (uint64_t)epoch << 48 | (uint64_t)node << 38 | counter;
    if (!seals_add(sim, mix(mix(key + 1) ^ iv) | 1)) {
        sim_fail(sim, "N1", "IV (epoch %u, node %u, counter %llu) twice under one key", epoch, node,
                 (unsigned long long)counter);
    }
}

/* ---- O1 */

void check_claim(struct sim *sim, uint16_t node, uint16_t shard, uint16_t epoch, uint16_t owner_before,
                 bool owner_had_lease)
{
    if (owner_had_lease) {
        sim_fail(sim, "O1", "shard %u is claimed by node %u and belongs to %u, who lives", shard, node,
                 owner_before);
    }
    if (sim->claims[shard][node] == epoch && sim->scenario.planted != SIM_IV_WITHOUT_NODE) {
        sim_fail(sim, "O1", "shard %u is node %u's with epoch %u a second time", shard, node, epoch);
    }
    if (!sim->has_lost && epoch <= sim->claims_top[shard]) {
        sim_fail(sim, "O1", "shard %u has epoch %u after %u", shard, epoch, sim->claims_top[shard]);
    }
    sim->claims[shard][node] = epoch;
    sim->claims_top[shard] = HF_MAX(sim->claims_top[shard], epoch);
}

void check_put(struct sim *sim, uint16_t node, uint16_t shard, uint16_t epoch)
{
    if (epoch != sim->store.epochs[shard]) {
        sim_fail(sim, "O1", "node %u writes shard %u under epoch %u, and it is %u", node, shard, epoch,
                 sim->store.epochs[shard]);
    }
}

/* B1: sessions are begun under a lease. */
void check_begin(struct sim *sim, const struct node *node)
{
    const struct sim_member *member = &sim->store.members[node->number];
    if (!sim->has_lost && (member->lease_until <= sim->now || member->instance != node->instance)) {
        sim_fail(sim, "B1", "node %u begins a session without a lease", node->number);
    }
}

/* ---- the end: everybody agrees, and everybody is served */

static void check_shard(struct sim *sim, uint16_t shard)
{
    uint16_t owner = sim->store.owners[shard];
    for (uint16_t i = 1; i <= sim->scenario.num_nodes; i++) {
        const struct node *node = &sim->nodes[i];
        struct fleet_shard_view view = fleet_shard(node->fleet, shard);
        enum light_state state = node->light->shards[shard].state;
        if (view.owner != owner || view.wanted != owner || view.is_moving) {
            sim_fail(sim, "C1", "shard %u: owner %u, node %u knows %u and wants %u%s", shard, owner, i,
                     view.owner, view.wanted, view.is_moving ? ", moving" : "");
        }
        if (state != (owner == i ? LIGHT_OWNED : LIGHT_NONE)) {
            sim_fail(sim, "C1", "shard %u: owner %u, the core of node %u is in state %d", shard, owner, i,
                     state);
        }
        if (node->rows[shard][0] != owner) {
            sim_fail(sim, "C1", "shard %u: owner %u, node %u steers to %u", shard, owner, i,
                     node->rows[shard][0]);
        }
    }
}

void check_end(struct sim *sim)
{
    for (uint16_t shard = 0; shard < SIM_SHARDS && !sim_failed(sim); shard++) {
        check_shard(sim, shard);
    }
    for (uint32_t i = 0; i < sim->scenario.num_clients; i++) {
        const struct client *client = &sim->clients[i];
        if (client->answered == 0) {
            sim_fail(sim, "L3", "client %u (shard %u) is not served: it %s", i, client->shard,
                     client->is_up ? "was up" : "does not get in");
        }
    }
}

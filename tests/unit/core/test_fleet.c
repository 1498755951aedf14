/* Two nodes of a fleet on one store: shards that are taken, given, lost, under traffic and faults. */
#include "edge/core/internal.h"
#include "tests/lib/world.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct world *fleet(const struct world_options *options)
{
    struct world_options with = *options;
    with.seed = 11;
    with.nodes = 2;
    with.no_nat = true;
    struct world *world = world_new(&with);
    return world;
}

static void wish_all(struct world *world, uint32_t node, enum shard_wish wish, uint16_t epoch)
{
    for (uint32_t i = 0; i < WORLD_SHARDS; i++) {
        world_shard(world, node, wish, world->shards[i], epoch);
    }
}

/* Node 0 has all shards, and a client is up. */
static struct world *fleet_up(const struct world_options *options)
{
    struct world *world = fleet(options);
    wish_all(world, 0, SHARD_TAKE, 0);
    world_run(world, NS_PER_S);
    cr_assert_eq(world->num_news[0][FLEET_SHARD_READY], WORLD_SHARDS);
    cr_assert(world_connect(world, 0));
    return world;
}

static void done(struct world *world, const char *what)
{
    cr_expect(!check_failed(world), "%s: %s: %s", what, world->check.id, world->check.text);
    world_free(world);
}

static uint16_t shard_of(const struct world *world)
{
    struct hf_spi spi;
    hf_assert(
        hf_ike_spi_decode(&world->config.spi, world->clients[0]->sa[world->clients[0]->current].spi_r, &spi));
    return spi.shard;
}

static bool is_served(struct world *world)
{
    struct initiator *client = world->clients[0];
    if (!initiator_dpd(client, world->now)) {
        return false;
    }
    (void)world_settle(world, 120 * NS_PER_S);
    return client->state == INITIATOR_UP;
}

static struct plane_model_child *child_at(struct world *world, uint32_t node)
{
    world_enter(world, node);
    struct initiator *client = world->clients[0];
    uint32_t spi = client->children[initiator_first_child(client)].spi_out;
    return (struct plane_model_child *)(uintptr_t)plane_model_find(&world->plane, spi);
}

Test(fleet, a_core_without_shards_is_ready_and_takes_nobody)
{
    struct world *world = fleet(&(struct world_options){0});
    cr_expect_eq(world->audits[AUDIT_READY], 2);
    initiator_connect(world->clients[0], world->now);
    world_run(world, 2 * NS_PER_S);
    cr_expect_gt(core_counters(world->core)->drops[CAUSE_NO_SHARD], 0);
    cr_expect_eq(world->store.epochs[world->shards[0]], 0);
    world_shard(world, 0, SHARD_TAKE, 9, 40);
    world_run(world, 5 * NS_PER_S);
    cr_expect_eq(world->news[0][9].news, FLEET_SHARD_READY);
    cr_expect_eq(world->news[0][9].epoch, 41, "above what the fleet has seen");
    (void)world_settle(world, 30 * NS_PER_S);
    cr_expect_eq(world->clients[0]->state, INITIATOR_UP);
    cr_expect_eq(shard_of(world), 9);
    world_shard(world, 1, SHARD_TAKE, 9, 0);
    world_run(world, NS_PER_S);
    cr_expect_eq(world->news[1][9].news, FLEET_SHARD_FAILED);
    cr_expect_eq(world->news[1][9].result, STORE_FENCED);
    done(world, "");
}

Test(fleet, a_shard_is_given_with_exact_numbers_and_taken)
{
    struct world *world = fleet_up(&(struct world_options){0});
    uint16_t shard = shard_of(world);
    struct plane_model_child *child = child_at(world, 0);
    cr_assert_not_null(child);
    child->sent = 777;
    child->heard = 555;
    world_shard(world, 0, SHARD_GIVE, shard, 0);
    world_run(world, 100 * NS_PER_MS);
    cr_expect_eq(world->news[0][shard].news, FLEET_SHARD_GIVEN);
    cr_expect_eq(world->news[0][shard].sessions, 1);
    cr_expect_eq(world->store.owners[shard], 0);
    cr_expect_null(child_at(world, 0));
    cr_expect_eq(core_counters(world->core)->sessions_given, 1);
    cr_expect_eq(core_counters(world->core)->sessions, 0);
    cr_expect_eq(world->audits[AUDIT_SESSION_DOWN], 0);
    world_shard(world, 1, SHARD_TAKE, shard, 0);
    world_run(world, 100 * NS_PER_MS);
    cr_expect_eq(world->news[1][shard].news, FLEET_SHARD_READY);
    cr_expect_eq(world->news[1][shard].sessions, 1);
    child = child_at(world, 1);
    cr_assert_not_null(child);
    cr_expect_eq(child->sequence_out, 777);
    cr_expect_eq(child->replay_start, 555);
    world_run(world, 10 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->own_child_rekeys, 0, "nothing can be replayed");
    cr_expect(is_served(world));
    cr_expect_eq(world->clients[0]->counters.retransmits, 0);
    for (uint32_t round = 0; round < 3; round++) { /* and back, and on */
        world_shard(world, (round + 1) % 2, SHARD_GIVE, shard, 0);
        world_run(world, 100 * NS_PER_MS);
        world_shard(world, round % 2, SHARD_TAKE, shard, 0);
        world_run(world, 100 * NS_PER_MS);
        cr_expect(is_served(world), "round %u", round);
    }
    done(world, "");
}

/* A node dies: the other has its sessions, and rekeys what may be replayed. */
Test(fleet, a_dead_nodes_shards_are_taken_over)
{
    for (int strict = 0; strict < 2; strict++) {
        struct world *world = fleet_up(&(struct world_options){0});
        uint16_t shard = shard_of(world);
        world->policy.policy.takeover_strict = strict == 1;
        uint64_t limit = child_at(world, 0)->sequence_limit;
        world_shard(world, 1, SHARD_TAKE, shard, 0);
        world_run(world, 100 * NS_PER_MS);
        cr_expect_eq(world->news[1][shard].news, FLEET_SHARD_FAILED, "its owner lives");
        world_kill(world, 0);
        world_shard(world, 1, SHARD_TAKE, shard, 1);
        world_run(world, 20 * NS_PER_MS);
        struct plane_model_child *child = child_at(world, 1);
        cr_assert_not_null(child);
        cr_expect_eq(child->sequence_out, limit);
        cr_expect_eq(child->is_deaf, strict == 1);
        world_run(world, 5 * NS_PER_S);
        cr_expect_eq(core_counters(world->core)->own_child_rekeys, 1);
        child = child_at(world, 1);
        cr_expect(child != NULL && !child->is_deaf);
        cr_expect(is_served(world));
        done(world, strict == 1 ? "strict" : "");
    }
}

Test(fleet, a_lost_shard_is_dropped_in_silence)
{
    for (int dropped = 0; dropped < 2; dropped++) {
        struct world *world = fleet_up(&(struct world_options){0});
        uint16_t shard = shard_of(world);
        world->store.epochs[shard] = 7;
        if (dropped == 1) {
            world_shard(world, 0, SHARD_DROP, shard, 1); /* old news */
            cr_expect_eq(world->num_news[0][FLEET_SHARD_LOST], 0);
            world_shard(world, 0, SHARD_DROP, shard, 7);
        } else {
            cr_assert(initiator_rekey_child(world->clients[0], world->now, 0));
        }
        world_run(world, 100 * NS_PER_MS);
        cr_expect_eq(world->num_news[0][FLEET_SHARD_LOST], 1);
        cr_expect_eq(core_counters(world->core)->sessions, 0);
        cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_NOT_OURS], 1);
        cr_expect_eq(world->audits[AUDIT_SESSION_DOWN], 0);
        cr_expect_eq(plane_model_count(&world->plane), 0);
        cr_expect_eq(store_model_count(&world->store), 1);
        world_shard(world, 0, SHARD_TAKE, shard, 7);
        world_run(world, 60 * NS_PER_S);
        cr_expect_eq(world->news[0][shard].news, FLEET_SHARD_READY);
        cr_expect_eq(world->news[0][shard].epoch, 8);
        (void)world_settle(world, 60 * NS_PER_S);
        cr_expect(is_served(world), "%d", dropped);
        done(world, "");
    }
}

Test(fleet, without_a_lease_nothing_is_begun)
{
    struct world *world = fleet_up(&(struct world_options){.child_rekey = 10 * NS_PER_S});
    uint32_t other = world_add_client(world, "carol@example.net");
    world_lease(world, 0, false);
    uint64_t asked = core_counters(world->core)->dpd_sent;
    initiator_connect(world->clients[other], world->now);
    world_run(world, 8 * NS_PER_S);
    cr_expect_gt(core_counters(world->core)->drops[CAUSE_NO_LEASE], 0);
    cr_expect(initiator_dpd(world->clients[0], world->now));
    world_run(world, 100 * NS_PER_S);
    cr_expect_eq(world->clients[0]->state, INITIATOR_UP, "it is answered");
    cr_expect_eq(core_counters(world->core)->dpd_sent, asked);
    cr_expect_eq(core_counters(world->core)->own_child_rekeys, 0);
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    world_lease(world, 0, true);
    world_run(world, 5 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->own_child_rekeys, 1);
    cr_expect(is_served(world));
    done(world, "");
}

/* A claim of what is ours: a store that lost our claim gets everything again. */
Test(fleet, a_shard_is_claimed_anew)
{
    struct world *world = fleet_up(&(struct world_options){0});
    uint16_t shard = shard_of(world);
    for (uint32_t i = 0; i < STORE_MODEL_RECORDS; i++) {
        world->store.records[i].index += world->store.records[i].used ? 1000 : 0; /* not to be found */
    }
    world->store.epochs[shard] = 0;
    world->store.owners[shard] = 0;
    world_shard(world, 0, SHARD_TAKE, shard, 5);
    world_run(world, NS_PER_S);
    cr_expect_eq(world->news[0][shard].news, FLEET_SHARD_READY);
    cr_expect_eq(world->news[0][shard].epoch, 6);
    cr_expect_eq(store_model_count(&world->store), 2, "written again");
    cr_expect(is_served(world));
    done(world, "");
}

/* Every single store operation of a give and take fails once, in every way; then a later give goes through.
 */
Test(fleet, a_give_that_fails_is_taken_back)
{
    static const struct {
        enum store_result result;
        bool carried_out;
    } kinds[] = {{STORE_DOWN, false}, {STORE_FULL, false}, {STORE_UNKNOWN, false}, {STORE_UNKNOWN, true}};
    for (uint32_t i = 0; i < 9 * HF_COUNT(kinds); i++) {
        struct world *world = fleet_up(&(struct world_options){0});
        uint16_t shard = shard_of(world);
        char what[48];
        snprintf(what, sizeof(what), "kind %u operation %u", i / 9, i % 9 + 1);
        world->check.lenient_store = true;
        store_model_arm(&world->store, &(struct store_faults){.fail_nth = i % 9 + 1,
                                                              .result = kinds[i / 9].result,
                                                              .carried_out = kinds[i / 9].carried_out});
        child_at(world, 0)->sent = 99;
        cr_assert(initiator_rekey_child(world->clients[0], world->now, 0));
        world_run(world, 12 * NS_PER_MS); /* the request is here */
        for (uint32_t tries = 0; tries < 4 && world->news[0][shard].news != FLEET_SHARD_GIVEN; tries++) {
            world_shard(world, 0, SHARD_GIVE, shard, 0);
            world_run(world, 3 * NS_PER_S);
        }
        cr_expect_eq(world->news[0][shard].news, FLEET_SHARD_GIVEN, "%s", what);
        for (uint32_t tries = 0; tries < 4 && world->news[1][shard].news != FLEET_SHARD_READY; tries++) {
            world_shard(world, 1, SHARD_TAKE, shard, 0);
            world_run(world, 3 * NS_PER_S);
        }
        cr_expect_eq(world->news[1][shard].news, FLEET_SHARD_READY, "%s", what);
        (void)world_settle(world, 60 * NS_PER_S);
        cr_expect(is_served(world), "%s: state %d", what, world->clients[0]->state);
        world_enter(world, 1);
        cr_expect_eq(core_counters(world->core)->sessions, 1, "%s", what);
        done(world, what);
    }
}

/* A datagram of a rekey is lost, at each of them, while the shard moves at each event. */
Test(fleet, a_shard_moves_in_the_middle_of_anything)
{
    for (uint32_t i = 0; i < 6 * 30; i++) {
        struct world *world = fleet_up(&(struct world_options){.child_rekey = i % 2 == 1 ? 2 * NS_PER_S : 0});
        uint16_t shard = shard_of(world);
        char what[48];
        struct net_faults faults = NET_FAULTLESS;
        faults.lose = i % 6 == 0 ? 0 : UINT64_C(1) << (i % 6 - 1);
        snprintf(what, sizeof(what), "lost %u event %u", i % 6, i / 6);
        world_arm_net(world, &faults);
        struct initiator *client = world->clients[0];
        (void)!(i % 3 == 0 ? initiator_rekey_ike(client, world->now)
                           : initiator_rekey_child(client, world->now, 0));
        for (uint32_t event = 0; event < i / 6; event++) {
            (void)world_step(world, world->now + NS_PER_S);
        }
        world_shard(world, 0, SHARD_GIVE, shard, 0);
        for (uint32_t tries = 0; tries < 50 && world->news[0][shard].news != FLEET_SHARD_GIVEN; tries++) {
            world_run(world, 50 * NS_PER_MS);
        }
        cr_expect_eq(world->news[0][shard].news, FLEET_SHARD_GIVEN, "%s", what);
        world_shard(world, 1, SHARD_TAKE, shard, 0);
        (void)world_settle(world, 60 * NS_PER_S);
        world_run(world, 20 * NS_PER_S);
        cr_expect(is_served(world), "%s: state %d", what, client->state);
        world_enter(world, 1);
        cr_expect_eq(core_counters(world->core)->sessions, 1, "%s", what);
        done(world, what);
    }
}

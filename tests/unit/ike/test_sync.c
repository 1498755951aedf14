/* Message ids after a restart (RFC 6311). */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/initiator_internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>

static struct world *up(bool ids, bool replay, bool esn)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    client->config.sync_ids = ids;
    client->config.sync_replay = replay;
    client->config.esp[0].esn = esn;
    cr_assert(world_connect(world, 0));
    cr_assert_eq(client->sync_ids, ids);
    cr_assert_eq(client->sync_replay, replay);
    return world;
}

/* Requests of the gateway that no record knows of. */
static void used_ids(struct world *world, uint32_t count)
{
    struct initiator_sa *sa = &world->clients[0]->sa[world->clients[0]->current];
    sa->peer_next_id += count;
    sa->next_id += count;
}

static struct ike_sa *session(struct world *world)
{
    for (uint32_t slot = 0; slot < ike_capacity(world->core->ike); slot++) {
        struct ike_sa *sa = &world->core->ike->sa[slot];
        if (slab_is_used(&world->core->ike->sas, slot) && sa->state == SA_ESTABLISHED) {
            return sa;
        }
    }
    cr_assert(false, "no session");
    return NULL;
}

/* 5.1: both sides go on with the higher ids, at the first request that we have to send. */
Test(sync, ids_are_agreed_after_a_restart)
{
    for (uint32_t used = 0; used <= 7; used += 7) {
        struct world *world = up(true, false, true);
        struct initiator *client = world->clients[0];
        used_ids(world, used);
        world_restart(world);
        world_run(world, 30 * NS_PER_S); /* it has been idle: a liveness check is due */
        cr_expect_eq(client->syncs, 1, "%u", used);
        cr_expect_eq(core_counters(world->core)->syncs, 1, "%u", used);
        const struct initiator_sa *theirs = initiator_current(client);
        const struct ike_sa *ours = session(world);
        cr_expect_eq(ours->our_next_id, theirs->peer_next_id, "%u", used);
        cr_expect_eq(ours->peer_next_id, theirs->next_id, "%u", used);
        world_run(world, 30 * NS_PER_S);
        cr_expect_geq(client->counters.requests_answered, 1, "and the next liveness check");
        cr_assert(initiator_rekey_ike(client, world->now));
        (void)world_settle(world, 5 * NS_PER_S);
        cr_expect_eq(client->state, INITIATOR_UP);
        cr_expect_eq(core_counters(world->core)->ike_rekeys, 1);
        live_free(world);
    }
}

/* The client's answer is lost, and the one after it; each try has another id and nonce. */
Test(sync, goes_on_when_answers_are_lost)
{
    struct world *world = up(true, true, true);
    struct initiator *client = world->clients[0];
    world_restart(world);
    world_run(world, NS_PER_S);
    world_arm_net(world, &(struct net_faults){
                             .lose = 0x0a, .duplicate = NET_NONE, .swap = NET_NONE, .truncate = NET_NONE});
    world_run(world, 60 * NS_PER_S);
    cr_expect_eq(client->syncs, 3);
    cr_expect_eq(core_counters(world->core)->syncs, 1);
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    live_free(world);
}

/* 5.1: a node that dies before it wrote has used its ids. */
Test(sync, two_failovers_in_a_row)
{
    struct world *world = up(true, false, true);
    struct initiator *client = world->clients[0];
    for (uint32_t i = 1; i <= 3; i++) {
        world_restart(world);
        while (client->syncs < i && world_step(world, world->now + 60 * NS_PER_S)) {
        }
        cr_expect_eq(client->syncs, i);
    }
    world_run(world, 60 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    live_free(world);
}

/* 5.2, 6.4: the client jumps once, and the number is as long as the children's are. */
Test(sync, esp_numbers_jump)
{
    static const struct {
        const char *what;
        bool ids, replay, esn;
        uint64_t jumped;
        uint16_t bytes;
    } rows[] = {
        {"with ids", true, true, true, ESP_SEQUENCE_STEP, 8},
        {"short numbers", true, true, false, ESP_SEQUENCE_STEP, 4},
        {"alone", false, true, true, ESP_SEQUENCE_STEP, 8},
        {"ids alone", true, false, true, 0, 0},
        {"neither", false, false, true, 0, 0},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = up(rows[i].ids, rows[i].replay, rows[i].esn);
        struct initiator *client = world->clients[0];
        world_run(world, 60 * NS_PER_S);
        cr_expect_eq(client->jumped, 0, "%s", rows[i].what);
        world_restart(world);
        world_run(world, 120 * NS_PER_S);
        cr_expect_eq(client->jumped, rows[i].jumped, "%s: %llu", rows[i].what,
                     (unsigned long long)client->jumped);
        cr_expect_eq(client->jump_bytes, rows[i].bytes, "%s", rows[i].what);
        cr_expect_eq(client->syncs, rows[i].ids ? 1 : 0, "%s", rows[i].what);
        live_free(world);
    }
}

/* 5.1, section 11: what does not fit is dropped, and changes nothing. */
Test(sync, wrong_answers)
{
    for (int low = 0; low < 2; low++) {
        struct world *world = up(true, false, true);
        struct initiator *client = world->clients[0];
        client->config.deviate.sync_nonce_flip = low == 0;
        client->config.deviate.sync_low = low == 1;
        world_restart(world);
        live_mark(world);
        while (live_drops(world, CAUSE_SYNC_WRONG) == 0 && world_step(world, world->now + 60 * NS_PER_S)) {
        }
        cr_expect_eq(live_drops(world, CAUSE_SYNC_WRONG), 1, "low %d", low);
        cr_expect_eq(core_counters(world->core)->syncs, 0);
        client->config.deviate.sync_nonce_flip = client->config.deviate.sync_low = false;
        world_run(world, 30 * NS_PER_S);
        cr_expect_eq(core_counters(world->core)->syncs, 1);
        cr_expect_eq(core_counters(world->core)->sessions, 1);
        live_free(world);
    }
}

/* A rekeyed IKE SA has what its forerunner had. */
Test(sync, is_inherited)
{
    struct world *world = up(true, true, true);
    cr_assert(initiator_rekey_ike(world->clients[0], world->now));
    (void)world_settle(world, 5 * NS_PER_S);
    world_restart(world);
    world_run(world, 60 * NS_PER_S);
    cr_expect_eq(world->clients[0]->syncs, 1);
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    live_free(world);
}

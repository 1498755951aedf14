/* The deviant's table against the engine: each violation gets the answer that it must, is counted, and costs
 * nobody else anything. */
#include "tests/lib/deviant.h"

#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>

/* World clients: a good one, and the deviant. */
enum { WITNESS, DEVIANT };

static ns_t host_now(void *context)
{
    return ((struct world *)context)->now;
}

static struct deviant deviant;

static void host_wait(void *context, ns_t at_most)
{
    struct world *world = context;
    ns_t end = world->now + at_most;
    uint32_t heard = deviant.heard;
    while (deviant.heard == heard && world_step(world, end)) {
    }
}

static const uint16_t groups[] = {KE_X25519, KE_P256, KE_P384, KE_MODP_2048};

static struct world *stage_new(void)
{
    static const struct deviant_host times = {
        .now = host_now, .wait = host_wait, .patience = 3 * NS_PER_S, .silence = NS_PER_S};
    struct world_options options = {.seed = 11, .certificates = true};
    struct world *world = world_new(&options);
    struct policy_suites *ike = &world->policy.policy.ike;
    memcpy(ike->ke, groups, sizeof(groups));
    ike->num_ke = HF_COUNT(groups);
    initiator_vanish(world->clients[WITNESS]);
    world->clients[WITNESS]->config = world_client_config(world, "carol@example.net");
    cr_assert(world_connect(world, WITNESS));
    struct initiator *client = world->clients[world_add_client(world, "mallory@example.net")];
    client->config.esp[0].ke = KE_NONE;
    client->config.want_v6 = false;
    client->config.retransmit = 10 * NS_PER_S;
    struct deviant_host host = times;
    host.context = world;
    deviant_init(&deviant, client, &host);
    deviant.foreign_spi = world->clients[WITNESS]->children[0].spi_in;
    return world;
}

static bool witness_is_well(struct world *world)
{
    struct initiator *witness = world->clients[WITNESS];
    return initiator_dpd(witness, world->now) && world_settle(world, 10 * NS_PER_S) &&
           witness->state == INITIATOR_UP && initiator_num_children(witness) == 1;
}

static void walk(struct world *world, const struct deviation *row)
{
    struct deviant_result result;
    live_mark(world);
    bool as_said = deviant_walk(&deviant, row, &result);
    cr_expect(as_said, "%s: %s%s, session %s%s", row->name, result.staged ? "" : "not reached; ",
              deviant_answer_text(result.answer), result.ended ? "ended" : "lives",
              result.clean ? "" : "; not clean");
    if (row->base ==
        BASE_INIT) { /* nobody is worth being spoofed for: NAT hashes and CERTREQ are what is added */
        cr_expect_leq(result.heard_bytes, 2 * result.sent_bytes, "%s: %zu bytes for %zu", row->name,
                      result.heard_bytes, result.sent_bytes);
    }
    if (row->drop != CAUSE_NONE) {
        cr_expect_geq(live_drops(world, row->drop), 1, "%s: %s not counted", row->name,
                      cause_json(row->drop));
    }
    for (int cause = 0; cause < CAUSE_COUNT; cause++) {
        bool theirs = cause == (int)row->drop || row->drop == CAUSE_RATE || row->ends;
        cr_expect(theirs || live_drops(world, (enum cause)cause) == 0, "%s: %s counted", row->name,
                  cause_json((enum cause)cause));
    }
    if (row->refusal != CAUSE_NONE) {
        cr_expect_eq(live_handshakes(world, row->refusal), 1, "%s: refused for %s", row->name,
                     cause_json(world->last_login_cause));
    }
    if (core_counters(world->core)->half_open > 0) {
        world_run(world, 31 * NS_PER_S);
    }
    cr_expect(witness_is_well(world), "%s: the witness", row->name);
}

static uint64_t blobs_free(struct world *world)
{
    return world->core->ike->blobs.free_count;
}

Test(deviant, each_row_is_answered_and_counted_and_hurts_nobody)
{
    struct world *world = stage_new();
    world_run(world, 120 * NS_PER_S);
    uint64_t free_before = blobs_free(world);
    for (uint32_t i = 0; i < deviations_count(); i++) {
        walk(world, deviation_at(i));
        cr_assert(!check_failed(world), "%s: %s: %s", deviation_at(i)->name, world->check.id,
                  world->check.text);
    }
    world_run(world, 120 * NS_PER_S);
    const struct core_counters *counters = core_counters(world->core);
    cr_expect_eq(counters->half_open, 0);
    cr_expect_eq(counters->sessions, 1, "%u sessions", counters->sessions);
    cr_expect_eq(counters->children, 1, "%u children", counters->children);
    cr_expect(witness_is_well(world));
    world_run(world, 120 * NS_PER_S);
    cr_expect_eq(blobs_free(world), free_before, "blocks lost");
    live_free(world);
}

/* A table is a promise: names are unique, classes are those that have no other test, and every row says what
 * must happen. */
Test(deviant, the_table_is_sound)
{
    static const uint8_t classes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13};
    uint32_t rows_of[14] = {0};
    for (uint32_t i = 0; i < deviations_count(); i++) {
        const struct deviation *row = deviation_at(i);
        cr_assert_lt(row->class, 14, "%s", row->name);
        rows_of[row->class]++;
        cr_expect(row->answer != ANSWER_SILENCE || row->drop != CAUSE_NONE || row->class == 5,
                  "%s: silence has a cause", row->name);
        for (uint32_t j = 0; j < i; j++) {
            cr_expect(strcmp(row->name, deviation_at(j)->name) != 0, "%s", row->name);
        }
    }
    for (size_t i = 0; i < sizeof(classes); i++) {
        cr_expect_gt(rows_of[classes[i]], 0, "class %u", classes[i]);
    }
}

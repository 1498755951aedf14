#include "tests/sim/run.h"

#include <stdio.h>

struct run run_of(const struct story *story, uint64_t seed)
{
    return (struct run){.story = story,
                        .options = {.seed = seed,
                                    .certificates = story->certificates,
                                    .wrong_ke = story->wrong_ke,
                                    .mobike = story->mobike,
                                    .cookie_threshold = story->cookie_threshold,
                                    .child_rekey = story->child_rekey,
                                    .ike_rekey = story->ike_rekey},
                        .net = NET_FAULTLESS,
                        .harmless = true};
}

/* Bugs that a fault model carries from the first event on. */
static void plant(struct world *world)
{
    enum planted planted = world->options.planted;
    world->store.faults.forgets_puts = planted == PLANTED_FORGETS_PUTS;
    world->store.faults.keeps_deleted = planted == PLANTED_KEEPS_DELETED;
    world->store.faults.epoch_back = planted == PLANTED_EPOCH_BACK;
    world->plane.faults.forgets_installs = planted == PLANTED_FORGETS_INSTALL;
    world->plane.faults.keeps_removed = planted == PLANTED_KEEPS_REMOVED;
}

static void arm(struct world *world, const struct run *run)
{
    world_arm_net(world, &run->net);
    store_model_arm(&world->store, &run->store);
    plane_model_arm(&world->plane, &run->plane);
    plant(world);
    world->crash_at = run->crash_at;
    world->crash_again = run->crash_again;
    world->starve_at = run->starve_at;
    world->check.lenient_store = run->store.fail_nth != 0;
}

/* Whoever asks is answered, under the IKE SA that the client believes in. */
static void check_survived(struct world *world)
{
    struct initiator *client = world->clients[0];
    if (initiator_dpd(client, world->now)) {
        (void)world_settle(world, 120 * NS_PER_S);
    }
    if (!check_failed(world) && client->state != INITIATOR_UP) {
        check_fail(world, "L3", "the session is lost (state %d, why %d)", client->state, client->why);
    }
}

static void note(struct outcome *outcome, const struct world *world)
{
    outcome->datagrams = world->net.sent;
    outcome->events = world->events;
    outcome->store_ops = world->store.ops;
    outcome->installs = world->plane.installs;
}

struct outcome run_go(const struct run *run)
{
    struct outcome outcome = {.passed = false};
    struct world *world = world_new(&run->options);
    plant(world);
    if (run->story->begin != NULL && !run->story->begin(world)) {
        check_fail(world, "L0", "the story did not begin");
    }
    arm(world, run);
    run->story->act(world);
    note(&outcome, world);
    world->crash_at = world->starve_at = 0;
    if (run->harmless && !check_failed(world) && run->story->reached != NULL && !run->story->reached(world)) {
        const struct initiator *client = world->clients[0];
        check_fail(world, "L2", "the story was not reached (state %d, why %d, notify %u, child notify %u)",
                   client->state, client->why, client->notify, client->child_notify);
    }
    if (run->survives && !check_failed(world)) {
        check_survived(world);
    }
    story_finish(world);
    outcome.passed = !check_failed(world);
    outcome.trace_hash = world->trace_hash;
    outcome.num_checks = world->check.num_checks;
    snprintf(outcome.id, sizeof(outcome.id), "%s", world->check.id);
    snprintf(outcome.text, sizeof(outcome.text), "%s", world->check.text);
    world_free(world);
    return outcome;
}

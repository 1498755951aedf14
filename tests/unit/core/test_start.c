/* From the first event to the first client: shards, sessions of the past, a store that fails. */
#include "edge/core/internal.h"
#include "tests/lib/world.h"

#include <criterion/criterion.h>

static struct world *restarted(struct world *world, const struct store_faults *faults)
{
    store_model_arm(&world->store, faults);
    world->check.lenient_store = true;
    world_restart(world);
    world_run(world, NS_PER_S);
    return world;
}

static struct world *with_session(enum policy_store_failure failure)
{
    struct world_options options = {.seed = 12, .store_failure = failure};
    struct world *world = world_new(&options);
    cr_assert(world_connect(world, 0));
    return world;
}

static void done(struct world *world)
{
    cr_expect(!check_failed(world), "%s: %s", world->check.id, world->check.text);
    world_free(world);
}

static bool first_session(const struct world *world, struct session_view *ret)
{
    uint32_t cursor = 0;
    return core_session_next(world->core, world->now, &cursor, ret);
}

Test(start, sessions_are_read_back)
{
    struct world *world = with_session(POLICY_STORE_ACCEPT);
    const struct initiator *client = world->clients[0];
    struct session_view before, after;
    cr_assert(first_session(world, &before));
    uint64_t id = before.session_id;
    restarted(world, &(struct store_faults){0});
    cr_assert(first_session(world, &after));
    cr_expect_eq(after.session_id, id);
    cr_expect(after.restored && after.established && !after.unsaved);
    cr_expect_eq(after.spi_r, client->sa[0].spi_r);
    cr_expect_eq(after.num_addresses, 2);
    cr_expect(ip_equal(&after.addresses[0], &client->addresses[0]));
    cr_expect_eq(after.num_children, 1);
    cr_expect_eq(core_counters(world->core)->sessions_restored, 1);
    cr_expect_eq(world->audits[AUDIT_SESSION_RESTORED], 1);
    cr_assert(initiator_dpd(world->clients[0], world->now));
    cr_expect(world_settle(world, 5 * NS_PER_S), "the client never notices");
    cr_expect_eq(client->counters.retransmits, 0);
    done(world);
}

/* The outbound numbers that may have been used are not used again (docs: PLANE_SEQUENCE_STEP). */
Test(start, restored_children_go_on_above_their_reserved_numbers)
{
    struct world *world = with_session(POLICY_STORE_ACCEPT);
    uint32_t spi = world->clients[0]->children[0].spi_out;
    uint64_t limit = plane_model_find(&world->plane, spi)->sequence_limit;
    restarted(world, &(struct store_faults){0});
    const struct plane_model_child *child = plane_model_find(&world->plane, spi);
    cr_assert_not_null(child);
    cr_expect_eq(child->sequence_out, limit);
    cr_expect_gt(child->sequence_limit, limit);
    done(world);
}

Test(start, nobody_is_served_before_the_store_is_read)
{
    struct world_options options = {.seed = 11};
    struct world *world = world_new(&options);
    cr_assert(world_connect(world, 0));
    world_restart(world);
    initiator_connect(world->clients[0], world->now);
    struct initiator_sa *sa = &world->clients[0]->sa[0];
    world_inject(world, &world->clients[0]->local, false, span_of(sa->request.bytes, sa->request.lens[0]),
                 true);
    cr_expect_eq(core_counters(world->core)->drops[CAUSE_STARTING], 1);
    cr_expect_eq(world->audits[AUDIT_READY], 1, "of the first start");
    (void)world_settle(world, 30 * NS_PER_S);
    cr_expect_eq(world->audits[AUDIT_READY], 2);
    cr_expect_eq(world->clients[0]->state, INITIATOR_UP);
    done(world);
}

/* A store that does not answer: new sessions where the policy allows, old ones when it is back. */
Test(start, goes_on_without_a_store_where_the_policy_says_so)
{
    for (int refuse = 0; refuse < 2; refuse++) {
        struct world *world = with_session(refuse == 1 ? POLICY_STORE_REFUSE : POLICY_STORE_ACCEPT);
        uint32_t other = world_add_client(world, "carol@example.net");
        restarted(world, &(struct store_faults){.fail_nth = 1, .for_ever = true, .result = STORE_DOWN});
        cr_expect_eq(world->audits[AUDIT_READY], refuse == 1 ? 1 : 2);
        cr_expect_geq(world->audits[AUDIT_STORE_FAILED], 1);
        initiator_connect(world->clients[other], world->now);
        world_run(world, 3 * NS_PER_S);
        cr_expect_eq(world->clients[other]->state == INITIATOR_UP, refuse == 0);
        cr_expect_eq(core_counters(world->core)->unsaved, refuse == 0 ? 1 : 0);
        world_heal(world);
        world_run(world, 60 * NS_PER_S);
        cr_expect_eq(world->clients[other]->state, INITIATOR_UP);
        cr_expect_eq(core_counters(world->core)->sessions, 2, "%d: the old one is back", refuse);
        cr_expect_eq(core_counters(world->core)->unsaved, 0);
        cr_expect_eq(store_model_count(&world->store), 2);
        done(world);
    }
}

/* One shard that cannot be read is tried again and does not hold up the others. */
Test(start, a_failed_scan_is_tried_again_under_the_same_epoch)
{
    for (uint32_t nth = 1; nth <= 2 * WORLD_SHARDS; nth++) {
        struct world *world = with_session(POLICY_STORE_ACCEPT);
        restarted(world, &(struct store_faults){.fail_nth = nth, .result = STORE_DOWN});
        world_run(world, 10 * NS_PER_S);
        cr_expect_eq(core_counters(world->core)->sessions_restored, 1, "operation %u", nth);
        cr_expect_eq(core_counters(world->core)->sessions, 1, "operation %u", nth);
        for (uint32_t i = 0; i < WORLD_SHARDS; i++) {
            cr_expect_eq(world->store.epochs[world->shards[i]], 2, "operation %u: shard %u", nth, i);
        }
        done(world);
    }
}

Test(start, records_that_do_not_open_are_left_alone)
{
    static const struct {
        const char *what;
        bool garble, other_fleet;
    } rows[] = {{"a flipped bit", true, false}, {"another fleet's key", false, true}};
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = with_session(POLICY_STORE_ACCEPT);
        if (rows[i].garble) {
            store_model_garble(&world->store);
        } else {
            world->config.fleet_key[0] ^= 1;
        }
        restarted(world, &(struct store_faults){0});
        cr_expect_eq(core_counters(world->core)->sessions, 0, "%s", rows[i].what);
        cr_expect_eq(world->audits[AUDIT_RESTORE_FAILED], 1, "%s", rows[i].what);
        cr_expect_eq(store_model_count(&world->store), 1, "%s", rows[i].what);
        cr_expect(world_connect(world, 0), "%s: a new login works", rows[i].what);
        done(world);
    }
}

/* A record is bound to its place: moved to another index it does not open. */
Test(start, a_record_opens_only_in_its_place)
{
    struct world *world = with_session(POLICY_STORE_ACCEPT);
    for (uint32_t i = 0; i < STORE_MODEL_RECORDS; i++) {
        world->store.records[i].index += world->store.records[i].used ? 1 : 0;
    }
    restarted(world, &(struct store_faults){0});
    cr_expect_eq(core_counters(world->core)->sessions, 0);
    cr_expect_eq(world->audits[AUDIT_RESTORE_FAILED], 1);
    done(world);
}

/* A newer owner's epoch: what we hold is a copy. It goes without a word to the client and without touching
 * the record. */
Test(start, a_fenced_session_is_dropped)
{
    struct world *world = with_session(POLICY_STORE_ACCEPT);
    for (uint32_t i = 0; i < STORE_MODEL_SHARDS; i++) {
        world->store.epochs[i]++;
    }
    world->check.lenient_store = true;
    cr_assert(initiator_rekey_child(world->clients[0], world->now, 0));
    world_run(world, NS_PER_S);
    cr_expect_eq(core_counters(world->core)->sessions, 0);
    cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_NOT_OURS], 1);
    cr_expect_eq(store_model_count(&world->store), 1);
    cr_expect_eq(world->clients[0]->state, INITIATOR_UP, "it was not told");
    cr_expect_eq(plane_model_count(&world->plane), 0);
    done(world);
}

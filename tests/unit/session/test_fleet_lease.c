/* When a node has its lease, and what it does without. */
#include "tests/unit/session/rig.h"

#include <criterion/criterion.h>

Test(fleet_lease, joins_takes_everything_and_renews)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_start(rig);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_JOINED), 1);
    cr_expect(rig_status(rig).has_lease);
    cr_expect_eq(rig_status(rig).lease_left, RIG_LEASE - RIG_LEASE / 8);
    rig_run(rig, NS_PER_S, 0);
    cr_expect_eq(rig_owned(rig, 1), RIG_SHARDS, "alone it waits for nobody: %u", rig_owned(rig, 1));
    cr_expect_eq(rig_status(rig).owned, RIG_SHARDS);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_ROW), RIG_SHARDS);
    uint16_t primary, secondary;
    rig_row(rig, 3, &primary, &secondary);
    cr_expect(primary == 1 && secondary == 0);
    rig_forget(rig);
    rig_run(rig, 10 * NS_PER_S, 0);
    uint32_t leases = 0;
    for (uint32_t i = 0; i < rig->num_effects; i++) {
        leases += rig->effects[i].type == FLEET_EFFECT_STORE && rig->effects[i].store.type == STORE_LEASE;
    }
    cr_expect(leases >= 39 && leases <= 41, "%u renewals in ten leases", leases);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_LEASE), leases, "each says how long it holds");
    cr_expect(rig_last(rig, FLEET_EFFECT_LEASE)->until > rig->now);
    rig_free(rig);
}

/* It ends by our clock an eighth before the store's, from the moment at which the last good renewal was
 * sent. */
Test(fleet_lease, lapses_in_time_and_comes_back)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 0);
    ns_t left = rig_status(rig).lease_left;
    rig->is_down = true;
    rig_forget(rig);
    rig_run(rig, left - 1, 0);
    cr_expect(rig_status(rig).has_lease && rig_count(rig, FLEET_EFFECT_LEASE) == 0);
    rig_run(rig, 2, 0);
    cr_assert_eq(rig_count(rig, FLEET_EFFECT_LEASE), 1);
    cr_expect_not(rig_last(rig, FLEET_EFFECT_LEASE)->may_begin);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_LEASE_LOST), 1);
    rig_run(rig, 60 * NS_PER_S, 0);
    cr_expect_eq(rig_status(rig).owned, RIG_SHARDS, "it keeps what it serves");
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE) + rig_count(rig, FLEET_EFFECT_DROP), 0);
    rig->is_down = false;
    rig_run(rig, RIG_LEASE / 4, 0);
    cr_expect(rig_last(rig, FLEET_EFFECT_LEASE)->may_begin);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_LEASE_REGAINED), 1);
    rig_run(rig, 5 * NS_PER_S, 0);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE) + rig_count(rig, FLEET_EFFECT_DROP), 0);
    rig_free(rig);
}

Test(fleet_lease, a_node_that_slept_has_none)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_member(rig, 2, "here");
    rig_start(rig);
    rig_run(rig, 3 * NS_PER_S, 1 << 2);
    rig_forget(rig);
    rig->now += 10 * NS_PER_S;
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        if (rig->owners[i] == 1) {
            rig->owners[i] = 2; /* while it slept */
            rig->epochs[i]++;
        }
    }
    rig->view += 10;
    rig_command(rig, FLEET_EVENT_TIMER);
    cr_assert_eq(rig->effects[0].type, FLEET_EFFECT_LEASE, "before anything else");
    cr_expect_not(rig->effects[0].may_begin);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_NODE_SILENT), 0, "it was us who did not listen");
    rig_run(rig, RIG_LEASE / 2, 1 << 2);
    cr_expect_gt(rig_count(rig, FLEET_EFFECT_DROP), 0);
    cr_expect_eq(rig_status(rig).owned, 0);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_LOST), 1);
    rig_free(rig);
}

Test(fleet_lease, number_of_another)
{
    struct rig *rig = rig_new(1000, 1000);
    rig->is_fenced = true;
    rig_start(rig);
    rig_run(rig, 5 * NS_PER_S, 0);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_NODE_ID_TAKEN), 1, "once");
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE), 0);
    rig->is_fenced = false;
    rig_run(rig, 2 * NS_PER_S, 0);
    cr_expect_eq(rig_status(rig).owned, RIG_SHARDS);
    rig_free(rig);
}

/* The first claims wait for those who may remember higher epochs than the store, or for a lease's time. */
Test(fleet_lease, first_claims_wait)
{
    for (int heard = 0; heard < 2; heard++) {
        struct rig *rig = rig_new(1000, 1000);
        rig_member(rig, 2, "here");
        rig_start(rig);
        rig_run(rig, RIG_LEASE * 3 / 4, heard << 2);
        cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE) > 0, heard == 1);
        rig_run(rig, RIG_LEASE, heard << 2);
        cr_expect_gt(rig_count(rig, FLEET_EFFECT_TAKE), 0);
        rig_free(rig);
    }
    struct rig *rig = rig_new(1000, 1000);
    rig_member(rig, 2, "here");
    rig_start(rig);
    struct fleet_change change = {3, FLEET_OWNER_UNKNOWN, 77};
    rig_heartbeat(rig, 2, &change, 1);
    rig->members[2].is_draining = true;
    rig_run(rig, 2 * RIG_LEASE, 1 << 2);
    cr_expect_eq(rig->epochs[3], 78, "above what another has seen: %u", rig->epochs[3]);
    rig_free(rig);
}

/* Shards that come and go. */
#include "tests/unit/session/rig.h"

#include <criterion/criterion.h>

static struct rig *rig_of_two(uint32_t takes_per_s, uint32_t gives_per_s)
{
    struct rig *rig = rig_new(takes_per_s, gives_per_s);
    rig_member(rig, 2, "here");
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        rig->owners[i] = 2;
        rig->epochs[i] = 5;
    }
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 1 << 2);
    return rig;
}

static uint32_t wanted(const struct rig *rig)
{
    return rig_status(rig).wanted;
}

/* Who lives gives; its heartbeat alone is enough for the next claim. */
Test(fleet_moves, a_joiner_waits_to_be_given)
{
    struct rig *rig = rig_of_two(1000, 1000);
    cr_assert(wanted(rig) > 0 && wanted(rig) < RIG_SHARDS);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE), 0, "the other lives");
    uint16_t shard = 0;
    while (fleet_shard(rig->fleet, shard).wanted != 1) {
        shard++;
    }
    uint16_t primary, secondary;
    rig_row(rig, shard, &primary, &secondary);
    cr_expect(primary == 2 && secondary == 1, "%u %u", primary, secondary);
    rig->owners[shard] = 0;
    struct fleet_change change = {shard, 0, 5};
    rig_heartbeat(rig, 2, &change, 1);
    cr_assert_eq(rig_count(rig, FLEET_EFFECT_TAKE), 1, "at once");
    cr_expect_eq(rig_last(rig, FLEET_EFFECT_TAKE)->shard.epoch, 5);
    cr_expect(rig->epochs[shard] == 6 && rig_status(rig).owned == 1);
    rig_run(rig, RIG_HEARTBEAT / 4, 0);
    cr_expect(rig->last_beat.changes[0].shard == shard && rig->last_beat.changes[0].owner == 1 &&
              rig->last_beat.changes[0].epoch == 6);
    rig_row(rig, shard, &primary, &secondary);
    cr_expect(primary == 1 && secondary == 2);
    rig_free(rig);
}

Test(fleet_moves, the_dead_are_taken_over_at_a_bounded_rate)
{
    struct rig *rig = rig_of_two(20, 1000);
    rig_forget(rig);
    rig_run(rig, RIG_HEARTBEAT * 4, 0);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_NODE_SILENT), 1);
    const struct fleet_effect *member = rig_last(rig, FLEET_EFFECT_MEMBER);
    cr_expect(member != NULL && member->member.member.node == 2 && !member->member.is_alive);
    rig_run(rig, NS_PER_S / 2, 0);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE), 0, "its lease holds");
    rig->has_lease[2] = false;
    rig_run(rig, NS_PER_S / 5, 0);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_NODE_DEAD), 1);
    uint32_t taken = rig_owned(rig, 1);
    cr_expect(taken > 0 && taken <= 6, "%u in a fifth of a second", taken);
    rig_run(rig, NS_PER_S, 0);
    cr_expect_eq(rig_owned(rig, 1), RIG_SHARDS);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_TAKEN_OVER), 1, "once all are ours");
    cr_expect_eq(rig_last(rig, FLEET_EFFECT_TAKE)->shard.epoch, 5);
    rig_free(rig);
}

/* A node that is heard keeps its shards, whatever the table says of its lease. */
Test(fleet_moves, a_node_without_the_store_is_left_alone)
{
    struct rig *rig = rig_of_two(1000, 1000);
    rig_forget(rig);
    rig->has_lease[2] = false;
    rig->view++;
    rig_run(rig, 20 * NS_PER_S, 1 << 2);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_NODE_ALONE), 1);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE), 0);
    uint16_t primary, secondary;
    rig_row(rig, 0, &primary, &secondary);
    cr_expect(primary == 2 && secondary == 1);
    rig->has_lease[2] = true;
    rig_run(rig, 2 * NS_PER_S, 1 << 2);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_NODE_UP), 1);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_NODE_DEAD), 0);
    rig_free(rig);
}

Test(fleet_moves, a_claim_that_fails_is_tried_again_later)
{
    static const enum store_result results[] = {STORE_FENCED, STORE_DOWN, STORE_UNKNOWN, STORE_FULL};
    for (size_t i = 0; i < HF_COUNT(results); i++) {
        struct rig *rig = rig_of_two(1000, 1000);
        rig->members[2].is_draining = true;
        rig_forget(rig);
        rig->is_core_silent = true;
        rig->owners[4] = 0;
        struct fleet_change change = {4, 0, 5};
        rig_heartbeat(rig, 2, &change, 1);
        cr_assert_eq(rig_count(rig, FLEET_EFFECT_TAKE), 1);
        ns_t pauses[3];
        for (int n = 0; n < 3; n++) {
            rig_shard(rig, FLEET_SHARD_FAILED, 4, 0, results[i]);
            uint32_t count = rig_count(rig, FLEET_EFFECT_TAKE);
            ns_t began = rig->now;
            while (rig_count(rig, FLEET_EFFECT_TAKE) == count) {
                rig_run(rig, 10 * NS_PER_MS, 1 << 2);
                cr_assert_lt(rig->now - began, 3 * NS_PER_S);
            }
            pauses[n] = rig->now - began;
        }
        cr_expect(pauses[0] >= 75 * NS_PER_MS && pauses[1] > pauses[0] && pauses[2] > pauses[1]);
        rig_free(rig);
    }
}

Test(fleet_moves, gives_what_belongs_to_others_at_a_bounded_rate)
{
    struct rig *rig = rig_new(1000, 10);
    rig_start(rig);
    rig_run(rig, NS_PER_S, 0);
    cr_assert_eq(rig_owned(rig, 1), RIG_SHARDS);
    rig_forget(rig);
    rig->is_core_silent = true;
    rig_member(rig, 2, "here");
    rig->view++;
    rig_run(rig, NS_PER_S / 2, 0);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_NODE_UP), 1);
    rig_run(rig, NS_PER_S / 2, 1 << 2);
    uint32_t begun = rig_count(rig, FLEET_EFFECT_GIVE);
    cr_expect(begun >= 4 && begun <= 11, "%u in a second", begun);
    uint16_t shard = rig_last(rig, FLEET_EFFECT_GIVE)->shard.shard, primary, secondary;
    rig_row(rig, shard, &primary, &secondary);
    cr_expect(primary == 2 && secondary == 1, "from the moment it begins: %u %u", primary, secondary);
    rig->owners[shard] = 0;
    uint32_t beats = rig->beats;
    rig_shard(rig, FLEET_SHARD_GIVEN, shard, rig->epochs[shard], STORE_OK);
    cr_expect_eq(rig->beats, beats + 1, "at once");
    cr_expect(rig->last_beat.changes[0].shard == shard && rig->last_beat.changes[0].owner == 0);
    rig_row(rig, shard, &primary, &secondary);
    cr_expect(primary == 2 && secondary == 1);
    rig_free(rig);
}

Test(fleet_moves, not_more_than_so_many_at_once)
{
    struct rig *rig = rig_of_two(100000, 100000);
    rig->is_core_silent = true;
    rig->has_lease[2] = false;
    rig->members[2].is_draining = true;
    rig_run(rig, 3 * NS_PER_S, 0);
    uint32_t begun = rig_count(rig, FLEET_EFFECT_TAKE);
    cr_expect_eq(begun, RIG_SHARDS);
    rig_free(rig);
}

/* The table has another owner with a higher epoch: ours is forgotten at once. Older news change nothing. */
Test(fleet_moves, lost_to_a_higher_epoch)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_member(rig, 2, "here");
    rig->members[2].is_draining = true;
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 1 << 2);
    cr_assert_eq(rig_owned(rig, 1), RIG_SHARDS);
    rig_forget(rig);
    struct fleet_change old = {2, 2, rig->epochs[2]}, older = {2, 0, (uint16_t)(rig->epochs[2] - 1)};
    rig_heartbeat(rig, 2, &older, 1);
    rig_heartbeat(rig, 2, &old, 1);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_DROP), 0, "of two with one epoch the table knows");
    rig->owners[2] = 2;
    rig->epochs[2]++;
    struct fleet_change change = {2, 2, rig->epochs[2]};
    rig_heartbeat(rig, 2, &change, 1);
    cr_assert_eq(rig_count(rig, FLEET_EFFECT_DROP), 1);
    cr_expect_eq(rig_last(rig, FLEET_EFFECT_DROP)->shard.epoch, change.epoch);
    cr_expect_eq(rig_status(rig).owned, RIG_SHARDS - 1);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_LOST), 1);
    rig_run(rig, 3 * NS_PER_S, 1 << 2);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE), 0, "the other lives");
    rig_free(rig);
}

/* A store that forgot our claim: what we have is claimed anew, above what we had. */
Test(fleet_moves, forgotten_claims_are_made_again)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 0);
    uint16_t epoch = rig->epochs[6];
    rig_forget(rig);
    rig->owners[6] = 0;
    rig->epochs[6]--;
    rig->view--;
    rig_run(rig, 2 * NS_PER_S, 0);
    cr_assert_eq(rig_count(rig, FLEET_EFFECT_TAKE), 1);
    cr_expect_eq(rig_last(rig, FLEET_EFFECT_TAKE)->shard.epoch, epoch);
    cr_expect(rig->owners[6] == 1 && rig->epochs[6] == epoch + 1);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_DROP), 0);
    rig_free(rig);
}

/* A store that forgot everything: who lives keeps what it had, and others leave it alone. */
Test(fleet_moves, a_store_that_lost_all)
{
    struct rig *rig = rig_of_two(1000, 1000);
    rig_forget(rig);
    memset(rig->owners, 0, sizeof(rig->owners));
    memset(rig->epochs, 0, sizeof(rig->epochs));
    rig->view = 0;
    rig_run(rig, 5 * NS_PER_S, 1 << 2);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE), 0, "the other has them, and will say so");
    rig->has_lease[2] = false;
    rig_run(rig, 5 * NS_PER_S, 0);
    cr_expect_eq(rig_owned(rig, 1), RIG_SHARDS);
    cr_expect_eq(rig->epochs[0], 6, "above what was seen");
    rig_free(rig);
}

Test(fleet_moves, garbage_in_the_table)
{
    struct rig *rig = rig_of_two(1000, 1000);
    rig_forget(rig);
    rig->is_bad_member = true;
    rig->is_short_table = true;
    rig->view++;
    rig_run(rig, 5 * NS_PER_S, 1 << 2);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_VIEW_BAD), 1, "once");
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE) + rig_count(rig, FLEET_EFFECT_DROP) +
                     rig_count(rig, FLEET_EFFECT_MEMBER),
                 0);
    rig->is_bad_member = false;
    rig->is_short_table = false;
    rig->view++;
    rig_run(rig, 2 * NS_PER_S, 1 << 2);
    rig->owners[3] = 60000;
    rig->view++;
    rig_run(rig, 2 * NS_PER_S, 1 << 2);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_VIEW_BAD), 2);
    cr_expect_eq(fleet_shard(rig->fleet, 3).owner, 2);
    rig_free(rig);
}

Test(fleet_moves, drain_and_return)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 0);
    rig_command(rig, FLEET_EVENT_DRAIN);
    rig_run(rig, 2 * NS_PER_S, 0);
    cr_expect_eq(rig_owned(rig, 1), RIG_SHARDS, "the last one keeps them");
    cr_expect_eq(rig_news(rig, FLEET_NEWS_DRAIN_ALONE), 1);
    cr_expect(rig->members[1].is_draining, "its lease says so");
    rig_member(rig, 2, "elsewhere");
    rig->view++;
    rig_run(rig, 3 * NS_PER_S, 1 << 2);
    cr_expect_eq(rig_owned(rig, 1), 0);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_GIVEN), 1);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_DRAINED), 1);
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        rig->owners[i] = 2;
        rig->epochs[i]++;
    }
    rig->view++;
    rig_command(rig, FLEET_EVENT_UNDRAIN);
    rig_run(rig, NS_PER_S, 1 << 2);
    cr_expect_gt(wanted(rig), 0);
    cr_expect_not(rig->members[1].is_draining);
    rig_free(rig);
}

/* Its uplink is cut: it hears nobody, and nobody hears it, but the store knows that another one lives. */
Test(fleet_moves, who_hears_nobody_gives_to_who_has_a_lease)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_member(rig, 2, "elsewhere");
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 1 << 2);
    cr_assert_gt(rig_owned(rig, 1), 0);
    rig_run(rig, NS_PER_S, 0);
    cr_expect_gt(rig_owned(rig, 1), 0, "that alone is no reason");
    rig_command(rig, FLEET_EVENT_DRAIN);
    rig_run(rig, NS_PER_S, 0);
    cr_expect_eq(rig_owned(rig, 1), 0);
    cr_expect_eq(rig_news(rig, FLEET_NEWS_DRAINED), 1);
    rig_free(rig);
}

/* Nobody takes what was given: who gave it does, after a while. */
Test(fleet_moves, given_in_vain)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 0);
    rig_member(rig, 2, "here");
    rig->view++;
    rig_run(rig, NS_PER_S, 1 << 2);
    uint32_t left = rig_owned(rig, 1);
    cr_assert_lt(left, RIG_SHARDS);
    rig_run(rig, 4 * NS_PER_S, 1 << 2);
    cr_expect_eq(rig_owned(rig, 1), RIG_SHARDS);
    rig_forget(rig);
    rig_run(rig, 10 * NS_PER_S, 1 << 2);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_GIVE), 0, "not again at once");
    rig_free(rig);
}

Test(fleet_moves, leaves)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 0);
    rig_command(rig, FLEET_EVENT_LEAVE);
    rig_run(rig, 2 * NS_PER_S, 0);
    cr_expect_eq(rig_owned(rig, 0), RIG_SHARDS, "written, and released for whoever comes");
    cr_expect(rig_status(rig).is_left && !rig->has_lease[1]);
    cr_expect_eq(fleet_deadline(rig->fleet), NS_NEVER);
    rig_free(rig);
    rig = rig_new(1000, 1000);
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 0);
    rig->is_down = true;
    rig_command(rig, FLEET_EVENT_LEAVE);
    rig_run(rig, 25 * NS_PER_S, 0);
    cr_expect(rig_status(rig).is_left, "a store that does not answer holds nobody up for ever");
    rig_free(rig);
}

/* A process that restarts finds its own shards, and takes them whatever others are there. */
Test(fleet_moves, own_shards_of_an_earlier_process)
{
    struct rig *rig = rig_new(20, 1000);
    rig_member(rig, 2, "here");
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        rig->owners[i] = 1;
        rig->epochs[i] = 9;
    }
    rig_start(rig);
    rig->is_core_silent = false;
    rig_run(rig, RIG_LEASE / 2, 1 << 2);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE), RIG_SHARDS, "%u", rig_count(rig, FLEET_EFFECT_TAKE));
    rig_free(rig);
}

/* What the core says of shards that are not in that state is old. */
Test(fleet_moves, news_out_of_order)
{
    struct rig *rig = rig_of_two(1000, 1000);
    struct fleet_status before = rig_status(rig);
    for (uint16_t shard = 0; shard < RIG_SHARDS + 2; shard++) {
        for (uint32_t news = FLEET_SHARD_TAKEN; news <= FLEET_SHARD_LOST; news++) {
            rig_shard(rig, (enum fleet_shard_news)news, shard, 3, STORE_OK);
        }
    }
    struct fleet_status after = rig_status(rig);
    cr_expect(before.owned == after.owned && before.lost_total == after.lost_total);
    rig_free(rig);
}

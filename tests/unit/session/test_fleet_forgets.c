/* A store that forgets what it acknowledged, as one does whose primary is lost with writes that its replica
 * never had. */
#include "tests/unit/session/rig.h"

#include <criterion/criterion.h>

enum { SHARD = 6 };

/* All shards are node 1's; node 2 drains. */
static struct rig *rig_of_owner(void)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_member(rig, 2, "here");
    rig->members[2].is_draining = true;
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 1 << 2);
    cr_assert_eq(rig_owned(rig, 1), RIG_SHARDS);
    rig_forget(rig);
    return rig;
}

static bool has_changes_of(const struct rig *rig, uint16_t shard, uint16_t owner)
{
    for (uint32_t i = 0; i < rig->last_beat.num_changes; i++) {
        if (rig->last_beat.changes[i].shard == shard && rig->last_beat.changes[i].owner == owner) {
            return true;
        }
    }
    return false;
}

/* We gave it, node 2 took it, the store forgot both: nobody could claim it as long as we stand there. */
Test(fleet_forgets, a_hand_over)
{
    struct rig *rig = rig_of_owner();
    uint16_t epoch = rig->epochs[SHARD];
    rig->owners[SHARD] = 2;
    rig->epochs[SHARD]++;
    struct fleet_change change = {SHARD, 2, rig->epochs[SHARD]};
    rig_heartbeat(rig, 2, &change, 1);
    cr_assert_eq(rig_count(rig, FLEET_EFFECT_DROP), 1);
    rig_run(rig, NS_PER_S, 1 << 2);
    rig->owners[SHARD] = 1;
    rig->epochs[SHARD] = epoch;
    rig->view++;
    rig_forget(rig);
    rig_run(rig, 3 * NS_PER_S, 1 << 2);
    cr_expect_eq(rig_count(rig, FLEET_EFFECT_TAKE), 0, "node 2 has it, and lives");
    uint32_t releases = 0;
    for (uint32_t i = 0; i < rig->num_effects; i++) {
        const struct store_op *op = &rig->effects[i].store;
        if (rig->effects[i].type == FLEET_EFFECT_STORE && op->type == STORE_RELEASE) {
            cr_expect(op->shard == SHARD && op->epoch == epoch);
            releases++;
        }
    }
    cr_expect(releases >= 1 && releases <= 3, "%u", releases);
    cr_expect(has_changes_of(rig, SHARD, FLEET_OWNER_UNKNOWN), "others hear of the epoch that is used up");
    rig_free(rig);
}

/* Our claim is forgotten, and before we could claim again a write was refused: nobody has it now, and we say
 * so.
 */
Test(fleet_forgets, a_claim_and_then_it_is_lost)
{
    struct rig *rig = rig_of_owner();
    uint16_t epoch = rig->epochs[SHARD];
    rig->is_core_silent = true;
    rig->epochs[SHARD] = 0;
    rig->owners[SHARD] = 0;
    rig->view++;
    rig_run(rig, RIG_LEASE, 1 << 2);
    cr_assert_eq(rig_count(rig, FLEET_EFFECT_TAKE), 1);
    rig_shard(rig, FLEET_SHARD_FAILED, SHARD, 0, STORE_DOWN);
    rig_shard(rig, FLEET_SHARD_LOST, SHARD, epoch, STORE_OK);
    rig_run(rig, RIG_HEARTBEAT, 1 << 2);
    cr_expect(has_changes_of(rig, SHARD, 0));
    rig->is_core_silent = false;
    rig_run(rig, 3 * NS_PER_S, 1 << 2);
    cr_expect(rig->owners[SHARD] == 1 && rig->epochs[SHARD] == epoch + 1, "and it is free for all");
    rig_free(rig);
}

/* We took it from the dead, the store forgot that, and the dead one is back: it may have written since, and
 * what we have is older. */
Test(fleet_forgets, a_takeover_whose_owner_is_back)
{
    struct rig *rig = rig_new(1000, 1000);
    rig_member(rig, 2, "here");
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        rig->owners[i] = 2;
        rig->epochs[i] = 5;
    }
    rig_start(rig);
    rig_run(rig, 2 * NS_PER_S, 1 << 2);
    rig->has_lease[2] = false;
    rig_run(rig, 3 * NS_PER_S, 0);
    cr_assert_eq(rig_owned(rig, 1), RIG_SHARDS);
    rig_forget(rig);
    rig->owners[SHARD] = 2;
    rig->epochs[SHARD] = 5;
    rig->has_lease[2] = true;
    rig->view++;
    rig_run(rig, RIG_LEASE, 1 << 2);
    cr_assert_eq(rig_count(rig, FLEET_EFFECT_DROP), 1);
    cr_expect(rig_last(rig, FLEET_EFFECT_DROP)->shard.shard == SHARD &&
              rig_last(rig, FLEET_EFFECT_DROP)->shard.epoch == 6);
    rig_free(rig);
}

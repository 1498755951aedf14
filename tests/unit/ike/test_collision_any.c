/* Rekeys of either side, of IKE SA and child, that meet at drawn moments, some held back, some lost. Whatever
 * the order, both sides end with one IKE SA and the same children. */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/unit/ike/collide.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define ROUNDS 1000
#define DEEDS 8

static uint32_t below(uint32_t limit)
{
    uint32_t value;
    rand_fill(&of_gateway.real, (uint8_t *)&value, sizeof(value));
    return value % limit;
}

static ns_t soon(const struct world *world)
{
    return world->now + below(30) * NS_PER_MS;
}

static void gateway_rekeys(struct world *world, bool children)
{
    struct ike *ike = world->core->ike;
    for (uint32_t slot = 0; slot < ike_capacity(ike); slot++) {
        struct ike_sa *sa = &ike->sa[slot];
        if (!slab_is_used(&ike->sas, slot) || sa->state != SA_ESTABLISHED) {
            continue;
        }
        sa->rekey_at = children ? sa->rekey_at : soon(world);
        for (uint32_t i = 0; i < sa->num_children && children; i++) {
            ike->child[sa->children[i]].rekey_at = soon(world);
        }
        children_arm(ike, sa);
        sa_schedule(ike, sa);
    }
}

static void deed(struct world *world)
{
    struct initiator *client = world->clients[0];
    uint32_t child = initiator_first_child(client);
    switch (below(8)) {
    case 0:
    case 1:
        gateway_rekeys(world, true);
        break;
    case 2:
    case 3:
        gateway_rekeys(world, false);
        break;
    case 4:
        (void)!initiator_rekey_child(client, world->now, child);
        break;
    case 5:
        (void)!initiator_rekey_ike(client, world->now);
        break;
    case 6:
        (void)!initiator_create_child(client, world->now);
        break;
    default:
        (void)!initiator_delete_child(client, world->now, child);
        break;
    }
    world_run(world, below(25) * NS_PER_MS);
    if (below(3) == 0) {
        collide_delay(world, below(2) == 0 ? ITEM_TO_CLIENT : ITEM_TO_GATEWAY, below(120) * NS_PER_MS);
    }
}

static void expect_agreed(struct world *world, const char *what)
{
    struct initiator *client = world->clients[0];
    uint32_t theirs = 0;
    cr_expect(world_settle(world, 30 * NS_PER_S), "%s: does not come to rest", what);
    world_run(world, 400 * NS_PER_S); /* a DELETE that nobody answers is tried for so long */
    (void)world_settle(world, 15 * NS_PER_S);
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        theirs += client->sa[i].used ? 1 : 0;
    }
    cr_expect_eq(client->state, INITIATOR_UP, "%s: the client is in state %d", what, client->state);
    cr_expect_eq(theirs, 1, "%s: client has %u IKE SAs", what, theirs);
    cr_expect_eq(world->core->ike->sas.used, 1, "%s: gateway has %u IKE SAs", what,
                 world->core->ike->sas.used);
    uint32_t children = core_counters(world->core)->children;
    cr_expect_eq(initiator_num_children(client), children, "%s: children", what);
    cr_expect_eq(plane_model_count(&world->plane), children, "%s: children in the plane", what);
}

Test(collision_any, both_sides_agree_in_the_end)
{
    uint64_t by_gateway = 0, by_client = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct world *world = collide_begin(0, 0);
        uint8_t skipped[ROUNDS];
        rand_fill(&of_gateway.real, skipped, round); /* each round draws its own */
        struct net_faults faults = NET_FAULTLESS;
        faults.lose_permille = round % 2 * 100;
        faults.duplicate_permille = round % 2 * 50;
        world_arm_net(world, &faults);
        for (uint32_t i = 0; i < DEEDS; i++) {
            deed(world);
        }
        world_run(world, 3 * NS_PER_S);
        world_arm_net(world, &NET_FAULTLESS);
        char what[32];
        snprintf(what, sizeof(what), "round %u", round);
        expect_agreed(world, what);
        by_gateway +=
            core_counters(world->core)->own_ike_rekeys + core_counters(world->core)->own_child_rekeys;
        by_client += core_counters(world->core)->ike_rekeys + core_counters(world->core)->child_rekeys;
        live_free(world);
    }
    cr_expect(by_gateway > ROUNDS && by_client > by_gateway, "too little met: %u and %u",
              (unsigned)by_gateway, (unsigned)by_client);
}

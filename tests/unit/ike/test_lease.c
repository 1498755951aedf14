/* One lease for two sessions of a client that logs in again. */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/unit/ike/collide.h"

#include <criterion/criterion.h>

static uint32_t of_type(const struct world *world, enum item_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->num_items; i++) {
        count += world->items[i].type == type ? 1 : 0;
    }
    return count;
}

/* A login takes over the address of a session whose rekey waits for the store: what the rekey makes of the
 * session must know that the lease is shared. */
Test(lease, a_lease_that_is_shared_during_a_rekey)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    cr_assert(world_connect(world, 0));
    struct ip_addr had = client->addresses[0];
    cr_assert(initiator_rekey_ike(client, world->now));
    while (of_type(world, ITEM_STORE) == 0 && world_step(world, world->now + NS_PER_S)) {
    }
    cr_assert_eq(of_type(world, ITEM_STORE), 1);
    collide_delay(world, ITEM_STORE, 3 * NS_PER_S);
    initiator_vanish(client);
    client->config.wanted_v4 = had;
    initiator_connect(client, world->now);
    world_run(world, 2 * NS_PER_S);
    cr_assert_eq(client->state, INITIATOR_UP, "%d cause %d", client->state, world->last_login_cause);
    cr_expect(ip_equal(&client->addresses[0], &had), "taken over");
    cr_expect_eq(of_type(world, ITEM_STORE), 1, "the rekey still waits");
    world_run(world, 10 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->sessions, 2);
    world_run(world, 300 * NS_PER_S); /* the old one is found dead */
    cr_expect(!check_failed(world), "late %s %s", world->check.id, world->check.text);
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    cr_assert_eq(client->state, INITIATOR_UP);
    uint32_t stranger = world_add_client(world, "carol@example.net");
    world->clients[stranger]->config.wanted_v4 = had;
    cr_assert(world_connect(world, stranger));
    cr_expect(!ip_equal(&world->clients[stranger]->addresses[0], &had), "two clients have one address");
    live_free(world);
}

static const struct plane_model_child *preferred(const struct world *world)
{
    const struct plane_model_child *best = NULL;
    for (uint32_t i = 0; i < PLANE_MODEL_CHILDREN; i++) {
        const struct plane_model_child *child = &world->plane.children[i];
        best = child->used && (best == NULL || child->carries_since > best->carries_since) ? child : best;
    }
    return best;
}

/* Records come back in any order, here also of logins within one second: the downlink is the newest one's. */
Test(lease, a_restart_keeps_the_newest_login_in_front)
{
    uint32_t wrong = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world_options options = {.seed = seed};
        struct world *world = live_new(&options, NULL);
        struct initiator *client = world->clients[0];
        client->config.initial_contact = false;
        cr_assert(world_connect(world, 0));
        struct ip_addr had = client->addresses[0];
        for (int again = 0; again < 2; again++) {
            initiator_vanish(client);
            client->config.wanted_v4 = had;
            cr_assert(world_connect(world, 0));
            cr_assert(ip_equal(&client->addresses[0], &had));
        }
        world_restart(world);
        world_run(world, 5 * NS_PER_S);
        cr_assert_eq(plane_model_count(&world->plane), 3);
        uint32_t mine = client->children[initiator_first_child(client)].spi_out;
        wrong += preferred(world)->spi_in != mine ? 1 : 0;
        live_free(world);
    }
    cr_expect_eq(wrong, 0, "%u of 12", wrong);
}

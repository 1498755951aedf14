/* A running core: reload, operator, news from the plane, and the end. */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct world *up(void)
{
    struct world_options options = {.seed = 13};
    struct world *world = world_new(&options);
    cr_assert(world_connect(world, 0));
    return world;
}

static void done(struct world *world)
{
    cr_expect(!check_failed(world), "%s: %s", world->check.id, world->check.text);
    world_free(world);
}

static void reload(struct world *world, const struct policy *policy)
{
    void *memory = aligned_alloc(64, (core_pool_bytes(&world->config, policy) + 63) & ~(size_t)63);
    struct event event = {.type = EVENT_POLICY, .policy = {.policy = policy, .pool_memory = memory}};
    world_event(world, &event);
    free(world->pool_memory);
    world->pool_memory = memory;
}

static uint64_t leased_v4(struct world *world)
{
    struct pool_view pools[4];
    uint32_t count = core_pools(world->core, pools, HF_COUNT(pools));
    return count == 0 ? 0 : pools[0].leased_v4;
}

Test(run, a_reload_keeps_sessions_and_addresses)
{
    static struct test_policy next;
    struct world *world = up();
    test_policy_init(&next, false);
    next.pools[0].name = "renamed";
    reload(world, &next.policy);
    cr_expect_eq(leased_v4(world), 1, "whatever the pool is called now");
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    cr_assert(initiator_rekey_child(world->clients[0], world->now, 0));
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(world->clients[0]->child_notify, 0);
    uint32_t other = world_add_client(world, "carol@example.net");
    cr_assert(world_connect(world, other));
    cr_expect(!ip_equal(&world->clients[0]->addresses[0], &world->clients[other]->addresses[0]));
    cr_assert(initiator_delete(world->clients[0], world->now));
    (void)world_settle(world, 15 * NS_PER_S);
    cr_expect_eq(leased_v4(world), 1);
    done(world);
}

Test(run, a_reload_that_drops_the_connection_adds_nothing)
{
    static struct test_policy next;
    struct world *world = up();
    test_policy_init(&next, false);
    next.connections[0].name = "another";
    next.connections[0].match = "*@example.org";
    reload(world, &next.policy);
    cr_expect_eq(core_counters(world->core)->sessions, 1, "what there is goes on");
    cr_assert(initiator_create_child(world->clients[0], world->now));
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(world->clients[0]->child_notify, NOTIFY_NO_ADDITIONAL_SAS);
    cr_assert(initiator_dpd(world->clients[0], world->now));
    cr_expect(world_settle(world, 5 * NS_PER_S));
    initiator_connect(world->clients[0], world->now);
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(world->clients[0]->notify, NOTIFY_AUTHENTICATION_FAILED);
    cr_expect_eq(world->last_login_cause, CAUSE_NO_CONNECTION);
    done(world);
}

Test(run, draining_lets_nobody_new_in)
{
    struct world *world = up();
    struct event event = {.type = EVENT_COMMAND, .command = {.type = COMMAND_DRAIN}};
    world_event(world, &event);
    uint32_t other = world_add_client(world, "carol@example.net");
    initiator_connect(world->clients[other], world->now);
    world_run(world, 2 * NS_PER_S);
    cr_expect_eq(world->clients[other]->state, INITIATOR_INIT);
    cr_expect_geq(core_counters(world->core)->drops[CAUSE_DRAINING], 1);
    initiator_vanish(world->clients[other]);
    cr_assert(initiator_rekey_ike(world->clients[0], world->now), "who is in stays");
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->ike_rekeys, 1);
    event.command.type = COMMAND_UNDRAIN;
    world_event(world, &event);
    cr_expect(world_connect(world, other), "and then others get in again");
    done(world);
}

Test(run, the_operator_ends_one_session)
{
    struct world *world = up();
    uint32_t other = world_add_client(world, "carol@example.net");
    cr_assert(world_connect(world, other));
    struct session_view view;
    uint32_t cursor = 0;
    cr_assert(core_session_next(world->core, world->now, &cursor, &view));
    uint64_t spi_r = view.spi_r;
    world_disconnect(world, view.session_id ^ 1);
    cr_expect_eq(core_counters(world->core)->sessions, 2, "no such session");
    world_disconnect(world, view.session_id);
    (void)world_settle(world, 5 * NS_PER_S);
    for (uint32_t i = 0; i < 2; i++) {
        bool his = world->clients[i]->sa[0].spi_r == spi_r;
        cr_expect_eq(world->clients[i]->state, his ? INITIATOR_CLOSED : INITIATOR_UP);
    }
    cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_OPERATOR], 1);
    world_run(world, 15 * NS_PER_S);
    done(world);
}

/* Traffic is life: a busy client is not asked. */
Test(run, a_client_with_traffic_is_not_asked)
{
    struct world *world = up();
    world->plane.traffic = true;
    world_run(world, 300 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->dpd_sent, 0);
    world->plane.traffic = false;
    world_run(world, 60 * NS_PER_S);
    cr_expect_geq(core_counters(world->core)->dpd_sent, 1);
    done(world);
}

static struct event plane_news(const struct world *world, enum plane_event_type type)
{
    uint32_t spi = world->clients[0]->children[0].spi_out;
    struct event event = {.type = EVENT_PLANE,
                          .plane = {.type = type, .child = plane_model_find(&world->plane, spi)->child}};
    return event;
}

/* Numbers are used only when the store has them reserved. */
Test(run, sequence_numbers_are_granted_after_they_are_written)
{
    struct world *world = up();
    uint32_t spi = world->clients[0]->children[0].spi_out;
    uint64_t limit = plane_model_find(&world->plane, spi)->sequence_limit;
    struct event event = plane_news(world, PLANE_EVENT_SEQUENCE);
    event.plane.sequence_out = limit / 2;
    world_event(world, &event);
    for (uint32_t i = 0; i < world->effects.count; i++) {
        cr_expect_neq(world->effects.v[i].type, EFFECT_PLANE, "not before the store has it");
    }
    (void)world_settle(world, NS_PER_S);
    cr_expect_geq(plane_model_find(&world->plane, spi)->sequence_limit, limit + limit / 2);
    done(world);
}

Test(run, a_spent_child_ends_the_session)
{
    struct world *world = up();
    struct event event = plane_news(world, PLANE_EVENT_SPENT);
    world_event(world, &event);
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(world->clients[0]->state, INITIATOR_CLOSED, "the client was told");
    cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_ESP_SEQUENCE], 1);
    done(world);
}

/* Of several children only the one goes that is worn; the client is told of both ends. */
Test(run, a_worn_child_leaves_the_others)
{
    struct world *world = up();
    struct initiator *client = world->clients[0];
    cr_assert(initiator_create_child(client, world->now));
    (void)world_settle(world, 5 * NS_PER_S);
    uint32_t spi = client->children[0].spi_out, other = client->children[1].spi_out;
    struct event event = plane_news(world, PLANE_EVENT_WORN);
    world_event(world, &event);
    world_run(world, 2 * NS_PER_S);
    cr_expect_null(plane_model_find(&world->plane, spi));
    cr_expect_not_null(plane_model_find(&world->plane, other));
    cr_expect_eq(initiator_num_children(client), 1);
    cr_assert_eq(client->state, INITIATOR_UP);
    event.plane.child = plane_model_find(&world->plane, other)->child;
    world_event(world, &event);
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(client->state, INITIATOR_CLOSED);
    cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_ESP_VOLUME], 1);
    done(world);
}

/* RFC 7296 2.23: ESP from another address moves a client behind a NAT, and no other. */
Test(run, a_moved_client_is_followed_behind_a_nat)
{
    for (int behind = 0; behind < 2; behind++) {
        struct world_options options = {.seed = 13};
        struct world *world = world_new(&options);
        world->clients[0]->config.behind_nat = behind == 1;
        cr_assert(world_connect(world, 0));
        struct event event = plane_news(world, PLANE_EVENT_MOVED);
        event.plane.remote = world->clients[0]->local;
        event.plane.remote.port = 40000;
        world_event(world, &event);
        (void)world_settle(world, NS_PER_S);
        uint32_t spi = world->clients[0]->children[0].spi_out;
        cr_expect_eq(plane_model_find(&world->plane, spi)->remote.port, behind == 1 ? 40000 : 4500);
        done(world);
    }
}

static bool holds(const uint8_t *memory, size_t len, const uint8_t *secret, size_t secret_len)
{
    return memmem(memory, len, secret, secret_len) != NULL;
}

/* N2: keys leave memory with the SA, and all of them with the core. */
Test(run, keys_do_not_outlive_their_sa)
{
    struct world *world = up();
    const struct initiator *client = world->clients[0];
    struct ike_keys ike = client->sa[0].keys;
    struct esp_keys esp = client->children[0].key_in;
    size_t len = core_bytes(&world->config);
    cr_assert(holds(world->core_memory, len, ike.ei, 32), "the test knows where to look");
    cr_assert(holds(world->core_memory, len, esp.encr, 32));
    cr_assert(initiator_delete(world->clients[0], world->now));
    world_run(world, 120 * NS_PER_S);
    cr_expect(!holds(world->core_memory, len, ike.ei, 32), "SK_ei");
    cr_expect(!holds(world->core_memory, len, ike.d, 32), "SK_d");
    cr_expect(!holds(world->core_memory, len, esp.encr, 32), "the child's key");
    cr_assert(world_connect(world, 0));
    ike = client->sa[0].keys;
    core_done(world->core);
    cr_expect(!holds(world->core_memory, len, ike.er, 32));
    cr_expect(!holds(world->core_memory, len, world->config.fleet_key, FLEET_KEY_BYTES), "the fleet's key");
    memset(world->core_memory, 0, len);
    world->core = core_init(world->core_memory, &world->config, world->pool_memory);
    done(world);
}

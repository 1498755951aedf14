/* What a session does in a long life: several children, limits by volume, forward secrecy, logins without a
 * child (RFC 6023) and logins that must be repeated (RFC 4478). */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>

static void settle(struct world *world)
{
    (void)world_settle(world, 10 * NS_PER_S);
}

static const struct ike_sa *session(const struct world *world)
{
    for (uint32_t slot = 0; slot < ike_capacity(world->core->ike); slot++) {
        const struct ike_sa *sa = ike_sa_at(world->core->ike, slot);
        if (sa != NULL && sa->state == SA_ESTABLISHED) {
            return sa;
        }
    }
    return NULL;
}

static const struct plane_model_child *in_plane(const struct world *world, uint32_t index)
{
    return plane_model_find(&world->plane, world->clients[0]->children[index].spi_out);
}

static void plane_says(struct world *world, enum plane_event_type type, uint32_t index,
                       struct plane_volume volume)
{
    struct event event = {.type = EVENT_PLANE,
                          .plane = {.type = type, .child = in_plane(world, index)->child, .volume = volume}};
    world_event(world, &event);
}

static void expect_children(const struct world *world, uint32_t count, const char *when)
{
    cr_expect_eq(initiator_num_children(world->clients[0]), count, "%s: client", when);
    cr_expect_eq(core_counters(world->core)->children, count, "%s: gateway", when);
    cr_expect_eq(plane_model_count(&world->plane), count, "%s: plane", when);
}

/* RFC 7296 1.3.1, 1.4.1: each of them is one of its own, whatever happens to the others. */
Test(long_life, several_children)
{
    struct world_options options = {.seed = 7, .mobike = true};
    struct world *world = live_new(&options, NULL);
    struct initiator *client = world->clients[0];
    cr_assert(world_connect(world, 0));
    for (uint32_t i = 1; i < 3; i++) {
        cr_assert(initiator_create_child(client, world->now));
        settle(world);
    }
    expect_children(world, 3, "created");
    cr_assert(initiator_delete_child(client, world->now, 1));
    settle(world);
    expect_children(world, 2, "the client deleted one");
    cr_assert(in_plane(world, 0) != NULL && in_plane(world, 2) != NULL);
    world_restart(world);
    settle(world);
    expect_children(world, 2, "restart");
    struct endpoint home = client->local;
    cr_assert(ip_parse("198.51.100.77", &home.addr));
    initiator_roam(client, world->now, &home, &client->remote);
    settle(world);
    cr_expect(endpoint_equal(&in_plane(world, 0)->remote, &home) &&
                  endpoint_equal(&in_plane(world, 2)->remote, &home),
              "MOBIKE moves all");
    cr_assert(initiator_rekey_ike(client, world->now));
    settle(world);
    expect_children(world, 2, "the IKE SA was rekeyed");
    plane_says(world, PLANE_EVENT_AGED, 2, (struct plane_volume){0});
    world_run(world, 2 * NS_PER_S);
    expect_children(world, 2, "one was rekeyed");
    cr_expect_eq(client->counters.gateway_rekeys, 1);
    cr_expect(client->children[0].used && in_plane(world, 0) != NULL, "and not the other");
    live_free(world);
}

/* Our next id may be higher than the record says: a DELETE under an old one would be answered like the
 * request that had it, and the client would keep the child. */
Test(long_life, a_restored_session_deletes_a_child_for_good)
{
    struct world *world = live_new(NULL, NULL);
    cr_assert(world_connect(world, 0));
    cr_assert(initiator_create_child(world->clients[0], world->now));
    world_run(world, 100 * NS_PER_S); /* we asked some times whether the client is there */
    world_restart(world);
    settle(world);
    plane_says(world, PLANE_EVENT_WORN, 0, (struct plane_volume){0});
    world_run(world, 90 * NS_PER_S);
    expect_children(world, 1, "worn");
    live_free(world);
}

/* Limits go to the plane less what was carried before; a soft one comes with every hard one. */
Test(long_life, volumes_are_counted_through_restarts)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    world->policy.policy.child = (struct policy_child){.rekey = {8000, 0}, .lifetime = {20000, 1000}};
    cr_assert(world_connect(world, 0));
    const struct plane_model_child *child = in_plane(world, 0);
    cr_expect(child->soft.bytes > 7000 - 1 && child->soft.bytes <= 8000, "%lu", child->soft.bytes);
    cr_expect_eq(child->hard.bytes, 20000);
    cr_expect(child->soft.packets >= 656 && child->soft.packets <= 750, "%lu", child->soft.packets);
    cr_expect_eq(child->hard.packets, 1000);
    plane_says(world, PLANE_EVENT_SEQUENCE, 0, (struct plane_volume){6000, 100});
    settle(world);
    world_restart(world);
    settle(world);
    child = in_plane(world, 0);
    cr_assert_not_null(child);
    cr_expect_eq(child->hard.bytes, 14000);
    cr_expect_eq(child->hard.packets, 900);
    cr_expect(child->soft.bytes >= 1000 && child->soft.bytes <= 2000, "%lu", child->soft.bytes);
    plane_says(world, PLANE_EVENT_AGED, 0, (struct plane_volume){2000, 10});
    world_run(world, 2 * NS_PER_S);
    expect_children(world, 1, "aged");
    cr_expect_eq(client->counters.gateway_rekeys, 1);
    child = in_plane(world, initiator_first_child(client));
    cr_expect_eq(child->hard.bytes, 20000, "new keys, new count");
    live_free(world);
}

/* The group of our own rekeys. */
Test(long_life, rekeys_with_the_group_of_the_policy)
{
    static const struct {
        const char *what;
        uint16_t rekey_group, expected;
        bool required;
    } rows[] = {
        {"as it was", POLICY_GROUP_SAME, KE_NONE, false},
        {"as it was, but required", POLICY_GROUP_SAME, KE_X25519, true},
        {"the IKE SA's", POLICY_GROUP_IKE, KE_X25519, false},
        {"another", KE_P256, KE_P256, false},
        {"none", POLICY_GROUP_NONE, KE_NONE, false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        world->policy.policy.child.rekey_group = rows[i].rekey_group;
        world->policy.policy.esp.ke_required = rows[i].required;
        cr_assert(world_connect(world, 0));
        plane_says(world, PLANE_EVENT_AGED, 0, (struct plane_volume){0});
        world_run(world, 2 * NS_PER_S);
        expect_children(world, 1, rows[i].what);
        cr_expect_eq(client->counters.gateway_rekeys, 1, "%s", rows[i].what);
        cr_expect_eq(client->children[initiator_first_child(client)].suite.ke, rows[i].expected, "%s",
                     rows[i].what);
        live_free(world);
    }
}

/* RFC 7296 1.3: what the client must bring along when forward secrecy is demanded. */
Test(long_life, forward_secrecy_can_be_demanded)
{
    static const struct {
        const char *what;
        uint16_t group, second;
        bool required;
        uint16_t notify;
    } rows[] = {
        {"none", KE_NONE, KE_NONE, true, NOTIFY_NO_PROPOSAL_CHOSEN},
        {"none, but it could", KE_NONE, KE_P256, true, NOTIFY_INVALID_KE_PAYLOAD},
        {"a good one", KE_X25519, KE_NONE, true, 0},
        {"none, and it need not", KE_NONE, KE_P256, false, 0},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        world->policy.policy.esp.ke_required = rows[i].required;
        cr_assert(world_connect(world, 0), "the first child has the IKE SA's");
        client->config.esp[0].ke = rows[i].group;
        if (rows[i].second != KE_NONE) {
            client->config.esp[1] = client->config.esp[0];
            client->config.esp[1].ke = rows[i].second;
            client->config.num_esp = 2;
        }
        cr_assert(initiator_rekey_child(client, world->now, 0));
        settle(world);
        cr_expect_eq(client->child_notify, rows[i].notify, "%s: %u", rows[i].what, client->child_notify);
        expect_children(world, 1, rows[i].what);
        live_free(world);
    }
}

/* RFC 6023 3, 5. */
Test(long_life, logins_without_a_child)
{
    static const struct {
        const char *what;
        bool allowed, selectors;
    } rows[] = {{"allowed", true, false}, {"not allowed", false, false}, {"half a child", true, true}};
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        world->policy.policy.childless = rows[i].allowed;
        client->config.childless = true;
        client->config.deviate.lone_selectors = rows[i].selectors;
        initiator_connect(client, world->now);
        settle(world);
        cr_expect_eq(client->childless, rows[i].allowed, "%s: offered", rows[i].what);
        if (!rows[i].allowed || rows[i].selectors) {
            cr_expect_eq(client->state, INITIATOR_FAILED, "%s", rows[i].what);
            cr_expect_eq(client->notify, NOTIFY_INVALID_SYNTAX, "%s", rows[i].what);
            live_free(world);
            continue;
        }
        cr_assert_eq(client->state, INITIATOR_UP);
        cr_expect_eq(client->child_notify, 0);
        cr_expect_eq(client->num_addresses, 2, "addresses come with the login");
        expect_children(world, 0, "login");
        world_restart(world);
        settle(world);
        cr_assert(initiator_create_child(client, world->now));
        settle(world);
        expect_children(world, 1, "later");
        cr_expect(ip_equal(&client->children[0].ts_i[0].first, &client->addresses[0]));
        live_free(world);
    }
}

Test(long_life, time_without_a_child_is_bounded)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    world->policy.policy.childless = true;
    world->policy.policy.timers.childless = 60 * NS_PER_S;
    client->config.childless = true;
    cr_assert(world_connect(world, 0));
    world_run(world, 50 * NS_PER_S);
    cr_assert(initiator_create_child(client, world->now));
    world_run(world, 120 * NS_PER_S);
    cr_expect_eq(client->state, INITIATOR_UP, "it has a child");
    cr_assert(initiator_delete_child(client, world->now, 0));
    world_run(world, 40 * NS_PER_S);
    cr_assert(initiator_rekey_ike(client, world->now));
    world_run(world, 10 * NS_PER_S);
    cr_expect_eq(client->state, INITIATOR_UP);
    world_run(world, 15 * NS_PER_S);
    cr_expect_eq(client->state, INITIATOR_CLOSED, "a rekey of the IKE SA is no child");
    cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_CHILDLESS], 1);
    live_free(world);
}

/* RFC 4478 2: the time is of the login, through rekeys, restarts and reloads. */
Test(long_life, a_login_ends)
{
    static const struct {
        const char *what;
        bool rekey, restart, reload;
    } rows[] = {
        {"plain", false, false, false},
        {"rekeyed", true, false, false},
        {"restarted", false, true, false},
        {"all of it", true, true, true},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        world->policy.policy.timers.auth_lifetime = 300 * NS_PER_S;
        cr_assert(world_connect(world, 0));
        cr_expect_eq(client->auth_lifetime_s, 300, "%s", rows[i].what);
        world_run(world, 100 * NS_PER_S);
        if (rows[i].rekey) {
            cr_assert(initiator_rekey_ike(client, world->now));
            settle(world);
        }
        if (rows[i].reload) {
            world->policy.policy.timers.auth_lifetime = 3000 * NS_PER_S;
            world_reload(world);
        }
        if (rows[i].restart) {
            world_restart(world);
        }
        world_run(world, 180 * NS_PER_S);
        cr_expect_eq(client->state, INITIATOR_UP, "%s: too early", rows[i].what);
        world_run(world, 60 * NS_PER_S);
        cr_expect_eq(client->state, INITIATOR_CLOSED, "%s: not at all", rows[i].what);
        cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_AUTH_LIFETIME], 1, "%s", rows[i].what);
        live_free(world);
    }
}

/* A client that logs in again before its old session is gone keeps its address; another device of the same
 * identity does not get it. */
Test(long_life, a_new_login_keeps_the_address)
{
    enum { SAME_PLACE, OTHER_PLACE, OTHER_PLACE_ALONE, RESTARTED, WAYS };
    for (int way = 0; way < WAYS; way++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        bool other = way == OTHER_PLACE || way == OTHER_PLACE_ALONE;
        cr_assert(world_connect(world, 0));
        struct ip_addr had = client->addresses[0];
        initiator_vanish(client); /* as far as the gateway knows, it is still there */
        uint32_t index = other ? world_add_client(world, "alice@example.net") : 0;
        client = world->clients[index];
        client->config.initial_contact = way == OTHER_PLACE_ALONE;
        client->config.wanted_v4 = had;
        cr_assert(world_connect(world, index));
        bool kept = ip_equal(&client->addresses[0], &had);
        cr_expect_eq(kept, way != OTHER_PLACE, "way %d", way);
        if (way == RESTARTED) {
            world_restart(world);
        }
        world_run(world, 10 * NS_PER_S);
        cr_expect_eq(core_counters(world->core)->sessions, way == OTHER_PLACE_ALONE ? 1 : 2, "way %d", way);
        world_run(world, 300 * NS_PER_S); /* the old one is found dead */
        cr_expect_eq(core_counters(world->core)->sessions, 1, "way %d", way);
        cr_assert_eq(client->state, INITIATOR_UP, "way %d", way);
        struct ip_addr *mine = &client->addresses[0];
        cr_expect(ip_equal(&session(world)->addresses[0], mine), "way %d", way);
        uint32_t stranger = world_add_client(world, "carol@example.net");
        world->clients[stranger]->config.wanted_v4 = *mine;
        cr_assert(world_connect(world, stranger));
        cr_expect(!ip_equal(&world->clients[stranger]->addresses[0], mine), "way %d: it is leased", way);
        cr_assert(initiator_delete(client, world->now));
        settle(world);
        cr_assert(initiator_delete(world->clients[stranger], world->now));
        world_run(world, 60 * NS_PER_S);
        check_empty(world);
        live_free(world);
    }
}

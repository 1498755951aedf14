/* Clients that are sent elsewhere (RFC 5685). */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/initiator_internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>

static void drain(struct world *world)
{
    struct event event = {.type = EVENT_COMMAND, .command = {.type = COMMAND_DRAIN}};
    world_event(world, &event);
}

/* Section 3: at the first message, with the client's nonce, and only who says that it follows. */
Test(redirect, of_those_who_come)
{
    static const struct {
        const char *what;
        bool follows, drains;
        struct policy_redirect to;
        uint32_t redirects;
        bool up;
    } rows[] = {
        {"to an address",
         true,
         true,
         {.type = GATEWAY_IPV4, .gateway = {(const uint8_t *)"\xc0\0\2\x9", 4}},
         1,
         false},
        {"to a name",
         true,
         true,
         {.type = GATEWAY_FQDN, .gateway = {(const uint8_t *)"two.example.net", 15}},
         1,
         false},
        {"who does not follow",
         false,
         true,
         {.type = GATEWAY_IPV4, .gateway = {(const uint8_t *)"\xc0\0\2\x9", 4}},
         0,
         false},
        {"nowhere", true, true, {0}, 0, false},
        {"while nobody drains",
         true,
         false,
         {.type = GATEWAY_IPV4, .gateway = {(const uint8_t *)"\xc0\0\2\x9", 4}},
         0,
         true},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        world->policy.policy.redirect = rows[i].to;
        client->config.follows = rows[i].follows;
        if (rows[i].drains) {
            drain(world);
        }
        initiator_connect(client, world->now);
        world_run(world, 3 * NS_PER_S);
        cr_expect_eq(client->redirects, rows[i].redirects, "%s", rows[i].what);
        cr_expect_eq(core_counters(world->core)->redirects, rows[i].redirects, "%s", rows[i].what);
        cr_expect_eq(client->state == INITIATOR_UP, rows[i].up, "%s", rows[i].what);
        if (rows[i].redirects > 0) {
            cr_expect_eq(client->redirect_type, rows[i].to.type, "%s", rows[i].what);
            cr_expect(span_equal(span_of(client->redirect, client->redirect_len), rows[i].to.gateway), "%s",
                      rows[i].what);
        }
        initiator_vanish(client);
        world_run(world, 100 * NS_PER_S);
        live_free(world);
    }
}

/* Section 5: in a session, if the policy says so, once; after a restart, too. */
Test(redirect, of_sessions)
{
    static const struct {
        const char *what;
        bool follows, sessions, restart, rekey;
        uint32_t redirects;
    } rows[] = {
        {"by policy", true, true, false, false, 1},
        {"after a restart", true, true, true, false, 1},
        {"after a rekey", true, true, false, true, 1},
        {"not by policy", true, false, false, false, 0},
        {"who does not follow", false, true, false, false, 0},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        world->policy.policy.redirect =
            (struct policy_redirect){.type = GATEWAY_IPV4,
                                     .gateway = {(const uint8_t *)"\xc0\0\2\x9", 4},
                                     .sessions = rows[i].sessions};
        client->config.follows = rows[i].follows;
        cr_assert(world_connect(world, 0));
        if (rows[i].rekey) {
            cr_assert(initiator_rekey_ike(client, world->now));
            (void)world_settle(world, 5 * NS_PER_S);
        }
        if (rows[i].restart) {
            world_restart(world);
            world_run(world, NS_PER_S);
        }
        drain(world);
        world_run(world, 15 * NS_PER_S);
        cr_expect_eq(client->redirects, rows[i].redirects, "%s", rows[i].what);
        cr_expect_eq(client->state, INITIATOR_UP, "%s: it leaves when it wants", rows[i].what);
        live_free(world);
    }
}

#include "tests/sim/story.h"

#define STORY_NS (120 * NS_PER_S)
#define EMPTY_NS (900 * NS_PER_S)

static struct initiator *client_of(const struct world *world)
{
    return world->clients[0];
}

static bool begin_up(struct world *world)
{
    return world_connect(world, 0);
}

static void act_connect(struct world *world)
{
    initiator_connect(client_of(world), world->now);
    (void)world_settle(world, STORY_NS);
}

static bool is_up(const struct world *world)
{
    return client_of(world)->state == INITIATOR_UP && initiator_num_children(client_of(world)) == 1;
}

static void act_dpd(struct world *world)
{
    if (initiator_dpd(client_of(world), world->now)) {
        (void)world_settle(world, STORY_NS);
    }
    world_run(world, 45 * NS_PER_S); /* the gateway asks too */
    (void)world_settle(world, STORY_NS);
}

static void act_rekey_child(struct world *world)
{
    if (initiator_rekey_child(client_of(world), world->now, initiator_first_child(client_of(world)))) {
        (void)world_settle(world, STORY_NS);
    }
}

static void act_create_child(struct world *world)
{
    if (initiator_create_child(client_of(world), world->now)) {
        (void)world_settle(world, STORY_NS);
    }
    if (initiator_delete_child(client_of(world), world->now, 0)) {
        (void)world_settle(world, STORY_NS);
    }
}

/* Three live at once; then the first goes, and the others go on under another IKE SA. */
static void act_children(struct world *world)
{
    for (int i = 0; i < 2; i++) {
        if (initiator_create_child(client_of(world), world->now)) {
            (void)world_settle(world, STORY_NS);
        }
    }
    if (initiator_delete_child(client_of(world), world->now, 0)) {
        (void)world_settle(world, STORY_NS);
    }
    if (initiator_rekey_child(client_of(world), world->now, 1)) {
        (void)world_settle(world, STORY_NS);
    }
    if (initiator_rekey_ike(client_of(world), world->now)) {
        (void)world_settle(world, STORY_NS);
    }
}

static bool has_two_children(const struct world *world)
{
    return client_of(world)->state == INITIATOR_UP && initiator_num_children(client_of(world)) == 2;
}

static void act_rekey_ike(struct world *world)
{
    if (initiator_rekey_ike(client_of(world), world->now)) {
        (void)world_settle(world, STORY_NS);
    }
    if (initiator_dpd(client_of(world), world->now)) {
        (void)world_settle(world, STORY_NS);
    }
}

static void act_delete(struct world *world)
{
    if (initiator_delete(client_of(world), world->now)) {
        (void)world_settle(world, STORY_NS);
    }
}

static bool is_closed(const struct world *world)
{
    return client_of(world)->state == INITIATOR_CLOSED;
}

static void act_disconnect(struct world *world)
{
    world_disconnect(world, 0);
    (void)world_settle(world, STORY_NS);
    world_run(world, STORY_NS);
}

/* RFC 6023: first the login, then the child. */
static void act_childless(struct world *world)
{
    client_of(world)->config.childless = true;
    world->policy.policy.childless = true;
    act_connect(world);
    if (initiator_create_child(client_of(world), world->now)) {
        (void)world_settle(world, STORY_NS);
    }
}

/* The login is good for 20 s (RFC 4478): the client dials anew, from the same place, and leaves the old one
 * behind. */
static void act_login_again(struct world *world)
{
    struct initiator *client = client_of(world);
    world->policy.policy.timers.auth_lifetime = 20 * NS_PER_S;
    client->config.initial_contact = false;
    act_connect(world);
    client->config.wanted_v4 = client->addresses[0];
    initiator_vanish(client);
    act_connect(world);
}

static void act_reconnect(struct world *world)
{
    initiator_vanish(client_of(world));
    act_connect(world);
}

/* Until the gateway has rekeyed, and a bit more. */
static void act_wait(struct world *world)
{
    world_run(world, 25 * NS_PER_S);
    (void)world_settle(world, STORY_NS);
}

static bool is_rekeyed(const struct world *world)
{
    return is_up(world) && client_of(world)->counters.gateway_rekeys > 0;
}

static bool is_ike_rekeyed(const struct world *world)
{
    return is_up(world) && client_of(world)->counters.gateway_ike_rekeys > 0;
}

/* The client rekeys the same child at the moment at which the gateway does. */
static void until_gateway_asks(struct world *world)
{
    ns_t until = world->now + 25 * NS_PER_S;
    uint64_t before = core_counters(world->core)->datagrams_out;
    while (core_counters(world->core)->datagrams_out == before && world_step(world, until)) {
    }
}

static void act_rekey_child_both(struct world *world)
{
    until_gateway_asks(world);
    act_rekey_child(world);
    act_dpd(world);
}

static void act_rekey_ike_both(struct world *world)
{
    until_gateway_asks(world);
    act_rekey_ike(world);
    act_rekey_child(world);
}

/* All that a client does in a day, as fast as it goes. */
static void act_day(struct world *world)
{
    act_connect(world);
    act_rekey_child(world);
    act_rekey_ike(world);
    act_rekey_child(world);
    act_dpd(world);
}

const struct story stories[] = {
    {.name = "connect", .what = "a client logs in by pre-shared key", .act = act_connect, .reached = is_up},
    {.name = "connect-cookie",
     .what = "the same while COOKIE is demanded and with a group the gateway does not want",
     .cookie_threshold = 1,
     .wrong_ke = true,
     .act = act_connect,
     .reached = is_up},
    {.name = "connect-cert",
     .what = "a client logs in by certificate; both chains come in fragments",
     .certificates = true,
     .act = act_connect,
     .reached = is_up},
    {.name = "dpd",
     .what = "the client asks whether the gateway is there, later the gateway asks back",
     .begin = begin_up,
     .act = act_dpd,
     .reached = is_up,
     .survives = true},
    {.name = "rekey-child",
     .what = "the client rekeys its Child SA and deletes the old one",
     .begin = begin_up,
     .act = act_rekey_child,
     .reached = is_up,
     .survives = true},
    {.name = "create-child",
     .what = "a second Child SA comes and the first one goes",
     .begin = begin_up,
     .act = act_create_child,
     .reached = is_up,
     .survives = true},
    {.name = "children",
     .what = "three Child SAs at once; one goes, one is rekeyed, then the IKE SA",
     .begin = begin_up,
     .act = act_children,
     .reached = has_two_children},
    {.name = "childless",
     .what = "the client logs in without a Child SA and creates one later",
     .act = act_childless,
     .reached = is_up},
    {.name = "login-again",
     .what = "a second login from the same place takes the first one's address over",
     .act = act_login_again,
     .reached = is_up},
    {.name = "rekey-ike",
     .what = "the client rekeys its IKE SA and deletes the old one",
     .begin = begin_up,
     .act = act_rekey_ike,
     .reached = is_up,
     .survives = true},
    {.name = "delete",
     .what = "the client leaves",
     .begin = begin_up,
     .act = act_delete,
     .reached = is_closed},
    {.name = "disconnect",
     .what = "the operator ends the session",
     .begin = begin_up,
     .act = act_disconnect,
     .reached = is_closed},
    {.name = "reconnect",
     .what = "the client loses its memory and logs in again (INITIAL_CONTACT)",
     .begin = begin_up,
     .act = act_reconnect,
     .reached = is_up},
    {.name = "gateway-rekey-child",
     .what = "the gateway rekeys the Child SA and deletes the old one",
     .child_rekey = 20 * NS_PER_S,
     .begin = begin_up,
     .act = act_wait,
     .reached = is_rekeyed,
     .survives = true},
    {.name = "both-rekey-child",
     .what = "client and gateway rekey the same Child SA at once, and one of the new ones goes",
     .child_rekey = 20 * NS_PER_S,
     .begin = begin_up,
     .act = act_rekey_child_both,
     .reached = is_up,
     .survives = true},
    {.name = "gateway-rekey-ike",
     .what = "the gateway rekeys the IKE SA and deletes the old one",
     .ike_rekey = 20 * NS_PER_S,
     .begin = begin_up,
     .act = act_wait,
     .reached = is_ike_rekeyed,
     .survives = true},
    {.name = "both-rekey-ike",
     .what = "client and gateway rekey the IKE SA at once, and one of the new ones goes",
     .ike_rekey = 20 * NS_PER_S,
     .begin = begin_up,
     .act = act_rekey_ike_both,
     .reached = is_up,
     .survives = true},
    {.name = "roam",
     .what = "the client gets another address",
     .mobike = true,
     .begin = begin_roam,
     .act = act_roam,
     .reached = story_is_there},
    {.name = "roam-family",
     .what = "the client goes to IPv6, then behind a NAT",
     .mobike = true,
     .begin = begin_roam,
     .act = act_roam_family,
     .reached = story_is_there},
    {.name = "roam-rekey-child",
     .what = "the client moves while it rekeys its Child SA",
     .mobike = true,
     .begin = begin_roam,
     .act = act_roam_rekey_child,
     .reached = story_is_there},
    {.name = "roam-rekey-ike",
     .what = "the client rekeys its IKE SA while its new address is checked, and moves again",
     .mobike = true,
     .begin = begin_roam,
     .act = act_roam_rekey_ike,
     .reached = story_is_there},
    {.name = "roam-twice",
     .what = "the client moves three times, faster than anybody can answer",
     .mobike = true,
     .begin = begin_roam,
     .act = act_roam_twice,
     .reached = story_is_there},
    {.name = "day", .what = "all of it in one run", .act = act_day, .reached = is_up},
    {.name = NULL},
};

void story_finish_client(struct world *world, uint32_t index)
{
    struct initiator *client = world->clients[index];
    if (!world_connect(world, index)) {
        check_fail(world, "L1",
                   "client %u: no way in after all faults are over (state %d, why %d, notify %u)", index,
                   client->state, client->why, client->notify);
        return;
    }
    if (initiator_dpd(client, world->now)) {
        (void)world_settle(world, STORY_NS);
    }
    if (!check_failed(world) && client->state != INITIATOR_UP) {
        (void)world_connect(world, index); /* the session was gone and the client found out: it dials again */
    }
    if (!check_failed(world) && client->state != INITIATOR_UP) {
        check_fail(world, "L1", "client %u: not served after all faults are over (state %d, why %d)", index,
                   client->state, client->why);
    }
    if (initiator_delete(client, world->now)) {
        (void)world_settle(world, STORY_NS);
    }
}

void story_finish(struct world *world)
{
    world_heal(world);
    (void)world_settle(world, STORY_NS);
    for (uint32_t i = 0; i < world->num_clients && !check_failed(world); i++) {
        story_finish_client(world, i);
    }
    world_run(world, EMPTY_NS);
    if (!check_failed(world)) {
        check_empty(world);
    }
}

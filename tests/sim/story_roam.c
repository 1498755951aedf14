/* Stories of clients that move while they work (RFC 4555). */
#include "tests/sim/story.h"

#define ROAM_SETTLE_S 90 /* longer than all tries of one question */

static struct endpoint place_of(const char *addr, uint16_t port)
{
    struct endpoint ep = {.port = port};
    bool parsed = ip_parse(addr, &ep.addr);
    hf_assert(parsed);
    return ep;
}

static void go(struct world *world, const char *addr, uint16_t port, const char *gateway)
{
    struct endpoint local = place_of(addr, port), remote = place_of(gateway, 4500);
    initiator_roam(world->clients[0], world->now, &local, &remote);
}

/* The model's plane counts no traffic: without it the gateway would ask whether the client lives, and five
 * losses in a row would say no. */
bool begin_roam(struct world *world)
{
    world->policy.policy.timers.dpd_idle = 0;
    return world_connect(world, 0);
}

void story_esp(struct world *world, const struct initiator *client)
{
    for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
        const struct initiator_child *child = &client->children[i];
        const struct plane_model_child *there =
            child->used ? plane_model_find(&world->plane, child->spi_out) : NULL;
        if (there != NULL && (!endpoint_equal(&there->remote, &client->local) ||
                              !endpoint_equal(&there->local, &client->remote))) {
            struct event event = {.type = EVENT_PLANE,
                                  .plane = {.type = PLANE_EVENT_MOVED,
                                            .child = there->child,
                                            .local = client->remote,
                                            .remote = client->local}};
            world_event(world, &event);
        }
    }
}

/* The client sends all the time, and the plane says so when that comes from elsewhere. */
static void send_on(struct world *world)
{
    (void)world_settle(world, ROAM_SETTLE_S * NS_PER_S);
    for (int second = 0; second < ROAM_SETTLE_S; second++) {
        story_esp(world, world->clients[0]);
        world_run(world, NS_PER_S);
    }
    (void)world_settle(world, ROAM_SETTLE_S * NS_PER_S);
}

bool story_is_there(const struct world *world)
{
    const struct initiator *client = world->clients[0];
    bool there = client->state == INITIATOR_UP && initiator_num_children(client) == 1;
    for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
        const struct initiator_child *child = &client->children[i];
        const struct plane_model_child *sa =
            child->used ? plane_model_find(&world->plane, child->spi_out) : NULL;
        there = there && (!child->used || (sa != NULL && endpoint_equal(&sa->remote, &client->local) &&
                                           endpoint_equal(&sa->local, &client->remote)));
    }
    return there;
}

void act_roam(struct world *world)
{
    go(world, "203.0.113.7", 4500, "192.0.2.1");
    send_on(world);
}

void act_roam_family(struct world *world)
{
    go(world, "2001:db8:7::7", 4500, "2001:db8:1::1");
    send_on(world);
    world->clients[0]->config.behind_nat = true;
    go(world, "203.0.113.7", 23456, "192.0.2.1");
    send_on(world);
}

void act_roam_rekey_child(struct world *world)
{
    struct initiator *client = world->clients[0];
    (void)!initiator_rekey_child(client, world->now, initiator_first_child(client));
    world_run(world, 5 * NS_PER_MS);
    go(world, "203.0.113.7", 4500, "192.0.2.1");
    send_on(world);
}

void act_roam_rekey_ike(struct world *world)
{
    struct initiator *client = world->clients[0];
    go(world, "203.0.113.7", 4500, "192.0.2.1");
    world_run(world, 25 * NS_PER_MS); /* the update is answered, the check is under way */
    (void)!initiator_rekey_ike(client, world->now);
    world_run(world, 5 * NS_PER_MS);
    go(world, "203.0.113.8", 4500, "192.0.2.1");
    send_on(world);
}

void act_roam_twice(struct world *world)
{
    go(world, "203.0.113.7", 4500, "192.0.2.1");
    world_run(world, 5 * NS_PER_MS);
    go(world, "203.0.113.8", 4500, "192.0.2.1");
    world_run(world, 30 * NS_PER_MS);
    go(world, "2001:db8:7::9", 4500, "2001:db8:1::1");
    send_on(world);
}

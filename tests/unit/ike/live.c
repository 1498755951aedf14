#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>

static struct core_counters mark;

struct world *live_new(const struct world_options *options, void (*change)(struct initiator_config *config))
{
    struct world_options defaults = {.seed = 7};
    struct world *world = world_new(options == NULL ? &defaults : options);
    if (change != NULL) {
        change(&world->clients[0]->config);
    }
    live_mark(world);
    return world;
}

void live_mark(struct world *world)
{
    mark = *core_counters(world->core);
}

uint64_t live_drops(struct world *world, enum cause cause)
{
    return core_counters(world->core)->drops[cause] - mark.drops[cause];
}

uint64_t live_drops_all(struct world *world)
{
    uint64_t sum = 0;
    for (int cause = 0; cause < CAUSE_COUNT; cause++) {
        sum += live_drops(world, (enum cause)cause);
    }
    return sum;
}

uint64_t live_handshakes(struct world *world, enum cause cause)
{
    return core_counters(world->core)->handshakes[cause] - mark.handshakes[cause];
}

uint64_t live_sent(struct world *world)
{
    return core_counters(world->core)->datagrams_out - mark.datagrams_out;
}

void live_free(struct world *world)
{
    (void)world_settle(world, 10 * NS_PER_S);
    cr_expect(!check_failed(world), "%s: %s", world->check.id, world->check.text);
    world_free(world);
}

static void swallow(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                    struct span bytes)
{
    (void)context, (void)local, (void)remote, (void)natt, (void)bytes;
}

struct span live_first_message(struct world *world)
{
    struct initiator *client = world->clients[0];
    client->config.send = swallow;
    initiator_connect(client, world->now);
    return span_of(client->init_request, client->init_request_len);
}

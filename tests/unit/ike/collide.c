#include "tests/unit/ike/collide.h"

#include "edge/core/internal.h"
#include "edge/ike/internal.h"

#include <criterion/criterion.h>

struct chosen of_gateway, of_client;

static void chosen_fill(void *context, uint8_t *memory, size_t len)
{
    struct chosen *chosen = context;
    rand_fill(&chosen->real, memory, len);
    if (chosen->fill != 0 && len == IKE_NONCE_BYTES) {
        memset(memory, chosen->fill, len);
    }
}

static struct rand_source chosen_source(struct chosen *chosen, const struct rand_source *real)
{
    *chosen = (struct chosen){.real = *real};
    return (struct rand_source){.context = chosen, .fill = chosen_fill};
}

struct world *collide_begin(ns_t child_rekey, ns_t ike_rekey)
{
    struct world_options options = {.seed = 7, .child_rekey = child_rekey, .ike_rekey = ike_rekey};
    struct world *world = live_new(&options, NULL);
    cr_assert(world_connect(world, 0));
    world->core->ike->config.rand = chosen_source(&of_gateway, &world->core->ike->config.rand);
    world->clients[0]->config.rand = chosen_source(&of_client, &world->clients[0]->config.rand);
    return world;
}

void collide_until_asked(struct world *world)
{
    uint32_t before = world->net.sent;
    while (world->net.sent == before && world_step(world, world->now + 60 * NS_PER_S)) {
    }
}

void collide_delay(struct world *world, enum item_type type, ns_t by)
{
    for (uint32_t i = 0; i < world->num_items; i++) {
        if (world->items[i].type == type) {
            world->items[i].at += by;
        }
    }
}

void collide_both(struct world *world, const struct collision *collision, void (*act)(struct world *world))
{
    of_gateway.fill = collision->gateway_i;
    collide_until_asked(world);
    of_client.fill = collision->client_i;
    act(world);
    collide_delay(world, ITEM_TO_GATEWAY, collision->request_late_ms * NS_PER_MS);
    of_gateway.fill = collision->gateway_r;
    of_client.fill = collision->client_r;
    world_run(world, 11 * NS_PER_MS);
    collide_delay(world, ITEM_TO_GATEWAY, collision->answer_late_ms * NS_PER_MS);
    of_gateway.fill = of_client.fill = 0;
}

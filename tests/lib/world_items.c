/* What is under way: a small list, the earliest first, ties in the order in which they began. */
#include "tests/lib/world_internal.h"

#include <stdlib.h>

struct item *item_add(struct world *world, enum item_type type, ns_t at)
{
    hf_assert(world->num_items < WORLD_ITEMS);
    struct item *item = &world->items[world->num_items++];
    memset(item, 0, sizeof(*item));
    item->type = type;
    item->at = at;
    item->seq = world->next_seq++;
    item->node = world->at;
    return item;
}

uint32_t item_first(const struct world *world)
{
    uint32_t best = WORLD_ITEMS;
    for (uint32_t i = 0; i < world->num_items; i++) {
        const struct item *item = &world->items[i];
        if (best == WORLD_ITEMS || item->at < world->items[best].at ||
            (item->at == world->items[best].at && item->seq < world->items[best].seq)) {
            best = i;
        }
    }
    return best;
}

struct item item_take(struct world *world, uint32_t index)
{
    hf_assert(index < world->num_items);
    struct item item = world->items[index];
    world->items[index] = world->items[--world->num_items];
    return item;
}

void item_done(struct item *item)
{
    free(item->bytes);
    item->bytes = NULL;
}

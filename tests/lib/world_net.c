/* The network between clients and gateway. */
#include "tests/lib/world_internal.h"

#include <stdlib.h>

#define LATE_MS 3000
#define SWAP_AT_MOST_NS (2 * NS_PER_S)

static bool same_direction(const struct item *item, enum item_type type)
{
    return item->type == type;
}

/* A datagram that waits to be overtaken goes on right behind the one that just left. */
static void release_swapped(struct world *world, enum item_type type, ns_t at)
{
    if (world->net.faults.swap == NET_NONE) {
        return;
    }
    for (uint32_t i = 0; i < world->num_items; i++) {
        struct item *item = &world->items[i];
        if (same_direction(item, type) && item->number == world->net.faults.swap && item->at > at) {
            item->at = at;
            item->seq = world->next_seq++;
        }
    }
}

static struct item *carry(struct world *world, enum item_type type, ns_t at, const struct endpoint *from,
                          const struct endpoint *to, bool natt, struct span bytes)
{
    struct item *item = item_add(world, type, at);
    item->from = *from;
    item->to = *to;
    item->natt = natt;
    item->bytes = malloc(bytes.len + 1);
    memcpy(item->bytes, bytes.data, bytes.len);
    item->len = bytes.len;
    return item;
}

static void net_send(struct world *world, enum item_type type, const struct endpoint *from,
                     const struct endpoint *to, bool natt, struct span bytes)
{
    struct net_faults *faults = &world->net.faults;
    uint32_t number = world->net.sent++;
    ns_t at = world->now + NET_DELAY_NS;
    if (number < 64 && (faults->lose >> number & 1) != 0) {
        world_trace(world, "lost %u", number);
        return;
    }
    if (sim_rand_chance(&world->fate, faults->lose_permille)) {
        world_trace(world, "lost %u", number);
        return;
    }
    if (sim_rand_chance(&world->fate, faults->late_permille)) {
        at += sim_rand_below(&world->fate, LATE_MS) * NS_PER_MS;
    }
    if (sim_rand_chance(&world->fate, faults->duplicate_permille)) {
        ns_t again = at + sim_rand_below(&world->fate, LATE_MS) * NS_PER_MS;
        carry(world, type, again, from, to, natt, bytes)->number = number;
    }
    bool swap = number == faults->swap;
    struct item *item = carry(world, type, swap ? world->now + SWAP_AT_MOST_NS : at, from, to, natt, bytes);
    item->number = number;
    if (number == faults->truncate && faults->truncate_to < item->len) {
        item->len = faults->truncate_to;
        item->forged = true;
    }
    if (number == faults->duplicate) {
        carry(world, type, at + faults->duplicate_after, from, to, natt, bytes)->number = number;
    }
    if (!swap) {
        release_swapped(world, type, at);
    }
}

void net_from_gateway(struct world *world, const struct effect_send *send)
{
    check_sent(world, send->bytes);
    net_send(world, ITEM_TO_CLIENT, &send->local, &send->remote, send->natt, send->bytes);
}

void net_from_client(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                     struct span bytes)
{
    net_send(context, ITEM_TO_GATEWAY, local, remote, natt, bytes);
}

static void deliver(struct world *world, const struct item *item, struct span bytes, bool forged)
{
    struct event event = {
        .type = EVENT_DATAGRAM,
        .datagram = {.local = item->to, .remote = item->from, .bytes = bytes, .natt = item->natt}};
    uint64_t before = forged ? check_state_hash(world) : 0;
    world_event(world, &event);
    plant_after_datagram(world, forged);
    if (forged && check_state_hash(world) != before) {
        check_fail(world, "A1", "a forged datagram of %zu bytes changed an SA", bytes.len);
    }
}

/* Every truncation and one flipped bit in every byte: each must be dropped. First messages are not protected,
 * and what is flipped there makes another client's first message. */
static void deliver_forgeries(struct world *world, const struct item *item)
{
    bool protected =
        item->len > 18 && item->bytes[18] != IKE_SA_INIT && item->bytes[18] != IKE_SESSION_RESUME;
    uint8_t *copy = malloc(item->len + 1);
    for (size_t len = 0; len < item->len; len++) {
        memcpy(copy, item->bytes, len);
        deliver(world, item, span_of(copy, len), true);
    }
    for (size_t i = 0; protected && i < item->len; i++) {
        memcpy(copy, item->bytes, item->len);
        copy[i] ^= (uint8_t)(1u << (i + item->number) % 8);
        deliver(world, item, span_of(copy, item->len), true);
    }
    free(copy);
}

void net_to_gateway(struct world *world, struct item *item)
{
    if (world->net.faults.forge_all) {
        deliver_forgeries(world, item);
    }
    deliver(world, item, span_of(item->bytes, item->len), item->forged);
    if (world->net.faults.forge_all) { /* once more, now that there is an answer to repeat */
        deliver_forgeries(world, item);
    }
}

static uint32_t gains_of(const struct initiator *client)
{
    return initiator_num_children(client) + (client->state == INITIATOR_UP ? 100 : 0) +
           client->current * 1000;
}

void net_to_client(struct world *world, struct item *item)
{
    for (uint32_t i = 0; i < world->num_clients; i++) {
        struct initiator *client = world->clients[i];
        if (!ip_equal(&client->local.addr, &item->to.addr)) {
            continue;
        }
        uint32_t before = gains_of(client), current = client->current;
        initiator_receive(client, world->now, &item->from, span_of(item->bytes, item->len));
        if (gains_of(client) > before || client->current != current) {
            check_gained(world, span_of(item->bytes, item->len));
        }
    }
}

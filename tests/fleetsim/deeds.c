/* What a scenario does to the fleet. */
#include "tests/fleetsim/fleetsim.h"

#include <stdlib.h>
#include <string.h>

static struct node *node_of(struct sim *sim, uint32_t number)
{
    return &sim->nodes[1 + (number - 1) % sim->scenario.num_nodes];
}

static void command(struct sim *sim, struct node *node, enum fleet_event_type type)
{
    if (node->is_up) {
        node_event(sim, node, &(struct fleet_event){.type = type});
    }
}

static void extend(ns_t *until, ns_t to)
{
    *until = HF_MAX(*until, to);
}

static void deed_to_store(struct sim *sim, const struct deed *deed, ns_t until)
{
    if (deed->kind == DEED_DOWN) {
        extend(&sim->down_until, until);
    } else if (deed->kind == DEED_SLOW) {
        extend(&sim->slow_until, until);
    } else if (deed->kind == DEED_UNKNOWN) {
        extend(&sim->unknown_until, until);
    } else if (deed->kind == DEED_FAILOVER) {
        free(sim->snapshot);
        sim->snapshot = malloc(sizeof(*sim->snapshot));
        *sim->snapshot = sim->store;
    } else {
        static const struct sim_store nothing;
        store_lose(sim, &nothing);
        memset(sim->claims, 0, sizeof(sim->claims)); /* with the records: no key is left that they were for */
    }
}

static void deed_to_links(struct sim *sim, const struct deed *deed, ns_t until)
{
    uint16_t a = node_of(sim, deed->a)->number, b = node_of(sim, deed->b)->number;
    if (deed->kind == DEED_SPLIT) {
        extend(&sim->split_until[a][b], until);
        extend(&sim->split_until[b][a], until);
    } else if (deed->kind == DEED_APART) {
        sim->apart = a;
        extend(&sim->apart_until, until);
    } else {
        extend(&sim->loss_until, until);
    }
}

static void deed_to_node(struct sim *sim, const struct deed *deed, ns_t until)
{
    struct node *node = node_of(sim, deed->a);
    switch (deed->kind) {
    case DEED_CRASH:
        node_crash(sim, node);
        break;
    case DEED_PAUSE:
        extend(&node->paused_until, node->is_up ? until : 0);
        break;
    case DEED_CUT:
        extend(&node->cut_until, until);
        break;
    case DEED_DRAIN:
        command(sim, node, FLEET_EVENT_DRAIN);
        break;
    default:
        node->is_leaving = node->is_up;
        command(sim, node, FLEET_EVENT_LEAVE);
        break;
    }
}

static void deed_to_client(struct sim *sim, const struct deed *deed, ns_t until)
{
    struct client *client = &sim->clients[deed->a % sim->scenario.num_clients];
    if (deed->kind == DEED_FLIP) {
        client->pop = node_of(sim, deed->b)->number;
    } else {
        client->flap = node_of(sim, deed->b)->number;
        extend(&client->flap_until, until);
    }
}

void deed_do(struct sim *sim, const struct deed *deed)
{
    ns_t until = sim->now + deed->lasts_ms * NS_PER_MS;
    sim_trace(sim, "deed %d, %u %u, %u ms", deed->kind, deed->a, deed->b, deed->lasts_ms);
    switch (deed->kind) {
    case DEED_DOWN:
    case DEED_SLOW:
    case DEED_UNKNOWN:
    case DEED_FAILOVER:
    case DEED_WIPE:
        deed_to_store(sim, deed, until);
        break;
    case DEED_SPLIT:
    case DEED_APART:
    case DEED_LOSS:
        deed_to_links(sim, deed, until);
        break;
    case DEED_FLIP:
    case DEED_FLAP:
        deed_to_client(sim, deed, until);
        break;
    default:
        deed_to_node(sim, deed, until);
        break;
    }
}

/* What ends by itself when its time is over needs no more. */
void deed_end(struct sim *sim, const struct deed *deed)
{
    if (deed->kind == DEED_CRASH) {
        node_start(sim, node_of(sim, deed->a));
    } else if (deed->kind == DEED_DRAIN) {
        command(sim, node_of(sim, deed->a), FLEET_EVENT_UNDRAIN);
    } else if (deed->kind == DEED_LEAVE && !node_of(sim, deed->a)->is_leaving) {
        node_start(sim, node_of(sim, deed->a));
    } else if (deed->kind == DEED_FAILOVER && sim->snapshot != NULL) {
        sim_trace(sim, "the store fails over");
        store_lose(sim, sim->snapshot);
        free(sim->snapshot);
        sim->snapshot = NULL;
    }
}

void deeds_heal(struct sim *sim)
{
    sim_trace(sim, "healed");
    sim->down_until = sim->slow_until = sim->unknown_until = sim->loss_until = sim->apart_until = 0;
    for (uint32_t i = 1; i <= sim->scenario.num_nodes; i++) {
        struct node *node = &sim->nodes[i];
        node->paused_until = node->cut_until = 0;
        for (uint32_t k = 0; k <= SIM_NODES; k++) {
            sim->split_until[i][k] = 0;
        }
        if (node->is_leaving) {
            node_crash(sim, node);
        }
        node_start(sim, node);
        command(sim, node, FLEET_EVENT_UNDRAIN);
    }
    for (uint32_t i = 0; i < sim->scenario.num_clients; i++) {
        sim->clients[i].flap_until = 0;
    }
}

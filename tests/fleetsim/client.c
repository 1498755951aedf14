/* Clients: one request after the other, each repeated until it is answered. They know what they were told,
 * and want nothing less later. */
#include "edge/base/bytes.h"
#include "tests/fleetsim/fleetsim.h"

#define REPEAT_NS (500 * NS_PER_MS)
#define GIVES_UP_NS (20 * NS_PER_S)

/* Anycast: where its packets arrive just now. Routes lead to nodes that run. */
static uint16_t pop_of(struct sim *sim, const struct client *client)
{
    uint16_t pop = client->pop;
    if (sim->now < client->flap_until && sim->now / (100 * NS_PER_MS) % 2 == 1) {
        pop = client->flap;
    }
    for (uint32_t i = 0; i < sim->scenario.num_nodes && !sim->nodes[pop].is_up; i++) {
        pop = (uint16_t)(pop % sim->scenario.num_nodes + 1);
    }
    return sim->nodes[pop].is_up ? pop : 0;
}

static void ask(struct sim *sim, uint32_t number)
{
    struct client *client = &sim->clients[number];
    uint16_t pop = pop_of(sim, client);
    struct request request = {.client = number,
                              .kind = client->kind,
                              .shard = client->shard,
                              .index = client->index,
                              .key = client->key,
                              .id = client->id};
    client->next_at = sim->now + REPEAT_NS;
    if (pop != 0) {
        net_request(sim, &request, 0, pop);
    }
}

static void begin(struct sim *sim, struct client *client)
{
    if (client->is_up && sim_rand_chance(&sim->fate, 50)) {
        client->is_up = client->is_excused = false; /* another session; the old one is left behind */
    }
    if (!client->is_up) {
        client->key += 1 + sim_rand_below(&sim->fate, 1 << 20);
        client->id = 0;
    }
    client->kind = !client->is_up                     ? REQUEST_CREATE
                   : sim_rand_chance(&sim->fate, 300) ? REQUEST_WRITE
                                                      : REQUEST_PING;
    client->id++;
    client->is_waiting = true;
    client->asked_at = sim->now;
}

/* Only who may have been set back by a store that lost writes logs in again. */
static void maybe_give_up(struct sim *sim, struct client *client)
{
    if (client->is_excused && client->is_up && sim->now - client->asked_at > GIVES_UP_NS) {
        client->is_up = false;
        client->is_excused = false;
        begin(sim, client);
    }
}

void client_timer(struct sim *sim, uint32_t number)
{
    struct client *client = &sim->clients[number];
    if (!client->is_waiting) {
        begin(sim, client);
    } else {
        maybe_give_up(sim, client);
    }
    ask(sim, number);
}

/* E1: what a client is told is in the store. */
static void check_written(struct sim *sim, uint32_t number, const struct reply *reply)
{
    const struct sim_record *record = &sim->store.records[reply->shard][reply->index];
    if (!sim->has_lost && (!record->is_used || be64_load(record->bytes) != reply->key ||
                           be32_load(record->bytes + 12) < reply->version)) {
        sim_fail(sim, "E1", "client %u heard of version %u, which the store does not have", number,
                 reply->version);
    }
}

static void check_version(struct sim *sim, uint32_t number, const struct reply *reply)
{
    const struct client *client = &sim->clients[number];
    uint32_t expected = client->version + (client->kind == REQUEST_WRITE ? 1 : 0);
    if (reply->version != expected && client->kind != REQUEST_CREATE && !client->is_excused) {
        sim_fail(sim, "M1", "client %u is at version %u, and is told %u", number, expected, reply->version);
    }
}

void client_reply(struct sim *sim, const struct reply *reply)
{
    struct client *client = &sim->clients[reply->client];
    if (!client->is_waiting || reply->key != client->key || reply->id != client->id) {
        return;
    }
    sim_trace(sim, "client %u: %u is answered, shard %u, version %u", reply->client, reply->id, reply->shard,
              reply->version);
    check_written(sim, reply->client, reply);
    check_version(sim, reply->client, reply);
    client->is_up = true;
    client->is_waiting = false;
    client->shard = reply->shard;
    client->index = reply->index;
    client->version = reply->version;
    client->answered++;
    client->longest = HF_MAX(client->longest, sim->now - client->asked_at);
    client->next_at = sim->now + (50 + sim_rand_below(&sim->fate, 1500)) * NS_PER_MS;
}

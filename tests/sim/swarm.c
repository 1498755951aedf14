#include "tests/sim/faults.h"

#include <stdio.h>
#include <string.h>

#define DEEDS_MAX 60
#define PAUSE_MS 8000

/* What a run may meet; each is off in half of the runs, so that faults are seen alone and together. */
struct weather {
    struct net_faults net;
    uint32_t store_permille, plane_permille, restart_permille;
};

static uint32_t maybe(struct sim_rand *rand, uint32_t limit)
{
    return sim_rand_chance(rand, 500) ? sim_rand_below(rand, limit) : 0;
}

static struct weather weather_of(struct sim_rand *rand)
{
    struct weather weather = {.net = NET_FAULTLESS};
    weather.net.lose_permille = maybe(rand, 300);
    weather.net.duplicate_permille = maybe(rand, 200);
    weather.net.late_permille = maybe(rand, 300);
    weather.store_permille = maybe(rand, 300);
    weather.plane_permille = maybe(rand, 200);
    weather.restart_permille = maybe(rand, 200);
    return weather;
}

/* Clients differ in what they ask for and in what they can. */
static void client_vary(struct initiator_config *config, struct sim_rand *rand)
{
    config->id_r.type = sim_rand_chance(rand, 300) ? 0 : config->id_r.type;
    config->want_v4 = sim_rand_chance(rand, 800);
    config->want_v6 = !config->want_v4 || sim_rand_chance(rand, 500);
    config->fragmentation = sim_rand_chance(rand, 800);
    config->initial_contact = sim_rand_chance(rand, 700);
    config->behind_nat = sim_rand_chance(rand, 300);
    config->esp[0].ke = sim_rand_chance(rand, 500) ? KE_NONE : config->esp[0].ke;
    config->deviate.skip_child_delete = sim_rand_chance(rand, 50);
    config->deviate.skip_ike_delete = sim_rand_chance(rand, 50);
}

/* Some worlds have the policies of a long life; their fate is a stream of its own, so that the others stay as
 * they were. */
static void long_life(struct world *world, uint64_t seed)
{
    static const uint16_t groups[] = {POLICY_GROUP_SAME, POLICY_GROUP_NONE, POLICY_GROUP_IKE, KE_P256};
    struct sim_rand rand = sim_rand_of(seed ^ UINT64_C(0x10f6));
    struct policy *policy = &world->policy.policy;
    if (!sim_rand_chance(&rand, 300)) {
        return;
    }
    policy->childless = true;
    policy->timers.childless = maybe(&rand, 30) * NS_PER_S;
    policy->timers.auth_lifetime = maybe(&rand, 90) * NS_PER_S;
    policy->child.rekey_group = groups[sim_rand_below(&rand, HF_COUNT(groups))];
    for (uint32_t i = 0; i < world->num_clients; i++) {
        world->clients[i]->config.childless = sim_rand_chance(&rand, 500);
        world->clients[i]->config.initial_contact &= sim_rand_chance(&rand, 500);
    }
}

/* Some have clients that know what helps from one node to another. */
static void mobility(struct world *world, uint64_t seed)
{
    struct sim_rand rand = sim_rand_of(seed ^ UINT64_C(0x5723));
    if (!sim_rand_chance(&rand, 300)) {
        return;
    }
    world->policy.policy.crash_detection = sim_rand_chance(&rand, 500);
    for (uint32_t i = 0; i < world->num_clients; i++) {
        struct initiator_config *config = &world->clients[i]->config;
        config->want_ticket = sim_rand_chance(&rand, 700);
        config->resume_bare = sim_rand_chance(&rand, 300);
        config->sync_ids = sim_rand_chance(&rand, 500);
        config->sync_replay = sim_rand_chance(&rand, 500);
    }
}

static struct world *swarm_world(struct sim_rand *rand, uint64_t seed, bool verbose)
{
    static const char *const names[] = {"alice@example.net", "carol@example.net", "dave@example.net"};
    struct world_options options = {.seed = seed,
                                    .certificates = sim_rand_chance(rand, 100),
                                    .mobike = sim_rand_chance(rand, 700),
                                    .wrong_ke = sim_rand_chance(rand, 100),
                                    .no_nat = sim_rand_chance(rand, 300),
                                    .store_early = sim_rand_chance(rand, 500),
                                    .store_failure = sim_rand_chance(rand, 300) ? POLICY_STORE_REFUSE
                                                                                : POLICY_STORE_ACCEPT,
                                    .cookie_threshold = sim_rand_chance(rand, 200) ? 1 : 0,
                                    .child_rekey = maybe(rand, 30) * NS_PER_S,
                                    .ike_rekey = maybe(rand, 60) * NS_PER_S,
                                    .verbose = verbose};
    struct world *world = world_new(&options);
    uint32_t more = sim_rand_below(rand, HF_COUNT(names) + 1);
    for (uint32_t i = 0; i < more; i++) {
        world_add_client(world, names[i]);
    }
    for (uint32_t i = 0; i < world->num_clients; i++) {
        client_vary(&world->clients[i]->config, rand);
    }
    long_life(world, seed);
    mobility(world, seed);
    return world;
}

/* To one of a few places that are its own; at home it is where the world put it. */
static void client_roam(struct world *world, struct initiator *client, struct sim_rand *rand)
{
    struct endpoint local = client->config.local, remote = client->config.remote;
    uint32_t place = sim_rand_below(rand, 4);
    local.addr.bytes[13] = (uint8_t)(local.addr.bytes[13] + place);
    local.port = remote.port = client->natt ? 4500 : 500;
    if (client->mobike) {
        initiator_roam(client, world->now, &local, &remote);
    } else {
        initiator_move(client, &local);
    }
}

static void client_deed(struct world *world, struct sim_rand *rand)
{
    struct initiator *client = world->clients[sim_rand_below(rand, world->num_clients)];
    uint32_t child = initiator_first_child(client);
    if (client->state != INITIATOR_UP) {
        if (client->state != INITIATOR_INIT && client->state != INITIATOR_AUTH) {
            if (world->policy.policy.childless && client->num_addresses > 0 &&
                ip_is_v4(&client->addresses[0])) {
                client->config.wanted_v4 = client->addresses[0];
            }
            if (!initiator_resume(client, world->now)) {
                initiator_connect(client, world->now);
            }
        }
        return;
    }
    switch (sim_rand_below(rand, 10)) {
    case 0:
        (void)!initiator_delete(client, world->now);
        break;
    case 1:
        initiator_vanish(client);
        break;
    case 2:
    case 3:
        (void)!initiator_rekey_child(client, world->now, child);
        break;
    case 4:
        (void)!initiator_create_child(client, world->now);
        break;
    case 5:
        (void)!initiator_delete_child(client, world->now, child);
        break;
    case 6:
        (void)!initiator_rekey_ike(client, world->now);
        break;
    case 7:
        client_roam(world, client, rand);
        break;
    case 8:
        story_esp(world, client);
        break;
    default:
        (void)!initiator_dpd(client, world->now);
        break;
    }
}

/* News of a child that the plane has. */
static void plane_deed(struct world *world, struct sim_rand *rand)
{
    const struct plane_model_child *child = &world->plane.children[sim_rand_below(rand, 8)];
    struct event event = {.type = EVENT_PLANE,
                          .plane = {.type = PLANE_EVENT_SEQUENCE,
                                    .child = child->child,
                                    .sequence_out = child->sequence_limit - (UINT64_C(1) << 19),
                                    .local = child->local,
                                    .remote = child->remote}};
    if (!child->used) {
        return;
    }
    if (sim_rand_chance(rand, 100)) {
        event.plane.type = PLANE_EVENT_SPENT;
    } else if (sim_rand_chance(rand, 300)) {
        event.plane.type = PLANE_EVENT_MOVED;
        event.plane.remote.port ^= 1;
    }
    if (world->policy.policy.childless && event.plane.type == PLANE_EVENT_SEQUENCE) {
        event.plane.type = child->child % 2 == 0 ? PLANE_EVENT_AGED : PLANE_EVENT_WORN;
    }
    world_event(world, &event);
}

static void swarm_deeds(struct world *world, struct sim_rand *rand, const struct weather *weather)
{
    uint32_t deeds = sim_rand_below(rand, DEEDS_MAX);
    for (uint32_t i = 0; i < deeds && !check_failed(world); i++) {
        if (sim_rand_chance(rand, weather->restart_permille)) {
            world_restart(world);
        } else if (sim_rand_chance(rand, 30)) {
            world_disconnect(world, 0);
        } else if (sim_rand_chance(rand, 20)) {
            world_reload(world);
        } else if (sim_rand_chance(rand, 60)) {
            plane_deed(world, rand);
        } else {
            client_deed(world, rand);
        }
        ns_t pause = sim_rand_below(rand, sim_rand_chance(rand, 500) ? 40 : PAUSE_MS) * NS_PER_MS;
        world_run(world, pause);
        if (sim_rand_chance(rand, 200)) {
            (void)world_settle(world, 30 * NS_PER_S);
        }
    }
}

static void swarm_go(struct tally *tally, uint64_t seed)
{
    struct sim_rand rand = sim_rand_of(seed * UINT64_C(0x5eed));
    struct weather weather = weather_of(&rand);
    struct world *world = swarm_world(&rand, seed, tally->only_case != NULL);
    world_arm_net(world, &weather.net);
    world->store.faults.fail_permille = weather.store_permille;
    world->plane.faults.fail_permille = weather.plane_permille;
    world->check.lenient_store = weather.store_permille > 0;
    swarm_deeds(world, &rand, &weather);
    story_finish(world);
    tally->checks += world->check.num_checks;
    bool passed = !check_failed(world);
    *(passed ? &tally->passed : &tally->failed) += 1;
    if (!passed) {
        printf("FAILED swarm %llu: %s: %s\n  again: sim --story swarm --swarm 1 --seed %llu\n",
               (unsigned long long)seed, world->check.id, world->check.text, (unsigned long long)seed);
    }
    world_free(world);
}

void swarm_run(struct tally *tally, uint64_t first, uint64_t count)
{
    if (tally->only_story != NULL && strcmp(tally->only_story, "swarm") != 0) {
        return;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        char name[CASE_NAME];
        snprintf(name, sizeof(name), "%llu", (unsigned long long)seed);
        if (tally->only_case != NULL && strcmp(tally->only_case, name) != 0) {
            continue;
        }
        if (tally->list) {
            printf("swarm %s\n", name);
        } else {
            swarm_go(tally, seed);
        }
    }
}

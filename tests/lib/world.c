/* The world's clock: what is due next, and who gets it. */
#include "tests/lib/world.h"

#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/world_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const uint16_t world_shards[WORLD_SHARDS] = {0, 5, 9, 15};

static struct endpoint endpoint_of(const char *addr, uint16_t port)
{
    struct endpoint ep = {.port = port};
    bool parsed = ip_parse(addr, &ep.addr);
    hf_assert(parsed);
    return ep;
}

int64_t world_unix_s(const struct world *world)
{
    return WORLD_START_UNIX_S + (int64_t)((world->now - WORLD_START_NS) / NS_PER_S);
}

void world_trace(struct world *world, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    world->trace_hash = check_hash(world->trace_hash, &world->now, sizeof(world->now));
    world->trace_hash = check_hash(world->trace_hash, line, (size_t)HF_MIN(len, (int)sizeof(line) - 1));
    if (world->options.verbose) {
        printf("%10.6f %s\n", (double)(world->now - WORLD_START_NS) / 1e9, line);
    }
}

static void *pool_memory_new(struct world *world)
{
    void *memory =
        aligned_alloc(64, (core_pool_bytes(&world->config, world->config.policy) + 63) & ~(size_t)63);
    hf_assert(memory != NULL);
    return memory;
}

static void core_start(struct world *world)
{
    world->config.in_fleet = world->options.nodes > 1;
    world->config.node = (uint16_t)(world->config.in_fleet ? world->at + 1 : 0);
    world->core_memory = aligned_alloc(64, (core_bytes(&world->config) + 63) & ~(size_t)63);
    world->pool_memory = pool_memory_new(world);
    hf_assert(world->core_memory != NULL);
    memset(world->core_memory, 0, core_bytes(&world->config));
    world->core = core_init(world->core_memory, &world->config, world->pool_memory);
    struct event start = {.type = EVENT_START};
    world_event(world, &start);
}

void world_enter(struct world *world, uint32_t node)
{
    struct world_node *old = &world->others[world->at], *new = &world->others[node];
    if (node == world->at) {
        return;
    }
    old->config = world->config;
    old->core = world->core;
    old->core_memory = world->core_memory;
    old->pool_memory = world->pool_memory;
    old->plane = world->plane;
    world->at = node;
    world->config = new->config;
    world->core = new->core;
    world->core_memory = new->core_memory;
    world->pool_memory = new->pool_memory;
    world->plane = new->plane;
    /* One log of keys for all. */
    memcpy(world->plane.keys, old->plane.keys, sizeof(world->plane.keys));
    world->plane.num_keys = old->plane.num_keys;
    world->plane.key_reused = old->plane.key_reused;
}

void world_shard(struct world *world, uint32_t node, enum shard_wish wish, uint16_t shard, uint16_t epoch)
{
    struct event event = {.type = EVENT_SHARD, .shard = {.wish = wish, .shard = shard, .epoch = epoch}};
    world_enter(world, node);
    world_event(world, &event);
}

void world_lease(struct world *world, uint32_t node, bool may_begin)
{
    struct event event = {.type = EVENT_LEASE, .may_begin = may_begin};
    world_enter(world, node);
    world->store.has_lease[node + 1] = may_begin;
    world_event(world, &event);
}

static void core_stop(struct world *world)
{
    core_done(world->core);
    free(world->core_memory);
    free(world->pool_memory);
}

static void config_init(struct world *world)
{
    memcpy(world->shards, world_shards, sizeof(world->shards));
    world->config = (struct core_config){.shards = world->shards,
                                         .num_shards = WORLD_SHARDS,
                                         .shard_bits = WORLD_SHARD_BITS,
                                         .sessions_max = WORLD_SESSIONS,
                                         .children_max = 2 * WORLD_SESSIONS,
                                         .half_open_max = WORLD_HALF_OPEN,
                                         .rand = sim_rand_source(&world->rand),
                                         .policy = &world->policy.policy};
    memset(world->config.fleet_key, 0x5a, sizeof(world->config.fleet_key));
    core_spi_config(world->config.fleet_key, WORLD_SHARD_BITS, 1, &world->config.spi);
}

struct world *world_new(const struct world_options *options)
{
    struct world *world = calloc(1, sizeof(*world));
    hf_assert(world != NULL);
    world->options = *options;
    world->now = WORLD_START_NS;
    world->rand = sim_rand_of(options->seed);
    world->client_rand = sim_rand_of(options->seed ^ UINT64_C(0xc11e47));
    world->fate = sim_rand_of(options->seed ^ UINT64_C(0xfa7e));
    world->store.fate = world->plane.fate = &world->fate;
    world->trace_hash = UINT64_C(0xcbf29ce484222325);
    world->net.faults = NET_FAULTLESS;
    test_policy_init(&world->policy, options->certificates);
    world->policy.policy.store_failure = options->store_failure;
    world->policy.policy.force_encap = !options->no_nat;
    world->policy.policy.cookie_threshold =
        options->cookie_threshold == 0 ? UINT32_MAX : options->cookie_threshold - 1;
    world->policy.policy.timers.child_rekey = options->child_rekey;
    world->policy.policy.timers.ike_rekey = options->ike_rekey;
    if (options->child_rekey != 0 || options->ike_rekey != 0) {
        /* As patient as the clients: what is lost is a message, not the session. */
        world->policy.policy.timers.retransmit = 250 * NS_PER_MS;
        world->policy.policy.timers.retries = 9;
    }
    config_init(world);
    world->store.faults.epoch_back = options->planted == PLANTED_EPOCH_BACK;
    core_start(world);
    if (options->nodes > 1) {
        world->others[1] = (struct world_node){.config = world->config, .plane = world->plane};
        world_enter(world, 1);
        core_start(world);
        for (uint32_t node = 0; node < options->nodes; node++) {
            world_lease(world, node, true);
        }
    }
    world_enter(world, 0);
    world_add_client(world, options->certificates ? TEST_CERT_CLIENT : "alice@example.net");
    world_run(world, NS_PER_S);
    return world;
}

void world_free(struct world *world)
{
    for (uint32_t node = 0; node < HF_MAX(world->options.nodes, 1U); node++) {
        world_enter(world, node);
        if (!world->others[node].is_down) {
            core_stop(world);
        }
    }
    for (uint32_t i = 0; i < world->num_items; i++) {
        item_done(&world->items[i]);
    }
    for (uint32_t i = 0; i < world->num_clients; i++) {
        free(world->clients[i]);
    }
    store_model_done(&world->store);
    check_done(&world->check);
    free(world);
}

struct initiator_config world_client_config(struct world *world, const char *name)
{
    const struct world_options *options = &world->options;
    bool by_cert = options->certificates && strcmp(name, TEST_CERT_CLIENT) == 0;
    char addr[32];
    snprintf(addr, sizeof(addr), "198.51.100.%u", 10 + world->num_clients);
    struct initiator_config config = {
        .rand = sim_rand_source(&world->client_rand),
        .local = endpoint_of(addr, 500),
        .remote = endpoint_of("192.0.2.1", 500),
        .id = test_identity(name),
        .id_r = test_identity(TEST_GATEWAY),
        .psk = span_of_string(TEST_PSK),
        .now_unix_s = WORLD_START_UNIX_S,
        .ike = {{ENCR_AES_GCM_16, 256, INTEG_NONE, PRF_HMAC_SHA2_256, KE_X25519}},
        .num_ike = 1,
        .esp = {{ENCR_AES_GCM_16, 256, INTEG_NONE, KE_X25519, true}},
        .num_esp = 1,
        .ke_first = KE_X25519,
        .want_v4 = true,
        .want_v6 = true,
        .want_dns = true,
        .fragmentation = true,
        .initial_contact = true,
        .mobike = options->mobike,
        .retransmit = 500 * NS_PER_MS,
        .tries = 20,
        .context = world,
        .send = net_from_client,
    };
    if (by_cert) {
        config.credential = test_credentials()->client;
        config.trust = test_credentials()->trust;
    }
    if (options->wrong_ke) {
        config.ike[1] = config.ike[0];
        config.ike[0].ke = config.ke_first = KE_P384;
        config.num_ike = 2;
    }
    return config;
}

uint32_t world_add_client(struct world *world, const char *name)
{
    hf_assert(world->num_clients < WORLD_CLIENTS);
    struct initiator_config config = world_client_config(world, name);
    struct initiator *client = malloc(sizeof(*client));
    hf_assert(client != NULL);
    initiator_init(client, &config);
    world->clients[world->num_clients] = client;
    return world->num_clients++;
}

void world_arm(struct world *world)
{
    world->net.sent = 0;
    world->events = 0;
}

void world_arm_net(struct world *world, const struct net_faults *faults)
{
    world_arm(world);
    world->net.faults = *faults;
}

void world_heal(struct world *world)
{
    struct store_faults store = world->store.faults;
    store.fail_nth = store.fail_permille = 0;
    world->store.faults = store;
    world->plane.faults.fail_nth = world->plane.faults.fail_permille = 0;
    world->net.faults = NET_FAULTLESS;
}

/* One event, if need be without memory for messages: frees count, takes fail. */
static void step(struct world *world, const struct event *event)
{
    struct blobs *blobs = &world->core->ike->blobs;
    uint32_t kept = world->events != 0 && world->events == world->starve_at ? blobs->free_count : 0;
    blobs->free_count -= kept;
    core_step(world->core, event, &world->effects);
    blobs->free_count += kept;
}

void world_event(struct world *world, struct event *event)
{
    event->now = world->now;
    event->now_unix_s = world_unix_s(world);
    world_trace(world, "event %d", event->type);
    step(world, event);
    world_effects(world);
    plant_after_event(world);
    check_step(world);
}

void world_reload(struct world *world)
{
    void *old = world->pool_memory;
    world->pool_memory = pool_memory_new(world);
    struct event event = {.type = EVENT_POLICY,
                          .policy = {.policy = world->config.policy, .pool_memory = world->pool_memory}};
    world_event(world, &event);
    free(old);
}

static void node_end(struct world *world)
{
    core_stop(world);
    plane_model_reset(&world->plane);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < world->num_items; i++) {
        struct item *item = &world->items[i];
        bool is_ours = item->node == world->at;
        if (is_ours && (item->type == ITEM_STORE || item->type == ITEM_PLANE)) {
            item_done(item);
        } else {
            world->items[kept++] = *item;
        }
    }
    world->num_items = kept;
    world->restarts++;
}

void world_restart(struct world *world)
{
    node_end(world);
    world_trace(world, "restart");
    core_start(world);
}

void world_kill(struct world *world, uint32_t node)
{
    world_enter(world, node);
    node_end(world);
    world->others[node].is_down = true;
    world->store.has_lease[node + 1] = false;
    world->store.node = 0;
    world_trace(world, "node %u is killed", node);
    world_enter(world, node == 0 ? 1 : 0);
}

/* Where a datagram of a client goes: by the SPI of ours in it. */
static uint32_t node_of(const struct world *world, const struct item *item)
{
    struct ike_header header;
    struct hf_spi spi;
    if (world->options.nodes < 2 || ike_header_read(span_of(item->bytes, item->len), &header) != CAUSE_NONE) {
        return world->options.nodes < 2 ? world->at : world->door;
    }
    uint64_t ours = (header.flags & IKE_FLAG_INITIATOR) != 0 ? header.spi_r : header.spi_i;
    return hf_ike_spi_decode(&world->config.spi, ours, &spi) ? world->steer[spi.shard] : world->door;
}

static void handle_item(struct world *world, uint32_t index)
{
    struct item item = item_take(world, index);
    switch (item.type) {
    case ITEM_TO_GATEWAY:
        world_trace(world, "-> gateway %zu bytes, number %u", item.len, item.number);
        if (world->others[node_of(world, &item)].is_down) {
            break;
        }
        world_enter(world, node_of(world, &item));
        net_to_gateway(world, &item);
        break;
    case ITEM_TO_CLIENT:
        world_trace(world, "<- gateway %zu bytes, number %u", item.len, item.number);
        net_to_client(world, &item);
        break;
    case ITEM_STORE:
        world_enter(world, item.node);
        world_store_item(world, &item);
        break;
    case ITEM_PLANE:
        world_enter(world, item.node);
        world_plane_item(world, &item);
        break;
    }
    item_done(&item);
}

static void handle_timers(struct world *world)
{
    for (uint32_t i = 0; i < world->num_clients; i++) {
        if (initiator_deadline(world->clients[i]) <= world->now) {
            initiator_timer(world->clients[i], world->now);
            return;
        }
    }
    struct event event = {.type = EVENT_TIMER};
    if (core_deadline(world->core) > world->now && world->options.nodes > 1) {
        world_enter(world, 1 - world->at);
    }
    world_event(world, &event);
    check_timer(world);
}

static ns_t timers_due(const struct world *world)
{
    ns_t due = world->options.planted == PLANTED_TIMER ? NS_NEVER : core_deadline(world->core);
    const struct world_node *other = &world->others[world->at == 0 ? 1 : 0];
    if (world->options.nodes > 1 && !other->is_down) {
        due = HF_MIN(due, core_deadline(other->core));
    }
    for (uint32_t i = 0; i < world->num_clients; i++) {
        due = HF_MIN(due, initiator_deadline(world->clients[i]));
    }
    return due;
}

bool world_step(struct world *world, ns_t until)
{
    uint32_t first = item_first(world);
    ns_t item_at = first < WORLD_ITEMS ? world->items[first].at : NS_NEVER;
    ns_t timer_at = timers_due(world);
    ns_t at = HF_MIN(item_at, timer_at);
    if (at > until || check_failed(world)) {
        world->now = HF_MAX(world->now, until);
        return false;
    }
    world->now = HF_MAX(world->now, at);
    if (++world->events == world->crash_at) {
        world_restart(world);
        world->crash_at = world->crash_again == 0 ? 0 : world->events + world->crash_again;
        world->crash_again = 0;
        return true;
    }
    if (item_at <= timer_at) {
        handle_item(world, first);
    } else {
        handle_timers(world);
    }
    return true;
}

void world_run(struct world *world, ns_t duration)
{
    ns_t until = world->now + duration;
    while (world_step(world, until)) {
    }
}

/* The gateway is in the middle of a rekey of its own. */
static bool gateway_rekeys(const struct world *world)
{
    const struct ike *ike = world->core->ike;
    for (uint32_t slot = 0; slot < ike_capacity(ike); slot++) {
        const struct ike_sa *sa = ike_sa_at(ike, slot);
        for (uint32_t i = 0; sa != NULL && i < sa->num_children; i++) {
            if (ike->child[sa->children[i]].doomed) {
                return true;
            }
        }
        if (sa != NULL && sa->request.message.valid && sa->request.kind >= REQUEST_DELETE_CHILD) {
            return true;
        }
    }
    return false;
}

bool world_is_quiet(const struct world *world)
{
    for (uint32_t i = 0; i < world->num_clients; i++) {
        if (!initiator_is_idle(world->clients[i])) {
            return false;
        }
    }
    return world->num_items == 0 && !gateway_rekeys(world);
}

bool world_settle(struct world *world, ns_t duration)
{
    ns_t until = world->now + duration;
    while (!world_is_quiet(world) && world_step(world, until)) {
    }
    if (world_is_quiet(world) && !check_failed(world)) {
        check_settled(world);
        return true;
    }
    return false;
}

bool world_connect(struct world *world, uint32_t client)
{
    for (int tries = 0; tries < 3; tries++) {
        if (world->clients[client]->state != INITIATOR_UP) {
            initiator_connect(world->clients[client], world->now);
        }
        (void)world_settle(world, 60 * NS_PER_S);
        if (check_failed(world) || world->clients[client]->state == INITIATOR_UP) {
            break;
        }
        world_run(world, 15 * NS_PER_S);
    }
    return world->clients[client]->state == INITIATOR_UP && !check_failed(world);
}

void world_inject(struct world *world, const struct endpoint *from, bool natt, struct span bytes, bool forged)
{
    struct item item = {.from = *from, .to = endpoint_of("192.0.2.1", natt ? 4500 : 500), .natt = natt};
    item.bytes = malloc(bytes.len + 1);
    memcpy(item.bytes, bytes.data, bytes.len);
    item.len = bytes.len;
    item.forged = forged;
    net_to_gateway(world, &item);
    item_done(&item);
}

void world_disconnect(struct world *world, uint64_t session_id)
{
    struct session_view view = {.session_id = session_id};
    uint32_t cursor = 0;
    if (session_id == 0 && !core_session_next(world->core, world->now, &cursor, &view)) {
        return;
    }
    struct event event = {.type = EVENT_COMMAND,
                          .command = {.type = COMMAND_DISCONNECT, .session_id = view.session_id}};
    world_event(world, &event);
}

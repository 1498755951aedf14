/* The whole core in a small world, driven by bytes: each input is a run of a few clients, a network, a store
 * and a plane, with mutated and with authentic but senseless messages in between. Whatever happens, the
 * checkers find nothing, and when all have left nothing is left. */
#include "tests/lib/world.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 400, ITEMS_HIGH = 96 };

/* The input; zeros behind its end. */
struct bytes {
    const uint8_t *at;
    size_t left;
};

static uint8_t next(struct bytes *bytes)
{
    if (bytes->left == 0) {
        return 0;
    }
    bytes->left--;
    return *bytes->at++;
}

static struct span next_span(struct bytes *bytes, size_t len)
{
    struct span span = span_of(bytes->at, HF_MIN(len, bytes->left));
    bytes->at += span.len;
    bytes->left -= span.len;
    return span;
}

static struct initiator *next_client(struct world *world, struct bytes *bytes)
{
    return world->clients[next(bytes) % world->num_clients];
}

static void do_connect(struct world *world, struct bytes *bytes)
{
    struct initiator *client = next_client(world, bytes);
    uint8_t how = next(bytes);
    client->config.want_v4 = (how & 1) == 0;
    client->config.want_v6 = (how & 2) == 0;
    client->config.initial_contact = (how & 4) != 0;
    client->config.behind_nat = (how & 8) != 0;
    client->config.fragmentation = (how & 16) == 0;
    client->config.want_ticket = (how & 32) != 0;
    client->config.sync_ids = client->config.sync_replay = (how & 64) != 0;
    client->config.deviate.auth_flip = (how & 0xe0) == 0xe0;
    if ((how & 128) == 0 || !initiator_resume(client, world->now)) {
        initiator_connect(client, world->now);
    }
}

static void do_exchange(struct world *world, struct bytes *bytes)
{
    struct initiator *client = next_client(world, bytes);
    uint8_t what = next(bytes);
    uint32_t child = what / 8u % INITIATOR_CHILDREN_MAX;
    switch (what % 8) {
    case 0:
        (void)!initiator_dpd(client, world->now);
        break;
    case 1:
        (void)!initiator_delete(client, world->now);
        break;
    case 2:
        (void)!initiator_delete_child(client, world->now, child);
        break;
    case 3:
        (void)!initiator_create_child(client, world->now);
        break;
    case 4:
        (void)!initiator_rekey_child(client, world->now, child);
        break;
    case 5:
        (void)!initiator_rekey_ike(client, world->now);
        break;
    case 6:
        initiator_vanish(client);
        break;
    default:
        client->local.port = (uint16_t)(4500 + child);
        break;
    }
}

/* Authentic payloads that mean nothing, or too much. */
static void do_raw(struct world *world, struct bytes *bytes)
{
    struct initiator *client = next_client(world, bytes);
    uint8_t exchange = (uint8_t)(IKE_AUTH + next(bytes) % 4), first = next(bytes);
    struct span inner = next_span(bytes, next(bytes));
    (void)!initiator_send_raw(client, world->now, exchange, first, inner);
}

/* Of an exchange that is not protected. */
static bool is_first(uint8_t exchange)
{
    return exchange == IKE_SA_INIT || exchange == IKE_SESSION_RESUME;
}

/* Any bytes, behind a header of a client's SA or without one. */
static void do_inject(struct world *world, struct bytes *bytes)
{
    const struct initiator *client = next_client(world, bytes);
    const struct initiator_sa *sa = initiator_current(client);
    uint8_t how = next(bytes), memory[512];
    struct ike_header header = {.spi_i = sa->spi_i,
                                .spi_r = (how & 1) != 0 ? sa->spi_r : 0,
                                .version = 0x20,
                                .exchange = (uint8_t)(IKE_SA_INIT + (how >> 1 & 3)),
                                .flags = (uint8_t)((how & 8) != 0 ? 0x28 : 0x08),
                                .message_id = (how & 16) != 0 ? sa->next_id : 0};
    struct builder b;
    message_begin(&b, memory, sizeof(memory), &header);
    if (header.spi_i == 0) {
        return;
    }
    uint8_t first = next(bytes);
    struct span body = next_span(bytes, next(bytes));
    writer_span(&b.w, body);
    struct span datagram = message_end(&b);
    memory[16] = first;
    world_inject(world, &client->local, client->natt, datagram, !is_first(header.exchange));
}

/* A datagram on its way to the gateway, with some bytes changed. */
static void do_mutate(struct world *world, struct bytes *bytes)
{
    uint8_t count = (uint8_t)(1 + next(bytes) % 4);
    for (uint32_t i = 0; i < world->num_items; i++) {
        struct item *item = &world->items[i];
        if (item->type != ITEM_TO_GATEWAY || item->len < IKE_HEADER_BYTES) {
            continue;
        }
        uint8_t *copy = malloc(item->len);
        memcpy(copy, item->bytes, item->len);
        for (uint8_t n = 0; n < count; n++) {
            copy[(next(bytes) << 8 | next(bytes)) % item->len] ^= next(bytes);
        }
        bool changed = memcmp(copy, item->bytes, item->len) != 0;
        bool protected = !is_first(item->bytes[18]) && !is_first(copy[18]);
        struct endpoint from = item->from;
        struct span datagram = span_of(copy, item->len);
        world_inject(world, &from, item->natt, datagram, changed && protected);
        free(copy);
        return;
    }
}

static void do_faults(struct world *world, struct bytes *bytes)
{
    static const enum store_result results[] = {STORE_DOWN, STORE_FULL, STORE_UNKNOWN, STORE_FENCED};
    uint8_t what = next(bytes);
    world->check.lenient_store = true;
    store_model_arm(&world->store, &(struct store_faults){.fail_nth = what & 3,
                                                          .for_ever = (what & 4) != 0,
                                                          .result = results[what >> 3 & 3],
                                                          .carried_out = (what & 32) != 0});
    plane_model_arm(&world->plane,
                    &(struct plane_faults){.fail_nth = what >> 6, .for_ever = (what & 4) != 0});
}

static void do_network(struct world *world, struct bytes *bytes)
{
    struct net_faults faults = NET_FAULTLESS;
    faults.lose = next(bytes);
    faults.duplicate = next(bytes) % 16;
    faults.duplicate_after = (next(bytes) % 10) * NS_PER_S;
    faults.swap = next(bytes) % 16;
    world_arm_net(world, &faults);
}

static void do_operator(struct world *world, struct bytes *bytes)
{
    uint8_t what = next(bytes);
    struct event event = {.type = EVENT_PLANE,
                          .plane = {.type = (enum plane_event_type)(what / 4 % 3),
                                    .child = next(bytes),
                                    .sequence_out = UINT64_C(1) << 19,
                                    .remote = world->clients[0]->local}};
    if (what % 4 == 0) {
        world_restart(world);
    } else if (what % 4 == 1) {
        world_disconnect(world, 0);
    } else {
        world_event(world, &event);
    }
}

static void do_one(struct world *world, struct bytes *bytes)
{
    static void (*const deeds[])(struct world *, struct bytes *) = {
        do_connect, do_exchange, do_raw, do_inject, do_mutate, do_faults, do_network, do_operator};
    uint8_t what = next(bytes);
    if (what < 0x80 && world->num_items < ITEMS_HIGH) {
        deeds[what % HF_COUNT(deeds)](world, bytes);
    } else if (what < 0xe0 || world->num_items >= ITEMS_HIGH) {
        (void)world_step(world, world->now + NS_PER_S);
    } else {
        world_run(world, (what & 0x1f) * 4 * NS_PER_S);
    }
}

static void finish(struct world *world)
{
    world_heal(world);
    for (uint32_t i = 0; i < world->num_clients; i++) {
        initiator_vanish(world->clients[i]);
    }
    world_run(world, 900 * NS_PER_S);
    if (!check_failed(world)) {
        check_empty(world);
    }
    if (check_failed(world)) {
        fflush(stdout); /* the trace */
        fprintf(stderr, "%s: %s\n", world->check.id, world->check.text);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {.at = data, .left = size};
    uint8_t how = next(&bytes);
    struct world_options options = {
        .seed = next(&bytes),
        .no_nat = (how & 1) != 0,
        .store_early = (how & 2) != 0,
        .store_failure = (how & 4) != 0 ? POLICY_STORE_REFUSE : POLICY_STORE_ACCEPT,
        .cookie_threshold = (how & 8) != 0 ? 2 : 0,
        .verbose = getenv("HOLDFAST_TRACE") != NULL,
    };
    struct world *world = world_new(&options);
    world_add_client(world, "alice@example.net");
    world_add_client(world, "carol@example.net");
    world->check.deaf_clients = true;
    for (int steps = 0; bytes.left > 0 && steps < STEPS_MAX && !check_failed(world); steps++) {
        do_one(world, &bytes);
    }
    finish(world);
    world_free(world);
    return 0;
}

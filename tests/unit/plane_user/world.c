#include "tests/unit/plane_user/world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static uint8_t *room_lend(void *context)
{
    struct side *side = context;

    if (side->has_no_room) {
        return NULL;
    }
    side->lent++;
    return malloc(PLANE_BURST_BYTES);
}

static void room_drop(void *context, uint8_t *room)
{
    struct side *side = context;

    side->lent--;
    free(room);
}

static uint8_t *copy_of(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    memcpy(copy, bytes, len);
    return copy;
}

static void udp_record(void *context, uint8_t *room, size_t len, size_t gso_size,
                       const struct endpoint *local, const struct endpoint *remote)
{
    struct side *side = context;

    cr_assert(side->num_udp < UDP_MAX && len > 0 && len <= 65507);
    cr_assert(gso_size == 0 || (gso_size < len && (len + gso_size - 1) / gso_size <= 64));
    side->udp[side->num_udp++] = (struct sent){copy_of(room, len), len, gso_size, *local, *remote};
    room_drop(context, room);
}

static void tun_record(void *context, uint8_t *room, size_t len)
{
    struct side *side = context;

    cr_assert(side->num_tun < TUN_MAX && len > VNET_HEADER && len <= PLANE_BURST_BYTES);
    side->tun[side->num_tun++] = (struct written){copy_of(room, len), len};
    room_drop(context, room);
}

static bool event_record(void *context, const struct plane_event *event)
{
    struct side *side = context;

    if (side->takes_no_events) {
        return false;
    }
    cr_assert(side->num_events < EVENTS_MAX);
    side->events[side->num_events++] = *event;
    return true;
}

struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr;

    cr_assert(ip_parse(text, &addr), "%s", text);
    return addr;
}

struct ts_range range_of(const char *text)
{
    struct ip_prefix prefix;

    cr_assert(prefix_parse(text, &prefix), "%s", text);
    return (struct ts_range){0, 0, UINT16_MAX, prefix_first(&prefix), prefix_last(&prefix)};
}

static void side_open(struct side *side, const struct world *world, const char *address, uint16_t port)
{
    memset(side, 0, sizeof(*side));
    for (uint32_t i = 0; i < 1u << SHARD_BITS; i++) {
        side->shards[i] = (uint16_t)i;
    }
    side->address = (struct endpoint){addr_of(address), port};
    side->config = (struct plane_user_config){
        .spi = {.epochs = {[1] = {{1, 2}, {3, 4}, {5, 6}}}, .shard_bits = SHARD_BITS, .mint_epoch = 1},
        .shards = side->shards,
        .num_shards = 1u << SHARD_BITS,
        .children_max = CHILDREN,
        .mtu = world->mtu,
        .tun_uso = world->uso,
        .hash_key = {7, 8},
        .host = {side, room_lend, udp_record, room_drop, room_lend, tun_record, room_drop, event_record},
    };
    void *memory = aligned_alloc(64, plane_user_bytes(&side->config));
    memset(memory, 0, plane_user_bytes(&side->config));
    side->plane = plane_user_init(memory, &side->config);
}

struct world *world_open(uint32_t mtu, bool uso)
{
    static struct world world;

    world.mtu = mtu;
    world.uso = uso;
    side_open(&world.gateway, &world, "198.51.100.1", 4500);
    side_open(&world.client, &world, "203.0.113.9", 31337);
    return &world;
}

void side_clear(struct side *side)
{
    for (uint32_t i = 0; i < side->num_udp; i++) {
        free(side->udp[i].bytes);
    }
    for (uint32_t i = 0; i < side->num_tun; i++) {
        free(side->tun[i].bytes);
    }
    side->num_udp = side->num_tun = side->num_events = 0;
}

static void side_close(struct side *side)
{
    side_flush(side);
    side_clear(side);
    cr_assert_eq(side->lent, 0, "%d rooms not given back", side->lent);
    plane_user_done(side->plane);
    cr_assert_eq(plane_user_counters(side->plane)->children, 0);
    free(side->plane);
}

void world_close(struct world *world)
{
    side_close(&world->gateway);
    side_close(&world->client);
}

uint32_t spi_of(const struct side *side, uint32_t shard, uint32_t index)
{
    struct hf_spi place = {.index = index, .shard = (uint16_t)shard, .epoch = 1};

    return hf_esp_spi_encode(&side->config.spi, &place);
}

static struct esp_keys keys_of(uint32_t seed)
{
    struct esp_keys keys;

    memset(&keys, (int)(seed * 37 + 1), sizeof(keys));
    return keys;
}

struct plane_child child_of(const struct world *world, uint32_t child, uint32_t shard, uint32_t index)
{
    return (struct plane_child){
        .child = child,
        .session = child,
        .spi_in = spi_of(&world->gateway, shard, index),
        .spi_out = spi_of(&world->client, shard, index),
        .suite = {ENCR_AES_GCM_16, 128, INTEG_NONE, KE_NONE, true},
        .key_in = keys_of(2 * child),
        .key_out = keys_of(2 * child + 1),
        .local = world->gateway.address,
        .remote = world->client.address,
        .iv_epoch = 1,
        .sequence_limit = ESP_SEQUENCE_STEP,
        .addresses = {addr_of(CLIENT_V4), addr_of(CLIENT_V6)},
        .num_addresses = 2,
        .ts_local = {range_of("0.0.0.0/0"), range_of("::/0")},
        .ts_remote = {range_of(CLIENT_V4), range_of(CLIENT_V6)},
        .num_ts_local = 2,
        .num_ts_remote = 2,
        .outbound = true,
    };
}

struct plane_child mirror_of(const struct world *world, const struct plane_child *child)
{
    struct plane_child mirror = *child;

    mirror.spi_in = child->spi_out;
    mirror.spi_out = child->spi_in;
    mirror.key_in = child->key_out;
    mirror.key_out = child->key_in;
    mirror.local = world->client.address;
    mirror.remote = world->gateway.address;
    mirror.sequence_out = child->replay_start;
    mirror.replay_start = child->sequence_out;
    memcpy(mirror.ts_local, child->ts_remote, sizeof(mirror.ts_local));
    memcpy(mirror.ts_remote, child->ts_local, sizeof(mirror.ts_remote));
    mirror.num_ts_local = child->num_ts_remote;
    mirror.num_ts_remote = child->num_ts_local;
    mirror.addresses[0] = addr_of(SERVER_V4);
    mirror.addresses[1] = addr_of(SERVER_V6);
    return mirror;
}

enum cause side_install(struct side *side, const struct plane_child *child)
{
    struct plane_done done =
        side_op(side, (struct plane_op){.type = PLANE_INSTALL, .token = 77, .install = child});

    cr_assert_eq(done.token, 77);
    cr_assert_eq(done.child, child->child);
    return done.cause;
}

void world_connect(struct world *world)
{
    struct plane_child child = child_of(world, 1, 3, 2), mirror = mirror_of(world, &child);

    cr_assert_eq(side_install(&world->gateway, &child), CAUSE_NONE);
    cr_assert_eq(side_install(&world->client, &mirror), CAUSE_NONE);
}

struct plane_done side_op(struct side *side, struct plane_op op)
{
    struct plane_done done;

    plane_user_op(side->plane, NS_PER_S, &op, &done);
    cr_assert(done.type == op.type && done.token == op.token);
    return done;
}

void side_send(struct side *side, const struct virtio_net_hdr *vnet, const uint8_t *packet, size_t len)
{
    static const struct virtio_net_hdr none;
    uint8_t *bytes = malloc(VNET_HEADER + len);

    memcpy(bytes, vnet != NULL ? vnet : &none, VNET_HEADER);
    memcpy(bytes + VNET_HEADER, packet, len);
    plane_user_outbound(side->plane, NS_PER_S, bytes, VNET_HEADER + len);
    free(bytes);
}

void side_receive(struct side *side, ns_t now, const struct endpoint *remote, const uint8_t *bytes,
                  size_t len, size_t gso_size)
{
    uint8_t *copy = copy_of(bytes, len);

    plane_user_inbound(side->plane, now, &side->address, remote, copy, len, gso_size);
    free(copy);
}

void side_flush(struct side *side)
{
    plane_user_flush(side->plane, NS_PER_S);
}

void side_deliver(struct side *from, struct side *to)
{
    for (uint32_t i = 0; i < from->num_udp; i++) {
        struct sent *sent = &from->udp[i];
        side_receive(to, NS_PER_S, &sent->local, sent->bytes, sent->len, sent->gso_size);
        free(sent->bytes);
    }
    from->num_udp = 0;
}

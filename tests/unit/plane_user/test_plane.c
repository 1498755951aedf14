#include "edge/base/bytes.h"
#include "tests/unit/plane_user/packets.h"

#include <criterion/criterion.h>

enum { PACKET_MAX = 2048 };

static uint64_t drops(const struct side *side, enum cause cause)
{
    return plane_user_counters(side->plane)->drops[cause];
}

/* RFC 7296 2.8: a rekeyed child takes over when it is told to, and the old one goes later. */
Test(plane, outbound_child)
{
    struct world *world = world_open(1400, false);
    struct side *side = &world->gateway;
    struct packet_spec spec = to_client(), other = to_client();

    cr_expect_eq(spi_to_client(world, &spec), 0);
    cr_expect_eq(drops(side, CAUSE_TUN_NO_SA), 1);
    struct plane_child first = child_of(world, 1, 0, 0), second = child_of(world, 2, 5, 3);
    second.outbound = false;
    cr_assert_eq(side_install(side, &first), CAUSE_NONE);
    cr_assert_eq(side_install(side, &second), CAUSE_NONE);
    cr_expect_eq(spi_to_client(world, &spec), first.spi_out);
    side_op(side, (struct plane_op){.type = PLANE_OUTBOUND, .child = 2});
    cr_expect_eq(spi_to_client(world, &spec), second.spi_out);
    spec.is_v6 = true;
    cr_expect_eq(spi_to_client(world, &spec), second.spi_out);
    side_op(side, (struct plane_op){.type = PLANE_OUTBOUND, .child = 2}); /* twice does no harm */
    cr_expect_eq(spi_to_client(world, &spec), second.spi_out);
    side_op(side, (struct plane_op){.type = PLANE_REMOVE, .child = 2});
    cr_expect_eq(spi_to_client(world, &spec), first.spi_out);

    /* A child for one port beside the one for all: the latest that admits the packet. */
    struct plane_child narrow = child_of(world, 3, 7, 1);
    narrow.ts_local[0] = range_of(SERVER_V4);
    narrow.ts_local[0].protocol = 6;
    narrow.ts_local[0].port_first = narrow.ts_local[0].port_last = 40000;
    narrow.num_ts_local = 1;
    cr_assert_eq(side_install(side, &narrow), CAUSE_NONE);
    spec.is_v6 = false;
    other.source_port = 1;
    cr_expect_eq(spi_to_client(world, &spec), narrow.spi_out);
    cr_expect_eq(spi_to_client(world, &other), first.spi_out);
    side_op(side, (struct plane_op){.type = PLANE_REMOVE, .child = 1}); /* from behind the other */
    cr_expect_eq(spi_to_client(world, &spec), narrow.spi_out);
    cr_expect_eq(spi_to_client(world, &other), 0);
    side_op(side, (struct plane_op){.type = PLANE_REMOVE, .child = 3});
    cr_expect_eq(spi_to_client(world, &spec), 0);
    world_close(world);
}

Test(plane, refused_operations)
{
    struct world *world = world_open(1400, false);
    struct side *side = &world->gateway;
    struct plane_child child = child_of(world, 1, 3, 2);
    const enum plane_op_type types[] = {PLANE_OUTBOUND, PLANE_UPDATE_ENDPOINT, PLANE_SEQUENCE_LIMIT,
                                        PLANE_REMOVE, PLANE_READ};

    for (size_t i = 0; i < HF_COUNT(types); i++) {
        struct plane_done done = side_op(side, (struct plane_op){.type = types[i], .token = i, .child = 1});
        cr_expect_eq(done.cause, CAUSE_PLANE);
    }
    cr_expect_eq(side_install(side, &child), CAUSE_NONE);
    cr_expect_eq(side_install(side, &child), CAUSE_PLANE);
    struct plane_child again = child_of(world, 1, 3, 1);
    cr_expect_eq(side_install(side, &again), CAUSE_PLANE, "its handle is taken");
    again = child_of(world, 2, 3, 2);
    cr_expect_eq(side_install(side, &again), CAUSE_PLANE, "its SPI is taken");
    again = child_of(world, 2, 3, CHILDREN >> SHARD_BITS);
    cr_expect_eq(side_install(side, &again), CAUSE_PLANE, "its index is beyond the table");
    again = child_of(world, 2, 3, 1);
    again.spi_in = 77;
    cr_expect_eq(side_install(side, &again), CAUSE_PLANE, "an SPI of no epoch");
    again = child_of(world, 2, 3, 1);
    again.suite.encr = 999;
    cr_expect_eq(side_install(side, &again), CAUSE_PLANE, "an algorithm nobody knows");
    again = child_of(world, 2, 3, 1);
    cr_expect_eq(side_install(side, &again), CAUSE_NONE);
    cr_expect_eq(plane_user_counters(side->plane)->children, 2);
    world_close(world);
}

/* A worker without all shards neither installs nor finds what belongs to others. */
Test(plane, only_own_shards)
{
    struct world *world = world_open(1400, false);
    struct side *side = &world->gateway;
    struct packet_spec spec = tcp_spec();
    uint8_t packet[PACKET_MAX];

    side->shards[0] = 3;
    side->shards[1] = 9;
    side->config.num_shards = 2;
    plane_user_done(side->plane);
    memset(side->plane, 0, plane_user_bytes(&side->config));
    side->plane = plane_user_init(side->plane, &side->config);
    for (uint32_t shard = 0; shard < 1u << SHARD_BITS; shard++) {
        struct plane_child child = child_of(world, shard + 1, shard, 3), mirror = mirror_of(world, &child);
        bool is_own = shard == 3 || shard == 9;
        cr_expect_eq(side_install(side, &child), is_own ? CAUSE_NONE : CAUSE_PLANE);
        cr_expect_eq(side_install(&world->client, &mirror), CAUSE_NONE);
        side_send(&world->client, NULL, packet, packet_write(&spec, packet));
        side_flush(&world->client);
        side_deliver(&world->client, side);
        side_flush(side);
        cr_expect_eq(side->num_tun, is_own ? 1 : 0, "shard %u", shard);
        side_clear(side);
    }
    cr_expect_eq(drops(side, CAUSE_ESP_SPI), 14);
    world_close(world);
}

/* What anybody can send to the port: nothing enters, everything is counted. */
Test(plane, garbage_from_outside)
{
    struct world *world = world_open(1400, false);
    struct side *side = &world->gateway;
    uint8_t bytes[256] = {0};
    uint64_t before = 0;

    world_connect(world);
    side_receive(side, 1, &world->client.address, (const uint8_t[]){0xff}, 1, 0);
    cr_expect_eq(drops(side, CAUSE_KEEPALIVE), 1);
    for (size_t len = 1; len < 8; len++) {
        side_receive(side, 1, &world->client.address, bytes, len, 0);
        cr_expect_eq(drops(side, CAUSE_ESP_SHORT), len);
    }
    for (uint32_t i = 1; i < 100000; i++) {
        be32_store(bytes, i * 2654435761u);
        plane_user_inbound(side->plane, 1, &side->address, &world->client.address, bytes, 100, 0);
    }
    for (uint32_t i = 0; i < 16; i++) { /* the right SPI of a child that is there */
        be32_store(bytes, spi_of(side, 3, 2));
        be32_store(bytes + 4, i * 77 + 1);
        plane_user_inbound(side->plane, 1, &side->address, &world->client.address, bytes, 8 + 16 * i, 0);
    }
    for (enum cause cause = 0; cause < CAUSE_COUNT; cause++) {
        before += drops(side, cause);
    }
    cr_expect_eq(before, 1 + 7 + 99999 + 16);
    cr_expect_eq(drops(side, CAUSE_ESP_SPI), 99999);
    cr_expect_eq(side->num_tun + side->num_udp + side->num_events, 0);
    struct plane_done done = side_op(side, (struct plane_op){.type = PLANE_READ, .child = 1});
    cr_expect_eq(done.counters.last_in, 0);
    cr_expect_eq(done.counters.sequence_in, 0);
    world_close(world);
}

/* RFC 4301 5.2: what the client sends must be what was negotiated. */
Test(plane, selectors_inbound)
{
    struct world *world = world_open(1400, false);
    struct plane_child child = child_of(world, 1, 3, 2), mirror = mirror_of(world, &child);
    uint8_t packet[PACKET_MAX];
    uint64_t wrong = 0;

    child.ts_local[0] = range_of("192.0.2.0/24");
    child.ts_local[0].protocol = 6;
    child.num_ts_local = 1;
    cr_assert_eq(side_install(&world->gateway, &child), CAUSE_NONE);
    cr_assert_eq(side_install(&world->client, &mirror), CAUSE_NONE);
    for (int i = 0; i < 5; i++) {
        struct packet_spec spec = i == 1 ? udp_spec() : tcp_spec();
        spec.is_v6 = i == 2;
        size_t len = packet_write(&spec, packet);
        packet[15] ^= i == 3 ? 1 : 0; /* a neighbour's source address */
        side_send(&world->client, NULL, packet, len);
        side_flush(&world->client);
        if (i == 4) { /* client's own check of its outbound selectors */
            spec.from_client = true;
        }
        wrong += world->client.num_udp == 1 && i >= 1 && i <= 3;
        side_deliver(&world->client, &world->gateway);
        side_flush(&world->gateway);
        cr_expect_eq(world->gateway.num_tun, i == 0 || i == 4 ? 1 : 0, "%d", i);
        cr_expect_eq(drops(&world->gateway, CAUSE_ESP_SELECTOR), wrong);
        side_clear(&world->gateway);
    }
    /* The neighbour's address did not even leave the client, whose selectors are right. */
    cr_expect_eq(wrong, 2);
    cr_expect_eq(drops(&world->client, CAUSE_TUN_NO_SA), 1);
    world_close(world);
}

/* A client that cheats on its selectors: its plane is told that anything goes. */
Test(plane, spoofed_inner_source)
{
    struct world *world = world_open(1400, false);
    struct plane_child child = child_of(world, 1, 3, 2), mirror = mirror_of(world, &child);
    struct packet_spec spec = tcp_spec();
    uint8_t packet[PACKET_MAX];

    mirror.ts_local[0] = range_of("0.0.0.0/0");
    cr_assert_eq(side_install(&world->gateway, &child), CAUSE_NONE);
    cr_assert_eq(side_install(&world->client, &mirror), CAUSE_NONE);
    size_t len = packet_write(&spec, packet);
    packet[15] = 6; /* 10.0.0.6 */
    side_send(&world->client, NULL, packet, len);
    side_flush(&world->client);
    side_deliver(&world->client, &world->gateway);
    side_flush(&world->gateway);
    cr_expect_eq(world->gateway.num_tun, 0);
    cr_expect_eq(drops(&world->gateway, CAUSE_ESP_SELECTOR), 1);
    struct plane_done done = side_op(&world->gateway, (struct plane_op){.type = PLANE_READ, .child = 1});
    cr_expect_eq(done.counters.packets_in, 0);
    cr_expect_eq(done.counters.last_in, NS_PER_S, "the client is alive all the same");
    world_close(world);
}

Test(plane, counters_and_endpoint)
{
    struct world *world = world_open(1400, false);
    struct packet_spec spec = tcp_spec(), back = to_client();
    uint8_t packet[PACKET_MAX];
    size_t len = packet_write(&spec, packet);
    struct endpoint elsewhere = {addr_of("203.0.113.77"), 999};

    world_connect(world);
    for (int i = 0; i < 3; i++) {
        side_send(&world->client, NULL, packet, len);
    }
    side_flush(&world->client);
    side_deliver(&world->client, &world->gateway);
    cr_expect_eq(spi_to_client(world, &back), spi_of(&world->client, 3, 2));
    struct plane_done done = side_op(&world->gateway, (struct plane_op){.type = PLANE_READ, .child = 1});
    cr_expect_eq(done.counters.packets_in, 3);
    cr_expect_eq(done.counters.bytes_in, 3 * len);
    cr_expect_eq(done.counters.packets_out, 1);
    cr_expect_eq(done.counters.bytes_out, len);
    cr_expect_eq(done.counters.sequence_out, 1);
    cr_expect_eq(done.counters.sequence_in, 3);
    side_op(&world->gateway, (struct plane_op){.type = PLANE_UPDATE_ENDPOINT,
                                               .child = 1,
                                               .local = world->gateway.address,
                                               .remote = elsewhere});
    len = packet_write(&back, packet);
    side_send(&world->gateway, NULL, packet, len);
    side_flush(&world->gateway);
    cr_assert_eq(world->gateway.num_udp, 1);
    cr_expect(endpoint_equal(&world->gateway.udp[0].remote, &elsewhere));
    cr_expect(endpoint_equal(&world->gateway.udp[0].local, &world->gateway.address));
    done = side_op(&world->gateway, (struct plane_op){.type = PLANE_REMOVE, .child = 1});
    cr_expect_eq(done.counters.packets_out, 2);
    cr_expect_eq(done.counters.sequence_out, 2);
    world_close(world);
}

/* A NAT gave the client another port: told once a second, by packets that are authentic and new. */
Test(plane, moved_client)
{
    struct world *world = world_open(1400, false);
    struct side *side = &world->gateway;
    struct packet_spec spec = tcp_spec();
    struct endpoint elsewhere = {addr_of("203.0.113.9"), 40404};
    uint8_t packet[PACKET_MAX];
    size_t len = packet_write(&spec, packet);

    world_connect(world);
    for (int i = 0; i < 8; i++) {
        side_send(&world->client, NULL, packet, len);
        side_flush(&world->client);
    }
    const struct {
        uint32_t packet; /* which of the eight */
        ns_t at;
        bool forged, moved;
        uint32_t events;
    } steps[] = {
        {1, 1 * NS_PER_S, false, false, 0},    {3, 1 * NS_PER_S, true, true, 0}, /* wrong ICV */
        {0, 1 * NS_PER_S, false, true, 0},     /* late: says where the client was */
        {2, 1 * NS_PER_S, false, true, 1},     /**/
        {2, 9 * NS_PER_S, false, true, 1},     /* replayed */
        {4, 2 * NS_PER_S - 1, false, true, 1}, /* too soon to say it again */
        {5, 2 * NS_PER_S, false, true, 2},     {6, 9 * NS_PER_S, false, false, 2},
    };
    for (size_t i = 0; i < HF_COUNT(steps); i++) {
        struct sent *sent = &world->client.udp[steps[i].packet];
        sent->bytes[40] ^= steps[i].forged ? 1 : 0;
        side_receive(side, steps[i].at, steps[i].moved ? &elsewhere : &world->client.address, sent->bytes,
                     sent->len, 0);
        cr_expect_eq(side->num_events, steps[i].events, "step %zu", i);
    }
    cr_expect_eq(side->events[0].type, PLANE_EVENT_MOVED);
    cr_expect_eq(side->events[0].child, 1);
    cr_expect(endpoint_equal(&side->events[0].remote, &elsewhere));
    cr_expect(endpoint_equal(&side->events[0].local, &side->address));
    cr_expect_eq(spi_to_client(world, &(struct packet_spec){.fragment = 0x4000, .flags = TCP_ACK}),
                 spi_of(&world->client, 3, 2));
    world_close(world);
}


/* The kernel joins datagrams of one client and size, whatever is in them. The worker takes IKE out before
 * (io/steer.h); what is left of it is no Child SA's. */
Test(plane, no_esp_between_esp)
{
    struct world *world = world_open(1400, false);
    struct packet_spec spec = tcp_spec();
    uint8_t packet[PACKET_MAX], burst[4 * PACKET_MAX];

    world_connect(world);
    side_send(&world->client, NULL, packet, packet_write(&spec, packet));
    side_flush(&world->client);
    struct sent *sent = &world->client.udp[0];
    memcpy(burst, sent->bytes, sent->len);
    memset(burst + sent->len, 0, sent->len);
    burst[sent->len + 4] = 0x42;
    burst[2 * sent->len] = 0xff;
    side_receive(&world->gateway, 1, &world->client.address, burst, 2 * sent->len + 1, sent->len);
    side_flush(&world->gateway);
    cr_expect_eq(world->gateway.num_tun, 1);
    cr_expect_eq(drops(&world->gateway, CAUSE_ESP_SPI), 1);
    cr_expect_eq(drops(&world->gateway, CAUSE_KEEPALIVE), 1);
    world_close(world);
}

/* More children with traffic than ciphers that are kept: nothing of an SA is lost with its cipher. */
Test(plane, ciphers_come_and_go)
{
    enum { NUM = 5 };
    struct world *world = world_open(1400, false);
    struct side *side = &world->gateway;
    struct packet_spec spec = tcp_spec(), back = to_client();
    uint8_t packet[PACKET_MAX], replayed[PACKET_MAX];
    size_t replayed_len = 0;

    plane_user_done(side->plane);
    side->config.warm_max = 2;
    memset(side->plane, 0, plane_user_bytes(&side->config));
    side->plane = plane_user_init(side->plane, &side->config);
    for (uint32_t i = 0; i < NUM; i++) {
        struct plane_child child = child_of(world, i + 1, i, i % 2), mirror = mirror_of(world, &child);
        cr_assert_eq(side_install(side, &child), CAUSE_NONE);
        cr_assert_eq(side_install(&world->client, &mirror), CAUSE_NONE);
    }
    for (uint32_t i = 0; i < 7 * NUM; i++) {
        struct plane_op outbound = {.type = PLANE_OUTBOUND, .child = i * 3 % NUM + 1};
        side_op(side, outbound);
        side_op(&world->client, outbound);
        cr_expect_eq(spi_to_client(world, &back), spi_of(&world->client, i * 3 % NUM, i * 3 % NUM % 2));
        side_send(&world->client, NULL, packet, packet_write(&spec, packet));
        side_flush(&world->client);
        if (i == 0) {
            replayed_len = world->client.udp[0].len;
            memcpy(replayed, world->client.udp[0].bytes, replayed_len);
        }
        side_deliver(&world->client, side);
        side_clear(side);
    }
    for (uint32_t i = 0; i < NUM; i++) {
        struct plane_done done = side_op(side, (struct plane_op){.type = PLANE_READ, .child = i + 1});
        cr_expect(done.counters.packets_in == 7 && done.counters.sequence_in == 7, "child %u", i);
        cr_expect(done.counters.packets_out == 7 && done.counters.sequence_out == 7, "child %u", i);
    }
    side_receive(side, 1, &world->client.address, replayed, replayed_len, 0);
    cr_expect_eq(drops(side, CAUSE_ESP_REPLAY), 1);
    world_close(world);
}

/* Whole streams through two planes, bursts as the network carries them, and what a plane without room does.
 */
#include "edge/base/bytes.h"
#include "tests/unit/plane_user/packets.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { MTU = 1400, STREAM_BYTES = 1 << 20, SUPER_MAX = 65536 };

static uint8_t stream[STREAM_BYTES]; /* as it came out */

/* Puts what was written into a TUN device where its sequence number says. */
static uint32_t stream_collect(struct side *side)
{
    uint32_t num_bytes = 0;

    for (uint32_t i = 0; i < side->num_tun; i++) {
        const uint8_t *packet = side->tun[i].bytes + VNET_HEADER;
        size_t header_len = 20 + (packet[32] >> 4) * 4u;
        size_t len = side->tun[i].len - VNET_HEADER - header_len;
        uint32_t at = be32_load(packet + 24);

        cr_assert_eq(be16_load(packet + 2), side->tun[i].len - VNET_HEADER);
        cr_assert(at <= STREAM_BYTES && len <= STREAM_BYTES - at);
        memcpy(stream + at, packet + header_len, len);
        num_bytes += (uint32_t)len;
    }
    return num_bytes;
}

/* A file of 1 MB from the server to the client, in super-packets as a kernel makes them. */
Test(stream, one_megabyte)
{
    static uint8_t packet[SUPER_MAX];
    struct world *world = world_open(MTU, false);
    struct packet_spec spec = tcp_spec();

    world_connect(world);
    spec.from_client = false;
    spec.is_partial = true;
    spec.payload_seed = 3;
    for (spec.sequence = 0; spec.sequence < STREAM_BYTES; spec.sequence += spec.payload_len) {
        spec.payload_len = HF_MIN(48 * 1348u, STREAM_BYTES - spec.sequence);
        struct virtio_net_hdr vnet = vnet_of(&spec, 1348);
        side_send(&world->gateway, &vnet, packet, packet_write(&spec, packet));
    }
    side_flush(&world->gateway);
    cr_expect(world->gateway.num_udp <= 34, "%u bursts", world->gateway.num_udp);
    for (uint32_t i = 0; i < world->gateway.num_udp; i++) {
        const struct sent *sent = &world->gateway.udp[i];
        cr_assert_eq(sent->gso_size, 8 + 8 + 1400 + 2 + 2 + 16); /* 1400 and the trailer are padded by 2 */
        for (size_t at = 0; at < sent->len; at += sent->gso_size) {
            cr_assert_eq(be32_load(sent->bytes + at), spi_of(&world->client, 3, 2));
        }
    }
    side_deliver(&world->gateway, &world->client);
    side_flush(&world->client);
    cr_expect(world->client.num_tun <= 34, "%u writes", world->client.num_tun);
    cr_assert_eq(stream_collect(&world->client), STREAM_BYTES);
    for (uint32_t i = 0; i < STREAM_BYTES; i++) {
        cr_assert_eq(stream[i], payload_byte(3, i), "byte %u", i);
    }
    const struct plane_user_counters *counters = plane_user_counters(world->client.plane);
    cr_expect_eq(counters->packets_in, (STREAM_BYTES + 1347) / 1348);
    cr_expect_eq(counters->packets_in, plane_user_counters(world->gateway.plane)->packets_out);
    cr_expect_eq(counters->bytes_in, plane_user_counters(world->gateway.plane)->bytes_out);
    world_close(world);
}

/* The network loses, repeats and swaps; the stream's segments come in once each, and only those that arrived.
 */
Test(stream, bad_network)
{
    static uint8_t packet[SUPER_MAX];
    struct world *world = world_open(MTU, false);
    struct packet_spec spec = tcp_spec();
    uint32_t num_lost = 0;

    world_connect(world);
    spec.is_v6 = false;
    spec.payload_len = 1000;
    for (uint32_t i = 0; i < 1000; i++) {
        spec.sequence = i * 1000;
        side_send(&world->client, NULL, packet, packet_write(&spec, packet));
        side_flush(&world->client);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t k = i ^ (i % 7 == 3 ? 1 : 0); /* some pairs swapped, some sent twice and some not at all */
        const struct sent *sent = &world->client.udp[k];
        if (k % 50 == 17) {
            num_lost += i == k;
            continue;
        }
        side_receive(&world->gateway, 1, &world->client.address, sent->bytes, sent->len, 0);
        side_receive(&world->gateway, 1, &world->client.address, sent->bytes, sent->len, 0);
    }
    side_flush(&world->gateway);
    memset(stream, 0xee, sizeof(stream));
    uint32_t num_bytes = stream_collect(&world->gateway);
    cr_expect_eq(num_bytes, 1000 * plane_user_counters(world->gateway.plane)->packets_in);
    for (uint32_t i = 0; i < 1000; i++) {
        bool is_there = stream[i * 1000] != 0xee || stream[i * 1000 + 1] != 0xee;
        for (uint32_t k = 0; k < 1000 && is_there; k++) {
            cr_assert_eq(stream[i * 1000 + k], payload_byte(0, i * 1000 + k));
        }
        cr_expect(is_there || i % 50 == 17 || i % 7 == 3 || (i ^ 1) % 7 == 3, "%u", i);
    }
    cr_expect(num_lost > 10);
    cr_expect(plane_user_counters(world->gateway.plane)->drops[CAUSE_ESP_REPLAY] >= 900);
    world_close(world);
}

/* A burst holds packets of one client and size, the last may be shorter. */
Test(stream, bursts)
{
    struct world *world = world_open(MTU, false);
    struct packet_spec spec = udp_spec();
    uint8_t packet[2048];
    const struct {
        uint32_t payload_len;
        bool to_other;
    } sends[] = {{100, false}, {100, false}, {50, false}, {50, false}, {60, false}, {60, true}, {60, true}};
    const uint32_t counts[] = {3, 1, 1, 2};
    struct plane_child other = child_of(world, 2, 6, 0);

    world_connect(world);
    other.remote.port++;
    other.addresses[0] = addr_of("10.0.0.6");
    other.ts_remote[0] = range_of("10.0.0.6");
    other.num_addresses = other.num_ts_remote = 1;
    cr_assert_eq(side_install(&world->gateway, &other), CAUSE_NONE);
    spec.from_client = false;
    for (size_t i = 0; i < HF_COUNT(sends); i++) {
        spec.payload_len = sends[i].payload_len;
        size_t len = packet_write(&spec, packet);
        packet[19] = sends[i].to_other ? 6 : 5;
        side_send(&world->gateway, NULL, packet, len);
    }
    side_flush(&world->gateway);
    cr_assert_eq(world->gateway.num_udp, HF_COUNT(counts));
    for (size_t i = 0; i < HF_COUNT(counts); i++) {
        const struct sent *sent = &world->gateway.udp[i];
        size_t count = sent->gso_size == 0 ? 1 : (sent->len + sent->gso_size - 1) / sent->gso_size;
        cr_expect_eq(count, counts[i], "burst %zu", i);
    }
    cr_expect(endpoint_equal(&world->gateway.udp[3].remote, &other.remote));
    side_clear(&world->gateway);
    spec.payload_len = 10;
    for (int i = 0; i < 130; i++) { /* 64 datagrams are what the kernel takes at once */
        side_send(&world->gateway, NULL, packet, packet_write(&spec, packet));
    }
    side_flush(&world->gateway);
    cr_expect_eq(world->gateway.num_udp, 3);
    world_close(world);
}

Test(stream, no_room)
{
    struct world *world = world_open(MTU, true);
    struct packet_spec spec = tcp_spec();
    uint8_t packet[2048];
    size_t len = packet_write(&spec, packet);

    world_connect(world);
    world->client.has_no_room = true;
    side_send(&world->client, NULL, packet, len);
    cr_expect_eq(plane_user_counters(world->client.plane)->drops[CAUSE_SEND_FAILED], 1);
    world->client.has_no_room = false;
    for (int i = 0; i < 3; i++) {
        side_send(&world->client, NULL, packet, len);
    }
    side_flush(&world->client);
    world->gateway.has_no_room = true;
    side_deliver(&world->client, &world->gateway);
    side_flush(&world->gateway);
    cr_expect_eq(plane_user_counters(world->gateway.plane)->drops[CAUSE_SEND_FAILED], 3);
    world_close(world);
}

struct too_big_row {
    uint32_t no;
    bool is_v6, is_udp;
    uint16_t fragment;
    uint8_t first_source_byte; /* 0: as it is */
    bool answered;
};

/* RFC 1191 4, RFC 4443 3.2 */
static const struct too_big_row too_big_rows[] = {
    {1, false, true, 0x4000, 0, true},    {2, true, true, 0, 0, true},
    {3, false, true, 0, 0, false}, /* may be fragmented: not our error to report */
    {4, false, false, 0x4000, 0, true},   {5, true, false, 0, 0, true},
    {6, false, true, 0x4001, 0, false}, /* a later fragment */
    {7, false, true, 0x4000, 224, false},
};

Test(stream, too_big)
{
    struct world *world = world_open(MTU, true);
    struct side *side = &world->gateway;
    uint8_t packet[2048];

    world_connect(world);
    for (size_t i = 0; i < HF_COUNT(too_big_rows); i++) {
        const struct too_big_row *row = &too_big_rows[i];
        struct packet_spec spec = row->is_udp ? udp_spec() : tcp_spec();

        spec.from_client = false;
        spec.is_v6 = row->is_v6;
        spec.fragment = row->fragment;
        spec.payload_len = 1400;
        size_t len = packet_write(&spec, packet);
        packet[12] = row->first_source_byte != 0 ? row->first_source_byte : packet[12];
        side_send(side, NULL, packet, len);
        cr_expect_eq(side->num_tun, row->answered ? 1 : 0, "row %u", row->no);
        if (row->answered && side->num_tun == 1) {
            const uint8_t *error = side->tun[0].bytes + VNET_HEADER;
            size_t error_len = side->tun[0].len - VNET_HEADER, ip_len = row->is_v6 ? 40 : 20;
            cr_expect(packet_is_right(error, error_len), "row %u", row->no);
            cr_expect_eq(error_len, row->is_v6 ? 1280 : 576);
            cr_expect_eq(be16_load(error + ip_len), row->is_v6 ? 0x0200 : 0x0304);
            cr_expect_eq(be32_load(error + ip_len + 4), MTU);
            cr_expect_arr_eq(error + ip_len + 8, packet, error_len - ip_len - 8);
            cr_expect_arr_eq(error + (row->is_v6 ? 24 : 16), packet + (row->is_v6 ? 8 : 12),
                             row->is_v6 ? 16 : 4);
        }
        side_clear(side);
    }
    cr_expect_eq(plane_user_counters(side->plane)->drops[CAUSE_TOO_BIG], HF_COUNT(too_big_rows));
    struct packet_spec spec = udp_spec();
    spec.payload_len = 1400;
    size_t len = packet_write(&spec, packet);
    for (int i = 0; i < 1000; i++) {
        side_send(side, NULL, packet, len);
    }
    cr_expect(side->num_tun <= 100, "%u errors", side->num_tun);
    world_close(world);
}

#include "edge/base/bytes.h"
#include "tests/unit/plane_user/packets.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { PACKET_MAX = 1500, SENT_MAX = 4096, FLOWS = 12 };

struct original {
    uint8_t bytes[PACKET_MAX];
    size_t len;
    bool is_delivered;
};

static struct original originals[SENT_MAX];
static uint32_t num_originals;

/* From the client through ESP to the gateway's TUN device. */
static void packet_pass(struct world *world, const uint8_t *packet, size_t len)
{
    struct original *original = &originals[num_originals++];

    cr_assert(num_originals <= SENT_MAX && len <= PACKET_MAX);
    memcpy(original->bytes, packet, len);
    original->len = len;
    original->is_delivered = false;
    side_send(&world->client, NULL, packet, len);
}

static void spec_pass(struct world *world, const struct packet_spec *spec)
{
    uint8_t packet[PACKET_MAX];

    packet_pass(world, packet, packet_write(spec, packet));
}

static void batch_end(struct world *world)
{
    side_flush(&world->client);
    side_deliver(&world->client, &world->gateway);
    side_flush(&world->gateway);
}

/* Ports and protocol say the flow in these tests. */
static bool is_same_flow(const uint8_t *a, const uint8_t *b)
{
    size_t at = a[0] >> 4 == 4 ? 20 : 40;

    return a[0] == b[0] && a[at == 20 ? 9 : 6] == b[at == 20 ? 9 : 6] && memcmp(a + at, b + at, 4) == 0;
}

/* The identification of a packet that may not be fragmented carries no meaning (RFC 6864), so a kernel may
 * number anew when it cuts. */
static void identification_clear(uint8_t *packet)
{
    if (packet[0] >> 4 == 4 && (be16_load(packet + 6) & 0x4000) != 0) {
        be16_store(packet + 4, 0);
        be16_store(packet + 10, 0);
    }
}

/* The segment must be the oldest packet of its flow that has not been delivered, byte by byte. */
static void segment_match(uint8_t *segment, size_t len, bool is_cut)
{
    for (uint32_t i = 0; i < num_originals; i++) {
        struct original *original = &originals[i];
        uint8_t expected[PACKET_MAX];

        if (original->is_delivered || !is_same_flow(original->bytes, segment)) {
            continue;
        }
        memcpy(expected, original->bytes, original->len);
        if (is_cut) {
            identification_clear(expected);
            identification_clear(segment);
        }
        cr_assert_eq(len, original->len);
        cr_assert_arr_eq(segment, expected, len);
        original->is_delivered = true;
        return;
    }
    cr_assert_fail("a packet that was not sent");
}

/* What the kernel would make of all that was written into the device. */
static void all_match(struct side *side)
{
    for (uint32_t i = 0; i < side->num_tun; i++) {
        struct super super;
        uint8_t segment[PACKET_MAX];

        cr_assert_eq(super_read(side->tun[i].bytes, side->tun[i].len, 9000, &super), CAUSE_NONE);
        for (uint32_t k = 0; k < super.count; k++) {
            cr_assert(super_len(&super, k) <= PACKET_MAX);
            super_cut(&super, k, segment);
            segment_match(segment, super_len(&super, k), super.is_cut);
        }
    }
    for (uint32_t i = 0; i < num_originals; i++) {
        cr_assert(originals[i].is_delivered, "packet %u is lost", i);
    }
    side_clear(side);
    num_originals = 0;
}

struct change {
    uint32_t no;
    const char *what;
    bool is_udp, is_v6;
    uint32_t writes; /* of four packets, of which the third has the change */
    void (*apply)(struct packet_spec *spec);
    size_t flip; /* a byte of the third packet to be flipped, from the end; 0: none */
};

static void nothing_change(struct packet_spec *spec)
{
    (void)spec;
}

static void push_set(struct packet_spec *spec)
{
    spec->flags |= TCP_PSH;
}

static void fin_set(struct packet_spec *spec)
{
    spec->flags |= TCP_FIN;
}

static void ece_set(struct packet_spec *spec)
{
    spec->flags |= TCP_ECE;
}

static void congestion_set(struct packet_spec *spec)
{
    spec->tos |= 3;
}

static void ack_change(struct packet_spec *spec)
{
    spec->ack++;
}

static void window_change(struct packet_spec *spec)
{
    spec->window++;
}

static void option_change(struct packet_spec *spec)
{
    spec->options[7]++;
}

static void gap_make(struct packet_spec *spec)
{
    spec->sequence += 50;
}

static void repeat_make(struct packet_spec *spec)
{
    spec->sequence -= spec->payload_len;
}

static void shorter_make(struct packet_spec *spec)
{
    spec->payload_len -= 1;
}

static void longer_make(struct packet_spec *spec)
{
    spec->payload_len += 1;
}

static void empty_make(struct packet_spec *spec)
{
    spec->payload_len = 0;
}

static void fragment_make(struct packet_spec *spec)
{
    spec->fragment = 0x2000;
}

static void may_fragment(struct packet_spec *spec)
{
    spec->fragment = 0;
}

static void id_change(struct packet_spec *spec)
{
    spec->id += 1000;
}

static const struct change changes[] = {
    {1, "nothing", false, false, 1, nothing_change, 0},
    {2, "nothing", false, true, 1, nothing_change, 0},
    {3, "nothing", true, false, 1, nothing_change, 0},
    {4, "nothing", true, true, 1, nothing_change, 0},
    {5, "PSH ends it", false, false, 2, push_set, 0},
    {6, "FIN", false, false, 3, fin_set, 0},
    {7, "ECE", false, false, 3, ece_set, 0},
    {8, "congestion experienced", false, false, 3, congestion_set, 0},
    {9, "congestion experienced", false, true, 3, congestion_set, 0},
    {10, "acknowledgement", false, false, 3, ack_change, 0},
    {11, "window", false, false, 3, window_change, 0},
    {12, "timestamp", false, false, 3, option_change, 0},
    {13, "gap", false, false, 3, gap_make, 0},
    {14, "repeated", false, false, 3, repeat_make, 0},
    {15, "shorter: the last", false, false, 2, shorter_make, 0},
    {16, "longer: the next first", false, false, 3, longer_make, 0}, /* the fourth leaves a gap of one byte */
    {17, "empty", false, false, 3, empty_make, 0},
    {18, "fragment", false, false, 3, fragment_make, 0},
    {19, "other DF", false, false, 3, may_fragment, 0},
    {20, "other id with DF", false, false, 1, id_change, 0},
    {21, "wrong TCP checksum", false, false, 3, nothing_change, 1},
    {22, "wrong UDP checksum", true, false, 3, nothing_change, 1},
    {23, "wrong checksum", false, true, 3, nothing_change, 3},
    {24, "wrong IPv4 checksum", false, false, 3, nothing_change, 152 - 8}, /* the hop limit */
    {25, "shorter: the last", true, false, 2, shorter_make, 0},
    {26, "longer: begins anew", true, false, 2, longer_make, 0}, /* and the fourth is its shorter last */
    {27, "empty", true, true, 3, empty_make, 0},
};

static void change_run(struct world *world, const struct change *row)
{
    struct packet_spec spec = row->is_udp ? udp_spec() : tcp_spec();

    spec.is_v6 = row->is_v6;
    for (int i = 0; i < 4; i++) {
        struct packet_spec one = spec;
        uint8_t packet[PACKET_MAX];
        if (i == 2) {
            row->apply(&one);
        }
        size_t len = packet_write(&one, packet);
        if (i == 2 && row->flip > 0) {
            packet[len - row->flip] ^= 1;
        }
        packet_pass(world, packet, len);
        spec.sequence += spec.payload_len;
        spec.id++;
    }
    batch_end(world);
    cr_expect_eq(world->gateway.num_tun, row->writes, "row %u (%s): %u writes", row->no, row->what,
                 world->gateway.num_tun);
    all_match(&world->gateway);
}

Test(merge, what_belongs_together)
{
    struct world *world = world_open(1400, true);

    world_connect(world);
    for (size_t i = 0; i < HF_COUNT(changes); i++) {
        change_run(world, &changes[i]);
    }
    world_close(world);
}

Test(merge, identification_without_df_must_count)
{
    struct world *world = world_open(1400, false);

    world_connect(world);
    for (int step = 0; step < 3; step++) {
        struct packet_spec spec = tcp_spec();
        spec.fragment = 0;
        spec.id = 65535;
        for (int i = 0; i < 3; i++) {
            spec_pass(world, &spec);
            spec.sequence += spec.payload_len;
            spec.id = (uint16_t)(spec.id + step);
        }
        batch_end(world);
        cr_expect_eq(world->gateway.num_tun, step == 1 ? 1 : 3);
        all_match(&world->gateway);
    }
    /* Without USO in the kernel UDP goes singly. */
    struct packet_spec udp = udp_spec();
    spec_pass(world, &udp);
    spec_pass(world, &udp);
    batch_end(world);
    cr_expect_eq(world->gateway.num_tun, 2);
    all_match(&world->gateway);
    world_close(world);
}

/* UDP without a checksum stays without. */
Test(merge, udp_without_checksum)
{
    struct world *world = world_open(1400, true);
    struct packet_spec udp = udp_spec();
    uint8_t packet[PACKET_MAX];

    world_connect(world);
    size_t len = packet_write(&udp, packet);
    packet[26] = packet[27] = 0;
    packet_pass(world, packet, len);
    packet_pass(world, packet, len);
    batch_end(world);
    cr_expect_eq(world->gateway.num_tun, 2);
    all_match(&world->gateway);
    world_close(world);
}

static uint64_t seed = 0x123456789abcdef;

static uint32_t chance(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* Flows in any mixture, with everything that can happen to them: what the kernel cuts is what was sent. */
Test(merge, flows_at_random)
{
    static void (*const anomalies[])(struct packet_spec *) = {
        push_set, fin_set,     ece_set,      congestion_set, ack_change, window_change, option_change,
        gap_make, repeat_make, shorter_make, longer_make,    empty_make, may_fragment,  id_change};
    struct world *world = world_open(1400, true);
    struct packet_spec flows[FLOWS];
    uint64_t num_sent = 0, num_written = 0;

    world_connect(world);
    for (uint32_t i = 0; i < FLOWS; i++) {
        flows[i] = i % 3 == 2 ? udp_spec() : tcp_spec();
        flows[i].is_v6 = i % 2 != 0;
        flows[i].source_port = (uint16_t)(1000 + i);
        flows[i].payload_len = i % 4 == 0 ? 1 : 700 + i;
    }
    for (int batch = 0; batch < 300; batch++) {
        uint32_t num_flows = 1 + chance(FLOWS);
        for (uint32_t i = 0; i < 100; i++) {
            struct packet_spec *flow = &flows[chance(num_flows)];
            struct packet_spec one = *flow;
            if (chance(20) == 0) {
                anomalies[chance(HF_COUNT(anomalies))](&one);
            }
            one.payload_seed = (uint8_t)chance(256);
            spec_pass(world, &one);
            flow->sequence = one.sequence + one.payload_len;
            flow->id++;
        }
        num_sent += num_originals;
        batch_end(world);
        num_written += world->gateway.num_tun;
        all_match(&world->gateway);
    }
    cr_expect(num_written * 2 < num_sent, "%lu written of %lu", num_written, num_sent);
    world_close(world);
}

/* A super-packet that enters at one end leaves at the other as it was. */
Test(merge, super_packets_survive)
{
    static uint8_t packet[65536];
    struct world *world = world_open(1400, true);

    world_connect(world);
    for (uint32_t i = 0; i < 32; i++) {
        struct packet_spec spec = (i & 1) != 0 ? udp_spec() : tcp_spec();
        spec.is_v6 = (i & 2) != 0;
        spec.flags |= (i & 4) != 0 ? TCP_PSH : 0;
        spec.from_client = (i & 8) != 0;
        spec.payload_len = (i & 16) != 0 ? 30 * 1300 : 7777;
        spec.is_partial = true;
        struct virtio_net_hdr vnet = vnet_of(&spec, 1300);
        struct side *from = spec.from_client ? &world->client : &world->gateway;
        struct side *to = spec.from_client ? &world->gateway : &world->client;
        size_t len = packet_write(&spec, packet);

        side_send(from, &vnet, packet, len);
        side_flush(from);
        cr_assert_eq(from->num_udp, 1);
        side_deliver(from, to);
        side_flush(to);
        cr_assert_eq(to->num_tun, 1, "%u: %u writes", i, to->num_tun);
        cr_assert_eq(to->tun[0].len, VNET_HEADER + len);
        cr_assert_arr_eq(to->tun[0].bytes, &vnet, VNET_HEADER);
        cr_assert_arr_eq(to->tun[0].bytes + VNET_HEADER, packet, len);
        side_clear(to);
    }
    world_close(world);
}

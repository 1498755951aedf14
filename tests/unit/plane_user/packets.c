#include "tests/unit/plane_user/packets.h"

#include "edge/base/bytes.h"

#include <criterion/criterion.h>

/* RFC 1071, as it is written there. */
static uint32_t words_sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i += 2) {
        sum += (uint32_t)bytes[i] << 8 | (i + 1 < len ? bytes[i + 1] : 0);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static uint32_t l4_sum(const uint8_t *packet, size_t l4_at, size_t l4_len, uint8_t protocol, bool pseudo_only)
{
    bool is_v6 = packet[0] >> 4 == 6;
    uint32_t sum = words_sum(0, packet + (is_v6 ? 8 : 12), is_v6 ? 32 : 8);
    uint8_t rest[4] = {(uint8_t)(l4_len >> 8), (uint8_t)l4_len, 0, protocol};

    sum = words_sum(sum, rest, sizeof(rest));
    return pseudo_only ? sum : words_sum(sum, packet + l4_at, l4_len);
}

struct packet_spec tcp_spec(void)
{
    return (struct packet_spec){.from_client = true,
                                .source_port = 40000,
                                .destination_port = 443,
                                .id = 100,
                                .fragment = 0x4000,
                                .sequence = 1000,
                                .ack = 5,
                                .flags = TCP_ACK,
                                .window = 500,
                                .options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2},
                                .options_len = 12,
                                .payload_len = 100};
}

struct packet_spec to_client(void)
{
    struct packet_spec spec = tcp_spec();

    spec.from_client = false;
    return spec;
}

struct packet_spec udp_spec(void)
{
    struct packet_spec spec = tcp_spec();

    spec.is_udp = true;
    spec.options_len = 0;
    return spec;
}

uint8_t payload_byte(uint8_t seed, uint32_t offset)
{
    uint32_t x = (offset + 1) * 2654435761u + seed * 40503u;

    return (uint8_t)(x >> 23);
}

static size_t ip_write(const struct packet_spec *spec, uint8_t *packet, size_t l4_len)
{
    struct ip_addr client = addr_of(spec->is_v6 ? CLIENT_V6 : CLIENT_V4);
    struct ip_addr server = addr_of(spec->is_v6 ? SERVER_V6 : SERVER_V4);
    struct span from = ip_span(spec->from_client ? &client : &server);
    struct span to = ip_span(spec->from_client ? &server : &client);
    uint8_t protocol = spec->is_udp ? 17 : 6;

    if (spec->is_v6) {
        be32_store(packet, 6u << 28 | (uint32_t)spec->tos << 20 | 0x12345);
        be16_store(packet + 4, (uint16_t)l4_len);
        packet[6] = protocol;
        packet[7] = 63;
        memcpy(packet + 8, from.data, 16);
        memcpy(packet + 24, to.data, 16);
        return 40;
    }
    packet[0] = 0x45;
    packet[1] = spec->tos;
    be16_store(packet + 2, (uint16_t)(20 + l4_len));
    be16_store(packet + 4, spec->id);
    be16_store(packet + 6, spec->fragment);
    packet[8] = 63;
    packet[9] = protocol;
    be16_store(packet + 10, 0);
    memcpy(packet + 12, from.data, 4);
    memcpy(packet + 16, to.data, 4);
    be16_store(packet + 10, (uint16_t)~words_sum(0, packet, 20));
    return 20;
}

static size_t l4_write(const struct packet_spec *spec, uint8_t *l4, size_t l4_len)
{
    be16_store(l4, spec->source_port);
    be16_store(l4 + 2, spec->destination_port);
    if (spec->is_udp) {
        be16_store(l4 + 4, (uint16_t)l4_len);
        be16_store(l4 + 6, 0);
        return 6;
    }
    be32_store(l4 + 4, spec->sequence);
    be32_store(l4 + 8, spec->ack);
    l4[12] = (uint8_t)((20 + spec->options_len) / 4 << 4);
    l4[13] = spec->flags;
    be16_store(l4 + 14, spec->window);
    be32_store(l4 + 16, 0);
    memcpy(l4 + 20, spec->options, spec->options_len);
    return 16;
}

size_t packet_write(const struct packet_spec *spec, uint8_t *ret_packet)
{
    size_t header_len = spec->is_udp ? 8 : 20 + spec->options_len;
    size_t l4_len = header_len + spec->payload_len;
    size_t l4_at = ip_write(spec, ret_packet, l4_len);
    uint8_t *l4 = ret_packet + l4_at;
    size_t sum_at = l4_write(spec, l4, l4_len);

    for (uint32_t i = 0; i < spec->payload_len; i++) {
        l4[header_len + i] = payload_byte(spec->payload_seed, spec->is_udp ? i : spec->sequence + i);
    }
    uint32_t sum = l4_sum(ret_packet, l4_at, l4_len, spec->is_udp ? 17 : 6, spec->is_partial);
    be16_store(l4 + sum_at, (uint16_t)(spec->is_partial ? sum : ~sum));
    if (spec->is_udp && be16_load(l4 + sum_at) == 0) {
        be16_store(l4 + sum_at, 0xffff);
    }
    return l4_at + l4_len;
}

struct virtio_net_hdr vnet_of(const struct packet_spec *spec, uint32_t gso_size)
{
    uint16_t ip_len = spec->is_v6 ? 40 : 20;
    uint16_t l4_len = (uint16_t)(spec->is_udp ? 8 : 20 + spec->options_len);
    uint8_t tcp = spec->is_v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;

    return (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                   .gso_type = spec->is_udp ? VIRTIO_NET_HDR_GSO_UDP_L4 : tcp,
                                   .hdr_len = (uint16_t)(ip_len + l4_len),
                                   .gso_size = (uint16_t)gso_size,
                                   .csum_start = ip_len,
                                   .csum_offset = spec->is_udp ? 6 : 16};
}

bool packet_is_right(const uint8_t *packet, size_t len)
{
    size_t l4_at = 40;
    uint8_t protocol = packet[6];

    if (packet[0] >> 4 == 4) {
        l4_at = (packet[0] & 15) * 4u;
        protocol = packet[9];
        if (be16_load(packet + 2) != len || words_sum(0, packet, l4_at) != 0xffff) {
            return false;
        }
    } else if (packet[0] >> 4 != 6 || be16_load(packet + 4) + 40u != len) {
        return false;
    }
    size_t l4_len = len - l4_at;
    if (protocol == 17 && (be16_load(packet + l4_at + 4) != l4_len || be16_load(packet + l4_at + 6) == 0)) {
        return false;
    }
    if (protocol == 1) {
        return words_sum(0, packet + l4_at, l4_len) == 0xffff;
    }
    return l4_sum(packet, l4_at, l4_len, protocol, false) == 0xffff;
}

uint32_t spi_to_client(struct world *world, const struct packet_spec *spec)
{
    uint8_t packet[2048];
    uint32_t spi = 0;

    side_send(&world->gateway, NULL, packet, packet_write(spec, packet));
    side_flush(&world->gateway);
    if (world->gateway.num_udp > 0) {
        spi = be32_load(world->gateway.udp[0].bytes);
    }
    side_clear(&world->gateway);
    return spi;
}

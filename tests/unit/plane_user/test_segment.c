#include "edge/base/bytes.h"
#include "edge/plane/user_sum.h"
#include "tests/unit/plane_user/packets.h"

#include <criterion/criterion.h>

enum { SUPER_MAX = 65536 };

static uint8_t bytes[VNET_HEADER + SUPER_MAX], segment[SUPER_MAX];

static enum cause read_spec(const struct packet_spec *spec, const struct virtio_net_hdr *vnet, uint32_t mtu,
                            struct super *ret_super)
{
    size_t len = packet_write(spec, bytes + VNET_HEADER);

    memcpy(bytes, vnet, VNET_HEADER);
    return super_read(bytes, VNET_HEADER + len, mtu, ret_super);
}

struct cut_row {
    uint32_t no;
    bool is_v6, is_udp;
    uint8_t flags;
    uint32_t options_len, payload_len, gso_size, mtu;
    uint32_t count, segment_len;
};

static const struct cut_row cut_rows[] = {
    {1, false, false, TCP_ACK, 12, 5000, 1000, 1400, 5, 1000},
    {2, false, false, TCP_ACK | TCP_PSH | TCP_FIN, 12, 5001, 1000, 1400, 6, 1000},
    {3, true, false, TCP_ACK | TCP_PSH, 12, 4999, 1000, 1400, 5, 1000},
    {4, true, false, TCP_ACK | TCP_CWR, 0, 64000, 1340, 1400, 48, 1340},
    {5, false, false, TCP_ACK, 0, 65495, 1360, 1400, 49, 1360},
    {6, false, false, TCP_ACK, 0, 10, 1360, 1400, 1, 1360},
    {7, false, false, TCP_ACK, 12, 5000, 1448, 1400, 4, 1348}, /* longer than the MTU: cut shorter */
    {8, true, false, TCP_ACK, 12, 5000, 9000, 1280, 5, 1208},
    {9, false, true, 0, 0, 6000, 1200, 1400, 5, 1200},
    {10, true, true, 0, 0, 6001, 1200, 1400, 6, 1200},
    {11, false, true, 0, 0, 64, 1, 1400, 64, 1},
    {12, false, false, TCP_ACK, 8, 3333, 333, 1400, 11, 333}, /* odd segments */
};

static void segment_check(const struct cut_row *row, const struct packet_spec *spec,
                          const struct super *super, uint32_t index)
{
    size_t len = super_len(super, index), l4_at = row->is_v6 ? 40 : 20;
    size_t header_len = l4_at + (row->is_udp ? 8 : 20 + row->options_len);
    uint32_t offset = index * row->segment_len;
    uint8_t flags = row->flags;
    const uint8_t *l4 = segment + l4_at;

    segment[len] = 0xa5;
    super_cut(super, index, segment);
    cr_assert_eq(segment[len], 0xa5);
    cr_assert(len <= row->mtu);
    cr_assert_eq(len, header_len + HF_MIN(row->segment_len, row->payload_len - offset));
    cr_assert(packet_is_right(segment, len), "row %u segment %u", row->no, index);
    cr_assert(row->is_v6 || be16_load(segment + 4) == (uint16_t)(spec->id + index));
    for (size_t i = header_len; i < len; i++) {
        uint32_t at = offset + (uint32_t)(i - header_len);
        cr_assert_eq(segment[i], payload_byte(spec->payload_seed, row->is_udp ? at : spec->sequence + at));
    }
    if (!row->is_udp) {
        flags &= (uint8_t)(index + 1 < row->count ? ~(TCP_FIN | TCP_PSH) : 0xff);
        flags &= (uint8_t)(index > 0 ? ~TCP_CWR : 0xff);
        cr_assert_eq(be32_load(l4 + 4), spec->sequence + offset);
        cr_assert_eq(be32_load(l4 + 8), spec->ack);
        cr_assert_eq(l4[13], flags, "row %u segment %u", row->no, index);
        cr_assert_arr_eq(l4 + 20, spec->options, row->options_len);
    }
}

Test(segment, cuts)
{
    for (size_t i = 0; i < HF_COUNT(cut_rows); i++) {
        const struct cut_row *row = &cut_rows[i];
        struct packet_spec spec = row->is_udp ? udp_spec() : tcp_spec();
        struct super super;

        spec.is_v6 = row->is_v6;
        spec.flags = row->flags;
        spec.options_len = row->options_len;
        spec.payload_len = row->payload_len;
        spec.payload_seed = (uint8_t)row->no;
        spec.sequence = UINT32_MAX - 2000; /* wraps within */
        spec.id = 65533;
        spec.is_partial = true;
        struct virtio_net_hdr vnet = vnet_of(&spec, row->gso_size);
        vnet.gso_type |= (row->flags & TCP_CWR) != 0 ? VIRTIO_NET_HDR_GSO_ECN : 0;
        cr_assert_eq(read_spec(&spec, &vnet, row->mtu, &super), CAUSE_NONE, "row %u", row->no);
        cr_assert_eq(super.count, row->count, "row %u: %u", row->no, super.count);
        for (uint32_t k = 0; k < super.count; k++) {
            segment_check(row, &spec, &super, k);
        }
    }
}

/* A packet with a partial checksum gets it completed; one with a whole checksum stays as it is. */
Test(segment, single_packets)
{
    for (uint32_t i = 0; i < 16; i++) {
        struct packet_spec spec = (i & 1) != 0 ? udp_spec() : tcp_spec();
        struct super super;

        spec.is_v6 = (i & 2) != 0;
        spec.payload_len = 99 + (i & 4);
        spec.is_partial = (i & 8) != 0;
        struct virtio_net_hdr vnet = vnet_of(&spec, 0);
        vnet.gso_type = VIRTIO_NET_HDR_GSO_NONE;
        vnet.flags = spec.is_partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;
        cr_assert_eq(read_spec(&spec, &vnet, 1400, &super), CAUSE_NONE);
        cr_assert_eq(super.count, 1);
        super_cut(&super, 0, segment);
        cr_assert(packet_is_right(segment, super_len(&super, 0)), "%u", i);
        vnet.csum_start = 2000;
        cr_assert_eq(read_spec(&spec, &vnet, 1400, &super),
                     spec.is_partial ? CAUSE_TUN_MALFORMED : CAUSE_NONE);
    }
}

struct refusal {
    uint32_t no;
    bool is_v6, is_udp;
    uint8_t gso_type;
    uint32_t gso_size, payload_len;
    uint16_t fragment;
    uint8_t data_offset; /* of TCP, 0: as it should be */
    enum cause cause;
};

static const struct refusal refusals[] = {
    {1, false, false, VIRTIO_NET_HDR_GSO_TCPV6, 1000, 5000, 0, 0, CAUSE_TUN_MALFORMED},
    {2, true, false, VIRTIO_NET_HDR_GSO_TCPV4, 1000, 5000, 0, 0, CAUSE_TUN_MALFORMED},
    {3, false, true, VIRTIO_NET_HDR_GSO_TCPV4, 1000, 5000, 0, 0, CAUSE_TUN_MALFORMED},
    {4, false, false, VIRTIO_NET_HDR_GSO_UDP_L4, 1000, 5000, 0, 0, CAUSE_TUN_MALFORMED},
    {5, false, true, VIRTIO_NET_HDR_GSO_UDP, 1000, 5000, 0, 0,
     CAUSE_TUN_MALFORMED}, /* fragments: never asked for */
    {6, false, false, VIRTIO_NET_HDR_GSO_TCPV4, 0, 5000, 0, 0, CAUSE_TUN_MALFORMED},
    {7, false, false, VIRTIO_NET_HDR_GSO_TCPV4, 1000, 0, 0, 0, CAUSE_TUN_MALFORMED},
    {8, false, false, VIRTIO_NET_HDR_GSO_TCPV4, 1000, 5000, 0x2000, 0, CAUSE_TUN_MALFORMED},
    {9, false, false, VIRTIO_NET_HDR_GSO_TCPV4, 1000, 5000, 0, 0x40, CAUSE_TUN_MALFORMED},
    {10, false, false, VIRTIO_NET_HDR_GSO_TCPV4, 1000, 10, 0, 0xf0, CAUSE_TUN_MALFORMED},
    {11, false, true, VIRTIO_NET_HDR_GSO_UDP_L4, 1500, 5000, 0, 0, CAUSE_TOO_BIG},
    {12, false, true, VIRTIO_NET_HDR_GSO_NONE, 0, 1373, 0, 0, CAUSE_TOO_BIG},
    {13, false, true, VIRTIO_NET_HDR_GSO_NONE, 0, 1372, 0, 0, CAUSE_NONE},
    {14, false, true, 77, 1000, 5000, 0, 0, CAUSE_TUN_MALFORMED},
};

Test(segment, refusals)
{
    struct super super;

    for (size_t i = 0; i < HF_COUNT(refusals); i++) {
        const struct refusal *row = &refusals[i];
        struct packet_spec spec = row->is_udp ? udp_spec() : tcp_spec();
        struct virtio_net_hdr vnet = {.gso_type = row->gso_type, .gso_size = (uint16_t)row->gso_size};

        spec.is_v6 = row->is_v6;
        spec.payload_len = row->payload_len;
        spec.fragment = row->fragment;
        size_t len = packet_write(&spec, bytes + VNET_HEADER);
        if (row->data_offset != 0) {
            bytes[VNET_HEADER + 20 + 12] = row->data_offset;
        }
        memcpy(bytes, &vnet, VNET_HEADER);
        cr_expect_eq(super_read(bytes, VNET_HEADER + len, 1400, &super), row->cause, "row %u", row->no);
    }
    memset(bytes, 0, VNET_HEADER);
    for (size_t len = 0; len <= VNET_HEADER; len++) {
        cr_expect_eq(super_read(bytes, len, 1400, &super), CAUSE_TUN_MALFORMED);
    }
}

/* All lengths and alignments against the sum of RFC 1071, which packets.c has: a UDP packet is right or not.
 */
Test(segment, sums_of_all_lengths)
{
    for (uint32_t len = 0; len < 200; len++) {
        struct packet_spec spec = udp_spec();

        spec.payload_len = len;
        size_t packet_len = packet_write(&spec, bytes + 1);
        uint64_t sum = sum_pseudo(bytes + 1 + 12, 8, 17, len + 8);
        uint64_t copied = sum_copy(sum, segment + 3, bytes + 1 + 20, len + 8);
        cr_assert_eq(sum_fold(sum_add(sum, bytes + 1 + 20, len + 8)), 0xffff, "length %u", len);
        cr_assert_eq(sum_fold(copied), 0xffff, "length %u", len);
        cr_assert_arr_eq(segment + 3, bytes + 1 + 20, packet_len - 20);
    }
    memset(bytes, 0xff, 65536);
    cr_assert_eq(sum_fold(sum_add(UINT32_MAX, bytes, 65536)), 0xffff);
}

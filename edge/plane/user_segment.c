#include "edge/plane/user_segment.h"

#include "edge/base/bytes.h"
#include "edge/plane/user_sum.h"

enum {
    TCP_HEADER = 20,
    TCP_SEQUENCE_AT = 4,
    TCP_OFFSET_AT = 12,
    TCP_FLAGS_AT = 13,
    TCP_SUM_AT = 16,
    TCP_FIN = 0x01,
    TCP_PSH = 0x08,
    TCP_CWR = 0x80,
    UDP_HEADER = 8,
    UDP_SUM_AT = 6,
};

/* The field already holds the sum of the pseudo header. */
static bool partial_sum_complete(uint8_t *packet, size_t len, const struct virtio_net_hdr *vnet)
{
    size_t field = (size_t)vnet->csum_start + vnet->csum_offset;

    if (field + 2 > len || vnet->csum_start < INNER_V4_HEADER) {
        return false;
    }
    uint16_t sum = (uint16_t)~sum_fold(sum_add(0, packet + vnet->csum_start, len - vnet->csum_start));
    /* The other form of zero, which in UDP means that there is no checksum; elsewhere the two are the same.
     */
    sum_store(packet + field, sum == 0 ? UINT16_MAX : sum);
    return true;
}

static bool gso_type_fits(uint8_t gso_type, const struct inner *inner)
{
    uint32_t ip_len = inner->version == 4 ? INNER_V4_HEADER : INNER_V6_HEADER;

    /* Extension headers could change the pseudo header; nobody sends a super-packet with them. */
    if (inner->is_fragment || (inner->version == 6 && inner->l4_at != ip_len)) {
        return false;
    }
    switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
        return inner->version == 4 && inner->protocol == INNER_TCP;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        return inner->version == 6 && inner->protocol == INNER_TCP;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
        return inner->protocol == INNER_UDP;
    default:
        return false;
    }
}

static uint32_t l4_header_len(const struct super *super)
{
    uint32_t left = super->inner.len - super->inner.l4_at;

    if (super->inner.protocol == INNER_UDP) {
        return UDP_HEADER;
    }
    return left < TCP_HEADER ? TCP_HEADER : (super->packet[super->inner.l4_at + TCP_OFFSET_AT] >> 4) * 4u;
}

static enum cause cuts_plan(const struct virtio_net_hdr *vnet, uint32_t mtu, struct super *super)
{
    uint32_t l4_len;

    if (!gso_type_fits(vnet->gso_type, &super->inner)) {
        return CAUSE_TUN_MALFORMED;
    }
    l4_len = l4_header_len(super);
    super->header_len = super->inner.l4_at + l4_len;
    if (super->header_len >= super->inner.len || vnet->gso_size < 1 ||
        (super->inner.protocol == INNER_TCP && l4_len < TCP_HEADER)) {
        return CAUSE_TUN_MALFORMED;
    }
    super->payload_len = super->inner.len - super->header_len;
    super->segment_len = vnet->gso_size;
    if (super->header_len + HF_MIN(super->segment_len, super->payload_len) > mtu) {
        if (super->inner.protocol == INNER_UDP) {
            return CAUSE_TOO_BIG;
        }
        super->segment_len = mtu - super->header_len; /* headers are below 180, mtu at least 1280 */
    }
    super->count = (super->payload_len + super->segment_len - 1) / super->segment_len;
    super->is_cut = true;
    return CAUSE_NONE;
}

enum cause super_read(uint8_t *bytes, size_t len, uint32_t mtu, struct super *ret_super)
{
    struct virtio_net_hdr vnet;

    *ret_super = (struct super){.packet = bytes + VNET_HEADER, .count = 1};
    if (len <= VNET_HEADER) {
        return CAUSE_TUN_MALFORMED;
    }
    memcpy(&vnet, bytes, sizeof(vnet));
    if (!inner_read(span_of(bytes + VNET_HEADER, len - VNET_HEADER), &ret_super->inner)) {
        return CAUSE_TUN_MALFORMED;
    }
    if (vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        return cuts_plan(&vnet, mtu, ret_super);
    }
    if ((vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 &&
        !partial_sum_complete(bytes + VNET_HEADER, ret_super->inner.len, &vnet)) {
        return CAUSE_TUN_MALFORMED;
    }
    return ret_super->inner.len > mtu ? CAUSE_TOO_BIG : CAUSE_NONE;
}

static uint32_t payload_len_of(const struct super *super, uint32_t index)
{
    return HF_MIN(super->segment_len, super->payload_len - index * super->segment_len);
}

size_t super_len(const struct super *super, uint32_t index)
{
    hf_assert(index < super->count);
    return super->is_cut ? super->header_len + payload_len_of(super, index) : super->inner.len;
}

static void ip_patch(const struct super *super, uint32_t index, uint8_t *packet, size_t len)
{
    if (super->inner.version == 4) {
        be16_store(packet + 2, (uint16_t)len);
        be16_store(packet + 4, (uint16_t)(be16_load(packet + 4) + index));
        sum_ipv4(packet, super->inner.l4_at);
    } else {
        be16_store(packet + 4, (uint16_t)(len - INNER_V6_HEADER));
    }
}

/* Sequence and flags of a segment as the sender would have made it: FIN and PSH belong to the last byte, CWR
 * to the first segment (RFC 3168 6.1.2). Returns where the checksum is, which is zero now. */
static uint8_t *l4_patch(const struct super *super, uint32_t index, uint8_t *l4, uint32_t l4_len)
{
    if (super->inner.protocol == INNER_UDP) {
        be16_store(l4 + 4, (uint16_t)l4_len);
        sum_store(l4 + UDP_SUM_AT, 0);
        return l4 + UDP_SUM_AT;
    }
    be32_store(l4 + TCP_SEQUENCE_AT, be32_load(l4 + TCP_SEQUENCE_AT) + index * super->segment_len);
    if (index + 1 < super->count) {
        l4[TCP_FLAGS_AT] &= (uint8_t)~(TCP_FIN | TCP_PSH);
    }
    if (index > 0) {
        l4[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
    }
    sum_store(l4 + TCP_SUM_AT, 0);
    return l4 + TCP_SUM_AT;
}

void super_cut(const struct super *super, uint32_t index, uint8_t *ret_packet)
{
    const struct inner *inner = &super->inner;

    if (!super->is_cut) {
        memcpy(ret_packet, super->packet, inner->len);
        return;
    }
    uint32_t payload_len = payload_len_of(super, index);
    uint32_t len = super->header_len + payload_len;
    uint32_t l4_len = len - inner->l4_at;
    uint8_t *l4 = ret_packet + inner->l4_at;
    memcpy(ret_packet, super->packet, super->header_len);
    ip_patch(super, index, ret_packet, len);
    uint8_t *sum_at = l4_patch(super, index, l4, l4_len);
    uint64_t sum = inner->version == 4 ? sum_pseudo(ret_packet + 12, 8, inner->protocol, l4_len)
                                       : sum_pseudo(ret_packet + 8, 32, inner->protocol, l4_len);
    sum = sum_add(sum, l4, super->header_len - inner->l4_at);
    sum = sum_copy(sum, ret_packet + super->header_len,
                   super->packet + super->header_len + index * super->segment_len, payload_len);
    uint16_t folded = (uint16_t)~sum_fold(sum);
    sum_store(sum_at, folded == 0 && inner->protocol == INNER_UDP ? UINT16_MAX : folded);
}

#include "edge/plane/user_merge.h"

#include "edge/base/bytes.h"
#include "edge/plane/user_internal.h"
#include "edge/plane/user_segment.h"
#include "edge/plane/user_sum.h"

enum {
    PACKET_MAX = PLANE_BURST_BYTES - VNET_HEADER,
    UDP_SEGMENTS_MAX = 64,
    UDP_HEADER = 8,
    UDP_SUM_AT = 6,
    TCP_HEADER = 20,
    TCP_SUM_AT = 16,
    TCP_FLAGS_AT = 13,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    V4_DONT_FRAGMENT = 0x4000,
};

/* A packet as a candidate to be joined. */
struct segment {
    const uint8_t *packet;
    const struct inner *inner;
    uint32_t header_len, payload_len;
    uint32_t sequence; /* TCP */
    bool is_pushed;
};

static bool is_tcp(const struct inner *inner)
{
    return inner->protocol == INNER_TCP;
}

static uint8_t *flow_packet(const struct merge_flow *flow)
{
    return flow->room + VNET_HEADER;
}

/* A flow that joining could concern at all; anything else has no order to keep. */
static bool is_of_flow(const struct inner *inner)
{
    return !inner->is_fragment && inner->has_ports && (is_tcp(inner) || inner->protocol == INNER_UDP);
}

/* An IPv4 header as a cut would make it: no options, a right checksum. IPv6: no extension headers. */
static bool ip_is_plain(const uint8_t *ip, const struct inner *inner)
{
    if (inner->version == 6) {
        return inner->l4_at == INNER_V6_HEADER;
    }
    return inner->l4_at == INNER_V4_HEADER && (be16_load(ip + 6) & ~V4_DONT_FRAGMENT) == 0 &&
           sum_fold(sum_add(0, ip, INNER_V4_HEADER)) == UINT16_MAX;
}

static bool tcp_read(struct segment *segment)
{
    const uint8_t *tcp = segment->packet + segment->inner->l4_at;
    uint32_t len = segment->inner->len - segment->inner->l4_at;

    if (len < TCP_HEADER) {
        return false;
    }
    uint32_t header_len = (tcp[12] >> 4) * 4u;
    if (header_len < TCP_HEADER || header_len >= len || (tcp[12] & 0x0f) != 0 ||
        (tcp[TCP_FLAGS_AT] & ~TCP_PSH) != TCP_ACK) {
        return false;
    }
    segment->header_len = segment->inner->l4_at + header_len;
    segment->payload_len = len - header_len;
    segment->sequence = be32_load(tcp + 4);
    segment->is_pushed = (tcp[TCP_FLAGS_AT] & TCP_PSH) != 0;
    return true;
}

static bool udp_read(const struct plane_user *plane, struct segment *segment)
{
    const uint8_t *udp = segment->packet + segment->inner->l4_at;
    uint32_t len = segment->inner->len - segment->inner->l4_at;

    if (!plane->config.tun_uso || len <= UDP_HEADER || be16_load(udp + 4) != len ||
        sum_load(udp + UDP_SUM_AT) == 0) {
        return false;
    }
    segment->header_len = segment->inner->l4_at + UDP_HEADER;
    segment->payload_len = len - UDP_HEADER;
    return true;
}

/* True when the packet may begin or go on with a super-packet, as far as it tells by itself. */
static bool segment_read(const struct plane_user *plane, const uint8_t *packet, const struct inner *inner,
                         struct segment *ret_segment)
{
    *ret_segment = (struct segment){.packet = packet, .inner = inner};
    if (!ip_is_plain(packet, inner)) {
        return false;
    }
    return is_tcp(inner) ? tcp_read(ret_segment) : udp_read(plane, ret_segment);
}

static uint64_t pseudo_sum(const uint8_t *ip, const struct inner *inner, uint32_t l4_len)
{
    return inner->version == 4 ? sum_pseudo(ip + 12, 8, inner->protocol, l4_len)
                               : sum_pseudo(ip + 8, 32, inner->protocol, l4_len);
}

static void flow_write(struct plane_user *plane, uint8_t *room, uint32_t len)
{
    const struct plane_host *host = &plane->config.host;

    plane->counters.tun_writes++;
    host->tun_write(host->context, room, VNET_HEADER + len);
}

static void headers_finish(struct merge_flow *flow)
{
    uint8_t *ip = flow_packet(flow), *l4 = ip + flow->inner.l4_at;
    uint32_t l4_len = flow->len - flow->inner.l4_at;

    if (flow->inner.version == 4) {
        be16_store(ip + 2, (uint16_t)flow->len);
        sum_ipv4(ip, INNER_V4_HEADER);
    } else {
        be16_store(ip + 4, (uint16_t)l4_len);
    }
    uint16_t pseudo = sum_fold(pseudo_sum(ip, &flow->inner, l4_len));
    if (is_tcp(&flow->inner)) {
        l4[TCP_FLAGS_AT] |= flow->is_pushed ? TCP_PSH : 0;
        sum_store(l4 + TCP_SUM_AT, pseudo);
    } else {
        be16_store(l4 + 4, (uint16_t)l4_len);
        sum_store(l4 + UDP_SUM_AT, pseudo);
    }
}

static uint8_t gso_type_of(const struct inner *inner)
{
    if (!is_tcp(inner)) {
        return VIRTIO_NET_HDR_GSO_UDP_L4;
    }
    return inner->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

/* Writes a flow's super-packet. A single segment goes as it came, with the checksums its sender gave it. */
static void flow_close(struct plane_user *plane, struct merge_flow *flow)
{
    struct virtio_net_hdr vnet = {.gso_type = VIRTIO_NET_HDR_GSO_NONE};
    uint8_t *room = flow->room;

    if (flow->count > 1) {
        headers_finish(flow);
        vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        vnet.gso_type = gso_type_of(&flow->inner);
        vnet.hdr_len = (uint16_t)flow->header_len;
        vnet.gso_size = (uint16_t)flow->segment_len;
        vnet.csum_start = (uint16_t)flow->inner.l4_at;
        vnet.csum_offset = is_tcp(&flow->inner) ? TCP_SUM_AT : UDP_SUM_AT;
    }
    memcpy(room, &vnet, sizeof(vnet));
    flow->room = NULL;
    flow_write(plane, room, flow->len);
}

static struct merge_flow *flow_find(struct merge *merge, const struct inner *inner)
{
    for (uint32_t i = 0; i < MERGE_FLOWS; i++) {
        struct merge_flow *flow = &merge->flows[i];
        if (flow->room != NULL && flow->inner.protocol == inner->protocol &&
            flow->inner.source_port == inner->source_port &&
            flow->inner.destination_port == inner->destination_port &&
            ip_equal(&flow->inner.source, &inner->source) &&
            ip_equal(&flow->inner.destination, &inner->destination)) {
            return flow;
        }
    }
    return NULL;
}

/* True when a cut of the flow's super-packet would give this segment the IP header it has. The identification
 * of a packet that may not be fragmented says nothing (RFC 6864 4.1). */
static bool ip_continues(const struct merge_flow *flow, const uint8_t *ip)
{
    const uint8_t *first = flow_packet(flow);

    if (flow->inner.version == 6) {
        return memcmp(first, ip, 4) == 0 && memcmp(first + 6, ip + 6, 2) == 0;
    }
    if (first[1] != ip[1] || memcmp(first + 6, ip + 6, 4) != 0) {
        return false;
    }
    return (be16_load(ip + 6) & V4_DONT_FRAGMENT) != 0 ||
           be16_load(ip + 4) == (uint16_t)(be16_load(first + 4) + flow->count);
}

/* Acknowledgement, window, urgent pointer and options are the same, and the bytes follow. */
static bool tcp_continues(const struct merge_flow *flow, const struct segment *segment)
{
    const uint8_t *first = flow_packet(flow) + flow->inner.l4_at;
    const uint8_t *tcp = segment->packet + segment->inner->l4_at;
    uint32_t options_len = segment->header_len - segment->inner->l4_at - TCP_HEADER;

    return segment->sequence == flow->sequence_next && memcmp(first + 8, tcp + 8, 4) == 0 &&
           memcmp(first + 14, tcp + 14, 2) == 0 && memcmp(first + 18, tcp + 18, 2 + options_len) == 0;
}

static bool flow_continues(const struct merge_flow *flow, const struct segment *segment)
{
    if (segment->header_len != flow->header_len || segment->payload_len > flow->segment_len ||
        flow->len + segment->payload_len > PACKET_MAX || !ip_continues(flow, segment->packet)) {
        return false;
    }
    return is_tcp(segment->inner) ? tcp_continues(flow, segment) : flow->count < UDP_SEGMENTS_MAX;
}

/* Copies the payload behind what the flow has; true when the checksum is right and it may count. */
static bool payload_copy(const struct segment *segment, uint8_t *ret_payload)
{
    const uint8_t *l4 = segment->packet + segment->inner->l4_at;
    uint32_t l4_header_len = segment->header_len - segment->inner->l4_at;
    uint64_t sum = pseudo_sum(segment->packet, segment->inner, l4_header_len + segment->payload_len);

    sum = sum_add(sum, l4, l4_header_len);
    sum = sum_copy(sum, ret_payload, segment->packet + segment->header_len, segment->payload_len);
    return sum_fold(sum) == UINT16_MAX;
}

/* Joins the segment to its flow; false when it does not fit there. What must be the last is written at once.
 */
static bool flow_join(struct plane_user *plane, struct merge_flow *flow, const struct segment *segment)
{
    if (!flow_continues(flow, segment) || !payload_copy(segment, flow_packet(flow) + flow->len)) {
        return false;
    }
    flow->len += segment->payload_len;
    flow->count++;
    flow->sequence_next += segment->payload_len;
    flow->is_pushed = segment->is_pushed;
    if (segment->is_pushed || segment->payload_len < flow->segment_len) {
        flow_close(plane, flow);
    }
    return true;
}

static struct merge_flow *flow_free(struct plane_user *plane)
{
    struct merge *merge = &plane->merge;

    for (uint32_t i = 0; i < MERGE_FLOWS; i++) {
        if (merge->flows[i].room == NULL) {
            return &merge->flows[i];
        }
    }
    struct merge_flow *flow = &merge->flows[merge->victim++ % MERGE_FLOWS];
    flow_close(plane, flow);
    return flow;
}

/* A room with the whole packet in it, or NULL. */
static uint8_t *packet_place(struct plane_user *plane, const uint8_t *packet, uint32_t len)
{
    const struct plane_host *host = &plane->config.host;
    uint8_t *room = host->tun_room(host->context);

    if (room == NULL) {
        drop_count(plane, CAUSE_SEND_FAILED);
        return NULL;
    }
    memset(room, 0, VNET_HEADER);
    memcpy(room + VNET_HEADER, packet, len);
    return room;
}

static void packet_write(struct plane_user *plane, const uint8_t *packet, uint32_t len)
{
    uint8_t *room = packet_place(plane, packet, len);

    if (room != NULL) {
        flow_write(plane, room, len);
    }
}

static void flow_open(struct plane_user *plane, const struct segment *segment)
{
    struct merge_flow *flow = flow_free(plane);
    uint8_t *room = packet_place(plane, segment->packet, segment->header_len);

    if (room == NULL) {
        return;
    }
    if (!payload_copy(segment, room + VNET_HEADER + segment->header_len)) {
        flow_write(plane, room, segment->inner->len); /* as wrong as it came: the receiver will see */
        return;
    }
    *flow = (struct merge_flow){
        .room = room,
        .inner = *segment->inner,
        .len = segment->inner->len,
        .header_len = segment->header_len,
        .segment_len = segment->payload_len,
        .count = 1,
        .sequence_next = segment->sequence + segment->payload_len,
    };
}

void merge_packet(struct plane_user *plane, const uint8_t *packet, const struct inner *inner)
{
    struct segment segment;

    if (inner->len > PACKET_MAX) {
        drop_count(plane, CAUSE_TOO_BIG);
        return;
    }
    if (!is_of_flow(inner)) {
        if (inner->is_fragment) { /* of a flow that it does not name: behind all that came before */
            merge_flush(plane);
        }
        packet_write(plane, packet, inner->len);
        return;
    }
    bool may_join = segment_read(plane, packet, inner, &segment);
    struct merge_flow *flow = flow_find(&plane->merge, inner);
    if (flow != NULL) {
        if (may_join && flow_join(plane, flow, &segment)) {
            return;
        }
        flow_close(plane, flow);
    }
    if (may_join && !segment.is_pushed) {
        flow_open(plane, &segment);
    } else {
        packet_write(plane, packet, inner->len);
    }
}

void merge_flush(struct plane_user *plane)
{
    for (uint32_t i = 0; i < MERGE_FLOWS; i++) {
        if (plane->merge.flows[i].room != NULL) {
            flow_close(plane, &plane->merge.flows[i]);
        }
    }
}

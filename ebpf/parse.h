/* Ethernet, VLAN, IPv4, IPv6, UDP: where things are. Nothing is changed, nothing is decided but that a packet
 * is not for us or is malformed. */
#pragma once

#include "ebpf/view.h"

/* HF_UNDECIDED when IP follows at view->l3; ret_type is the EtherType. */
HF_SHARED enum hf_verdict hf_parse_link(struct hf_packet *packet, struct hf_view *view, uint32_t *ret_type)
{
    const uint8_t *eth = hf_packet_at(packet, 0, HF_ETH_BYTES);
    if (!eth) {
        return HF_PASS_NOT_IP;
    }
    hf_copy6(view->mac, eth);
    hf_copy6(view->mac + 6, eth + 6);
    if (eth[0] & 1) { /* to a group: a switch floods it, and each node would answer */
        return HF_PASS_NOT_OURS;
    }
    uint32_t type = hf_load16(eth + 12);
    uint32_t at = HF_ETH_BYTES;
    view->num_tags = 0;
    for (uint32_t i = 0; i < HF_VLAN_TAGS_MAX; i++) {
        if (type != HF_ETH_VLAN && type != HF_ETH_QINQ) {
            break;
        }
        const uint8_t *tag = hf_packet_at(packet, at, 4);
        if (!tag) {
            return HF_PASS_NOT_IP;
        }
        view->tags[i] = type << 16 | hf_load16(tag);
        view->num_tags = (uint16_t)(i + 1);
        type = hf_load16(tag + 2);
        at += 4;
    }
    view->l3 = (uint16_t)at;
    *ret_type = type;
    return type == HF_ETH_IP4 || type == HF_ETH_IP6 ? HF_UNDECIDED : HF_PASS_NOT_IP;
}

/* Which of our addresses `addr` is; 0: none. */
HF_SHARED uint8_t hf_local_kind(const struct hf_config *config, const uint64_t addr[2])
{
    HF_NO_UNROLL
    for (uint32_t i = 0; i < HF_LOCAL_MAX; i++) {
        const struct hf_local *local = &config->local[i];
        if (local->kind == 0) {
            break;
        }
        if (((addr[0] & local->mask[0]) ^ local->addr[0]) == 0 &&
            ((addr[1] & local->mask[1]) ^ local->addr[1]) == 0) {
            return (uint8_t)local->kind;
        }
    }
    return 0;
}

/* Nobody has these addresses: an answer would go to a group or to ourselves (RFC 1122 3.2.1.3). */
HF_SHARED int hf_source_valid4(uint8_t first)
{
    return first != 0 && first != 127 && first < 224;
}

/* Neither a group nor, unspecified, loopback or IPv4-mapped, in ::/80; IPv4-mapped ones would pass for IPv4
 * addresses here. */
HF_SHARED int hf_source_valid6(const uint64_t addr[2])
{
    return (addr[0] & 0xff) != 0xff && (addr[0] != 0 || (addr[1] & 0xffff) != 0);
}

HF_SHARED enum hf_verdict hf_parse_ip4(struct hf_packet *packet, struct hf_view *view,
                                       const struct hf_config *config)
{
    const uint8_t *ip = hf_packet_at(packet, view->l3, HF_IP4_BYTES);
    if (!ip) {
        return HF_PASS_NOT_IP;
    }
    uint32_t header_len = (ip[0] & 15U) * 4;
    uint32_t fragment = hf_load16(ip + 6);
    view->is_v6 = 0;
    view->src[0] = view->dst[0] = 0;
    view->src[1] = hf_v4_word(ip + 12);
    view->dst[1] = hf_v4_word(ip + 16);
    view->ip_len = hf_load16(ip + 2);
    view->tos = ip[1];
    view->proto = ip[9];
    view->fragment_id = hf_load16(ip + 4) | (uint32_t)ip[9] << 16;
    view->is_fragment = (fragment & 0x3fff) != 0;
    view->dont_fragment = (fragment & 0x4000) != 0;
    view->l4 = (uint16_t)(view->l3 + header_len);
    view->local = hf_local_kind(config, view->dst);
    if (view->local == 0) {
        return HF_PASS_NOT_OURS;
    }
    if (ip[0] >> 4 != 4 || header_len < HF_IP4_BYTES || view->ip_len < header_len ||
        !hf_source_valid4(ip[12])) {
        return HF_IP_MALFORMED;
    }
    return HF_UNDECIDED;
}

enum { HF_IP6_HOPOPTS = 0, HF_IP6_ROUTING = 43, HF_IP6_FRAGMENT = 44, HF_IP6_DSTOPTS = 60 };

/* From the IPv6 header to the transport header or the first sign of a fragment. A fragment header that says
 * neither offset nor more is an atomic fragment, which is a whole datagram (RFC 6946). */
HF_SHARED enum hf_verdict hf_parse_extensions(struct hf_packet *packet, struct hf_view *view, uint32_t next)
{
    uint32_t at = view->l3 + HF_IP6_BYTES;
    HF_NO_UNROLL
    for (int i = 0; i <= HF_IP6_HEADERS_MAX; i++) {
        if (next != HF_IP6_HOPOPTS && next != HF_IP6_ROUTING && next != HF_IP6_FRAGMENT &&
            next != HF_IP6_DSTOPTS) {
            view->proto = (uint8_t)next;
            view->l4 = (uint16_t)at;
            return HF_UNDECIDED;
        }
        const uint8_t *header = hf_packet_at(packet, at, 8);
        if (!header) {
            return HF_IP_MALFORMED;
        }
        if (next == HF_IP6_FRAGMENT) {
            if ((hf_load16(header + 2) & 0xfff9) != 0) {
                view->is_fragment = 1;
                view->fragment_id = hf_load32(header + 4);
                return HF_UNDECIDED;
            }
            at += 8;
        } else {
            at += 8 * (header[1] + 1U);
        }
        next = header[0];
    }
    return HF_IP6_HEADERS;
}

HF_SHARED enum hf_verdict hf_parse_ip6(struct hf_packet *packet, struct hf_view *view,
                                       const struct hf_config *config)
{
    const uint8_t *ip = hf_packet_at(packet, view->l3, HF_IP6_BYTES);
    if (!ip) {
        return HF_PASS_NOT_IP;
    }
    uint32_t first = hf_load32(ip);
    uint32_t next = ip[6];
    view->is_v6 = 1;
    view->src[0] = hf_word_load(ip + 8);
    view->src[1] = hf_word_load(ip + 16);
    view->dst[0] = hf_word_load(ip + 24);
    view->dst[1] = hf_word_load(ip + 32);
    view->ip_len = HF_IP6_BYTES + hf_load16(ip + 4);
    view->tos = (uint8_t)(first >> 20);
    view->is_fragment = 0;
    view->dont_fragment = 1;
    view->fragment_id = 0;
    view->local = hf_local_kind(config, view->dst);
    if (view->local == 0) {
        return HF_PASS_NOT_OURS;
    }
    if (first >> 28 != 6 || !hf_source_valid6(view->src) || hf_is_v4(view->dst)) {
        return HF_IP_MALFORMED;
    }
    return hf_parse_extensions(packet, view, next);
}

/* Ports, body and head of what is no fragment; body_len is up to the end of the IP packet for all but UDP. */
HF_SHARED enum hf_verdict hf_parse_transport(struct hf_packet *packet, struct hf_view *view)
{
    uint32_t end = view->l3 + view->ip_len;
    if (view->l4 > end) {
        return HF_IP_MALFORMED;
    }
    uint32_t len = end - view->l4;
    view->body = view->l4;
    view->src_port = view->dst_port = 0;
    if (view->proto == HF_PROTO_UDP) {
        const uint8_t *udp = hf_packet_at(packet, view->l4, HF_UDP_BYTES);
        uint32_t udp_len = udp ? hf_load16(udp + 4) : 0;
        if (!udp || udp_len < HF_UDP_BYTES || udp_len > len) {
            return HF_UDP_MALFORMED;
        }
        view->src_port = (uint16_t)hf_load16(udp);
        view->dst_port = (uint16_t)hf_load16(udp + 2);
        view->body = (uint16_t)(view->l4 + HF_UDP_BYTES);
        len = udp_len - HF_UDP_BYTES;
    }
    view->body_len = (uint16_t)len;
    view->head = 0;
    if (len >= 8) {
        const uint8_t *head = hf_packet_at(packet, view->body, 8);
        if (!head) {
            return HF_IP_MALFORMED;
        }
        view->head = hf_word_load(head);
    }
    return HF_UNDECIDED;
}

/* An IP packet at view->l3. */
HF_SHARED enum hf_verdict hf_parse_ip(struct hf_packet *packet, struct hf_view *view,
                                      const struct hf_config *config, uint32_t type)
{
    enum hf_verdict verdict =
        type == HF_ETH_IP4 ? hf_parse_ip4(packet, view, config) : hf_parse_ip6(packet, view, config);
    if (verdict != HF_UNDECIDED) {
        return verdict;
    }
    if (view->l3 + view->ip_len > view->frame_len) {
        return HF_IP_MALFORMED;
    }
    if (hf_local_kind(config, view->src) != 0) { /* an answer would be to ourselves */
        return HF_IP_MALFORMED;
    }
    return view->is_fragment ? HF_UNDECIDED : hf_parse_transport(packet, view);
}

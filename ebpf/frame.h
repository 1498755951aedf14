/* Headers that the program writes itself: Ethernet with the VLAN tags of the packet that came in, IPv4 and
 * IPv6 without options. */
#pragma once

#include "ebpf/view.h"

/* How long hf_link_write() writes. */
HF_SHARED uint32_t hf_link_len(uint32_t num_tags)
{
    return HF_ETH_BYTES + 4 * num_tags;
}

/* 0 when done. At the frame's start; `tags` as in struct hf_view. */
HF_SHARED int hf_link_write(struct hf_packet *packet, const struct hf_view *view, const uint8_t *to,
                            const uint8_t *from, uint32_t num_tags, uint32_t type)
{
    uint8_t *eth = hf_packet_at(packet, 0, HF_ETH_BYTES);
    if (!eth) {
        return -1;
    }
    hf_copy6(eth, to);
    hf_copy6(eth + 6, from);
    uint32_t at = 12;
    for (uint32_t i = 0; i < HF_VLAN_TAGS_MAX; i++) {
        if (i >= num_tags) {
            break;
        }
        uint8_t *tag = hf_packet_at(packet, at, 4);
        if (!tag) {
            return -1;
        }
        hf_store32(tag, view->tags[i]);
        at += 4;
    }
    uint8_t *place = hf_packet_at(packet, at, 2);
    if (!place) {
        return -1;
    }
    hf_store16(place, type);
    return 0;
}

/* The header of an IP packet from us. */
struct hf_ip_out {
    uint64_t src[2], dst[2];
    uint32_t is_v6, tos, proto, flow;
    uint32_t payload_len;
};

HF_SHARED uint32_t hf_ip_header_len(uint32_t is_v6)
{
    return is_v6 ? HF_IP6_BYTES : HF_IP4_BYTES;
}

HF_SHARED void hf_ip4_write(uint8_t *ip, const struct hf_ip_out *out)
{
    ip[0] = 0x45;
    ip[1] = (uint8_t)out->tos;
    hf_store16(ip + 2, HF_IP4_BYTES + out->payload_len);
    hf_store32(ip + 4, 0x4000); /* id 0, DF (RFC 6864 4.1) */
    ip[8] = 64;
    ip[9] = (uint8_t)out->proto;
    hf_store16(ip + 10, 0);
    hf_v4_store(ip + 12, out->src[1]);
    hf_v4_store(ip + 16, out->dst[1]);
    uint64_t sum = 0;
    sum = hf_sum_add16(sum, 0x4500 | (uint8_t)out->tos);
    sum = hf_sum_add16(sum, HF_IP4_BYTES + out->payload_len);
    sum = hf_sum_add16(sum, 0x4000);
    sum = hf_sum_add16(sum, 64 << 8 | (uint8_t)out->proto);
    sum += (out->src[1] >> 32) + (out->dst[1] >> 32);
    hf_sum_store(ip + 10, sum);
}

HF_SHARED void hf_ip6_write(uint8_t *ip, const struct hf_ip_out *out)
{
    hf_store32(ip, 6U << 28 | (out->tos & 0xff) << 20 | (out->flow & 0xfffff));
    hf_store16(ip + 4, out->payload_len);
    ip[6] = (uint8_t)out->proto;
    ip[7] = 64;
    hf_word_store(ip + 8, out->src[0]);
    hf_word_store(ip + 16, out->src[1]);
    hf_word_store(ip + 24, out->dst[0]);
    hf_word_store(ip + 32, out->dst[1]);
}

/* 0 when done. */
HF_SHARED int hf_ip_write(struct hf_packet *packet, uint32_t at, const struct hf_ip_out *out)
{
    if (out->is_v6) {
        uint8_t *ip = hf_packet_at(packet, at, HF_IP6_BYTES);
        if (!ip) {
            return -1;
        }
        hf_ip6_write(ip, out);
    } else {
        uint8_t *ip = hf_packet_at(packet, at, HF_IP4_BYTES);
        if (!ip) {
            return -1;
        }
        hf_ip4_write(ip, out);
    }
    return 0;
}

/* The part of a UDP or ICMPv6 checksum that is not in the packet: RFC 768, RFC 8200 8.1. */
HF_SHARED uint64_t hf_sum_pseudo(const struct hf_ip_out *out)
{
    uint64_t sum = 0;
    if (out->is_v6) {
        sum = hf_sum_add(hf_sum_add(sum, out->src[0]), out->src[1]);
        sum = hf_sum_add(hf_sum_add(sum, out->dst[0]), out->dst[1]);
    } else {
        sum += (out->src[1] >> 32) + (out->dst[1] >> 32);
    }
    sum = hf_sum_add16(sum, out->payload_len);
    return hf_sum_add16(sum, out->proto);
}

/* An answer to who sent the packet: from the address that it came to. */
HF_SHARED struct hf_ip_out hf_ip_answer(const struct hf_view *view, uint32_t proto, uint32_t payload_len)
{
    return (struct hf_ip_out){
        .src = {view->dst[0], view->dst[1]},
        .dst = {view->src[0], view->src[1]},
        .is_v6 = view->is_v6,
        .proto = proto,
        .payload_len = payload_len,
    };
}

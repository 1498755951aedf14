/* Node to node: putting a client's packet into another node's hands and taking one out (steer.h has the
 * header). The packet keeps its own addresses; the owner answers the client directly. */
#pragma once

#include "ebpf/frame.h"
#include "ebpf/hop.h"
#include "ebpf/budget.h"

HF_SHARED struct hf_hop_inner hf_hop_inner_of(const struct hf_view *view)
{
    return (struct hf_hop_inner){
        .src = {view->src[0], view->src[1]},
        .dst = {view->dst[0], view->dst[1]},
        .head = view->head,
        .ip_len = view->ip_len,
        .src_port = view->src_port,
        .dst_port = view->dst_port,
        .is_v6 = view->is_v6,
        .proto = view->proto,
    };
}

/* Sends the same SPI the same way: the low bits of a product, folded. */
HF_SHARED uint32_t hf_flow_of(uint64_t spi)
{
    return (uint32_t)((spi * 0x9e3779b97f4a7c15ULL) >> 44);
}

/* UDP and the node-to-node header. */
HF_SHARED void hf_hop_write(uint8_t *udp, const struct hf_config *config, uint32_t payload_len, uint32_t flow,
                            uint64_t hop_word, uint64_t mac)
{
    hf_store16(udp, 0xc000 | (flow & 0x3fff));
    hf_store16(udp + 2, config->hop_port);
    hf_store16(udp + 4, payload_len);
    hf_store16(udp + 6, 0); /* RFC 6935, RFC 6936: the MAC and the inner checks stand in for it */
    hf_word_store(udp + 8, hop_word);
    hf_store64(udp + 16, mac);
}

HF_SHARED uint32_t hf_overhead(const struct hf_node *node)
{
    return node->flags & HF_NODE_V6 ? HF_OVERHEAD_V6 : HF_OVERHEAD_V4;
}

/* The packet becomes one for `node`; HF_UNDECIDED when it has. */
HF_SHARED enum hf_verdict hf_hop_seal(struct hf_packet *packet, const struct hf_view *view,
                                      const struct hf_config *config, const struct hf_node *node)
{
    uint32_t is_v6 = (node->flags & HF_NODE_V6) != 0;
    uint32_t payload_len = HF_UDP_BYTES + HF_HOP_BYTES + view->ip_len;
    uint32_t num_tags = node->ifindex ? 0 : view->num_tags;
    uint32_t flow = hf_flow_of(view->spi);
    uint32_t at = hf_link_len(num_tags);
    int growth = (int)(at + hf_overhead(node)) - (int)view->l3;
    struct hf_hop hop = {
        .hop = view->hop + 1U,
        .epoch = config->hop_epoch,
        .node = config->self,
        .table_version = config->table_version,
    };
    struct hf_hop_inner inner = hf_hop_inner_of(view);
    uint64_t word = hf_hop_word(&hop);
    uint64_t mac = hf_hop_mac(config->hop_keys[config->hop_epoch & 3], word, view->node, &inner);
    struct hf_ip_out out = {
        .src = {node->local[0], node->local[1]},
        .dst = {node->remote[0], node->remote[1]},
        .is_v6 = is_v6,
        .tos = view->tos,
        .proto = HF_PROTO_UDP,
        .flow = flow,
        .payload_len = payload_len,
    };
    if (hf_packet_head(packet, -growth) != 0 ||
        hf_link_write(packet, view, node->link_to, node->link_from, num_tags,
                      is_v6 ? HF_ETH_IP6 : HF_ETH_IP4) != 0 ||
        hf_ip_write(packet, at, &out) != 0) {
        return HF_NO_ROOM;
    }
    uint8_t *udp = hf_packet_at(packet, at + hf_ip_header_len(is_v6), HF_UDP_BYTES + HF_HOP_BYTES);
    if (!udp) {
        return HF_NO_ROOM;
    }
    hf_hop_write(udp, config, payload_len, flow, word, mac);
    return HF_UNDECIDED;
}

/* First sight of a node-to-node packet: what its header says, before anything of it is believed. The view is
 * still that of the outer packet. HF_UNDECIDED: go on with the inner packet at ret_inner. */
HF_SHARED enum hf_verdict hf_hop_read(struct hf_packet *packet, struct hf_view *view,
                                      const struct hf_config *config, uint32_t *ret_inner)
{
    struct hf_hop hop;
    const uint8_t *header =
        view->body_len >= HF_HOP_BYTES ? hf_packet_at(packet, view->body, HF_HOP_BYTES) : 0;
    if (!header || !hf_hop_parse(hf_word_load(header), &hop)) {
        return HF_HOP_MALFORMED;
    }
    view->hop_word = hf_word_load(header);
    view->hop_mac = hf_load64(header + 8);
    const struct hf_node *node = hf_world_node(packet, hop.node);
    if (!node || hop.node == config->self || node->remote[0] != view->src[0] ||
        node->remote[1] != view->src[1]) {
        return HF_HOP_SOURCE;
    }
    view->hop_node = (uint16_t)hop.node;
    view->hop_table = hop.table_version;
    view->hop = (uint8_t)hop.hop;
    *ret_inner = view->body + HF_HOP_BYTES;
    return HF_UNDECIDED;
}

/* 1 when the fleet made the header for this inner packet; all zero for a notice. */
HF_SHARED int hf_hop_is_ours(const struct hf_view *view, const struct hf_config *config,
                             const struct hf_hop_inner *inner)
{
    struct hf_hop hop;
    if (!hf_hop_parse(view->hop_word, &hop)) {
        return 0;
    }
    const uint64_t *key = config->hop_keys[hop.epoch & 3];
    return (key[0] | key[1]) != 0 && hf_hop_mac(key, view->hop_word, config->self, inner) == view->hop_mac;
}

HF_SHARED int hf_hop_is_notice(const struct hf_view *view)
{
    struct hf_hop hop;
    return hf_hop_parse(view->hop_word, &hop) && hop.is_notice;
}

/* The outer headers go: the frame begins with a link header again, then view->l3. */
HF_SHARED enum hf_verdict hf_hop_open(struct hf_packet *packet, struct hf_view *view)
{
    uint32_t link_len = hf_link_len(view->num_tags);
    uint32_t cut = view->l3 - link_len;
    if (cut > HF_OFFSET_MAX || hf_packet_head(packet, (int)cut) != 0 ||
        hf_link_write(packet, view, view->mac, view->mac + 6, view->num_tags,
                      view->is_v6 ? HF_ETH_IP6 : HF_ETH_IP4) != 0) {
        return HF_NO_ROOM;
    }
    view->l3 -= (uint16_t)cut;
    view->l4 -= (uint16_t)cut;
    view->body -= (uint16_t)cut;
    view->frame_len -= cut;
    hf_world_count(packet, HF_NOTE_HOP, view->frame_len);
    return HF_UNDECIDED;
}

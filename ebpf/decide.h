/* Whose a classified packet is, and whether it may go there. */
#pragma once

#include "ebpf/cookie.h"
#include "ebpf/forward.h"
#include "ebpf/too_big.h"

HF_SHARED int hf_node_is_alive(struct hf_packet *packet, const struct hf_config *config, uint32_t id)
{
    if (id == config->self) {
        return 1;
    }
    const struct hf_node *node = hf_world_node(packet, id);
    return node && (node->flags & HF_NODE_ALIVE) != 0;
}

/* The node and, on this node, the worker that view->shard belongs to: the first node of its row that lives.
 * HF_UNDECIDED, and the row's flags, when there is one. */
HF_SHARED enum hf_verdict hf_route(struct hf_packet *packet, struct hf_view *view,
                                   const struct hf_config *config, uint32_t *ret_flags)
{
    const uint64_t *place = hf_world_row(packet, view->shard);
    if (!place) {
        return HF_INTERNAL;
    }
    uint64_t row = *(const volatile uint64_t *)place;
    uint32_t node = row & 0xffff;
    if (!hf_node_is_alive(packet, config, node)) {
        node = row >> 16 & 0xffff;
        if (!hf_node_is_alive(packet, config, node)) {
            return HF_NO_OWNER;
        }
    }
    view->node = (uint16_t)node;
    *ret_flags = (uint32_t)(row >> 48);
    if (node == config->self) {
        view->worker = (uint16_t)(row >> 32);
    }
    return HF_UNDECIDED;
}

/* Whether an SA of this node has the ESP SPI. */
HF_SHARED int hf_esp_is_live(struct hf_packet *packet, const struct hf_view *view,
                             const struct hf_config *config)
{
    uint32_t bits = config->live_bits & 31;
    if (bits == 0) {
        return 1;
    }
    if (view->index >> bits != 0) {
        return 0;
    }
    uint64_t bit = (uint64_t)view->shard << bits | view->index;
    const uint64_t *word = hf_world_live(packet, (uint32_t)(bit / 64));
    return word && (*word >> (bit % 64) & 1) != 0;
}

HF_SHARED enum hf_verdict hf_decide_esp(struct hf_packet *packet, struct hf_view *view,
                                        const struct hf_config *config)
{
    uint32_t flags = 0;
    enum hf_verdict verdict = hf_route(packet, view, config, &flags);
    if (verdict != HF_UNDECIDED) {
        return verdict;
    }
    if (view->node == config->self) {
        return (flags & HF_ROW_OPEN) != 0 || hf_esp_is_live(packet, view, config) ? HF_WORKER_ESP
                                                                                  : HF_ESP_DEAD;
    }
    if (!hf_flow_take(packet, view, config, HF_RATE_SHARD, HF_FLOW_SHARD + view->shard)) {
        return HF_ESP_BUDGET;
    }
    return HF_NODE_ESP;
}

HF_SHARED enum hf_verdict hf_decide_shard(struct hf_packet *packet, struct hf_view *view,
                                          const struct hf_config *config, enum hf_verdict here,
                                          enum hf_verdict there)
{
    uint32_t flags;
    enum hf_verdict verdict = hf_route(packet, view, config, &flags);
    if (verdict != HF_UNDECIDED) {
        return verdict;
    }
    return view->node == config->self ? here : there;
}

/* The hash as a fraction of 2^32, times the count. */
HF_SHARED uint16_t hf_worker_of(uint64_t hash, const struct hf_config *config)
{
    return (uint16_t)((hash >> 32) * config->num_workers >> 32);
}

/* All fragments of a datagram meet at one core. What is for the node itself comes from other nodes, and goes
 * the kernel's way; its memory for reassembly is one for all. */
HF_SHARED enum hf_verdict hf_decide_fragment(struct hf_packet *packet, struct hf_view *view,
                                             const struct hf_config *config)
{
    if (view->local == HF_LOCAL_NODE) {
        return hf_single_take(packet, view, config, HF_RATE_FRAGMENTS_NODE) ? HF_PASS_OTHER
                                                                            : HF_FRAGMENT_BUDGET;
    }
    if (!hf_source_take(packet, view, config, HF_BUDGET_FRAGMENT) ||
        !hf_single_take(packet, view, config, HF_RATE_FRAGMENTS)) {
        return HF_FRAGMENT_BUDGET;
    }
    struct hf_sip h = hf_sip_start(config->fragment_key);
    hf_sip_word(&h, view->src[0], 1);
    hf_sip_word(&h, view->src[1], 1);
    hf_sip_word(&h, view->dst[0], 1);
    hf_sip_word(&h, view->dst[1], 1);
    hf_sip_word(&h, 36ULL << 56 | view->fragment_id, 1);
    view->worker = hf_worker_of(hf_sip_end(&h, 3), config);
    return HF_WORKER_FRAGMENT;
}

HF_SHARED enum hf_verdict hf_decide_icmp(struct hf_packet *packet, struct hf_view *view,
                                         const struct hf_config *config)
{
    if (view->kind == HF_KIND_ICMP_IKE) {
        return hf_decide_shard(packet, view, config, HF_WORKER_ICMP, HF_NODE_ICMP);
    }
    if (!hf_single_take(packet, view, config, HF_RATE_ICMP_CLIENT)) {
        return HF_ICMP_BUDGET;
    }
    view->worker =
        (uint16_t)hf_first_worker(config->first_key, 0, (const uint8_t *)view->src, config->num_workers);
    return HF_WORKER_ICMP_CLIENT;
}

/* Of a first message, and of other versions of IKE, the worker follows from SPIi and the source address. */
HF_SHARED enum hf_verdict hf_decide_first(struct hf_packet *packet, struct hf_view *view,
                                          const struct hf_config *config, const struct hf_control *control)
{
    enum hf_verdict verdict = HF_WORKER_VERSION;
    if (view->kind == HF_KIND_FIRST) {
        verdict = hf_gate_first(packet, view, config, control);
    } else if (!hf_single_take(packet, view, config, HF_RATE_VERSION)) {
        verdict = HF_VERSION_BUDGET;
    }
    if (verdict == HF_WORKER_FIRST || verdict == HF_WORKER_VERSION) {
        view->worker = (uint16_t)hf_first_worker(config->first_key, view->spi_i, (const uint8_t *)view->src,
                                                 config->num_workers);
    }
    return verdict;
}

HF_SHARED enum hf_verdict hf_decide(struct hf_packet *packet, struct hf_view *view,
                                    const struct hf_config *config, const struct hf_control *control)
{
    switch (view->kind) {
    case HF_KIND_ESP:
        return hf_decide_esp(packet, view, config);
    case HF_KIND_IKE:
        if (!view->hop && !hf_budget_take(packet, view, config, HF_BUDGET_IKE, view->spi)) {
            return HF_IKE_BUDGET;
        }
        return hf_decide_shard(packet, view, config, HF_WORKER_IKE, HF_NODE_IKE);
    case HF_KIND_ICMP_IKE:
    case HF_KIND_ICMP_CLIENT:
        return hf_decide_icmp(packet, view, config);
    }
    if (view->hop) {
        return HF_HOP_CLASS;
    }
    return view->kind == HF_KIND_FRAGMENT ? hf_decide_fragment(packet, view, config)
                                          : hf_decide_first(packet, view, config, control);
}

/* For another node: the rules of hops, budgets and sizes, then the packet is encapsulated. On HF_UNDECIDED it
 * may be sent as the node's entry says. */
HF_SHARED enum hf_verdict hf_send_to_node(struct hf_packet *packet, struct hf_view *view,
                                          const struct hf_config *config)
{
    const struct hf_node *node = hf_world_node(packet, view->node);
    if (view->hop >= HF_HOP_MAX) {
        return HF_HOP_LIMIT;
    }
    if (view->hop && view->node == view->hop_node) {
        return HF_HOP_BACK;
    }
    if (!node || !(node->flags & HF_NODE_RESOLVED)) {
        return HF_NODE_UNRESOLVED;
    }
    if (!hf_node_take(packet, view, config, HF_RATE_NODE_OUT_ESP, view->node)) {
        return HF_NODE_BUDGET;
    }
    uint32_t overhead = hf_overhead(node);
    if (view->ip_len + overhead > node->mtu) {
        return hf_too_big(packet, view, config, node->mtu - overhead);
    }
    return hf_hop_seal(packet, view, config, node);
}

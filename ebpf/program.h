/* The steering program from the packet to the XDP action. */
#pragma once

#include "ebpf/decide.h"
#include "ebpf/kind.h"

enum { HF_XDP_DROP = 1, HF_XDP_PASS = 2, HF_XDP_TX = 3, HF_XDP_REDIRECT = 4 };

HF_SHARED enum hf_action hf_action_of(enum hf_verdict verdict)
{
    switch (verdict) {
#define HF_VERDICT_ACTION(name, action, json, text)                                                          \
    case HF_##name:                                                                                          \
        return HF_ACTION_##action;
        HF_VERDICTS(HF_VERDICT_ACTION)
#undef HF_VERDICT_ACTION
    default:
        return HF_ACTION_DROP;
    }
}

HF_SHARED void hf_event_emit(struct hf_packet *packet, struct hf_view *view, const struct hf_config *config,
                             enum hf_event_kind kind, uint32_t verdict)
{
    if (!hf_flow_take(packet, view, config, HF_RATE_EVENT, HF_FLOW_EVENT + (uint32_t)kind)) {
        return;
    }
    struct hf_event event = {
        .time_ns = hf_world_monotonic(packet),
        .src = {view->src[0], view->src[1]},
        .dst = {view->dst[0], view->dst[1]},
        .spi = view->spi,
        .head = view->head,
        .table_version = view->hop ? view->hop_table : config->table_version,
        .len = view->frame_len,
        .src_port = view->src_port,
        .dst_port = view->dst_port,
        .shard = view->shard,
        .node = kind == HF_EVENT_PEER_OLD || kind == HF_EVENT_SELF_OLD ? view->hop_node : view->node,
        .worker = view->worker,
        .kind = (uint8_t)kind,
        .verdict = (uint8_t)verdict,
        .proto = view->proto,
        .hop = view->hop,
    };
    if (!hf_world_event(packet, &event)) {
        hf_world_count(packet, HF_NOTE_EVENT_LOST, view->frame_len);
    }
}

/* A packet, or a notice, of the fleet: do we and its sender work with the same table? */
HF_SHARED void hf_tables_compare(struct hf_packet *packet, struct hf_view *view,
                                 const struct hf_config *config)
{
    if (view->hop_table < config->table_version) {
        hf_event_emit(packet, view, config, HF_EVENT_PEER_OLD, HF_NOTE_HOP);
    } else if (view->hop_table > config->table_version) {
        hf_event_emit(packet, view, config, HF_EVENT_SELF_OLD, HF_NOTE_HOP);
    }
}

HF_SHARED enum hf_verdict hf_take_notice(struct hf_packet *packet, struct hf_view *view,
                                         const struct hf_config *config)
{
    struct hf_hop_inner nothing = {0};
    if (!hf_hop_is_ours(view, config, &nothing)) {
        return HF_HOP_FORGED;
    }
    if (view->hop_table > config->table_version) {
        hf_event_emit(packet, view, config, HF_EVENT_SELF_OLD, HF_HOP_NOTICE);
    }
    return HF_HOP_NOTICE;
}

/* From another node: `view` was of the outer packet, and becomes that of the inner, which is then the whole
 * frame. */
HF_SHARED enum hf_verdict hf_take_hop(struct hf_packet *packet, struct hf_view *view,
                                      const struct hf_config *config)
{
    uint32_t inner_at = 0;
    enum hf_verdict verdict = hf_hop_read(packet, view, config, &inner_at);
    if (verdict != HF_UNDECIDED) {
        return verdict;
    }
    if (hf_hop_is_notice(view)) {
        return hf_take_notice(packet, view, config);
    }
    const uint8_t *first = hf_packet_at(packet, inner_at, 1);
    if (!first) {
        return HF_HOP_MALFORMED;
    }
    view->l3 = (uint16_t)inner_at;
    verdict = hf_parse_ip(packet, view, config, *first >> 4 == 6 ? HF_ETH_IP6 : HF_ETH_IP4);
    if (verdict != HF_UNDECIDED || view->is_fragment || view->local != HF_LOCAL_ANYCAST) {
        return HF_HOP_CLASS;
    }
    struct hf_hop_inner inner = hf_hop_inner_of(view);
    if (!hf_hop_is_ours(view, config, &inner)) {
        return HF_HOP_FORGED;
    }
    hf_tables_compare(packet, view, config);
    verdict = hf_hop_open(packet, view);
    if (verdict == HF_UNDECIDED) {
        verdict = hf_classify(packet, view, config);
    }
    if (verdict == HF_UNDECIDED && !hf_node_take(packet, view, config, HF_RATE_NODE_IN_ESP, view->hop_node)) {
        return HF_HOP_BUDGET;
    }
    return verdict;
}

HF_SHARED void hf_view_reset(struct hf_packet *packet, struct hf_view *view)
{
    view->now_ns = 0;
    view->frame_len = hf_packet_len(packet);
    view->spi = view->spi_i = 0;
    view->src[0] = view->src[1] = view->dst[0] = view->dst[1] = 0;
    view->src_port = view->dst_port = 0;
    view->shard = view->node = view->worker = 0xffff;
    view->proto = view->marker = view->hop = 0;
}

HF_SHARED enum hf_verdict hf_judge(struct hf_packet *packet, struct hf_view *view,
                                   const struct hf_config *config, const struct hf_control *control)
{
    uint32_t type = 0;
    hf_view_reset(packet, view);
    enum hf_verdict verdict = hf_parse_link(packet, view, &type);
    if (verdict == HF_UNDECIDED) {
        verdict = hf_parse_ip(packet, view, config, type);
    }
    if (verdict == HF_UNDECIDED) {
        verdict = hf_classify(packet, view, config);
    }
    if (verdict == HF_UNDECIDED && view->kind == HF_KIND_HOP) {
        verdict = hf_take_hop(packet, view, config);
    }
    return verdict != HF_UNDECIDED ? verdict : hf_decide(packet, view, config, control);
}

HF_SHARED void hf_trace(struct hf_packet *packet, struct hf_view *view, const struct hf_config *config,
                        const struct hf_control *control, enum hf_verdict verdict)
{
    int any_addr = (control->trace_addr[0] | control->trace_addr[1]) == 0;
    if (!any_addr && (view->src[0] != control->trace_addr[0] || view->src[1] != control->trace_addr[1])) {
        return;
    }
    if (control->trace_spi == 0 || control->trace_spi == view->spi) {
        hf_event_emit(packet, view, config, HF_EVENT_TRACE, verdict);
    }
}

/* The XDP action for the verdict. */
HF_SHARED int hf_act(struct hf_packet *packet, const struct hf_view *view, const struct hf_config *config,
                     enum hf_verdict verdict)
{
    switch (hf_action_of(verdict)) {
    case HF_ACTION_PASS:
        return HF_XDP_PASS;
    case HF_ACTION_WORKER:
        if (config->mode != HF_MODE_CPUMAP || view->worker >= HF_WORKERS_MAX) {
            return HF_XDP_PASS;
        }
        return hf_world_to_cpu(packet, config->worker_cpu[view->worker % HF_WORKERS_MAX]);
    case HF_ACTION_NODE: {
        const struct hf_node *node = hf_world_node(packet, view->node);
        return node && node->ifindex ? hf_world_to_device(packet, node->ifindex) : HF_XDP_TX;
    }
    case HF_ACTION_ANSWER:
        return HF_XDP_TX;
    default:
        return HF_XDP_DROP;
    }
}

HF_SHARED int hf_steer(struct hf_packet *packet)
{
    struct hf_view *view = hf_world_view(packet);
    const struct hf_control *control = hf_world_control(packet);
    const struct hf_config *config = control ? hf_world_config(packet, control->active & 1) : 0;
    if (!view || !config) {
        hf_world_count(packet, HF_INTERNAL, hf_packet_len(packet));
        return HF_XDP_PASS;
    }
    enum hf_verdict verdict = hf_judge(packet, view, config, control);
    if (hf_action_of(verdict) == HF_ACTION_NODE) {
        enum hf_verdict sent = hf_send_to_node(packet, view, config);
        verdict = sent == HF_UNDECIDED ? verdict : sent;
        if (verdict == HF_WORKER_TOO_BIG) {
            view->worker =
                (uint16_t)((uint32_t)view->shard * config->num_workers >> (config->spi.shard_bits & 31));
        }
    }
    if (verdict == HF_WORKER_ICMP_CLIENT && !view->hop) {
        hf_event_emit(packet, view, config, HF_EVENT_ICMP_CLIENT, verdict);
    }
    if (control->trace) {
        hf_trace(packet, view, config, control, verdict);
    }
    hf_world_count(packet, verdict, view->frame_len);
    return hf_act(packet, view, config, verdict);
}

/* Token buckets, in fixed arrays only: what a flood of invented sources can do is to meet each other in
 * cells, never to make the tables grow or to push somebody out. Buckets are read and written without a lock;
 * two CPUs that do so at once lose a token, no more. */
#pragma once

#include "ebpf/view.h"

/* A cell is the time at which its bucket is full again. Whether there was a token. */
HF_SHARED int hf_bucket_take(uint64_t *cell, uint64_t now, const struct hf_rate *rate)
{
    if (rate->interval_ns == 0) {
        return 1;
    }
    uint64_t full_at = *cell;
    if (full_at < now) {
        full_at = now;
    }
    if (full_at - now > rate->burst_ns) {
        return 0;
    }
    *cell = full_at + rate->interval_ns;
    return 1;
}

/* The key has a cell in each row and takes from both. A stranger who shares one of them does no harm. */
HF_SHARED int hf_budget_take(struct hf_packet *packet, struct hf_view *view, const struct hf_config *config,
                             enum hf_budget class, uint64_t key)
{
    const struct hf_rate *rate = &config->rates[class];
    if (rate->interval_ns == 0) {
        return 1;
    }
    uint64_t hash = hf_siphash13_2(config->budget_key, key, class);
    uint32_t base = (uint32_t)class * HF_BUDGET_ROWS << HF_BUDGET_ROW_BITS;
    int taken = 0;
    for (uint32_t row = 0; row < HF_BUDGET_ROWS; row++) {
        uint32_t place = (uint32_t)(hash >> 32 * row) & (uint32_t)HF_BITS(HF_BUDGET_ROW_BITS);
        uint64_t *cell = hf_world_budget(packet, base + (row << HF_BUDGET_ROW_BITS) + place);
        if (cell) {
            taken |= hf_bucket_take(cell, hf_now(packet, view), rate);
        }
    }
    return taken;
}

/* IPv4: the address. IPv6: the first `bits` of it, 64 or fewer. */
HF_SHARED uint64_t hf_source_key(const struct hf_view *view, uint32_t bits)
{
    if (!view->is_v6) {
        return view->src[1];
    }
    return view->src[0] & __builtin_bswap64(~0ULL << (64 - bits));
}

HF_SHARED int hf_source_take(struct hf_packet *packet, struct hf_view *view, const struct hf_config *config,
                             enum hf_budget class)
{
    return hf_budget_take(packet, view, config, class, hf_source_key(view, 64));
}

/* First messages that proved nothing. */
HF_SHARED int hf_first_take(struct hf_packet *packet, struct hf_view *view, const struct hf_config *config)
{
    if (!hf_source_take(packet, view, config, HF_BUDGET_FIRST)) {
        return 0;
    }
    return !view->is_v6 ||
           (hf_budget_take(packet, view, config, HF_BUDGET_FIRST_56, hf_source_key(view, 56)) &&
            hf_budget_take(packet, view, config, HF_BUDGET_FIRST_48, hf_source_key(view, 48)));
}

/* One of this CPU's own buckets. */
HF_SHARED int hf_flow_take(struct hf_packet *packet, struct hf_view *view, const struct hf_config *config,
                           enum hf_budget rate, uint32_t cell)
{
    uint64_t *bucket = hf_world_flow(packet, cell);
    return bucket && hf_bucket_take(bucket, hf_now(packet, view), &config->rates[rate]);
}

/* From or to a node: `esp` is the rate of ESP, and the one behind it is of all else. */
HF_SHARED int hf_node_take(struct hf_packet *packet, struct hf_view *view, const struct hf_config *config,
                           enum hf_budget esp, uint32_t node)
{
    uint32_t rate = (uint32_t)esp + (view->kind != HF_KIND_ESP);
    uint32_t cell = HF_FLOW_NODE + (rate - HF_RATE_NODE_OUT_ESP) * HF_NODES_MAX + node;
    return hf_flow_take(packet, view, config, (enum hf_budget)rate, cell);
}

HF_SHARED int hf_single_take(struct hf_packet *packet, struct hf_view *view, const struct hf_config *config,
                             enum hf_budget rate)
{
    return hf_flow_take(packet, view, config, rate, HF_FLOW_SINGLE + (uint32_t)rate);
}

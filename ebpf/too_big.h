/* A packet that does not fit between nodes once it is encapsulated: its sender is told the size that does, by
 * ICMP (RFC 792 and 1191; RFC 4443 3.2). */
#pragma once

#include "ebpf/frame.h"
#include "ebpf/budget.h"

enum {
    HF_ICMP_BYTES = 8,
    HF_QUOTE_BYTES = 128, /* of the packet; one that is too big has more */
};

/* Type, code and MTU; the checksum is still zero. As the word that is in the packet. */
HF_SHARED uint64_t hf_too_big_word(uint32_t is_v6, uint32_t mtu)
{
    uint64_t value = is_v6 ? 2ULL << 56 : 3ULL << 56 | 4ULL << 48;
    return __builtin_bswap64(value | mtu);
}

/* The packet becomes the ICMP error, for its own sender. */
HF_SHARED enum hf_verdict hf_too_big_answer(struct hf_packet *packet, const struct hf_view *view,
                                            uint32_t mtu)
{
    uint32_t is_v6 = view->is_v6;
    int end = (int)view->l3 + HF_QUOTE_BYTES;
    int growth = (int)hf_ip_header_len(is_v6) + HF_ICMP_BYTES;
    struct hf_ip_out out =
        hf_ip_answer(view, is_v6 ? HF_PROTO_ICMP6 : HF_PROTO_ICMP, HF_ICMP_BYTES + HF_QUOTE_BYTES);
    uint64_t word = hf_too_big_word(is_v6, mtu);
    if (view->ip_len < HF_QUOTE_BYTES || hf_packet_tail(packet, end - (int)view->frame_len) != 0 ||
        hf_packet_head(packet, -growth) != 0 ||
        hf_link_write(packet, view, view->mac + 6, view->mac, view->num_tags,
                      is_v6 ? HF_ETH_IP6 : HF_ETH_IP4) != 0 ||
        hf_ip_write(packet, view->l3, &out) != 0) {
        return HF_NO_ROOM;
    }
    uint8_t *icmp = hf_packet_at(packet, view->l3 + hf_ip_header_len(is_v6), HF_ICMP_BYTES + HF_QUOTE_BYTES);
    if (!icmp) {
        return HF_NO_ROOM;
    }
    uint64_t sum = is_v6 ? hf_sum_pseudo(&out) : 0;
    hf_word_store(icmp, word);
    sum = hf_sum_add(sum, word);
    for (int i = 0; i < HF_QUOTE_BYTES / 8; i++) {
        sum = hf_sum_add(sum, hf_word_load(icmp + HF_ICMP_BYTES + 8 * i));
    }
    hf_sum_store(icmp + 2, sum);
    return HF_TOO_BIG_TOLD;
}

/* An IPv4 packet that may be fragmented goes to a worker here, whose socket forwards it in pieces. */
HF_SHARED enum hf_verdict hf_too_big(struct hf_packet *packet, struct hf_view *view,
                                     const struct hf_config *config, uint32_t mtu)
{
    if (!view->dont_fragment) {
        return HF_WORKER_TOO_BIG;
    }
    if (!hf_single_take(packet, view, config, HF_RATE_TOO_BIG)) {
        return HF_TOO_BIG_BUDGET;
    }
    return hf_too_big_answer(packet, view, mtu);
}

/* The header between nodes (steer.h). The daemon forwards what it has reassembled, and sends notices, by the
 * same functions. */
#pragma once

#include "ebpf/bytes.h"
#include "ebpf/steer.h"

struct hf_hop {
    uint32_t hop;   /* 1..HF_HOP_MAX */
    uint32_t epoch; /* 1..3 */
    uint32_t is_notice;
    uint32_t node; /* source */
    uint32_t table_version;
};

/* What the MAC says of the inner packet; all zero for a notice. */
struct hf_hop_inner {
    uint64_t src[2], dst[2]; /* as in struct hf_local */
    uint64_t head;
    uint32_t ip_len;
    uint32_t src_port, dst_port;
    uint32_t is_v6, proto;
};

/* The first 8 bytes of the header, as hf_word_load() reads them. */
HF_SHARED uint64_t hf_hop_word(const struct hf_hop *hop)
{
    uint64_t flags = hop->epoch | (hop->is_notice ? HF_HOP_FLAG_NOTICE : 0);
    uint64_t value = (uint64_t)(HF_HOP_VERSION << 4 | hop->hop) << 56 | flags << 48 |
                     (uint64_t)hop->node << 32 | hop->table_version;
    return __builtin_bswap64(value);
}

/* 0 when version, flags or hop are nothing that we know. */
HF_SHARED int hf_hop_parse(uint64_t word, struct hf_hop *ret_hop)
{
    uint64_t value = __builtin_bswap64(word);
    uint32_t flags = (uint32_t)(value >> 48) & 0xff;
    ret_hop->hop = (uint32_t)(value >> 56) & 15;
    ret_hop->epoch = flags & HF_HOP_FLAG_EPOCH;
    ret_hop->is_notice = (flags & HF_HOP_FLAG_NOTICE) != 0;
    ret_hop->node = (uint32_t)(value >> 32) & 0xffff;
    ret_hop->table_version = (uint32_t)value;
    return value >> 60 == HF_HOP_VERSION &&
           (flags & ~(uint32_t)(HF_HOP_FLAG_EPOCH | HF_HOP_FLAG_NOTICE)) == 0 && ret_hop->epoch != 0 &&
           ret_hop->hop >= 1 && ret_hop->hop <= HF_HOP_MAX;
}

HF_SHARED uint64_t hf_hop_mac(const uint64_t key[2], uint64_t hop_word, uint32_t to_node,
                              const struct hf_hop_inner *inner)
{
    struct hf_sip h = hf_sip_start(key);
    uint64_t numbers =
        (uint64_t)to_node << 48 | (uint64_t)inner->ip_len << 32 | inner->src_port << 16 | inner->dst_port;
    uint64_t len = 8 + 8 + 8 + 8 + 1;
    hf_sip_word(&h, hop_word, 1);
    hf_sip_word(&h, __builtin_bswap64(numbers), 1);
    if (inner->is_v6) {
        hf_sip_word(&h, inner->src[0], 1);
        hf_sip_word(&h, inner->src[1], 1);
        hf_sip_word(&h, inner->dst[0], 1);
        hf_sip_word(&h, inner->dst[1], 1);
        len += 24;
    } else {
        hf_sip_word(&h, inner->src[1] >> 32 | (inner->dst[1] >> 32 << 32), 1);
    }
    hf_sip_word(&h, inner->head, 1);
    hf_sip_word(&h, len << 56 | inner->proto, 1);
    return hf_sip_end(&h, 3);
}

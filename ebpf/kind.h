/* What a packet for one of our addresses is: IKE, ESP, a fragment, another node's, or an ICMP error that
 * quotes what we sent. */
#pragma once

#include "ebpf/budget.h"
#include "ebpf/classify.h"

/* What an ICMP error quotes is a packet that we sent: from our address to the client's. */
struct hf_quote {
    uint64_t src[2], dst[2];
    uint32_t l4, end; /* offsets in the frame */
    uint32_t proto;
};

HF_SHARED int hf_quote_read(struct hf_packet *packet, const struct hf_view *view, struct hf_quote *ret_quote)
{
    uint32_t at = view->body + 8;
    ret_quote->end = view->body + (uint32_t)view->body_len;
    if (view->is_v6) {
        const uint8_t *ip = hf_packet_at(packet, at, HF_IP6_BYTES);
        if (!ip || ip[0] >> 4 != 6) {
            return 0;
        }
        ret_quote->src[0] = hf_word_load(ip + 8);
        ret_quote->src[1] = hf_word_load(ip + 16);
        ret_quote->dst[0] = hf_word_load(ip + 24);
        ret_quote->dst[1] = hf_word_load(ip + 32);
        ret_quote->proto = ip[6];
        ret_quote->l4 = at + HF_IP6_BYTES;
    } else {
        const uint8_t *ip = hf_packet_at(packet, at, HF_IP4_BYTES);
        if (!ip || ip[0] >> 4 != 4 || (hf_load16(ip + 6) & 0x1fff) != 0) {
            return 0;
        }
        ret_quote->src[0] = ret_quote->dst[0] = 0;
        ret_quote->src[1] = hf_v4_word(ip + 12);
        ret_quote->dst[1] = hf_v4_word(ip + 16);
        ret_quote->proto = ip[9];
        ret_quote->l4 = at + (ip[0] & 15U) * 4;
    }
    return ret_quote->l4 + 8 <= ret_quote->end;
}

/* The SPI of ours in an IKE header that we sent; 0 when too little is quoted or we did not make it. The rule
 * of the I flag is reversed: where it is set, we are the initiator, and ours is SPIi. */
HF_SHARED int hf_quote_ike(struct hf_packet *packet, struct hf_view *view, const struct hf_config *config,
                           uint32_t at, uint32_t end)
{
    const uint8_t *ike = at + HF_IKE_ID_AT <= end ? hf_packet_at(packet, at, HF_IKE_ID_AT) : 0;
    if (!ike) {
        return 0;
    }
    struct hf_spi place;
    uint64_t spi_i = hf_load64(ike);
    uint64_t spi_r = hf_load64(ike + 8);
    HF_OPAQUE(spi_i); /* both are loaded: a chosen pointer would not do */
    HF_OPAQUE(spi_r);
    view->spi = ike[HF_IKE_FLAGS_AT] & HF_IKE_INITIATOR ? spi_i : spi_r;
    if (!hf_ike_spi_decode(&config->spi, view->spi, &place)) {
        view->spi = 0;
        return 0;
    }
    view->shard = place.shard;
    return 1;
}

HF_SHARED enum hf_verdict hf_classify_quoted_udp(struct hf_packet *packet, struct hf_view *view,
                                                 const struct hf_config *config, const struct hf_quote *quote)
{
    const uint8_t *udp = hf_packet_at(packet, quote->l4, HF_UDP_BYTES);
    uint32_t port = udp ? hf_load16(udp) : 0;
    if (port != config->ike_port && port != config->natt_port) {
        return HF_PASS_OTHER;
    }
    uint32_t ike_at = quote->l4 + HF_UDP_BYTES;
    view->kind = HF_KIND_ICMP_CLIENT;
    if (port == config->natt_port) {
        const uint8_t *marker = ike_at + 4 <= quote->end ? hf_packet_at(packet, ike_at, 4) : 0;
        if (!marker || hf_load32(marker) != 0) {
            return HF_UNDECIDED;
        }
        ike_at += HF_MARKER_BYTES;
    }
    if (hf_quote_ike(packet, view, config, ike_at, quote->end)) {
        view->kind = HF_KIND_ICMP_IKE;
    }
    return HF_UNDECIDED;
}

/* Of ESP, and of little of IKE, only the client's address and port are known: they take the place of the
 * router's, which sent the error. */
HF_SHARED void hf_classify_client(struct hf_packet *packet, struct hf_view *view,
                                  const struct hf_quote *quote)
{
    const uint8_t *udp = quote->proto == HF_PROTO_UDP ? hf_packet_at(packet, quote->l4, HF_UDP_BYTES) : 0;
    view->src[0] = quote->dst[0];
    view->src[1] = quote->dst[1];
    if (udp) {
        view->src_port = hf_load16(udp + 2);
        view->dst_port = hf_load16(udp);
    }
}

HF_SHARED enum hf_verdict hf_classify_icmp(struct hf_packet *packet, struct hf_view *view,
                                           const struct hf_config *config)
{
    uint32_t type = (uint8_t)view->head;
    int is_error = view->is_v6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;
    struct hf_quote quote;
    if (view->body_len >= 8 && !is_error) {
        return HF_PASS_OTHER;
    }
    if (view->body_len < 8 || !hf_quote_read(packet, view, &quote) ||
        hf_local_kind(config, quote.src) != HF_LOCAL_ANYCAST) {
        return HF_ICMP_MALFORMED;
    }
    enum hf_verdict verdict = HF_PASS_OTHER;
    if (quote.proto == HF_PROTO_UDP) {
        verdict = hf_classify_quoted_udp(packet, view, config, &quote);
    } else if (quote.proto == HF_PROTO_ESP) {
        view->kind = HF_KIND_ICMP_CLIENT;
        verdict = HF_UNDECIDED;
    }
    if (verdict == HF_UNDECIDED && !view->hop && !hf_source_take(packet, view, config, HF_BUDGET_ICMP)) {
        return HF_ICMP_BUDGET; /* here the source is still who sent it */
    }
    if (verdict == HF_UNDECIDED && view->kind == HF_KIND_ICMP_CLIENT) {
        hf_classify_client(packet, view, &quote);
    }
    return verdict;
}

/* A parsed packet for one of our addresses. Sets view->kind, spi, shard. */
HF_SHARED enum hf_verdict hf_classify(struct hf_packet *packet, struct hf_view *view,
                                      const struct hf_config *config)
{
    if (view->is_fragment) {
        view->kind = HF_KIND_FRAGMENT;
        return HF_UNDECIDED;
    }
    if (view->local == HF_LOCAL_NODE) {
        if (view->proto != HF_PROTO_UDP || view->dst_port != config->hop_port) {
            return HF_PASS_OTHER;
        }
        view->kind = HF_KIND_HOP;
        return HF_UNDECIDED;
    }
    if (view->proto == HF_PROTO_UDP && view->dst_port == config->natt_port) {
        return hf_classify_natt(packet, view, config);
    }
    if (view->proto == HF_PROTO_UDP && view->dst_port == config->ike_port) {
        return hf_classify_ike(packet, view, config);
    }
    if (view->proto == HF_PROTO_ESP) {
        return hf_classify_esp(view, config);
    }
    if (view->proto == (view->is_v6 ? HF_PROTO_ICMP6 : HF_PROTO_ICMP)) {
        return hf_classify_icmp(packet, view, config);
    }
    return HF_PASS_OTHER;
}

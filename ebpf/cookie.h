/* COOKIE in the steering program (RFC 7296 2.6): an IKE_SA_INIT that shows no valid cookie is turned into the
 * request for one, with no state and no more bytes than came. The cookie is that of shared.h, so the answer
 * may come back to any node of the fleet, and to its daemon. */
#pragma once

#include "ebpf/budget.h"
#include "ebpf/classify.h"
#include "ebpf/frame.h"

enum {
    HF_PAYLOAD_NONCE = 40,
    HF_PAYLOAD_NOTIFY = 41,
    HF_NOTIFY_COOKIE = 16390,
    HF_NONCE_MIN = 16,
    HF_NOTIFY_BYTES = 8,
    HF_ASKED_BYTES = HF_IKE_BYTES + HF_NOTIFY_BYTES + HF_COOKIE_BYTES, /* the whole answer, behind UDP */
};

struct hf_cookie_seen {
    uint32_t version;
    uint32_t given; /* 1: the first payload is a cookie of our size */
    uint64_t mac;
    uint32_t nonce_len; /* 0: there is none */
};

/* A COOKIE is the first payload of the message that carries it. */
HF_SHARED void hf_cookie_take(const uint8_t *cookie, struct hf_cookie_seen *ret_seen)
{
    if (hf_load32(cookie + 4) == HF_NOTIFY_COOKIE && /* no protocol, no SPI */
        hf_load16(cookie + 2) == HF_NOTIFY_BYTES + HF_COOKIE_BYTES) {
        ret_seen->given = 1;
        ret_seen->version = cookie[HF_NOTIFY_BYTES];
        ret_seen->mac = hf_load64(cookie + HF_NOTIFY_BYTES + 1);
    }
}

/* 0 when the payloads are malformed, or the nonce is not among the first. The nonce's bytes go to the scratch
 * room. */
HF_SHARED int hf_cookie_walk(struct hf_packet *packet, struct hf_scratch *scratch,
                             struct hf_cookie_seen *ret_seen)
{
    const struct hf_view *view = &scratch->view;
    uint32_t end = view->body + (uint32_t)view->body_len;
    uint32_t at = view->body + HF_IKE_BYTES;
    const uint8_t *next = hf_packet_at(packet, view->body + HF_IKE_NEXT_AT, 1);
    uint32_t type = next ? *next : 0;
    HF_NO_UNROLL
    for (int i = 0; i < HF_IKE_PAYLOADS_MAX; i++) {
        const uint8_t *payload = at + 4 <= end ? hf_packet_at(packet, at, 4) : 0;
        uint32_t len = payload ? hf_load16(payload + 2) : 0;
        uint32_t following = payload ? payload[0] : 0;
        if (type == 0 || len < 4 || at + len > end) {
            return 0;
        }
        if (i == 0 && type == HF_PAYLOAD_NOTIFY && len == HF_NOTIFY_BYTES + HF_COOKIE_BYTES) {
            const uint8_t *cookie = hf_packet_at(packet, at, HF_NOTIFY_BYTES + HF_COOKIE_BYTES);
            if (!cookie) {
                return 0;
            }
            hf_cookie_take(cookie, ret_seen);
        }
        if (type == HF_PAYLOAD_NONCE) {
            uint32_t nonce_len = len - 4;
            if (nonce_len < HF_NONCE_MIN || nonce_len > HF_COOKIE_NONCE_MAX) {
                return 0;
            }
            scratch->nonce[(nonce_len - 1) / 8 % (HF_COOKIE_NONCE_MAX / 8)] = 0;
            ret_seen->nonce_len = nonce_len;
            return hf_packet_read(packet, at + 4, scratch->nonce, nonce_len) == 0;
        }
        type = following;
        at += len;
    }
    return 0;
}

HF_SHARED uint64_t hf_cookie_of(const struct hf_scratch *scratch, const struct hf_cookie_slot *slot,
                                uint32_t nonce_len)
{
    const struct hf_view *view = &scratch->view;
    return hf_cookie_mac_words(slot->key.k, view->spi_i, (const uint8_t *)view->src, scratch->nonce,
                               nonce_len);
}

/* 1 when the cookie is one that the fleet made for this message. */
HF_SHARED int hf_cookie_valid(const struct hf_scratch *scratch, const struct hf_config *config,
                              const struct hf_cookie_seen *seen)
{
    if (!seen->given) {
        return 0;
    }
    HF_NO_UNROLL
    for (uint32_t i = 0; i < HF_COOKIE_KEYS_MAX; i++) {
        const struct hf_cookie_slot *slot = &config->cookies[i];
        if (slot->present && slot->version == seen->version) {
            return hf_cookie_of(scratch, slot, seen->nonce_len) == seen->mac;
        }
    }
    return 0;
}

/* The IKE message, behind four bytes for the marker. ret_sum is its part of the UDP checksum. */
HF_SHARED uint8_t *hf_asked_build(struct hf_scratch *scratch, uint32_t version, uint64_t mac,
                                  uint64_t *ret_sum)
{
    const struct hf_view *view = &scratch->view;
    uint8_t *bytes = (uint8_t *)scratch->answer;
    uint8_t *ike = bytes + HF_MARKER_BYTES;
    for (int i = 0; i < 8; i++) {
        scratch->answer[i] = 0;
    }
    hf_store64(ike, view->spi_i);
    ike[HF_IKE_NEXT_AT] = HF_PAYLOAD_NOTIFY;
    ike[HF_IKE_VERSION_AT] = 0x20;
    ike[HF_IKE_EXCHANGE_AT] = view->exchange;
    ike[HF_IKE_FLAGS_AT] = HF_IKE_RESPONSE;
    hf_store32(ike + HF_IKE_LENGTH_AT, HF_ASKED_BYTES);
    hf_store16(ike + HF_IKE_BYTES + 2, HF_NOTIFY_BYTES + HF_COOKIE_BYTES);
    hf_store16(ike + HF_IKE_BYTES + 6, HF_NOTIFY_COOKIE);
    ike[HF_IKE_BYTES + HF_NOTIFY_BYTES] = (uint8_t)version;
    hf_store64(ike + HF_IKE_BYTES + HF_NOTIFY_BYTES + 1, mac);
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) {
        sum = hf_sum_add(sum, scratch->answer[i]);
    }
    *ret_sum = sum;
    return bytes;
}

HF_SHARED int hf_udp_answer(struct hf_packet *packet, const struct hf_view *view, const struct hf_ip_out *out,
                            uint64_t sum)
{
    uint8_t *udp = hf_packet_at(packet, view->l3 + hf_ip_header_len(out->is_v6), HF_UDP_BYTES);
    if (!udp) {
        return -1;
    }
    hf_store16(udp, view->dst_port);
    hf_store16(udp + 2, view->src_port);
    hf_store16(udp + 4, out->payload_len);
    hf_store16(udp + 6, 0);
    sum += hf_sum_pseudo(out);
    sum = hf_sum_add16(sum, view->dst_port);
    sum = hf_sum_add16(sum, view->src_port);
    sum = hf_sum_add16(sum, out->payload_len);
    hf_sum_store(udp + 6, sum);
    if (hf_load16(udp + 6) == 0) { /* RFC 768: zero means none */
        hf_store16(udp + 6, 0xffff);
    }
    return 0;
}

/* The packet becomes the answer. */
HF_SHARED enum hf_verdict hf_cookie_ask(struct hf_packet *packet, struct hf_scratch *scratch,
                                        const struct hf_config *config, uint32_t nonce_len)
{
    const struct hf_view *view = &scratch->view;
    const struct hf_cookie_slot *slot = &config->cookies[0];
    uint32_t marker = view->marker;
    uint32_t body_len = HF_ASKED_BYTES + marker;
    struct hf_ip_out out = hf_ip_answer(view, HF_PROTO_UDP, HF_UDP_BYTES + body_len);
    uint32_t body = view->l3 + hf_ip_header_len(out.is_v6) + HF_UDP_BYTES;
    uint64_t sum;
    if (!slot->present) {
        return HF_INTERNAL;
    }
    uint8_t *bytes = hf_asked_build(scratch, slot->version, hf_cookie_of(scratch, slot, nonce_len), &sum);
    if (body + body_len > view->frame_len ||
        hf_packet_tail(packet, (int)(body + body_len) - (int)view->frame_len) != 0 ||
        hf_link_write(packet, view, view->mac + 6, view->mac, view->num_tags,
                      out.is_v6 ? HF_ETH_IP6 : HF_ETH_IP4) != 0 ||
        hf_ip_write(packet, view->l3, &out) != 0 || hf_udp_answer(packet, view, &out, sum) != 0) {
        return HF_NO_ROOM;
    }
    int error = marker ? hf_packet_write(packet, body, bytes, HF_ASKED_BYTES + HF_MARKER_BYTES)
                       : hf_packet_write(packet, body, bytes + HF_MARKER_BYTES, HF_ASKED_BYTES);
    return error ? HF_NO_ROOM : HF_COOKIE_ASKED;
}

/* The gate for first messages (step 2 of the design). */
HF_SHARED enum hf_verdict hf_gate_first(struct hf_packet *packet, struct hf_scratch *scratch,
                                        const struct hf_config *config, const struct hf_control *control)
{
    struct hf_view *view = &scratch->view;
    struct hf_cookie_seen seen = {0};
    if (!control->cookie_wanted && hf_first_take(packet, view, config)) {
        return HF_WORKER_FIRST;
    }
    /* Above its budget a prefix is not refused: whoever receives our answers may go on. */
    if (!hf_cookie_walk(packet, scratch, &seen)) {
        return HF_FIRST_MALFORMED;
    }
    if (hf_cookie_valid(scratch, config, &seen)) {
        hf_world_count(packet, HF_NOTE_COOKIE, view->frame_len);
        return hf_source_take(packet, view, config, HF_BUDGET_PROVEN) ? HF_WORKER_FIRST : HF_FIRST_BUDGET;
    }
    if (!hf_source_take(packet, view, config, HF_BUDGET_COOKIE)) {
        return HF_COOKIE_BUDGET;
    }
    return hf_cookie_ask(packet, scratch, config, seen.nonce_len);
}

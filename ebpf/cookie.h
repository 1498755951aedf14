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

/* 0 when the payloads are malformed, or the nonce is not among the first, or not in the frame's first buffer.
 * Sets view->nonce_at, nonce_len. */
HF_SHARED int hf_cookie_walk(struct hf_packet *packet, struct hf_view *view, struct hf_cookie_seen *ret_seen)
{
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
            view->nonce_at = (uint16_t)(at + 4);
            view->nonce_len = len - 4;
            return len - 4 >= HF_NONCE_MIN && len - 4 <= HF_COOKIE_NONCE_MAX &&
                   hf_packet_at(packet, at + len - 8, 8) != 0;
        }
        type = following;
        at += len;
    }
    return 0;
}

/* The bytes that do not fill a word come with those before them, and are shifted to where they belong. 0 when
 * the nonce is not where the walk found it. */
HF_SHARED int hf_cookie_of(struct hf_packet *packet, const struct hf_view *view,
                           const struct hf_cookie_slot *slot, uint64_t *ret_mac)
{
    struct hf_sip h = hf_cookie_mac_start(slot->key.k, view->spi_i, (const uint8_t *)view->src);
    uint32_t at = view->nonce_at;
    uint32_t words = view->nonce_len / 8;
    uint32_t rest = view->nonce_len % 8;
    HF_NO_UNROLL
    for (uint32_t i = 0; i < HF_COOKIE_NONCE_MAX / 8; i++) {
        if (i >= words) {
            break;
        }
        const uint8_t *word = hf_packet_at(packet, at, 8);
        if (!word) {
            return 0;
        }
        hf_sip_word(&h, hf_word_load(word), 2);
        at += 8;
    }
    if (rest != 0) {
        const uint8_t *last = hf_packet_at(packet, at + rest - 8, 8);
        if (!last) {
            return 0;
        }
        hf_sip_word(&h, hf_word_load(last) >> (64 - 8 * rest), 2);
    }
    *ret_mac = hf_cookie_mac_end(&h, view->nonce_len);
    return 1;
}

/* 1 when the cookie is one that the fleet made for this message. */
HF_SHARED int hf_cookie_valid(struct hf_packet *packet, const struct hf_view *view,
                              const struct hf_config *config, const struct hf_cookie_seen *seen)
{
    if (!seen->given) {
        return 0;
    }
    HF_NO_UNROLL
    for (uint32_t i = 0; i < HF_COOKIE_KEYS_MAX; i++) {
        const struct hf_cookie_slot *slot = &config->cookies[i];
        if (slot->present && slot->version == seen->version) {
            uint64_t mac;
            return hf_cookie_of(packet, view, slot, &mac) && mac == seen->mac;
        }
    }
    return 0;
}

/* The IKE message at `at`, in words, because they make the checksum too. -1 when there is no room; ret_sum is
 * its part of the UDP checksum. */
HF_SHARED int hf_asked_write(struct hf_packet *packet, const struct hf_view *view, uint32_t at,
                             uint32_t version, uint64_t mac, uint64_t *ret_sum)
{
    uint8_t *ike = hf_packet_at(packet, at, HF_ASKED_BYTES);
    if (!ike) {
        return -1;
    }
    uint64_t spi_i = __builtin_bswap64(view->spi_i);
    uint64_t kind = __builtin_bswap64((uint64_t)HF_PAYLOAD_NOTIFY << 56 | 0x20ULL << 48 |
                                      (uint64_t)view->exchange << 40 | (uint64_t)HF_IKE_RESPONSE << 32);
    uint64_t lengths =
        __builtin_bswap64((uint64_t)HF_ASKED_BYTES << 32 | (HF_NOTIFY_BYTES + HF_COOKIE_BYTES));
    uint64_t notify = __builtin_bswap64((uint64_t)HF_NOTIFY_COOKIE << 32 | version << 24 | mac >> 40);
    hf_word_store(ike, spi_i);
    hf_word_store(ike + 8, 0);
    hf_word_store(ike + HF_IKE_NEXT_AT, kind);
    hf_word_store(ike + HF_IKE_LENGTH_AT, lengths);
    hf_word_store(ike + HF_IKE_BYTES + 4, notify);
    hf_store32(ike + HF_IKE_BYTES + 12, (uint32_t)(mac >> 8));
    ike[HF_ASKED_BYTES - 1] = (uint8_t)mac;
    uint64_t sum = hf_sum_add(hf_sum_add(0, spi_i), kind);
    sum = hf_sum_add(hf_sum_add(sum, lengths), notify);
    *ret_sum = hf_sum_add(sum, __builtin_bswap64(mac << 24));
    return 0;
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
HF_SHARED enum hf_verdict hf_cookie_ask(struct hf_packet *packet, const struct hf_view *view,
                                        const struct hf_config *config)
{
    const struct hf_cookie_slot *slot = &config->cookies[0];
    uint32_t marker = view->marker;
    struct hf_ip_out out = hf_ip_answer(view, HF_PROTO_UDP, HF_UDP_BYTES + marker + HF_ASKED_BYTES);
    uint32_t body = view->l3 + hf_ip_header_len(out.is_v6) + HF_UDP_BYTES;
    uint32_t len = body + marker + HF_ASKED_BYTES;
    uint64_t mac, sum;
    if (!slot->present || !hf_cookie_of(packet, view, slot, &mac)) {
        return HF_INTERNAL;
    }
    if (len > view->frame_len || hf_packet_tail(packet, (int)len - (int)view->frame_len) != 0 ||
        hf_link_write(packet, view, view->mac + 6, view->mac, view->num_tags,
                      out.is_v6 ? HF_ETH_IP6 : HF_ETH_IP4) != 0 ||
        hf_ip_write(packet, view->l3, &out) != 0 ||
        hf_asked_write(packet, view, body + marker, slot->version, mac, &sum) != 0 ||
        hf_udp_answer(packet, view, &out, sum) != 0) {
        return HF_NO_ROOM;
    }
    uint8_t *place = hf_packet_at(packet, body, HF_MARKER_BYTES);
    if (marker && place) {
        hf_store32(place, 0);
    }
    return HF_COOKIE_ASKED;
}

/* The gate for first messages (step 2 of the design). */
HF_SHARED enum hf_verdict hf_gate_first(struct hf_packet *packet, struct hf_view *view,
                                        const struct hf_config *config, const struct hf_control *control)
{
    struct hf_cookie_seen seen = {0};
    if (!control->cookie_wanted && hf_first_take(packet, view, config)) {
        return HF_WORKER_FIRST;
    }
    /* Above its budget a prefix is not refused: whoever receives our answers may go on. */
    if (!hf_cookie_walk(packet, view, &seen)) {
        return HF_FIRST_MALFORMED;
    }
    if (hf_cookie_valid(packet, view, config, &seen)) {
        hf_world_count(packet, HF_NOTE_COOKIE, view->frame_len);
        return hf_source_take(packet, view, config, HF_BUDGET_PROVEN) ? HF_WORKER_FIRST : HF_FIRST_BUDGET;
    }
    if (!hf_source_take(packet, view, config, HF_BUDGET_COOKIE)) {
        return HF_COOKIE_BUDGET;
    }
    return hf_cookie_ask(packet, view, config);
}

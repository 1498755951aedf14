/* What IKE and ESP for us are, and the SPI of ours that they carry. Stateless: sanity, then what the keys can
 * tell of the SPI. The socket program decides by the same. */
#pragma once

#include "ebpf/parse.h"

enum {
    HF_IKE_BYTES = 28, /* header, RFC 7296 3.1 */
    HF_IKE_NEXT_AT = 16,
    HF_IKE_VERSION_AT = 17,
    HF_IKE_EXCHANGE_AT = 18,
    HF_IKE_FLAGS_AT = 19,
    HF_IKE_ID_AT = 20,
    HF_IKE_LENGTH_AT = 24,
    HF_IKE_INITIATOR = 0x08,
    HF_IKE_RESPONSE = 0x20,
    HF_IKE_SA_INIT = 34,
    HF_IKE_SESSION_RESUME = 38, /* RFC 5723 */
    HF_MARKER_BYTES = 4,        /* RFC 3948 2.2 */
    HF_ESP_BYTES_MIN = 8,       /* SPI and sequence number */
};

/* SPIr is zero: IKE_SA_INIT or IKE_SESSION_RESUME, request, message id 0; or what only looks like it. */
HF_SHARED enum hf_verdict hf_classify_first(struct hf_view *view, const uint8_t *ike)
{
    if ((view->exchange != HF_IKE_SA_INIT && view->exchange != HF_IKE_SESSION_RESUME) ||
        (ike[HF_IKE_FLAGS_AT] & (HF_IKE_INITIATOR | HF_IKE_RESPONSE)) != HF_IKE_INITIATOR ||
        hf_load32(ike + HF_IKE_ID_AT) != 0) {
        return HF_IKE_MALFORMED;
    }
    view->kind = HF_KIND_FIRST;
    return HF_UNDECIDED;
}

/* IKE at view->body. RFC 7296 3.1: the I flag is set by the original initiator of the IKE SA. From the
 * initiator, ours is SPIr; else we are the initiator (we rekeyed), and ours is SPIi. */
HF_SHARED enum hf_verdict hf_classify_ike(struct hf_packet *packet, struct hf_view *view,
                                          const struct hf_config *config)
{
    const uint8_t *ike = view->body_len >= HF_IKE_BYTES ? hf_packet_at(packet, view->body, HF_IKE_BYTES) : 0;
    if (!ike) {
        return HF_SHORT;
    }
    uint64_t spi_r = hf_load64(ike + 8);
    int from_initiator = (ike[HF_IKE_FLAGS_AT] & HF_IKE_INITIATOR) != 0;
    view->spi_i = hf_load64(ike);
    view->exchange = ike[HF_IKE_EXCHANGE_AT];
    if (hf_load32(ike + HF_IKE_LENGTH_AT) != view->body_len) {
        return HF_IKE_LENGTH;
    }
    if (ike[HF_IKE_VERSION_AT] >> 4 != 2) {
        view->kind = HF_KIND_VERSION;
        return HF_UNDECIDED;
    }
    if (view->spi_i == 0) {
        return HF_IKE_MALFORMED;
    }
    if (spi_r == 0) {
        return hf_classify_first(view, ike);
    }
    struct hf_spi place;
    view->spi = from_initiator ? spi_r : view->spi_i;
    if (!hf_ike_spi_decode(&config->spi, view->spi, &place)) {
        return HF_IKE_FORGED;
    }
    view->shard = place.shard;
    view->kind = HF_KIND_IKE;
    return HF_UNDECIDED;
}

/* ESP at view->body, whose first bytes are in view->head. */
HF_SHARED enum hf_verdict hf_classify_esp(struct hf_view *view, const struct hf_config *config)
{
    struct hf_spi place;
    if (view->body_len < HF_ESP_BYTES_MIN) {
        return HF_SHORT;
    }
    view->spi = __builtin_bswap64(view->head) >> 32;
    if (!hf_esp_spi_decode(&config->spi, (uint32_t)view->spi, &place)) {
        return HF_ESP_SPI;
    }
    view->shard = place.shard;
    view->index = place.index;
    view->kind = HF_KIND_ESP;
    return HF_UNDECIDED;
}

/* RFC 3948 2: a keepalive, IKE behind four zero bytes, or ESP. */
HF_SHARED enum hf_verdict hf_classify_natt(struct hf_packet *packet, struct hf_view *view,
                                           const struct hf_config *config)
{
    if (view->body_len == 1) {
        const uint8_t *byte = hf_packet_at(packet, view->body, 1);
        return byte && *byte == 0xff ? HF_KEEPALIVE : HF_SHORT;
    }
    if (view->body_len < 8) { /* neither an IKE nor an ESP header */
        return HF_SHORT;
    }
    if ((uint32_t)view->head != 0) {
        return hf_classify_esp(view, config);
    }
    view->marker = HF_MARKER_BYTES;
    view->body += HF_MARKER_BYTES;
    view->body_len -= HF_MARKER_BYTES;
    return hf_classify_ike(packet, view, config);
}

#include "edge/esp/packet.h"

#include "edge/base/bytes.h"

/* Takes padding and trailer off; 1, 2, 3, ... is what the padding must be. */
static bool trailer_read(const uint8_t *plain, size_t plain_len, size_t *ret_len, uint8_t *ret_next)
{
    hf_assert(plain_len >= ESP_TRAILER);
    size_t pad_len = plain[plain_len - 2];

    *ret_next = plain[plain_len - 1];
    if (pad_len + ESP_TRAILER > plain_len) {
        return false;
    }
    *ret_len = plain_len - ESP_TRAILER - pad_len;
    uint8_t wrong = 0;
    for (size_t i = 0; i < pad_len; i++) {
        wrong |= (uint8_t)(plain[*ret_len + i] ^ (i + 1));
    }
    return wrong == 0;
}

static enum cause payload_read(uint8_t *plain, size_t plain_len, struct esp_opened *opened)
{
    size_t len;
    uint8_t next;

    if (!trailer_read(plain, plain_len, &len, &next)) {
        return CAUSE_ESP_PADDING;
    }
    if (next == ESP_NEXT_NONE) {
        return CAUSE_NONE;
    }
    if (!inner_read(span_of(plain, len), &opened->inner) ||
        next != (opened->inner.version == 4 ? ESP_NEXT_IPV4 : ESP_NEXT_IPV6)) {
        return CAUSE_ESP_INNER;
    }
    opened->packet = plain;
    return CAUSE_NONE;
}

enum cause esp_open(struct esp_in *sa, struct esp_cipher *cipher, uint8_t *packet, size_t len,
                    struct esp_opened *ret_opened)
{
    size_t plain_len;

    *ret_opened = (struct esp_opened){0};
    if (len < ESP_HEADER) {
        return CAUSE_ESP_SHORT;
    }
    uint64_t number = replay_number(&sa->replay, be32_load(packet + 4), sa->esn);
    if (!replay_is_fresh(&sa->replay, number)) {
        return CAUSE_ESP_REPLAY;
    }
    enum cause cause = esp_cipher_open(cipher, packet, len, (uint32_t)(number >> 32), &plain_len);
    if (cause != CAUSE_NONE) {
        return cause;
    }
    ret_opened->sequence = number;
    ret_opened->authentic = true;
    ret_opened->is_newest = number > sa->replay.top;
    replay_mark(&sa->replay, number);
    return payload_read(packet + sa->shape.head_len, plain_len, ret_opened);
}

enum cause esp_seal(struct esp_out *sa, struct esp_cipher *cipher, uint8_t *packet, size_t inner_len)
{
    uint8_t *inner = packet + sa->shape.head_len;
    size_t plain_len = esp_sealed_len(&sa->shape, inner_len) - sa->shape.head_len - sa->shape.icv_len;
    size_t pad_len = plain_len - inner_len - ESP_TRAILER;

    hf_assert(inner_len > 0);
    if (sa->sequence >= sa->limit) {
        return CAUSE_ESP_SEQUENCE;
    }
    uint64_t number = ++sa->sequence; /* used up even if sealing fails: never twice under this key */
    be32_store(packet, sa->spi);
    be32_store(packet + 4, (uint32_t)number);
    for (size_t i = 0; i < pad_len; i++) {
        inner[inner_len + i] = (uint8_t)(i + 1);
    }
    inner[plain_len - 2] = (uint8_t)pad_len;
    inner[plain_len - 1] = inner[0] >> 4 == 4 ? ESP_NEXT_IPV4 : ESP_NEXT_IPV6;
    bool ok = esp_cipher_seal(cipher, packet, plain_len, (uint32_t)(number >> 32), sa->iv_high | number);
    return ok ? CAUSE_NONE : CAUSE_PLANE;
}

#include "edge/esp/sa.h"

#include "edge/base/secret.h"

static struct esp_shape shape_of(const struct esp_cipher *cipher)
{
    struct esp_shape shape = {
        .head_len = (uint8_t)(ESP_HEADER + esp_cipher_iv_bytes(cipher)),
        .icv_len = (uint8_t)esp_cipher_icv_bytes(cipher),
        .block_len = (uint8_t)esp_cipher_block_bytes(cipher),
    };
    hf_assert(shape.head_len + shape.block_len - 1 + ESP_TRAILER + shape.icv_len <= ESP_OVERHEAD_MAX);
    return shape;
}

bool esp_in_init(struct esp_in *sa, const struct esp_suite *suite, const struct esp_keys *keys, uint32_t spi,
                 uint64_t replay_start)
{
    if (!esp_cipher_init(&sa->cipher, suite, keys)) {
        return false;
    }
    sa->shape = shape_of(&sa->cipher);
    sa->spi = spi;
    sa->esn = suite->esn;
    replay_init(&sa->replay, replay_start);
    return true;
}

void esp_in_done(struct esp_in *sa)
{
    esp_cipher_done(&sa->cipher);
    secret_wipe(sa, sizeof(*sa));
}

bool esp_out_init(struct esp_out *sa, const struct esp_suite *suite, const struct esp_keys *keys,
                  uint32_t spi, uint16_t iv_epoch, uint64_t sequence, uint64_t limit)
{
    if (!esp_cipher_init(&sa->cipher, suite, keys)) {
        return false;
    }
    sa->shape = shape_of(&sa->cipher);
    sa->spi = spi;
    sa->iv_high = (uint64_t)iv_epoch << 48;
    sa->max = suite->esn ? (UINT64_C(1) << 48) - 1 : UINT32_MAX;
    sa->spent = sa->max - sa->max / 8;
    sa->sequence = sequence;
    sa->limit = 0;
    sa->half = UINT64_MAX;
    esp_out_limit(sa, limit);
    return true;
}

void esp_out_done(struct esp_out *sa)
{
    esp_cipher_done(&sa->cipher);
    secret_wipe(sa, sizeof(*sa));
}

void esp_out_limit(struct esp_out *sa, uint64_t limit)
{
    limit = HF_MIN(limit, sa->max);
    if (limit <= sa->limit) {
        return;
    }
    sa->limit = limit;
    sa->half = sa->sequence >= limit ? 0 : sa->sequence + (limit - sa->sequence + 1) / 2;
}

#include "edge/esp/sa.h"

static struct esp_shape shape_of(const struct esp_suite *suite)
{
    bool is_aead = encr_is_aead(suite->encr);
    struct esp_shape shape = {
        .head_len = (uint8_t)(ESP_HEADER + encr_iv_bytes(suite->encr)),
        .icv_len = (uint8_t)(is_aead ? encr_icv_bytes(suite->encr) : integ_icv_bytes(suite->integ)),
        .block_len = (uint8_t)HF_MAX(encr_block_bytes(suite->encr), (size_t)4),
    };
    hf_assert(shape.head_len + shape.block_len - 1 + ESP_TRAILER + shape.icv_len <= ESP_OVERHEAD_MAX);
    return shape;
}

void esp_in_init(struct esp_in *sa, const struct esp_suite *suite, uint32_t spi, uint64_t replay_start)
{
    sa->shape = shape_of(suite);
    sa->spi = spi;
    sa->esn = suite->esn;
    replay_init(&sa->replay, replay_start);
}

void esp_out_init(struct esp_out *sa, const struct esp_suite *suite, uint32_t spi, uint64_t high,
                  uint64_t sequence, uint64_t limit)
{
    sa->shape = shape_of(suite);
    sa->spi = spi;
    sa->iv_high = high;
    sa->max = suite->esn ? IV_COUNTER_MAX : UINT32_MAX;
    sa->spent = sa->max - sa->max / 8;
    sa->sequence = sequence;
    sa->limit = 0;
    sa->half = UINT64_MAX;
    esp_out_limit(sa, limit);
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

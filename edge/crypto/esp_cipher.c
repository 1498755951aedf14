#include "edge/crypto/esp_cipher.h"

#include "edge/base/bytes.h"
#include "edge/crypto/cipher.h"

enum { ESP_HEADER_BYTES = 8 }; /* SPI and sequence number */

struct esp_state {
    struct cipher cipher;
    bool esn;
};

_Static_assert(sizeof(struct esp_state) <= ESP_CIPHER_BYTES, "the cipher fits into its opaque bytes");

/* What is authenticated beside the packet's own IV and ciphertext. */
struct esp_aad {
    uint8_t extended[12]; /* SPI, sequence high, sequence low: AEADs with ESN (RFC 4106 5) */
    uint8_t high[4];      /* appended for HMAC with ESN (RFC 4303 2.2.1) */
    struct cipher_aad parts;
};

static struct esp_state *state_of(struct esp_cipher *cipher)
{
    return (struct esp_state *)(void *)cipher->opaque;
}

static const struct esp_state *state_view(const struct esp_cipher *cipher)
{
    return (const struct esp_state *)(const void *)cipher->opaque;
}

bool esp_cipher_init(struct esp_cipher *cipher, const struct esp_suite *suite, const struct esp_keys *keys)
{
    struct esp_state *state = state_of(cipher);

    if (!cipher_init(&state->cipher, suite->encr, suite->encr_bits, suite->integ, keys->encr, keys->integ)) {
        esp_cipher_done(cipher);
        return false;
    }
    state->esn = suite->esn;
    return true;
}

void esp_cipher_done(struct esp_cipher *cipher)
{
    cipher_done(&state_of(cipher)->cipher);
}

size_t esp_cipher_iv_bytes(const struct esp_cipher *cipher)
{
    return encr_iv_bytes(state_view(cipher)->cipher.encr);
}

size_t esp_cipher_icv_bytes(const struct esp_cipher *cipher)
{
    return state_view(cipher)->cipher.icv_len;
}

size_t esp_cipher_block_bytes(const struct esp_cipher *cipher)
{
    return HF_MAX(encr_block_bytes(state_view(cipher)->cipher.encr), (size_t)4);
}

static void aad_build(const struct esp_state *state, const uint8_t *packet, uint32_t seq_high,
                      struct esp_aad *ret_aad)
{
    ret_aad->parts = (struct cipher_aad){.aead = span_of(packet, ESP_HEADER_BYTES),
                                         .before = span_of(packet, ESP_HEADER_BYTES)};
    if (state->esn) {
        memcpy(ret_aad->extended, packet, 4);
        be32_store(ret_aad->extended + 4, seq_high);
        memcpy(ret_aad->extended + 8, packet + 4, 4);
        be32_store(ret_aad->high, seq_high);
        ret_aad->parts.aead = span_of(ret_aad->extended, sizeof(ret_aad->extended));
        ret_aad->parts.after = span_of(ret_aad->high, sizeof(ret_aad->high));
    }
}

bool esp_cipher_seal(struct esp_cipher *cipher, uint8_t *packet, size_t plain_len, uint32_t seq_high,
                     uint64_t iv)
{
    const struct esp_state *state = state_view(cipher);
    struct esp_aad aad;

    hf_assert(plain_len % esp_cipher_block_bytes(cipher) == 0);
    aad_build(state, packet, seq_high, &aad);
    return cipher_seal(&state->cipher, &aad.parts, iv, packet + ESP_HEADER_BYTES, plain_len);
}

enum cause esp_cipher_open(struct esp_cipher *cipher, uint8_t *packet, size_t len, uint32_t seq_high,
                           size_t *ret_plain_len)
{
    const struct esp_state *state = state_view(cipher);
    struct esp_aad aad;

    *ret_plain_len = 0;
    if (len < ESP_HEADER_BYTES) {
        return CAUSE_ESP_SHORT;
    }
    struct span body = span_of(packet + ESP_HEADER_BYTES, len - ESP_HEADER_BYTES);
    size_t plain_len = cipher_plain_len(&state->cipher, body.len, encr_block_bytes(state->cipher.encr));
    if (plain_len < 2) { /* pad length and next header */
        return CAUSE_ESP_SHORT;
    }
    aad_build(state, packet, seq_high, &aad);
    uint8_t *plain = packet + ESP_HEADER_BYTES + encr_iv_bytes(state->cipher.encr);
    if (!cipher_open(&state->cipher, &aad.parts, body, plain)) {
        return CAUSE_ESP_ICV;
    }
    *ret_plain_len = plain_len;
    return CAUSE_NONE;
}

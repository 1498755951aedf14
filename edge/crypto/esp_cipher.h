/* The cipher of one ESP SA direction, set up once and used for every packet (RFC 4106, RFC 7634, RFC 3602 +
 * RFC 4868). */
#pragma once

#include "edge/base/cause.h"
#include "edge/crypto/kdf.h"

#define ESP_CIPHER_BYTES 1024

/* Opaque, embedded in the SA; initialised, then not moved in memory. */
struct esp_cipher {
    _Alignas(16) uint8_t opaque[ESP_CIPHER_BYTES];
};

HF_MUST bool esp_cipher_init(struct esp_cipher *cipher, const struct esp_suite *suite,
                             const struct esp_keys *keys);
void esp_cipher_done(struct esp_cipher *cipher); /* wipes */

size_t esp_cipher_iv_bytes(const struct esp_cipher *cipher);
size_t esp_cipher_icv_bytes(const struct esp_cipher *cipher);
size_t
esp_cipher_block_bytes(const struct esp_cipher *cipher); /* 4 or 16: what payload and trailer are padded to */

/* A packet is SPI(4) seq_low(4) IV ciphertext ICV, contiguous at `packet`; with ESN the high half is
 * authenticated too (RFC 4106 5: in the AAD; HMAC: appended, RFC 4303 2.2.1). Seal: SPI and sequence are
 * written by the caller, plaintext of `plain_len` (padded, trailer included) already lies behind the IV;
 * encrypts in place, writes IV and ICV. `iv` as in sk_seal(). */
HF_MUST bool esp_cipher_seal(struct esp_cipher *cipher, uint8_t *packet, size_t plain_len, uint32_t seq_high,
                             uint64_t iv);
/* Open in place: `len` is the whole packet. On CAUSE_NONE the plaintext lies behind the IV, `ret_plain_len`
 * bytes, trailer included. CAUSE_ESP_SHORT, CAUSE_ESP_ICV. */
HF_MUST enum cause esp_cipher_open(struct esp_cipher *cipher, uint8_t *packet, size_t len, uint32_t seq_high,
                                   size_t *ret_plain_len);

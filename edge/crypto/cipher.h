/* One direction of an encrypting channel, AEAD or AES-CBC with encrypt-then-MAC, as both SK payloads and ESP
 * packets use it: IV | ciphertext | ICV. Lives in the caller's memory and never allocates. Private to
 * edge/crypto. */
#pragma once

#include "edge/crypto/hmac.h"
#include "edge/crypto/suite.h"

#include <openssl/aead.h>
#include <openssl/aes.h>

struct cipher_cbc {
    AES_KEY encrypt, decrypt;
    struct hmac_key integ;
};

struct cipher {
    uint16_t encr;
    uint8_t icv_len;
    uint8_t salt[4];
    union {
        EVP_AEAD_CTX aead;
        struct cipher_cbc cbc;
    };
};

/* `encr_key` is encr_key_bytes() long, salt last; `integ_key` integ_key_bytes() or unused. False when the
 * algorithms are unknown or do not belong together. */
HF_MUST bool cipher_init(struct cipher *cipher, uint16_t encr, uint16_t encr_bits, uint16_t integ,
                         const uint8_t *encr_key, const uint8_t *integ_key);
void cipher_done(struct cipher *cipher); /* wipes */

/* What is authenticated but not sent encrypted. An AEAD takes `aead`; HMAC takes `before` | IV | ciphertext |
 * `after`. */
struct cipher_aad {
    struct span aead, before, after;
};

/* Seals in place: the padded plaintext of `plain_len` bytes lies behind the IV of `body`. `iv` new for this
 * key. */
HF_MUST bool cipher_seal(const struct cipher *cipher, const struct cipher_aad *aad, uint64_t iv,
                         uint8_t *body, size_t plain_len);
/* Opens IV | ciphertext | ICV; the lengths have been checked by cipher_plain_len(). ret_plain may be the
 * place of the ciphertext itself. On failure nothing of the plaintext is left in it. */
HF_MUST bool cipher_open(const struct cipher *cipher, const struct cipher_aad *aad, struct span body,
                         uint8_t *ret_plain);
/* Length of the padded plaintext of a sealed body; 0 when the body is too short or not a multiple of `block`.
 */
size_t cipher_plain_len(const struct cipher *cipher, size_t body_len, size_t block);

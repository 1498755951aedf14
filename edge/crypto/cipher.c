#include "edge/crypto/cipher.h"

#include "edge/base/bytes.h"
#include "edge/base/secret.h"

#include <openssl/err.h>

enum { NONCE_BYTES = 12 };

static const EVP_AEAD *aead_of(uint16_t encr, uint16_t encr_bits)
{
    if (encr == ENCR_CHACHA20_POLY1305) {
        return EVP_aead_chacha20_poly1305();
    }
    switch (encr_bits) {
    case 128:
        return EVP_aead_aes_128_gcm();
    case 192:
        return EVP_aead_aes_192_gcm();
    default:
        return EVP_aead_aes_256_gcm();
    }
}

/* 0 for an unknown algorithm. */
static enum ike_hash hash_of_integ(uint16_t integ)
{
    switch (integ) {
    case INTEG_HMAC_SHA1_96:
        return HASH_SHA1;
    case INTEG_HMAC_SHA2_256_128:
        return HASH_SHA2_256;
    case INTEG_HMAC_SHA2_384_192:
        return HASH_SHA2_384;
    case INTEG_HMAC_SHA2_512_256:
        return HASH_SHA2_512;
    default:
        return 0;
    }
}

static bool cbc_init(struct cipher *cipher, uint16_t encr_bits, uint16_t integ, const uint8_t *encr_key,
                     const uint8_t *integ_key)
{
    if (hash_of_integ(integ) == 0 || AES_set_encrypt_key(encr_key, encr_bits, &cipher->cbc.encrypt) != 0 ||
        AES_set_decrypt_key(encr_key, encr_bits, &cipher->cbc.decrypt) != 0) {
        return false;
    }
    hmac_key_init(&cipher->cbc.integ, hash_of_integ(integ), span_of(integ_key, integ_key_bytes(integ)));
    cipher->icv_len = (uint8_t)integ_icv_bytes(integ);
    return true;
}

bool cipher_init(struct cipher *cipher, uint16_t encr, uint16_t encr_bits, uint16_t integ,
                 const uint8_t *encr_key, const uint8_t *integ_key)
{
    size_t key_len = encr_key_bytes(encr, encr_bits);

    memset(cipher, 0, sizeof(*cipher));
    if (key_len == 0) {
        return false;
    }
    cipher->encr = encr;
    if (!encr_is_aead(encr)) {
        return cbc_init(cipher, encr_bits, integ, encr_key, integ_key);
    }
    if (integ != INTEG_NONE) {
        return false;
    }
    key_len -= sizeof(cipher->salt);
    cipher->icv_len = (uint8_t)encr_icv_bytes(encr);
    memcpy(cipher->salt, encr_key + key_len, sizeof(cipher->salt));
    return EVP_AEAD_CTX_init(&cipher->aead, aead_of(encr, encr_bits), encr_key, key_len, cipher->icv_len,
                             NULL) == 1;
}

void cipher_done(struct cipher *cipher)
{
    if (encr_is_aead(cipher->encr)) {
        EVP_AEAD_CTX_cleanup(&cipher->aead);
    }
    secret_wipe(cipher, sizeof(*cipher));
}

size_t cipher_plain_len(const struct cipher *cipher, size_t body_len, size_t block)
{
    size_t overhead = encr_iv_bytes(cipher->encr) + cipher->icv_len;

    return body_len > overhead && (body_len - overhead) % block == 0 ? body_len - overhead : 0;
}

/* salt | IV (RFC 4106 4, RFC 5282 4, RFC 7634 2) */
static void nonce_build(const struct cipher *cipher, const uint8_t iv[8], uint8_t ret_nonce[NONCE_BYTES])
{
    memcpy(ret_nonce, cipher->salt, sizeof(cipher->salt));
    memcpy(ret_nonce + sizeof(cipher->salt), iv, 8);
}

static void cbc_icv(const struct cipher *cipher, const struct cipher_aad *aad, struct span iv_and_text,
                    uint8_t ret_mac[HASH_BYTES_MAX])
{
    struct hmac hmac;

    hmac_begin(&hmac, &cipher->cbc.integ);
    hmac_add(&hmac, aad->before);
    hmac_add(&hmac, iv_and_text);
    hmac_add(&hmac, aad->after);
    hmac_end(&hmac, ret_mac);
}

static void cbc_seal(const struct cipher *cipher, const struct cipher_aad *aad, uint64_t iv, uint8_t *body,
                     size_t plain_len)
{
    uint8_t block[AES_BLOCK_SIZE] = {0};
    uint8_t mac[HASH_BYTES_MAX];

    /* CBC needs an IV that nobody can predict: a number that is new, encrypted under the key, is both (SP
     * 800-38A C). */
    be64_store(block, iv);
    AES_encrypt(block, block, &cipher->cbc.encrypt);
    memcpy(body, block, sizeof(block));
    AES_cbc_encrypt(body + sizeof(block), body + sizeof(block), plain_len, &cipher->cbc.encrypt, block,
                    AES_ENCRYPT);
    cbc_icv(cipher, aad, span_of(body, sizeof(block) + plain_len), mac);
    memcpy(body + sizeof(block) + plain_len, mac, cipher->icv_len);
}

bool cipher_seal(const struct cipher *cipher, const struct cipher_aad *aad, uint64_t iv, uint8_t *body,
                 size_t plain_len)
{
    if (!encr_is_aead(cipher->encr)) {
        hf_assert(plain_len % AES_BLOCK_SIZE == 0);
        cbc_seal(cipher, aad, iv, body, plain_len);
        return true;
    }
    uint8_t nonce[NONCE_BYTES];
    size_t sealed_len = 0;
    be64_store(body, iv);
    nonce_build(cipher, body, nonce);
    if (EVP_AEAD_CTX_seal(&cipher->aead, body + 8, &sealed_len, plain_len + cipher->icv_len, nonce,
                          sizeof(nonce), body + 8, plain_len, aad->aead.data, aad->aead.len) != 1) {
        ERR_clear_error();
        return false;
    }
    hf_assert(sealed_len == plain_len + cipher->icv_len);
    return true;
}

static bool cbc_open(const struct cipher *cipher, const struct cipher_aad *aad, struct span body,
                     uint8_t *ret_plain)
{
    uint8_t mac[HASH_BYTES_MAX];
    uint8_t iv[AES_BLOCK_SIZE];
    size_t mac_at = body.len - cipher->icv_len;

    cbc_icv(cipher, aad, span_of(body.data, mac_at), mac);
    if (!secret_equal(mac, body.data + mac_at, cipher->icv_len)) {
        return false;
    }
    memcpy(iv, body.data, sizeof(iv));
    AES_cbc_encrypt(body.data + sizeof(iv), ret_plain, mac_at - sizeof(iv), &cipher->cbc.decrypt, iv,
                    AES_DECRYPT);
    return true;
}

bool cipher_open(const struct cipher *cipher, const struct cipher_aad *aad, struct span body,
                 uint8_t *ret_plain)
{
    if (!encr_is_aead(cipher->encr)) {
        return cbc_open(cipher, aad, body, ret_plain);
    }
    uint8_t nonce[NONCE_BYTES];
    size_t plain_len = 0;
    nonce_build(cipher, body.data, nonce);
    if (EVP_AEAD_CTX_open(&cipher->aead, ret_plain, &plain_len, body.len - 8u - cipher->icv_len, nonce,
                          sizeof(nonce), body.data + 8, body.len - 8, aad->aead.data, aad->aead.len) != 1) {
        ERR_clear_error(); /* a forged packet must leave no trace in the library's error queue either */
        return false;
    }
    return true;
}

#include "edge/crypto/sk.h"

#include "edge/base/secret.h"
#include "edge/crypto/cipher.h"

/* Everything around the plaintext whose length does not vary. */
static size_t overhead_bytes(const struct sk_key *key)
{
    size_t icv = encr_is_aead(key->encr) ? encr_icv_bytes(key->encr) : integ_icv_bytes(key->integ);

    return encr_iv_bytes(key->encr) + icv;
}

/* Payloads, padding and the pad length byte. */
static size_t padded_bytes(const struct sk_key *key, size_t plain_len)
{
    size_t block = encr_block_bytes(key->encr);

    return (plain_len + 1 + block - 1) / block * block;
}

size_t sk_sealed_bytes(const struct sk_key *key, size_t plain_len)
{
    return overhead_bytes(key) + padded_bytes(key, plain_len);
}

size_t sk_plain_bytes(const struct sk_key *key, size_t sealed_len)
{
    size_t overhead = overhead_bytes(key);
    size_t block = encr_block_bytes(key->encr);

    if (sealed_len < overhead + block) {
        return 0;
    }
    return (sealed_len - overhead) / block * block - 1;
}

bool sk_seal(const struct sk_key *key, uint64_t iv, struct span aad, struct span plain, uint8_t *ret_body)
{
    struct cipher cipher;
    size_t iv_len = encr_iv_bytes(key->encr);
    size_t padded = padded_bytes(key, plain.len);
    const struct cipher_aad both = {.aead = aad, .before = aad};

    if (!cipher_init(&cipher, key->encr, key->encr_bits, key->integ, key->e, key->a)) {
        cipher_done(&cipher);
        return false;
    }
    if (plain.len > 0) {
        memmove(ret_body + iv_len, plain.data, plain.len);
    }
    size_t pad_len = padded - plain.len - 1;
    memset(ret_body + iv_len + plain.len, 0, pad_len);
    ret_body[iv_len + padded - 1] = (uint8_t)pad_len;
    bool sealed = cipher_seal(&cipher, &both, iv, ret_body, padded);
    cipher_done(&cipher);
    return sealed;
}

enum cause sk_open(const struct sk_key *key, struct span aad, struct span body, uint8_t *ret_plain,
                   size_t *ret_plain_len)
{
    struct cipher cipher;
    const struct cipher_aad both = {.aead = aad, .before = aad};

    *ret_plain_len = 0;
    bool ready = cipher_init(&cipher, key->encr, key->encr_bits, key->integ, key->e, key->a);
    hf_assert(ready); /* the suite was negotiated among those that we know */
    size_t padded = cipher_plain_len(&cipher, body.len, encr_block_bytes(key->encr));
    enum cause cause = padded == 0 ? CAUSE_SHORT : CAUSE_NONE;
    if (cause == CAUSE_NONE && !cipher_open(&cipher, &both, body, ret_plain)) {
        cause = CAUSE_ICV;
    }
    cipher_done(&cipher);
    if (cause != CAUSE_NONE) {
        return cause;
    }
    /* The contents of the padding may be anything (RFC 7296 3.14). */
    size_t pad_len = ret_plain[padded - 1];
    if (pad_len >= padded) {
        secret_wipe(ret_plain, padded);
        return CAUSE_PADDING;
    }
    *ret_plain_len = padded - 1 - pad_len;
    return CAUSE_NONE;
}

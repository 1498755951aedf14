#include "edge/crypto/suite.h"

enum { AEAD_SALT_BYTES = 4 };

bool encr_is_aead(uint16_t encr)
{
    return encr == ENCR_AES_GCM_16 || encr == ENCR_CHACHA20_POLY1305;
}

size_t encr_key_bytes(uint16_t encr, uint16_t key_bits)
{
    bool is_aes_size = key_bits == 128 || key_bits == 192 || key_bits == 256;

    switch (encr) {
    case ENCR_AES_CBC:
        return is_aes_size ? key_bits / 8u : 0;
    case ENCR_AES_GCM_16:
        return is_aes_size ? key_bits / 8u + AEAD_SALT_BYTES : 0;
    case ENCR_CHACHA20_POLY1305:
        return key_bits == 256 ? 32u + AEAD_SALT_BYTES : 0;
    default:
        return 0;
    }
}

size_t encr_iv_bytes(uint16_t encr)
{
    return encr == ENCR_AES_CBC ? 16 : encr_is_aead(encr) ? 8 : 0;
}

size_t encr_icv_bytes(uint16_t encr)
{
    return encr_is_aead(encr) ? 16 : 0;
}

size_t encr_block_bytes(uint16_t encr)
{
    return encr == ENCR_AES_CBC ? 16 : 1;
}

size_t integ_key_bytes(uint16_t integ)
{
    switch (integ) {
    case INTEG_HMAC_SHA1_96:
        return 20;
    case INTEG_HMAC_SHA2_256_128:
        return 32;
    case INTEG_HMAC_SHA2_384_192:
        return 48;
    case INTEG_HMAC_SHA2_512_256:
        return 64;
    default:
        return 0;
    }
}

size_t integ_icv_bytes(uint16_t integ)
{
    switch (integ) {
    case INTEG_HMAC_SHA1_96:
        return 12;
    case INTEG_HMAC_SHA2_256_128:
        return 16;
    case INTEG_HMAC_SHA2_384_192:
        return 24;
    case INTEG_HMAC_SHA2_512_256:
        return 32;
    default:
        return 0;
    }
}

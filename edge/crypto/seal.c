#include "edge/crypto/seal.h"

#include "edge/base/bytes.h"
#include "edge/base/secret.h"
#include "edge/crypto/prf.h"

#include <openssl/aead.h>
#include <openssl/err.h>
#include <openssl/rand.h>

enum { NONCE_BYTES = 12, TAG_BYTES = 16 };

_Static_assert(NONCE_BYTES + TAG_BYTES == SEAL_OVERHEAD_BYTES, "nonce and tag");

/* HKDF (RFC 5869) with HMAC-SHA256: extraction is one PRF, expansion is what IKE calls prf+. */
void fleet_derive(const uint8_t fleet_key[FLEET_KEY_BYTES], const char *label, uint64_t number,
                  uint8_t *ret_key, size_t len)
{
    const struct span salt = span_of_string("holdfast fleet 1");
    const struct span input = span_of(fleet_key, FLEET_KEY_BYTES);
    uint8_t extracted[PRF_BYTES_MAX], suffix[9] = {0};

    be64_store(suffix + 1, number); /* behind a NUL: no label can imitate another's number */
    const struct span info[] = {span_of_string(label), span_of(suffix, sizeof(suffix))};
    prf_compute(PRF_HMAC_SHA2_256, salt, &input, 1, extracted);
    prf_plus(PRF_HMAC_SHA2_256, span_of(extracted, 32), info, HF_COUNT(info), ret_key, len);
    secret_wipe(extracted, sizeof(extracted));
}

bool seal_record(const uint8_t key[32], const struct rand_source *rand, struct span aad, struct span plain,
                 uint8_t *ret_sealed)
{
    EVP_AEAD_CTX context;
    size_t len = 0;

    if (EVP_AEAD_CTX_init(&context, EVP_aead_aes_256_gcm(), key, 32, TAG_BYTES, NULL) != 1) {
        return false;
    }
    rand_fill(rand, ret_sealed, NONCE_BYTES);
    bool done = EVP_AEAD_CTX_seal(&context, ret_sealed + NONCE_BYTES, &len, plain.len + TAG_BYTES, ret_sealed,
                                  NONCE_BYTES, plain.data, plain.len, aad.data, aad.len) == 1;
    EVP_AEAD_CTX_cleanup(&context);
    secret_wipe(&context, sizeof(context));
    ERR_clear_error();
    return done;
}

bool unseal_record(const uint8_t key[32], struct span aad, struct span sealed, uint8_t *ret_plain)
{
    EVP_AEAD_CTX context;
    size_t len = 0;

    if (sealed.len < SEAL_OVERHEAD_BYTES ||
        EVP_AEAD_CTX_init(&context, EVP_aead_aes_256_gcm(), key, 32, TAG_BYTES, NULL) != 1) {
        return false;
    }
    bool done = EVP_AEAD_CTX_open(&context, ret_plain, &len, sealed.len - SEAL_OVERHEAD_BYTES, sealed.data,
                                  NONCE_BYTES, sealed.data + NONCE_BYTES, sealed.len - NONCE_BYTES, aad.data,
                                  aad.len) == 1;
    EVP_AEAD_CTX_cleanup(&context);
    secret_wipe(&context, sizeof(context));
    ERR_clear_error();
    return done;
}

static void system_fill(void *context, uint8_t *ret_bytes, size_t len)
{
    (void)context;
    RAND_bytes(ret_bytes, len); /* aborts the process rather than fail */
}

struct rand_source rand_system(void)
{
    return (struct rand_source){.fill = system_fill};
}

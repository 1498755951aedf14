#include "edge/crypto/prf.h"

#include "edge/base/secret.h"
#include "edge/crypto/hmac.h"

_Static_assert(PRF_BYTES_MAX >= HMAC_BYTES_MAX, "a PRF's output fits");

static bool hash_of_prf(uint16_t prf, enum hmac_hash *ret_hash)
{
    switch (prf) {
    case PRF_HMAC_SHA1:
        *ret_hash = HMAC_SHA1;
        return true;
    case PRF_HMAC_SHA2_256:
        *ret_hash = HMAC_SHA256;
        return true;
    case PRF_HMAC_SHA2_384:
        *ret_hash = HMAC_SHA384;
        return true;
    case PRF_HMAC_SHA2_512:
        *ret_hash = HMAC_SHA512;
        return true;
    default:
        return false;
    }
}

size_t prf_bytes(uint16_t prf)
{
    enum hmac_hash hash;

    return hash_of_prf(prf, &hash) ? hmac_bytes(hash) : 0;
}

/* A PRF that was never negotiable is a programmer's error. */
static void prf_key_init(struct hmac_key *ret_key, uint16_t prf, struct span key)
{
    enum hmac_hash hash = HMAC_SHA1;
    bool known = hash_of_prf(prf, &hash);

    hf_assert(known);
    hmac_key_init(ret_key, hash, key);
}

static void hmac_add_parts(struct hmac *hmac, const struct span *parts, size_t num_parts)
{
    for (size_t i = 0; i < num_parts; i++) {
        hmac_add(hmac, parts[i]);
    }
}

void prf_compute(uint16_t prf, struct span key, const struct span *parts, size_t num_parts, uint8_t *ret_out)
{
    struct hmac_key keyed;
    struct hmac hmac;

    prf_key_init(&keyed, prf, key);
    hmac_begin(&hmac, &keyed);
    hmac_add_parts(&hmac, parts, num_parts);
    hmac_end(&hmac, ret_out);
    secret_wipe(&keyed, sizeof(keyed));
}

void prf_plus(uint16_t prf, struct span key, const struct span *parts, size_t num_parts, uint8_t *ret_out,
              size_t len)
{
    struct hmac_key keyed;
    uint8_t block[PRF_BYTES_MAX];
    size_t block_len = prf_bytes(prf);

    hf_assert(len <= 255 * block_len);
    prf_key_init(&keyed, prf, key);
    uint8_t counter = 1;
    for (size_t done = 0; done < len; counter++) {
        struct hmac hmac;
        hmac_begin(&hmac, &keyed);
        hmac_add(&hmac, span_of(block, done == 0 ? 0 : block_len)); /* T1 has no T0 */
        hmac_add_parts(&hmac, parts, num_parts);
        hmac_add(&hmac, span_of(&counter, 1));
        hmac_end(&hmac, block);
        size_t take = HF_MIN(len - done, block_len);
        memcpy(ret_out + done, block, take);
        done += take;
    }
    secret_wipe(block, sizeof(block));
    secret_wipe(&keyed, sizeof(keyed));
}

void hash_sha1(const struct span *parts, size_t num_parts, uint8_t ret_digest[20])
{
    SHA_CTX state;

    SHA1_Init(&state);
    for (size_t i = 0; i < num_parts; i++) {
        if (parts[i].len > 0) {
            SHA1_Update(&state, parts[i].data, parts[i].len);
        }
    }
    SHA1_Final(ret_digest, &state);
}

void hash_sha256(const struct span *parts, size_t num_parts, uint8_t ret_digest[32])
{
    SHA256_CTX state;

    SHA256_Init(&state);
    for (size_t i = 0; i < num_parts; i++) {
        if (parts[i].len > 0) {
            SHA256_Update(&state, parts[i].data, parts[i].len);
        }
    }
    SHA256_Final(ret_digest, &state);
}

#include "edge/crypto/prf.h"

#include "edge/base/secret.h"
#include "edge/crypto/hmac.h"

_Static_assert(PRF_BYTES_MAX >= HASH_BYTES_MAX, "a PRF's output fits");

/* 0 for an unknown PRF. */
static enum ike_hash hash_of_prf(uint16_t prf)
{
    switch (prf) {
    case PRF_HMAC_SHA1:
        return HASH_SHA1;
    case PRF_HMAC_SHA2_256:
        return HASH_SHA2_256;
    case PRF_HMAC_SHA2_384:
        return HASH_SHA2_384;
    case PRF_HMAC_SHA2_512:
        return HASH_SHA2_512;
    default:
        return 0;
    }
}

size_t prf_bytes(uint16_t prf)
{
    return hash_bytes(hash_of_prf(prf));
}

/* A PRF that was never negotiable is a programmer's error. */
static void prf_key_init(struct hmac_key *ret_key, uint16_t prf, struct span key)
{
    hf_assert(prf_bytes(prf) > 0);
    hmac_key_init(ret_key, hash_of_prf(prf), key);
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
    (void)hash_parts(HASH_SHA1, parts, num_parts, ret_digest);
}

void hash_sha256(const struct span *parts, size_t num_parts, uint8_t ret_digest[32])
{
    (void)hash_parts(HASH_SHA2_256, parts, num_parts, ret_digest);
}

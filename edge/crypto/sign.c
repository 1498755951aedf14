#include "edge/crypto/sign.h"

#include "edge/base/reader.h"
#include "edge/base/secret.h"
#include "edge/crypto/credential.h"
#include "edge/crypto/prf.h"
#include "edge/crypto/signature.h"

unsigned sign_hashes_supported(void)
{
    return HASH_BIT(HASH_SHA2_256) | HASH_BIT(HASH_SHA2_384) | HASH_BIT(HASH_SHA2_512) |
           HASH_BIT(HASH_IDENTITY);
}

/* ---- our AUTH ---- */

/* Our hash of choice among those the peer announced; false when there is none. */
static bool hash_choose(enum key_kind kind, unsigned peer_hashes, enum ike_hash *ret_hash)
{
    enum ike_hash order[4] = {HASH_SHA2_256, HASH_SHA2_256, HASH_SHA2_384, HASH_SHA2_512};

    if (kind == KEY_ED25519) {
        *ret_hash = HASH_IDENTITY;
        return (peer_hashes & HASH_BIT(HASH_IDENTITY)) != 0;
    }
    order[0] = kind == KEY_P384 ? HASH_SHA2_384 : HASH_SHA2_256;
    for (size_t i = 0; i < HF_COUNT(order); i++) {
        if ((peer_hashes & HASH_BIT(order[i])) != 0) {
            *ret_hash = order[i];
            return true;
        }
    }
    return false;
}

static enum signature_scheme scheme_of_key(enum key_kind kind)
{
    return kind == KEY_RSA ? SCHEME_RSA_PKCS1 : kind == KEY_ED25519 ? SCHEME_ED25519 : SCHEME_ECDSA;
}

/* RFC 7427 3: a length byte, the AlgorithmIdentifier, the signature. */
static enum cause sign_digital(const struct credential *credential, enum ike_hash hash,
                               const struct span *tbs, size_t num_parts, uint8_t *ret_auth, size_t *ret_len)
{
    struct algorithm algorithm = {scheme_of_key(credential->kind), hash};
    struct span identifier = algorithm_identifier(&algorithm);
    size_t before = 1 + identifier.len;
    size_t len;

    hf_assert(identifier.len > 0 && identifier.len < 256);
    ret_auth[0] = (uint8_t)identifier.len;
    memcpy(ret_auth + 1, identifier.data, identifier.len);
    if (!signature_make(credential->key, &algorithm, ECDSA_DER, tbs, num_parts, ret_auth + before,
                        SIGNATURE_BYTES_MAX - before, &len)) {
        return CAUSE_AUTH_METHOD;
    }
    *ret_len = before + len;
    return CAUSE_NONE;
}

/* For a peer that does not know RFC 7427. */
static enum cause sign_classic(const struct credential *credential, const struct span *tbs, size_t num_parts,
                               uint8_t *ret_method, uint8_t *ret_auth, size_t *ret_len)
{
    struct algorithm algorithm = {scheme_of_key(credential->kind), HASH_SHA1};

    switch (credential->kind) {
    case KEY_RSA: /* method 1 means SHA-1 to those that know nothing newer */
        *ret_method = AUTH_RSA;
        break;
    case KEY_P256:
        *ret_method = AUTH_ECDSA_256;
        algorithm.hash = HASH_SHA2_256;
        break;
    case KEY_P384:
        *ret_method = AUTH_ECDSA_384;
        algorithm.hash = HASH_SHA2_384;
        break;
    default: /* Ed25519 has no classic method (RFC 8420) */
        return CAUSE_AUTH_METHOD;
    }
    bool done = signature_make(credential->key, &algorithm, ECDSA_RAW, tbs, num_parts, ret_auth,
                               SIGNATURE_BYTES_MAX, ret_len);
    return done ? CAUSE_NONE : CAUSE_AUTH_METHOD;
}

enum cause sign_auth(const struct credential *credential, unsigned peer_hashes, const struct span *tbs,
                     size_t num_parts, uint8_t *ret_method, uint8_t ret_auth[SIGNATURE_BYTES_MAX],
                     size_t *ret_len)
{
    enum ike_hash hash;

    *ret_len = 0;
    if (peer_hashes == 0) {
        return sign_classic(credential, tbs, num_parts, ret_method, ret_auth, ret_len);
    }
    /* RFC 7427 3: with a peer that knows it no other method may be used. */
    *ret_method = AUTH_DIGITAL_SIGNATURE;
    if (!hash_choose(credential->kind, peer_hashes, &hash)) {
        return CAUSE_AUTH_METHOD;
    }
    return sign_digital(credential, hash, tbs, num_parts, ret_auth, ret_len);
}

/* ---- the peer's AUTH ---- */

static enum cause verify_digital(EVP_PKEY *key, enum key_kind kind, struct span auth, const struct span *tbs,
                                 size_t num_parts)
{
    struct reader r = reader_of(auth);
    struct span identifier = reader_take(&r, reader_u8(&r));
    struct span signature = reader_rest(&r);
    struct algorithm algorithm;

    if (!reader_done(&r) || identifier.len == 0 || signature.len == 0) {
        return CAUSE_AUTH_SYNTAX;
    }
    if (!algorithm_read(identifier, &algorithm) || !scheme_fits_key(algorithm.scheme, kind)) {
        return CAUSE_AUTH_METHOD;
    }
    bool good = signature_check(key, &algorithm, ECDSA_DER, signature, tbs, num_parts);
    return good ? CAUSE_NONE : CAUSE_AUTH_WRONG;
}

/* RFC 7296 3.8 lets the hash of method 1 be chosen by the signer; SHA-1 and SHA-256 are what is sent. */
static enum cause verify_rsa(EVP_PKEY *key, enum key_kind kind, struct span auth, const struct span *tbs,
                             size_t num_parts)
{
    static const struct algorithm deployed[] = {{SCHEME_RSA_PKCS1, HASH_SHA1},
                                                {SCHEME_RSA_PKCS1, HASH_SHA2_256}};

    if (kind != KEY_RSA) {
        return CAUSE_AUTH_METHOD;
    }
    for (size_t i = 0; i < HF_COUNT(deployed); i++) {
        if (signature_check(key, &deployed[i], ECDSA_RAW, auth, tbs, num_parts)) {
            return CAUSE_NONE;
        }
    }
    return CAUSE_AUTH_WRONG;
}

static enum cause verify_ecdsa(EVP_PKEY *key, bool fits, enum ike_hash hash, size_t len, struct span auth,
                               const struct span *tbs, size_t num_parts)
{
    const struct algorithm algorithm = {SCHEME_ECDSA, hash};

    if (!fits) {
        return CAUSE_AUTH_METHOD;
    }
    if (auth.len != len) {
        return CAUSE_AUTH_SYNTAX;
    }
    return signature_check(key, &algorithm, ECDSA_RAW, auth, tbs, num_parts) ? CAUSE_NONE : CAUSE_AUTH_WRONG;
}

enum cause sign_verify(const struct public_key *key, uint8_t method, struct span auth, const struct span *tbs,
                       size_t num_parts)
{
    EVP_PKEY *evp = public_key_evp(key);
    enum key_kind kind = key_kind_of(evp);

    switch (method) {
    case AUTH_DIGITAL_SIGNATURE:
        return verify_digital(evp, kind, auth, tbs, num_parts);
    case AUTH_RSA:
        return verify_rsa(evp, kind, auth, tbs, num_parts);
    case AUTH_ECDSA_256:
        return verify_ecdsa(evp, kind == KEY_P256, HASH_SHA2_256, 64, auth, tbs, num_parts);
    case AUTH_ECDSA_384:
        return verify_ecdsa(evp, kind == KEY_P384, HASH_SHA2_384, 96, auth, tbs, num_parts);
    default:
        return CAUSE_AUTH_METHOD;
    }
}

void psk_auth(uint16_t prf, struct span secret, const struct span *octets, size_t num_parts,
              uint8_t *ret_auth)
{
    const struct span pad = span_of_string("Key Pad for IKEv2");
    uint8_t key[PRF_BYTES_MAX];

    prf_compute(prf, secret, &pad, 1, key);
    prf_compute(prf, span_of(key, prf_bytes(prf)), octets, num_parts, ret_auth);
    secret_wipe(key, sizeof(key));
}

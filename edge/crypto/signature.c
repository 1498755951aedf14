#include "edge/crypto/signature.h"

#include "edge/crypto/hash.h"
#include "edge/crypto/prf.h"

#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

/* Ed25519 takes the octets as one piece: our or the peer's first message, a nonce, prf(SK_p, ID) (RFC
 * 7296 2.15). */
enum { TBS_BYTES_MAX = IKE_MESSAGE_BYTES_MAX + IKE_NONCE_BYTES_MAX + PRF_BYTES_MAX };

struct digest {
    uint8_t bytes[HASH_BYTES_MAX];
    size_t len;
};

bool scheme_fits_key(enum signature_scheme scheme, enum key_kind kind)
{
    switch (scheme) {
    case SCHEME_RSA_PKCS1:
    case SCHEME_RSA_PSS:
        return kind == KEY_RSA;
    case SCHEME_ECDSA:
        return kind == KEY_P256 || kind == KEY_P384;
    case SCHEME_ED25519:
        return kind == KEY_ED25519;
    }
    return false;
}

static int nid_of_hash(enum ike_hash hash)
{
    switch (hash) {
    case HASH_SHA1:
        return NID_sha1;
    case HASH_SHA2_256:
        return NID_sha256;
    case HASH_SHA2_384:
        return NID_sha384;
    default:
        return NID_sha512;
    }
}

static const EVP_MD *md_of_hash(enum ike_hash hash)
{
    return hash == HASH_SHA2_256 ? EVP_sha256() : hash == HASH_SHA2_384 ? EVP_sha384() : EVP_sha512();
}

static struct digest digest_of(enum ike_hash hash, const struct span *parts, size_t num_parts)
{
    struct digest digest;

    digest.len = hash_parts(hash, parts, num_parts, digest.bytes);
    return digest;
}

/* The parts as one piece; SIZE_MAX when they are longer than any message of IKE. */
static size_t parts_join(const struct span *parts, size_t num_parts, uint8_t ret_bytes[TBS_BYTES_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < num_parts; i++) {
        if (parts[i].len > TBS_BYTES_MAX - len) {
            return SIZE_MAX;
        }
        if (parts[i].len > 0) {
            memcpy(ret_bytes + len, parts[i].data, parts[i].len);
            len += parts[i].len;
        }
    }
    return len;
}

static size_t curve_bytes(const EC_KEY *ec)
{
    return (EC_GROUP_order_bits(EC_KEY_get0_group(ec)) + 7u) / 8u;
}

/* ---- making ---- */

static bool rsa_make(const EVP_PKEY *key, enum ike_hash hash, const struct digest *digest,
                     uint8_t *ret_signature, size_t cap, size_t *ret_len)
{
    RSA *rsa = EVP_PKEY_get0_RSA(key);
    unsigned len = 0;

    if (RSA_size(rsa) > cap ||
        RSA_sign(nid_of_hash(hash), digest->bytes, digest->len, ret_signature, &len, rsa) != 1) {
        return false;
    }
    *ret_len = len;
    return true;
}

static bool ecdsa_make_raw(const EC_KEY *ec, const struct digest *digest, uint8_t *ret_signature,
                           size_t *ret_len)
{
    size_t half = curve_bytes(ec);
    ECDSA_SIG *pair = ECDSA_do_sign(digest->bytes, digest->len, ec);
    bool done = pair != NULL && BN_bn2bin_padded(ret_signature, half, ECDSA_SIG_get0_r(pair)) == 1 &&
                BN_bn2bin_padded(ret_signature + half, half, ECDSA_SIG_get0_s(pair)) == 1;

    ECDSA_SIG_free(pair);
    *ret_len = 2 * half;
    return done;
}

static bool ecdsa_make(const EVP_PKEY *key, const struct digest *digest, enum ecdsa_form form,
                       uint8_t *ret_signature, size_t cap, size_t *ret_len)
{
    EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    unsigned len = 0;

    if (ECDSA_size(ec) > cap) { /* DER is the longer form */
        return false;
    }
    if (form == ECDSA_RAW) {
        return ecdsa_make_raw(ec, digest, ret_signature, ret_len);
    }
    bool done = ECDSA_sign(0, digest->bytes, digest->len, ret_signature, &len, ec) == 1;
    *ret_len = len;
    return done;
}

static bool ed25519_make(EVP_PKEY *key, const struct span *parts, size_t num_parts, uint8_t *ret_signature,
                         size_t cap, size_t *ret_len)
{
    uint8_t joined[TBS_BYTES_MAX];
    size_t len = parts_join(parts, num_parts, joined);
    EVP_MD_CTX context;

    *ret_len = cap;
    EVP_MD_CTX_init(&context);
    bool done = len != SIZE_MAX && EVP_DigestSignInit(&context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(&context, ret_signature, ret_len, joined, len) == 1;
    EVP_MD_CTX_cleanup(&context);
    return done;
}

bool signature_make(EVP_PKEY *key, const struct algorithm *algorithm, enum ecdsa_form form,
                    const struct span *parts, size_t num_parts, uint8_t *ret_signature, size_t cap,
                    size_t *ret_len)
{
    struct digest digest;
    bool done = false;

    *ret_len = 0;
    switch (algorithm->scheme) {
    case SCHEME_RSA_PKCS1:
        digest = digest_of(algorithm->hash, parts, num_parts);
        done = rsa_make(key, algorithm->hash, &digest, ret_signature, cap, ret_len);
        break;
    case SCHEME_ECDSA:
        digest = digest_of(algorithm->hash, parts, num_parts);
        done = ecdsa_make(key, &digest, form, ret_signature, cap, ret_len);
        break;
    case SCHEME_ED25519:
        done = ed25519_make(key, parts, num_parts, ret_signature, cap, ret_len);
        break;
    case SCHEME_RSA_PSS: /* Windows does not know it, and PKCS#1 v1.5 serves everybody */
        break;
    }
    ERR_clear_error();
    return done;
}

/* ---- checking ---- */

static bool ecdsa_check_raw(const EC_KEY *ec, const struct digest *digest, struct span signature)
{
    size_t half = curve_bytes(ec);

    if (signature.len != 2 * half) {
        return false;
    }
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.data, half, NULL);
    BIGNUM *s = BN_bin2bn(signature.data + half, half, NULL);
    if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return false;
    }
    bool good = ECDSA_do_verify(digest->bytes, digest->len, pair, ec) == 1;
    ECDSA_SIG_free(pair);
    return good;
}

static bool ed25519_check(EVP_PKEY *key, struct span signature, const struct span *parts, size_t num_parts)
{
    uint8_t joined[TBS_BYTES_MAX];
    size_t len = parts_join(parts, num_parts, joined);
    EVP_MD_CTX context;

    EVP_MD_CTX_init(&context);
    bool good = len != SIZE_MAX && EVP_DigestVerifyInit(&context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(&context, signature.data, signature.len, joined, len) == 1;
    EVP_MD_CTX_cleanup(&context);
    return good;
}

bool signature_check(EVP_PKEY *key, const struct algorithm *algorithm, enum ecdsa_form form,
                     struct span signature, const struct span *parts, size_t num_parts)
{
    struct digest digest = {.len = 0};
    bool good = false;

    if (algorithm->scheme != SCHEME_ED25519) {
        digest = digest_of(algorithm->hash, parts, num_parts);
    }
    switch (algorithm->scheme) {
    case SCHEME_RSA_PKCS1: /* compares the whole encoded block: there is no slack to forge with */
        good = RSA_verify(nid_of_hash(algorithm->hash), digest.bytes, digest.len, signature.data,
                          signature.len, EVP_PKEY_get0_RSA(key)) == 1;
        break;
    case SCHEME_RSA_PSS:
        good = RSA_verify_pss_mgf1(EVP_PKEY_get0_RSA(key), digest.bytes, digest.len,
                                   md_of_hash(algorithm->hash), md_of_hash(algorithm->hash), (int)digest.len,
                                   signature.data, signature.len) == 1;
        break;
    case SCHEME_ECDSA:
        good = form == ECDSA_RAW ? ecdsa_check_raw(EVP_PKEY_get0_EC_KEY(key), &digest, signature)
                                 : ECDSA_verify(0, digest.bytes, digest.len, signature.data, signature.len,
                                                EVP_PKEY_get0_EC_KEY(key)) == 1;
        break;
    case SCHEME_ED25519:
        good = ed25519_check(key, signature, parts, num_parts);
        break;
    }
    ERR_clear_error();
    return good;
}

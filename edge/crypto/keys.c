#include "edge/crypto/keys.h"

#include "edge/crypto/text.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

enum {
    RSA_BITS_MIN = 2048,
    RSA_EXPONENT_BITS_MAX = 33 /* as the library: larger ones only serve to burn time */
};

static bool rsa_is_accepted(const RSA *rsa)
{
    const BIGNUM *n = RSA_get0_n(rsa);
    const BIGNUM *e = RSA_get0_e(rsa);

    return n != NULL && e != NULL && BN_num_bits(n) >= RSA_BITS_MIN && BN_num_bits(n) <= IKE_RSA_BITS_MAX &&
           !BN_is_negative(n) && BN_is_odd(n) && !BN_is_negative(e) && BN_is_odd(e) && !BN_is_one(e) &&
           BN_num_bits(e) <= RSA_EXPONENT_BITS_MAX;
}

static enum key_kind kind_of_curve(const EC_KEY *ec)
{
    switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(ec))) {
    case NID_X9_62_prime256v1:
        return KEY_P256;
    case NID_secp384r1:
        return KEY_P384;
    default:
        return KEY_REFUSED;
    }
}

enum key_kind key_kind_of(const EVP_PKEY *key)
{
    if (key == NULL) {
        return KEY_REFUSED;
    }
    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA:
        return rsa_is_accepted(EVP_PKEY_get0_RSA(key)) ? KEY_RSA : KEY_REFUSED;
    case EVP_PKEY_EC:
        return kind_of_curve(EVP_PKEY_get0_EC_KEY(key));
    case EVP_PKEY_ED25519:
        return KEY_ED25519;
    default:
        return KEY_REFUSED;
    }
}

bool signature_is_strong(int nid)
{
    switch (nid) {
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
    case NID_rsassaPss: /* the library takes it with SHA-2 only */
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512:
    case NID_ED25519:
        return true;
    default:
        return false;
    }
}

void public_key_free(struct public_key *key)
{
    EVP_PKEY_free(public_key_evp(key));
}

X509 *x509_of_der(struct span der)
{
    const uint8_t *at = der.data;

    if (der.len == 0 || der.len > IKE_CERT_BYTES_MAX) {
        return NULL;
    }
    X509 *cert = d2i_X509(NULL, &at, (long)der.len);
    if (cert == NULL || at != der.data + der.len) {
        X509_free(cert);
        ERR_clear_error();
        return NULL;
    }
    return cert;
}

void error_set(char ret_error[CRYPTO_ERROR_MAX], const char *text)
{
    struct text out = text_of(ret_error, CRYPTO_ERROR_MAX);

    text_add(&out, text);
    text_end(&out);
}

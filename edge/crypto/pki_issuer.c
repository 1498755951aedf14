#include "edge/crypto/pki_issuer.h"

#include "edge/crypto/pem.h"

#include <openssl/digest.h>
#include <openssl/x509v3.h>

const char *issuer_open(const struct pki_issuer *pem, struct issuer *ret_issuer)
{
    *ret_issuer = (struct issuer){pem_first_cert(pem->cert_pem), pem_key(pem->key_pem)};
    if (ret_issuer->cert == NULL) {
        return "issuer's certificate cannot be read";
    }
    if (ret_issuer->key == NULL) {
        return "issuer's private key cannot be read, or is encrypted";
    }
    if (X509_check_ca(ret_issuer->cert) == 0) {
        return "issuer's certificate is not a CA certificate";
    }
    if (X509_check_private_key(ret_issuer->cert, ret_issuer->key) != 1) {
        return "issuer's private key does not belong to its certificate";
    }
    return NULL;
}

void issuer_close(struct issuer *issuer)
{
    X509_free(issuer->cert);
    EVP_PKEY_free(issuer->key);
}

const EVP_MD *issuer_digest(const EVP_PKEY *key)
{
    switch (key_kind_of(key)) {
    case KEY_ED25519:
        return NULL;
    case KEY_P384:
        return EVP_sha384();
    default:
        return EVP_sha256();
    }
}

ASN1_TIME *pki_time(int64_t unix_s)
{
    return ASN1_TIME_set_posix(NULL, unix_s);
}

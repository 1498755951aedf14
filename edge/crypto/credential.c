#include "edge/crypto/credential.h"

#include "edge/crypto/pem.h"

#include <openssl/err.h>
#include <openssl/mem.h>

void credential_free(struct credential *credential)
{
    if (credential == NULL) {
        return;
    }
    for (size_t i = 0; i < credential->num_certs; i++) {
        OPENSSL_free((uint8_t *)(uintptr_t)credential->certs[i].data);
    }
    X509_free(credential->leaf);
    EVP_PKEY_free(credential->key);
    OPENSSL_free(credential);
}

/* NULL, or what is wrong. */
static const char *chain_load(struct credential *credential, struct span chain_pem)
{
    X509 *certs[CREDENTIAL_CHAIN_MAX];
    size_t n = pem_certs(chain_pem, certs, CREDENTIAL_CHAIN_MAX);
    bool fits = true;

    if (n == SIZE_MAX || n == 0) {
        return n == 0 ? "no certificate in the file" : "certificate cannot be parsed, or too many";
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t *der = NULL;
        int len = i2d_X509(certs[i], &der);
        fits = fits && len > 0 && len <= IKE_CERT_BYTES_MAX;
        credential->certs[i] = span_of(der, len > 0 ? (size_t)len : 0);
    }
    credential->num_certs = n;
    credential->leaf = certs[0];
    for (size_t i = 1; i < n; i++) {
        X509_free(certs[i]);
    }
    return fits ? NULL : "certificate is too large";
}

static const char *key_load(struct credential *credential, struct span key_pem)
{
    credential->key = pem_key(key_pem);
    if (credential->key == NULL) {
        return "private key cannot be read, or is encrypted";
    }
    credential->kind = key_kind_of(credential->key);
    if (credential->kind == KEY_REFUSED) {
        return "private key is not RSA 2048..8192, P-256, P-384 or Ed25519";
    }
    return X509_check_private_key(credential->leaf, credential->key) == 1
               ? NULL
               : "private key does not belong to the first certificate";
}

struct credential *credential_new(struct span chain_pem, struct span key_pem,
                                  char ret_error[CRYPTO_ERROR_MAX])
{
    struct credential *credential = OPENSSL_malloc(sizeof(*credential));

    if (credential == NULL) {
        error_set(ret_error, "out of memory");
        return NULL;
    }
    memset(credential, 0, sizeof(*credential));
    const char *error = chain_load(credential, chain_pem);
    if (error == NULL) {
        error = key_load(credential, key_pem);
    }
    ERR_clear_error();
    error_set(ret_error, error == NULL ? "" : error);
    if (error != NULL) {
        credential_free(credential);
        return NULL;
    }
    return credential;
}

size_t credential_chain(const struct credential *credential, const struct span **ret_certs)
{
    *ret_certs = credential->certs;
    return credential->num_certs;
}

bool credential_has_id(const struct credential *credential, const struct identity *id)
{
    return x509_has_identity(credential->leaf, id);
}

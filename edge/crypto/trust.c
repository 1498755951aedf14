#include "edge/crypto/trust.h"

#include "edge/crypto/keys.h"
#include "edge/crypto/pem.h"

#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

struct trust *trust_new(enum crl_policy policy)
{
    struct trust *trust = OPENSSL_malloc(sizeof(*trust));
    X509_STORE *store = X509_STORE_new();
    /* An intermediate CA may be the anchor, and what we know goes before what a peer sends. */
    unsigned long flags = X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN;

    if (trust == NULL || store == NULL || X509_STORE_set_flags(store, flags) != 1 ||
        X509_STORE_set_depth(store, IKE_CERTS_MAX) != 1) {
        X509_STORE_free(store);
        OPENSSL_free(trust);
        return NULL;
    }
    memset(trust, 0, sizeof(*trust));
    trust->store = store;
    trust->policy = policy;
    return trust;
}

void trust_of_gateways(struct trust *trust)
{
    trust->of_gateways = true;
}

void trust_free(struct trust *trust)
{
    if (trust != NULL) {
        revocation_lists_free(trust);
        X509_STORE_free(trust->store);
        OPENSSL_free(trust);
    }
}

/* SHA-1 of the SubjectPublicKeyInfo (RFC 7296 3.7). */
static bool key_digest(X509 *cert, uint8_t ret_digest[20])
{
    uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

    if (len > 0) {
        SHA1(der, (size_t)len, ret_digest);
    }
    OPENSSL_free(der);
    return len > 0;
}

static bool has_digest(const struct trust *trust, const uint8_t digest[20])
{
    for (size_t i = 0; i < trust->num_cas; i++) {
        if (memcmp(trust->certreq[i], digest, 20) == 0) {
            return true;
        }
    }
    return false;
}

/* NULL, or what is wrong. */
static const char *ca_add(struct trust *trust, X509 *cert)
{
    EVP_PKEY *key = X509_get_pubkey(cert);
    enum key_kind kind = key_kind_of(key);
    uint8_t digest[20];

    EVP_PKEY_free(key);
    if (kind == KEY_REFUSED) {
        return "CA key is not RSA 2048..8192, P-256, P-384 or Ed25519";
    }
    if (X509_check_ca(cert) == 0) {
        return "certificate is not a CA certificate";
    }
    if (!key_digest(cert, digest) || X509_STORE_add_cert(trust->store, cert) != 1) {
        return "certificate cannot be used";
    }
    if (has_digest(trust, digest)) {
        return NULL; /* the same key in another certificate, or the same one again */
    }
    if (trust->num_cas == TRUST_CAS_MAX) {
        return "too many CAs";
    }
    memcpy(trust->certreq[trust->num_cas++], digest, 20);
    return NULL;
}

bool trust_add_ca(struct trust *trust, struct span pem, char ret_error[CRYPTO_ERROR_MAX])
{
    X509 *certs[TRUST_CAS_MAX];
    const char *error = NULL;
    size_t n = pem_certs(pem, certs, TRUST_CAS_MAX);

    if (n == SIZE_MAX || n == 0) {
        error_set(ret_error,
                  n == 0 ? "no certificate in the file" : "certificate cannot be parsed, or too many");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        error = error == NULL ? ca_add(trust, certs[i]) : error;
        X509_free(certs[i]);
    }
    ERR_clear_error();
    error_set(ret_error, error == NULL ? "" : error);
    return error == NULL;
}

struct span trust_certreq(const struct trust *trust)
{
    return span_of(trust->certreq, trust->num_cas * sizeof(trust->certreq[0]));
}

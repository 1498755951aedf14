/* The trust store: which CAs and CRLs there are, and what an incomplete or old CRL means.
 *
 * Every certificate of a chain but the trust anchor is looked up in the CRL of its issuer. CRL_REQUIRED: a
 * CRL that is missing, expired, not valid yet or not for this certificate refuses the chain
 * (CAUSE_CRL_MISSING). CRL_IF_PRESENT: a missing CRL is no reason to refuse, and neither is one out of date,
 * but whatever an outdated one revokes stays revoked: certificates do not come back from revocation. A CRL
 * whose signature is wrong refuses the chain under both policies. */
#include "edge/crypto/trust.h"

#include "edge/crypto/keys.h"
#include "edge/crypto/pem.h"

#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

enum { CRLS_MAX = 64 };

static bool is_crl_trouble(int error)
{
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
        return true;
    default:
        return false;
    }
}

/* The anchor is trusted because the operator said so; nobody above it could have revoked it. */
static bool is_anchor_crl_trouble(X509_STORE_CTX *context, int error)
{
    size_t depth = (size_t)X509_STORE_CTX_get_error_depth(context);
    bool at_anchor = depth + 1 == sk_X509_num(X509_STORE_CTX_get0_chain(context));

    return at_anchor &&
           (is_crl_trouble(error) || error == X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER ||
            error == X509_V_ERR_CRL_SIGNATURE_FAILURE || error == X509_V_ERR_KEYUSAGE_NO_CRL_SIGN);
}

static int judge_required(int ok, X509_STORE_CTX *context)
{
    int error = X509_STORE_CTX_get_error(context);

    return ok || is_anchor_crl_trouble(context, error);
}

static int judge_if_present(int ok, X509_STORE_CTX *context)
{
    int error = X509_STORE_CTX_get_error(context);

    return ok || is_crl_trouble(error) || is_anchor_crl_trouble(context, error);
}

struct trust *trust_new(enum crl_policy policy)
{
    struct trust *trust = OPENSSL_malloc(sizeof(*trust));
    X509_STORE *store = X509_STORE_new();
    unsigned long flags = X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_TRUSTED_FIRST |
                          X509_V_FLAG_PARTIAL_CHAIN; /* an intermediate CA may be the anchor */

    if (trust == NULL || store == NULL || X509_STORE_set_flags(store, flags) != 1 ||
        X509_STORE_set_depth(store, IKE_CERTS_MAX) != 1) {
        X509_STORE_free(store);
        OPENSSL_free(trust);
        return NULL;
    }
    X509_STORE_set_verify_cb(store, policy == CRL_REQUIRED ? judge_required : judge_if_present);
    *trust = (struct trust){.store = store};
    return trust;
}

void trust_free(struct trust *trust)
{
    if (trust != NULL) {
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

/* True when a CA of that name is loaded and none of its keys made the signature. CAs that only peers send are
 * not known here; their CRLs are checked with the chain. */
static bool is_forged(const struct trust *trust, X509_CRL *crl)
{
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(trust->store);
    bool named = false;

    for (size_t i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (ca == NULL || X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) != 0) {
            continue;
        }
        EVP_PKEY *key = X509_get_pubkey(ca);
        bool made_it = key != NULL && X509_CRL_verify(crl, key) == 1;
        EVP_PKEY_free(key);
        if (made_it) {
            return false;
        }
        named = true;
    }
    return named;
}

bool trust_add_crl(struct trust *trust, struct span pem, char ret_error[CRYPTO_ERROR_MAX])
{
    X509_CRL *crls[CRLS_MAX];
    const char *error = NULL;
    size_t n = pem_crls(pem, crls, CRLS_MAX);

    if (n == SIZE_MAX || n == 0) {
        error_set(ret_error, n == 0 ? "no CRL in the file" : "CRL cannot be parsed, or too many");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (error == NULL && is_forged(trust, crls[i])) {
            error = "CRL is not signed by the CA that it names";
        }
        if (error == NULL && X509_STORE_add_crl(trust->store, crls[i]) != 1) {
            error = "CRL cannot be used";
        }
        X509_CRL_free(crls[i]);
    }
    ERR_clear_error();
    error_set(ret_error, error == NULL ? "" : error);
    return error == NULL;
}

struct span trust_certreq(const struct trust *trust)
{
    return span_of(trust->certreq, trust->num_cas * sizeof(trust->certreq[0]));
}

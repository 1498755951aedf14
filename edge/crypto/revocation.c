/* CRLs: loading and looking up. The library's own check would verify each CRL's signature again for every
 * chain, megabytes at a time, so a CRL is verified once, when it is loaded after its CA. That of a CA that
 * only peers send is verified with the chain; who loads the issuing CA as a trusted one spares that work.
 *
 * Only complete CRLs are taken: a critical extension means deltas, indirect entries or parts (RFC 5280 5.2),
 * and a part could be put in the place of the one that revokes (RFC 4945 5.1.3.13). */
#include "edge/crypto/keys.h"
#include "edge/crypto/pem.h"
#include "edge/crypto/trust.h"

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/x509v3.h>

/* ---- loading ---- */

static bool is_complete(X509_CRL *crl)
{
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);

    if (X509_CRL_get_ext_by_critical(crl, 1, -1) >= 0 ||
        X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0 ||
        X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) >= 0) {
        return false;
    }
    for (size_t i = 0; entries != NULL && i < sk_X509_REVOKED_num(entries); i++) {
        if (X509_REVOKED_get_ext_by_critical(sk_X509_REVOKED_value(entries, i), 1, -1) >= 0) {
            return false;
        }
    }
    return true;
}

/* The key of the loaded CA that signed it, NULL when no loaded CA has that name. ret_forged: one has, and did
 * not sign. */
static EVP_PKEY *signer_find(const struct trust *trust, X509_CRL *crl, bool *ret_forged)
{
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(trust->store);

    *ret_forged = false;
    for (size_t i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (ca == NULL || X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) != 0) {
            continue;
        }
        EVP_PKEY *key = X509_get_pubkey(ca);
        if (key != NULL && X509_CRL_verify(crl, key) == 1) {
            *ret_forged = false;
            return key;
        }
        EVP_PKEY_free(key);
        *ret_forged = true;
    }
    return NULL;
}

/* NULL, or what is wrong. Takes `crl` over only without an error. */
static const char *list_add(struct trust *trust, X509_CRL *crl)
{
    struct revocation_list list = {.crl = crl};
    bool forged;

    if (trust->num_crls == TRUST_CRLS_MAX) {
        return "too many CRLs";
    }
    if (X509_CRL_get0_nextUpdate(crl) == NULL ||
        ASN1_TIME_to_posix(X509_CRL_get0_lastUpdate(crl), &list.this_update_unix_s) != 1 ||
        ASN1_TIME_to_posix(X509_CRL_get0_nextUpdate(crl), &list.next_update_unix_s) != 1) {
        return "CRL does not say how long it is valid";
    }
    if (!is_complete(crl)) {
        return "CRL is a delta, indirect or not for all certificates of its CA";
    }
    if (!signature_is_strong(X509_CRL_get_signature_nid(crl))) {
        return "CRL is not signed with SHA-2 or Ed25519";
    }
    list.signer = signer_find(trust, crl, &forged);
    if (forged) {
        return "CRL is not signed by the CA that it names";
    }
    if (X509_CRL_sort(crl) != 1) {
        EVP_PKEY_free(list.signer);
        return "CRL cannot be used";
    }
    trust->crls[trust->num_crls++] = list;
    return NULL;
}

bool trust_add_crl(struct trust *trust, struct span pem, char ret_error[CRYPTO_ERROR_MAX])
{
    X509_CRL *crls[TRUST_CRLS_MAX];
    const char *error = NULL;
    size_t n = pem_crls(pem, crls, TRUST_CRLS_MAX);

    if (n == SIZE_MAX || n == 0) {
        error_set(ret_error, n == 0 ? "no CRL in the file" : "CRL cannot be parsed, or too many");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        error = error == NULL ? list_add(trust, crls[i]) : error;
        if (error != NULL) {
            X509_CRL_free(crls[i]);
        }
    }
    ERR_clear_error();
    error_set(ret_error, error == NULL ? "" : error);
    return error == NULL;
}

void revocation_lists_free(struct trust *trust)
{
    for (size_t i = 0; i < trust->num_crls; i++) {
        X509_CRL_free(trust->crls[i].crl);
        EVP_PKEY_free(trust->crls[i].signer);
    }
    trust->num_crls = 0;
}

/* ---- looking up ---- */

static bool is_signed_by(const struct revocation_list *list, EVP_PKEY *issuer_key)
{
    return list->signer != NULL ? EVP_PKEY_cmp(list->signer, issuer_key) == 1
                                : X509_CRL_verify(list->crl, issuer_key) == 1;
}

/* One that is in force goes before one of the future, and then the newest before older ones. */
static bool is_better(const struct revocation_list *list, const struct revocation_list *best,
                      int64_t now_unix_s)
{
    bool begun = list->this_update_unix_s <= now_unix_s;
    bool best_begun = best != NULL && best->this_update_unix_s <= now_unix_s;

    if (best == NULL || begun != best_begun) {
        return best == NULL || begun;
    }
    return list->this_update_unix_s > best->this_update_unix_s;
}

static const struct revocation_list *list_of_issuer(const struct trust *trust, X509 *issuer,
                                                    int64_t now_unix_s)
{
    const struct revocation_list *best = NULL;
    EVP_PKEY *key = X509_get_pubkey(issuer);
    bool may_sign = key != NULL && (X509_get_key_usage(issuer) & X509v3_KU_CRL_SIGN) != 0;

    for (size_t i = 0; may_sign && i < trust->num_crls; i++) {
        const struct revocation_list *list = &trust->crls[i];
        if (X509_NAME_cmp(X509_CRL_get_issuer(list->crl), X509_get_subject_name(issuer)) == 0 &&
            is_better(list, best, now_unix_s) && is_signed_by(list, key)) {
            best = list;
        }
    }
    EVP_PKEY_free(key);
    return best;
}

/* What an outdated CRL revokes stays revoked: certificates do not come back. */
static enum cause check_one(const struct trust *trust, X509 *cert, X509 *issuer, int64_t now_unix_s)
{
    const struct revocation_list *list = list_of_issuer(trust, issuer, now_unix_s);
    X509_REVOKED *entry = NULL;

    if (list == NULL) {
        return CAUSE_CRL_MISSING;
    }
    if (X509_CRL_get0_by_cert(list->crl, &entry, cert) != 0) {
        return CAUSE_CERT_REVOKED;
    }
    bool in_force = list->this_update_unix_s <= now_unix_s && now_unix_s < list->next_update_unix_s;
    return in_force ? CAUSE_NONE : CAUSE_CRL_MISSING;
}

enum cause revocation_check(const struct trust *trust, const STACK_OF(X509) * chain, int64_t now_unix_s)
{
    enum cause worst = CAUSE_NONE;

    /* Not the last one, the anchor: it is trusted because the operator said so, and nobody stands above it.
     */
    for (size_t i = 0; i + 1 < sk_X509_num(chain); i++) {
        enum cause cause = check_one(trust, sk_X509_value(chain, i), sk_X509_value(chain, i + 1), now_unix_s);
        if (cause == CAUSE_CERT_REVOKED) {
            return cause;
        }
        worst = cause != CAUSE_NONE ? cause : worst;
    }
    return trust->policy == CRL_REQUIRED ? worst : CAUSE_NONE;
}

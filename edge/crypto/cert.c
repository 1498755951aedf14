#include "edge/crypto/cert.h"

#include "edge/crypto/keys.h"
#include "edge/crypto/trust.h"

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/x509v3.h>

/* ---- what the leaf may be used for ---- */

#define OID(...) {(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})}

/* RFC 4945 5.1.3.12 names ipsecIKE and anyExtendedKeyUsage. Certificates that operating systems enroll for
 * their users carry clientAuth instead; the deprecated IPsec purposes can mean nothing but this use either.
 */
static const struct span purposes[] = {
    OID(0x2b, 6, 1, 5, 5, 7, 3, 17), /* ipsecIKE */
    OID(0x2b, 6, 1, 5, 5, 7, 3, 5),  /* ipsecEndSystem */
    OID(0x2b, 6, 1, 5, 5, 7, 3, 7),  /* ipsecUser */
    OID(0x2b, 6, 1, 5, 5, 8, 2, 2),  /* iKEIntermediate */
    OID(0x55, 0x1d, 0x25, 0),        /* anyExtendedKeyUsage */
};

static const struct span client_auth = OID(0x2b, 6, 1, 5, 5, 7, 3, 2);
static const struct span server_auth = OID(0x2b, 6, 1, 5, 5, 7, 3, 1);

static bool purpose_is_ours(const ASN1_OBJECT *purpose, bool of_gateways)
{
    struct span oid = span_of(OBJ_get0_data(purpose), OBJ_length(purpose));

    if (span_equal(oid, of_gateways ? server_auth : client_auth)) {
        return true;
    }
    for (size_t i = 0; i < HF_COUNT(purposes); i++) {
        if (span_equal(oid, purposes[i])) {
            return true;
        }
    }
    return false;
}

static enum cause check_extended_usage(X509 *leaf, bool of_gateways)
{
    int critical = 0;
    EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(leaf, NID_ext_key_usage, &critical, NULL);
    bool ours = false;

    if (usage == NULL) {
        return critical == -1 ? CAUSE_NONE : CAUSE_CERT_PARSE; /* -1: there is none */
    }
    for (size_t i = 0; i < sk_ASN1_OBJECT_num(usage); i++) {
        ours |= purpose_is_ours(sk_ASN1_OBJECT_value(usage, i), of_gateways);
    }
    sk_ASN1_OBJECT_pop_free(usage, ASN1_OBJECT_free);
    return ours ? CAUSE_NONE : CAUSE_CERT_USAGE;
}

/* RFC 4945 5.1.3.2: where keyUsage is present it allows signatures. A CA does not act as a client. */
static enum cause check_usage(X509 *leaf, bool of_gateways)
{
    bool signs = (X509_get_key_usage(leaf) & (X509v3_KU_DIGITAL_SIGNATURE | X509v3_KU_NON_REPUDIATION)) != 0;
    bool is_ca = (X509_get_extension_flags(leaf) & EXFLAG_CA) != 0;

    return signs && !is_ca ? check_extended_usage(leaf, of_gateways) : CAUSE_CERT_USAGE;
}

/* ---- the chain ---- */

static enum cause cause_of_error(int error)
{
    switch (error) {
    case X509_V_OK:
        return CAUSE_NONE;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return CAUSE_CERT_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return CAUSE_CERT_NOT_YET;
    case X509_V_ERR_INVALID_EXTENSION:
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
        return CAUSE_CERT_PARSE;
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
    case X509_V_ERR_INVALID_PURPOSE:
        return CAUSE_CERT_USAGE;
    default:
        return CAUSE_CERT_UNTRUSTED;
    }
}

/* The anchor's own signature proves nothing and is not looked at. */
static bool signatures_are_strong(const STACK_OF(X509) * chain)
{
    for (size_t i = 0; i + 1 < sk_X509_num(chain); i++) {
        if (!signature_is_strong(X509_get_signature_nid(sk_X509_value(chain, i)))) {
            return false;
        }
    }
    return true;
}

/* The library holds the path lengths of what a peer sent against the chain, not the anchor's (RFC 5280 6.1.1
 * (d) leaves that open). An operator who limits a root means it. Self-issued certificates do not count (RFC
 * 5280 4.2.1.9). */
static bool path_lengths_hold(const STACK_OF(X509) * chain)
{
    long below = 0; /* CAs between this one and the leaf */

    for (size_t i = 1; i < sk_X509_num(chain); i++) {
        X509 *ca = sk_X509_value(chain, i);
        long limit = X509_get_pathlen(ca);
        if (limit >= 0 && below > limit) {
            return false;
        }
        below += (X509_get_extension_flags(ca) & EXFLAG_SI) == 0 ? 1 : 0;
    }
    return true;
}

/* What remains to be said of a chain whose signatures and times hold. */
static enum cause judge_chain(const struct trust *trust, const STACK_OF(X509) * chain, int64_t now_unix_s)
{
    if (!path_lengths_hold(chain)) {
        return CAUSE_CERT_UNTRUSTED;
    }
    return signatures_are_strong(chain) ? revocation_check(trust, chain, now_unix_s) : CAUSE_CERT_KEY;
}

static enum cause check_chain(const struct trust *trust, X509 *leaf, STACK_OF(X509) * helpers,
                              int64_t now_unix_s)
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    enum cause cause = CAUSE_CERT_UNTRUSTED;

    if (context != NULL && X509_STORE_CTX_init(context, trust->store, leaf, helpers) == 1) {
        X509_VERIFY_PARAM_set_time_posix(X509_STORE_CTX_get0_param(context), now_unix_s);
        if (X509_verify_cert(context) != 1) {
            cause = cause_of_error(X509_STORE_CTX_get_error(context));
            cause = cause == CAUSE_NONE ? CAUSE_CERT_UNTRUSTED : cause;
        } else {
            cause = judge_chain(trust, X509_STORE_CTX_get0_chain(context), now_unix_s);
        }
    }
    X509_STORE_CTX_free(context);
    return cause;
}

/* Helpers that do not parse are of no help and nothing more. One with a key that we refuse never gets to
 * verify anything, so a peer cannot make us work with a huge key; ret_refused remembers that it was there. */
static STACK_OF(X509) * helpers_parse(const struct span *certs, size_t num_certs, bool *ret_refused)
{
    STACK_OF(X509) *helpers = sk_X509_new_null();

    *ret_refused = false;
    for (size_t i = 0; helpers != NULL && i < num_certs; i++) {
        X509 *cert = x509_of_der(certs[i]);
        EVP_PKEY *key = cert == NULL ? NULL : X509_get_pubkey(cert);
        bool accepted = key_kind_of(key) != KEY_REFUSED;
        EVP_PKEY_free(key);
        *ret_refused |= cert != NULL && !accepted;
        if (!accepted || sk_X509_push(helpers, cert) == 0) {
            X509_free(cert);
        }
    }
    return helpers;
}

static enum cause check_leaf(const struct trust *trust, X509 *leaf, const struct span *helper_certs,
                             size_t num_helpers, const struct identity *id, int64_t now_unix_s)
{
    bool refused;
    STACK_OF(X509) *helpers = helpers_parse(helper_certs, num_helpers, &refused);
    enum cause cause = check_chain(trust, leaf, helpers, now_unix_s);

    sk_X509_pop_free(helpers, X509_free);
    if (cause == CAUSE_CERT_UNTRUSTED && refused) {
        return CAUSE_CERT_KEY;
    }
    if (cause == CAUSE_NONE) {
        cause = check_usage(leaf, trust->of_gateways);
    }
    if (cause == CAUSE_NONE && !x509_has_identity(leaf, id)) {
        cause = CAUSE_CERT_ID;
    }
    return cause;
}

enum cause cert_verify(const struct trust *trust, const struct span *certs, size_t num_certs,
                       const struct identity *id, int64_t now_unix_s, struct public_key **ret_key)
{
    *ret_key = NULL;
    if (num_certs == 0) {
        return CAUSE_CERT_MISSING;
    }
    X509 *leaf = num_certs > IKE_CERTS_MAX ? NULL : x509_of_der(certs[0]);
    if (leaf == NULL) {
        return CAUSE_CERT_PARSE;
    }
    EVP_PKEY *key = X509_get_pubkey(leaf);
    enum cause cause = CAUSE_CERT_KEY;
    if (key_kind_of(key) != KEY_REFUSED) {
        cause = check_leaf(trust, leaf, certs + 1, num_certs - 1, id, now_unix_s);
    }
    X509_free(leaf);
    ERR_clear_error();
    if (cause != CAUSE_NONE) {
        EVP_PKEY_free(key);
        return cause;
    }
    *ret_key = public_key_of(key);
    return CAUSE_NONE;
}

bool cert_not_after(struct span cert, int64_t *ret_unix_s)
{
    X509 *x509 = x509_of_der(cert);
    bool done = x509 != NULL && ASN1_TIME_to_posix(X509_get0_notAfter(x509), ret_unix_s) == 1;

    X509_free(x509);
    ERR_clear_error();
    return done;
}

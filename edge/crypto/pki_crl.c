#include "edge/crypto/pki.h"

#include "edge/crypto/pem.h"
#include "edge/crypto/pki_issuer.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/x509v3.h>

/* ---- what an older CRL said ---- */

/* Its number, 0 when it has none. NULL without memory. */
static BIGNUM *number_of(const X509_CRL *crl)
{
    ASN1_INTEGER *number = crl == NULL ? NULL : X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    BIGNUM *value = number == NULL ? BN_new() : ASN1_INTEGER_to_BN(number, NULL);

    ASN1_INTEGER_free(number);
    return value;
}

static bool entries_copy(X509_CRL *crl, X509_CRL *old)
{
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(old);

    for (size_t i = 0; entries != NULL && i < sk_X509_REVOKED_num(entries); i++) {
        X509_REVOKED *copy = X509_REVOKED_dup(sk_X509_REVOKED_value(entries, i));
        if (copy == NULL || X509_CRL_add0_revoked(crl, copy) != 1) {
            X509_REVOKED_free(copy);
            return false;
        }
    }
    return true;
}

/* ---- a new one ---- */

static bool set_times(X509_CRL *crl, int64_t this_update_unix_s, int64_t next_update_unix_s)
{
    ASN1_TIME *from = pki_time(this_update_unix_s);
    ASN1_TIME *to = pki_time(next_update_unix_s);
    bool done = from != NULL && to != NULL && this_update_unix_s < next_update_unix_s &&
                X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, to) == 1;

    ASN1_TIME_free(to);
    ASN1_TIME_free(from);
    return done;
}

static ASN1_INTEGER *serial_parse(const char *hex)
{
    BIGNUM *number = NULL;
    size_t len = strlen(hex);
    ASN1_INTEGER *serial = NULL;

    if (len > 0 && len < PKI_SERIAL_TEXT_MAX && BN_hex2bn(&number, hex) == (int)len &&
        !BN_is_negative(number)) {
        serial = BN_to_ASN1_INTEGER(number, NULL);
    }
    BN_free(number);
    return serial;
}

static bool entry_add(X509_CRL *crl, const struct pki_revocation *revocation)
{
    ASN1_INTEGER *serial = serial_parse(revocation->serial);
    ASN1_TIME *at = pki_time(revocation->at_unix_s);
    X509_REVOKED *entry = X509_REVOKED_new(), *present = NULL;
    bool done = serial != NULL && at != NULL && entry != NULL;

    if (done && X509_CRL_get0_by_serial(crl, &present, serial) == 0) {
        done = X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
               X509_REVOKED_set_revocationDate(entry, at) == 1 && X509_CRL_add0_revoked(crl, entry) == 1;
        entry = done ? NULL : entry; /* the CRL owns it now */
    }
    X509_REVOKED_free(entry);
    ASN1_TIME_free(at);
    ASN1_INTEGER_free(serial);
    return done;
}

static bool add_number(X509_CRL *crl, const X509_CRL *old)
{
    BIGNUM *value = number_of(old);
    ASN1_INTEGER *number =
        value == NULL || BN_add_word(value, 1) != 1 ? NULL : BN_to_ASN1_INTEGER(value, NULL);
    bool done =
        number != NULL && X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, X509V3_ADD_DEFAULT) == 1;

    ASN1_INTEGER_free(number);
    BN_free(value);
    return done;
}

static bool add_authority(X509_CRL *crl, X509 *issuer)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, NULL, NULL, crl, 0);
    X509_EXTENSION *extension =
        X509V3_EXT_nconf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
    bool done = extension != NULL && X509_CRL_add_ext(crl, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

struct crl_request {
    const struct issuer *issuer;
    X509_CRL *old; /* NULL for a first one */
    const struct pki_revocation *revocations;
    size_t num_revocations;
    int64_t this_update_unix_s, next_update_unix_s;
};

/* NULL, or what is wrong. */
static const char *crl_fill(X509_CRL *crl, const struct crl_request *request)
{
    const struct issuer *issuer = request->issuer;

    if (!set_times(crl, request->this_update_unix_s, request->next_update_unix_s)) {
        return "validity makes no sense";
    }
    if (X509_CRL_set_version(crl, X509_CRL_VERSION_2) != 1 ||
        X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert)) != 1 ||
        !add_number(crl, request->old) || !add_authority(crl, issuer->cert) ||
        (request->old != NULL && !entries_copy(crl, request->old))) {
        return "CRL cannot be built";
    }
    for (size_t i = 0; i < request->num_revocations; i++) {
        if (!entry_add(crl, &request->revocations[i])) {
            return "a serial number is not hex, or a time makes no sense";
        }
    }
    return X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, issuer->key, issuer_digest(issuer->key)) > 0
               ? NULL
               : "CRL cannot be signed";
}

static const char *crl_make(const struct crl_request *request, struct writer *ret_pem)
{
    if (request->old != NULL &&
        X509_NAME_cmp(X509_CRL_get_issuer(request->old), X509_get_subject_name(request->issuer->cert)) != 0) {
        return "the old CRL is of another CA";
    }
    X509_CRL *crl = X509_CRL_new();
    const char *error = crl == NULL ? "out of memory" : crl_fill(crl, request);
    if (error == NULL && !pem_write_crl(crl, ret_pem)) {
        error = "no room for the CRL";
    }
    X509_CRL_free(crl);
    return error;
}

bool pki_crl_new(const struct pki_issuer *issuer, struct span old_crl_pem,
                 const struct pki_revocation *revocations, size_t num_revocations, int64_t this_update_unix_s,
                 int64_t next_update_unix_s, struct writer *ret_pem, char ret_error[CRYPTO_ERROR_MAX])
{
    struct issuer opened;
    struct crl_request request = {&opened,           NULL, revocations, num_revocations, this_update_unix_s,
                                  next_update_unix_s};
    const char *error = issuer_open(issuer, &opened);

    if (error == NULL && old_crl_pem.len > 0 && pem_crls(old_crl_pem, &request.old, 1) != 1) {
        request.old = NULL;
        error = "the old CRL cannot be read";
    }
    if (error == NULL) {
        error = crl_make(&request, ret_pem);
    }
    X509_CRL_free(request.old);
    issuer_close(&opened);
    ERR_clear_error();
    error_set(ret_error, error == NULL ? "" : error);
    return error == NULL;
}

#include "edge/crypto/pki.h"

#include "edge/crypto/dn.h"
#include "edge/crypto/pem.h"
#include "edge/crypto/pki_issuer.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { PKI_NAMES_MAX = 64, SERIAL_BYTES = 16 };

/* ---- parts of a certificate; each adds to `cert` and says whether it could ---- */

static X509_NAME *subject_parse(const char *text)
{
    uint8_t der[IKE_ID_BYTES_MAX];
    struct writer w = writer_of(der, sizeof(der));

    if (dn_is_text(text)) {
        const uint8_t *at = der;
        return dn_parse(text, &w) ? d2i_X509_NAME(NULL, &at, (long)w.len) : NULL;
    }
    X509_NAME *name = X509_NAME_new();
    if (name == NULL || X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const uint8_t *)text,
                                                   -1, -1, 0) != 1) {
        X509_NAME_free(name);
        return NULL;
    }
    return name;
}

static bool add_subject(X509 *cert, const char *text)
{
    X509_NAME *name = text == NULL || *text == '\0' ? NULL : subject_parse(text);
    bool done = name != NULL && X509_set_subject_name(cert, name) == 1;

    X509_NAME_free(name);
    return done;
}

static bool add_serial(X509 *cert)
{
    uint8_t bytes[SERIAL_BYTES];

    RAND_bytes(bytes, sizeof(bytes));
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and of one length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    ASN1_INTEGER *serial = number == NULL ? NULL : BN_to_ASN1_INTEGER(number, NULL);
    bool done = serial != NULL && X509_set_serialNumber(cert, serial) == 1;
    ASN1_INTEGER_free(serial);
    BN_free(number);
    return done;
}

static bool add_validity(X509 *cert, const struct pki_request *request)
{
    ASN1_TIME *from = pki_time(request->not_before_unix_s);
    ASN1_TIME *to = pki_time(request->not_after_unix_s);
    bool done = from != NULL && to != NULL && X509_set1_notBefore(cert, from) == 1 &&
                X509_set1_notAfter(cert, to) == 1;

    ASN1_TIME_free(to);
    ASN1_TIME_free(from);
    return done;
}

/* `value` in the library's notation, never anything that a user wrote. */
static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    bool done = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

/* "critical,CA:TRUE,pathlen:3" */
static bool add_constraints(X509 *cert, X509 *issuer, const struct pki_request *request)
{
    char value[64];
    struct text text = text_of(value, sizeof(value));

    text_add(&text, request->role == PKI_CA ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (request->role == PKI_CA && request->path_len >= 0) {
        text_add(&text, ",pathlen:");
        text_add_number(&text, (uint64_t)request->path_len);
    }
    return add_extension(cert, issuer, NID_basic_constraints, text_end(&text));
}

static bool add_usage(X509 *cert, X509 *issuer, enum pki_role role)
{
    const char *usage = role == PKI_CA ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature";
    const char *extended = role == PKI_SERVER ? "serverAuth" : role == PKI_CLIENT ? "clientAuth" : NULL;

    return add_extension(cert, issuer, NID_key_usage, usage) &&
           (extended == NULL || add_extension(cert, issuer, NID_ext_key_usage, extended));
}

/* The subject's identifier first: a self-signed certificate's authority takes it from there. */
static bool add_key_ids(X509 *cert, X509 *issuer)
{
    return add_extension(cert, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always");
}

/* ---- subject alternative names ---- */

static bool general_name_set(GENERAL_NAME *name, const struct identity *id)
{
    bool is_address = id->type == ID_IPV4_ADDR || id->type == ID_IPV6_ADDR;
    ASN1_STRING *string = ASN1_STRING_type_new(is_address ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

    if (string == NULL || ASN1_STRING_set(string, id->data, id->len) != 1) {
        ASN1_STRING_free(string);
        return false;
    }
    GENERAL_NAME_set0_value(name, is_address ? GEN_IPADD : id->type == ID_FQDN ? GEN_DNS : GEN_EMAIL, string);
    return true;
}

static bool general_names_push(GENERAL_NAMES *names, const char *text)
{
    struct identity id;

    if (!identity_parse(text, &id) || id.type == ID_DER_ASN1_DN || id.type == ID_KEY_ID) {
        return false;
    }
    GENERAL_NAME *name = GENERAL_NAME_new();
    if (name == NULL || !general_name_set(name, &id) || sk_GENERAL_NAME_push(names, name) == 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

static bool add_names(X509 *cert, const struct pki_request *request)
{
    if (request->num_names == 0) {
        return true;
    }
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool done = names != NULL && request->num_names <= PKI_NAMES_MAX;
    for (size_t i = 0; done && i < request->num_names; i++) {
        done = general_names_push(names, request->names[i]);
    }
    done = done && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return done;
}

/* ---- the whole ---- */

/* NULL, or what is wrong. `issuer` without a certificate: self-signed. */
static const char *cert_fill(X509 *cert, const struct pki_request *request, EVP_PKEY *key,
                             const struct issuer *issuer)
{
    X509 *authority = issuer->cert == NULL ? cert : issuer->cert;

    if (!add_subject(cert, request->subject)) {
        return "subject cannot be read, or is too long";
    }
    if (request->not_after_unix_s <= request->not_before_unix_s || !add_validity(cert, request)) {
        return "validity makes no sense";
    }
    if (X509_set_version(cert, X509_VERSION_3) != 1 || !add_serial(cert) || X509_set_pubkey(cert, key) != 1 ||
        X509_set_issuer_name(cert, X509_get_subject_name(authority)) != 1 ||
        !add_constraints(cert, authority, request) || !add_usage(cert, authority, request->role) ||
        !add_key_ids(cert, authority)) {
        return "certificate cannot be built";
    }
    if (!add_names(cert, request)) {
        return "a name is no host name, mail address or IP address";
    }
    EVP_PKEY *signer = issuer->key == NULL ? key : issuer->key;
    return X509_sign(cert, signer, issuer_digest(signer)) > 0 ? NULL : "certificate cannot be signed";
}

static const char *cert_make(const struct pki_request *request, EVP_PKEY *key, const struct issuer *issuer,
                             struct writer *ret_pem)
{
    X509 *cert = X509_new();

    if (key_kind_of(key) == KEY_REFUSED) {
        X509_free(cert);
        return "key cannot be read, or is not RSA 2048..8192, P-256, P-384 or Ed25519";
    }
    const char *error = cert == NULL ? "out of memory" : cert_fill(cert, request, key, issuer);
    if (error == NULL && !pem_write_cert(cert, ret_pem)) {
        error = "no room for the certificate";
    }
    X509_free(cert);
    return error;
}

bool pki_cert_new(const struct pki_request *request, struct span key_pem, const struct pki_issuer *issuer,
                  struct writer *ret_pem, char ret_error[CRYPTO_ERROR_MAX])
{
    struct issuer opened = {0};
    const char *error = NULL;
    bool is_self_signed = issuer->cert_pem.len == 0 && issuer->key_pem.len == 0;

    if (!is_self_signed) {
        error = issuer_open(issuer, &opened);
    }
    EVP_PKEY *key = pem_key(key_pem);
    if (error == NULL) {
        error = cert_make(request, key, &opened, ret_pem);
    }
    EVP_PKEY_free(key);
    issuer_close(&opened);
    ERR_clear_error();
    error_set(ret_error, error == NULL ? "" : error);
    return error == NULL;
}

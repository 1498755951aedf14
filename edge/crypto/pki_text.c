#include "edge/crypto/pki.h"

#include "edge/crypto/dn.h"
#include "edge/crypto/hash.h"
#include "edge/crypto/keys.h"
#include "edge/crypto/pem.h"

#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/x509v3.h>

static bool name_format(X509_NAME *name, char ret_text[IDENTITY_TEXT_MAX])
{
    uint8_t *der = NULL;
    int len = i2d_X509_NAME(name, &der);
    struct text text = text_of(ret_text, IDENTITY_TEXT_MAX);

    if (len > 0) {
        dn_format(span_of(der, (size_t)len), &text);
    }
    text_end(&text);
    OPENSSL_free(der);
    return len > 0;
}

static void serial_format(const ASN1_INTEGER *serial, char ret_text[PKI_SERIAL_TEXT_MAX])
{
    struct text text = text_of(ret_text, PKI_SERIAL_TEXT_MAX);

    text_add_hex(&text, span_of(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial)));
    text_end(&text);
}

static bool fingerprint(X509 *cert, uint8_t ret_digest[32])
{
    uint8_t *der = NULL;
    int len = i2d_X509(cert, &der);
    struct span part = span_of(der, len > 0 ? (size_t)len : 0);

    (void)hash_parts(HASH_SHA2_256, &part, 1, ret_digest);
    OPENSSL_free(der);
    return len > 0;
}

bool pki_cert_read(struct span pem, struct pki_cert_text *ret_text, char ret_error[CRYPTO_ERROR_MAX])
{
    X509 *cert = pem_first_cert(pem);
    bool done = cert != NULL;

    memset(ret_text, 0, sizeof(*ret_text));
    if (done) {
        serial_format(X509_get0_serialNumber(cert), ret_text->serial);
        ret_text->is_ca = X509_check_ca(cert) != 0;
        done = name_format(X509_get_subject_name(cert), ret_text->subject) &&
               name_format(X509_get_issuer_name(cert), ret_text->issuer) &&
               ASN1_TIME_to_posix(X509_get0_notBefore(cert), &ret_text->not_before_unix_s) == 1 &&
               ASN1_TIME_to_posix(X509_get0_notAfter(cert), &ret_text->not_after_unix_s) == 1 &&
               fingerprint(cert, ret_text->sha256);
    }
    X509_free(cert);
    ERR_clear_error();
    error_set(ret_error, done ? "" : "certificate cannot be read");
    return done;
}

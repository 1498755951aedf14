/* Certificates that are gone, and CRLs: what a resumed login is still asked (RFC 5723 6.2, 9.7). */
#include "edge/crypto/keys.h"
#include "edge/crypto/trust.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/sha.h>

static bool name_digest(X509_NAME *name, uint8_t ret_digest[16])
{
    uint8_t *der = NULL, digest[SHA256_DIGEST_LENGTH];
    int len = i2d_X509_NAME(name, &der);

    if (len > 0) {
        SHA256(der, (size_t)len, digest);
        memcpy(ret_digest, digest, 16);
    }
    OPENSSL_free(der);
    return len > 0;
}

/* Of a number that is longer than the RFC allows the end, which then is in no CRL. */
static void serial_copy(const ASN1_INTEGER *serial, uint8_t ret_serial[CERT_SERIAL_BYTES])
{
    const uint8_t *data = ASN1_STRING_get0_data(serial);
    size_t len = (size_t)ASN1_STRING_length(serial);
    size_t kept = HF_MIN(len, (size_t)CERT_SERIAL_BYTES);

    memset(ret_serial, 0, CERT_SERIAL_BYTES);
    if (kept > 0) {
        memcpy(ret_serial + CERT_SERIAL_BYTES - kept, data + len - kept, kept);
    }
}

bool cert_mark_of(struct span cert, struct cert_mark *ret_mark)
{
    X509 *x509 = x509_of_der(cert);

    memset(ret_mark, 0, sizeof(*ret_mark));
    bool done = x509 != NULL && name_digest(X509_get_issuer_name(x509), ret_mark->issuer) &&
                ASN1_TIME_to_posix(X509_get0_notAfter(x509), &ret_mark->not_after_unix_s) == 1;
    if (done) {
        serial_copy(X509_get0_serialNumber(x509), ret_mark->serial);
    }
    X509_free(x509);
    ERR_clear_error();
    return done;
}

static ASN1_INTEGER *serial_of(const struct cert_mark *mark)
{
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    size_t zeros = 0;

    while (zeros < CERT_SERIAL_BYTES - 1 && mark->serial[zeros] == 0) {
        zeros++;
    }
    if (serial != NULL &&
        ASN1_STRING_set(serial, mark->serial + zeros, (ossl_ssize_t)(CERT_SERIAL_BYTES - zeros)) != 1) {
        ASN1_INTEGER_free(serial);
        return NULL;
    }
    return serial;
}

static bool list_revokes(const struct revocation_list *list, ASN1_INTEGER *serial)
{
    X509_REVOKED *entry = NULL;

    return X509_CRL_get0_by_serial(list->crl, &entry, serial) != 0;
}

/* Every CRL of the issuer counts, also an old one: certificates do not come back. */
enum cause cert_mark_check(const struct trust *trust, const struct cert_mark *mark, int64_t now_unix_s)
{
    bool in_force = false, revoked = false;

    if (now_unix_s > mark->not_after_unix_s) {
        return CAUSE_CERT_EXPIRED;
    }
    ASN1_INTEGER *serial = serial_of(mark);
    if (serial == NULL) {
        return CAUSE_CERT_PARSE;
    }
    for (size_t i = 0; i < trust->num_crls; i++) {
        const struct revocation_list *list = &trust->crls[i];
        uint8_t issuer[16];
        bool named = name_digest(X509_CRL_get_issuer(list->crl), issuer) &&
                     memcmp(issuer, mark->issuer, sizeof(issuer)) == 0;
        revoked |= named && list_revokes(list, serial);
        in_force |= named && list->this_update_unix_s <= now_unix_s && now_unix_s < list->next_update_unix_s;
    }
    ASN1_INTEGER_free(serial);
    if (revoked) {
        return CAUSE_CERT_REVOKED;
    }
    return trust->policy == CRL_REQUIRED && !in_force ? CAUSE_CRL_MISSING : CAUSE_NONE;
}

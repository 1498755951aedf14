/* The names of a certificate against IKE identities (RFC 4945 3.1 and 5.1.3.6). */
#include "edge/crypto/keys.h"

#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/x509v3.h>

/* A SAN as the identity it stands for; type 0 for kinds that IKE does not compare. */
static void identity_of_san(const GENERAL_NAME *name, struct identity *ret_id)
{
    const ASN1_STRING *string = NULL;

    memset(ret_id, 0, sizeof(*ret_id));
    switch (name->type) {
    case GEN_DNS:
        string = name->d.dNSName;
        ret_id->type = ID_FQDN;
        break;
    case GEN_EMAIL:
        string = name->d.rfc822Name;
        ret_id->type = ID_RFC822_ADDR;
        break;
    case GEN_IPADD:
        string = name->d.iPAddress;
        ret_id->type = ASN1_STRING_length(string) == 4 ? ID_IPV4_ADDR : ID_IPV6_ADDR;
        break;
    default:
        return;
    }
    int len = ASN1_STRING_length(string);
    if (len <= 0 || (size_t)len > sizeof(ret_id->data)) {
        ret_id->type = 0;
        return;
    }
    ret_id->len = (uint16_t)len;
    memcpy(ret_id->data, ASN1_STRING_get0_data(string), (size_t)len);
}

/* A wildcard in a certificate stands for nothing but itself, and no identity may use one (RFC
 * 4945 5.1.3.6.1). */
static bool has_wildcard(const struct identity *id)
{
    return id->type == ID_FQDN && memchr(id->data, '*', id->len) != NULL;
}

static bool has_san(X509 *cert, const struct identity *id)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names) && !found; i++) {
        struct identity san;
        identity_of_san(sk_GENERAL_NAME_value(names, i), &san);
        found = identity_equal(&san, id);
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return found;
}

static bool subject_identity(X509 *cert, struct identity *ret_id)
{
    uint8_t *der = NULL;
    int len = i2d_X509_NAME(X509_get_subject_name(cert), &der);
    bool fits = len > 0 && (size_t)len <= sizeof(ret_id->data);

    memset(ret_id, 0, sizeof(*ret_id));
    if (fits) {
        ret_id->type = ID_DER_ASN1_DN;
        ret_id->len = (uint16_t)len;
        memcpy(ret_id->data, der, (size_t)len);
    }
    OPENSSL_free(der);
    return fits;
}

bool x509_has_identity(X509 *cert, const struct identity *id)
{
    struct identity subject;

    switch (id->type) {
    case ID_FQDN:
    case ID_RFC822_ADDR:
    case ID_IPV4_ADDR:
    case ID_IPV6_ADDR:
        return !has_wildcard(id) && has_san(cert, id);
    case ID_DER_ASN1_DN:
        return subject_identity(cert, &subject) && identity_equal(&subject, id);
    default:
        return false;
    }
}

bool identity_of_subject(struct span cert, struct identity *ret_id)
{
    X509 *x509 = x509_of_der(cert);
    bool done = x509 != NULL && subject_identity(x509, ret_id);

    X509_free(x509);
    return done;
}

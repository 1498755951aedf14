/* Which public keys we accept, and the library's objects behind the opaque types of cert.h. Private to
 * edge/crypto. */
#pragma once

#include "edge/crypto/cert.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

enum key_kind { KEY_REFUSED, KEY_RSA, KEY_P256, KEY_P384, KEY_ED25519 };

/* KEY_REFUSED: another type or curve, RSA below 2048 or above 8192 bits, an even modulus, or an exponent that
 * is even or below 3 (RFC 8017 3.1 and what forged signatures have taught). NULL is refused. */
enum key_kind key_kind_of(const EVP_PKEY *key);

/* False for SHA-1 and older under certificates and CRLs, which have been broken. */
bool signature_is_strong(int nid);

/* A struct public_key is the library's key, so that none of our own memory is needed for it. */
static inline struct public_key *public_key_of(EVP_PKEY *key)
{
    return (struct public_key *)key;
}

static inline EVP_PKEY *public_key_evp(const struct public_key *key)
{
    return (EVP_PKEY *)(uintptr_t)key;
}

/* A DER certificate, all of its bytes; NULL when it is too long or malformed. */
X509 *x509_of_der(struct span der);
/* The subject DN or one of the SANs, an FQDN, RFC822 name or address exactly (RFC 4945 3.1); the CN is not
 * looked at. */
bool x509_has_identity(X509 *cert, const struct identity *id);

/* Text for ret_error. */
void error_set(char ret_error[CRYPTO_ERROR_MAX], const char *text);

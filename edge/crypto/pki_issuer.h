/* The issuer's parsed key pair, shared by certificates and CRLs. Private to edge/crypto. */
#pragma once

#include "edge/crypto/keys.h"
#include "edge/crypto/pki.h"

struct issuer {
    X509 *cert;
    EVP_PKEY *key;
};

/* NULL, or what is wrong; to be closed either way. */
const char *issuer_open(const struct pki_issuer *pem, struct issuer *ret_issuer);
void issuer_close(struct issuer *issuer);
/* The hash for signatures of this key; NULL for Ed25519, which has its own. */
const EVP_MD *issuer_digest(const EVP_PKEY *key);
/* NULL when the number is no year of a certificate. */
ASN1_TIME *pki_time(int64_t unix_s);

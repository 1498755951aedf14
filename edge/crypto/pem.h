/* PEM text in memory, one object after the other. Private to edge/crypto. */
#pragma once

#include "edge/base/writer.h"

#include <openssl/x509.h>

/* The certificates of `pem`, at most `max`; each is owned by the caller. SIZE_MAX when one is malformed or
 * there are more; nothing is owned then. */
size_t pem_certs(struct span pem, X509 **ret_certs, size_t max);
/* The first certificate of a text that may hold a chain; NULL when it cannot be read. */
X509 *pem_first_cert(struct span pem);
/* The same as pem_certs() for CRLs. */
size_t pem_crls(struct span pem, X509_CRL **ret_crls, size_t max);
/* An unencrypted private key: PKCS#8, SEC1 or PKCS#1. NULL when there is none. */
EVP_PKEY *pem_key(struct span pem);

/* Appends PEM text; false without room. */
HF_MUST bool pem_write_cert(X509 *cert, struct writer *ret_pem);
HF_MUST bool pem_write_crl(X509_CRL *crl, struct writer *ret_pem);
HF_MUST bool pem_write_key(EVP_PKEY *key, struct writer *ret_pem); /* PKCS#8, unencrypted */

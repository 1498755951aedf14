/* PEM text in memory, one object after the other. Private to edge/crypto. */
#pragma once

#include "edge/base/span.h"

#include <openssl/x509.h>

/* The certificates of `pem`, at most `max`; each is owned by the caller. SIZE_MAX when one is malformed or
 * there are more; nothing is owned then. */
size_t pem_certs(struct span pem, X509 **ret_certs, size_t max);
/* The same for CRLs. */
size_t pem_crls(struct span pem, X509_CRL **ret_crls, size_t max);
/* An unencrypted private key: PKCS#8, SEC1 or PKCS#1. NULL when there is none. */
EVP_PKEY *pem_key(struct span pem);

/* What trust.c keeps and cert.c checks with. Private to edge/crypto. */
#pragma once

#include "edge/crypto/cert.h"

#include <openssl/x509.h>

#define TRUST_CAS_MAX 64

struct trust {
    X509_STORE *store; /* CAs, CRLs, and how chains are checked; not changed once the engine uses it */
    size_t num_cas;
    uint8_t certreq[TRUST_CAS_MAX][20];
};

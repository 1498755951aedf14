/* What trust.c and revocation.c keep and cert.c checks with. Private to edge/crypto. */
#pragma once

#include "edge/crypto/cert.h"

#include <openssl/x509.h>

#define TRUST_CAS_MAX 64
#define TRUST_CRLS_MAX 64

/* A CRL and what was found out about it when it was loaded. */
struct revocation_list {
    X509_CRL *crl;
    EVP_PKEY *signer; /* of the CA that is known to have signed it, NULL when that CA was not loaded */
    int64_t this_update_unix_s, next_update_unix_s;
};

struct trust {
    X509_STORE *store; /* the CAs; not changed once the engine uses it */
    enum crl_policy policy;
    bool of_gateways; /* leaves are for serverAuth instead of clientAuth */
    size_t num_cas, num_crls;
    uint8_t certreq[TRUST_CAS_MAX][20];
    struct revocation_list crls[TRUST_CRLS_MAX];
};

/* CAUSE_NONE, CAUSE_CERT_REVOKED or CAUSE_CRL_MISSING for a chain whose signatures have been verified, leaf
 * first. */
HF_MUST enum cause revocation_check(const struct trust *trust, const STACK_OF(X509) * chain,
                                    int64_t now_unix_s);
void revocation_lists_free(struct trust *trust);

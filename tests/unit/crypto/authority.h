/* Certificates for tests, made by edge/crypto/pki.h, and their DER. */
#pragma once

#include "edge/crypto/pki.h"

/* When the tests happen: January 2027. */
#define TEST_NOW INT64_C(1800000000)
#define TEST_DAY INT64_C(86400)

struct pem {
    uint8_t bytes[PKI_PEM_MAX];
    size_t len;
};

struct pair {
    struct pem cert, key;
};

struct der {
    uint8_t bytes[IKE_CERT_BYTES_MAX];
    size_t len;
};

struct span pem_span(const struct pem *pem);
struct span der_span(const struct der *der);
/* The first object of a PEM text. */
struct der der_of_pem(struct span pem);
struct pem key_make(enum pki_key_type type);
/* A certificate for `key`, valid from a day ago for a year, `days` else; `issuer` NULL for self-signed.
 * `name` is the CN, and for others than CAs the one SAN. */
struct pair pair_make(const char *name, enum pki_role role, struct pem key, const struct pair *issuer);
struct pair pair_make_valid(const char *name, enum pki_role role, struct pem key, const struct pair *issuer,
                            int64_t from_unix_s, int64_t to_unix_s, int path_len);
struct pem crl_make(const struct pair *issuer, const struct pair *revoked, int64_t from_unix_s,
                    int64_t to_unix_s);
struct identity id_of(const char *text);
/* A trust store with these CAs; the test fails when one is refused. */
struct trust *trust_make(enum crl_policy policy, const struct pair *const *cas, size_t num_cas);

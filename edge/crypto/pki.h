/* A small certification authority for `holdfast pki` and for tests: keys, certificates and CRLs as PEM in
 * memory. No file and no clock: the caller reads and writes, and says what time it is. Not for the engine: it
 * allocates. */
#pragma once

#include "edge/base/writer.h"
#include "edge/crypto/cert.h"

/* Enough room for any one object that these functions write. */
#define PKI_PEM_MAX 16384

enum pki_key_type { PKI_KEY_P256, PKI_KEY_P384, PKI_KEY_RSA_3072, PKI_KEY_ED25519 };

/* A new private key as unencrypted PKCS#8, appended to `ret_pem`, which the caller wipes. False without room.
 */
HF_MUST bool pki_key_new(enum pki_key_type type, struct writer *ret_pem);

enum pki_role {
    PKI_CA,     /* keyCertSign and cRLSign; self-signed without an issuer, intermediate with one */
    PKI_SERVER, /* serverAuth, which iOS, macOS and Windows demand; not accepted from a client (cert_verify)
                 */
    PKI_CLIENT, /* clientAuth */
    PKI_PEER,   /* no extended key usage, as RFC 4945 5.1.3.12 recommends: any role in IKE */
};

struct pki_request {
    const char *subject; /* a DN ("CN=gw, O=Acme"), or text that becomes the CN */
    enum pki_role role;
    const char *const *names; /* SANs, as identity_parse() reads them: FQDN, mail address or IP address */
    size_t num_names;
    int path_len; /* of a CA: how many intermediate CAs may follow; negative for no limit */
    int64_t not_before_unix_s, not_after_unix_s;
};

/* PEM of an issuer: certificate and private key; both empty for a self-signed certificate. */
struct pki_issuer {
    struct span cert_pem, key_pem;
};

/* A certificate for the key in `key_pem`, with a random serial number of 127 bits, key identifiers, and
 * SHA-256 (SHA-384 under a P-384 issuer, none under Ed25519), appended to `ret_pem`. False with ret_error
 * when the request makes no sense, the issuer is no CA or its key does not belong to it. */
HF_MUST bool pki_cert_new(const struct pki_request *request, struct span key_pem,
                          const struct pki_issuer *issuer, struct writer *ret_pem,
                          char ret_error[CRYPTO_ERROR_MAX]);

#define PKI_SERIAL_TEXT_MAX 48 /* 20 bytes in hex */

struct pki_revocation {
    const char *serial; /* hex, as pki_cert_read() writes it */
    int64_t at_unix_s;
};

/* A CRL that revokes what `old_crl_pem` (may be empty) revoked and `revocations` besides, numbered one
 * higher. A serial that is already in it keeps its first date. */
HF_MUST bool pki_crl_new(const struct pki_issuer *issuer, struct span old_crl_pem,
                         const struct pki_revocation *revocations, size_t num_revocations,
                         int64_t this_update_unix_s, int64_t next_update_unix_s, struct writer *ret_pem,
                         char ret_error[CRYPTO_ERROR_MAX]);

/* What a certificate says, for people and scripts. */
struct pki_cert_text {
    char serial[PKI_SERIAL_TEXT_MAX];
    char subject[IDENTITY_TEXT_MAX];
    char issuer[IDENTITY_TEXT_MAX];
    int64_t not_before_unix_s, not_after_unix_s;
    bool is_ca;
    uint8_t sha256[32]; /* of the DER: the fingerprint */
};

/* The first certificate of a PEM text. */
HF_MUST bool pki_cert_read(struct span pem, struct pki_cert_text *ret_text, char ret_error[CRYPTO_ERROR_MAX]);

/* AUTH payloads by signature (RFC 7296 2.15 and 3.8, RFC 4754, RFC 7427, RFC 8420) and our own credentials.
 */
#pragma once

#include "edge/crypto/cert.h"

/* A private key with the certificate chain that it proves. */
struct credential;
#define CREDENTIAL_CHAIN_MAX IKE_CERTS_MAX

/* PEM: certificate chain (leaf first) and private key (PKCS#8, SEC1 or PKCS#1, unencrypted). Refuses a key
 * that does not belong to the leaf. NULL with ret_error on failure. */
struct credential *credential_new(struct span chain_pem, struct span key_pem,
                                  char ret_error[CRYPTO_ERROR_MAX]);
void credential_free(struct credential *credential);
/* DER of the chain, leaf first; views owned by the credential. */
size_t credential_chain(const struct credential *credential, const struct span **ret_certs);
/* True when `id` is the leaf's subject or among its SANs: what a client will check. */
bool credential_has_id(const struct credential *credential, const struct identity *id);

/* Hashes of SIGNATURE_HASH_ALGORITHMS (RFC 7427 4) as a bit set: 1 << enum ike_hash. */
#define HASH_BIT(hash) (1u << (hash))
/* What we announce: SHA2-256, 384, 512, Identity. */
unsigned sign_hashes_supported(void);

#define SIGNATURE_BYTES_MAX 1100 /* RSA-8192 and an AlgorithmIdentifier */

/* Signs `tbs` (the octets of RFC 7296 2.15, in parts). `peer_hashes` is what the peer announced, 0 when it
 * does not know RFC 7427: then the classic methods are used (RSA with SHA-1 is what method 1 means there;
 * ECDSA_256/384). With RFC 7427: PKCS#1 v1.5 for RSA (never PSS: Windows), the curve's own hash for ECDSA,
 * Identity for Ed25519. ret_auth gets the AUTH payload's data, ret_len its length. CAUSE_AUTH_METHOD when key
 * and peer have no method in common. */
HF_MUST enum cause sign_auth(const struct credential *credential, unsigned peer_hashes,
                             const struct span *tbs, size_t num_parts, uint8_t *ret_method,
                             uint8_t ret_auth[SIGNATURE_BYTES_MAX], size_t *ret_len);
/* Verifies a peer's AUTH data against its certified key. RFC 7427: PKCS#1 v1.5 and PSS with SHA2, ECDSA with
 * SHA2, Ed25519; the AlgorithmIdentifier must be one of the known encodings exactly (both with and without
 * NULL parameters for RSA). Classic RSA (method 1) accepts SHA-1 only as RFC 7296 defines it and SHA2-256 as
 * deployed. CAUSE_AUTH_METHOD, CAUSE_AUTH_WRONG, CAUSE_AUTH_SYNTAX. */
HF_MUST enum cause sign_verify(const struct public_key *key, uint8_t method, struct span auth,
                               const struct span *tbs, size_t num_parts);

/* AUTH by shared key: prf(prf(secret, "Key Pad for IKEv2"), octets) (RFC 7296 2.15). */
void psk_auth(uint16_t prf, struct span secret, const struct span *octets, size_t num_parts,
              uint8_t *ret_auth);

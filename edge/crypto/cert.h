/* Certificates: what we trust, what we present, and whether a peer's chain proves its identity (RFC 5280, RFC
 * 4945). Loading (PEM files already in memory) happens at start and reload; checking happens in the engine
 * and does no I/O: no CRL or certificate is ever fetched from an address that a peer names. */
#pragma once

#include "edge/base/cause.h"
#include "edge/base/limits.h"
#include "edge/base/span.h"
#include "edge/wire/ids.h"

/* An identity as IKE carries it. */
struct identity {
    uint8_t type; /* ike_id_type; 0 = none */
    uint16_t len;
    uint8_t data[IKE_ID_BYTES_MAX];
};

/* What of an identity means something; the rest need not be there in memory. */
static inline size_t identity_bytes(const struct identity *id)
{
    return offsetof(struct identity, data) + id->len;
}
/* A whole one of one that may be no longer than it says; NULL is one of type 0. */
static inline struct identity identity_whole(const struct identity *id)
{
    struct identity whole = {0};
    if (id != NULL) {
        memcpy(&whole, id, identity_bytes(id));
    }
    return whole;
}

#define IDENTITY_TEXT_MAX 520

/* "vpn.example.net", "alice@example.net", "10.0.0.1", "CN=..., O=..." (RFC 4514), key ids as hex unless
 * printable. Bytes that are not printable ASCII are escaped, so that a log line cannot be forged. */
const char *identity_format(const struct identity *id, char ret_text[IDENTITY_TEXT_MAX]);
/* From text: an IP address, something with '@' (RFC822), "CN=..., O=..." (a DN), "keyid:..." or else an FQDN.
 */
HF_MUST bool identity_parse(const char *text, struct identity *ret_id);
/* FQDN and RFC822 names without case (RFC 4945 3.1.2, 3.1.3), DNs as RFC 5280 7.1 compares them, others byte
 * by byte. An identity of type 0 equals nothing. */
bool identity_equal(const struct identity *a, const struct identity *b);
/* Pattern as text: exact identity, "*.example.net", "*@example.net", "*" for any. */
bool identity_matches(const struct identity *id, const char *pattern);
/* The DER of the subject of a DER certificate as a DN identity; false when it does not fit. */
HF_MUST bool identity_of_subject(struct span cert, struct identity *ret_id);

/* A public key that has been parsed from a certificate. */
struct public_key;
void public_key_free(struct public_key *key); /* NULL is fine */

/* Trusted CAs and their CRLs. */
struct trust;
/* Every certificate but the anchor is looked up in its issuer's newest CRL. CRL_REQUIRED: a CRL that is
 * missing or out of date refuses the chain. CRL_IF_PRESENT: neither does, but what an outdated one revokes
 * stays revoked. Delta, indirect and partial CRLs are not loaded. */
enum crl_policy { CRL_IF_PRESENT, CRL_REQUIRED };
struct trust *trust_new(enum crl_policy policy);
void trust_free(struct trust *trust);
/* For a client, which checks a gateway: the extended key usage serverAuth takes clientAuth's place. */
void trust_of_gateways(struct trust *trust);
/* PEM text with one or more certificates / CRLs; on failure false and ret_error says why. CAs come before
 * CRLs, so that a CRL can be checked against its CA; an intermediate CA may be an anchor. Not once the engine
 * uses `trust`. */
#define CRYPTO_ERROR_MAX 160
HF_MUST bool trust_add_ca(struct trust *trust, struct span pem, char ret_error[CRYPTO_ERROR_MAX]);
HF_MUST bool trust_add_crl(struct trust *trust, struct span pem, char ret_error[CRYPTO_ERROR_MAX]);
/* SHA-1 of each CA's SubjectPublicKeyInfo, concatenated: the body of CERTREQ (RFC 7296 3.7). Owned by
 * `trust`. */
struct span trust_certreq(const struct trust *trust);

/* Checks a peer's chain: certs[0] is its own, others are helpers in any order (DER). Verifies signatures up
 * to a trusted CA (none of them with SHA-1), validity at `now_unix_s`, CA flags, path lengths, name
 * constraints, CRLs, key usage (digitalSignature or nonRepudiation where it is present) and extended key
 * usage (clientAuth, an IPsec purpose or any, where it is present: RFC 4945 5.1.3.12), key types and sizes
 * (RSA 2048..8192 with exponent >= 3 and odd, P-256, P-384, Ed25519), and that `id` is the subject DN or one
 * of the SANs (an FQDN/RFC822/IP exactly, wildcards stand for nothing; CN is not looked at). On CAUSE_NONE
 * ret_key is the leaf's key, which the caller frees. Any other cause is a CAUSE_CERT_* or CAUSE_CRL_MISSING.
 */
HF_MUST enum cause cert_verify(const struct trust *trust, const struct span *certs, size_t num_certs,
                               const struct identity *id, int64_t now_unix_s, struct public_key **ret_key);
/* What is kept of a certificate to find it in CRLs when it is gone: its issuer's name, as a digest, and its
 * serial number. All zero: there was none. */
#define CERT_SERIAL_BYTES 20 /* RFC 5280 4.1.2.2 */
struct cert_mark {
    int64_t not_after_unix_s;
    uint8_t issuer[16];
    uint8_t serial[CERT_SERIAL_BYTES]; /* the last bytes of it, zeros before */
};
/* Of a DER certificate; false when it does not parse. */
HF_MUST bool cert_mark_of(struct span cert, struct cert_mark *ret_mark);
/* CAUSE_NONE, CAUSE_CERT_EXPIRED, CAUSE_CERT_REVOKED, or CAUSE_CRL_MISSING where one is required. Of the
 * chain above it nothing is known any more. */
HF_MUST enum cause cert_mark_check(const struct trust *trust, const struct cert_mark *mark,
                                   int64_t now_unix_s);
/* notAfter of a DER certificate, for logs and metrics; false when it does not parse. */
HF_MUST bool cert_not_after(struct span cert, int64_t *ret_unix_s);

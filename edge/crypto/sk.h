/* The body of SK and SKF payloads: IV | ciphertext | ICV (RFC 7296 3.14, RFC 5282, RFC 7634). */
#pragma once

#include "edge/base/cause.h"
#include "edge/base/span.h"
#include "edge/crypto/suite.h"

/* One direction of an IKE SA: views of SK_e and SK_a. */
struct sk_key {
    uint16_t encr, encr_bits, integ;
    const uint8_t *e;
    const uint8_t *a;
};

/* Length of the sealed body for `plain_len` bytes of inner payloads. */
size_t sk_sealed_bytes(const struct sk_key *key, size_t plain_len);
/* The most inner bytes whose sealed body fits into `sealed_len`; 0 when none do. */
size_t sk_plain_bytes(const struct sk_key *key, size_t sealed_len);
/* Seals into ret_body (sk_sealed_bytes long), which must directly follow `aad` in memory, as it does in the
 * message. `iv` must be new for this key: AEADs carry it as it stands, CBC sends its encryption under the
 * key, which makes it unpredictable. False when the library fails. */
HF_MUST bool sk_seal(const struct sk_key *key, uint64_t iv, struct span aad, struct span plain,
                     uint8_t *ret_body);
/* Opens a body that directly follows `aad`; ret_plain has room for body.len bytes. CAUSE_SHORT, CAUSE_ICV,
 * CAUSE_PADDING. */
HF_MUST enum cause sk_open(const struct sk_key *key, struct span aad, struct span body, uint8_t *ret_plain,
                           size_t *ret_plain_len);

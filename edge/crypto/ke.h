/* Key exchange (RFC 7296 3.4, RFC 5903, RFC 8031, RFC 3526). */
#pragma once

#include "edge/base/env.h"
#include "edge/base/limits.h"
#include "edge/base/span.h"
#include "edge/wire/ids.h"

struct ke_private {
    uint16_t group;
    uint16_t len;
    uint8_t bytes[64]; /* X25519 key, EC scalar, or MODP exponent (at least twice the group's strength) */
};

struct ke_value { /* a public value or a shared secret */
    uint16_t len;
    uint8_t bytes[IKE_KE_BYTES_MAX];
};

bool ke_supported(uint16_t group);
/* Length of a public value on the wire; 0 when unsupported. */
size_t ke_public_bytes(uint16_t group);
/* A fresh key pair, from `rand` alone. False when the library fails. */
HF_MUST bool ke_generate(uint16_t group, const struct rand_source *rand, struct ke_private *ret_private,
                         struct ke_value *ret_public);
/* The shared secret. False for a peer value of wrong length, out of range (0, 1, p-1, >= p), not on the
 * curve, or an all-zero X25519 result (RFC 8031 5, RFC 6989). The caller wipes both. */
HF_MUST bool ke_derive(const struct ke_private *private, struct span peer_public,
                       struct ke_value *ret_shared);
/* Both halves for who answers: a fresh pair and the secret it shares with the peer; the private half is
 * wiped. */
HF_MUST bool ke_agree(uint16_t group, const struct rand_source *rand, struct span peer_public,
                      struct ke_value *ret_public, struct ke_value *ret_shared);

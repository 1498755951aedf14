/* The families of key exchange groups behind ke.h. Private to edge/crypto. */
#pragma once

#include "edge/crypto/ke.h"

/* NIST curves (RFC 5903): the public value is x | y, the shared secret x alone. */
HF_MUST bool ke_ec_generate(uint16_t group, const struct rand_source *rand, struct ke_private *ret_private,
                            struct ke_value *ret_public);
HF_MUST bool ke_ec_derive(const struct ke_private *private, struct span peer_public,
                          struct ke_value *ret_shared);

/* MODP (RFC 3526): both are as long as the prime. */
HF_MUST bool ke_modp_generate(uint16_t group, const struct rand_source *rand, struct ke_private *ret_private,
                              struct ke_value *ret_public);
HF_MUST bool ke_modp_derive(const struct ke_private *private, struct span peer_public,
                            struct ke_value *ret_shared);

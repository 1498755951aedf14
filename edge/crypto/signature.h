/* Bare signatures over octets given in parts, below the AUTH payload. Private to edge/crypto. */
#pragma once

#include "edge/crypto/algorithm.h"
#include "edge/crypto/keys.h"

/* ECDSA signatures are DER in RFC 7427, and r | s in the classic methods (RFC 4754 7). */
enum ecdsa_form { ECDSA_DER, ECDSA_RAW };

/* Whether a key of that kind makes signatures of that scheme. */
bool scheme_fits_key(enum signature_scheme scheme, enum key_kind kind);
/* Writes at most `cap` bytes. False when the library fails or there is no room. */
HF_MUST bool signature_make(EVP_PKEY *key, const struct algorithm *algorithm, enum ecdsa_form form,
                            const struct span *parts, size_t num_parts, uint8_t *ret_signature, size_t cap,
                            size_t *ret_len);
HF_MUST bool signature_check(EVP_PKEY *key, const struct algorithm *algorithm, enum ecdsa_form form,
                             struct span signature, const struct span *parts, size_t num_parts);

/* PRF and prf+ (RFC 7296 2.13), the negotiable HMAC ones. */
#pragma once

#include "edge/base/span.h"
#include "edge/wire/ids.h"

#define PRF_BYTES_MAX 64

/* Output length, which is also the preferred key length; 0 for an unknown PRF. */
size_t prf_bytes(uint16_t prf);
/* ret_out = prf(key, parts[0] | parts[1] | ...), prf_bytes(prf) long. */
void prf_compute(uint16_t prf, struct span key, const struct span *parts, size_t num_parts, uint8_t *ret_out);
/* The first `len` bytes of prf+(key, parts...); len <= 255 * prf_bytes. */
void prf_plus(uint16_t prf, struct span key, const struct span *parts, size_t num_parts, uint8_t *ret_out,
              size_t len);
/* A plain hash for NAT detection (SHA-1, RFC 7296 2.23) and fingerprints (SHA-256). */
void hash_sha1(const struct span *parts, size_t num_parts, uint8_t ret_digest[20]);
void hash_sha256(const struct span *parts, size_t num_parts, uint8_t ret_digest[32]);

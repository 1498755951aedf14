/* HMAC (RFC 2104) over the library's hash functions, kept in the caller's memory. The library's own HMAC_CTX
 * allocates three times per use; this one never does, and its keyed state is computed once for an SA and
 * copied for each packet. Private to edge/crypto. */
#pragma once

#include "edge/base/span.h"

#include <openssl/sha.h>

enum hmac_hash { HMAC_SHA1, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512 };

union hmac_state {
    SHA_CTX sha1;
    SHA256_CTX sha256;
    SHA512_CTX sha512;
};

/* The states after the inner and the outer padded key. */
struct hmac_key {
    enum hmac_hash hash;
    union hmac_state inner, outer;
};

/* One computation. */
struct hmac {
    const struct hmac_key *key;
    union hmac_state state;
};

#define HMAC_BYTES_MAX 64

size_t hmac_bytes(enum hmac_hash hash);
/* `ret_key` holds what the key yields: the caller wipes it. */
void hmac_key_init(struct hmac_key *ret_key, enum hmac_hash hash, struct span key);
/* `key` stays valid until hmac_end(). */
void hmac_begin(struct hmac *hmac, const struct hmac_key *key);
void hmac_add(struct hmac *hmac, struct span bytes);
/* Writes hmac_bytes() and wipes `hmac`. */
void hmac_end(struct hmac *hmac, uint8_t *ret_mac);

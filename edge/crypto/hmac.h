/* HMAC (RFC 2104) over the library's hash functions, kept in the caller's memory. The library's own HMAC_CTX
 * allocates three times per use; this one never does, and its keyed state is computed once for an SA and
 * copied for each packet. Private to edge/crypto. */
#pragma once

#include "edge/crypto/hash.h"

/* The states after the inner and the outer padded key. */
struct hmac_key {
    struct hash inner, outer;
};

/* One computation. */
struct hmac {
    const struct hmac_key *key;
    struct hash state;
};

/* `ret_key` holds what the key yields: the caller wipes it. */
void hmac_key_init(struct hmac_key *ret_key, enum ike_hash kind, struct span key);
/* `key` stays valid until hmac_end(). */
void hmac_begin(struct hmac *hmac, const struct hmac_key *key);
void hmac_add(struct hmac *hmac, struct span bytes);
/* Writes hash_bytes() and wipes `hmac`. */
void hmac_end(struct hmac *hmac, uint8_t *ret_mac);

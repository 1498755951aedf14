/* The hash functions in the caller's memory, by their number in IKE. Private to edge/crypto. */
#pragma once

#include "edge/base/span.h"
#include "edge/wire/ids.h"

#include <openssl/sha.h>

#define HASH_BYTES_MAX 64
#define HASH_BLOCK_BYTES_MAX 128

struct hash {
    enum ike_hash kind; /* SHA-1 or one of SHA-2 */
    union {
        SHA_CTX sha1;
        SHA256_CTX sha256;
        SHA512_CTX sha512; /* SHA-384 too */
    };
};

size_t hash_bytes(enum ike_hash kind); /* 0 for HASH_IDENTITY and unknown ones */
size_t hash_block_bytes(enum ike_hash kind);
void hash_begin(struct hash *hash, enum ike_hash kind);
void hash_add(struct hash *hash, struct span bytes);
void hash_end(struct hash *hash, uint8_t *ret_digest);
/* All parts at once; returns hash_bytes(). */
size_t hash_parts(enum ike_hash kind, const struct span *parts, size_t num_parts, uint8_t *ret_digest);

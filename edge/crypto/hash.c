#include "edge/crypto/hash.h"

size_t hash_bytes(enum ike_hash kind)
{
    switch (kind) {
    case HASH_SHA1:
        return SHA_DIGEST_LENGTH;
    case HASH_SHA2_256:
        return SHA256_DIGEST_LENGTH;
    case HASH_SHA2_384:
        return SHA384_DIGEST_LENGTH;
    case HASH_SHA2_512:
        return SHA512_DIGEST_LENGTH;
    default:
        return 0;
    }
}

size_t hash_block_bytes(enum ike_hash kind)
{
    return kind == HASH_SHA2_384 || kind == HASH_SHA2_512 ? 128 : 64;
}

void hash_begin(struct hash *hash, enum ike_hash kind)
{
    hash->kind = kind;
    switch (kind) {
    case HASH_SHA1:
        SHA1_Init(&hash->sha1);
        return;
    case HASH_SHA2_256:
        SHA256_Init(&hash->sha256);
        return;
    case HASH_SHA2_384:
        SHA384_Init(&hash->sha512);
        return;
    case HASH_SHA2_512:
        SHA512_Init(&hash->sha512);
        return;
    default:
        hf_assert(false);
    }
}

void hash_add(struct hash *hash, struct span bytes)
{
    if (bytes.len == 0) {
        return; /* its data may be NULL */
    }
    switch (hash->kind) {
    case HASH_SHA1:
        SHA1_Update(&hash->sha1, bytes.data, bytes.len);
        return;
    case HASH_SHA2_256:
        SHA256_Update(&hash->sha256, bytes.data, bytes.len);
        return;
    case HASH_SHA2_384:
        SHA384_Update(&hash->sha512, bytes.data, bytes.len);
        return;
    default:
        SHA512_Update(&hash->sha512, bytes.data, bytes.len);
        return;
    }
}

void hash_end(struct hash *hash, uint8_t *ret_digest)
{
    switch (hash->kind) {
    case HASH_SHA1:
        SHA1_Final(ret_digest, &hash->sha1);
        return;
    case HASH_SHA2_256:
        SHA256_Final(ret_digest, &hash->sha256);
        return;
    case HASH_SHA2_384:
        SHA384_Final(ret_digest, &hash->sha512);
        return;
    default:
        SHA512_Final(ret_digest, &hash->sha512);
        return;
    }
}

size_t hash_parts(enum ike_hash kind, const struct span *parts, size_t num_parts, uint8_t *ret_digest)
{
    struct hash hash;

    hash_begin(&hash, kind);
    for (size_t i = 0; i < num_parts; i++) {
        hash_add(&hash, parts[i]);
    }
    hash_end(&hash, ret_digest);
    return hash_bytes(kind);
}

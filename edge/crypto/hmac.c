#include "edge/crypto/hmac.h"

#include "edge/base/secret.h"

void hmac_key_init(struct hmac_key *ret_key, enum ike_hash kind, struct span key)
{
    uint8_t pad[HASH_BLOCK_BYTES_MAX] = {0};
    size_t block = hash_block_bytes(kind);

    if (key.len > block) {
        (void)hash_parts(kind, &key, 1, pad);
    } else if (key.len > 0) {
        memcpy(pad, key.data, key.len);
    }
    for (size_t i = 0; i < block; i++) {
        pad[i] ^= 0x36;
    }
    hash_begin(&ret_key->inner, kind);
    hash_add(&ret_key->inner, span_of(pad, block));
    for (size_t i = 0; i < block; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    hash_begin(&ret_key->outer, kind);
    hash_add(&ret_key->outer, span_of(pad, block));
    secret_wipe(pad, sizeof(pad));
}

void hmac_begin(struct hmac *hmac, const struct hmac_key *key)
{
    hmac->key = key;
    hmac->state = key->inner;
}

void hmac_add(struct hmac *hmac, struct span bytes)
{
    hash_add(&hmac->state, bytes);
}

void hmac_end(struct hmac *hmac, uint8_t *ret_mac)
{
    uint8_t digest[HASH_BYTES_MAX];
    size_t len = hash_bytes(hmac->state.kind);

    hash_end(&hmac->state, digest);
    hmac->state = hmac->key->outer;
    hash_add(&hmac->state, span_of(digest, len));
    hash_end(&hmac->state, ret_mac);
    secret_wipe(digest, sizeof(digest));
    secret_wipe(hmac, sizeof(*hmac));
}

#include "edge/crypto/hmac.h"

#include "edge/base/secret.h"

static void state_init(enum hmac_hash hash, union hmac_state *state)
{
    switch (hash) {
    case HMAC_SHA1:
        SHA1_Init(&state->sha1);
        return;
    case HMAC_SHA256:
        SHA256_Init(&state->sha256);
        return;
    case HMAC_SHA384:
        SHA384_Init(&state->sha512);
        return;
    case HMAC_SHA512:
        SHA512_Init(&state->sha512);
        return;
    }
    hf_assert(false);
}

static void state_update(enum hmac_hash hash, union hmac_state *state, struct span bytes)
{
    switch (hash) {
    case HMAC_SHA1:
        SHA1_Update(&state->sha1, bytes.data, bytes.len);
        return;
    case HMAC_SHA256:
        SHA256_Update(&state->sha256, bytes.data, bytes.len);
        return;
    case HMAC_SHA384:
        SHA384_Update(&state->sha512, bytes.data, bytes.len);
        return;
    case HMAC_SHA512:
        SHA512_Update(&state->sha512, bytes.data, bytes.len);
        return;
    }
    hf_assert(false);
}

static void state_final(enum hmac_hash hash, union hmac_state *state, uint8_t *ret_digest)
{
    switch (hash) {
    case HMAC_SHA1:
        SHA1_Final(ret_digest, &state->sha1);
        return;
    case HMAC_SHA256:
        SHA256_Final(ret_digest, &state->sha256);
        return;
    case HMAC_SHA384:
        SHA384_Final(ret_digest, &state->sha512);
        return;
    case HMAC_SHA512:
        SHA512_Final(ret_digest, &state->sha512);
        return;
    }
    hf_assert(false);
}

size_t hmac_bytes(enum hmac_hash hash)
{
    static const uint8_t lengths[] = {
        [HMAC_SHA1] = 20, [HMAC_SHA256] = 32, [HMAC_SHA384] = 48, [HMAC_SHA512] = 64};

    return lengths[hash];
}

static size_t block_bytes(enum hmac_hash hash)
{
    return hash == HMAC_SHA384 || hash == HMAC_SHA512 ? 128 : 64;
}

void hmac_key_init(struct hmac_key *ret_key, enum hmac_hash hash, struct span key)
{
    uint8_t pad[128] = {0};
    size_t block = block_bytes(hash);

    ret_key->hash = hash;
    state_init(hash, &ret_key->inner);
    state_init(hash, &ret_key->outer);
    if (key.len > block) {
        union hmac_state state;
        state_init(hash, &state);
        state_update(hash, &state, key);
        state_final(hash, &state, pad);
        secret_wipe(&state, sizeof(state));
    } else if (key.len > 0) {
        memcpy(pad, key.data, key.len);
    }
    for (size_t i = 0; i < block; i++) {
        pad[i] ^= 0x36;
    }
    state_update(hash, &ret_key->inner, span_of(pad, block));
    for (size_t i = 0; i < block; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    state_update(hash, &ret_key->outer, span_of(pad, block));
    secret_wipe(pad, sizeof(pad));
}

void hmac_begin(struct hmac *hmac, const struct hmac_key *key)
{
    hmac->key = key;
    hmac->state = key->inner;
}

void hmac_add(struct hmac *hmac, struct span bytes)
{
    if (bytes.len > 0) {
        state_update(hmac->key->hash, &hmac->state, bytes);
    }
}

void hmac_end(struct hmac *hmac, uint8_t *ret_mac)
{
    uint8_t digest[HMAC_BYTES_MAX];
    enum hmac_hash hash = hmac->key->hash;

    state_final(hash, &hmac->state, digest);
    hmac->state = hmac->key->outer;
    state_update(hash, &hmac->state, span_of(digest, hmac_bytes(hash)));
    state_final(hash, &hmac->state, ret_mac);
    secret_wipe(digest, sizeof(digest));
    secret_wipe(hmac, sizeof(*hmac));
}

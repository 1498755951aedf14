#include "edge/crypto/ke.h"

#include "edge/base/secret.h"
#include "edge/crypto/ke_groups.h"

#include <openssl/curve25519.h>
#include <openssl/err.h>

size_t ke_public_bytes(uint16_t group)
{
    switch (group) {
    case KE_X25519:
        return X25519_PUBLIC_VALUE_LEN;
    case KE_P256:
        return 64;
    case KE_P384:
        return 96;
    case KE_MODP_2048:
        return 256;
    case KE_MODP_3072:
        return 384;
    case KE_MODP_4096:
        return 512;
    default:
        return 0;
    }
}

bool ke_supported(uint16_t group)
{
    return ke_public_bytes(group) > 0;
}

static void x25519_generate(const struct rand_source *rand, struct ke_private *ret_private,
                            struct ke_value *ret_public)
{
    ret_private->len = X25519_PRIVATE_KEY_LEN;
    rand_fill(rand, ret_private->bytes, X25519_PRIVATE_KEY_LEN);
    ret_public->len = X25519_PUBLIC_VALUE_LEN;
    X25519_public_from_private(ret_public->bytes, ret_private->bytes);
}

bool ke_generate(uint16_t group, const struct rand_source *rand, struct ke_private *ret_private,
                 struct ke_value *ret_public)
{
    bool done = false;

    memset(ret_private, 0, sizeof(*ret_private));
    ret_private->group = group;
    ret_public->len = 0;
    switch (group) {
    case KE_X25519:
        x25519_generate(rand, ret_private, ret_public);
        return true;
    case KE_P256:
    case KE_P384:
        done = ke_ec_generate(group, rand, ret_private, ret_public);
        break;
    case KE_MODP_2048:
    case KE_MODP_3072:
    case KE_MODP_4096:
        done = ke_modp_generate(group, rand, ret_private, ret_public);
        break;
    default:
        break;
    }
    if (!done) {
        ERR_clear_error();
        secret_wipe(ret_private, sizeof(*ret_private));
        ret_public->len = 0;
    }
    return done;
}

static bool x25519_derive(const struct ke_private *private, struct span peer_public,
                          struct ke_value *ret_shared)
{
    ret_shared->len = X25519_SHARED_KEY_LEN;
    return X25519(ret_shared->bytes, private->bytes, peer_public.data) == 1; /* 0 for an all-zero result */
}

bool ke_derive(const struct ke_private *private, struct span peer_public, struct ke_value *ret_shared)
{
    bool done = false;

    ret_shared->len = 0;
    if (peer_public.len == 0 || peer_public.len != ke_public_bytes(private->group)) {
        return false;
    }
    switch (private->group) {
    case KE_X25519:
        done = x25519_derive(private, peer_public, ret_shared);
        break;
    case KE_P256:
    case KE_P384:
        done = ke_ec_derive(private, peer_public, ret_shared);
        break;
    default:
        done = ke_modp_derive(private, peer_public, ret_shared);
        break;
    }
    if (!done) {
        ERR_clear_error();
        secret_wipe(ret_shared, sizeof(*ret_shared));
    }
    return done;
}

bool ke_agree(uint16_t group, const struct rand_source *rand, struct span peer_public,
              struct ke_value *ret_public, struct ke_value *ret_shared)
{
    struct ke_private private;
    bool agreed =
        ke_generate(group, rand, &private, ret_public) && ke_derive(&private, peer_public, ret_shared);
    secret_wipe(&private, sizeof(private));
    return agreed;
}

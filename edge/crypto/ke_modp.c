#include "edge/crypto/ke_groups.h"

#include <openssl/bn.h>
#include <openssl/dh.h>

struct modp {
    BIGNUM *(*prime)(BIGNUM *ret);
    uint16_t prime_bytes;
    uint16_t exponent_bytes; /* the larger estimate of RFC 3526 8: 320, 420, 480 bits */
};

static struct modp modp_of(uint16_t group)
{
    switch (group) {
    case KE_MODP_2048:
        return (struct modp){BN_get_rfc3526_prime_2048, 256, 40};
    case KE_MODP_3072:
        return (struct modp){BN_get_rfc3526_prime_3072, 384, 53};
    default:
        return (struct modp){BN_get_rfc3526_prime_4096, 512, 60};
    }
}

/* base^exponent mod prime in constant time, as long as the prime. Frees base and exponent. */
static bool power(const struct modp *modp, const BIGNUM *prime, BIGNUM *base, BIGNUM *exponent,
                  struct ke_value *ret_value)
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *result = BN_new();
    bool done = context != NULL && result != NULL && base != NULL && exponent != NULL &&
                BN_mod_exp_mont_consttime(result, base, exponent, prime, context, NULL) == 1 &&
                BN_bn2bin_padded(ret_value->bytes, modp->prime_bytes, result) == 1;

    ret_value->len = modp->prime_bytes;
    BN_free(result);
    BN_free(exponent);
    BN_free(base);
    BN_CTX_free(context);
    return done;
}

bool ke_modp_generate(uint16_t group, const struct rand_source *rand, struct ke_private *ret_private,
                      struct ke_value *ret_public)
{
    const struct modp modp = modp_of(group);
    BIGNUM *prime = modp.prime(NULL);
    BIGNUM *generator = BN_new();

    ret_private->len = modp.exponent_bytes;
    rand_fill(rand, ret_private->bytes, ret_private->len);
    if (prime == NULL || generator == NULL || BN_set_word(generator, 2) != 1) {
        BN_free(generator);
        BN_free(prime);
        return false;
    }
    BIGNUM *exponent = BN_bin2bn(ret_private->bytes, ret_private->len, NULL);
    bool done = exponent != NULL && !BN_is_zero(exponent);
    done = power(&modp, prime, generator, exponent, ret_public) && done;
    BN_free(prime);
    return done;
}

/* 1 < value < p - 1 (RFC 6989 2.1). The primes are safe, so what is left has a large order. */
static bool is_in_range(const BIGNUM *value, const BIGNUM *prime)
{
    BIGNUM *last = BN_dup(prime);
    bool inside = last != NULL && BN_sub_word(last, 1) == 1 && BN_cmp(value, BN_value_one()) > 0 &&
                  BN_cmp(value, last) < 0;

    BN_free(last);
    return inside;
}

bool ke_modp_derive(const struct ke_private *private, struct span peer_public, struct ke_value *ret_shared)
{
    const struct modp modp = modp_of(private->group);
    BIGNUM *prime = modp.prime(NULL);
    BIGNUM *peer = BN_bin2bn(peer_public.data, peer_public.len, NULL);

    if (prime == NULL || peer == NULL || !is_in_range(peer, prime)) {
        BN_free(peer);
        BN_free(prime);
        return false;
    }
    BIGNUM *exponent = BN_bin2bn(private->bytes, private->len, NULL);
    bool done = power(&modp, prime, peer, exponent, ret_shared);
    BN_free(prime);
    return done;
}

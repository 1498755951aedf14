#include "edge/crypto/ke_groups.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdh.h>
#include <openssl/nid.h>

enum { SCALAR_TRIES = 16, COORDINATE_MAX = 48, POINT_MAX = 1 + 2 * COORDINATE_MAX };

static EC_GROUP *curve_of(uint16_t group) /* static data of the library */
{
    return EC_GROUP_new_by_curve_name(group == KE_P256 ? NID_X9_62_prime256v1 : NID_secp384r1);
}

static uint16_t coordinate_bytes(uint16_t group)
{
    return group == KE_P256 ? 32 : 48;
}

/* A key of the curve with this scalar; NULL when it is 0 or not below the order. */
static EC_KEY *key_of_scalar(const EC_GROUP *curve, const uint8_t *bytes, size_t len)
{
    EC_KEY *key = EC_KEY_new();
    BIGNUM *scalar = BN_bin2bn(bytes, len, NULL);

    if (key == NULL || scalar == NULL || BN_is_zero(scalar) || EC_KEY_set_group(key, curve) != 1 ||
        EC_KEY_set_private_key(key, scalar) != 1) {
        EC_KEY_free(key);
        key = NULL;
    }
    BN_free(scalar); /* the library wipes what it frees */
    return key;
}

static bool public_of_key(const EC_GROUP *curve, const EC_KEY *key, struct ke_value *ret_public)
{
    uint8_t point_bytes[POINT_MAX];
    EC_POINT *point = EC_POINT_new(curve);
    size_t len = 0;

    if (point != NULL && EC_POINT_mul(curve, point, EC_KEY_get0_private_key(key), NULL, NULL, NULL) == 1) {
        len = EC_POINT_point2oct(curve, point, POINT_CONVERSION_UNCOMPRESSED, point_bytes,
                                 sizeof(point_bytes), NULL);
    }
    EC_POINT_free(point);
    if (len < 1) {
        return false;
    }
    ret_public->len = (uint16_t)(len - 1);
    memcpy(ret_public->bytes, point_bytes + 1, len - 1);
    return true;
}

bool ke_ec_generate(uint16_t group, const struct rand_source *rand, struct ke_private *ret_private,
                    struct ke_value *ret_public)
{
    const EC_GROUP *curve = curve_of(group);
    EC_KEY *key = NULL;

    if (curve == NULL) {
        return false;
    }
    /* Uniform scalars by rejection (FIPS 186-5 A.2.2): for these curves a second try is needed once in 2^32.
     */
    ret_private->len = coordinate_bytes(group);
    for (int i = 0; i < SCALAR_TRIES && key == NULL; i++) {
        rand_fill(rand, ret_private->bytes, ret_private->len);
        key = key_of_scalar(curve, ret_private->bytes, ret_private->len);
    }
    bool done = key != NULL && public_of_key(curve, key, ret_public);
    EC_KEY_free(key);
    return done;
}

bool ke_ec_derive(const struct ke_private *private, struct span peer_public, struct ke_value *ret_shared)
{
    const EC_GROUP *curve = curve_of(private->group);
    uint8_t point_bytes[POINT_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    uint16_t len = coordinate_bytes(private->group);

    if (curve == NULL) {
        return false;
    }
    hf_assert(peer_public.len == 2u * len);
    memcpy(point_bytes + 1, peer_public.data, peer_public.len);
    EC_POINT *point = EC_POINT_new(curve);
    EC_KEY *key = key_of_scalar(curve, private->bytes, private->len);
    /* oct2point refuses coordinates out of range and points not on the curve; these curves have cofactor 1.
     */
    bool done = point != NULL && key != NULL &&
                EC_POINT_oct2point(curve, point, point_bytes, 1 + peer_public.len, NULL) == 1 &&
                ECDH_compute_key(ret_shared->bytes, len, point, key, NULL) == len;
    ret_shared->len = len;
    EC_KEY_free(key);
    EC_POINT_free(point);
    return done;
}

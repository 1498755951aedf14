#include "edge/crypto/pki.h"

#include "edge/crypto/pem.h"

#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

enum { RSA_BITS = 3072 };

static bool rsa_generate(EVP_PKEY *key)
{
    RSA *rsa = RSA_new();
    BIGNUM *exponent = BN_new();
    bool done = rsa != NULL && exponent != NULL && BN_set_word(exponent, RSA_F4) == 1 &&
                RSA_generate_key_ex(rsa, RSA_BITS, exponent, NULL) == 1 && EVP_PKEY_set1_RSA(key, rsa) == 1;

    BN_free(exponent);
    RSA_free(rsa);
    return done;
}

static bool ec_generate(EVP_PKEY *key, int nid)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(nid);
    bool done = ec != NULL && EC_KEY_generate_key(ec) == 1 && EVP_PKEY_set1_EC_KEY(key, ec) == 1;

    EC_KEY_free(ec);
    return done;
}

static EVP_PKEY *ed25519_generate(void)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);
    EVP_PKEY *key = NULL;

    if (context != NULL && EVP_PKEY_keygen_init(context) == 1) {
        (void)EVP_PKEY_keygen(context, &key);
    }
    EVP_PKEY_CTX_free(context);
    return key;
}

static EVP_PKEY *key_generate(enum pki_key_type type)
{
    if (type == PKI_KEY_ED25519) {
        return ed25519_generate();
    }
    EVP_PKEY *key = EVP_PKEY_new();
    bool done = key != NULL;
    if (done && type == PKI_KEY_RSA_3072) {
        done = rsa_generate(key);
    } else if (done) {
        done = ec_generate(key, type == PKI_KEY_P384 ? NID_secp384r1 : NID_X9_62_prime256v1);
    }
    if (!done) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

bool pki_key_new(enum pki_key_type type, struct writer *ret_pem)
{
    EVP_PKEY *key = key_generate(type);
    bool done = key != NULL && pem_write_key(key, ret_pem);

    EVP_PKEY_free(key);
    ERR_clear_error();
    return done;
}

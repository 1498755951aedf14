/* Our own key and chain, as sign.c uses them. Private to edge/crypto. */
#pragma once

#include "edge/crypto/keys.h"
#include "edge/crypto/sign.h"

struct credential {
    EVP_PKEY *key;
    enum key_kind kind;
    X509 *leaf;
    size_t num_certs;
    struct span certs[CREDENTIAL_CHAIN_MAX]; /* DER, each allocated by the library */
};

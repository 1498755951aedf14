/* Names of registry numbers, for logs and for people. */
#include "edge/wire/ids.h"

#include "edge/base/compiler.h"

#define CASE(prefix, name)                                                                                   \
    case prefix##_##name:                                                                                    \
        return #name

const char *ike_exchange_name(uint8_t exchange)
{
    switch (exchange) {
    case IKE_SA_INIT:
        return "IKE_SA_INIT";
    case IKE_AUTH:
        return "IKE_AUTH";
    case CREATE_CHILD_SA:
        return "CREATE_CHILD_SA";
    case INFORMATIONAL:
        return "INFORMATIONAL";
    case IKE_SESSION_RESUME:
        return "IKE_SESSION_RESUME";
    default:
        return NULL;
    }
}

const char *ike_notify_name(uint16_t type)
{
    switch (type) {
        CASE(NOTIFY, UNSUPPORTED_CRITICAL_PAYLOAD);
        CASE(NOTIFY, INVALID_IKE_SPI);
        CASE(NOTIFY, INVALID_MAJOR_VERSION);
        CASE(NOTIFY, INVALID_SYNTAX);
        CASE(NOTIFY, INVALID_MESSAGE_ID);
        CASE(NOTIFY, INVALID_SPI);
        CASE(NOTIFY, NO_PROPOSAL_CHOSEN);
        CASE(NOTIFY, INVALID_KE_PAYLOAD);
        CASE(NOTIFY, AUTHENTICATION_FAILED);
        CASE(NOTIFY, SINGLE_PAIR_REQUIRED);
        CASE(NOTIFY, NO_ADDITIONAL_SAS);
        CASE(NOTIFY, INTERNAL_ADDRESS_FAILURE);
        CASE(NOTIFY, FAILED_CP_REQUIRED);
        CASE(NOTIFY, TS_UNACCEPTABLE);
        CASE(NOTIFY, INVALID_SELECTORS);
        CASE(NOTIFY, UNACCEPTABLE_ADDRESSES);
        CASE(NOTIFY, UNEXPECTED_NAT_DETECTED);
        CASE(NOTIFY, TEMPORARY_FAILURE);
        CASE(NOTIFY, CHILD_SA_NOT_FOUND);
        CASE(NOTIFY, INITIAL_CONTACT);
        CASE(NOTIFY, SET_WINDOW_SIZE);
        CASE(NOTIFY, ADDITIONAL_TS_POSSIBLE);
        CASE(NOTIFY, IPCOMP_SUPPORTED);
        CASE(NOTIFY, NAT_DETECTION_SOURCE_IP);
        CASE(NOTIFY, NAT_DETECTION_DESTINATION_IP);
        CASE(NOTIFY, COOKIE);
        CASE(NOTIFY, USE_TRANSPORT_MODE);
        CASE(NOTIFY, HTTP_CERT_LOOKUP_SUPPORTED);
        CASE(NOTIFY, REKEY_SA);
        CASE(NOTIFY, ESP_TFC_PADDING_NOT_SUPPORTED);
        CASE(NOTIFY, NON_FIRST_FRAGMENTS_ALSO);
        CASE(NOTIFY, MOBIKE_SUPPORTED);
        CASE(NOTIFY, ADDITIONAL_IP4_ADDRESS);
        CASE(NOTIFY, ADDITIONAL_IP6_ADDRESS);
        CASE(NOTIFY, NO_ADDITIONAL_ADDRESSES);
        CASE(NOTIFY, UPDATE_SA_ADDRESSES);
        CASE(NOTIFY, COOKIE2);
        CASE(NOTIFY, NO_NATS_ALLOWED);
        CASE(NOTIFY, AUTH_LIFETIME);
        CASE(NOTIFY, REDIRECT_SUPPORTED);
        CASE(NOTIFY, TICKET_REQUEST);
        CASE(NOTIFY, CHILDLESS_IKEV2_SUPPORTED);
        CASE(NOTIFY, IKEV2_MESSAGE_ID_SYNC_SUPPORTED);
        CASE(NOTIFY, FRAGMENTATION_SUPPORTED);
        CASE(NOTIFY, SIGNATURE_HASH_ALGORITHMS);
    default:
        return NULL;
    }
}

/* More algorithms than Holdfast implements: "no common proposal" must be able to say what the client
 * wanted. */
static const struct {
    uint8_t type;
    uint16_t id;
    const char *name;
} transforms[] = {
    {TRANSFORM_ENCR, 2, "DES"},
    {TRANSFORM_ENCR, 3, "3DES"},
    {TRANSFORM_ENCR, 11, "NULL"},
    {TRANSFORM_ENCR, 12, "AES-CBC"},
    {TRANSFORM_ENCR, 13, "AES-CTR"},
    {TRANSFORM_ENCR, 14, "AES-CCM-8"},
    {TRANSFORM_ENCR, 15, "AES-CCM-12"},
    {TRANSFORM_ENCR, 16, "AES-CCM-16"},
    {TRANSFORM_ENCR, 18, "AES-GCM-8"},
    {TRANSFORM_ENCR, 19, "AES-GCM-12"},
    {TRANSFORM_ENCR, 20, "AES-GCM-16"},
    {TRANSFORM_ENCR, 23, "CAMELLIA-CBC"},
    {TRANSFORM_ENCR, 28, "CHACHA20-POLY1305"},
    {TRANSFORM_PRF, 1, "HMAC-MD5"},
    {TRANSFORM_PRF, 2, "HMAC-SHA1"},
    {TRANSFORM_PRF, 4, "AES128-XCBC"},
    {TRANSFORM_PRF, 5, "HMAC-SHA2-256"},
    {TRANSFORM_PRF, 6, "HMAC-SHA2-384"},
    {TRANSFORM_PRF, 7, "HMAC-SHA2-512"},
    {TRANSFORM_PRF, 8, "AES128-CMAC"},
    {TRANSFORM_INTEG, 0, "NONE"},
    {TRANSFORM_INTEG, 1, "HMAC-MD5-96"},
    {TRANSFORM_INTEG, 2, "HMAC-SHA1-96"},
    {TRANSFORM_INTEG, 5, "AES-XCBC-96"},
    {TRANSFORM_INTEG, 8, "AES-CMAC-96"},
    {TRANSFORM_INTEG, 12, "HMAC-SHA2-256-128"},
    {TRANSFORM_INTEG, 13, "HMAC-SHA2-384-192"},
    {TRANSFORM_INTEG, 14, "HMAC-SHA2-512-256"},
    {TRANSFORM_KE, 0, "NONE"},
    {TRANSFORM_KE, 1, "MODP-768"},
    {TRANSFORM_KE, 2, "MODP-1024"},
    {TRANSFORM_KE, 5, "MODP-1536"},
    {TRANSFORM_KE, 14, "MODP-2048"},
    {TRANSFORM_KE, 15, "MODP-3072"},
    {TRANSFORM_KE, 16, "MODP-4096"},
    {TRANSFORM_KE, 17, "MODP-6144"},
    {TRANSFORM_KE, 18, "MODP-8192"},
    {TRANSFORM_KE, 19, "P-256"},
    {TRANSFORM_KE, 20, "P-384"},
    {TRANSFORM_KE, 21, "P-521"},
    {TRANSFORM_KE, 31, "X25519"},
    {TRANSFORM_KE, 32, "X448"},
    {TRANSFORM_KE, 35, "ML-KEM-512"},
    {TRANSFORM_KE, 36, "ML-KEM-768"},
    {TRANSFORM_KE, 37, "ML-KEM-1024"},
    {TRANSFORM_ESN, 0, "NO-ESN"},
    {TRANSFORM_ESN, 1, "ESN"},
};

const char *ike_transform_name(uint8_t type, uint16_t id)
{
    /* RFC 9370: the additional key exchanges choose from the key exchange registry. */
    uint8_t lookup = type >= TRANSFORM_ADDKE1 && type <= TRANSFORM_ADDKE7 ? TRANSFORM_KE : type;
    for (size_t i = 0; i < HF_COUNT(transforms); i++) {
        if (transforms[i].type == lookup && transforms[i].id == id) {
            return transforms[i].name;
        }
    }
    return NULL;
}

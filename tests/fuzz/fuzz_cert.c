/* Target functions: cert_verify, sign_verify, identity_*, with whatever a peer can send before it is known.
 * The input: identity (type, length byte, bytes), AUTH method byte and data (16-bit length), then
 * certificates, each behind a 16-bit length. The CA below is trusted, so that the seeds' chains are good, and
 * the AUTH data is checked against the keys of two certificates that are known in any case. Oracle: only
 * causes that the headers name, a key if and only if the chain is good, and identities whose text fits and
 * that equal themselves. */
#include "edge/base/reader.h"
#include "edge/crypto/sign.h"

#define FUZZ_NOW INT64_C(1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char ca_pem[] = "-----BEGIN CERTIFICATE-----\n"
                             "MIIBkDCCATegAwIBAgIUdxn3QNciXMidHW3CrVKPIxTnAPgwCgYIKoZIzj0EAwIw\n"
                             "FTETMBEGA1UEAwwKRml4dHVyZSBDQTAgFw0yNjExMjMyMjIwMzVaGA8yMTI2MTAz\n"
                             "MDIyMjAzNVowFTETMBEGA1UEAwwKRml4dHVyZSBDQTBZMBMGByqGSM49AgEGCCqG\n"
                             "SM49AwEHA0IABCM+e4s+7fJwGj258yRCwJ4kplUg7BF8exAwweEMvimIBoyz/r6a\n"
                             "nuVMOKXtSqUB4XP6/oVDD+xh0CngPVFNZ1KjYzBhMB0GA1UdDgQWBBTRXVgGsGtx\n"
                             "HAM4t3GGA6L2MZF1sjAfBgNVHSMEGDAWgBTRXVgGsGtxHAM4t3GGA6L2MZF1sjAP\n"
                             "BgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAKBggqhkjOPQQDAgNHADBE\n"
                             "AiAVgMcPSFKfNjHOowJOoeWYMZ1XsCP8wK60ncqmIxmk7gIgViBhE070QqoqpGbY\n"
                             "38lW8O8VzIIuJ9wsAijMYVvRqY8=\n"
                             "-----END CERTIFICATE-----\n";
static const char rsa_pem[] = "-----BEGIN CERTIFICATE-----\n"
                              "MIICRDCCAeqgAwIBAgIIQPaOY0fMKy8wCgYIKoZIzj0EAwIwFTETMBEGA1UEAwwK\n"
                              "Rml4dHVyZSBDQTAgFw0yNjExMjMyMjIwMzVaGA8yMTI2MDcyMjIyMjAzNVowDjEM\n"
                              "MAoGA1UEAwwDcnNhMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAo1Ga\n"
                              "H8bUJ4VoKfXTD/lV8Mm9WPQpugpeyVs2IB8kPLcw4EJeRm0daxAA6zzUVzcXbzHt\n"
                              "Rv8q5YaWd4q4H3wp3BoT70FUGwZ+HQgzYl9MOVq+ZZKoEI6IIoF1pHlpK/Y4WZqY\n"
                              "zaF5DrHorG4B5K3Az/emOYyTm3/uw2y7REGKZ/Cof2LUV7gSYwkOCHja1FU7x4Q2\n"
                              "47AOMsOmJTuyHe43EGkL8566f7cLMu7W3IxYLJ/J/oiiUAoICmZPeZ1cPZpJOqI1\n"
                              "b8FVR+06+6HiXWEPHg0qB+cxcfT9KhEv+yRqUMX1n53oPn4TAjJFrsUl7Ob85GKy\n"
                              "awo4Q5BiTMup4z3FbQIDAQABo14wXDAaBgNVHREEEzARgg92cG4uZXhhbXBsZS5u\n"
                              "ZXQwHQYDVR0OBBYEFLKE6L2TyjGFzsC0ox84ebWQwwhLMB8GA1UdIwQYMBaAFNFd\n"
                              "WAawa3EcAzi3cYYDovYxkXWyMAoGCCqGSM49BAMCA0gAMEUCIQCYQtvEaSQxzfaN\n"
                              "Qxe772cV44jTYgbtEMqLsUQYwhEvUAIgBgCJay+x0SmhPHfllPr9EjffLExF1OrN\n"
                              "UO+lScf3C9c=\n"
                              "-----END CERTIFICATE-----\n";
static const char p256_pem[] = "-----BEGIN CERTIFICATE-----\n"
                               "MIIBljCCAT2gAwIBAgIIMvuApMwNUvcwCgYIKoZIzj0EAwIwFTETMBEGA1UEAwwK\n"
                               "Rml4dHVyZSBDQTAgFw0yNjExMjMyMjIwMzVaGA8yMTI2MDcyMjIyMjAzNVowETEP\n"
                               "MA0GA1UEAwwGYW55ZWt1MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPKbCSkzg\n"
                               "s8eFQhAL+tzCVuAn37qOo9p/ulcmF7M7yf00ipmz1tzQ/87UBiEcYRK5XBiBKkWA\n"
                               "T2kMHS8xI7AfUqN5MHcwGgYDVR0RBBMwEYIPdnBuLmV4YW1wbGUubmV0MBkGA1Ud\n"
                               "JQQSMBAGCCsGAQUFBwMDBgRVHSUAMB0GA1UdDgQWBBSnbmRjTeYZsFXGfeJ/Gat8\n"
                               "FcI/PDAfBgNVHSMEGDAWgBTRXVgGsGtxHAM4t3GGA6L2MZF1sjAKBggqhkjOPQQD\n"
                               "AgNHADBEAiBoGM2QJp6MVBT+YN3pLZJuhZlBzxstHal4eKhBbAXJZAIgBR2/2I31\n"
                               "x+tQQWp73sDuiUAdz6sw+U9Kt2wRx2x1E38=\n"
                               "-----END CERTIFICATE-----\n";

static struct trust *trust;
static struct public_key *keys[2];

static size_t base64_decode(const char *pem, uint8_t *ret_der)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned num_bits = 0;
    size_t len = 0;

    for (const char *at = strchr(pem, '\n'); *at != '-'; at++) {
        const char *digit = strchr(alphabet, *at);
        if (digit == NULL) {
            continue;
        }
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        num_bits += 6;
        if (num_bits >= 8) {
            num_bits -= 8;
            ret_der[len++] = (uint8_t)(bits >> num_bits);
        }
    }
    return len;
}

static struct public_key *key_of(const char *pem)
{
    uint8_t der[2048];
    struct span cert = span_of(der, base64_decode(pem, der));
    struct identity id;
    struct public_key *key;
    bool known = identity_parse("vpn.example.net", &id);
    enum cause cause = cert_verify(trust, &cert, 1, &id, FUZZ_NOW, &key);

    hf_assert(known && cause == CAUSE_NONE);
    return key;
}

static void setup(void)
{
    char error[CRYPTO_ERROR_MAX];

    trust = trust_new(CRL_IF_PRESENT);
    bool added = trust != NULL && trust_add_ca(trust, span_of_string(ca_pem), error);
    hf_assert(added);
    keys[0] = key_of(rsa_pem);
    keys[1] = key_of(p256_pem);
}

static void identity_check(const struct identity *id)
{
    char text[IDENTITY_TEXT_MAX];
    struct identity again;

    hf_assert(strlen(identity_format(id, text)) < IDENTITY_TEXT_MAX);
    for (const char *at = text; *at != '\0'; at++) {
        hf_assert(*at >= 0x20 && *at <= 0x7e);
    }
    /* Broken DER equals nothing but the same bytes. */
    hf_assert(identity_equal(id, id) == (id->type != 0));
    hf_assert(identity_matches(id, "*") == (id->type != 0));
    (void)identity_matches(id, text);
    if (identity_parse(text, &again)) {
        hf_assert(again.type != 0 && again.len > 0);
    }
}

static void auth_check(uint8_t method, struct span auth)
{
    static const struct span tbs[] = {{(const uint8_t *)"octets", 6}};

    for (size_t i = 0; i < HF_COUNT(keys); i++) {
        enum cause cause = sign_verify(keys[i], method, auth, tbs, 1);
        hf_assert(cause == CAUSE_NONE || cause == CAUSE_AUTH_METHOD || cause == CAUSE_AUTH_SYNTAX ||
                  cause == CAUSE_AUTH_WRONG);
    }
}

static void chain_check(const struct identity *id, const struct span *certs, size_t num_certs)
{
    struct public_key *key;
    struct identity subject;
    int64_t not_after;
    enum cause cause = cert_verify(trust, certs, num_certs, id, FUZZ_NOW, &key);

    hf_assert((cause == CAUSE_NONE) == (key != NULL));
    hf_assert(cause == CAUSE_NONE || (cause >= CAUSE_CERT_MISSING && cause <= CAUSE_CRL_MISSING));
    public_key_free(key);
    for (size_t i = 0; i < num_certs; i++) {
        if (cert_not_after(certs[i], &not_after) && identity_of_subject(certs[i], &subject)) {
            identity_check(&subject);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(span_of(data, size));
    struct span certs[IKE_CERTS_MAX + 1];
    struct identity id = {.type = reader_u8(&r), .len = reader_u8(&r)};
    size_t num_certs = 0;

    if (trust == NULL) {
        setup();
    }
    reader_copy(&r, id.data, id.len);
    uint8_t method = reader_u8(&r);
    struct span auth = reader_take(&r, reader_u16(&r));
    if (r.failed) {
        return -1;
    }
    while (!r.failed && r.rest.len > 0 && num_certs < HF_COUNT(certs)) {
        certs[num_certs] = reader_take(&r, reader_u16(&r));
        num_certs += r.failed ? 0 : 1;
    }
    identity_check(&id);
    auth_check(method, auth);
    chain_check(&id, certs, num_certs);
    return 0;
}

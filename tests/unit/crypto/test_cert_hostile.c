/* Certificates that nobody's tool makes: broken DER and RSA keys with values that have hurt others (exponent
 * 0 and 1, huge and negative moduli). */
#include "edge/crypto/cert.h"

#include "tests/unit/crypto/authority.h"

#include <criterion/criterion.h>

/* Writes DER from its end towards its start, so that lengths are known when they are written. */
struct der_writer {
    uint8_t bytes[IKE_CERT_BYTES_MAX];
    size_t start;
};

static void der_byte(struct der_writer *w, uint8_t byte)
{
    cr_assert_gt(w->start, 0);
    w->bytes[--w->start] = byte;
}

static void der_bytes(struct der_writer *w, const void *bytes, size_t len)
{
    cr_assert_geq(w->start, len);
    w->start -= len;
    memcpy(w->bytes + w->start, bytes, len);
}

/* Tag and length of everything written since `end`. */
static void der_wrap(struct der_writer *w, uint8_t tag, size_t end)
{
    size_t len = end - w->start;

    if (len >= 256) {
        der_byte(w, (uint8_t)len);
        der_byte(w, (uint8_t)(len >> 8));
        der_byte(w, 0x82);
    } else {
        der_byte(w, (uint8_t)len);
        if (len >= 128) {
            der_byte(w, 0x81);
        }
    }
    der_byte(w, tag);
}

static void der_object(struct der_writer *w, uint8_t tag, const void *bytes, size_t len)
{
    size_t end = w->start;

    der_bytes(w, bytes, len);
    der_wrap(w, tag, end);
}

struct rsa_case {
    const char *what;
    size_t modulus_bytes;
    uint8_t first, last; /* of the modulus; all between is 0xa5 */
    uint8_t exponent[6];
    size_t exponent_len;
    enum cause cause;
};

static void der_spki(struct der_writer *w, const struct rsa_case *c)
{
    static const uint8_t algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                        0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    uint8_t modulus[4096];
    size_t end = w->start;

    memset(modulus, 0xa5, sizeof(modulus));
    modulus[0] = c->first;
    modulus[c->modulus_bytes - 1] = c->last;
    der_object(w, 0x02, c->exponent, c->exponent_len);
    size_t number_end = w->start;
    der_bytes(w, modulus, c->modulus_bytes);
    if ((c->first & 0x80) != 0 && strcmp(c->what, "negative modulus") != 0) {
        der_byte(w, 0);
    }
    der_wrap(w, 0x02, number_end);
    der_wrap(w, 0x30, end);
    der_byte(w, 0); /* no unused bits */
    der_wrap(w, 0x03, end);
    der_bytes(w, algorithm, sizeof(algorithm));
    der_wrap(w, 0x30, end);
}

/* A certificate with that key and a signature that nobody made: the key must be refused before it matters. */
static struct span der_cert(struct der_writer *w, const struct rsa_case *c)
{
    static const uint8_t name[] = {0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06,
                                   0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, 'x'};
    static const uint8_t times[] = "\x30\x1e\x17\x0d"
                                   "260101000000Z"
                                   "\x17\x0d"
                                   "360101000000Z";
    static const uint8_t sha256_rsa[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                         0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00};
    static const uint8_t signature[33] = {0};

    w->start = sizeof(w->bytes);
    der_object(w, 0x03, signature, sizeof(signature));
    der_bytes(w, sha256_rsa, sizeof(sha256_rsa));
    size_t end = w->start;
    der_spki(w, c);
    der_bytes(w, name, sizeof(name));
    der_bytes(w, times, sizeof(times) - 1);
    der_bytes(w, name, sizeof(name));
    der_bytes(w, sha256_rsa, sizeof(sha256_rsa));
    der_bytes(w, "\x02\x01\x01", 3);
    der_wrap(w, 0x30, end);
    der_wrap(w, 0x30, sizeof(w->bytes));
    return span_of(w->bytes + w->start, sizeof(w->bytes) - w->start);
}

static const struct rsa_case cases[] = {
    {"a sound key", 256, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_UNTRUSTED},
    {"exponent 3", 256, 0xc1, 0x01, {3}, 1, CAUSE_CERT_UNTRUSTED},
    {"the largest key", 1024, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_UNTRUSTED},
    {"exponent 0", 256, 0xc1, 0x01, {0}, 1, CAUSE_CERT_KEY},
    {"exponent 1", 256, 0xc1, 0x01, {1}, 1, CAUSE_CERT_KEY},
    {"exponent 2", 256, 0xc1, 0x01, {2}, 1, CAUSE_CERT_KEY},
    {"even exponent", 256, 0xc1, 0x01, {1, 0, 0}, 3, CAUSE_CERT_KEY},
    {"negative exponent", 256, 0xc1, 0x01, {0xff}, 1, CAUSE_CERT_KEY},
    {"exponent not minimal", 256, 0xc1, 0x01, {0, 0, 3}, 3, CAUSE_CERT_KEY},
    {"exponent of 41 bits", 256, 0xc1, 0x01, {1, 0, 0, 0, 0, 1}, 6, CAUSE_CERT_KEY},
    {"empty exponent", 256, 0xc1, 0x01, {0}, 0, CAUSE_CERT_KEY},
    {"even modulus", 256, 0xc1, 0x02, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"negative modulus", 256, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"1024 bits", 128, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"2047 bits", 256, 0x41, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"8193 bits", 1025, 0x01, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"16384 bits", 2048, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"32768 bits", 4096, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
};

static enum cause verify(const struct trust *trust, const struct span *certs, size_t num_certs)
{
    struct identity id = id_of("CN=x");
    struct public_key *key;
    enum cause cause = cert_verify(trust, certs, num_certs, &id, TEST_NOW, &key);

    public_key_free(key);
    return cause;
}

Test(cert_hostile, rsa_keys)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    const struct pair *cas[] = {&root};
    struct trust *trust = trust_make(CRL_IF_PRESENT, cas, 1);
    static struct der_writer w;

    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        struct span cert = der_cert(&w, &cases[i]);
        enum cause cause = verify(trust, &cert, 1);
        cr_assert_eq(cause, cases[i].cause, "%s: %s", cases[i].what, cause_json(cause));
        /* As a helper of a certificate that nobody issued it is told, and never used. */
        struct pair leaf = pair_make("x", PKI_CLIENT, root.key, NULL);
        struct der der = der_of_pem(pem_span(&leaf.cert));
        struct span chain[] = {der_span(&der), cert};
        cause = verify(trust, chain, 2);
        cr_assert_eq(cause, cases[i].cause, "%s as helper: %s", cases[i].what, cause_json(cause));
    }
    trust_free(trust);
}

/* A good chain with one bit or byte wrong, cut, or longer: refused, never a crash; most of all by the
 * sanitizers' leave. */
Test(cert_hostile, damaged_certificates)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair leaf = pair_make("x", PKI_CLIENT, key_make(PKI_KEY_P256), &root);
    const struct pair *cas[] = {&root};
    struct trust *trust = trust_make(CRL_IF_PRESENT, cas, 1);
    struct der good = der_of_pem(pem_span(&leaf.cert));
    struct span cert = der_span(&good);

    cr_assert_eq(verify(trust, &cert, 1), CAUSE_NONE);
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        struct der bad = good;
        bad.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cert = der_span(&bad);
        cr_assert_neq(verify(trust, &cert, 1), CAUSE_NONE, "bit %zu", bit);
    }
    for (size_t len = 0; len < good.len; len++) {
        cert = span_of(good.bytes, len);
        cr_assert_eq(verify(trust, &cert, 1), CAUSE_CERT_PARSE, "cut at %zu", len);
    }
    struct der longer = good;
    longer.len++;
    cert = der_span(&longer);
    cr_assert_eq(verify(trust, &cert, 1), CAUSE_CERT_PARSE, "a byte behind it");
    cr_assert_eq(verify(trust, NULL, 0), CAUSE_CERT_MISSING);
    static uint8_t large[IKE_CERT_BYTES_MAX + 1] = {0x30, 0x82};
    cert = span_of(large, sizeof(large));
    cr_assert_eq(verify(trust, &cert, 1), CAUSE_CERT_PARSE);
    struct span chain[] = {der_span(&good), span_of("rubbish", 7), span_of(NULL, 0),
                           span_of(large, sizeof(large))};
    cr_assert_eq(verify(trust, chain, 4), CAUSE_NONE, "rubbish behind a good certificate does not hurt");
    trust_free(trust);
}

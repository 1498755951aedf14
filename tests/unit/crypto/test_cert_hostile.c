/* Certificates that nobody's tool makes: broken DER and RSA keys with values that have hurt others (exponent
 * 0 and 1, huge and negative moduli). */
#include "edge/crypto/cert.h"

#include "tests/lib/rsa_cert.h"
#include "tests/unit/crypto/authority.h"

#include <criterion/criterion.h>

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
    static uint8_t bytes[IKE_CERT_BYTES_MAX];
    uint32_t i = 0;

    for (const struct rsa_cert *c; (c = rsa_cert_at(i)) != NULL; i++) {
        struct span cert = span_of(bytes, rsa_cert_write(c, bytes));
        enum cause cause = verify(trust, &cert, 1);
        cr_assert_eq(cause, c->cause, "%s: %s", c->what, cause_json(cause));
        /* As a helper of a certificate that nobody issued it is told, and never used. */
        struct pair leaf = pair_make("x", PKI_CLIENT, root.key, NULL);
        struct der der = der_of_pem(pem_span(&leaf.cert));
        struct span chain[] = {der_span(&der), cert};
        cause = verify(trust, chain, 2);
        cr_assert_eq(cause, c->cause, "%s as helper: %s", c->what, cause_json(cause));
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

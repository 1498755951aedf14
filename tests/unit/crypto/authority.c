#include "tests/unit/crypto/authority.h"

#include <criterion/criterion.h>

struct span pem_span(const struct pem *pem)
{
    return span_of(pem->bytes, pem->len);
}

struct span der_span(const struct der *der)
{
    return span_of(der->bytes, der->len);
}

static int base64_value(uint8_t c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);

    return at == NULL ? -1 : (int)(at - alphabet);
}

struct der der_of_pem(struct span pem)
{
    struct der der = {.len = 0};
    uint32_t bits = 0;
    int num_bits = 0;
    const uint8_t *at = memchr(pem.data, '\n', pem.len); /* behind -----BEGIN...----- */

    cr_assert_not_null(at);
    for (; at < pem.data + pem.len && *at != '-'; at++) {
        int value = base64_value(*at);
        if (value < 0) {
            continue;
        }
        bits = bits << 6 | (uint32_t)value;
        num_bits += 6;
        if (num_bits >= 8) {
            num_bits -= 8;
            cr_assert_lt(der.len, sizeof(der.bytes));
            der.bytes[der.len++] = (uint8_t)(bits >> num_bits);
        }
    }
    return der;
}

struct pem key_make(enum pki_key_type type)
{
    struct pem pem;
    struct writer w = writer_of(pem.bytes, sizeof(pem.bytes));

    cr_assert(pki_key_new(type, &w));
    pem.len = w.len;
    return pem;
}

struct pair pair_make_valid(const char *name, enum pki_role role, struct pem key, const struct pair *issuer,
                            int64_t from_unix_s, int64_t to_unix_s, int path_len)
{
    struct pair pair = {.key = key};
    struct pki_issuer authority = {{0}, {0}};
    struct pki_request request = {.subject = name,
                                  .role = role,
                                  .names = &name,
                                  .num_names = role == PKI_CA ? 0 : 1,
                                  .path_len = path_len,
                                  .not_before_unix_s = from_unix_s,
                                  .not_after_unix_s = to_unix_s};
    struct writer w = writer_of(pair.cert.bytes, sizeof(pair.cert.bytes));
    char error[CRYPTO_ERROR_MAX];

    if (issuer != NULL) {
        authority = (struct pki_issuer){pem_span(&issuer->cert), pem_span(&issuer->key)};
    }
    cr_assert(pki_cert_new(&request, pem_span(&key), &authority, &w, error), "%s: %s", name, error);
    pair.cert.len = w.len;
    return pair;
}

struct pair pair_make(const char *name, enum pki_role role, struct pem key, const struct pair *issuer)
{
    return pair_make_valid(name, role, key, issuer, TEST_NOW - TEST_DAY, TEST_NOW + 365 * TEST_DAY, -1);
}

struct pem crl_make(const struct pair *issuer, const struct pair *revoked, int64_t from_unix_s,
                    int64_t to_unix_s)
{
    struct pem pem;
    struct writer w = writer_of(pem.bytes, sizeof(pem.bytes));
    struct pki_issuer authority = {pem_span(&issuer->cert), pem_span(&issuer->key)};
    struct pki_cert_text text = {.serial = ""};
    char error[CRYPTO_ERROR_MAX];

    if (revoked != NULL) {
        cr_assert(pki_cert_read(pem_span(&revoked->cert), &text, error), "%s", error);
    }
    struct pki_revocation revocation = {text.serial, from_unix_s};
    cr_assert(pki_crl_new(&authority, span_of(NULL, 0), &revocation, revoked == NULL ? 0 : 1, from_unix_s,
                          to_unix_s, &w, error),
              "%s", error);
    pem.len = w.len;
    return pem;
}

struct identity id_of(const char *text)
{
    struct identity id;

    cr_assert(identity_parse(text, &id), "%s", text);
    return id;
}

struct trust *trust_make(enum crl_policy policy, const struct pair *const *cas, size_t num_cas)
{
    struct trust *trust = trust_new(policy);
    char error[CRYPTO_ERROR_MAX];

    cr_assert_not_null(trust);
    for (size_t i = 0; i < num_cas; i++) {
        cr_assert(trust_add_ca(trust, pem_span(&cas[i]->cert), error), "%s", error);
    }
    return trust;
}

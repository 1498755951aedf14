#include "edge/crypto/pki.h"

#include "edge/crypto/sign.h"
#include "tests/unit/crypto/authority.h"

#include <criterion/criterion.h>

Test(pki, keys)
{
    static const enum pki_key_type types[] = {PKI_KEY_P256, PKI_KEY_P384, PKI_KEY_RSA_3072, PKI_KEY_ED25519};

    for (size_t i = 0; i < HF_COUNT(types); i++) {
        struct pem a = key_make(types[i]), b = key_make(types[i]);
        static const char begin[] = "-----BEGIN PRIVATE KEY-----\n";
        cr_assert_arr_eq(a.bytes, begin, sizeof(begin) - 1, "PKCS#8");
        cr_assert(a.len != b.len || memcmp(a.bytes, b.bytes, a.len) != 0, "another key each time");
        uint8_t small[64];
        struct writer w = writer_of(small, sizeof(small));
        cr_assert_not(pki_key_new(types[i], &w), "no room");
    }
}

Test(pki, what_a_certificate_says)
{
    struct pair root = pair_make("Holdfast Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair leaf = pair_make("gw.example.net", PKI_SERVER, key_make(PKI_KEY_P256), &root);
    struct pair again = pair_make("gw.example.net", PKI_SERVER, leaf.key, &root);
    struct pki_cert_text text, other;
    char error[CRYPTO_ERROR_MAX];

    cr_assert(pki_cert_read(pem_span(&leaf.cert), &text, error));
    cr_assert_str_eq(text.subject, "CN=gw.example.net");
    cr_assert_str_eq(text.issuer, "CN=Holdfast Root");
    cr_assert_eq(strlen(text.serial), 32);
    cr_assert_eq(text.not_before_unix_s, TEST_NOW - TEST_DAY);
    cr_assert_eq(text.not_after_unix_s, TEST_NOW + 365 * TEST_DAY);
    cr_assert_not(text.is_ca);
    cr_assert(pki_cert_read(pem_span(&again.cert), &other, error));
    cr_assert_str_neq(text.serial, other.serial);
    cr_assert_neq(memcmp(text.sha256, other.sha256, 32), 0);
    cr_assert(pki_cert_read(pem_span(&root.cert), &text, error));
    cr_assert(text.is_ca);
    cr_assert_not(pki_cert_read(pem_span(&root.key), &text, error));
    cr_assert_str_not_empty(error);
}

/* RFC 5280's times: two-digit years until 2049, four digits from 2050. */
Test(pki, far_dates)
{
    static const int64_t ends[] = {2524607999, 2524608000, 4102444800};
    struct pem key = key_make(PKI_KEY_P256);

    for (size_t i = 0; i < HF_COUNT(ends); i++) {
        struct pair root = pair_make_valid("Root", PKI_CA, key, NULL, TEST_NOW, ends[i], -1);
        struct der der = der_of_pem(pem_span(&root.cert));
        int64_t end;
        cr_assert(cert_not_after(der_span(&der), &end));
        cr_assert_eq(end, ends[i]);
    }
}

struct bad_request {
    const char *what;
    struct pki_request request;
    const struct pem *key;
    struct pki_issuer issuer;
};

Test(pki, requests_that_make_no_sense)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair leaf = pair_make("gw.example.net", PKI_SERVER, key_make(PKI_KEY_P256), &root);
    static const char *const bad_name[] = {"gw.example.net", "a name, and more"};
    static const char *const injected[] = {"x,DNS:evil.example"};
    struct pki_request good = {
        .subject = "x", .role = PKI_CLIENT, .path_len = -1, .not_before_unix_s = 1, .not_after_unix_s = 2};
    struct pki_issuer issuer = {pem_span(&root.cert), pem_span(&root.key)};
    struct pki_issuer no_ca = {pem_span(&leaf.cert), pem_span(&leaf.key)};
    struct pki_issuer mixed = {pem_span(&root.cert), pem_span(&leaf.key)};
    struct pki_issuer half = {pem_span(&root.cert), span_of(NULL, 0)};
    struct bad_request cases[] = {
        {"no subject", good, &leaf.key, issuer},     {"empty subject", good, &leaf.key, issuer},
        {"broken subject", good, &leaf.key, issuer}, {"ends first", good, &leaf.key, issuer},
        {"bad name", good, &leaf.key, issuer},       {"injected name", good, &leaf.key, issuer},
        {"no key", good, &leaf.cert, issuer},        {"issuer is no CA", good, &leaf.key, no_ca},
        {"another's key", good, &leaf.key, mixed},   {"half an issuer", good, &leaf.key, half},
    };
    cases[0].request.subject = NULL;
    cases[1].request.subject = "";
    cases[2].request.subject = "CN=a,X=b";
    cases[3].request.not_after_unix_s = 1;
    cases[4].request.names = bad_name;
    cases[4].request.num_names = 2;
    cases[5].request.names = injected;
    cases[5].request.num_names = 1;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        struct pem out;
        struct writer w = writer_of(out.bytes, sizeof(out.bytes));
        char error[CRYPTO_ERROR_MAX] = "";
        cr_assert_not(pki_cert_new(&cases[i].request, pem_span(cases[i].key), &cases[i].issuer, &w, error),
                      "%s", cases[i].what);
        cr_assert_str_not_empty(error);
        cr_assert_eq(w.len, 0);
    }
}

static enum cause verify(const struct pair *root, const struct pem *crl, const struct pair *leaf)
{
    struct trust *trust = trust_make(CRL_REQUIRED, &root, 1);
    struct der der = der_of_pem(pem_span(&leaf->cert));
    struct span cert = der_span(&der);
    struct identity id = id_of("vpn.example.net");
    struct public_key *key;
    char error[CRYPTO_ERROR_MAX];

    cr_assert(trust_add_crl(trust, pem_span(crl), error), "%s", error);
    enum cause cause = cert_verify(trust, &cert, 1, &id, TEST_NOW, &key);
    public_key_free(key);
    trust_free(trust);
    return cause;
}

/* A CRL grows: what was revoked stays so, for every kind of CA key. */
Test(pki, crl_grows)
{
    static const enum pki_key_type types[] = {PKI_KEY_P256, PKI_KEY_P384, PKI_KEY_RSA_3072, PKI_KEY_ED25519};

    for (size_t t = 0; t < HF_COUNT(types); t++) {
        struct pair root = pair_make("Root", PKI_CA, key_make(types[t]), NULL);
        struct pki_issuer issuer = {pem_span(&root.cert), pem_span(&root.key)};
        struct pair leaves[3];
        struct pem crl = {.len = 0};
        char error[CRYPTO_ERROR_MAX];
        for (size_t i = 0; i < HF_COUNT(leaves); i++) {
            leaves[i] = pair_make("vpn.example.net", PKI_CLIENT, key_make(PKI_KEY_P256), &root);
        }
        for (size_t round = 0; round <= HF_COUNT(leaves); round++) {
            struct pem next;
            struct writer w = writer_of(next.bytes, sizeof(next.bytes));
            struct pki_cert_text text = {.serial = ""};
            if (round > 0) {
                cr_assert(pki_cert_read(pem_span(&leaves[round - 1].cert), &text, error));
            }
            struct pki_revocation revocations[] = {{text.serial, TEST_NOW - 5}, {text.serial, TEST_NOW - 4}};
            cr_assert(pki_crl_new(&issuer, pem_span(&crl), revocations, round == 0 ? 0 : 2,
                                  TEST_NOW - 3 + (int64_t)round, TEST_NOW + 100, &w, error),
                      "%s", error);
            next.len = w.len;
            crl = next;
            for (size_t i = 0; i < HF_COUNT(leaves); i++) {
                cr_assert_eq(verify(&root, &crl, &leaves[i]), i < round ? CAUSE_CERT_REVOKED : CAUSE_NONE,
                             "type %zu round %zu leaf %zu", t, round, i);
            }
        }
    }
}

Test(pki, crls_that_make_no_sense)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair other = pair_make("Other", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pki_issuer issuer = {pem_span(&root.cert), pem_span(&root.key)};
    struct pem old = crl_make(&other, NULL, TEST_NOW - 1, TEST_NOW + 1);
    static const char *const serials[] = {
        "",     "xyz",   "-12",
        "0x12", "12 34", "0123456789012345678901234567890123456789012345678901234567890123456789"};
    struct pem out;
    struct writer w = writer_of(out.bytes, sizeof(out.bytes));
    char error[CRYPTO_ERROR_MAX];

    for (size_t i = 0; i < HF_COUNT(serials); i++) {
        struct pki_revocation revocation = {serials[i], TEST_NOW};
        cr_assert_not(
            pki_crl_new(&issuer, span_of(NULL, 0), &revocation, 1, TEST_NOW, TEST_NOW + 1, &w, error), "%s",
            serials[i]);
    }
    cr_assert_not(pki_crl_new(&issuer, pem_span(&old), NULL, 0, TEST_NOW, TEST_NOW + 1, &w, error),
                  "another CA's");
    cr_assert_not(pki_crl_new(&issuer, pem_span(&root.cert), NULL, 0, TEST_NOW, TEST_NOW + 1, &w, error),
                  "no CRL");
    cr_assert_not(pki_crl_new(&issuer, span_of(NULL, 0), NULL, 0, TEST_NOW, TEST_NOW, &w, error), "no time");
    cr_assert_eq(w.len, 0);
}

#include "edge/crypto/cert.h"

#include "tests/unit/crypto/authority.h"
#include "tests/unit/crypto/fixtures.h"

#include <criterion/criterion.h>

static enum cause verify(const struct trust *trust, const struct pair *const *chain, size_t len,
                         const char *id_text, int64_t now_unix_s)
{
    static struct der ders[16];
    struct span certs[16];
    struct identity id = id_of(id_text);
    struct public_key *key;

    for (size_t i = 0; i < len; i++) {
        ders[i] = der_of_pem(pem_span(&chain[i]->cert));
        certs[i] = der_span(&ders[i]);
    }
    enum cause cause = cert_verify(trust, certs, len, &id, now_unix_s, &key);
    cr_assert_eq(key != NULL, cause == CAUSE_NONE);
    public_key_free(key);
    return cause;
}

#define CHAIN(...)                                                                                           \
    (const struct pair *const[]){__VA_ARGS__}, HF_COUNT(((const struct pair *const[]){__VA_ARGS__}))

static void expect(enum cause got, enum cause want, const char *what)
{
    cr_assert_eq(got, want, "%s: %s, expected %s", what, cause_json(got), cause_json(want));
}

/* ---- key types ---- */

Test(cert, every_key_type_in_every_place)
{
    static const enum pki_key_type types[] = {PKI_KEY_P256, PKI_KEY_P384, PKI_KEY_ED25519, PKI_KEY_RSA_3072};
    struct pem keys[HF_COUNT(types)];

    for (size_t i = 0; i < HF_COUNT(types); i++) {
        keys[i] = key_make(types[i]);
    }
    for (size_t r = 0; r < HF_COUNT(types); r++) {
        struct pair root = pair_make("Root", PKI_CA, keys[r], NULL);
        struct trust *trust = trust_make(CRL_IF_PRESENT, CHAIN(&root));
        cr_assert_eq(trust_certreq(trust).len, 20);
        struct pair sub = pair_make("Sub", PKI_CA, keys[(r + 1) % HF_COUNT(types)], &root);
        for (size_t l = 0; l < HF_COUNT(types); l++) {
            struct pair leaf = pair_make("vpn.example.net", PKI_CLIENT, keys[l], &sub);
            expect(verify(trust, CHAIN(&leaf, &sub), "vpn.example.net", TEST_NOW), CAUSE_NONE,
                   "chain of three");
            expect(verify(trust, CHAIN(&leaf), "vpn.example.net", TEST_NOW), CAUSE_CERT_UNTRUSTED,
                   "sub is missing");
        }
        trust_free(trust);
    }
}

/* ---- time, order, depth, trust ---- */

Test(cert, validity_and_trust)
{
    struct pem key = key_make(PKI_KEY_P256), other_key = key_make(PKI_KEY_P256);
    struct pair root = pair_make("Root", PKI_CA, key, NULL);
    struct pair foreign = pair_make("Root", PKI_CA, other_key, NULL); /* the same name, another key */
    struct pair sub = pair_make("Sub", PKI_CA, key_make(PKI_KEY_P256), &root);
    struct pair leaf = pair_make("vpn.example.net", PKI_CLIENT, key_make(PKI_KEY_P256), &sub);
    struct trust *trust = trust_make(CRL_IF_PRESENT, CHAIN(&root));
    const char *id = "vpn.example.net";

    expect(verify(trust, CHAIN(&leaf, &sub), id, TEST_NOW), CAUSE_NONE, "good");
    expect(verify(trust, CHAIN(&leaf, &sub, &root), id, TEST_NOW), CAUSE_NONE, "with the root");
    expect(verify(trust, CHAIN(&leaf, &foreign, &root, &sub), id, TEST_NOW), CAUSE_NONE,
           "helpers in any order");
    expect(verify(trust, CHAIN(&sub, &leaf), id, TEST_NOW), CAUSE_CERT_USAGE, "a CA first");
    expect(verify(trust, CHAIN(&leaf, &sub), id, TEST_NOW + 366 * TEST_DAY), CAUSE_CERT_EXPIRED,
           "a year later");
    expect(verify(trust, CHAIN(&leaf, &sub), id, TEST_NOW - 2 * TEST_DAY), CAUSE_CERT_NOT_YET,
           "two days before");
    struct pair old_sub =
        pair_make_valid("Sub", PKI_CA, sub.key, &root, TEST_NOW - 9 * TEST_DAY, TEST_NOW - 1, -1);
    expect(verify(trust, CHAIN(&leaf, &old_sub), id, TEST_NOW), CAUSE_CERT_EXPIRED, "an expired CA");
    struct pair stranger = pair_make("vpn.example.net", PKI_CLIENT, leaf.key, &foreign);
    expect(verify(trust, CHAIN(&stranger), id, TEST_NOW), CAUSE_CERT_UNTRUSTED, "a CA of the same name");
    expect(verify(trust, CHAIN(&stranger, &foreign), id, TEST_NOW), CAUSE_CERT_UNTRUSTED,
           "and its certificate");
    struct pair alone = pair_make("vpn.example.net", PKI_CLIENT, leaf.key, NULL);
    expect(verify(trust, CHAIN(&alone), id, TEST_NOW), CAUSE_CERT_UNTRUSTED, "self-signed");
    struct trust *empty = trust_make(CRL_IF_PRESENT, CHAIN(&foreign));
    expect(verify(empty, CHAIN(&leaf, &sub, &root), id, TEST_NOW), CAUSE_CERT_UNTRUSTED, "nobody we know");
    struct trust *anchored = trust_make(CRL_REQUIRED, CHAIN(&sub));
    expect(verify(anchored, CHAIN(&leaf), id, TEST_NOW), CAUSE_CRL_MISSING,
           "an intermediate as anchor, no CRL");
    trust_free(anchored);
    anchored = trust_make(CRL_IF_PRESENT, CHAIN(&sub));
    expect(verify(anchored, CHAIN(&leaf), id, TEST_NOW), CAUSE_NONE, "an intermediate as anchor");
    trust_free(anchored);
    trust_free(empty);
    trust_free(trust);
}

Test(cert, path_lengths)
{
    struct pem key[4] = {key_make(PKI_KEY_P256), key_make(PKI_KEY_P256), key_make(PKI_KEY_P256),
                         key_make(PKI_KEY_P256)};
    int64_t from = TEST_NOW - 1, to = TEST_NOW + TEST_DAY;
    const char *id = "vpn.example.net";

    for (int path_len = 0; path_len < 3; path_len++) {
        struct pair root = pair_make_valid("Root", PKI_CA, key[0], NULL, from, to, path_len);
        struct pair one = pair_make_valid("One", PKI_CA, key[1], &root, from, to, -1);
        struct pair two = pair_make_valid("Two", PKI_CA, key[2], &one, from, to, -1);
        struct pair under_root = pair_make(id, PKI_CLIENT, key[3], &root);
        struct pair under_one = pair_make(id, PKI_CLIENT, key[3], &one);
        struct pair under_two = pair_make(id, PKI_CLIENT, key[3], &two);
        struct trust *trust = trust_make(CRL_IF_PRESENT, CHAIN(&root));
        expect(verify(trust, CHAIN(&under_root), id, TEST_NOW), CAUSE_NONE, "under the root");
        expect(verify(trust, CHAIN(&under_one, &one), id, TEST_NOW),
               path_len >= 1 ? CAUSE_NONE : CAUSE_CERT_UNTRUSTED, "one CA between");
        expect(verify(trust, CHAIN(&under_two, &two, &one), id, TEST_NOW),
               path_len >= 2 ? CAUSE_NONE : CAUSE_CERT_UNTRUSTED, "two CAs between");
        trust_free(trust);
    }
}

/* Each of two CAs certifies the other: building a path must end. */
Test(cert, loops_and_long_chains)
{
    struct pem key_a = key_make(PKI_KEY_P256), key_b = key_make(PKI_KEY_P256), key = key_make(PKI_KEY_P256);
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair a = pair_make("A", PKI_CA, key_a, NULL), b = pair_make("B", PKI_CA, key_b, NULL);
    struct pair a_by_b = pair_make("A", PKI_CA, key_a, &b), b_by_a = pair_make("B", PKI_CA, key_b, &a);
    struct pair leaf = pair_make("vpn.example.net", PKI_CLIENT, key, &a);
    struct trust *trust = trust_make(CRL_IF_PRESENT, CHAIN(&root));

    expect(verify(trust, CHAIN(&leaf, &a_by_b, &b_by_a, &a_by_b, &b_by_a), "vpn.example.net", TEST_NOW),
           CAUSE_CERT_UNTRUSTED, "a loop");
    struct pair a_by_root = pair_make("A", PKI_CA, key_a, &root);
    expect(verify(trust, CHAIN(&leaf, &a_by_b, &b_by_a, &a_by_root), "vpn.example.net", TEST_NOW), CAUSE_NONE,
           "a loop with a way out of it");

    static struct pair subs[10];
    for (size_t i = 0; i < HF_COUNT(subs); i++) {
        char name[] = "Sub 0";
        name[4] = (char)('0' + i);
        subs[i] = pair_make(name, PKI_CA, key_make(PKI_KEY_P256), i == 0 ? &root : &subs[i - 1]);
    }
    leaf = pair_make("vpn.example.net", PKI_CLIENT, key, &subs[8]);
    expect(verify(trust,
                  CHAIN(&leaf, &subs[0], &subs[1], &subs[2], &subs[3], &subs[4], &subs[5], &subs[6], &subs[7],
                        &subs[8]),
                  "vpn.example.net", TEST_NOW),
           CAUSE_NONE, "ten certificates");
    leaf = pair_make("vpn.example.net", PKI_CLIENT, key, &subs[9]);
    expect(verify(trust,
                  CHAIN(&leaf, &subs[0], &subs[1], &subs[2], &subs[3], &subs[4], &subs[5], &subs[6], &subs[7],
                        &subs[8], &subs[9]),
                  "vpn.example.net", TEST_NOW),
           CAUSE_CERT_PARSE, "eleven certificates");
    trust_free(trust);
}

/* ---- revocation ---- */

static void trust_add_crl_pem(struct trust *trust, const struct pem *crl)
{
    char error[CRYPTO_ERROR_MAX];

    cr_assert(trust_add_crl(trust, pem_span(crl), error), "%s", error);
}

Test(cert, revocation)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair sub = pair_make("Sub", PKI_CA, key_make(PKI_KEY_P384), &root);
    struct pair leaf = pair_make("vpn.example.net", PKI_CLIENT, key_make(PKI_KEY_P256), &sub);
    const char *id = "vpn.example.net";
    int64_t before = TEST_NOW - 9 * TEST_DAY, past = TEST_NOW - TEST_DAY, future = TEST_NOW + TEST_DAY;
    struct pem root_good = crl_make(&root, NULL, past, future),
               root_revokes = crl_make(&root, &sub, past, future);
    struct pem sub_good = crl_make(&sub, NULL, past, future),
               sub_revokes = crl_make(&sub, &leaf, past, future);
    struct pem sub_old = crl_make(&sub, NULL, before, past),
               sub_old_revokes = crl_make(&sub, &leaf, before, past);
    struct pem sub_early = crl_make(&sub, NULL, future, future + 1);
    struct {
        const char *what;
        const struct pem *crls[2];
        enum cause if_present, required;
    } cases[] = {
        {"no CRL", {NULL, NULL}, CAUSE_NONE, CAUSE_CRL_MISSING},
        {"both", {&root_good, &sub_good}, CAUSE_NONE, CAUSE_NONE},
        {"the root's alone", {&root_good, NULL}, CAUSE_NONE, CAUSE_CRL_MISSING},
        {"the intermediate's alone", {&sub_good, NULL}, CAUSE_NONE, CAUSE_CRL_MISSING},
        {"leaf revoked", {&root_good, &sub_revokes}, CAUSE_CERT_REVOKED, CAUSE_CERT_REVOKED},
        {"leaf revoked, the root's missing", {&sub_revokes, NULL}, CAUSE_CERT_REVOKED, CAUSE_CERT_REVOKED},
        {"CA revoked", {&root_revokes, &sub_good}, CAUSE_CERT_REVOKED, CAUSE_CERT_REVOKED},
        {"expired CRL", {&root_good, &sub_old}, CAUSE_NONE, CAUSE_CRL_MISSING},
        {"expired CRL still revokes", {&root_good, &sub_old_revokes}, CAUSE_CERT_REVOKED, CAUSE_CERT_REVOKED},
        {"the newer CRL counts", {&sub_old_revokes, &sub_good}, CAUSE_NONE, CAUSE_CRL_MISSING},
        {"not the one of tomorrow", {&sub_early, &sub_revokes}, CAUSE_CERT_REVOKED, CAUSE_CERT_REVOKED},
        {"CRL of tomorrow", {&root_good, &sub_early}, CAUSE_NONE, CAUSE_CRL_MISSING},
        {"old and new", {&sub_old, &sub_revokes}, CAUSE_CERT_REVOKED, CAUSE_CERT_REVOKED},
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        for (int policy = 0; policy < 2; policy++) {
            struct trust *trust = trust_make(policy == 0 ? CRL_IF_PRESENT : CRL_REQUIRED, CHAIN(&root));
            for (size_t c = 0; c < HF_COUNT(cases[i].crls); c++) {
                if (cases[i].crls[c] != NULL) {
                    trust_add_crl_pem(trust, cases[i].crls[c]);
                }
            }
            expect(verify(trust, CHAIN(&leaf, &sub), id, TEST_NOW),
                   policy == 0 ? cases[i].if_present : cases[i].required, cases[i].what);
            trust_free(trust);
        }
    }
}

/* What is left of a certificate in a ticket. */
Test(cert, mark_of_one_that_is_gone)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair other = pair_make("Other", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair leaf = pair_make("a.example.net", PKI_CLIENT, key_make(PKI_KEY_P256), &root);
    struct pair twin = pair_make("b.example.net", PKI_CLIENT, key_make(PKI_KEY_P256), &root);
    int64_t past = TEST_NOW - TEST_DAY, future = TEST_NOW + TEST_DAY;
    struct pem good = crl_make(&root, NULL, past, future), revokes = crl_make(&root, &leaf, past, future),
               revokes_twin = crl_make(&root, &twin, past, future),
               others = crl_make(&other, NULL, past, future);
    struct {
        const char *what;
        const struct pem *crl;
        enum cause if_present, required;
    } cases[] = {
        {"no CRL", NULL, CAUSE_NONE, CAUSE_CRL_MISSING},
        {"good", &good, CAUSE_NONE, CAUSE_NONE},
        {"revoked", &revokes, CAUSE_CERT_REVOKED, CAUSE_CERT_REVOKED},
        {"another is revoked", &revokes_twin, CAUSE_NONE, CAUSE_NONE},
        {"of another CA", &others, CAUSE_NONE, CAUSE_CRL_MISSING},
    };
    struct der der = der_of_pem(pem_span(&leaf.cert));
    struct cert_mark mark;
    cr_assert(cert_mark_of(der_span(&der), &mark));
    cr_assert(!cert_mark_of(span_of(der.bytes, der.len - 1), &(struct cert_mark){0}));
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        for (int policy = 0; policy < 2; policy++) {
            struct trust *trust =
                trust_make(policy == 0 ? CRL_IF_PRESENT : CRL_REQUIRED, CHAIN(&root, &other));
            if (cases[i].crl != NULL) {
                trust_add_crl_pem(trust, cases[i].crl);
            }
            enum cause wanted = policy == 0 ? cases[i].if_present : cases[i].required;
            cr_expect_eq(cert_mark_check(trust, &mark, TEST_NOW), wanted, "%s", cases[i].what);
            cr_expect_eq(cert_mark_check(trust, &mark, mark.not_after_unix_s + 1), CAUSE_CERT_EXPIRED);
            trust_free(trust);
        }
    }
}

/* A CRL that another CA of the same name signed: refused at once where we know the CA, and no CRL of the
 * intermediate's. */
Test(cert, crl_of_a_namesake)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair namesake = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair sub = pair_make("Sub", PKI_CA, key_make(PKI_KEY_P256), &root);
    struct pair sub_namesake = pair_make("Sub", PKI_CA, key_make(PKI_KEY_P256), &namesake);
    struct pair leaf = pair_make("vpn.example.net", PKI_CLIENT, key_make(PKI_KEY_P256), &sub);
    struct pem crl = crl_make(&namesake, NULL, TEST_NOW - 1, TEST_NOW + 1);
    struct pem root_crl = crl_make(&root, NULL, TEST_NOW - 1, TEST_NOW + 1);
    struct pem sub_crl = crl_make(&sub_namesake, &leaf, TEST_NOW - 1, TEST_NOW + 1);
    static const enum cause causes[] = {[CRL_IF_PRESENT] = CAUSE_NONE, [CRL_REQUIRED] = CAUSE_CRL_MISSING};

    for (size_t policy = 0; policy < HF_COUNT(causes); policy++) {
        struct trust *trust = trust_make((enum crl_policy)policy, CHAIN(&root));
        char error[CRYPTO_ERROR_MAX];
        cr_assert_not(trust_add_crl(trust, pem_span(&crl), error));
        cr_assert_str_not_empty(error);
        trust_add_crl_pem(trust, &root_crl);
        trust_add_crl_pem(trust, &sub_crl);
        expect(verify(trust, CHAIN(&leaf, &sub), "vpn.example.net", TEST_NOW), causes[policy],
               "a namesake's CRL");
        trust_free(trust);
    }
}

Test(cert, crls_that_are_not_loaded)
{
    static const struct {
        const char *name;
        bool loaded;
    } cases[] = {{"crl_good", true},
                 {"crl_idp", false},
                 {"crl_onlyuser", false},
                 {"crl_delta", false},
                 {"crl_sha1", false}};
    struct trust *trust = trust_new(CRL_REQUIRED);
    char error[CRYPTO_ERROR_MAX];

    cr_assert(trust_add_ca(trust, span_of_string(fixture("ca")), error), "%s", error);
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        bool loaded = trust_add_crl(trust, span_of_string(fixture(cases[i].name)), error);
        cr_assert_eq(loaded, cases[i].loaded, "%s: %s", cases[i].name, error);
        cr_assert_eq(strlen(error) == 0, loaded);
    }
    trust_free(trust);
}

/* With CRL_REQUIRED the intermediate CA needs one as well as the root. */
Test(cert, every_level_needs_its_crl)
{
    struct trust *trust = trust_new(CRL_REQUIRED);
    struct der leaf = der_of_pem(span_of_string(fixture("inside")));
    struct der helper = der_of_pem(span_of_string(fixture("constrained")));
    struct span certs[] = {der_span(&leaf), der_span(&helper)};
    struct identity id = id_of("vpn.example.net");
    struct public_key *key;
    char error[CRYPTO_ERROR_MAX];

    cr_assert(trust_add_ca(trust, span_of_string(fixture("ca")), error), "%s", error);
    cr_assert(trust_add_crl(trust, span_of_string(fixture("crl_good")), error), "%s", error);
    expect(cert_verify(trust, certs, 2, &id, TEST_NOW, &key), CAUSE_CRL_MISSING,
           "the intermediate has no CRL");
    certs[0] = certs[1];
    expect(cert_verify(trust, certs, 1, &id, TEST_NOW, &key), CAUSE_CERT_USAGE, "under the root's CRL");
    trust_free(trust);
}

Test(cert, what_a_trust_store_refuses)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair leaf = pair_make("vpn.example.net", PKI_CLIENT, key_make(PKI_KEY_P256), &root);
    struct trust *trust = trust_make(CRL_IF_PRESENT, CHAIN(&root, &root));
    char error[CRYPTO_ERROR_MAX];
    struct pem broken = root.cert;

    cr_assert_eq(trust_certreq(trust).len, 20, "the same CA twice is one");
    cr_assert_not(trust_add_ca(trust, pem_span(&leaf.cert), error), "no CA");
    cr_assert_not(trust_add_ca(trust, pem_span(&root.key), error), "no certificate");
    cr_assert_not(trust_add_ca(trust, span_of("", 0), error), "nothing");
    cr_assert_not(trust_add_ca(trust, span_of("rubbish\n", 8), error), "rubbish");
    cr_assert_not(trust_add_crl(trust, pem_span(&root.cert), error), "no CRL");
    broken.bytes[broken.len / 2] = broken.bytes[broken.len / 2] == 'A' ? 'B' : '!';
    cr_assert_not(trust_add_ca(trust, span_of(broken.bytes, broken.len / 2), error), "half a certificate");
    trust_free(trust);
    trust_free(NULL);
    public_key_free(NULL);
}

/* ---- identities and usage ---- */

Test(cert, names)
{
    static const char *const sans[] = {"VPN.example.net", "Alice@Example.NET", "192.0.2.7", "2001:db8::7"};
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair leaf = {.key = key_make(PKI_KEY_P256)};
    struct pki_request request = {.subject = "C=CH, O=Acme  Ltd, CN=cn.example.net",
                                  .role = PKI_PEER,
                                  .names = sans,
                                  .num_names = HF_COUNT(sans),
                                  .not_before_unix_s = TEST_NOW - 1,
                                  .not_after_unix_s = TEST_NOW + 1};
    struct pki_issuer issuer = {pem_span(&root.cert), pem_span(&root.key)};
    struct writer w = writer_of(leaf.cert.bytes, sizeof(leaf.cert.bytes));
    char error[CRYPTO_ERROR_MAX];
    cr_assert(pki_cert_new(&request, pem_span(&leaf.key), &issuer, &w, error), "%s", error);
    leaf.cert.len = w.len;
    struct trust *trust = trust_make(CRL_IF_PRESENT, CHAIN(&root));
    static const struct {
        const char *id;
        bool good;
    } cases[] = {
        {"vpn.example.net", true},
        {"VPN.EXAMPLE.NET", true},
        {"alice@example.net", true},
        {"192.0.2.7", true},
        {"2001:db8:0::7", true},
        {"C=CH, O=Acme  Ltd, CN=cn.example.net", true},
        {"c=ch, o=ACME ltd, cn=CN.example.net", true},
        {"cn.example.net", false}, /* the CN is not looked at */
        {"CN=cn.example.net", false},
        {"CN=cn.example.net, O=Acme Ltd, C=CH", false}, /* another order is another name */
        {"pn.example.net", false},
        {"vpn.example.net.", false},
        {"example.net", false},
        {"alice@vpn.example.net", false},
        {"192.0.2.8", false},
        {"2001:db8::8", false},
        {"keyid:vpn.example.net", false},
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        expect(verify(trust, CHAIN(&leaf), cases[i].id, TEST_NOW), cases[i].good ? CAUSE_NONE : CAUSE_CERT_ID,
               cases[i].id);
    }
    struct pair nameless = pair_make("Nameless", PKI_CA, leaf.key, &root);
    request.num_names = 0;
    w = writer_of(nameless.cert.bytes, sizeof(nameless.cert.bytes));
    cr_assert(pki_cert_new(&request, pem_span(&leaf.key), &issuer, &w, error), "%s", error);
    nameless.cert.len = w.len;
    expect(verify(trust, CHAIN(&nameless), "cn.example.net", TEST_NOW), CAUSE_CERT_ID, "no SAN");
    trust_free(trust);
}

Test(cert, subject_as_identity)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct der der = der_of_pem(pem_span(&root.cert));
    struct identity id;
    char text[IDENTITY_TEXT_MAX];
    int64_t not_after;

    cr_assert(identity_of_subject(der_span(&der), &id));
    cr_assert_str_eq(identity_format(&id, text), "CN=Root");
    cr_assert(cert_not_after(der_span(&der), &not_after));
    cr_assert_eq(not_after, TEST_NOW + 365 * TEST_DAY);
    cr_assert_not(identity_of_subject(span_of("x", 1), &id));
    cr_assert_not(cert_not_after(span_of(der.bytes, der.len - 1), &not_after));
}

Test(cert, server_certificates_are_not_for_clients)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pem key = key_make(PKI_KEY_P256);
    struct trust *trust = trust_make(CRL_IF_PRESENT, CHAIN(&root));
    struct pair server = pair_make("vpn.example.net", PKI_SERVER, key, &root);
    struct pair peer = pair_make("vpn.example.net", PKI_PEER, key, &root);
    struct pair client = pair_make("vpn.example.net", PKI_CLIENT, key, &root);

    expect(verify(trust, CHAIN(&server), "vpn.example.net", TEST_NOW), CAUSE_CERT_USAGE, "serverAuth");
    trust_of_gateways(trust);
    expect(verify(trust, CHAIN(&server), "vpn.example.net", TEST_NOW), CAUSE_NONE, "a gateway's");
    expect(verify(trust, CHAIN(&client), "vpn.example.net", TEST_NOW), CAUSE_CERT_USAGE, "a client's");
    expect(verify(trust, CHAIN(&peer), "vpn.example.net", TEST_NOW), CAUSE_NONE, "no EKU");
    trust_free(trust);
}

/* ---- what our pki does not make ---- */

Test(cert, fixtures)
{
    static const struct {
        const char *leaf, *helper, *id;
        enum cause cause;
    } cases[] = {
        {"nonrep", NULL, "vpn.example.net", CAUSE_NONE},
        {"ipsecike", NULL, "vpn.example.net", CAUSE_NONE},
        {"ipsecuser", NULL, "vpn.example.net", CAUSE_NONE},
        {"anyeku", NULL, "vpn.example.net", CAUSE_NONE},
        {"inside", "constrained", "vpn.example.net", CAUSE_NONE},
        {"outside", "constrained", "vpn.example.org", CAUSE_CERT_UNTRUSTED},
        {"wildcard", NULL, "vpn.example.net", CAUSE_CERT_ID},
        {"sha1", NULL, "vpn.example.net", CAUSE_CERT_KEY},
        {"p521", NULL, "vpn.example.net", CAUSE_CERT_KEY},
        {"critical", NULL, "vpn.example.net", CAUSE_CERT_USAGE},
        {"encipher", NULL, "vpn.example.net", CAUSE_CERT_USAGE},
        {"codesign", NULL, "vpn.example.net", CAUSE_CERT_USAGE},
        {"isca", NULL, "vpn.example.net", CAUSE_CERT_USAGE},
        {"undernotca", "notca", "vpn.example.net", CAUSE_CERT_UNTRUSTED},
    };
    struct trust *trust = trust_new(CRL_IF_PRESENT);
    char error[CRYPTO_ERROR_MAX];
    cr_assert(trust_add_ca(trust, span_of_string(fixture("ca")), error), "%s", error);
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        struct der leaf = der_of_pem(span_of_string(fixture(cases[i].leaf)));
        struct der helper =
            der_of_pem(span_of_string(fixture(cases[i].helper == NULL ? "ca" : cases[i].helper)));
        struct span certs[] = {der_span(&leaf), der_span(&helper)};
        struct identity id = id_of(cases[i].id);
        struct public_key *key;
        expect(cert_verify(trust, certs, 2, &id, TEST_NOW, &key), cases[i].cause, cases[i].leaf);
        public_key_free(key);
    }
    /* Not even an identity that is the wildcard itself. */
    struct der leaf = der_of_pem(span_of_string(fixture("wildcard")));
    struct span cert = der_span(&leaf);
    struct identity id = {.type = ID_FQDN, .len = 13, .data = "*.example.net"};
    struct public_key *key;
    expect(cert_verify(trust, &cert, 1, &id, TEST_NOW, &key), CAUSE_CERT_ID, "the wildcard");
    trust_free(trust);
}

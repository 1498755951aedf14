#include "edge/crypto/sign.h"

#include "edge/crypto/prf.h"
#include "tests/unit/crypto/authority.h"
#include "tests/unit/crypto/fixtures.h"
#include "tests/unit/crypto/hex.h"

#include <criterion/criterion.h>

/* One identity of each key type, and its certified key as a peer of ours would have it. */
struct signer {
    struct credential *credential;
    struct public_key *key;
};

static const enum pki_key_type types[] = {PKI_KEY_RSA_3072, PKI_KEY_P256, PKI_KEY_P384, PKI_KEY_ED25519};
enum { RSA, P256, P384, ED25519, NUM_TYPES };

static struct signer signer_make(enum pki_key_type type)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair leaf = pair_make("vpn.example.net", PKI_CLIENT, key_make(type), &root);
    const struct pair *cas[] = {&root};
    struct trust *trust = trust_make(CRL_IF_PRESENT, cas, 1);
    struct identity id = id_of("vpn.example.net");
    const struct span *certs;
    char error[CRYPTO_ERROR_MAX];
    struct signer signer;

    signer.credential = credential_new(pem_span(&leaf.cert), pem_span(&leaf.key), error);
    cr_assert_not_null(signer.credential, "%s", error);
    cr_assert(credential_has_id(signer.credential, &id));
    size_t n = credential_chain(signer.credential, &certs);
    cr_assert_eq(cert_verify(trust, certs, n, &id, TEST_NOW, &signer.key), CAUSE_NONE);
    trust_free(trust);
    return signer;
}

static void signer_free(struct signer *signer)
{
    credential_free(signer->credential);
    public_key_free(signer->key);
}

static const uint8_t octets[] = "a message, a nonce and prf(SK_p, ID)";
#define OCTETS_LEN (sizeof(octets) - 1)

struct auth {
    uint8_t method;
    uint8_t data[SIGNATURE_BYTES_MAX];
    size_t len;
};

static enum cause auth_make(const struct signer *signer, unsigned hashes, struct auth *ret_auth)
{
    const struct span tbs[] = {span_of(octets, 9), span_of(octets + 9, OCTETS_LEN - 9)};

    return sign_auth(signer->credential, hashes, tbs, HF_COUNT(tbs), &ret_auth->method, ret_auth->data,
                     &ret_auth->len);
}

static enum cause auth_check(const struct signer *signer, const struct auth *auth)
{
    const struct span tbs[] = {span_of(octets, 3), span_of(NULL, 0), span_of(octets + 3, OCTETS_LEN - 3)};

    return sign_verify(signer->key, auth->method, span_of(auth->data, auth->len), tbs, HF_COUNT(tbs));
}

#define SHA256 HASH_BIT(HASH_SHA2_256)
#define SHA384 HASH_BIT(HASH_SHA2_384)
#define SHA512 HASH_BIT(HASH_SHA2_512)
#define SHA1 HASH_BIT(HASH_SHA1)
#define IDENT HASH_BIT(HASH_IDENTITY)

/* Which method and AlgorithmIdentifier (RFC 7427 appendix A, RFC 8420 A) come out for what the peer
 * announced. */
static const struct {
    int type;
    unsigned hashes;
    enum cause cause;
    uint8_t method;
    const char *start;
    size_t len; /* 0: varies */
} made[] = {
    {RSA, 0, CAUSE_NONE, AUTH_RSA, "", 384},
    {RSA, SHA1 | SHA256 | SHA384 | SHA512 | IDENT, CAUSE_NONE, 14, "0f300d06092a864886f70d01010b0500", 400},
    {RSA, SHA384 | SHA512, CAUSE_NONE, 14, "0f300d06092a864886f70d01010c0500", 400},
    {RSA, SHA512, CAUSE_NONE, 14, "0f300d06092a864886f70d01010d0500", 400},
    {RSA, SHA1, CAUSE_AUTH_METHOD, 14, "", 0},
    {RSA, IDENT, CAUSE_AUTH_METHOD, 14, "", 0},
    {P256, 0, CAUSE_NONE, AUTH_ECDSA_256, "", 64},
    {P256, SHA256 | SHA384 | SHA512, CAUSE_NONE, 14, "0c300a06082a8648ce3d040302", 0},
    {P256, SHA384 | SHA512, CAUSE_NONE, 14, "0c300a06082a8648ce3d040303", 0},
    {P256, SHA512, CAUSE_NONE, 14, "0c300a06082a8648ce3d040304", 0},
    {P256, SHA1 | IDENT, CAUSE_AUTH_METHOD, 14, "", 0},
    {P384, 0, CAUSE_NONE, AUTH_ECDSA_384, "", 96},
    {P384, SHA256 | SHA384, CAUSE_NONE, 14, "0c300a06082a8648ce3d040303", 0},
    {P384, SHA256, CAUSE_NONE, 14, "0c300a06082a8648ce3d040302", 0},
    {ED25519, 0, CAUSE_AUTH_METHOD, 0, "", 0},
    {ED25519, SHA256 | SHA512, CAUSE_AUTH_METHOD, 14, "", 0},
    {ED25519, SHA256 | IDENT, CAUSE_NONE, 14, "07300506032b6570", 0},
    {ED25519, IDENT, CAUSE_NONE, 14, "07300506032b6570", 72},
};

Test(sign, methods_and_identifiers)
{
    struct signer signers[NUM_TYPES];

    for (int t = 0; t < NUM_TYPES; t++) {
        signers[t] = signer_make(types[t]);
    }
    for (size_t i = 0; i < HF_COUNT(made); i++) {
        struct auth auth = {.method = 0};
        const struct signer *signer = &signers[made[i].type];
        cr_assert_eq(auth_make(signer, made[i].hashes, &auth), made[i].cause, "row %zu", i);
        if (made[i].cause != CAUSE_NONE) {
            cr_assert_eq(auth.len, 0);
            continue;
        }
        cr_assert_eq(auth.method, made[i].method, "row %zu", i);
        struct hex start = hex(made[i].start);
        cr_assert_geq(auth.len, start.len);
        cr_assert_arr_eq(auth.data, start.bytes, start.len, "row %zu", i);
        cr_assert(made[i].len == 0 || auth.len == made[i].len, "row %zu: %zu bytes", i, auth.len);
        for (int t = 0; t < NUM_TYPES; t++) {
            enum cause cause = auth_check(&signers[t], &auth);
            cr_assert_eq(cause == CAUSE_NONE, t == made[i].type, "row %zu with key %d: %s", i, t,
                         cause_json(cause));
        }
    }
    for (int t = 0; t < NUM_TYPES; t++) {
        signer_free(&signers[t]);
    }
}

/* Another octet, another bit, another length: never accepted. */
Test(sign, nothing_else_verifies)
{
    static const unsigned hashes[] = {0, SHA256 | IDENT};

    for (int t = 0; t < NUM_TYPES; t++) {
        struct signer signer = signer_make(types[t]);
        for (size_t h = 0; h < HF_COUNT(hashes); h++) {
            struct auth auth;
            if (auth_make(&signer, hashes[h], &auth) != CAUSE_NONE) {
                continue; /* Ed25519 without RFC 7427 */
            }
            cr_assert_eq(auth_check(&signer, &auth), CAUSE_NONE);
            const struct span other = span_of(octets, OCTETS_LEN - 1);
            cr_assert_eq(sign_verify(signer.key, auth.method, span_of(auth.data, auth.len), &other, 1),
                         CAUSE_AUTH_WRONG);
            for (size_t bit = 0; bit < 8 * auth.len; bit++) {
                struct auth bad = auth;
                bad.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
                cr_assert_neq(auth_check(&signer, &bad), CAUSE_NONE, "key %d bit %zu", t, bit);
            }
            for (size_t len = 0; len < auth.len; len++) {
                struct auth bad = auth;
                bad.len = len;
                cr_assert_neq(auth_check(&signer, &bad), CAUSE_NONE, "key %d length %zu", t, len);
            }
            struct auth bad = auth;
            bad.data[bad.len++] = 0;
            cr_assert_neq(auth_check(&signer, &bad), CAUSE_NONE, "key %d, a byte more", t);
            for (unsigned method = 0; method < 256; method++) {
                bad = auth;
                bad.method = (uint8_t)method;
                cr_assert_eq(auth_check(&signer, &bad) == CAUSE_NONE, method == auth.method, "method %u",
                             method);
            }
        }
        signer_free(&signer);
    }
}

static enum cause check_bytes(const struct signer *signer, uint8_t method, const char *text)
{
    struct hex data = hex(text);
    struct span tbs = span_of(octets, OCTETS_LEN);

    return sign_verify(signer->key, method, hex_span(&data), &tbs, 1);
}

/* Identifiers that must be refused before any signature is looked at. */
Test(sign, unknown_identifiers)
{
    struct signer rsa = signer_make(PKI_KEY_RSA_3072), p256 = signer_make(PKI_KEY_P256);
    static const struct {
        const char *data;
        enum cause cause;
    } cases[] = {
        {"", CAUSE_AUTH_SYNTAX},
        {"00", CAUSE_AUTH_SYNTAX},
        {"00 aabb", CAUSE_AUTH_SYNTAX},
        {"0f", CAUSE_AUTH_SYNTAX},
        {"0f 300d06092a864886f70d01010b0500", CAUSE_AUTH_SYNTAX},      /* no signature behind it */
        {"10 300d06092a864886f70d01010b0500", CAUSE_AUTH_SYNTAX},      /* length past the end */
        {"0f 300d06092a864886f70d0101050500 aa", CAUSE_AUTH_METHOD},   /* SHA-1, RFC 7427 A.1.1 */
        {"0f 300d06092a864886f70d0101040500 aa", CAUSE_AUTH_METHOD},   /* MD5 */
        {"0f 300d06092a864886f70d01010a3000 aa", CAUSE_AUTH_METHOD},   /* PSS with SHA-1, A.4.1 */
        {"40 303e06092a864886f70d01010a3031a00b300906052b0e03021a0500" /* the same in full, A.4.2 */
         "a118301606092a864886f70d010108300906052b0e03021a0500a203020114a303020101 aa",
         CAUSE_AUTH_METHOD},
        {"0f 300d06092a864886f70d01010b0501 aa", CAUSE_AUTH_METHOD},   /* NULL with a length */
        {"0e 300d06092a864886f70d01010b0500 aa", CAUSE_AUTH_METHOD},   /* cut short */
        {"10 30810d06092a864886f70d01010b0500 aa", CAUSE_AUTH_METHOD}, /* BER, not DER */
        {"0c 300a06082a8648ce3d040302 aa", CAUSE_AUTH_METHOD},         /* ECDSA with an RSA key */
        {"07 300506032b6570 aa", CAUSE_AUTH_METHOD},                   /* Ed25519 */
        {"0f 300d06092a864886f70d01010b0500 aa", CAUSE_AUTH_WRONG},
        {"0d 300b06092a864886f70d01010b aa", CAUSE_AUTH_WRONG},                /* without NULL */
        {"48 304606092a864886f70d01010a3039a00f300d06096086480165030402010500" /* PSS with SHA-256, A.4.3 */
         "a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120a303020101 aa",
         CAUSE_AUTH_WRONG},
        {"48 304606092a864886f70d01010a3039a00f300d06096086480165030402010500" /* with a salt of 31 bytes */
         "a11c301a06092a864886f70d010108300d06096086480165030402010500a20302011fa303020101 aa",
         CAUSE_AUTH_METHOD},
        {"48 304606092a864886f70d01010a3039a00f300d06096086480165030402010500" /* SHA-256, MGF1 with SHA-384
                                                                                */
         "a11c301a06092a864886f70d010108300d06096086480165030402020500a203020120a303020101 aa",
         CAUSE_AUTH_METHOD},
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        cr_assert_eq(check_bytes(&rsa, 14, cases[i].data), cases[i].cause, "row %zu", i);
    }
    cr_assert_eq(check_bytes(&p256, 14, "0e300c06082a8648ce3d0403020500 aa"), CAUSE_AUTH_METHOD,
                 "ECDSA with NULL");
    cr_assert_eq(check_bytes(&p256, AUTH_ECDSA_256, "aa"), CAUSE_AUTH_SYNTAX);
    cr_assert_eq(check_bytes(&p256, AUTH_ECDSA_384, "aa"), CAUSE_AUTH_METHOD);
    cr_assert_eq(check_bytes(&p256, AUTH_ECDSA_521, "aa"), CAUSE_AUTH_METHOD);
    cr_assert_eq(check_bytes(&p256, AUTH_RSA, "aa"), CAUSE_AUTH_METHOD);
    cr_assert_eq(check_bytes(&p256, AUTH_SHARED_KEY, "aa"), CAUSE_AUTH_METHOD);
    signer_free(&rsa);
    signer_free(&p256);
}

/* r = 0, s = 0, and both as large as can be. */
Test(sign, ecdsa_extremes)
{
    struct signer p256 = signer_make(PKI_KEY_P256);
    struct span tbs = span_of(octets, OCTETS_LEN);
    uint8_t raw[64] = {0};

    cr_assert_eq(sign_verify(p256.key, AUTH_ECDSA_256, span_of(raw, 64), &tbs, 1), CAUSE_AUTH_WRONG);
    memset(raw, 0xff, sizeof(raw));
    cr_assert_eq(sign_verify(p256.key, AUTH_ECDSA_256, span_of(raw, 64), &tbs, 1), CAUSE_AUTH_WRONG);
    cr_assert_eq(check_bytes(&p256, 14, "0c300a06082a8648ce3d040302 3006020100020100"), CAUSE_AUTH_WRONG);
    signer_free(&p256);
}

Test(sign, octets_of_any_length)
{
    static uint8_t long_message[20000];
    struct signer p256 = signer_make(PKI_KEY_P256), ed = signer_make(PKI_KEY_ED25519);
    struct auth auth;
    struct span tbs[] = {span_of(long_message, IKE_MESSAGE_BYTES_MAX), span_of(octets, IKE_NONCE_BYTES)};

    cr_assert_eq(sign_auth(ed.credential, IDENT, tbs, 2, &auth.method, auth.data, &auth.len), CAUSE_NONE);
    cr_assert_eq(sign_verify(ed.key, 14, span_of(auth.data, auth.len), tbs, 2), CAUSE_NONE);
    tbs[0] = span_of(long_message, sizeof(long_message));
    cr_assert_eq(sign_verify(ed.key, 14, span_of(auth.data, auth.len), tbs, 2), CAUSE_AUTH_WRONG);
    cr_assert_eq(sign_auth(ed.credential, IDENT, tbs, 2, &auth.method, auth.data, &auth.len),
                 CAUSE_AUTH_METHOD);
    cr_assert_eq(sign_auth(p256.credential, SHA256, tbs, 2, &auth.method, auth.data, &auth.len), CAUSE_NONE);
    cr_assert_eq(sign_verify(p256.key, 14, span_of(auth.data, auth.len), tbs, 2), CAUSE_NONE);
    signer_free(&p256);
    signer_free(&ed);
}

/* Signatures of OpenSSL 3.0 (`openssl dgst -sign`) by the key of the fixture "rsa" over `octets`. */
#define PSS_SHA256                                                                                           \
    "3196bdfbdb1b42ef36c3622a33bbffd56fcd41c91393bb8d3ae145a35410ab613c6096f48aec9171e70d1942c6ab52db"       \
    "8eb435c27370dca017a0fe651003f28e6ee797fe4d953b424b882b909460fca06dac1a2952a929d0a7c8dd38830e384f"       \
    "f3ba866508b2f495e86179d6f417de04e282bb785ebd5b9e2ebc566ee74cdb0c67637df87061786d6d996e9e94465967"       \
    "cbd68cf53b48e668f7e58f7367a49193fbcccbaac03a52429dd83eff75b05b31858557e730dfcd659d99967109746776"       \
    "80ac946021dd8966aa97182dc472fae8bd48fc0eb051189fdc92e1b59b3ce2bd7db9ada13885122f3a3ec7ea08f16899"       \
    "95debd52554a935504f984673484c59c"
#define PSS_SHA384                                                                                           \
    "327955bf2ad8e19089f2952210ef0572f80eaab1f0abf939ba5bb9e9e03b28f9c0c79976a073ba68c30e285fa6a4e814"       \
    "a74200d34e2f84c4976b6f05d7f60acef4ffceacea8ab3c7205f62c39bb34f883f851d51333a71fed066458c520720e3"       \
    "15690569525abd4fc03c7cbda68a514b4a26f7ed9634daa90f42819acfee73b7f15dc7423e3a2c79f23978d4117b6d24"       \
    "7cb10498106c22d40e57271b2e886c24b4a5f85f4aa0c1be4fbcf83ecd0950a5b5dcd782b671cd9f70039c9d625ac45f"       \
    "47e4c20b639854177dce3c8d90a8946d065cdab731dfd5ab253ccaaaf698cc6fb8e17a3e121eabfcdeefac7a0619d803"       \
    "ad6073c80a7287ca6ff2850db82e6cab"
#define PSS_SHA512                                                                                           \
    "6f4e8d35be278f9caeddf816ec21c0bca5840288e083b1a7b010ee39a760a20828a227667a3d861859b6e8b131ad54f8"       \
    "5c9e711637ee2c20e9c244a035385a660bbd92222e913ef37d652ee95dd978b3b0060b8418566011ccfbdb7e1af12b68"       \
    "4cc851acccf2114a2886fe3d56daf278679f9e72e003f246e0178c60c8eed87f2c1964f37805cf85f400364f63204cfb"       \
    "6aaf8bbb99676276de8f3f1eda0534b60a3fd1c4e1470629a31c2a54cf0ffe6ed01011ce5387d5e533a499a861af731d"       \
    "12c1a5c8bb98d275a03accd74a44865be1d29437167857abe4ed55327d56041b53d4ff8972969c904d70c3ea3078bd3c"       \
    "a50e4e451415e4fed3a34a2572312675"
#define PSS_SALT20                                                                                           \
    "2cef58b691cca7f2eed21a54656cd6ccacc977d028a96990ad27f8e53dfa374ae2a9d9e4e5740b4c59c05a5ff5719646"       \
    "d152879c12f3751b798a0455c1f036d0e9c9000f9bad55640ad09d9876041c735feff8e0afa48dfcdf09e58fbd4bcdf8"       \
    "0f9cc4d4356c2cba2e4a01b614b6a9d6fddf39c815874f649cc84b650a41cf0a6bb2b4da3e7ddc0ce6f649b46641dc07"       \
    "06b4f51f9c2d42e4504fb312949457f60abaaba0759d165addd4dfee6a4e383e5010cfcd01c474d75a0ad4425eb62ca3"       \
    "7e00485417ea7380cc79e7bb57dc22982d9a1bf1ecb2a77be9d60fbb486df68c2230f9f6e7a5c3ec5dba12273f9afe1e"       \
    "309d1fa3cdf98a5560e7a6ba070ff8c3"
#define PKCS1_SHA256                                                                                         \
    "08074d038fd6f9d260fed514540ec66210e229ea73c8f70a05c91e21ddd4c20f9cd73ad28d01b60b8d12e59eadc39080"       \
    "ff4388f75858394f97762174a03078e9f27da269ad2da34b4e0af5b10c13a33512ab19442d4b3fb38154a909abacd17f"       \
    "1fdb18565510ee2d75a96399e38f8e13707261264ffeb016294338a3514fbf6c53030647083aa8546a47b649c5a811c4"       \
    "9f14c7a8817f3a20c69a9ed7fa8f25716f10c86f0202269be971a2ddff466e3a59200f666b301b3df7f6ee5b077ae143"       \
    "b73a4a2ca383792046ed55c08c28248f58a6dfa61532a7aaef3aa5201f147a77176e01c44ad064343672865ef5a9f845"       \
    "6f64cb64b2b1217bb58b04c394a7a8a0"
#define PKCS1_SHA1                                                                                           \
    "8e5e8d1db7846169020e1455ad5dec5b62ddb6fffa1fe23c06031d154d1d91f3685d39627e7aa42496dfeedf0b38287a"       \
    "b131bebd7b97379b42c576d9ba8afb87afa1d828b6d97fb11bfd2b3703fe5a94d1f8a9244b97282a8589a4f8cd23f923"       \
    "b2472267beb8c0246fd70e9469410da60c1f249e5d17d0e00a4642c439aa4fe4e58168b9f52c8da057e0bda019ab929a"       \
    "0b93d48541ab4beb718f31291bdfcaddf636b2a254c83973c5a14addd1effdcbe7c1f8158eecd700f846371a30568b76"       \
    "66cdaca1c1033e218754d755535c7a16b0787b8e1f84b49e3d1da734677b19a7e263b2f7145427a5a2f1b241c87444aa"       \
    "118bdaab1d4c122e38a587562cd37249"

static const struct {
    const char *what;
    uint8_t method;
    const char *identifier, *signature;
    enum cause cause;
} foreign[] = {
    {"RFC 7427 A.4.3", 14,
     "48304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300"
     "d06096086480165030402010500a203020120a303020101",
     PSS_SHA256, CAUSE_NONE},
    {"without the trailer field", 14,
     "43304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300"
     "d06096086480165030402010500a203020120",
     PSS_SHA256, CAUSE_NONE},
    {"without NULL", 14,
     "3f303d06092a864886f70d01010a3030a00d300b0609608648016503040201a11a301806092a864886f70d010108300b060"
     "9608648016503040201a203020120",
     PSS_SHA256, CAUSE_NONE},
    {"SHA-384", 14,
     "43304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300"
     "d06096086480165030402020500a203020130",
     PSS_SHA384, CAUSE_NONE},
    {"SHA-512", 14,
     "43304106092a864886f70d01010a3034a00f300d06096086480165030402030500a11c301a06092a864886f70d010108300"
     "d06096086480165030402030500a203020140",
     PSS_SHA512, CAUSE_NONE},
    {"another salt than announced", 14,
     "43304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300"
     "d06096086480165030402010500a203020120",
     PSS_SALT20, CAUSE_AUTH_WRONG},
    {"another hash than announced", 14,
     "43304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300"
     "d06096086480165030402020500a203020130",
     PSS_SHA256, CAUSE_AUTH_WRONG},
    {"PKCS#1 as PSS", 14,
     "43304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300"
     "d06096086480165030402010500a203020120",
     PKCS1_SHA256, CAUSE_AUTH_WRONG},
    {"PKCS#1", 14, "0f300d06092a864886f70d01010b0500", PKCS1_SHA256, CAUSE_NONE},
    {"PKCS#1, no NULL", 14, "0d300b06092a864886f70d01010b", PKCS1_SHA256, CAUSE_NONE},
    {"PSS as PKCS#1", 14, "0f300d06092a864886f70d01010b0500", PSS_SHA256, CAUSE_AUTH_WRONG},
    {"classic, SHA-256", AUTH_RSA, "", PKCS1_SHA256, CAUSE_NONE},
    {"classic, SHA-1", AUTH_RSA, "", PKCS1_SHA1, CAUSE_NONE},
    {"classic PSS", AUTH_RSA, "", PSS_SHA256, CAUSE_AUTH_WRONG},
};

Test(sign, signatures_of_another_implementation)
{
    struct trust *trust = trust_new(CRL_IF_PRESENT);
    struct identity id = id_of("vpn.example.net");
    struct der der = der_of_pem(span_of_string(fixture("rsa")));
    struct span cert = der_span(&der);
    struct signer rsa = {.credential = NULL};
    char error[CRYPTO_ERROR_MAX];

    cr_assert(trust_add_ca(trust, span_of_string(fixture("ca")), error), "%s", error);
    cr_assert_eq(cert_verify(trust, &cert, 1, &id, TEST_NOW, &rsa.key), CAUSE_NONE);
    for (size_t i = 0; i < HF_COUNT(foreign); i++) {
        struct hex identifier = hex(foreign[i].identifier), signature = hex(foreign[i].signature);
        struct auth auth = {.method = foreign[i].method, .len = identifier.len + signature.len};
        memcpy(auth.data, identifier.bytes, identifier.len);
        memcpy(auth.data + identifier.len, signature.bytes, signature.len);
        cr_assert_eq(auth_check(&rsa, &auth), foreign[i].cause, "%s", foreign[i].what);
    }
    signer_free(&rsa);
    trust_free(trust);
}

Test(sign, credentials)
{
    struct pair root = pair_make("Root", PKI_CA, key_make(PKI_KEY_P256), NULL);
    struct pair leaf = pair_make("gw.example.net", PKI_SERVER, key_make(PKI_KEY_P256), &root);
    static struct pem chain, both;
    char error[CRYPTO_ERROR_MAX];
    struct identity gw = id_of("GW.example.net"), other = id_of("other.example.net"),
                    subject = id_of("CN=gw.example.net");
    const struct span *certs;

    memcpy(chain.bytes, leaf.cert.bytes, leaf.cert.len);
    memcpy(chain.bytes + leaf.cert.len, root.cert.bytes, root.cert.len);
    chain.len = leaf.cert.len + root.cert.len;
    struct credential *credential = credential_new(pem_span(&chain), pem_span(&leaf.key), error);
    cr_assert_not_null(credential, "%s", error);
    struct der expected = der_of_pem(pem_span(&leaf.cert));
    cr_assert_eq(credential_chain(credential, &certs), 2);
    cr_assert(span_equal(certs[0], der_span(&expected)));
    cr_assert(credential_has_id(credential, &gw));
    cr_assert(credential_has_id(credential, &subject));
    cr_assert_not(credential_has_id(credential, &other));
    credential_free(credential);
    credential_free(NULL);

    cr_assert_null(credential_new(pem_span(&chain), pem_span(&root.key), error), "another's key");
    cr_assert_str_not_empty(error);
    cr_assert_null(credential_new(pem_span(&chain), pem_span(&chain), error), "no key");
    cr_assert_null(credential_new(pem_span(&leaf.key), pem_span(&leaf.key), error), "no certificate");
    cr_assert_null(credential_new(span_of("", 0), pem_span(&leaf.key), error), "nothing");
    both.len = 0;
    for (int i = 0; i < CREDENTIAL_CHAIN_MAX + 1; i++) {
        memcpy(both.bytes + both.len, leaf.cert.bytes, leaf.cert.len);
        both.len += leaf.cert.len;
    }
    cr_assert_null(credential_new(pem_span(&both), pem_span(&leaf.key), error), "eleven certificates");
}

Test(sign, psk)
{
    struct span secret = span_of_string("shared secret");
    struct span parts[] = {span_of("oct", 3), span_of("ets", 3)};
    uint8_t auth[PRF_BYTES_MAX];

    /* Python: hmac(hmac(b"shared secret", b"Key Pad for IKEv2"), b"octets"), SHA-256 and SHA-1. */
    psk_auth(PRF_HMAC_SHA2_256, secret, parts, 2, auth);
    hex_expect("SHA-256", span_of(auth, 32),
               "3149362ba1710eac2cdf2387098cb7cbcb683396b21b8860134c316ff8c90862");
    psk_auth(PRF_HMAC_SHA1, secret, parts, 2, auth);
    hex_expect("SHA-1", span_of(auth, 20), "f68cd65b5ab59c7857fd8a1b2ed1f750854cfd6b");
}

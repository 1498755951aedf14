#include "tests/lib/policy.h"

#include "edge/crypto/pki.h"
#include "tests/lib/world.h"

#include <stdlib.h>

#define YEAR_S (INT64_C(365) * 86400)

struct identity test_identity(const char *text)
{
    struct identity id;
    bool parsed = identity_parse(text, &id);
    hf_assert(parsed);
    return id;
}

static struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr;
    bool parsed = ip_parse(text, &addr);
    hf_assert(parsed);
    return addr;
}

static struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;
    bool parsed = prefix_parse(text, &prefix);
    hf_assert(parsed);
    return prefix;
}

static struct ts_range range_of(const char *text)
{
    struct ip_prefix prefix = prefix_of(text);
    return (struct ts_range){
        .port_last = UINT16_MAX, .first = prefix_first(&prefix), .last = prefix_last(&prefix)};
}

static void suites_init(struct policy *policy)
{
    policy->message_id_sync = true;
    policy->ike = (struct policy_suites){
        .encr = {{ENCR_AES_GCM_16, 256},
                 {ENCR_AES_GCM_16, 128},
                 {ENCR_CHACHA20_POLY1305, 256},
                 {ENCR_AES_CBC, 256}},
        .num_encr = 4,
        .integ = {INTEG_HMAC_SHA2_256_128},
        .num_integ = 1,
        .prf = {PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384},
        .num_prf = 2,
        .ke = {KE_X25519, KE_P256},
        .num_ke = 2,
    };
    policy->esp = policy->ike;
    policy->esp.num_prf = 0;
}

static void pool_init_test(struct policy_pool *pool)
{
    *pool = (struct policy_pool){.name = "people",
                                 .v4 = prefix_of("10.9.0.0/24"),
                                 .v6 = prefix_of("fd00:9::/64"),
                                 .has_v4 = true,
                                 .has_v6 = true,
                                 .num_dns = 2,
                                 .domains = {"corp.example", "lab.example"},
                                 .num_domains = 2};
    bool parsed = ip_parse("10.9.0.53", &pool->dns[0]) && ip_parse("fd00:9::53", &pool->dns[1]);
    hf_assert(parsed);
}

void test_policy_init(struct test_policy *test, bool certificates)
{
    memset(test, 0, sizeof(*test));
    test->identities[0] = (struct policy_identity){
        .id = test_identity(TEST_GATEWAY), .credential = certificates ? test_credentials()->gateway : NULL};
    test->secrets[0] = (struct policy_secret){.pattern = "*@example.net", .secret = span_of_string(TEST_PSK)};
    test->secrets[1] =
        (struct policy_secret){.pattern = "carol@example.org", .secret = span_of_string("carol's")};
    test->connections[0] = (struct policy_connection){.name = "psk",
                                                      .auth = POLICY_AUTH_PSK,
                                                      .match = "*",
                                                      .secrets = test->secrets,
                                                      .num_secrets = 2,
                                                      .subnets = {range_of("0.0.0.0/0"), range_of("::/0")},
                                                      .num_subnets = 2};
    test->connections[1] =
        (struct policy_connection){.name = "cert",
                                   .auth = POLICY_AUTH_CERT,
                                   .match = "*@example.net",
                                   .trust = certificates ? test_credentials()->trust : NULL,
                                   .subnets = {range_of("10.0.0.0/8")},
                                   .num_subnets = 1};
    pool_init_test(&test->pools[0]);
    struct policy *policy = &test->policy;
    *policy = (struct policy){
        .identities = test->identities,
        .num_identities = 1,
        .connections = test->connections,
        .num_connections = certificates ? 2 : 1,
        .pools = test->pools,
        .num_pools = 1,
        .timers = {.half_open = 30 * NS_PER_S,
                   .dpd_idle = 20 * NS_PER_S,
                   .retransmit = 1 * NS_PER_S,
                   .retries = 4,
                   .response_keep = 60 * NS_PER_S,
                   .ike_lifetime = 3600 * NS_PER_S,
                   .child_lifetime = 3600 * NS_PER_S},
        .listen = {addr_of("192.0.2.1"), addr_of("2001:db8:1::1"), addr_of("192.0.2.2")},
        .num_listen = 3,
        .force_encap = true,
        .half_open_max = WORLD_HALF_OPEN,
        .half_open_per_address = 2 * WORLD_HALF_OPEN, /* no limit, for an IPv6 /64 either */
        .cookie_threshold = UINT32_MAX,
        .store_failure = POLICY_STORE_ACCEPT,
        .resumption = {.lifetime = 600 * NS_PER_S},
    };
    suites_init(policy);
}

/* ---- credentials */

struct pem {
    uint8_t bytes[4 * PKI_PEM_MAX];
    struct writer w;
};

struct authority {
    struct pem cert, key;
};

static void pem_begin(struct pem *pem)
{
    pem->w = writer_of(pem->bytes, sizeof(pem->bytes));
}

static void issue(const struct pki_request *wanted, enum pki_key_type type, const struct authority *issuer,
                  struct authority *ret)
{
    char error[CRYPTO_ERROR_MAX];
    struct pki_issuer by = {0};
    struct pki_request request = *wanted;
    request.not_before_unix_s = WORLD_START_UNIX_S - YEAR_S;
    request.not_after_unix_s = WORLD_START_UNIX_S + YEAR_S;
    if (issuer != NULL) {
        by = (struct pki_issuer){.cert_pem = writer_span_of(&issuer->cert.w),
                                 .key_pem = writer_span_of(&issuer->key.w)};
    }
    pem_begin(&ret->cert);
    pem_begin(&ret->key);
    bool made = pki_key_new(type, &ret->key.w) &&
                pki_cert_new(&request, writer_span_of(&ret->key.w), &by, &ret->cert.w, error);
    hf_assert(made);
}

/* A leaf with its chain: the leaf, then the authorities from the nearest on, without the root. */
static struct credential *credential_of(const char *name, enum pki_role role, struct authority *authorities,
                                        size_t count)
{
    char error[CRYPTO_ERROR_MAX];
    struct authority *leaf = malloc(sizeof(*leaf));
    struct pki_request request = {
        .subject = name, .role = role, .names = &name, .num_names = 1, .path_len = -1};
    /* The library's own random numbers repeat from the start of the process only; Ed25519 signs without any.
     */
    issue(&request, PKI_KEY_ED25519, &authorities[count - 1], leaf);
    for (size_t i = count; i > 1; i--) {
        writer_span(&leaf->cert.w, writer_span_of(&authorities[i - 1].cert.w));
    }
    struct credential *credential =
        credential_new(writer_span_of(&leaf->cert.w), writer_span_of(&leaf->key.w), error);
    hf_assert(credential != NULL);
    free(leaf);
    return credential;
}

static void credentials_make(struct test_credentials *made)
{
    static const char *const subjects[] = {"CN=Root, O=Example", "CN=Region, O=Example",
                                           "CN=Site, O=Example"};
    char error[CRYPTO_ERROR_MAX];
    struct authority *authorities = calloc(HF_COUNT(subjects), sizeof(*authorities));
    for (size_t i = 0; i < HF_COUNT(subjects); i++) {
        struct pki_request request = {.subject = subjects[i], .role = PKI_CA, .path_len = -1};
        /* One RSA key makes the chain as long as chains are. */
        issue(&request, i == 1 ? PKI_KEY_RSA_3072 : PKI_KEY_P256, i == 0 ? NULL : &authorities[i - 1],
              &authorities[i]);
    }
    made->trust = trust_new(CRL_IF_PRESENT);
    bool added = trust_add_ca(made->trust, writer_span_of(&authorities[0].cert.w), error);
    hf_assert(added);
    made->gateway = credential_of(TEST_GATEWAY, PKI_PEER, authorities, HF_COUNT(subjects));
    made->client = credential_of(TEST_CERT_CLIENT, PKI_CLIENT, authorities, HF_COUNT(subjects));
    free(authorities);
}

const struct test_credentials *test_credentials(void)
{
    static struct test_credentials made;
    if (made.trust == NULL) {
        credentials_make(&made);
    }
    return &made;
}

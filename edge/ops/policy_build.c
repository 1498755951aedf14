#include "edge/ops/policy_build.h"

#include "edge/crypto/pki.h"
#include "edge/ops/arena.h"
#include "edge/ops/file.h"
#include "edge/ops/findings.h"
#include "edge/ops/json.h"

#include <stdlib.h>

enum {
    EXPIRY_WARNING_DAYS = 14,
    SECRET_BYTES_MAX = 1024,
    SECRET_BYTES_SHORT = 16, /* below, who sees one handshake can guess it (RFC 7296 2.15) */
};

/* The policy and what frees it. */
struct owned_policy {
    struct policy policy; /* first: a policy is its owner */
    struct arena arena;
    struct credential *credentials[CONFIG_IDENTITIES_MAX];
    struct trust *trusts[CONFIG_CONNECTIONS_MAX];
};

struct build {
    const struct config *config;
    const struct policy_setup *setup;
    struct owned_policy *owned;
    struct check check; /* for findings */
    struct policy_identity *identities;
    struct policy_connection *connections;
    struct policy_pool *pools;
};

/* ---- files ---- */

/* False with a finding at `path`. */
static bool read_named(const struct build *b, const char *path, const char *name, struct file *ret_file)
{
    const char *error = file_read(name, FILE_BYTES_MAX, ret_file);
    if (error != NULL) {
        check_fail(&b->check, path, "%s: %s", name, error);
    }
    return error == NULL;
}

static struct span file_span(const struct file *file)
{
    return span_of(file->data, file->len);
}

static void expiry_warn(const struct build *b, const char *path, const char *name, int64_t not_after)
{
    char when[TIME_TEXT_MAX];
    int64_t left = not_after - b->setup->now_unix_s;

    (void)time_format(not_after < INT64_MAX / 1000000000 ? not_after * 1000000000 : 0, when);
    if (left < 0) {
        check_warn(&b->check, path, "%s has expired on %.10s", name, when);
    } else if (left < EXPIRY_WARNING_DAYS * 86400) {
        check_warn(&b->check, path, "%s expires soon, on %.10s", name, when);
    }
}

/* ---- identities ---- */

bool policy_not_after(const struct policy_identity *identity, int64_t *ret_unix_s)
{
    const struct span *chain;
    return identity->credential != NULL && credential_chain(identity->credential, &chain) > 0 &&
           cert_not_after(chain[0], ret_unix_s);
}

static void credential_check(const struct build *b, uint32_t i)
{
    const struct config_identity *from = &b->config->identities[i];
    struct check_path path = check_path_of("identities[%u].certificate", i);
    char id[IDENTITY_TEXT_MAX];
    int64_t not_after;

    if (!credential_has_id(b->identities[i].credential, &from->parsed)) {
        check_fail(&b->check, path.text,
                   "%s does not name '%s' (subject alternative name or subject); clients would refuse it",
                   from->certificate, identity_format(&from->parsed, id));
    }
    if (policy_not_after(&b->identities[i], &not_after)) {
        expiry_warn(b, path.text, from->certificate, not_after);
    }
}

static void credential_load(struct build *b, uint32_t i)
{
    const struct config_identity *from = &b->config->identities[i];
    struct check_path path = check_path_of("identities[%u].certificate", i);
    char error[CRYPTO_ERROR_MAX];
    struct file chain, key;

    if (!read_named(b, path.text, from->certificate, &chain)) {
        return;
    }
    if (read_named(b, PATH("identities[%u].key", i), from->key, &key)) {
        struct credential *credential = credential_new(file_span(&chain), file_span(&key), error);
        b->owned->credentials[i] = credential;
        b->identities[i].credential = credential;
        file_free(&key);
        if (credential == NULL) {
            check_fail(&b->check, path.text, "%s and %s: %s", from->certificate, from->key, error);
        } else {
            credential_check(b, i);
        }
    }
    file_free(&chain);
}

static void identities_build(struct build *b)
{
    for (uint32_t i = 0; i < b->config->num_identities; i++) {
        b->identities[i].id = b->config->identities[i].parsed;
        if (b->config->identities[i].certificate != NULL) {
            credential_load(b, i);
        }
    }
}

/* ---- pools ---- */

static void pools_build(struct build *b)
{
    for (uint32_t i = 0; i < b->config->num_pools; i++) {
        const struct config_pool *from = &b->config->pools[i];
        struct policy_pool *to = &b->pools[i];
        *to = (struct policy_pool){.name = arena_text(&b->owned->arena, from->name),
                                   .v4 = from->v4,
                                   .v6 = from->v6,
                                   .has_v4 = from->has_v4,
                                   .has_v6 = from->has_v6,
                                   .num_dns = from->num_dns,
                                   .num_domains = from->num_domains};
        memcpy(to->dns, from->dns_addrs, sizeof(to->dns));
        for (uint32_t k = 0; k < from->num_domains; k++) {
            to->domains[k] = arena_text(&b->owned->arena, from->domains[k]);
        }
    }
}

/* ---- connections ---- */

static void ca_expiry(const struct build *b, const char *path, const char *name, const struct file *file)
{
    struct pki_cert_text text;
    char error[CRYPTO_ERROR_MAX];

    if (pki_cert_read(file_span(file), &text, error)) {
        expiry_warn(b, path, name, text.not_after_unix_s);
    }
}

static void trust_file(const struct build *b, struct trust *trust, const char *path, const char *name,
                       bool crl)
{
    char error[CRYPTO_ERROR_MAX];
    struct file file;

    if (!read_named(b, path, name, &file)) {
        return;
    }
    bool added =
        crl ? trust_add_crl(trust, file_span(&file), error) : trust_add_ca(trust, file_span(&file), error);
    if (!added) {
        check_fail(&b->check, path, "%s: %s", name, error);
    } else if (!crl) {
        ca_expiry(b, path, name, &file);
    }
    file_free(&file);
}

static const struct trust *trust_build(struct build *b, uint32_t i)
{
    const struct config_connection *from = &b->config->connections[i];
    struct trust *trust = trust_new(from->crl_policy == CONFIG_CRL_REQUIRED ? CRL_REQUIRED : CRL_IF_PRESENT);

    if (trust == NULL) {
        b->owned->arena.failed = true;
        return NULL;
    }
    b->owned->trusts[i] = trust;
    for (uint32_t k = 0; k < from->num_ca; k++) {
        trust_file(b, trust, PATH("connections[%u].ca[%u]", i, k), from->ca[k], false);
    }
    for (uint32_t k = 0; k < from->num_crl; k++) {
        trust_file(b, trust, PATH("connections[%u].crl[%u]", i, k), from->crl[k], true);
    }
    return trust;
}

/* The first line, without what editors leave at its end. */
static struct span secret_line(struct span text)
{
    const uint8_t *end = memchr(text.data, '\n', text.len);
    size_t len = end == NULL ? text.len : (size_t)(end - text.data);

    while (len > 0 &&
           (text.data[len - 1] == '\r' || text.data[len - 1] == ' ' || text.data[len - 1] == '\t')) {
        len--;
    }
    return span_of(text.data, len);
}

static void secret_take(struct build *b, const char *path, struct span secret, struct policy_secret *ret)
{
    if (secret.len == 0 || secret.len > SECRET_BYTES_MAX) {
        check_fail(&b->check, path, "the secret is %s", secret.len == 0 ? "empty" : "too long");
        return;
    }
    if (secret.len < SECRET_BYTES_SHORT) {
        check_warn(&b->check, path, "the secret has %zu characters; 16 random ones or more resist guessing",
                   secret.len);
    }
    uint8_t *copy = arena_take(&b->owned->arena, secret.len);
    if (copy != NULL) {
        memcpy(copy, secret.data, secret.len);
    }
    ret->secret = span_of(copy, copy == NULL ? 0 : secret.len);
}

static void secret_build(struct build *b, uint32_t i, uint32_t k, struct policy_secret *ret)
{
    const struct config_secret *from = &b->config->connections[i].secrets[k];
    struct file file;

    ret->pattern = arena_text(&b->owned->arena, from->id);
    if (from->secret != NULL) {
        secret_take(b, PATH("connections[%u].secrets[%u].secret", i, k), span_of_string(from->secret), ret);
        return;
    }
    struct check_path path = check_path_of("connections[%u].secrets[%u].secret_file", i, k);
    if (read_named(b, path.text, from->secret_file, &file)) {
        secret_take(b, path.text, secret_line(file_span(&file)), ret);
        file_free(&file);
    }
}

static const struct policy_secret *secrets_build(struct build *b, uint32_t i)
{
    uint32_t count = b->config->connections[i].num_secrets;
    struct policy_secret *secrets = arena_take(&b->owned->arena, count * sizeof(*secrets));

    for (uint32_t k = 0; secrets != NULL && k < count; k++) {
        secret_build(b, i, k, &secrets[k]);
    }
    return secrets;
}

static void subnets_build(const struct config_connection *from, struct policy_connection *to)
{
    to->num_subnets = from->num_prefixes;
    for (uint32_t k = 0; k < from->num_prefixes; k++) {
        to->subnets[k] = (struct ts_range){.port_last = 65535,
                                           .first = prefix_first(&from->prefixes[k]),
                                           .last = prefix_last(&from->prefixes[k])};
    }
}

/* One connection of the file; the engine knows one pattern per connection, so each pattern is one of its own.
 */
static void connection_build(struct build *b, uint32_t i)
{
    const struct config_connection *from = &b->config->connections[i];
    struct policy_connection one = {.name = arena_text(&b->owned->arena, from->name),
                                    .identity = from->identity_index,
                                    .pool =
                                        from->pool_index < 0 ? POLICY_NO_POOL : (uint32_t)from->pool_index};

    if (from->auth == CONFIG_AUTH_PSK) {
        one.auth = POLICY_AUTH_PSK;
        one.secrets = secrets_build(b, i);
        one.num_secrets = from->num_secrets;
    } else {
        one.auth = POLICY_AUTH_CERT;
        one.trust = trust_build(b, i);
    }
    subnets_build(from, &one);
    for (uint32_t k = 0; k < from->num_match; k++) {
        one.match = arena_text(&b->owned->arena, from->match[k]);
        b->connections[b->owned->policy.num_connections++] = one;
    }
}

/* ---- algorithms, timers ---- */

_Static_assert((int)CONFIG_LISTEN_MAX == POLICY_LISTEN_MAX, "every address of the file fits");
_Static_assert((int)CONFIG_TRANSFORMS_MAX == POLICY_SUITES_MAX, "every list of the file fits");

static void suites_build(const struct config_proposal *from, struct policy_suites *to)
{
    to->num_encr = from->num_encrs;
    to->num_integ = from->num_integs;
    to->num_prf = from->num_prfs;
    to->num_ke = from->num_kes;
    for (uint32_t i = 0; i < from->num_encrs; i++) {
        to->encr[i] = (struct policy_encr){.encr = from->encrs[i].encr, .bits = from->encrs[i].bits};
    }
    memcpy(to->integ, from->integs, sizeof(to->integ));
    memcpy(to->prf, from->prfs, sizeof(to->prf));
    memcpy(to->ke, from->kes, sizeof(to->ke));
}

static uint32_t share_of(uint32_t total, uint32_t workers)
{
    return (total + workers - 1) / workers;
}

static void limits_build(const struct build *b, struct policy *to)
{
    const struct config *config = b->config;
    const struct config_timers *timers = &config->timers;

    suites_build(&config->proposals.ike, &to->ike);
    suites_build(&config->proposals.esp, &to->esp);
    to->timers = (struct policy_timers){.half_open = timers->half_open_ns,
                                        .dpd_idle = timers->dpd_ns,
                                        .retransmit = timers->retransmit_ns,
                                        .retries = timers->retries,
                                        .response_keep = timers->response_keep_ns,
                                        .ike_lifetime = timers->ike_lifetime_ns,
                                        .child_lifetime = timers->child_lifetime_ns,
                                        .ike_rekey = timers->ike_rekey_ns,
                                        .child_rekey = timers->child_rekey_ns,
                                        .childless = timers->childless_ns,
                                        .auth_lifetime = timers->auth_lifetime_ns};
    to->child =
        (struct policy_child){.rekey = {timers->child_rekey_bytes_n, timers->child_rekey_packets_n},
                              .lifetime = {timers->child_lifetime_bytes_n, timers->child_lifetime_packets_n},
                              .rekey_group = config->proposals.esp.rekey_ke};
    to->esp.ke_required = config->proposals.esp.pfs == CONFIG_PFS_REQUIRED;
    to->childless = config->childless;
    to->num_listen = config->listen.num_addresses;
    memcpy(to->listen, config->listen.addrs, to->num_listen * sizeof(to->listen[0]));
    to->mobike_unchecked = config->mobike.trust_addresses;
    to->force_encap = b->setup->force_encap;
    to->half_open_max = share_of(config->limits.half_open, b->setup->workers);
    to->half_open_per_address = share_of(config->limits.half_open_per_address, b->setup->workers);
    to->cookie_threshold = share_of(config->limits.cookie_threshold, b->setup->workers);
    to->store_failure =
        config->store.on_failure == CONFIG_STORE_REFUSE ? POLICY_STORE_REFUSE : POLICY_STORE_ACCEPT;
    to->takeover_strict = config->fleet.is_on && config->fleet.takeover == CONFIG_TAKEOVER_STRICT;
}

/* The address or the name belongs to the config, which may go before the policy. */
static void redirect_build(struct build *b, const struct config_redirect *from, struct policy_redirect *to)
{
    if (from->to == NULL) {
        return;
    }
    struct span gateway = from->is_address ? ip_span(&from->addr) : span_of_string(from->to);
    uint8_t *copy = arena_take(&b->owned->arena, gateway.len);
    if (copy == NULL) {
        return;
    }
    memcpy(copy, gateway.data, gateway.len);
    to->type = !from->is_address ? GATEWAY_FQDN : ip_is_v4(&from->addr) ? GATEWAY_IPV4 : GATEWAY_IPV6;
    to->gateway = span_of(copy, gateway.len);
    to->sessions = from->sessions;
}

static void mobility_build(struct build *b, struct policy *to)
{
    const struct config *config = b->config;
    bool refuse = config->resumption.on_store_failure == CONFIG_STORE_REFUSE;

    to->resumption =
        (struct policy_resumption){.lifetime = config->resumption.lifetime_ns,
                                   .store_failure = refuse ? POLICY_STORE_REFUSE : POLICY_STORE_ACCEPT};
    to->crash_detection = config->crash_detection;
    to->message_id_sync = config->message_id_sync;
    redirect_build(b, &config->redirect, &to->redirect);
}

/* ---- all of it ---- */

static bool tables_new(struct build *b)
{
    const struct config *config = b->config;
    struct arena *arena = &b->owned->arena;
    uint32_t num_connections = 0;

    for (uint32_t i = 0; i < config->num_connections; i++) {
        num_connections += config->connections[i].num_match;
    }
    b->identities = arena_take(arena, config->num_identities * sizeof(*b->identities));
    b->pools = arena_take(arena, config->num_pools * sizeof(*b->pools));
    b->connections = arena_take(arena, num_connections * sizeof(*b->connections));
    if (arena->failed) {
        return false;
    }
    struct policy *policy = &b->owned->policy;
    policy->identities = b->identities;
    policy->num_identities = config->num_identities;
    policy->pools = b->pools;
    policy->num_pools = config->num_pools;
    policy->connections = b->connections;
    return true;
}

struct policy *policy_build(const struct config *config, const struct policy_setup *setup,
                            struct config_errors *errors)
{
    struct build b = {.config = config,
                      .setup = setup,
                      .owned = calloc(1, sizeof(*b.owned)),
                      .check = {.index = config->index, .errors = errors}};
    uint32_t before = errors->num_errors;

    hf_assert(setup->workers > 0);
    if (b.owned != NULL && tables_new(&b)) {
        identities_build(&b);
        pools_build(&b);
        for (uint32_t i = 0; i < config->num_connections; i++) {
            connection_build(&b, i);
        }
        limits_build(&b, &b.owned->policy);
        mobility_build(&b, &b.owned->policy);
    }
    if (b.owned == NULL || b.owned->arena.failed) {
        check_fail(&b.check, "", "out of memory");
    }
    if (errors->num_errors > before) {
        policy_free(b.owned == NULL ? NULL : &b.owned->policy);
        return NULL;
    }
    return &b.owned->policy;
}

void policy_free(struct policy *policy)
{
    struct owned_policy *owned = (struct owned_policy *)policy;

    if (owned == NULL) {
        return;
    }
    for (size_t i = 0; i < HF_COUNT(owned->credentials); i++) {
        credential_free(owned->credentials[i]);
    }
    for (size_t i = 0; i < HF_COUNT(owned->trusts); i++) {
        trust_free(owned->trusts[i]);
    }
    arena_free(&owned->arena);
    free(owned);
}

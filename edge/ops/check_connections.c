/* Identities and connections: who we are, who may come in and how. */
#include "edge/ops/config_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void identity_check(const struct check *check, uint32_t i)
{
    struct config_identity *identity = &check->config->identities[i];

    if (!identity_parse(identity->id, &identity->parsed)) {
        check_fail(check, PATH("identities[%u].id", i),
                   "'%.80s' is not a host name, mail address, IP address or distinguished name",
                   identity->id);
    }
    for (uint32_t k = 0; k < i; k++) {
        if (identity_equal(&check->config->identities[k].parsed, &identity->parsed)) {
            check_fail(check, PATH("identities[%u].id", i), "there is another identity '%.80s'",
                       identity->id);
        }
    }
    if ((identity->certificate == NULL) != (identity->key == NULL)) {
        const char *there = identity->key == NULL ? "certificate" : "key";
        const char *missing = identity->key == NULL ? "key" : "certificate";
        check_fail(check, PATH("identities[%u].%s", i, there), "%s needs %s beside it", there, missing);
    }
}

void check_identities(const struct check *check)
{
    for (uint32_t i = 0; i < check->config->num_identities; i++) {
        identity_check(check, i);
    }
}

/* ---- connections ---- */

static void identity_resolve(const struct check *check, uint32_t i)
{
    const struct config *config = check->config;
    struct config_connection *connection = &config->connections[i];
    struct identity id;

    if (connection->identity == NULL) {
        if (config->num_identities > 1) {
            check_fail(check, PATH("connections[%u].identity", i),
                       "missing: there are %u identities to choose from", config->num_identities);
        }
        return;
    }
    bool parsed = identity_parse(connection->identity, &id);
    for (uint32_t k = 0; parsed && k < config->num_identities; k++) {
        if (identity_equal(&config->identities[k].parsed, &id)) {
            connection->identity_index = k;
            return;
        }
    }
    check_fail(check, PATH("connections[%u].identity", i), "there is no identity '%.80s' under identities",
               connection->identity);
}

static void pool_resolve(const struct check *check, uint32_t i)
{
    const struct config *config = check->config;
    struct config_connection *connection = &config->connections[i];

    connection->pool_index = -1;
    for (uint32_t k = 0; connection->pool != NULL && k < config->num_pools; k++) {
        if (strcmp(config->pools[k].name, connection->pool) == 0) {
            connection->pool_index = (int32_t)k;
        }
    }
    if (connection->pool != NULL && connection->pool_index < 0) {
        check_fail(check, PATH("connections[%u].pool", i), "there is no pool '%s' under pools",
                   connection->pool);
    }
}

static void match_check(const struct check *check, uint32_t i)
{
    struct config_connection *connection = &check->config->connections[i];

    if (connection->num_match == 0) { /* the key is not there: everybody */
        connection->match = calloc(1, sizeof(*connection->match));
        connection->num_match = connection->match != NULL && check_default(check, &connection->match[0], "*");
    }
    for (uint32_t k = 0; k < connection->num_match; k++) {
        if (!pattern_is_fine(connection->match[k])) {
            check_fail(check, PATH("connections[%u].match[%u]", i, k),
                       "'%.80s' is not an identity, *.domain, *@domain or *", connection->match[k]);
        }
    }
}

static void subnets_check(const struct check *check, uint32_t i)
{
    struct config_connection *connection = &check->config->connections[i];
    char reason[CONFIG_REASON_MAX];

    for (uint32_t k = 0; k < connection->num_subnets; k++) {
        if (!prefix_read(connection->subnets[k], &connection->prefixes[k], reason)) {
            check_fail(check, PATH("connections[%u].subnets[%u]", i, k), "%s", reason);
        }
    }
    connection->num_prefixes = connection->num_subnets;
    if (connection->num_subnets == 0) {
        connection->prefixes[0] =
            (struct ip_prefix){.is_v4 = true, .addr = ip_from_v4((const uint8_t[4]){0})};
        connection->prefixes[1] = (struct ip_prefix){.is_v4 = false};
        connection->num_prefixes = 2;
    }
}

static void refuse_keys(const struct check *check, uint32_t i, const char *const *keys, size_t count,
                        const char *auth)
{
    for (size_t k = 0; k < count; k++) {
        struct check_path path = check_path_of("connections[%u].%s", i, keys[k]);
        if (check_has(check, path.text)) {
            check_fail(check, path.text, "belongs to auth: %s only", auth);
        }
    }
}

static void certificate_check(const struct check *check, uint32_t i)
{
    static const char *const others[] = {"secrets"};
    const struct config_connection *connection = &check->config->connections[i];
    const struct config_identity *identity = &check->config->identities[connection->identity_index];

    refuse_keys(check, i, others, HF_COUNT(others), "psk");
    if (connection->num_ca == 0) {
        check_fail(check, PATH("connections[%u].ca", i),
                   "missing: auth: certificate needs the CA that issues them");
    }
    if (connection->crl_policy == CONFIG_CRL_REQUIRED && connection->num_crl == 0) {
        check_fail(check, PATH("connections[%u].crl_policy", i), "required, but no file is named under crl");
    }
    if (identity->certificate == NULL) {
        check_fail(check, PATH("connections[%u].auth", i),
                   "identity '%.80s' has no certificate to show to clients", identity->id);
    }
}

static void secret_check(const struct check *check, uint32_t i, uint32_t k)
{
    const struct config_secret *secret = &check->config->connections[i].secrets[k];

    if (!pattern_is_fine(secret->id)) {
        check_fail(check, PATH("connections[%u].secrets[%u].id", i, k),
                   "'%.80s' is not an identity, *.domain, *@domain or *", secret->id);
    }
    if ((secret->secret == NULL) == (secret->secret_file == NULL)) {
        check_fail(check, PATH("connections[%u].secrets[%u]", i, k), "needs %s secret_file or secret",
                   secret->secret == NULL ? "a" : "only one of");
    }
}

static void psk_check(const struct check *check, uint32_t i)
{
    static const char *const others[] = {"ca", "crl", "crl_policy"};
    const struct config_connection *connection = &check->config->connections[i];

    refuse_keys(check, i, others, HF_COUNT(others), "certificate");
    if (connection->num_secrets == 0) {
        check_fail(check, PATH("connections[%u].secrets", i), "missing: auth: psk needs at least one");
    }
    for (uint32_t k = 0; k < connection->num_secrets; k++) {
        secret_check(check, i, k);
    }
}

static void connection_check(const struct check *check, uint32_t i)
{
    const struct config_connection *connection = &check->config->connections[i];

    if (!name_is_fine(connection->name)) {
        check_fail(check, PATH("connections[%u].name", i),
                   "'%s' has more than letters, digits, '-', '_' and '.'", connection->name);
    }
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(check->config->connections[k].name, connection->name) == 0) {
            check_fail(check, PATH("connections[%u].name", i), "there is another connection '%s'",
                       connection->name);
        }
    }
    identity_resolve(check, i);
    pool_resolve(check, i);
    match_check(check, i);
    subnets_check(check, i);
    if (connection->auth == CONFIG_AUTH_PSK) {
        psk_check(check, i);
    } else {
        certificate_check(check, i);
    }
}

void check_connections(const struct check *check)
{
    for (uint32_t i = 0; i < check->config->num_connections; i++) {
        connection_check(check, i);
    }
}

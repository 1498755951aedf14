/* Addresses: what we listen on, what clients get. */
#include "edge/ops/config_check.h"

#include "edge/pool/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void listen_address(const struct check *check, uint32_t i)
{
    struct config_listen *listen = &check->config->listen;
    struct check_path path = check_path_of("listen.addresses[%u]", i);

    if (!ip_parse(listen->addresses[i], &listen->addrs[i])) {
        check_fail(check, path.text, "'%s' is not an IP address", listen->addresses[i]);
        return;
    }
    for (uint32_t k = 0; k < i; k++) {
        if (ip_equal(&listen->addrs[k], &listen->addrs[i])) {
            check_fail(check, path.text, "%s is there already", listen->addresses[i]);
        }
    }
}

static void workers_check(const struct check *check)
{
    struct config *config = check->config;

    if (!check_default(check, &config->workers, "auto") || strcmp(config->workers, "auto") == 0) {
        return;
    }
    size_t len = strlen(config->workers);
    if (strspn(config->workers, "0123456789") != len) {
        check_fail(check, "workers", "'%s' is neither auto nor a number", config->workers);
        return;
    }
    unsigned long number = strtoul(config->workers, NULL, 10);
    uint32_t max = HF_MIN(WORKERS_MAX, 1u << config->shard_bits); /* each needs a shard of its own */
    if (number < 1 || number > max) {
        check_fail(check, "workers", "%s is not between 1 and %u", config->workers, max);
        return;
    }
    config->num_workers = (uint32_t)number;
}

void check_listen(const struct check *check)
{
    struct config *config = check->config;

    for (uint32_t i = 0; i < config->listen.num_addresses; i++) {
        listen_address(check, i);
    }
    if (config->listen.ike_port == config->listen.natt_port) {
        check_fail(check, check_has(check, "listen.natt_port") ? "listen.natt_port" : "listen.ike_port",
                   "ike_port and natt_port are the same");
    }
    if (config->metrics.listen != NULL && !endpoint_parse(config->metrics.listen, &config->metrics.address)) {
        check_fail(check, "metrics.listen",
                   "'%.60s' is not an address and port, like 127.0.0.1:9500 or [::1]:9500",
                   config->metrics.listen);
    }
    workers_check(check);
}

/* ---- pools ---- */

/* The longest length that gives every shard an address; 0 when none does. */
static uint8_t length_that_fits(const struct ip_prefix *prefix, uint8_t shard_bits)
{
    for (uint8_t bits = prefix->bits; bits > 0; bits--) {
        struct ip_prefix wider = {.addr = prefix->addr, .bits = bits, .is_v4 = prefix->is_v4};
        wider.addr = prefix_first(&wider);
        if (pool_fits(&wider, shard_bits)) {
            return bits;
        }
    }
    return 0;
}

static bool pool_prefix(const struct check *check, const char *path, const char *text, bool want_v4,
                        struct ip_prefix *ret_prefix)
{
    char reason[CONFIG_REASON_MAX];
    uint8_t shard_bits = check->config->shard_bits;

    if (!prefix_read(text, ret_prefix, reason)) {
        check_fail(check, path, "%s", reason);
        return false;
    }
    if (ret_prefix->is_v4 != want_v4) {
        check_fail(check, path, "%s is not an %s prefix", text, want_v4 ? "IPv4" : "IPv6");
        return false;
    }
    if (pool_fits(ret_prefix, shard_bits)) {
        return true;
    }
    uint8_t bits = length_that_fits(ret_prefix, shard_bits);
    if (bits == 0) {
        check_fail(check, path, "%s cannot be a pool", text);
    } else {
        check_fail(
            check, path,
            "%s is too small to give each of %u shards (shard_bits: %u) addresses; use a /%u or larger", text,
            1u << shard_bits, shard_bits, bits);
    }
    return false;
}

static void pool_names(const struct check *check, uint32_t i)
{
    struct config_pool *pool = &check->config->pools[i];

    for (uint32_t k = 0; k < pool->num_dns; k++) {
        if (!ip_parse(pool->dns[k], &pool->dns_addrs[k])) {
            check_fail(check, PATH("pools[%u].dns[%u]", i, k), "'%.60s' is not an IP address", pool->dns[k]);
        }
    }
    for (uint32_t k = 0; k < pool->num_domains; k++) {
        if (!domain_is_fine(pool->domains[k])) {
            check_fail(check, PATH("pools[%u].domains[%u]", i, k), "'%.60s' is not a domain name",
                       pool->domains[k]);
        }
    }
    if (pool->num_domains > 0 && pool->num_dns == 0) {
        check_fail(check, PATH("pools[%u].domains", i), "domains need at least one server under dns");
    }
}

static void pool_read(const struct check *check, uint32_t i)
{
    struct config_pool *pool = &check->config->pools[i];

    if (!name_is_fine(pool->name)) {
        check_fail(check, PATH("pools[%u].name", i), "'%s' has more than letters, digits, '-', '_' and '.'",
                   pool->name);
    }
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(check->config->pools[k].name, pool->name) == 0) {
            check_fail(check, PATH("pools[%u].name", i), "there is another pool '%s'", pool->name);
        }
    }
    if (pool->ipv4 == NULL && pool->ipv6 == NULL) {
        check_fail(check, PATH("pools[%u]", i), "the pool has neither ipv4 nor ipv6");
    }
    if (pool->ipv4 != NULL) {
        pool->has_v4 = pool_prefix(check, PATH("pools[%u].ipv4", i), pool->ipv4, true, &pool->v4);
    }
    if (pool->ipv6 != NULL) {
        pool->has_v6 = pool_prefix(check, PATH("pools[%u].ipv6", i), pool->ipv6, false, &pool->v6);
    }
    pool_names(check, i);
}

static void pool_overlaps(const struct check *check, uint32_t i, bool v4)
{
    const struct config *config = check->config;
    const struct config_pool *pool = &config->pools[i];
    const struct ip_prefix *prefix = v4 ? &pool->v4 : &pool->v6;
    struct check_path path = check_path_of("pools[%u].%s", i, v4 ? "ipv4" : "ipv6");
    char text[PREFIX_TEXT_MAX];

    if (!(v4 ? pool->has_v4 : pool->has_v6)) {
        return;
    }
    for (uint32_t k = 0; k < i; k++) {
        const struct config_pool *other = &config->pools[k];
        if ((v4 ? other->has_v4 : other->has_v6) && prefix_overlaps(prefix, v4 ? &other->v4 : &other->v6)) {
            check_fail(check, path.text, "%s overlaps with pool '%s'", prefix_format(prefix, text),
                       other->name);
        }
    }
    for (uint32_t k = 0; k < config->listen.num_addresses; k++) {
        if (prefix_contains(prefix, &config->listen.addrs[k])) {
            check_fail(check, path.text, "%s contains our own address %s", prefix_format(prefix, text),
                       config->listen.addresses[k]);
        }
    }
}

void check_pools(const struct check *check)
{
    for (uint32_t i = 0; i < check->config->num_pools; i++) {
        pool_read(check, i);
        pool_overlaps(check, i, true);
        pool_overlaps(check, i, false);
    }
}

void check_plane(const struct check *check)
{
    if (check->config->plane.type == CONFIG_PLANE_XFRM) {
        check_fail(check, "plane.type", "this version has no kernel data plane; use user or auto");
    }
}

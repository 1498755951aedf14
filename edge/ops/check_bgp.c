/* BGP: what is announced, to whom. Everything that becomes a part of FRR's configuration is read into numbers
 * and addresses here, so no text of the file can change what its lines mean. */
#include "edge/ops/config_check.h"

#include <string.h>

enum { V4_BITS_USUAL = 24, V6_BITS_USUAL = 48 }; /* longer ones are filtered by most networks */

static bool is_name(const char *name)
{
    return strlen(name) <= 15 && strpbrk(name, "/ \t") == NULL;
}

static bool has_listener(const struct check *check, const struct ip_prefix *net)
{
    const struct config_listen *listen = &check->config->listen;
    for (uint32_t i = 0; i < listen->num_addresses; i++) {
        if (prefix_contains(net, &listen->addrs[i])) {
            return true;
        }
    }
    return false;
}

static void prefix_check(const struct check *check, uint32_t i)
{
    struct config_bgp *bgp = &check->config->bgp;
    struct check_path path = check_path_of("bgp.prefixes[%u]", i);
    struct ip_prefix *net = &bgp->nets[i];
    char reason[CONFIG_REASON_MAX];

    if (!prefix_read(bgp->prefixes[i], net, reason)) {
        check_fail(check, path.text, "%s", reason);
        return;
    }
    if (net->bits == (net->is_v4 ? 32 : 128)) {
        check_fail(
            check, path.text,
            "%s is one address: announce the network that it is in (a host route would compete with the "
            "address itself)",
            bgp->prefixes[i]);
    } else if (net->bits > (net->is_v4 ? V4_BITS_USUAL : V6_BITS_USUAL)) {
        check_warn(check, path.text, "%s is longer than /%u, which most networks do not accept",
                   bgp->prefixes[i], net->is_v4 ? V4_BITS_USUAL : V6_BITS_USUAL);
    }
    if (!has_listener(check, net)) {
        check_fail(check, path.text, "%s has none of listen.addresses: what it attracts could not be served",
                   bgp->prefixes[i]);
    }
    for (uint32_t k = 0; k < i; k++) {
        if (prefix_overlaps(&bgp->nets[k], net)) {
            check_fail(check, path.text, "%s overlaps with %s", bgp->prefixes[i], bgp->prefixes[k]);
        }
    }
}

static bool is_announced(const struct config_bgp *bgp, const struct ip_addr *addr)
{
    for (uint32_t i = 0; i < bgp->num_prefixes; i++) {
        if (prefix_contains(&bgp->nets[i], addr)) {
            return true;
        }
    }
    return false;
}

static void neighbour_defaults(const struct check *check, uint32_t i)
{
    struct config_bgp_neighbour *neighbour = &check->config->bgp.neighbours[i];

    if (!check_has(check, PATH("bgp.neighbours[%u].accept", i))) {
        neighbour->accept =
            neighbour->role == CONFIG_BGP_INNER ? CONFIG_BGP_ACCEPT_ALL : CONFIG_BGP_ACCEPT_DEFAULT;
    }
    if (!check_has(check, PATH("bgp.neighbours[%u].bfd", i))) {
        neighbour->bfd = true;
    }
    if (!check_has(check, PATH("bgp.neighbours[%u].hops", i))) {
        neighbour->hops = 1;
    }
}

static void neighbour_check(const struct check *check, uint32_t i)
{
    struct config_bgp *bgp = &check->config->bgp;
    struct config_bgp_neighbour *neighbour = &bgp->neighbours[i];
    struct check_path path = check_path_of("bgp.neighbours[%u].address", i);

    neighbour_defaults(check, i);
    if (neighbour->asn == 0) {
        check_fail(check, PATH("bgp.neighbours[%u].asn", i), "0 is no AS number");
    }
    if (neighbour->hops == 0 || neighbour->hops > 255) {
        check_fail(check, PATH("bgp.neighbours[%u].hops", i), "%u is not between 1 and 255", neighbour->hops);
    }
    if (!ip_parse(neighbour->address, &neighbour->addr) || ip_is_zero(&neighbour->addr)) {
        check_fail(check, path.text, "'%.60s' is not the IP address of a neighbour", neighbour->address);
        return;
    }
    for (uint32_t k = 0; k < i; k++) {
        if (ip_equal(&bgp->neighbours[k].addr, &neighbour->addr)) {
            check_fail(check, path.text, "%s is there already", neighbour->address);
        }
    }
    if (is_announced(bgp, &neighbour->addr)) {
        check_fail(check, path.text, "%s is in a prefix that we announce", neighbour->address);
    }
}

/* Somebody must hear what we announce. */
static void roles_check(const struct check *check)
{
    const struct config_bgp *bgp = &check->config->bgp;
    for (uint32_t i = 0; i < bgp->num_neighbours; i++) {
        if (bgp->neighbours[i].role == CONFIG_BGP_TRANSIT) {
            return;
        }
    }
    check_fail(check, "bgp.neighbours", "none has the role transit: nobody would hear of the prefixes");
}

/* ---- durations */

#define DURATION(part, member, usual, min, max)                                                              \
    {"bgp." #part "." #member,                                                                               \
     offsetof(struct config_bgp, part.member),                                                               \
     offsetof(struct config_bgp, part.member##_ns),                                                          \
     usual,                                                                                                  \
     min,                                                                                                    \
     max}

static const struct duration_rule {
    const char *path;
    size_t text, ns;
    const char *usual;
    ns_t min, max;
} duration_rules[] = {
    DURATION(timers, keepalive, "3s", NS_PER_S, 600 * NS_PER_S),
    DURATION(timers, hold, "9s", 3 * NS_PER_S, 1800 * NS_PER_S),
    DURATION(timers, connect, "5s", NS_PER_S, 600 * NS_PER_S),
    DURATION(timers, bfd, "300ms", 50 * NS_PER_MS, 60 * NS_PER_S),
    DURATION(health, rise_interval, "1s", 100 * NS_PER_MS, 60 * NS_PER_S),
    DURATION(health, fall_interval, "300ms", 100 * NS_PER_MS, 60 * NS_PER_S),
    DURATION(health, hold_down, "60s", NS_PER_S, 3600 * NS_PER_S),
    DURATION(health, hold_down_max, "15m", NS_PER_S, 86400 * NS_PER_S),
    DURATION(health, drain_settle, "5s", NS_PER_S, 600 * NS_PER_S),
    DURATION(health, drain_max, "5m", NS_PER_S, 86400 * NS_PER_S),
    DURATION(health, stall, "2s", 500 * NS_PER_MS, 60 * NS_PER_S),
};

static void duration_check(const struct check *check, const struct duration_rule *rule)
{
    char least[32], most[32];
    uint8_t *bgp = (uint8_t *)&check->config->bgp;
    char **text = (char **)(void *)(bgp + rule->text);
    ns_t *ns = (ns_t *)(void *)(bgp + rule->ns);

    if (!check_default(check, text, rule->usual)) {
        return;
    }
    if (!duration_parse(*text, ns)) {
        check_fail(check, rule->path, "'%s' is not a duration; write it like 300ms, 5s or 15m", *text);
    } else if (*ns < rule->min || *ns > rule->max) {
        check_fail(check, rule->path, "%s is not between %s and %s", *text, duration_format(rule->min, least),
                   duration_format(rule->max, most));
    }
}

static void times_check(const struct check *check)
{
    const struct config_bgp *bgp = &check->config->bgp;

    for (size_t i = 0; i < HF_COUNT(duration_rules); i++) {
        duration_check(check, &duration_rules[i]);
    }
    if (bgp->timers.hold_ns < 3 * bgp->timers.keepalive_ns) {
        check_fail(check, "bgp.timers", "hold (%s) must be at least three times keepalive (%s)",
                   bgp->timers.hold, bgp->timers.keepalive);
    }
    if (bgp->health.hold_down_ns > bgp->health.hold_down_max_ns) {
        check_fail(check, "bgp.health.hold_down", "%s is above hold_down_max (%s)", bgp->health.hold_down,
                   bgp->health.hold_down_max);
    }
    if (bgp->health.drain_settle_ns > bgp->health.drain_max_ns) {
        check_fail(check, "bgp.health.drain_settle", "%s is above drain_max (%s)", bgp->health.drain_settle,
                   bgp->health.drain_max);
    }
}

void check_bgp(const struct check *check)
{
    struct config_bgp *bgp = &check->config->bgp;

    bgp->is_on = check_has(check, "bgp");
    if (!bgp->is_on || !check_default(check, &bgp->interface, CONFIG_BGP_INTERFACE_DEFAULT) ||
        !check_default(check, &bgp->frr.sockets, "/run/frr") ||
        !check_default(check, &bgp->frr.group, "frrvty")) {
        return;
    }
    if (!check_has(check, "bgp.frr.generate")) {
        bgp->frr.generate = true;
    }
    if (!ip_parse(bgp->router_id, &bgp->router) || !ip_is_v4(&bgp->router) || ip_is_zero(&bgp->router)) {
        check_fail(check, "bgp.router_id", "'%.60s' is not written like an IPv4 address", bgp->router_id);
    }
    if (!is_name(bgp->interface)) {
        check_fail(check, "bgp.interface", "'%.60s' is not the name of an interface", bgp->interface);
    }
    if (bgp->frr.sockets[0] != '/') {
        check_fail(check, "bgp.frr.sockets", "'%.60s' is not an absolute path", bgp->frr.sockets);
    }
    for (uint32_t i = 0; i < bgp->num_uplinks; i++) {
        if (!is_name(bgp->uplinks[i])) {
            check_fail(check, PATH("bgp.uplinks[%u]", i), "'%.60s' is not the name of an interface",
                       bgp->uplinks[i]);
        }
    }
    for (uint32_t i = 0; i < bgp->num_prefixes; i++) {
        prefix_check(check, i);
    }
    for (uint32_t i = 0; i < bgp->num_neighbours; i++) {
        neighbour_check(check, i);
    }
    roles_check(check);
    times_check(check);
}

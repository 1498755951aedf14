#include "edge/frr/setup.h"

#include "edge/frr/text.h"

/* What zebra makes of the metric of a pool's cover (plane/link.h), and of the catch-all routes above it: the
 * highest byte is a distance. */
#define COVER_METRIC 16777215
#define CATCH_ALL_METRIC 16777214

static const char *family_of(bool is_v4)
{
    return is_v4 ? "ip" : "ipv6";
}

/* ---- prefix lists */

static void put_list(struct text *t, const char *name, const struct ip_prefix *prefixes, uint32_t count,
                     bool longer)
{
    char text[PREFIX_TEXT_MAX];
    for (uint32_t i = 0; i < count; i++) {
        const struct ip_prefix *p = &prefixes[i];
        text_add(t, "%s prefix-list %s seq %u permit %s%s\n", family_of(p->is_v4), name, 5 * (i + 1),
                 prefix_format(p, text),
                 !longer    ? ""
                 : p->is_v4 ? " le 32"
                            : " le 128");
    }
}

static void put_lists(struct text *t, const struct frr_setup *s)
{
    put_list(t, "HF-ANYCAST", s->prefixes, s->num_prefixes, false);
    put_list(t, "HF-INNER", s->pools, s->num_pools, true);
    text_add(t, "ip prefix-list HF-DEFAULT seq 5 permit 0.0.0.0/0\n");
    text_add(t, "ipv6 prefix-list HF-DEFAULT seq 5 permit ::/0\n");
}

/* ---- route maps */

static void put_map(struct text *t, const char *map, const char *verb, uint32_t number, bool is_v4,
                    const char *list)
{
    text_add(t, "route-map %s %s %u\n match %s address prefix-list %s\n", map, verb, number, family_of(is_v4),
             list);
}

/* Of the kernel's routes, ours; but not the covers of the pools, nor what is above them: they say nothing
 * about who has which address. */
static void put_kernel_map(struct text *t)
{
    text_add(t, "route-map HF-KERNEL deny 5\n match metric %u\nexit\n", COVER_METRIC);
    text_add(t, "route-map HF-KERNEL deny 6\n match metric %u\nexit\n", CATCH_ALL_METRIC);
    for (uint32_t i = 0; i < 4; i++) {
        put_map(t, "HF-KERNEL", "permit", 10 * (i + 1), i < 2, i % 2 == 0 ? "HF-ANYCAST" : "HF-INNER");
        text_add(t, " set metric 0\nexit\n");
    }
}

static void put_transit_map(struct text *t, const struct frr_setup *s)
{
    for (uint32_t i = 0; i < 2; i++) {
        put_map(t, "HF-TRANSIT-OUT", "permit", 10 * (i + 1), i == 0, "HF-ANYCAST");
        if (s->is_last_resort && s->prepend > 0) {
            text_add(t, " set as-path prepend");
            for (uint32_t n = 0; n < s->prepend; n++) {
                text_add(t, " %u", s->asn);
            }
            text_add(t, "\n");
        }
        if (s->is_last_resort) {
            text_add(t, " set community graceful-shutdown additive\n");
        }
        text_add(t, "exit\n");
    }
}

static void put_maps(struct text *t, const struct frr_setup *s)
{
    put_kernel_map(t);
    put_transit_map(t, s);
    for (uint32_t i = 0; i < 2; i++) {
        put_map(t, "HF-INNER-OUT", "permit", 10 * (i + 1), i == 0, "HF-INNER");
        text_add(t, "exit\n");
    }
    text_add(t, "route-map HF-IN-NONE deny 10\nexit\n");
    for (uint32_t i = 0; i < 2; i++) {
        put_map(t, "HF-IN-DEFAULT", "permit", 10 * (i + 1), i == 0, "HF-DEFAULT");
        text_add(t, "exit\n");
        put_map(t, "HF-IN-ALL", "deny", 10 * (i + 1), i == 0, "HF-ANYCAST");
        text_add(t, "exit\n");
    }
    text_add(t, "route-map HF-IN-ALL permit 100\nexit\n");
}

/* ---- neighbours */

/* Graceful restart would keep what a dead node announced alive for minutes; BFD ends it in one second. */
static void put_neighbour(struct text *t, const struct frr_setup *s, const struct frr_neighbour *n,
                          bool secrets)
{
    char a[IP_TEXT_MAX];
    ip_format(&n->addr, a);
    text_add(t, " neighbor %s remote-as %u\n", a, n->asn);
    if (n->password[0] != '\0') {
        text_add(t, " neighbor %s password %s\n", a, secrets ? n->password : "********");
    }
    if (n->hops > 1 && n->asn != s->asn) {
        text_add(t, " neighbor %s ebgp-multihop %u\n", a, n->hops);
    }
    if (n->bfd) {
        text_add(t, " neighbor %s bfd\n neighbor %s bfd profile holdfast\n", a, a);
    }
    text_add(t, " neighbor %s timers %u %u\n", a, s->keepalive_s, s->hold_s);
    text_add(t, " neighbor %s timers connect %u\n", a, s->connect_s);
}

/* Slices of other nodes come back by the inner network with our own AS number in their path. */
static void put_neighbour_in_family(struct text *t, const struct frr_setup *s, const struct frr_neighbour *n)
{
    static const char *const in[] = {"HF-IN-NONE", "HF-IN-DEFAULT", "HF-IN-ALL"};
    char a[IP_TEXT_MAX];
    ip_format(&n->addr, a);
    text_add(t, "  neighbor %s activate\n", a);
    if (!n->is_transit && n->asn != s->asn) {
        text_add(t, "  neighbor %s allowas-in 1\n", a);
    }
    text_add(t, "  neighbor %s route-map %s in\n", a, in[n->accept]);
    text_add(t, "  neighbor %s route-map %s out\n", a, n->is_transit ? "HF-TRANSIT-OUT" : "HF-INNER-OUT");
}

static void put_router(struct text *t, const struct frr_setup *s, bool secrets)
{
    char router[IP_TEXT_MAX];
    text_add(t, "router bgp %u\n bgp router-id %s\n bgp log-neighbor-changes\n", s->asn,
             ip_format(&s->router, router));
    text_add(t, " no bgp default ipv4-unicast\n bgp graceful-restart-disable\n");
    text_add(t, " bgp bestpath as-path multipath-relax\n");
    for (uint32_t i = 0; i < s->num_neighbours; i++) {
        put_neighbour(t, s, &s->neighbours[i], secrets);
    }
    for (uint32_t family = 0; family < 2; family++) {
        text_add(t, " address-family %s unicast\n", family == 0 ? "ipv4" : "ipv6");
        text_add(t, "  redistribute kernel route-map HF-KERNEL\n");
        for (uint32_t i = 0; i < s->num_neighbours; i++) {
            if (ip_is_v4(&s->neighbours[i].addr) == (family == 0)) {
                put_neighbour_in_family(t, s, &s->neighbours[i]);
            }
        }
        text_add(t, " exit-address-family\n");
    }
    text_add(t, "exit\n");
}

size_t frr_bgpd_text(const struct frr_setup *s, bool secrets, char *ret_text, size_t cap)
{
    struct text t = {.out = ret_text, .cap = cap};
    put_lists(&t, s);
    put_maps(&t, s);
    put_router(&t, s, secrets);
    return t.overflow ? 0 : t.len;
}

size_t frr_bfdd_text(const struct frr_setup *s, char *ret_text, size_t cap)
{
    struct text t = {.out = ret_text, .cap = cap};
    text_add(&t, "bfd\n profile holdfast\n");
    if (s->bfd_multiplier != 3) { /* FRR does not show what is usual */
        text_add(&t, "  detect-multiplier %u\n", s->bfd_multiplier);
    }
    if (s->bfd_ms != 300) {
        text_add(&t, "  transmit-interval %u\n  receive-interval %u\n", s->bfd_ms, s->bfd_ms);
    }
    text_add(&t, " exit\nexit\n");
    return t.overflow ? 0 : t.len;
}

/* What is announced, to whom, since when and why: for `holdfast bgp` and metrics. */
#include "edge/daemon/daemon.h"

#include "edge/ops/json.h"

#include <stdio.h>
#include <stdlib.h>

static void put_sent(struct json *j, const struct bgp *b, uint32_t number)
{
    const struct frr_view *view = frr_view(b->frr);
    char prefix[PREFIX_TEXT_MAX];
    json_array_begin(j, "sent");
    for (uint32_t i = 0; i < b->setup.num_prefixes; i++) {
        const struct frr_sent *sent = &view->neighbours[number].sent[i];
        if (sent->is_sent) {
            json_object_begin(j, NULL);
            json_string(j, "prefix", prefix_format(&b->setup.prefixes[i], prefix));
            json_bool(j, "graceful_shutdown", sent->has_shutdown);
            json_u64(j, "prepended", sent->prepended);
            json_object_end(j);
        }
    }
    json_array_end(j);
}

static void put_neighbour(struct json *j, const struct bgp *b, uint32_t i)
{
    const struct frr_neighbour *neighbour = &b->setup.neighbours[i];
    const struct frr_neighbour_view *view = &frr_view(b->frr)->neighbours[i];
    json_object_begin(j, NULL);
    json_ip(j, "address", &neighbour->addr);
    json_u64(j, "asn", neighbour->asn);
    json_string(j, "role", neighbour->is_transit ? "transit" : "inner");
    json_string(j, "state", view->state);
    json_seconds(j, "up_s", view->up_ms * NS_PER_MS);
    json_string(j, "bfd", !neighbour->bfd ? "off" : view->bfd[0] == '\0' ? "unknown" : view->bfd);
    json_u64(j, "prefixes_sent", view->prefixes_sent);
    json_u64(j, "prefixes_received", view->prefixes_received);
    if (neighbour->is_transit) {
        put_sent(j, b, i);
    }
    json_object_end(j);
}

static void put_machine(struct json *j, const struct bgp *b, ns_t now)
{
    const struct announce *a = &b->announce;
    json_string(j, "wish", announce_wish_name(a->wish));
    json_string(j, "reason", announce_reason_name(a->reason));
    json_string(j, "because", announce_reason_text(a->reason));
    json_seconds(j, "since_s", now - a->since);
    json_string(j, "health", announce_reason_name(a->ill));
    if (b->down[0] != '\0') {
        json_string(j, "interface_down", b->down);
    }
    if (a->hold_until > now) {
        json_seconds(j, "held_down_s", a->hold_until - now);
    }
    json_u64(j, "falls", a->falls);
    if (b->operator!= ANNOUNCE_BY_HEALTH) {
        json_string(j, "operator_reason", b->operator_reason);
    }
    json_bool(j, "route", b->has_route);
    if (b->route_error[0] != '\0') {
        json_string(j, "route_error", b->route_error);
    }
    json_bool(j, "as_wished", bgp_is_as_wished(b));
}

static void put_frr(struct json *j, const struct bgp *b)
{
    const struct frr_view *view = frr_view(b->frr);
    json_object_begin(j, "frr");
    json_string(j, "state", frr_state_name(view->state));
    if (view->error[0] != '\0') {
        json_string(j, "error", view->error);
    }
    json_u64(j, "connections", view->starts);
    json_u64(j, "commands", view->commands);
    json_object_end(j);
}

size_t bgp_format(struct daemon *d, char *ret_line, size_t cap)
{
    const struct bgp *b = &d->bgp;
    struct json j = json_of(ret_line, cap);
    char prefix[PREFIX_TEXT_MAX];
    json_object_begin(&j, NULL);
    json_object_begin(&j, "bgp");
    json_u64(&j, "asn", b->setup.asn);
    json_array_begin(&j, "prefixes");
    for (uint32_t i = 0; i < b->setup.num_prefixes; i++) {
        json_string(&j, NULL, prefix_format(&b->setup.prefixes[i], prefix));
    }
    json_array_end(&j);
    put_machine(&j, b, daemon_now());
    put_frr(&j, b);
    json_array_begin(&j, "neighbours");
    for (uint32_t i = 0; i < b->setup.num_neighbours; i++) {
        put_neighbour(&j, b, i);
    }
    json_array_end(&j);
    json_object_end(&j);
    json_object_end(&j);
    return json_end(&j);
}

size_t bgp_config_format(struct daemon *d, char *ret_line, size_t cap)
{
    char *text = malloc(2 * (size_t)FRR_TEXT_MAX);
    size_t len = 0;
    if (text != NULL) {
        len = frr_bfdd_text(&d->bgp.setup, text, FRR_TEXT_MAX);
        (void)!frr_bgpd_text(&d->bgp.setup, false, text + len, FRR_TEXT_MAX);
        len = control_text_format(ret_line, cap, text);
    }
    free(text);
    return len;
}

/* ---- metrics */

static struct snapshot_sample gauge(const char *name, const char *help, uint64_t value)
{
    return (struct snapshot_sample){.name = name, .help = help, .value = value};
}

static struct snapshot_sample of_neighbour(const struct bgp *b, uint32_t i, const char *name,
                                           const char *help, uint64_t value)
{
    struct snapshot_sample sample = gauge(name, help, value);
    sample.label = "neighbour";
    sample.label_value = b->config_start->bgp.neighbours[i].address;
    return sample;
}

uint32_t bgp_samples(struct daemon *d, struct snapshot_sample s[BGP_SAMPLES_MAX])
{
    const struct bgp *b = &d->bgp;
    uint32_t n = 0;
    if (!b->is_on) {
        return 0;
    }
    const struct frr_view *view = frr_view(b->frr);
    uint32_t count = HF_MIN(b->setup.num_neighbours, b->config_start->bgp.num_neighbours);
    s[n++] = gauge("bgp_wish", "2: announced, 1: as a last resort while draining, 0: withdrawn.",
                   b->announce.wish);
    s[n++] = gauge("bgp_healthy", "1 while nothing is wrong with the node's health.",
                   b->announce.ill == ANNOUNCE_HEALTHY);
    s[n++] = gauge("bgp_as_wished", "1 while bgpd has sent what is wanted.", bgp_is_as_wished(b));
    s[n++] =
        gauge("bgp_frr", "0: away, 1: being told, 2: as told, 3: refused what it was told.", view->state);
    s[n++] =
        gauge("bgp_falls", "Withdrawals for health that count for the next hold-down.", b->announce.falls);
    for (uint32_t wish = 0; wish <= ANNOUNCE_FULL; wish++) {
        s[n] = gauge("bgp_changes", "Changes of what is announced.", b->wishes[wish]);
        s[n].counter = true;
        s[n].label = "to";
        s[n++].label_value = announce_wish_name((enum announce_wish)wish);
    }
    s[n] = gauge("bgp_stalls", "Times the route was let go because the daemon stood still.", b->stalls);
    s[n++].counter = true;
    for (uint32_t i = 0; i < count; i++) {
        s[n++] = of_neighbour(b, i, "bgp_session_up", "1 while the BGP session is established.",
                              view->neighbours[i].is_established);
    }
    for (uint32_t i = 0; i < count; i++) {
        s[n++] = of_neighbour(b, i, "bgp_prefixes_sent", "Prefixes that the neighbour was sent.",
                              view->neighbours[i].prefixes_sent);
    }
    return n;
}

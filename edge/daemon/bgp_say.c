/* What is said about the prefixes in the log. */
#include "edge/daemon/bgp_internal.h"

#define DIFFERS_NS (5 * NS_PER_S) /* then it is worth a line */

void bgp_say(struct daemon *d, enum log_level level, const char *event, const char *reason, const char *text)
{
    log_event(&d->log, daemon_wall_ns(), level, event, LOG_FIELDS(LOG_TEXT("reason", reason)), "%s", text);
}

void bgp_say_wish(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    const struct announce *a = &b->announce;
    static const char *const events[] = {"bgp_withdrawn", "bgp_last_resort", "bgp_announced"};
    bool is_bad =
        a->wish == ANNOUNCE_WITHDRAW && a->reason >= ANNOUNCE_WORKER_SILENT && a->reason <= ANNOUNCE_STALLED;
    log_event(&d->log, daemon_wall_ns(), is_bad ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, events[a->wish],
              LOG_FIELDS(LOG_TEXT("reason", announce_reason_name(a->reason)),
                         LOG_TEXT("detail", b->operator!= ANNOUNCE_BY_HEALTH ? b->operator_reason : b->down),
                         LOG_NUMBER("falls", a->falls)),
              "%u prefix%s: %s, because %s", b->setup.num_prefixes, b->setup.num_prefixes == 1 ? "" : "es",
              announce_wish_name(a->wish), announce_reason_text(a->reason));
    b->wishes[a->wish]++;
}

static void say_illness(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    const struct announce *a = &b->announce;
    if (a->ill == b->ill_said || a->ill == ANNOUNCE_STARTING) {
        return;
    }
    b->ill_said = a->ill;
    bool well = a->ill == ANNOUNCE_HEALTHY;
    log_event(&d->log, daemon_wall_ns(), well ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "bgp_health",
              LOG_FIELDS(LOG_TEXT("reason", announce_reason_name(a->ill)), LOG_TEXT("interface", b->down),
                         LOG_NUMBER("silent_workers", b->silent)),
              "health: %s%s%s", announce_reason_text(a->ill), b->down[0] == '\0' ? "" : ": ", b->down);
}

static void say_sessions(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    const struct frr_view *view = frr_view(b->frr);
    char addr[IP_TEXT_MAX];
    for (uint32_t i = 0; i < b->setup.num_neighbours && view->knows_sessions; i++) {
        if (view->neighbours[i].is_established == b->is_said[i]) {
            continue;
        }
        b->is_said[i] = view->neighbours[i].is_established;
        log_event(&d->log, daemon_wall_ns(), b->is_said[i] ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                  b->is_said[i] ? "bgp_session_up" : "bgp_session_down",
                  LOG_FIELDS(LOG_TEXT("neighbour", ip_format(&b->setup.neighbours[i].addr, addr)),
                             LOG_NUMBER("asn", b->setup.neighbours[i].asn)),
                  "BGP session with %s (AS %u) is %s", addr, b->setup.neighbours[i].asn,
                  b->is_said[i] ? "up" : "down");
    }
}

static void say_frr(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    const struct frr_view *view = frr_view(b->frr);
    if (view->starts != b->starts_said) {
        log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_INFO, "bgp_connected",
                  LOG_FIELDS(LOG_NUMBER("times", view->starts)), "bgpd answers%s",
                  view->starts > 1 ? " again, and is told anew what is wanted" : "");
        b->starts_said = view->starts;
    }
    if (view->state == b->state_said || view->state == FRR_BUSY) {
        return;
    }
    b->state_said = view->state;
    bool fine = view->state == FRR_AS_TOLD;
    log_event(&d->log, daemon_wall_ns(), fine ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "bgp_frr",
              LOG_FIELDS(LOG_TEXT("state", frr_state_name(view->state)), LOG_TEXT("error", view->error)),
              "FRR: %s%s%s", fine ? "has the configuration that is wanted" : frr_state_name(view->state),
              view->error[0] == '\0' ? "" : ": ", view->error);
}

static bool sent_as_wished(const struct bgp *b, const struct frr_sent *sent)
{
    switch (b->announce.wish) {
    case ANNOUNCE_WITHDRAW:
        return !sent->is_sent;
    case ANNOUNCE_LAST_RESORT:
        return sent->is_sent && sent->has_shutdown;
    case ANNOUNCE_FULL:
        return sent->is_sent && !sent->has_shutdown;
    }
    return false;
}

/* A neighbour hears of the prefixes of its own family. */
bool bgp_is_as_wished(const struct bgp *b)
{
    const struct frr_view *view = frr_view(b->frr);
    for (uint32_t i = 0; i < b->setup.num_neighbours; i++) {
        const struct frr_neighbour *neighbour = &b->setup.neighbours[i];
        for (uint32_t k = 0; k < b->setup.num_prefixes; k++) {
            if (neighbour->is_transit && view->neighbours[i].sent_at != 0 &&
                b->setup.prefixes[k].is_v4 == ip_is_v4(&neighbour->addr) &&
                !sent_as_wished(b, &view->neighbours[i].sent[k])) {
                return false;
            }
        }
    }
    return true;
}

static void say_difference(struct daemon *d, ns_t now)
{
    struct bgp *b = &d->bgp;
    if (bgp_is_as_wished(b)) {
        b->differs_since = 0;
        b->differs_said = false;
    } else if (b->differs_since == 0) {
        b->differs_since = now;
    } else if (!b->differs_said && now > b->differs_since + DIFFERS_NS) {
        b->differs_said = true;
        bgp_say(d, LOG_LEVEL_ERROR, "bgp_differs", announce_wish_name(b->announce.wish),
                "what bgpd has sent to its neighbours is not what is wanted; `holdfast bgp` shows it");
    }
}

void bgp_say_news(struct daemon *d, ns_t now)
{
    say_illness(d);
    say_frr(d);
    say_sessions(d);
    say_difference(d, now);
}

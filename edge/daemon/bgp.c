#include "edge/daemon/bgp_internal.h"

#include "edge/daemon/daemon.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SESSION_SETTLE_NS (30 * NS_PER_S)
#define BEAT_NS (100 * NS_PER_MS)

/* ---- start */

static struct announce_config machine_of(const struct config_bgp *bgp)
{
    const struct config_bgp_health *health = &bgp->health;
    return (struct announce_config){
        .rise = health->rise,
        .fall = health->fall,
        .rise_interval = health->rise_interval_ns,
        .fall_interval = health->fall_interval_ns,
        .hold_min = health->hold_down_ns,
        .hold_max = health->hold_down_max_ns,
        .jitter_percent = health->jitter,
        .drain_settle = health->drain_settle_ns,
        .drain_max = health->drain_max_ns,
        .session_settle = SESSION_SETTLE_NS,
        .rand = rand_system(),
    };
}

static void frr_ready(struct loop_source *source, uint32_t events)
{
    (void)source; /* bgp_tick() follows in the same round */
    (void)events;
}

static void init(struct bgp *b, const struct config *config)
{
    struct announce_config machine = machine_of(&config->bgp);
    *b = (struct bgp){.is_on = true,
                      .config_start = config,
                      .own_tun = -1,
                      .plane_usable = true,
                      .uplinks_up = true,
                      .state_said = FRR_AWAY};
    for (uint32_t i = 0; i < FRR_DAEMONS; i++) {
        b->watched[i] = -1;
    }
    b->keeper.fd = b->flags_fd = -1;
    b->ill_said = ANNOUNCE_HEALTHY;
    announce_init(&b->announce, &machine, daemon_now());
}

bool bgp_open(struct daemon *d, struct user *user, char *ret_error, size_t cap)
{
    struct bgp *b = &d->bgp;
    char why[PRIVILEGES_ERROR_MAX];
    if (!d->config->bgp.is_on) {
        return true;
    }
    init(b, d->config);
    if (!bgp_setup_of(d->config, &b->setup, ret_error, cap) || !bgp_setup_check(&b->setup, ret_error, cap)) {
        return false;
    }
    if (!user_join(user, d->config->bgp.frr.group, why)) {
        log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_WARNING, "bgp_no_group",
                  LOG_FIELDS(LOG_TEXT("group", d->config->bgp.frr.group)),
                  "bgp.frr.group: %s; FRR's sockets may be closed to us", why);
    }
    struct frr_options options = {d->config->bgp.frr.sockets, d->config->bgp.frr.generate};
    b->frr = frr_new(&options, &b->setup);
    b->flags_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int error = b->frr == NULL ? -ENOMEM : keeper_start(&b->keeper);
    if (error != 0) {
        snprintf(ret_error, cap, "bgp: %s", strerror(-error));
    }
    return error == 0;
}

/* ---- facts */

static void probe_workers(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    b->silent = 0;
    for (uint32_t i = 0; i < d->num_workers; i++) {
        uint64_t heartbeat = worker_heartbeat(d->workers[i]);
        if (b->has_probed && heartbeat == b->heartbeats[i]) {
            b->silent++;
            b->silent_worker = i;
        }
        b->heartbeats[i] = heartbeat;
    }
    b->has_probed = daemon_tell(d, MAIL_PROBE) || b->silent > 0;
}

static bool is_running(struct bgp *b, const char *name)
{
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    bool runs = ioctl(b->flags_fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0 &&
                (request.ifr_flags & IFF_RUNNING) != 0;
    if (!runs) {
        snprintf(b->down, sizeof(b->down), "%s", name);
    }
    return runs;
}

static void look_at_interfaces(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    const struct config_bgp *config = &d->config->bgp;
    b->down[0] = '\0';
    b->plane_usable = b->uplinks_up = true;
    for (uint32_t i = 0; i < config->num_uplinks; i++) {
        b->uplinks_up = is_running(b, config->uplinks[i]) && b->uplinks_up;
    }
    for (uint32_t i = 0; i < d->num_workers; i++) {
        b->plane_usable = is_running(b, d->network.names[i]) && b->plane_usable;
    }
}

static void count_sessions(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    b->sessions = 0;
    for (uint32_t i = 0; i < d->num_workers; i++) {
        struct mail_ask ask = {.type = ASK_STATUS};
        const struct mail_answer *answer = daemon_ask(d, i, &ask);
        b->sessions += answer == NULL ? 1 : ((const struct worker_status *)answer->bytes)->core.sessions;
    }
}

static void look(struct daemon *d, ns_t now)
{
    struct bgp *b = &d->bgp;
    if (now < b->probe_at || d->state == NODE_STARTING) {
        return;
    }
    b->probe_at = now + b->announce.config.fall_interval;
    probe_workers(d);
    look_at_interfaces(d);
    b->num_links = HF_MAX(b->num_links, d->feed.num_links);
    if (d->state == NODE_DRAINING && b->silent == 0) {
        count_sessions(d);
    }
}

static void look_at_inner(const struct bgp *b, struct announce_facts *facts)
{
    const struct frr_view *view = frr_view(b->frr);
    for (uint32_t i = 0; i < b->setup.num_neighbours; i++) {
        if (!b->setup.neighbours[i].is_transit) {
            facts->inner_known = view->knows_sessions;
            facts->inner_up = facts->inner_up || view->neighbours[i].is_established;
        }
    }
}

static struct announce_facts facts_of(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    struct announce_facts facts = {.is_ready = d->state != NODE_STARTING,
                                   .has_silent = b->silent > 0,
                                   .plane_usable = b->plane_usable,
                                   .uplinks_up = b->uplinks_up,
                                   .steering_as_told = d->feed.num_links >= b->num_links,
                                   .is_stalled = b->is_stalled,
                                   .bgpd_starts = frr_view(b->frr)->starts,
                                   .is_draining = d->state == NODE_DRAINING,
                                   .is_handed_over = b->sessions == 0,
                                   .is_stopping = b->is_stopping,
                                   .operator= b->operator, };
    look_at_inner(b, &facts);
    return facts;
}

/* ---- the keeper */

static void listen_to_keeper(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    bool had_one = b->keeper.fd >= 0;
    enum keeper_news news = keeper_news(&b->keeper);
    if (news == KEEPER_FINE || (news == KEEPER_GONE && !had_one)) {
        return;
    }
    if (news == KEEPER_GONE) {
        bgp_say(
            d, LOG_LEVEL_ERROR, "bgp_keeper_gone", "keeper_gone",
            "the process that keeps the route has ended; until a restart of the daemon the route stays when "
            "the "
            "daemon stands still");
    }
    if (b->has_route && b->own_tun < 0) {
        b->is_stalled = true;
        b->stalls++;
        bgp_route_remove(d);
        bgp_say(d, LOG_LEVEL_ERROR, "bgp_stalled", "stalled", announce_reason_text(ANNOUNCE_STALLED));
    }
}

static void beat(struct bgp *b, ns_t now)
{
    if (now >= b->beat_at) {
        b->beat_at = now + BEAT_NS;
        keeper_beat(&b->keeper, bgp_patience_ms(b));
    }
}

void bgp_patience(struct daemon *d, ns_t patience)
{
    if (d->bgp.is_on) {
        keeper_beat(&d->bgp.keeper, bgp_patience_ms(&d->bgp) + (uint32_t)(patience / NS_PER_MS));
        d->bgp.beat_at = 0;
    }
}

/* ---- rounds */

static void watch(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    for (uint32_t i = 0; i < FRR_DAEMONS; i++) {
        bool writes;
        int fd = frr_fd(b->frr, i, &writes);
        uint32_t events = EPOLLIN | (writes ? (uint32_t)EPOLLOUT : 0);
        struct loop_source *source = &b->sources[i];
        if (fd == b->watched[i]) {
            if (fd >= 0) {
                loop_change(&d->loop, source, events);
            }
            continue;
        }
        *source = (struct loop_source){.fd = fd, .events = events, .ready = frr_ready};
        b->watched[i] =
            fd >= 0 && loop_add(&d->loop, source) == 0 ? fd : -1; /* a closed one has left by itself */
    }
}

static bool has_inner(const struct bgp *b)
{
    bool has = false;
    for (uint32_t i = 0; i < b->setup.num_neighbours; i++) {
        has = has || !b->setup.neighbours[i].is_transit;
    }
    return has;
}

/* Sessions of a node that nobody reaches wait for nothing; and before the inner network hears of it, what it
 * takes would be out of its reach. */
static bool can_serve(struct bgp *b, const struct announce_facts *facts)
{
    enum announce_reason ill = b->announce.ill;
    b->was_inner_up = b->was_inner_up || facts->inner_up || !has_inner(b);
    return b->was_inner_up &&
           (b->announce.is_up ||
            (ill != ANNOUNCE_UPLINK_DOWN && ill != ANNOUNCE_INNER_DOWN && ill != ANNOUNCE_PLANE_DOWN));
}

/* Withdrawn comes last: what FRR is told stays as it was, so nothing is announced anew just before. */
static void obey(struct daemon *d, ns_t now)
{
    struct bgp *b = &d->bgp;
    if (b->announce.wish != ANNOUNCE_WITHDRAW) {
        b->setup.is_last_resort = b->announce.wish == ANNOUNCE_LAST_RESORT;
        frr_want(b->frr, &b->setup);
    }
    bgp_route_follow(d, now);
}

void bgp_tick(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    if (!b->is_on) {
        return;
    }
    listen_to_keeper(d);
    ns_t now = daemon_now();
    beat(b, now);
    look(d, now);
    struct announce_facts facts = facts_of(d);
    bool changed = announce_step(&b->announce, now, &facts);
    b->is_stalled = false;
    if (changed) {
        frr_look(b->frr, now);
        bgp_say_wish(d);
    }
    obey(d, now);
    fleet_host_fit(d, can_serve(b, &facts));
    frr_work(b->frr, now);
    watch(d);
    bgp_say_news(d, now);
}

int bgp_round_ms(const struct daemon *d, int usual_ms)
{
    return d->bgp.is_on ? HF_MIN(BGP_ROUND_MS, usual_ms) : usual_ms;
}

void bgp_reload(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    struct frr_setup setup;
    char error[320];
    if (!b->is_on || !d->config->bgp.is_on) {
        return;
    }
    if (!bgp_setup_of(d->config, &setup, error, sizeof(error))) {
        bgp_say(d, LOG_LEVEL_ERROR, "bgp_frr", "password", error);
        return;
    }
    setup.is_last_resort = b->setup.is_last_resort;
    bool moved = memcmp(setup.prefixes, b->setup.prefixes, sizeof(setup.prefixes)) != 0;
    memset(b->is_said, 0, sizeof(b->is_said));
    b->setup = setup;
    frr_want(b->frr, &b->setup);
    if (moved && b->has_route) {
        bgp_routes_change(d);
    }
}

void bgp_override(struct daemon *d, enum announce_operator operator, const char * reason)
{
    struct bgp *b = &d->bgp;
    b->operator= operator;
    snprintf(b->operator_reason, sizeof(b->operator_reason), "%s", reason);
    bgp_tick(d);
}

void bgp_withdraw(struct daemon *d)
{
    if (d->bgp.is_on && d->bgp.has_route) {
        d->bgp.is_stopping = true;
        bgp_tick(d);
    }
}

void bgp_close(struct daemon *d)
{
    struct bgp *b = &d->bgp;
    if (!b->is_on) {
        return;
    }
    if (b->own_tun >= 0) {
        close(b->own_tun);
    }
    keeper_stop(&b->keeper);
    frr_free(b->frr);
    if (b->flags_fd >= 0) {
        close(b->flags_fd);
    }
    explicit_bzero(&b->setup, sizeof(b->setup));
    b->is_on = false;
}

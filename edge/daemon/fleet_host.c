#include "edge/daemon/daemon.h"

#include <string.h>

#define LEAVE_NS (10 * NS_PER_S)
#define LINGER_NS (200 * NS_PER_MS) /* after the last shard was given: what waited for it leaves */
/* A row turns to the taker so long after its shard was given: meanwhile the taker hears of it, and what comes
 * waits here. */
#define TURN_NS (5 * NS_PER_MS)
/* The route of its inner addresses stays until the taker's has come round: an inner router without any would
 * drop what it gets. What comes by it waits in the worker. */
#define ROUTE_KEEP_NS (100 * NS_PER_MS)

enum { BEATS_MAX = 256 };

/* ---- to the workers */

static bool wish_send(struct daemon *d, const struct event_shard *wish)
{
    struct mail_shard *mail = mesh_room(&d->port, d->shared.steer.worker_of[wish->shard], sizeof(*mail));
    if (mail != NULL) {
        *mail = (struct mail_shard){.mail = {.type = MAIL_SHARD}, .shard = *wish};
    }
    return mail != NULL;
}

/* In their order: a drop must not come before the take that it ends. */
static void wishes_send(struct daemon *d)
{
    struct fleet_host *h = &d->fleet;
    uint32_t sent = 0;
    while (sent < h->num_wishes && wish_send(d, &h->wishes[sent])) {
        sent++;
    }
    h->num_wishes -= sent;
    memmove(h->wishes, h->wishes + sent, h->num_wishes * sizeof(*h->wishes));
}

static void wish(struct daemon *d, enum shard_wish what, uint16_t shard, uint16_t epoch)
{
    struct fleet_host *h = &d->fleet;
    struct event_shard event = {.wish = what, .shard = shard, .epoch = epoch};
    if (h->num_wishes == 0 && wish_send(d, &event)) {
        return;
    }
    hf_assert(h->num_wishes < h->wishes_cap);
    h->wishes[h->num_wishes++] = event;
}

static void lease_tell(struct daemon *d)
{
    struct fleet_host *h = &d->fleet;
    h->is_lease_untold = false;
    for (uint32_t i = 0; i < d->num_workers; i++) {
        struct mail_lease *mail = mesh_room(&d->port, i, sizeof(*mail));
        if (mail == NULL) { /* those who know are told again: it does no harm */
            h->is_lease_untold = true;
        } else {
            *mail = (struct mail_lease){.mail = {.type = MAIL_LEASE}, .may_begin = h->may_begin};
        }
    }
}

/* ---- rows and nodes */

/* While a shard comes or goes its packets wait in its worker; what comes for one that is not served here is
 * let through to it, whatever children there are. */
static void row_apply(struct daemon *d, uint16_t shard)
{
    const struct fleet_host_shard *s = &d->fleet.shards[shard];
    steer_feed_row_set(&d->feed, shard, s->is_going ? d->config_start->fleet.node : s->primary, s->secondary);
    steer_feed_row_open(&d->feed, shard, s->is_going || !s->is_served);
}

static void route_set(struct daemon *d, uint16_t shard, bool is_routed)
{
    struct fleet_host *h = &d->fleet;
    if (h->shards[shard].is_routed != is_routed) {
        h->shards[shard].is_routed = is_routed;
        network_shard_set(&d->network, shard, is_routed);
        h->routes_changed = true;
    }
}

static void shard_turn(struct daemon *d, uint16_t shard, ns_t now)
{
    struct fleet_host *h = &d->fleet;
    struct fleet_host_shard *s = &h->shards[shard];
    if (s->row_from != 0 && now >= s->row_from) {
        s->row_from = 0;
        s->is_going = false;
        h->num_turning--;
        row_apply(d, shard);
    }
    if (s->route_until != 0 && now >= s->route_until) {
        s->route_until = 0;
        h->num_turning--;
        route_set(d, shard, false);
    }
}

static void shards_turn(struct daemon *d, ns_t now)
{
    const struct fleet_host *h = &d->fleet;
    for (uint32_t shard = 0; h->num_turning > 0 && shard < h->num_shards; shard++) {
        shard_turn(d, (uint16_t)shard, now);
    }
}

/* It comes again, or was lost: nothing waits any more. */
static void turn_cancel(struct fleet_host *h, struct fleet_host_shard *s)
{
    h->num_turning -= (s->row_from != 0) + (s->route_until != 0);
    s->row_from = 0;
    s->route_until = 0;
    s->is_going = false;
}

static void row_set(struct daemon *d, const struct fleet_effect *effect)
{
    struct fleet_host_shard *s = &d->fleet.shards[effect->row.shard];
    s->primary = effect->row.primary;
    s->secondary = effect->row.secondary;
    row_apply(d, effect->row.shard);
}

static void member_set(struct daemon *d, const struct fleet_effect *effect)
{
    const struct fleet_member *member = &effect->member.member;
    if (effect->member.is_gone) {
        steer_feed_node_forget(&d->feed, member->node);
    } else {
        steer_feed_node_set(&d->feed, member->node, &member->address, member->mtu, effect->member.is_alive);
    }
}

/* ---- the engine's effects */

static void take(struct daemon *d, const struct fleet_effect *effect)
{
    struct fleet_host_shard *s = &d->fleet.shards[effect->shard.shard];
    turn_cancel(&d->fleet, s);
    row_apply(d, effect->shard.shard);
    wish(d, SHARD_TAKE, effect->shard.shard, effect->shard.epoch);
}

static void give(struct daemon *d, const struct fleet_effect *effect)
{
    d->fleet.shards[effect->shard.shard].is_going = true;
    row_apply(d, effect->shard.shard);
    wish(d, SHARD_GIVE, effect->shard.shard, effect->shard.epoch);
}

static void carry_out(struct daemon *d, const struct fleet_effect *effect)
{
    struct fleet_host *h = &d->fleet;
    switch (effect->type) {
    case FLEET_EFFECT_STORE:
        fleet_store_ask(d, &effect->store);
        break;
    case FLEET_EFFECT_HEARTBEAT:
        heartbeats_send(&h->heartbeats, effect->heartbeat.to, &effect->heartbeat.address,
                        &effect->heartbeat.heartbeat);
        break;
    case FLEET_EFFECT_TAKE:
        take(d, effect);
        break;
    case FLEET_EFFECT_GIVE:
        give(d, effect);
        break;
    case FLEET_EFFECT_DROP:
        wish(d, SHARD_DROP, effect->shard.shard, effect->shard.epoch);
        break;
    case FLEET_EFFECT_LEASE:
        h->may_begin = effect->may_begin;
        lease_tell(d);
        break;
    case FLEET_EFFECT_ROW:
        row_set(d, effect);
        break;
    case FLEET_EFFECT_MEMBER:
        member_set(d, effect);
        break;
    case FLEET_EFFECT_NEWS:
        fleet_log_news(d, effect);
        break;
    }
}

void fleet_host_event(struct daemon *d, struct fleet_event *event)
{
    struct fleet_host *h = &d->fleet;
    event->now = daemon_now();
    fleet_step(h->engine, event, &h->effects);
    for (uint32_t i = 0; i < h->effects.count; i++) {
        carry_out(d, &h->effects.v[i]);
    }
}

void fleet_host_step(struct daemon *d, enum fleet_event_type type)
{
    fleet_host_event(d, &(struct fleet_event){.type = type});
}

/* ---- what comes in */

void fleet_host_news(struct daemon *d, const struct effect_shard *news)
{
    struct fleet_host *h = &d->fleet;
    hf_assert(h->news_count < h->news_cap);
    h->news[(h->news_first + h->news_count++) % h->news_cap] = *news;
}

static void news_count(struct fleet_host *h, const struct effect_shard *news)
{
    if (news->news == FLEET_SHARD_READY) {
        h->sessions_taken += news->sessions;
    } else if (news->news == FLEET_SHARD_GIVEN) {
        h->sessions_given += news->sessions;
    } else if (news->news == FLEET_SHARD_LOST) {
        h->sessions_lost += news->sessions;
    }
}

/* Before the engine hears of it: its row for the shard follows in the same step. */
static void shard_learn(struct daemon *d, const struct effect_shard *news)
{
    struct fleet_host_shard *s = &d->fleet.shards[news->shard];
    switch (news->news) {
    case FLEET_SHARD_TAKEN:
        break;
    case FLEET_SHARD_READY:
        s->is_served = true;
        route_set(d, news->shard, true);
        break;
    case FLEET_SHARD_FAILED:
        turn_cancel(&d->fleet, s);
        break;
    case FLEET_SHARD_GIVEN:
        s->is_served = false;
        d->fleet.num_turning += (s->row_from == 0) + (s->route_until == 0);
        s->row_from = daemon_now() + TURN_NS;
        s->route_until = daemon_now() + ROUTE_KEEP_NS;
        d->fleet.given_at = daemon_now();
        break;
    case FLEET_SHARD_LOST:
        s->is_served = false;
        turn_cancel(&d->fleet, s);
        route_set(d, news->shard, false);
        break;
    }
    row_apply(d, news->shard);
}

static void news_take(struct daemon *d)
{
    struct fleet_host *h = &d->fleet;
    while (h->news_count > 0) {
        struct effect_shard news = h->news[h->news_first];
        h->news_first = (h->news_first + 1) % h->news_cap;
        h->news_count--;
        news_count(h, &news);
        shard_learn(d, &news);
        fleet_log_shard(d, &news);
        fleet_host_event(
            d,
            &(struct fleet_event){
                .type = FLEET_EVENT_SHARD,
                .shard = {.news = news.news, .shard = news.shard, .epoch = news.epoch, .result = news.result},
            });
    }
}

static void heartbeats_look(struct daemon *d)
{
    struct heartbeat_in in;
    struct fleet_event event = {.type = FLEET_EVENT_HEARTBEAT};
    for (int i = 0; i < BEATS_MAX && heartbeats_next(&d->fleet.heartbeats, daemon_now(), &in); i++) {
        if (in.fault == HEARTBEAT_GOOD && d->fleet.is_started) {
            event.heartbeat = in.heartbeat;
            fleet_host_event(d, &event);
        } else if (in.fault != HEARTBEAT_GOOD) {
            fleet_log_fault(d, &in);
        }
    }
}

static void routes_apply(struct daemon *d)
{
    char error[NETWORK_ERROR_MAX];
    if (!d->fleet.routes_changed) {
        return;
    }
    d->fleet.routes_changed = false;
    if (!network_shards_apply(&d->network, d->config, error)) {
        log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_ERROR, "routes_failed", LOG_NO_FIELDS,
                  "routes of this node's part of the pools: %s", error);
    }
}

void fleet_host_round(struct daemon *d)
{
    struct fleet_host *h = &d->fleet;
    if (h->engine == NULL) {
        return;
    }
    daemon_mail_read(d);
    news_take(d);
    heartbeats_look(d);
    fleet_store_look(d);
    if (h->is_started && fleet_deadline(h->engine) <= daemon_now()) {
        fleet_host_step(d, FLEET_EVENT_TIMER);
    }
    shards_turn(d, daemon_now());
    routes_apply(d);
    wishes_send(d);
    if (h->is_lease_untold) {
        lease_tell(d);
    }
    mesh_flush(&d->port);
}

ns_t fleet_host_timeout(const struct daemon *d)
{
    const struct fleet_host *h = &d->fleet;
    if (h->engine == NULL) {
        return NS_NEVER;
    }
    ns_t now = daemon_now();
    ns_t deadline = h->is_started ? fleet_deadline(h->engine) : h->key_look;
    ns_t timeout = deadline <= now ? 0 : deadline - now;
    bool hurries = h->num_turning > 0 || h->num_wishes > 0 || h->is_lease_untold;
    return h->num_later > 0 || h->news_count > 0 ? 0 : hurries ? HF_MIN(timeout, NS_PER_MS) : timeout;
}

/* ---- commands */

static void drain_tell(struct daemon *d)
{
    if (d->fleet.is_started) {
        bool gives = d->fleet.is_draining || d->fleet.is_unfit;
        fleet_host_step(d, gives ? FLEET_EVENT_DRAIN : FLEET_EVENT_UNDRAIN);
        mesh_flush(&d->port);
    }
}

void fleet_host_drain(struct daemon *d, bool is_draining)
{
    d->fleet.is_draining = is_draining;
    drain_tell(d);
}

void fleet_host_fit(struct daemon *d, bool is_fit)
{
    if (d->fleet.is_started && d->fleet.is_unfit == is_fit) {
        d->fleet.is_unfit = !is_fit;
        log_event(&d->log, daemon_wall_ns(), is_fit ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                  is_fit ? "fleet_fit" : "fleet_unfit", LOG_NO_FIELDS,
                  is_fit
                      ? "this node can serve, and takes its shards"
                      : "this node cannot serve (holdfast bgp says why): it takes no shards, and gives away "
                        "what it has");
        drain_tell(d);
    }
}

void fleet_host_leave(struct daemon *d)
{
    if (d->fleet.is_started && d->fleet.leave_until == 0) {
        d->fleet.leave_until = daemon_now() + LEAVE_NS;
        fleet_host_step(d, FLEET_EVENT_LEAVE);
        mesh_flush(&d->port);
    }
}

bool fleet_host_is_left(struct daemon *d)
{
    struct fleet_status status;
    if (d->fleet.engine == NULL || d->fleet.leave_until == 0) {
        return true;
    }
    fleet_status(d->fleet.engine, daemon_now(), &status);
    bool is_quiet = d->fleet.num_turning == 0 && daemon_now() >= d->fleet.given_at + LINGER_NS;
    return (status.is_left && is_quiet) || daemon_now() >= d->fleet.leave_until;
}

#include "bgp/announce.h"

static const struct {
    const char *name, *text;
} reasons[ANNOUNCE_REASON_COUNT] = {
#define REASON_ROW(id, name, text) [ANNOUNCE_##id] = {name, text},
    ANNOUNCE_REASONS(REASON_ROW)
#undef REASON_ROW
};

const char *announce_reason_name(enum announce_reason reason)
{
    hf_assert((unsigned)reason < ANNOUNCE_REASON_COUNT);
    return reasons[reason].name;
}

const char *announce_reason_text(enum announce_reason reason)
{
    hf_assert((unsigned)reason < ANNOUNCE_REASON_COUNT);
    return reasons[reason].text;
}

const char *announce_wish_name(enum announce_wish wish)
{
    static const char *const names[] = {
        [ANNOUNCE_WITHDRAW] = "withdraw",
        [ANNOUNCE_LAST_RESORT] = "last_resort",
        [ANNOUNCE_FULL] = "announce",
    };
    hf_assert((unsigned)wish < HF_COUNT(names));
    return names[wish];
}

void announce_init(struct announce *a, const struct announce_config *config, ns_t now)
{
    hf_assert(config->rise > 0 && config->fall > 0 && config->hold_min <= config->hold_max);
    *a = (struct announce){
        .config = *config,
        .wish = ANNOUNCE_WITHDRAW,
        .reason = ANNOUNCE_STARTING,
        .ill = ANNOUNCE_STARTING,
        .since = now,
        .next = now,
        .look_at = now,
        .drained = ANNOUNCE_DRAINING,
    };
}

/* ---- health */

/* The first thing that is wrong, the worst first. */
static enum announce_reason illness(const struct announce *a, ns_t now, const struct announce_facts *f)
{
    const struct {
        bool is_wrong;
        enum announce_reason reason;
    } rows[] = {
        {!f->is_ready, ANNOUNCE_STARTING},
        {f->is_stalled, ANNOUNCE_STALLED},
        {f->has_silent, ANNOUNCE_WORKER_SILENT},
        {!f->plane_usable, ANNOUNCE_PLANE_DOWN},
        {!f->uplinks_up, ANNOUNCE_UPLINK_DOWN},
        {!f->steering_as_told, ANNOUNCE_STEERING_OFF},
        {f->inner_known && !f->inner_up && now >= a->sessions_trusted_at, ANNOUNCE_INNER_DOWN},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        if (rows[i].is_wrong) {
            return rows[i].reason;
        }
    }
    return ANNOUNCE_HEALTHY;
}

static ns_t hold_time(struct announce *a)
{
    const struct announce_config *config = &a->config;
    ns_t hold = config->hold_min;
    for (uint32_t i = 1; i < a->falls && hold < config->hold_max; i++) {
        hold *= 2;
    }
    hold = HF_MIN(hold, config->hold_max);
    ns_t room = hold / 100 * config->jitter_percent;
    return room == 0 ? hold : hold + rand_u64(&config->rand) % room;
}

/* Only a route that was there has flapped. */
static void fall(struct announce *a, ns_t now)
{
    a->is_up = false;
    a->good = 0;
    if (a->wish != ANNOUNCE_WITHDRAW) {
        a->falls++;
        a->hold_until = now + hold_time(a);
    }
}

static void rise(struct announce *a, ns_t now)
{
    a->is_up = true;
    a->bad = 0;
    a->up_since = now;
    a->hold_until = 0;
}

static void look(struct announce *a, ns_t now)
{
    bool well = a->ill == ANNOUNCE_HEALTHY;
    a->good = well ? a->good + (a->good < a->config.rise) : 0;
    a->bad = well ? 0 : a->bad + (a->bad < a->config.fall);
    if (a->is_up && a->bad >= a->config.fall) {
        fall(a, now);
    } else if (!a->is_up && a->good >= a->config.rise && now >= a->hold_until) {
        rise(a, now);
    } else if (a->is_up && a->falls > 0 && now >= a->up_since + a->config.hold_max) {
        a->falls = 0;
    }
    a->look_at = now + (a->is_up ? a->config.fall_interval : a->config.rise_interval);
}

/* ---- the wish */

struct verdict {
    enum announce_wish wish;
    enum announce_reason reason;
};

static struct verdict by_health(const struct announce *a, ns_t now)
{
    bool well = a->ill == ANNOUNCE_HEALTHY;
    if (a->is_up) {
        return (struct verdict){ANNOUNCE_FULL, well ? ANNOUNCE_HEALTHY : ANNOUNCE_FALLING};
    }
    if (!well) {
        return (struct verdict){ANNOUNCE_WITHDRAW, a->ill};
    }
    return (struct verdict){ANNOUNCE_WITHDRAW, now < a->hold_until ? ANNOUNCE_HELD_DOWN : ANNOUNCE_RISING};
}

/* A drain of what is not announced is over as soon as it begins. */
static void follow_drain(struct announce *a, ns_t now, const struct announce_facts *f)
{
    if (!f->is_draining) {
        a->drain_since = 0;
        a->drained = ANNOUNCE_DRAINING;
        return;
    }
    if (a->drain_since == 0) {
        a->drain_since = HF_MAX(now, 1);
        a->drained = a->wish == ANNOUNCE_WITHDRAW ? ANNOUNCE_DRAINED : ANNOUNCE_DRAINING;
    }
    if (a->drained != ANNOUNCE_DRAINING) {
        return;
    }
    if (f->is_handed_over && now >= a->drain_since + a->config.drain_settle) {
        a->drained = ANNOUNCE_DRAINED;
    } else if (now >= a->drain_since + a->config.drain_max) {
        a->drained = ANNOUNCE_DRAIN_LATE;
    }
}

static struct verdict judge(const struct announce *a, ns_t now, const struct announce_facts *f)
{
    struct verdict verdict = by_health(a, now);
    if (f->is_stopping) {
        return (struct verdict){ANNOUNCE_WITHDRAW, ANNOUNCE_STOPPING};
    }
    if (f->operator== ANNOUNCE_NEVER) {
        return (struct verdict){ANNOUNCE_WITHDRAW, ANNOUNCE_OPERATOR_WITHDRAW};
    }
    if (f->operator== ANNOUNCE_BY_FORCE) {
        verdict = (struct verdict){ANNOUNCE_FULL, ANNOUNCE_OPERATOR_ANNOUNCE};
    }
    if (a->drain_since == 0) {
        return verdict;
    }
    if (a->drained != ANNOUNCE_DRAINING) {
        return (struct verdict){ANNOUNCE_WITHDRAW, a->drained};
    }
    if (verdict.wish == ANNOUNCE_FULL) {
        verdict = (struct verdict){ANNOUNCE_LAST_RESORT, ANNOUNCE_DRAINING};
    }
    return verdict;
}

/* When something changes by time alone. */
static ns_t next_time(const struct announce *a, ns_t now)
{
    ns_t next = a->look_at;
    if (a->drain_since != 0 && a->drained == ANNOUNCE_DRAINING) {
        ns_t ends[] = {a->drain_since + a->config.drain_settle, a->drain_since + a->config.drain_max};
        for (size_t i = 0; i < HF_COUNT(ends); i++) {
            next = ends[i] > now && ends[i] < next ? ends[i] : next;
        }
    }
    return next;
}

bool announce_step(struct announce *a, ns_t now, const struct announce_facts *f)
{
    if (f->bgpd_starts != a->bgpd_starts) {
        a->bgpd_starts = f->bgpd_starts;
        a->sessions_trusted_at = now + a->config.session_settle;
    }
    a->ill = illness(a, now, f);
    if (f->is_stalled) { /* the route is gone already */
        fall(a, now);
        a->look_at = now + a->config.rise_interval;
    } else if (now >= a->look_at) {
        look(a, now);
    }
    follow_drain(a, now, f);
    struct verdict verdict = judge(a, now, f);
    bool changed = verdict.wish != a->wish;
    a->since = changed ? now : a->since;
    a->wish = verdict.wish;
    a->reason = verdict.reason;
    a->next = next_time(a, now);
    return changed;
}

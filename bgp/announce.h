/* Whether this node should attract clients: a pure state machine. Facts go in with their time, a wish comes
 * out, with the reason for it; the adapter (edge/frr, daemon/bgp.c) makes it so and sees that it is.
 *
 * - Health is looked at in intervals. `rise` good looks in a row are needed to come, `fall` bad ones to go.
 * - Who went because of its health comes back after a hold-down, which doubles with each such fall (routers
 *   damp what flaps: RFC 7196) and is forgotten after as long as it can be without another.
 * - A drain asks others to prefer other routes first (RFC 8326 graceful shutdown, prepended AS numbers), and
 *   withdraws when all sessions are handed over, at the latest after a time. The end of a drain announces at
 *   once: sessions follow.
 * - A store that does not answer, a BGP session that is down, bgpd that was restarted: none of these is a
 *   reason to withdraw. */
#pragma once

#include "edge/base/env.h"

enum announce_wish {
    ANNOUNCE_WITHDRAW,
    ANNOUNCE_LAST_RESORT, /* with the graceful-shutdown community and prepended: others are preferred */
    ANNOUNCE_FULL,
};

/* Why: name for metrics and JSON, text for people. From WORKER_SILENT to STALLED: reasons to go. */
#define ANNOUNCE_REASONS(row)                                                                                \
    row(STARTING, "starting", "the workers are not ready yet") row(HEALTHY, "healthy",                       \
                                                                   "everything that is looked at is well")   \
        row(RISING, "rising", "all is well, but not for long enough yet")                                    \
            row(FALLING, "falling", "something is wrong, but not for long enough to withdraw") row(          \
                HELD_DOWN, "held_down", "all is well again, but it was withdrawn for its health of late")    \
                row(WORKER_SILENT, "worker_silent", "a worker does not answer") row(                         \
                    PLANE_DOWN, "plane_down", "the data plane cannot be used: a TUN device is gone or down") \
                    row(UPLINK_DOWN, "uplink_down", "an interface that it needs is down")                    \
                        row(INNER_DOWN, "inner_down", "no BGP session with the inner network is up") row(    \
                            STEERING_OFF, "steering_off",                                                    \
                            "the steering program is not on all interfaces that it should be on")            \
                            row(STALLED, "stalled", "the daemon stood still, so its route was let go")       \
                                row(DRAINING, "draining",                                                    \
                                    "draining: others are preferred while sessions are handed over")         \
                                    row(DRAINED, "drained", "drained: all sessions have been handed over")   \
                                        row(DRAIN_LATE, "drain_late", "draining took longer than it may")    \
                                            row(OPERATOR_ANNOUNCE, "operator_announce",                      \
                                                "an operator wants it announced, whatever the health")       \
                                                row(OPERATOR_WITHDRAW, "operator_withdraw",                  \
                                                    "an operator wants it withdrawn")                        \
                                                    row(STOPPING, "stopping", "the daemon stops")

enum announce_reason {
#define ANNOUNCE_REASON_ID(id, name, text) ANNOUNCE_##id,
    ANNOUNCE_REASONS(ANNOUNCE_REASON_ID)
#undef ANNOUNCE_REASON_ID
        ANNOUNCE_REASON_COUNT
};

const char *announce_wish_name(enum announce_wish wish);       /* "announce", "last_resort", "withdraw" */
const char *announce_reason_name(enum announce_reason reason); /* "worker_silent" */
const char *announce_reason_text(enum announce_reason reason);

enum announce_operator { ANNOUNCE_BY_HEALTH, ANNOUNCE_BY_FORCE, ANNOUNCE_NEVER };

/* What is so now. */
struct announce_facts {
    bool is_ready;         /* all workers have read back their sessions */
    bool has_silent;       /* a worker that has not answered its probe */
    bool plane_usable;     /* devices are there and up */
    bool uplinks_up;       /* of those that the config names */
    bool steering_as_told; /* attached everywhere it should be, or not wanted */
    bool inner_known;      /* there are inner neighbours, and bgpd says how they are */
    bool inner_up;         /* at least one of them is established */
    bool is_stalled;       /* the main thread stood still since the last call */
    uint32_t bgpd_starts;  /* counts connections to bgpd: after each, sessions need a while */
    bool is_draining;
    bool is_handed_over; /* nothing left to hand over */
    bool is_stopping;
    enum announce_operator operator;
};

struct announce_config {
    uint32_t rise, fall; /* looks in a row */
    ns_t rise_interval, fall_interval;
    ns_t hold_min, hold_max;      /* before coming again */
    uint32_t jitter_percent;      /* added to it, at most */
    ns_t drain_settle, drain_max; /* from the drain's beginning: not withdrawn before, withdrawn by then */
    ns_t session_settle;          /* what bgpd says of sessions is no reason for so long after its start */
    struct rand_source rand;
};

struct announce {
    struct announce_config config;
    enum announce_wish wish; /* the result, with the three that follow */
    enum announce_reason reason;
    enum announce_reason ill; /* what is wrong; ANNOUNCE_HEALTHY: nothing */
    ns_t since;               /* when the wish last changed */
    ns_t next;                /* when to be called again at the latest */
    ns_t hold_until;          /* 0: not held down */
    uint32_t falls;           /* since the hold-down was last forgotten */

    bool is_up; /* by health alone */
    uint32_t good, bad;
    ns_t look_at, up_since;
    ns_t drain_since;             /* 0: no drain */
    enum announce_reason drained; /* how it ended; ANNOUNCE_DRAINING: it has not */
    uint32_t bgpd_starts;
    ns_t sessions_trusted_at;
};

void announce_init(struct announce *announce, const struct announce_config *config, ns_t now);
/* True when the wish is another than before. */
bool announce_step(struct announce *announce, ns_t now, const struct announce_facts *facts);

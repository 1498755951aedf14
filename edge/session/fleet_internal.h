/* The fleet engine's parts and how they hang together; private to fleet*.c.
 *
 * A step first takes its event in: that only changes what is known (peers, the table, the state of our
 * shards) and marks which shards this concerns. Then every noun does what there is to do, in fleet_work()'s
 * order, as long as there is room for effects, and says by fleet_wake() when it wants to be asked again. */
#pragma once

#include "edge/base/rendezvous.h"
#include "edge/session/fleet.h"

#include <string.h>

enum {
    FLEET_SILENT_BEATS = 3,        /* so many heartbeats missed: silent */
    FLEET_TAKES_MAX = 64,          /* under way: claimed, not all sessions read yet */
    FLEET_GIVES_MAX = 16,          /* under way */
    FLEET_LEASES_MAX = 8,          /* renewals whose answers may still count */
    FLEET_VIEW_LEASES = 8,         /* the table is read so rarely when nothing happens */
    FLEET_ROOM_ALWAYS = 8,         /* effects that are kept free for what comes once a step */
    FLEET_PLACES_PER_STEP = 65536, /* pairs of shard and member that are weighed: a millisecond or so */
};

#define FLEET_SUBSTITUTE_NS (2 * NS_PER_S) /* a free shard is not taken by its node: the next one does */
#define FLEET_GIVER_BACK_NS (5 * NS_PER_S) /* nor by that one: who gave it takes it back */
#define FLEET_HOLD_NS (30 * NS_PER_S)      /* before a shard is offered again to who did not take it */
#define FLEET_RETRY_NS (100 * NS_PER_MS)   /* after a failure, doubled up to the next */
#define FLEET_RETRY_MAX_NS (2 * NS_PER_S)
#define FLEET_LEAVE_NS (20 * NS_PER_S) /* a process that ends has given by then, or never will */

enum part_state {
    PART_NONE,
    PART_TAKING,  /* the core claims it */
    PART_LOADING, /* it is ours, and its sessions are being read */
    PART_OWNED,
    PART_GIVING,
    PART_DROPPING,
    PART_STATES,
};

/* A shard, as this node knows it. */
struct part {
    uint16_t owner, epoch;      /* of the table */
    uint16_t seen, holder;      /* highest epoch heard of, and whose it was; 0: it was released, or unknown */
    uint16_t own_epoch;         /* of our claim: PART_LOADING and on */
    uint16_t wanted, secondary; /* its place; RENDEZVOUS_NOBODY */
    uint16_t row_primary, row_secondary; /* as told */
    uint16_t to;                         /* PART_GIVING */
    uint16_t from;                       /* being taken over from; 0: not from the dead */
    uint16_t heir_of;                    /* what we have was taken from this dead node; 0: it was released */
    uint8_t state;
    uint8_t failures;
    bool was_given;     /* by us, and nobody has taken it since, that we know of */
    bool is_again;      /* PART_TAKING, PART_LOADING: it was ours all the time */
    bool is_substitute; /* taken because the node that it belongs to did not */
    ns_t known_at;   /* the table's entry is of a view asked for later than this, or of news of this time */
    ns_t retry_at;   /* neither taken nor given before */
    ns_t free_since; /* may be taken by whoever it belongs to; 0: it has an owner that lives */
};

struct peer {
    struct fleet_member member; /* as in its lease */
    bool is_used, is_in_view, has_lease, is_alive;
    bool is_draining; /* by lease or heartbeat, whichever came last */
    bool was_heard;   /* since we started, this instance */
    bool is_changed;  /* the host has not been told yet */
    bool is_drain_told;
    bool is_gone;          /* from the table, and silent */
    uint8_t told;          /* enum fleet_member_state */
    uint16_t site;         /* slot of the first peer of its site */
    ns_t heard_at;         /* or first seen */
    ns_t dead_at;          /* its lease was seen to be gone; 0: it is not */
    uint64_t number, view; /* of its last heartbeat */
    bool beat_has_lease;
    ns_t beat_at, beat_sent_at; /* next one to it, last one */
    uint32_t taken;             /* of its shards, by us, since dead_at */
};

struct fleet_own_lease {
    bool is_valid, was_valid;
    bool is_taken;   /* another process has our number */
    bool is_over;    /* unleased */
    ns_t refused_at; /* since when; 0: not */
    ns_t valid_until, joined_at, ask_at, sent[FLEET_LEASES_MAX], sent_last;
    uint64_t asked, answered; /* numbers of renewals */
    ns_t takes_from;          /* nothing of others is claimed before; NS_NEVER without lease */
    uint8_t value[FLEET_MEMBER_BYTES_MAX];
};

/* The view as it comes in: nothing of it counts before its end. */
struct fleet_reading {
    bool is_under_way, is_bad, has_owners;
    uint64_t token;
    ns_t asked_at;
    struct fleet_member members[FLEET_MEMBERS_MAX];
    bool has_lease[FLEET_MEMBERS_MAX];
    uint16_t bad_nodes[FLEET_MEMBERS_MAX]; /* known, but their record is garbage: they stay as they were */
    uint32_t num_members, num_bad;
    uint8_t *owners;
};

struct fleet_rate {
    ns_t interval, burst, next;
};

struct fleet_kept_change {
    struct fleet_change change;
    ns_t at;
};

/* All zero but for its configuration at first. */
struct fleet {
    struct fleet_config config;
    struct fleet_effects *out;
    ns_t now, last, wake;
    bool is_started, is_draining, is_leaving, is_left;

    struct fleet_own_lease lease;
    ns_t leave_until, unlease_at;

    uint64_t view, next_token;
    uint64_t stranger; /* process that was heard last without being in the table */
    bool is_view_read, is_view_wanted, is_view_bad_told;
    bool is_joined_view_read; /* one that was asked for after we joined */
    ns_t view_at, view_next;  /* asked last; to be asked by then at the latest */
    struct fleet_reading reading;

    struct peer peers[FLEET_MEMBERS_MAX];
    uint32_t peers_end;                   /* slots from here on were never used */
    uint16_t slot_of[FLEET_NODE_MAX + 1]; /* slot + 1 */
    struct rendezvous_member members[FLEET_MEMBERS_MAX];
    uint32_t num_members;
    bool are_members_changed;
    uint32_t places_left, place_next;
    uint64_t beats;

    struct fleet_kept_change changes[FLEET_CHANGES_MAX];
    uint32_t changes_next, forgotten_next;

    uint32_t num_parts;
    struct part *parts;
    uint64_t *dirty, *takes, *gives, *forgotten; /* bit for each shard */
    uint32_t take_next, give_next, refresh_next;
    uint32_t states[PART_STATES]; /* how many there are in each */
    struct fleet_rate take_rate, give_rate;

    uint32_t given_untold, lost_untold;
    ns_t gives_began, lost_told_at;
    bool is_drained_told, is_drain_alone_told, is_takeover_changed;
    uint64_t taken_total, given_total, lost_total, failed_total;
};

/* ---- bits, one for each shard */
static inline bool bit_get(const uint64_t *bits, uint32_t i)
{
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}
static inline void bit_set(uint64_t *bits, uint32_t i, bool value)
{
    uint64_t bit = UINT64_C(1) << (i % 64);
    bits[i / 64] = value ? bits[i / 64] | bit : bits[i / 64] & ~bit;
}
/* The first one at `from` or after it; `count` when there is none. */
uint32_t bit_next(const uint64_t *bits, uint32_t from, uint32_t count);

/* ---- fleet.c */
static inline uint16_t fleet_self(const struct fleet *fleet)
{
    return fleet->config.self.node;
}
static inline uint32_t fleet_room(const struct fleet *fleet)
{
    return FLEET_EFFECTS_MAX - fleet->out->count;
}
/* There is room (asserted). */
struct fleet_effect *fleet_emit(struct fleet *fleet, enum fleet_effect_type type);
void fleet_news(struct fleet *fleet, enum fleet_news news, uint16_t node, uint32_t count, ns_t took);
/* The next step is wanted by then. */
void fleet_wake(struct fleet *fleet, ns_t at);
/* Serial order, as the numbers wrap (store.h): whether `a` comes after `b`. */
static inline bool epoch_is_newer(uint16_t a, uint16_t b)
{
    return (int16_t)(uint16_t)(a - b) > 0;
}

/* ---- fleet_lease.c */
void lease_start(struct fleet *fleet);
/* By the clock alone, before anything else is done in a step. */
void lease_check(struct fleet *fleet);
void lease_answered(struct fleet *fleet, const struct store_done *done);
/* Our record has changed: others should see it soon. */
void lease_hurry(struct fleet *fleet);
void lease_work(struct fleet *fleet);
void lease_end(struct fleet *fleet);

/* ---- fleet_view.c */
void view_record(struct fleet *fleet, const struct store_record *record);
void view_answered(struct fleet *fleet, const struct store_done *done);
/* The table has changed, or will: read it soon, or at once. */
void view_want(struct fleet *fleet);
void view_want_now(struct fleet *fleet);
void view_work(struct fleet *fleet);

/* ---- fleet_peer.c */
struct peer *peer_of(struct fleet *fleet, uint16_t node); /* NULL when unknown */
const struct peer *peer_get(const struct fleet *fleet, uint16_t node);
/* The known peer, or a new one; NULL when the table is full. */
struct peer *peer_add(struct fleet *fleet, uint16_t node);
enum fleet_member_state peer_state(const struct peer *peer);
/* It serves what it has: it has a lease, or is heard. */
static inline bool peer_is_up(const struct peer *peer)
{
    return peer != NULL && (peer->has_lease || peer->is_alive);
}
void peers_start(struct fleet *fleet);
/* The process did not run: whom we did not hear is not to blame. */
void peers_forgive(struct fleet *fleet, ns_t slept);
void peers_work(struct fleet *fleet);
/* Every other node that the table knows was heard. */
bool peers_all_heard(const struct fleet *fleet);
/* Every one is live, or dead: heartbeats and the lease's answers say when the table is worth a look. */
bool peers_are_settled(const struct fleet *fleet);

/* ---- fleet_beat.c */
void beat_received(struct fleet *fleet, const struct fleet_heartbeat *heartbeat);
/* A shard changed hands by our doing; `to` hears of it first (0: nobody). */
void beat_change(struct fleet *fleet, uint16_t shard, uint16_t owner, uint16_t epoch, uint16_t to);
/* What we say of ourselves changed. */
void beat_hurry(struct fleet *fleet);
void beats_work(struct fleet *fleet);

/* ---- fleet_place.c */
/* Members came, went, died or drain: all shards are placed anew, over the next steps. */
void places_changed(struct fleet *fleet);
void places_work(struct fleet *fleet);

/* ---- fleet_part.c */
static inline bool part_is_ours(const struct part *part)
{
    return part->state == PART_LOADING || part->state == PART_OWNED || part->state == PART_GIVING;
}
void part_touch(struct fleet *fleet, uint32_t shard);
void parts_touch_all(struct fleet *fleet);
void part_set_state(struct fleet *fleet, uint32_t shard, enum part_state state);
/* From a view that was asked for at `asked_at`. */
void part_view(struct fleet *fleet, uint32_t shard, uint16_t owner, uint16_t epoch, ns_t asked_at);
/* From another node's heartbeat. */
void part_change(struct fleet *fleet, uint32_t shard, uint16_t owner, uint16_t epoch);
/* What the core says of its shard. */
void part_news(struct fleet *fleet, const struct fleet_event *event);

/* ---- fleet_rows.c */
void parts_work(struct fleet *fleet);

/* ---- fleet_take.c */
struct fleet_rate rate_make(uint32_t per_s);
HF_MUST bool rate_allows(const struct fleet_rate *rate, ns_t now);
void rate_use(struct fleet_rate *rate, ns_t now);
/* Nobody serves it who is alive, as far as we know. */
bool part_is_free(const struct fleet *fleet, const struct part *part);
bool part_is_takeable(const struct fleet *fleet, const struct part *part);
/* At once, when it is due and costs no rate: a hand-over waits for nothing. */
void take_try(struct fleet *fleet, uint32_t shard);
void takes_work(struct fleet *fleet);

/* ---- fleet_give.c */
bool part_is_givable(const struct fleet *fleet, const struct part *part);
void gives_work(struct fleet *fleet);

/* ---- fleet_leave.c */
void drain_set(struct fleet *fleet, bool drains);
void leave_begin(struct fleet *fleet);
void leave_work(struct fleet *fleet);

/* ---- fleet_news.c */
void news_work(struct fleet *fleet);
static inline uint32_t parts_ours(const struct fleet *fleet)
{
    return fleet->states[PART_LOADING] + fleet->states[PART_OWNED] + fleet->states[PART_GIVING];
}
static inline uint32_t parts_taking(const struct fleet *fleet)
{
    return fleet->states[PART_TAKING] + fleet->states[PART_LOADING];
}

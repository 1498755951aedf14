/* One node's part in the fleet: which nodes live, which shards are ours, and what to do about it (DESIGN
 * section 5, docs/FLEET.md). A pure state machine: events go in with their time, ordered effects come out. It
 * never touches a session: it asks the workers' cores to take and give shards, and hears how that went.
 *
 * Who may own what is decided by the store alone (STORE_LEASE, STORE_CLAIM, STORE_RELEASE). Heartbeats
 * between nodes only make it fast: who is silent is steered around at once, and a change is looked up in the
 * store at once instead of at the next interval. */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/cause.h"
#include "edge/base/env.h"
#include "edge/base/limits.h"
#include "edge/session/store_op.h"

/* What a node tells the others of itself, in its lease. */
struct fleet_member {
    uint16_t node; /* 1..FLEET_NODE_MAX; 0: nobody */
    uint16_t weight;
    uint16_t mtu;                      /* of the way to it */
    bool is_draining;                  /* wants to own nothing */
    uint64_t instance;                 /* random, another one at each start */
    struct ip_addr address;            /* where other nodes reach it: packets of clients, and heartbeats */
    char site_name[FLEET_SITE_BYTES];  /* of its PoP; nodes of one name are of one site */
    char version[FLEET_VERSION_BYTES]; /* of the software */
};

enum {
    FLEET_MEMBER_BYTES_MAX = 256, /* fleet_member_encode() needs no more */
    FLEET_HEARTBEAT_BYTES_MAX = 1024,
};

/* As STORE_LEASE carries it. 0 when it does not fit. Decoding skips fields of newer versions; false: garbage.
 */
size_t fleet_member_encode(const struct fleet_member *member, uint8_t *ret_bytes, size_t cap);
HF_MUST bool fleet_member_decode(struct span bytes, struct fleet_member *ret_member);

struct fleet_config {
    struct fleet_member self;
    uint8_t shard_bits;
    uint64_t shards_key[2]; /* of rendezvous_pick() */
    ns_t lease;             /* how long a lease holds; renewed at a quarter of it */
    ns_t heartbeat;         /* interval; who misses three is steered around */
    uint32_t takes_per_s,
        gives_per_s; /* shards a second, at most, that are claimed from the dead, handed over */
    struct rand_source rand;
};

enum fleet_event_type {
    FLEET_EVENT_START,
    FLEET_EVENT_TIMER,
    FLEET_EVENT_STORE_DONE,   /* of STORE_LEASE, STORE_UNLEASE, STORE_VIEW, STORE_RELEASE */
    FLEET_EVENT_STORE_RECORD, /* of STORE_VIEW */
    FLEET_EVENT_HEARTBEAT,    /* authentic; from a node of the fleet */
    FLEET_EVENT_SHARD,        /* what became of a take or a give, or a shard was lost to another */
    FLEET_EVENT_DRAIN,        /* give everything away, take nothing */
    FLEET_EVENT_UNDRAIN,
    FLEET_EVENT_LEAVE, /* the process ends: what is owned is given, then the lease */
};

enum fleet_shard_news {
    FLEET_SHARD_TAKEN,  /* claimed, with `epoch`; its sessions are being read */
    FLEET_SHARD_READY,  /* all of them have been read */
    FLEET_SHARD_FAILED, /* not claimed, or not given: another has it, or the store does not answer */
    FLEET_SHARD_GIVEN,  /* its sessions have been written, and it was released */
    FLEET_SHARD_LOST,   /* another has a higher epoch; its sessions were dropped */
};

/* A shard that changed hands of late: beside the store, so that others need not ask it first. */
struct fleet_change {
    uint16_t shard;
    uint16_t owner; /* 0: released, for whoever it belongs to now; FLEET_OWNER_UNKNOWN: the store shows a
                       lower epoch than the sender has seen, which nobody may use again */
    uint16_t epoch;
};

enum { FLEET_CHANGES_MAX = 128, FLEET_OWNER_UNKNOWN = UINT16_MAX };

/* From node to node. The adapter seals it under a fleet key, with both nodes' numbers. */
struct fleet_heartbeat {
    uint16_t node;
    uint64_t instance;      /* of the sender */
    uint64_t your_instance; /* the receiver's, as the sender knows it; 0: not yet. A heartbeat that names
                               another is old: it is answered and otherwise ignored */
    uint64_t number;        /* grows within an instance */
    bool is_draining;
    bool has_lease;
    uint64_t
        view; /* version of the owners' table that the sender knows (grows with each claim and release) */
    struct fleet_change changes[FLEET_CHANGES_MAX];
    uint32_t num_changes;
};
size_t fleet_heartbeat_encode(const struct fleet_heartbeat *heartbeat, uint8_t *ret_bytes, size_t cap);
HF_MUST bool fleet_heartbeat_decode(struct span bytes, struct fleet_heartbeat *ret_heartbeat);

struct fleet_event {
    enum fleet_event_type type;
    ns_t now; /* of a clock that goes on while the machine sleeps */
    union {
        struct store_done store;
        struct store_record record;
        struct fleet_heartbeat heartbeat;
        struct {
            enum fleet_shard_news news;
            uint16_t shard, epoch;
            enum store_result result; /* FLEET_SHARD_FAILED */
        } shard;
    };
};

enum fleet_effect_type {
    FLEET_EFFECT_STORE,     /* an operation of the fleet's own */
    FLEET_EFFECT_HEARTBEAT, /* to a node */
    FLEET_EFFECT_TAKE,      /* let the core of the shard's worker claim it (EVENT_SHARD). A shard that it has
                               already is claimed anew, and written anew: the store forgot */
    FLEET_EFFECT_GIVE,      /* let it write its sessions and release it */
    FLEET_EFFECT_DROP,      /* let it forget the shard: another has it */
    FLEET_EFFECT_LEASE,     /* whether new sessions and exchanges may be started (EVENT_LEASE) */
    FLEET_EFFECT_ROW,       /* steering: who has the shard, and who if not; all rows are {0, 0} at first */
    FLEET_EFFECT_MEMBER,    /* a node came, changed, is silent, or went */
    FLEET_EFFECT_NEWS,      /* for the log */
};

enum fleet_news {
    FLEET_NEWS_JOINED,     /* we have a lease */
    FLEET_NEWS_LEASE_LOST, /* not renewed in time: nothing new is begun; cause says why */
    FLEET_NEWS_LEASE_REGAINED,
    FLEET_NEWS_NODE_ID_TAKEN, /* another process has the lease of our node number */
    FLEET_NEWS_NODE_UP,
    FLEET_NEWS_NODE_SILENT, /* no heartbeats: steered around */
    FLEET_NEWS_NODE_ALONE, /* heard, but without a lease: it does not reach the store, and keeps its shards */
    FLEET_NEWS_NODE_DEAD,  /* silent, and its lease is gone: its shards are taken over */
    FLEET_NEWS_NODE_DRAINS,
    FLEET_NEWS_TAKEN_OVER,  /* `count` shards of a dead node; once all are ours, with the time it took */
    FLEET_NEWS_GIVEN,       /* `count` shards handed over to other nodes */
    FLEET_NEWS_LOST,        /* `count` shards lost to a higher epoch */
    FLEET_NEWS_DRAINED,     /* the last shard is given */
    FLEET_NEWS_DRAIN_ALONE, /* nothing is given: there is no other live node, or all of them drain */
    FLEET_NEWS_VIEW_BAD,    /* what the store holds of members or owners makes no sense */
};

struct fleet_effect {
    enum fleet_effect_type type;
    union {
        struct store_op store;
        struct {
            uint16_t to;
            struct ip_addr address;
            struct fleet_heartbeat heartbeat;
        } heartbeat;
        struct {
            uint16_t shard;
            uint16_t epoch; /* FLEET_EFFECT_TAKE: the claimed epoch must be above this one; FLEET_EFFECT_DROP:
                               the other's, at least ours */
            uint16_t to;    /* FLEET_EFFECT_GIVE: who will take it; 0: whoever comes */
        } shard;
        struct { /* FLEET_EFFECT_LEASE: at each renewal, and when it ends */
            bool may_begin;
            ns_t until; /* of the events' clock: from then on not, even when nobody has said so */
        };
        struct {
            uint16_t shard, primary, secondary; /* nodes; 0: nobody */
        } row;
        struct {
            struct fleet_member member;
            bool is_alive; /* packets for it are sent there */
            bool is_gone;  /* forget it */
        } member;
        struct {
            enum fleet_news news;
            enum cause cause;
            uint16_t node;
            uint32_t count;
            ns_t took;
        } news;
    };
};

struct fleet_effects {
    struct fleet_effect
        v[FLEET_EFFECTS_MAX]; /* what does not fit comes with the next event: the deadline is now */
    uint32_t count;
};

struct fleet;
size_t fleet_bytes(const struct fleet_config *config);
struct fleet *fleet_init(void *memory, const struct fleet_config *config);
void fleet_step(struct fleet *fleet, const struct fleet_event *event, struct fleet_effects *ret_effects);
ns_t fleet_deadline(const struct fleet *fleet);

/* ---- views, for the CLI and metrics */

enum fleet_member_state {
    FLEET_MEMBER_LIVE,   /* has a lease and is heard */
    FLEET_MEMBER_SILENT, /* has a lease, is not heard */
    FLEET_MEMBER_ALONE,  /* is heard, has no lease */
    FLEET_MEMBER_DEAD,   /* neither */
};

struct fleet_member_view {
    struct fleet_member member;
    enum fleet_member_state state;
    ns_t heard;                        /* ago; NS_NEVER */
    uint32_t owned, wanted, secondary; /* shards it owns, should own, would take over */
    uint64_t view;
};
uint32_t fleet_members(const struct fleet *fleet, ns_t now, struct fleet_member_view *ret_views,
                       uint32_t cap);

struct fleet_shard_view {
    uint16_t owner, wanted, secondary, epoch;
    bool is_moving; /* taken or given at this moment */
};
struct fleet_shard_view fleet_shard(const struct fleet *fleet, uint16_t shard);

struct fleet_status {
    bool has_lease, is_draining, is_left;
    ns_t lease_left;
    uint64_t view;
    uint32_t owned, wanted, taking, giving;
    uint64_t taken_total, given_total, lost_total, failed_total;
};
void fleet_status(const struct fleet *fleet, ns_t now, struct fleet_status *ret_status);

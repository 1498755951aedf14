/* The world around one gateway: the real core on a virtual clock, clients, a network, a store and a data
 * plane that fail on demand, and checkers that watch from outside. One thread, integers, and the same seed
 * gives the same run. */
#pragma once

#include "edge/core/core.h"
#include "tests/lib/check.h"
#include "tests/lib/initiator.h"
#include "tests/lib/net_model.h"
#include "tests/lib/plane_model.h"
#include "tests/lib/policy.h"
#include "tests/lib/rand.h"
#include "tests/lib/store_model.h"

enum {
    WORLD_CLIENTS = 4,
    WORLD_ITEMS = 256,
    WORLD_SHARDS = 4,
    WORLD_SHARD_BITS = 4,
    WORLD_SESSIONS = 32,
    WORLD_HALF_OPEN = 8,
    WORLD_NODES = 2,
    WORLD_ALL_SHARDS = 1 << WORLD_SHARD_BITS
};

#define WORLD_START_NS (1000 * NS_PER_S)
#define WORLD_START_UNIX_S INT64_C(1800000000)

enum item_type { ITEM_TO_GATEWAY, ITEM_TO_CLIENT, ITEM_STORE, ITEM_PLANE };

/* Something that is under way. */
struct item {
    enum item_type type;
    ns_t at;
    uint64_t seq;  /* order of items of one time */
    uint32_t node; /* whose operation it is */
    struct endpoint from, to;
    bool natt;
    uint8_t *bytes; /* allocated: a datagram, or a record's value */
    size_t len;
    uint32_t number; /* of the datagram, since arming */
    bool forged;     /* a damaged copy: must change nothing */
    struct store_op store;
    bool applied;
    enum store_result result;
    uint16_t epoch;
    struct plane_op plane;
    struct plane_child install;
};

/* Bugs that the world plants, to see whether the checkers find them. */
enum planted {
    PLANTED_NONE,
    PLANTED_EPOCH_BACK,      /* the store gives an epoch a second time */
    PLANTED_FORGETS_PUTS,    /* the store says yes and writes nothing */
    PLANTED_KEEPS_DELETED,   /* the store keeps deleted records */
    PLANTED_FORGETS_INSTALL, /* the plane says yes and installs nothing */
    PLANTED_KEEPS_REMOVED,   /* the plane keeps removed SAs */
    PLANTED_EARLY_SEND,      /* plane and store answer before they have done anything */
    PLANTED_LEASE_LOST,      /* an address is leased that no session has */
    PLANTED_WINDOW,          /* the window is set back, so that a repeated request is taken for a new one */
    PLANTED_UNCHECKED_ICV,   /* a forged datagram moves the SA's window */
    PLANTED_TIMER,           /* the host does not deliver timers */
    PLANTED_GAUGE,           /* a gauge counts wrong */
    PLANTED_COUNT,
};

struct world_options {
    uint64_t seed;
    uint32_t nodes;    /* 2: a fleet, and each shard is where world_shard() brings it; 0: one gateway */
    bool certificates; /* client 0 logs in by certificate */
    bool mobike;       /* clients know MOBIKE */
    bool no_nat;       /* no UDP encapsulation is forced */
    bool store_early;  /* an operation is done when it is asked for, and answered later */
    enum policy_store_failure store_failure;
    uint32_t cookie_threshold;
    ns_t ike_rekey;   /* ... of the IKE SA */
    ns_t child_rekey; /* the gateway's soft lifetime of children; 0: it waits for the client */
    bool wrong_ke;    /* clients begin with a group that the gateway does not want */
    enum planted planted;
    bool verbose; /* the trace goes to stdout */
};

/* A gateway that is not the one in hand (world_enter()). */
struct world_node {
    struct core_config config;
    struct core *core;
    void *core_memory, *pool_memory;
    struct plane_model plane;
    bool is_down;
};

struct world {
    struct world_options options;
    /* core, config, plane below are of node `at`; of the others here. */
    uint32_t at;
    struct world_node others[WORLD_NODES];
    uint8_t steer[WORLD_ALL_SHARDS];                         /* which node gets a shard's datagrams */
    uint32_t door;                                           /* and which the first messages */
    struct effect_shard news[WORLD_NODES][WORLD_ALL_SHARDS]; /* the last of each shard */
    uint32_t num_news[WORLD_NODES][FLEET_SHARD_LOST + 1];
    struct sim_rand rand, client_rand, fate; /* of the core, of the clients, of all that fails by chance */
    ns_t now;
    struct test_policy policy;
    struct core_config config;
    struct core *core;
    void *core_memory, *pool_memory;
    struct effects effects;
    uint16_t shards[WORLD_SHARDS];
    struct initiator *clients[WORLD_CLIENTS];
    uint32_t num_clients;
    struct item items[WORLD_ITEMS];
    uint32_t num_items;
    uint64_t next_seq;
    struct net_model net;
    struct store_model store;
    struct plane_model plane;
    struct check check;
    uint32_t events;      /* handled since arming */
    uint32_t crash_at;    /* the gateway restarts before this event; 0: never */
    uint32_t starve_at;   /* the core finds no block for any message in this event; 0: never */
    uint32_t crash_again; /* and once more after so many; 0: not */
    uint32_t restarts;
    uint64_t trace_hash;
    uint32_t audits[AUDIT_READY + 1];
    enum cause last_login_cause;
};

/* Makes a node the one in hand. */
void world_enter(struct world *world, uint32_t node);
/* The fleet's wish to a node's core, and its lease. */
void world_shard(struct world *world, uint32_t node, enum shard_wish wish, uint16_t shard, uint16_t epoch);
void world_lease(struct world *world, uint32_t node, bool may_begin);
/* The node's process ends; its lease is over at once. */
void world_kill(struct world *world, uint32_t node);

/* Memory comes from malloc; ends the program when there is none. */
struct world *world_new(const struct world_options *options);
void world_free(struct world *world);

/* A further client; its index. `name` is its identity, "alice@example.net". */
uint32_t world_add_client(struct world *world, const char *name);
struct initiator_config world_client_config(struct world *world, const char *name);

/* Faults count from here on. */
void world_arm(struct world *world);
void world_arm_net(struct world *world, const struct net_faults *faults);
void world_heal(struct world *world);

/* The earliest thing that is due, until `until`; false when there is none and the clock stands there. */
bool world_step(struct world *world, ns_t until);
void world_run(struct world *world, ns_t duration);
/* Until every client is idle and nothing is under way, at most `duration`; false when it did not come to
 * that. */
bool world_settle(struct world *world, ns_t duration);
bool world_is_quiet(const struct world *world);
/* Connects a client and waits, with retries of a refused login; true when it is up. */
bool world_connect(struct world *world, uint32_t client);
/* Ends the core and starts another on the same store: what was under way with the store is lost, or was done,
 * as options.store_early says. */
void world_restart(struct world *world);
/* Hands an event to the core at once. */
void world_event(struct world *world, struct event *event);
/* A datagram out of nowhere. */
void world_inject(struct world *world, const struct endpoint *from, bool natt, struct span bytes,
                  bool forged);
/* The same policy again, as a reload of an unchanged config hands it over. */
void world_reload(struct world *world);
/* The operator's word; 0: the first session there is. */
void world_disconnect(struct world *world, uint64_t session_id);
int64_t world_unix_s(const struct world *world);

/* One line of the trace: hashed, and printed when asked for. */
HF_PRINTF(2, 3) void world_trace(struct world *world, const char *format, ...);

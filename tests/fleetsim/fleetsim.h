/* A fleet in one thread on a virtual clock: each node is the real fleet engine with a light core, which keeps
 * sessions as the real one does but knows no IKE; a store that fails, links that lose, clients that are moved
 * from node to node by anycast. Checkers watch from outside. The same scenario gives the same run. */
#pragma once

#include "edge/session/fleet.h"
#include "tests/lib/rand.h"

#include <stdio.h>

enum {
    SIM_NODES = 24, /* numbers 1.. */
    SIM_BITS = 4,
    SIM_SHARDS = 1 << SIM_BITS,
    SIM_SESSIONS = 64, /* of one shard */
    SIM_CLIENTS = 64,
    SIM_DEEDS = 256,
    SIM_HELD = 64, /* requests that a node keeps while a shard is on its way */
    SIM_RECORD_BYTES = 24,
    SIM_TEXT = 256,
};

#define SIM_LEASE NS_PER_S
#define SIM_HEARTBEAT (200 * NS_PER_MS)
#define SIM_START (1000 * NS_PER_S)

/* ---- what happens: a list of deeds, which a failing run can be shortened by */

enum deed_kind {
    DEED_CRASH,    /* node a, back after `lasts` */
    DEED_PAUSE,    /* node a does not run */
    DEED_CUT,      /* node a does not reach the store */
    DEED_DOWN,     /* nobody does */
    DEED_SLOW,     /* the store answers slowly */
    DEED_UNKNOWN,  /* some operations end without an answer, done or not */
    DEED_FAILOVER, /* the store loses what was written in the last `lasts` */
    DEED_WIPE,     /* the store loses all */
    DEED_SPLIT,    /* nodes a and b do not hear each other */
    DEED_APART,    /* nodes up to a do not hear those above it */
    DEED_LOSS,     /* every link loses datagrams */
    DEED_DRAIN,    /* node a drains, and no longer after `lasts` */
    DEED_LEAVE,    /* node a ends in order, back `lasts` after that */
    DEED_FLIP,     /* client a's packets arrive at node b */
    DEED_FLAP,     /* client a's packets change between node b and its own, each 100 ms */
    DEED_KINDS,
};

struct deed {
    enum deed_kind kind;
    uint32_t at_ms, lasts_ms;
    uint32_t a, b;
};

/* Bugs that are planted to see whether they are found. */
enum fleet_planted {
    SIM_HEALTHY,
    SIM_SKIPS_FENCE,     /* the store writes for whoever asks */
    SIM_REUSES_EPOCH,    /* the store gives the same epoch again */
    SIM_TWO_TAKERS,      /* the store gives shards of nodes that live */
    SIM_NO_LEASE,        /* the core begins sessions whatever the engine says of the lease */
    SIM_FORGETS_RELEASE, /* the core says that it gave, and did not release */
    SIM_ANSWERS_EARLY,   /* the core answers before it has written */
    SIM_FORGETS_NUMBERS, /* a hand-over does not write the exact numbers */
    SIM_FORGETS_SEEN,    /* claims do not ask for more than was seen */
    SIM_IV_WITHOUT_NODE, /* the same, and IVs do not name the node */
    SIM_KEEPS_LOST,      /* the core goes on with a shard that another has */
    SIM_DEAF,            /* heartbeats' changes get lost, and views too */
    SIM_PLANTED,
};

struct scenario {
    uint64_t seed;
    uint32_t num_nodes, num_sites, num_clients, duration_ms;
    uint32_t drift_permille; /* clocks run up to so much too fast or too slow */
    uint32_t late_nodes;     /* the last so many start in the middle */
    bool mixed_versions;     /* every other node is of a newer version */
    enum fleet_planted planted;
    struct deed deeds[SIM_DEEDS];
    uint32_t num_deeds;
};

/* scenario.c */
void scenario_draw(struct scenario *scenario, uint64_t seed);
void scenario_print(const struct scenario *scenario, FILE *file);
HF_MUST bool scenario_read(struct scenario *ret_scenario, FILE *file);
const char *planted_name(enum fleet_planted planted);

/* ---- the store */

struct sim_member {
    bool is_known;
    uint64_t instance;
    ns_t lease_until;
    uint8_t value[FLEET_MEMBER_BYTES_MAX];
    size_t len;
};

struct sim_record {
    bool is_used;
    uint16_t epoch;
    uint8_t bytes[SIM_RECORD_BYTES];
};

struct sim_store {
    struct sim_member members[SIM_NODES + 1];
    uint16_t owners[SIM_SHARDS], epochs[SIM_SHARDS], fences[SIM_SHARDS];
    uint64_t view;
    struct sim_record records[SIM_SHARDS][SIM_SESSIONS];
};

struct sim;
struct sim_answer {
    struct store_done done;
    struct sim_store *seen; /* STORE_VIEW and STORE_SCAN: allocated copy */
};
/* Carries an operation of a node out. */
struct sim_answer store_carry_out(struct sim *sim, uint16_t node, uint64_t instance,
                                  const struct store_op *op);
void store_lose(struct sim *sim, const struct sim_store *before);

/* ---- light sessions and their clients */

enum request_kind { REQUEST_CREATE, REQUEST_PING, REQUEST_WRITE };

struct request {
    uint32_t client;
    enum request_kind kind;
    uint16_t shard; /* not of REQUEST_CREATE */
    uint16_t index;
    uint64_t key; /* of the session: its client's own */
    uint32_t id;
    uint8_t hops;
    uint16_t from; /* node that sent it on; 0: the client */
};

struct reply {
    uint32_t client, id;
    uint16_t shard, index;
    uint64_t key;
    uint32_t version; /* how often it was written */
};

struct session {
    bool is_used, is_dirty, is_writing;
    uint64_t key;
    uint32_t client, version, last_id;
    uint64_t sealed;     /* under its key, since it was read */
    uint32_t answer_due; /* id of the request that waits for the write; 0: none */
};

enum light_state { LIGHT_NONE, LIGHT_CLAIMING, LIGHT_SCANNING, LIGHT_OWNED, LIGHT_GIVING, LIGHT_RELEASING };

struct light_shard {
    enum light_state state;
    uint16_t epoch;
    bool is_again; /* LIGHT_CLAIMING, LIGHT_OWNED: claimed while it was ours */
    ns_t give_until;
    struct session sessions[SIM_SESSIONS];
};

struct light {
    struct light_shard shards[SIM_SHARDS];
    uint64_t counter;     /* of IVs */
    ns_t may_begin_until; /* by the node's clock */
    ns_t retry_at;
};

struct held {
    bool is_used;
    ns_t until;
    struct request request;
};

struct node {
    uint16_t number;
    bool is_up, is_newer, is_leaving;
    uint64_t instance;
    uint32_t life; /* how often it was started: what comes for an earlier life is dropped */
    int32_t drift_ppm;
    ns_t paused_until, cut_until;
    ns_t born_at;    /* the world's time at which its clock said SIM_START */
    ns_t store_last; /* operations keep their order */
    struct fleet *fleet;
    struct fleet_effects *effects;
    struct light *light;
    struct sim_rand rand;
    uint16_t rows[SIM_SHARDS][2];
    bool alive[SIM_NODES + 1];
    struct held held[SIM_HELD];
};

struct client {
    bool is_up, is_excused; /* a store that lost acknowledged writes: its state may be older */
    uint16_t pop, home;
    uint16_t flap; /* 0: none */
    ns_t flap_until;
    uint16_t shard, index;
    uint64_t key;
    uint32_t version, id; /* of the request in flight, or the last one */
    bool is_waiting;
    enum request_kind kind;
    ns_t next_at, asked_at;
    uint32_t answered;
    ns_t longest; /* wait for an answer */
};

enum item_type {
    ITEM_STORE,
    ITEM_ANSWER,
    ITEM_BEAT,
    ITEM_NEWS,
    ITEM_REQUEST,
    ITEM_REPLY,
    ITEM_DEED,
    ITEM_END
};

struct item {
    ns_t at;
    uint64_t seq;
    enum item_type type;
    uint16_t node, from;
    bool of_engine; /* ITEM_STORE, ITEM_ANSWER: not of the core */
    uint32_t life;
    uint64_t instance;
    union {
        struct {
            struct store_op op;
            enum store_result fate; /* STORE_OK: it arrives */
            bool is_done;           /* fate STORE_UNKNOWN: carried out all the same */
        } store;
        struct sim_answer answer;
        struct request request;
        struct reply reply;
        struct fleet_event news; /* of the core for the engine */
        uint32_t deed;
    };
    size_t len;
    uint8_t *bytes; /* allocated: a heartbeat, an operation's value */
};

struct sim {
    struct scenario scenario;
    bool verbose;
    ns_t now, until;
    struct sim_rand fate;
    struct node nodes[SIM_NODES + 1]; /* 0: none */
    struct client clients[SIM_CLIENTS];
    struct sim_store store;
    struct sim_store *snapshot; /* what a failover goes back to */
    struct item **items;        /* binary heap */
    uint32_t num_items, cap_items;
    uint64_t seq;
    uint32_t steps_here; /* since the clock moved */
    /* Faults of the moment. */
    ns_t down_until, slow_until, unknown_until, loss_until, apart_until;
    uint16_t apart;
    ns_t split_until[SIM_NODES + 1][SIM_NODES + 1];
    /* What the checkers know. */
    char id[8], text[SIM_TEXT];
    uint64_t *seals; /* hash set */
    uint32_t num_seals, cap_seals;
    uint16_t claims_top[SIM_SHARDS];            /* highest epoch ever given */
    uint64_t claims[SIM_SHARDS][SIM_NODES + 1]; /* last epoch that this node got */
    bool has_lost;                              /* the store has lost writes in this run */
    uint64_t events, beats, beat_bytes, store_ops, views, hash;
};

/* sim.c */
struct sim *sim_new(const struct scenario *scenario, bool verbose);
void sim_free(struct sim *sim);
/* Runs the scenario, heals, waits, and looks whether all is well. */
void sim_run(struct sim *sim);
HF_PRINTF(2, 3) void sim_trace(struct sim *sim, const char *format, ...);
HF_PRINTF(3, 4) void sim_fail(struct sim *sim, const char *id, const char *format, ...);
static inline bool sim_failed(const struct sim *sim)
{
    return sim->id[0] != '\0';
}
struct item *item_add(struct sim *sim, enum item_type type, ns_t at);
void item_free(struct item *item);

/* node.c */
void node_start(struct sim *sim, struct node *node);
void node_crash(struct sim *sim, struct node *node);
void node_event(struct sim *sim, struct node *node, struct fleet_event *event);
/* The world's time of its next deadline. */
ns_t node_deadline(const struct sim *sim, const struct node *node);
void node_timer(struct sim *sim, struct node *node);
void node_store(struct sim *sim, struct node *node, const struct store_op *op, bool of_engine);
void node_answer(struct sim *sim, struct node *node, struct item *item);
void node_beat(struct sim *sim, struct node *node, const struct item *item);
ns_t node_clock(const struct sim *sim, const struct node *node);

/* net.c */
void net_store(struct sim *sim, struct item *item); /* an operation arrives at the store */
void net_beat(struct sim *sim, struct node *from, uint16_t to, const struct fleet_heartbeat *heartbeat);
void net_request(struct sim *sim, const struct request *request, uint16_t from, uint16_t to);
void net_reply(struct sim *sim, struct node *from, const struct reply *reply);
/* A request has arrived at a node: it is answered, held or sent on. */
void net_route(struct sim *sim, struct node *node, const struct request *request);
void net_release(struct sim *sim, struct node *node, uint16_t shard);

/* light.c: a core without IKE */
void light_wish(struct sim *sim, struct node *node, enum fleet_effect_type wish, uint16_t shard,
                uint16_t epoch);
void light_answer(struct sim *sim, struct node *node, const struct sim_answer *answer);
void light_request(struct sim *sim, struct node *node, const struct request *request);
void light_timer(struct sim *sim, struct node *node);

/* client.c */
void client_timer(struct sim *sim, uint32_t number);
void client_reply(struct sim *sim, const struct reply *reply);

/* deeds.c */
void deed_do(struct sim *sim, const struct deed *deed);
void deed_end(struct sim *sim, const struct deed *deed);
void deeds_heal(struct sim *sim);

/* check.c */
void check_seal(struct sim *sim, uint64_t key, uint16_t epoch, uint16_t node, uint64_t counter);
void check_claim(struct sim *sim, uint16_t node, uint16_t shard, uint16_t epoch, uint16_t owner_before,
                 bool owner_had_lease);
void check_put(struct sim *sim, uint16_t node, uint16_t shard, uint16_t epoch);
void check_begin(struct sim *sim, const struct node *node);
void check_end(struct sim *sim);

/* scale.c: what a large fleet costs, printed; the program's exit code. */
int scale_report(void);

/* Shared by the files of a worker alone: worker.c (memory, thread, loop), intake.c (datagrams), effects.c
 * (what the engine wants done), answer.c (what the main thread asks). */
#pragma once

#include "edge/daemon/held.h"
#include "edge/daemon/worker.h"

enum {
    WORKER_BATCH_MAX = 64,       /* completions, then the batch is sent */
    WORKER_TUN_BATCH_MAX = 64,   /* packets, or super-packets, of one round */
    WORKER_ROOMS_PER_PACKET = 2, /* a super-packet and its overhead exceed one room */
    WORKER_LATER_MAX = 1024,     /* events that wait for the end of the step that caused them */
    WORKER_STORE_BATCH = 32,
    WORKER_TIMERS_MAX = 64,             /* of one round */
    WORKER_NEWCOMERS_BYTES = 256 << 10, /* some 400 first messages, in each queue */
};

/* Anybody can fail to log in, as often as they like; the log has room for so many lines. */
enum { FAILURES_BURST = 100, FAILURES_PER_S = 20 };

struct log_budget {
    ns_t refilled;
    uint32_t lines, withheld;
};

/* In a fleet: where each of the worker's shards is, and packets that wait for those on their way. */
struct worker_shards {
    bool in_fleet;
    uint32_t first, count;
    uint8_t *places; /* enum place, by shard - first */
    ns_t *moved;     /* when it came or went, last; 0: it never did */
    struct held outer, inner;
    uint8_t *held_memory;
    ns_t look;                 /* at what is held, next */
    bool has_moved;            /* something, since the last look */
    struct effect_shard *news; /* for the main thread, which may be slow: a ring */
    uint32_t news_first, news_count, news_cap;
};

struct worker {
    struct worker_config config;
    struct worker_shared *shared;
    struct mesh_port port;
    struct steer steer; /* a copy: keys change at a time of our own */
    pthread_t thread;
    bool started;

    struct ring ring;
    struct udp *udp;
    struct tun_queue *tun;
    uint64_t bell; /* the eventfd is read into it */
    struct core *core;
    const struct policy *policy; /* in force */
    struct worker_shards shards;
    struct plane_user *plane;
    void *core_memory, *plane_memory, *pool_memory;
    size_t core_size, plane_size, pool_size;

    ns_t now; /* of this round */
    int64_t wall_ns;
    struct effects effects;
    struct event later[WORKER_LATER_MAX];
    uint32_t later_first, later_count;
    uint64_t removed_in, removed_out; /* by children that this step removed */
    uint32_t store_under_way;
    bool is_stopping;
    ns_t stop_at;
    uint64_t handed_over, forwarded;
    uint64_t rounds[ROUND_BUCKETS], rounds_ns; /* how long they took: who comes in meanwhile waits */
    uint64_t drops[CAUSE_COUNT];               /* of the worker itself: mailbox full, too long, keepalives */
    struct log_budget unknown_failures, known_failures; /* before and after a peer said who it is */
    struct mailbox newcomers[2]; /* first messages that wait: with a cookie that holds, and without */
    uint32_t proven_in_a_row;
    uint8_t *newcomers_memory;
    bool wants_cookies; /* of the steering program */
    ns_t wanted_until;
    uint32_t cookie_threshold; /* as in the policy in force */
    uint8_t *answer;           /* MESH_MESSAGE_MAX, for answers in the making */

    _Atomic uint64_t heartbeat;
    _Atomic bool is_ready;
    _Atomic(const struct policy *) released;
    _Atomic(const char *) failure;
    _Atomic int failure_error;
};

/* effects.c */
/* One event through the engine, its effects carried out in order, then all events that follow from them. */
void worker_step(struct worker *worker, const struct event *event);
/* Delivers what the data plane said. */
void worker_step_later(struct worker *worker);
/* Completions of the store, until there is none. */
void worker_store_poll(struct worker *worker);
struct plane_host worker_plane_host(struct worker *worker);

/* A client has its only session with another worker. */
void worker_replaced(struct worker *worker, const struct mail_replaced *mail);
/* Says how many lines were withheld, once the budget has room for that again. */
void worker_log_withheld(struct worker *worker);

/* shards.c */
/* False without memory. */
HF_MUST bool worker_shards_init(struct worker *worker);
void worker_shards_free(struct worker *worker);
void worker_shard_wish(struct worker *worker, const struct event_shard *wish);
/* What the engine says of a shard; it goes to the main thread, too. */
void worker_shard_news(struct worker *worker, const struct effect_shard *news);
/* Once a round: news leave, packets whose shard has come or gone are worked on. */
void worker_shards_round(struct worker *worker);
/* When the next round is due for it; NS_NEVER. */
ns_t worker_shards_deadline(const struct worker *worker);
/* Takes a client's packet whose shard is not here; false when it is. */
HF_MUST bool worker_is_held(struct worker *worker, const struct mail_datagram *mail, struct span bytes);
/* Takes an inner packet whose shard is not here; false when it is, or when it is nobody's. */
HF_MUST bool worker_is_inner_held(struct worker *worker, const uint8_t *packet, size_t len);

/* intake.c */
/* One datagram, or several, on to another node. */
void worker_forward(struct worker *worker, const struct datagram *datagram, const struct datagram_run *run,
                    uint16_t node);
/* Whose packet it is by the shard table: another node's number, or our own for what is served, or waits,
 * here. */
uint16_t worker_owner(const struct worker *worker, const struct datagram *datagram, uint32_t shard);
void worker_datagram(struct worker *worker, const struct datagram *datagram);
void worker_mail_datagram(struct worker *worker, struct mail_datagram *mail);
void worker_tun_read(struct worker *worker);

/* newcomers.c */
/* Takes a first message, to be worked on when there is time for it. */
void worker_newcomer(struct worker *worker, enum first_message kind, const struct event_datagram *datagram);
bool worker_has_newcomers(struct worker *worker);
/* Tells the steering program whether to ask for cookies; the end withdraws what was said. */
void worker_cookies(struct worker *worker);
void worker_cookies_end(struct worker *worker);
/* Works on them for a bounded time. */
void worker_newcomers(struct worker *worker);

/* worker.c */
ns_t worker_clock(void); /* CLOCK_BOOTTIME */

/* answer.c */
void worker_ask(struct worker *worker, const struct mail_ask *ask);

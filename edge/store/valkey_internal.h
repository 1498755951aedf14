/* The parts of the Valkey store. All of it is of one thread, but the resolver's and what store.h calls.
 *
 * A thread of its own and not the worker's ring: names, TLS and failover stay off the packet path, one
 * connection to each server serves all workers, and the embedded store works in the same way, so that a
 * worker knows one kind of completion. What it costs is two wake-ups an operation; under load they serve
 * many.
 *
 * valkey_job.c     operations, as steps that are one command each
 * valkey_lane.c    the order of operations of one shard
 * valkey_link.c    a connection: name, socket, TLS
 * valkey_stream.c  commands out, answers in
 * valkey_greet.c   what is asked of a server before it is used, and now and then afterwards
 * valkey_route.c   which server a command goes to; retries
 * valkey_script.c  the atomic steps, as they run in the server
 * valkey_resolve.c names to addresses, in a thread that may hang */
#pragma once

#include "edge/crypto/tls.h"
#include "edge/store/valkey.h"
#include "edge/store/internal.h"

#include <hiredis/hiredis.h>
#include <netdb.h>
#include <sys/socket.h>

enum {
    VALKEY_SLOTS = 16384, /* of a cluster */
    VALKEY_NO_LINK = 255,
    VALKEY_NAME_MAX = 256,
    VALKEY_ADDRESSES_MAX = 8,
    VALKEY_SHARDS = UINT16_MAX + 1,
    VALKEY_KEY_MAX = 64,
    VALKEY_SEALED_BYTES = 16384,
    VALKEY_ONCE_BYTES_MAX = 64, /* of a value; what is longer is seen by its beginning */
    VALKEY_ONCE_KEY_MAX = VALKEY_KEY_MAX + 2 * VALKEY_ONCE_BYTES_MAX,
    SCAN_BATCH = 256, /* records asked for in one command */
};

struct valkey;
struct job;

/* ---- scripts */

enum valkey_script {
    SCRIPT_LEASE,
    SCRIPT_UNLEASE,
    SCRIPT_FORGET,
    SCRIPT_VIEW,
    SCRIPT_CLAIM,
    SCRIPT_RELEASE,
    SCRIPT_FENCE,
    SCRIPT_UNFENCE,
    SCRIPT_WRITE,
    SCRIPTS,
};
const char *script_text(enum valkey_script script);
#define SCRIPT_SHA_BYTES 40
#define SCRIPT_ERROR "HOLDFAST " /* begins those that a script makes itself; then comes the key */

/* ---- the resolver */

struct resolver;
struct valkey_address {
    struct sockaddr_storage address;
    socklen_t len;
};
/* Starts a look-up of its own thread, which writes to `event_fd` when it is done; NULL: cannot. */
struct resolver *resolver_start(const char *host, uint16_t port, int event_fd);
/* False while it goes on. Else the number of addresses, 0 with an error text. */
bool resolver_done(struct resolver *resolver, struct valkey_address *ret_addresses, size_t *ret_count,
                   const char **ret_error);
/* Also while it goes on: the thread frees what is left. */
void resolver_free(struct resolver *resolver);

/* ---- links */

enum link_state {
    LINK_DOWN, /* until retry_at */
    LINK_RESOLVING,
    LINK_CONNECTING,
    LINK_SECURING, /* TLS handshake */
    LINK_GREETING,
    LINK_READY,
};

enum ask {
    ASK_JOB, /* the step of a job */
    ASK_AUTH,
    ASK_SCRIPT,
    ASK_INFO,
    ASK_SLOTS,
    ASK_NOTHING, /* the answer is of no interest: ASKING */
};

/* A command on its way: in what order answers come, and what for. */
struct asked {
    struct asked *next;
    enum ask ask;
    uint8_t script;  /* ASK_SCRIPT */
    struct job *job; /* ASK_JOB */
    uint64_t begins; /* in the stream of bytes to the server */
    ns_t at;
};

struct link {
    uint8_t number;
    bool is_used, is_configured;
    char host[VALKEY_NAME_MAX];
    uint16_t port;
    enum link_state state;
    ns_t state_until; /* LINK_DOWN: try again; others but READY: give up */
    ns_t back_off;
    struct resolver *resolver;
    struct valkey_address addresses[VALKEY_ADDRESSES_MAX];
    size_t num_addresses, address;
    int fd;
    uint64_t connection; /* its number, of all in this process */
    struct tls *tls;
    redisReader *reader;
    uint8_t *out; /* bytes to be sent */
    size_t out_len, out_capacity;
    uint64_t out_begins;                 /* where `out` begins in the stream */
    uint8_t sealed[VALKEY_SEALED_BYTES]; /* by TLS, to be sent */
    size_t sealed_len, sealed_sent;
    struct asked *first_asked, *last_asked;
    uint32_t greetings; /* that are not answered yet */
    size_t unanswered_bytes;
    ns_t info_at; /* of the next INFO */
    bool info_under_way, slots_under_way;
    /* what it says of itself */
    bool is_primary, is_cluster;
    uint64_t replicas, offset;
};

void link_init(struct valkey *v, struct link *link, const char *host, uint16_t port, bool is_configured);
/* What time brings: connecting, giving up. */
void link_tick(struct valkey *v, struct link *link);
/* When the link wants to be called at the latest. */
ns_t link_deadline(const struct valkey *v, const struct link *link);
short link_events(const struct link *link);
void link_io(struct valkey *v, struct link *link, short events);
void link_read(struct valkey *v, struct link *link);
/* Sends what is buffered. */
void link_flush(struct valkey *v, struct link *link);
/* Ends the connection; its commands are answered as far as can be said. */
void link_fail(struct valkey *v, struct link *link, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void link_free(struct link *link);
/* Queues a command; false: no memory, and the link has failed. */
bool link_ask(struct valkey *v, struct link *link, enum ask ask, struct job *job, int argc, const char **argv,
              const size_t *lens);

/* ---- greeting and route */

void greet_begin(struct valkey *v, struct link *link);
void greet_scripts(struct valkey *v, struct link *link);
void greet_answer(struct valkey *v, struct link *link, const struct asked *asked, const redisReply *reply);
void greet_tick(struct valkey *v, struct link *link);

void route_tick(struct valkey *v);
/* The link for a slot when it is ready, else NULL. */
struct link *route_link(struct valkey *v, uint16_t slot);
uint16_t route_slot(const char *key, size_t len);
/* A server that others named; NULL when there are too many. */
struct link *route_server(struct valkey *v, const char *host, uint16_t port);
void route_slots(struct valkey *v, struct link *from, const redisReply *reply);
/* After an answer that says to try again, or elsewhere: true when `error` is one. */
bool route_retry(struct valkey *v, struct link *link, struct job *job, const char *error);
/* Sends what waits and can go. */
void route_pump(struct valkey *v);
/* Puts a job where it waits for its link, in the order of submission. */
void route_wait(struct valkey *v, struct job *job);
ns_t route_deadline(const struct valkey *v);

/* ---- jobs */

struct job_list {
    struct job *first, *last;
    uint32_t count;
};

enum step {
    STEP_ONLY,       /* operations of one command */
    STEP_CLAIM,      /* in the owners' table */
    STEP_CLAIM_WAIT, /* for replicas */
    STEP_UNFENCE,    /* the shard is empty: its epochs may begin again */
    STEP_FENCE,      /* on the shard's own tag */
    STEP_FENCE_WAIT,
    STEP_KEYS, /* of a scan: which records there are */
    STEP_RECORDS,
};

struct job {
    struct job *next;
    struct store_item *item;
    uint64_t number; /* order of submission */
    enum step step;
    ns_t until; /* of this step */
    unsigned tries;
    uint16_t slot;
    uint8_t asking; /* link to ask once (ASK), or VALKEY_NO_LINK */
    uint16_t floor; /* of a claim */
    bool epochs_begin_again, in_lane, was_sent;
    unsigned fences;   /* that were refused */
    uint8_t wait_link; /* which the step before went to: its replicas are waited for */
    uint64_t wait_connection;
    uint32_t *indexes; /* of a scan, ascending */
    size_t num_indexes, next_index;
};

struct job *job_new(struct valkey *v, struct store_item *item);
/* Formats the command of its step and gives it to the link. */
void job_ask(struct valkey *v, struct link *link, struct job *job);
void job_answer(struct valkey *v, struct link *link, struct job *job, const redisReply *reply);
/* Its command was not sent, or sent and not answered. */
void job_lost(struct valkey *v, struct job *job, bool was_sent);
/* Nothing has taken it for too long. */
void job_expire(struct valkey *v, struct job *job);
/* May a scan go on: its worker has room. */
bool job_has_room(struct valkey *v, const struct job *job);
void job_finish(struct valkey *v, struct job *job, enum store_result result);
void job_free(struct job *job);

void jobs_append(struct job_list *list, struct job *job);
struct job *jobs_take(struct job_list *list);

/* ---- lanes */

struct lane {
    struct job_list waiting;
    uint32_t running;
    bool is_closed; /* a claim or release runs, alone */
};
void lane_enter(struct valkey *v, struct job *job);
void lane_leave(struct valkey *v, struct job *job);

/* ---- the store */

struct valkey {
    struct store store;
    pthread_t thread;
    int wake_fd;
    /* under the lock */
    struct store_list queue; /* submitted, in order */
    bool closing, is_woken;
    uint32_t scans_waiting;
    /* options */
    enum store_valkey_mode mode; /* AUTO until a server has said what it is */
    char fleet[VALKEY_KEY_MAX / 2 + 1], user[128], tls_name[VALKEY_NAME_MAX];
    char *password;
    size_t password_len;
    struct tls_config *tls;
    uint16_t node;
    uint64_t instance;
    uint32_t num_shards, min_replicas;
    ns_t timeout;
    /* the thread's own */
    ns_t now;
    struct link links[VALKEY_SERVERS_MAX];
    uint8_t slots[VALKEY_SLOTS]; /* cluster: number of the link */
    bool has_slots, slots_are_stale;
    ns_t slots_at;
    uint8_t primary; /* replicated: number of the link, or VALKEY_NO_LINK */
    uint64_t connections;
    uint64_t generation; /* grows when a connection is lost that commands were sent on: valkey_script.c */
    char sha[SCRIPTS][SCRIPT_SHA_BYTES + 1];
    struct lane lanes[VALKEY_SHARDS];
    uint64_t numbers;
    struct job_list pending; /* for a link, in the order of submission */
    struct job_list scans;   /* for room at their workers */
    uint32_t jobs, asked_jobs;
    bool is_held; /* nothing is sent until all that was sent is answered, so that retries keep their order */
    ns_t held_until;
    struct store_list out; /* records and finished items, in order */
    uint64_t random;
    uint64_t bytes_used, bytes_max;
    char error[STORE_ERROR_MAX];       /* of the last operation, "" when it worked */
    char link_error[STORE_ERROR_MAX];  /* why the last connection failed */
    char retry_error[STORE_ERROR_MAX]; /* the last one that a command was sent again after */
    char warning[STORE_ERROR_MAX];     /* of a server's settings */
};

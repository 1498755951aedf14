/* The main thread's state, and what its files do with it. */
#pragma once

#include "edge/daemon/bgp.h"
#include "edge/daemon/fleet_host.h"
#include "edge/daemon/loop.h"
#include "edge/daemon/network.h"
#include "edge/daemon/steer_feed.h"
#include "edge/daemon/store_watch.h"
#include "edge/daemon/stream.h"
#include "edge/daemon/worker.h"
#include "edge/ops/policy_build.h"

/* Exit codes, part of the interface: --help and the unit file name them. */
enum exit_code {
    EXIT_CODE_OK = 0,      /* told to stop, and stopped */
    EXIT_CODE_FAILED = 1,  /* could not start, or a worker failed */
    EXIT_CODE_USAGE = 2,   /* wrong arguments */
    EXIT_CODE_REFUSED = 3, /* the config is refused */
};

struct daemon {
    const char *config_path;
    struct config *config;       /* in force */
    struct config *config_start; /* as at the start, for what no reload changes; may be the same */
    struct policy *policy;
    struct policy *policy_old; /* workers may still refer to it */
    int64_t config_loaded_unix_s;
    bool reload_ok; /* the last one was taken, or there was none */

    struct log log;
    struct loop loop;
    struct loop_source signals, bell;
    struct server control, metrics;
    char *metrics_text; /* the last one made */
    size_t metrics_len;
    ns_t metrics_fresh_until;
    struct worker_shared shared;
    struct store_watch store_watch;
    struct mesh_port port;
    struct worker *workers[WORKERS_MAX];
    uint32_t num_workers;
    uint64_t heartbeats[WORKERS_MAX]; /* as last seen */
    struct network network;
    struct steer_feed feed;
    struct fleet_host fleet;
    struct bgp bgp;
    uint8_t fleet_key[FLEET_KEY_BYTES];

    enum node_state state;
    bool is_stopping;
    bool is_to_be_continued; /* stopped for a restart: steering goes on meanwhile */
    bool failed;
    int64_t started_unix_ns;
    ns_t started, watchdog, watchdog_fed; /* watchdog: interval, 0 without */
    uint64_t ask_token;
    uint8_t *answer; /* MESH_MESSAGE_MAX, the last answer of a worker */
    char ready_text[128];
};

/* daemon.c */
/* Runs until told to stop; an exit_code. `check`: only says whether the config would be taken. */
int daemon_run(const char *config_path, bool check);
ns_t daemon_now(void);
int64_t daemon_wall_ns(void);
/* Reads and checks a config and builds its policy. False with findings in `errors`. */
HF_MUST bool daemon_load(const char *path, uint32_t num_workers, struct config **ret_config,
                         struct policy **ret_policy, struct config_errors *errors);
uint32_t daemon_num_workers(const struct config *config);

/* start.c */
/* Everything up to running workers. False with the reason in the log and on standard error. */
HF_MUST bool daemon_start(struct daemon *d);
/* Takes it all down, in the reverse order; of half a start too. */
void daemon_close(struct daemon *d);

/* ask.c */
/* Asks a worker and waits for its answer, which is valid until the next call; NULL when it does not answer in
 * time. The mail and the token of `ask` are set here. */
const struct mail_answer *daemon_ask(struct daemon *d, uint32_t worker, struct mail_ask *ask);
/* How many SAs have an SPI of each epoch. False when a worker does not answer. */
HF_MUST bool daemon_ask_epochs(struct daemon *d, uint32_t ret_counts[4]);
/* Sends a message to every worker. False when a mailbox is full. */
HF_MUST bool daemon_tell(struct daemon *d, enum mail_type type);

/* Takes what workers have sent by themselves; answers that nobody waits for any more are dropped. */
void daemon_mail_read(struct daemon *d);

/* reload.c */
/* Applies the file at `path` (NULL: the same as before). Answers to `stream` unless it is NULL. */
void daemon_reload(struct daemon *d, const char *path, struct stream *stream);
/* Frees what no worker refers to any more. */
void daemon_release(struct daemon *d);

/* control_server.c, metrics_server.c */
HF_MUST int control_open(struct daemon *d, int fd);
HF_MUST int metrics_open(struct daemon *d, int fd);
/* Rows of an answer, and its end; without a stream (a signal asked) nothing happens. */
void stream_findings(struct stream *stream, const struct config_errors *errors);
void stream_changes(struct stream *stream, const struct config_changes *changes);
void stream_done(struct stream *stream, uint32_t count);
void stream_error(struct stream *stream, const char *error, const char *message);

/* status.c: a picture of the node; freed by status_free(). NULL when a worker does not answer. */
struct status;
struct status *status_new(struct daemon *d);
const struct snapshot *status_snapshot(const struct status *status);
void status_free(struct status *status);

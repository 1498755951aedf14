/* One worker: a thread with its own ring, sockets, TUN device, engine and user plane. What it shares with the
 * others is read-only, or a mailbox. */
#pragma once

#include "edge/daemon/mail.h"
#include "edge/daemon/mesh.h"
#include "edge/daemon/nodes.h"
#include "edge/ops/log.h"
#include "edge/store/store.h"

#include <pthread.h>

/* What all workers use and none changes. */
struct worker_shared {
    struct mesh mesh;
    struct steer steer; /* as at the start */
    struct store *store;
    struct log *log;
    struct nodes nodes;
    uint32_t *cookie_wanted; /* of the steering program: how many workers want cookies; NULL without */
};

enum { WORKER_RING_ENTRIES = 1024 };

struct worker_config {
    struct worker_shared *shared;
    struct ring ring; /* open, of WORKER_RING_ENTRIES; taken over */
    uint32_t number, cpu;
    bool pin;                       /* to the cpu */
    struct udp_sockets sockets;     /* taken over */
    int tun_fd;                     /* taken over */
    struct core_config core;        /* its shards point to `shards` */
    struct plane_user_config plane; /* its host is set by the worker */
    uint16_t *shards;               /* freed at the end */
};

struct worker; /* made by worker_new(), run by worker_start() */

/* Takes memory for everything the worker will ever need. NULL when there is not enough. Takes over what the
 * configuration says even then. */
struct worker *worker_new(const struct worker_config *config);
/* Starts the thread. 0 or -errno. */
HF_MUST int worker_start(struct worker *worker);
/* Waits for the thread, which ends after MAIL_STOP or on a failure; false when it has not by then. */
HF_MUST bool worker_join(struct worker *worker, ns_t wait);
/* Not while the thread runs. */
void worker_free(struct worker *worker);

/* Memory for the pools of a new policy, to go into MAIL_POLICY; the worker frees it. NULL when there is none.
 */
void *worker_pool_pages(size_t bytes);
void worker_pool_pages_free(void *memory, size_t bytes);
/* Does not change. */
const struct core_config *worker_core_config(const struct worker *worker);

/* For the main thread. Grows with every round of the worker's loop, at least once a second. */
uint64_t worker_heartbeat(const struct worker *worker);
/* It has read back the store and accepts clients. */
bool worker_is_ready(const struct worker *worker);
/* The policy that the worker gave up last; NULL before the first reload. */
const struct policy *worker_released(const struct worker *worker);
/* Why the worker has ended by itself: a static text, and -errno of it; NULL while all is well. */
const char *worker_failure(const struct worker *worker, int *ret_error);

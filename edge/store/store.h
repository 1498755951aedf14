/* The session store: where sessions survive a restart. Asynchronous: an operation (edge/session/store_op.h)
 * goes in with its token and comes back as a completion, a scan as any number of records and then its
 * completion. Operations of one worker are carried out in the order they were submitted; those of different
 * workers in any. A completion STORE_OK means durable. No failure of the medium ends the process or the
 * store: every operation is answered, and later ones are tried again.
 *
 * Fencing: a shard has an epoch, 0 at first, which STORE_CLAIM raises. A put or delete whose epoch is not the
 * shard's is refused with STORE_FENCED. Epochs have 16 bits and are part of every IV, so they never start
 * again under keys that live: a claim at 65535 is refused with STORE_FENCED as long as the shard holds a
 * record; once it is empty, nothing is left that was ever used under an old epoch, and the next claim
 * gives 1. (At one restart an hour that is after seven years.) */
#pragma once

#include "edge/session/store_op.h"

#define STORE_ERROR_MAX 256
#define STORE_SIZE_MB_DEFAULT 1024
#define STORE_QUEUE_DEFAULT 4096

struct store;

struct store_options {
    const char *path; /* LMDB: a directory; its last part is made, with mode 0700, when it is not there */
    uint32_t size_mb; /* LMDB: the most it may take on disk; 0: the default */
    uint32_t
        num_workers;    /* 1 or more; each calls with its own number, below this, from one thread at a time */
    uint32_t queue_max; /* operations of one worker, up to their completion's store_poll(); 0: the default */
    uint16_t node;      /* of the fleet, 1..FLEET_NODE_MAX; 0: the only one, which is 1 */
    uint64_t instance;  /* random, another one at each start of this node */
    uint32_t num_shards; /* of the owners' table that STORE_VIEW tells; 0: up to the highest ever owned */
};

/* The embedded store. NULL, and ret_error says why, when the directory cannot be a store: of another program
 * or version, damaged, in use by another process, not a directory, no permission. When the medium fails now
 * and may not later (full, read-only, I/O error), the store is opened all the same, answers STORE_FULL or
 * STORE_DOWN and tries again at every operation, at most once a second; ret_error then says so, and is ""
 * when all is well. */
struct store *store_lmdb_open(const struct store_options *options, char ret_error[STORE_ERROR_MAX]);

/* In memory, for tests: every operation is done before store_submit() returns, in the caller's thread. Like
 * the embedded one it has a single node: no claim waits for a lease. */
struct store *store_memory_new(const struct store_options *options);

/* Memory that several nodes share as a fleet shares its store: each joins with its number and instance, and
 * the rules of docs/FLEET.md hold among them. */
struct memory_medium *memory_medium_new(uint32_t num_shards);
/* After the last of its stores was closed. */
void memory_medium_free(struct memory_medium *medium);
struct store *store_memory_join(const struct store_options *options, struct memory_medium *medium);
/* From now on it is `now` there; before the first call the machine's clock goes. */
void memory_medium_set_clock(struct memory_medium *medium, ns_t now);
/* A primary that is lost with writes that its replica never had: after _lose() all is as it was at the last
 * _mark(). (What was seen once stays seen.) False: no memory. */
HF_MUST bool memory_medium_mark(struct memory_medium *medium);
HF_MUST bool memory_medium_lose(struct memory_medium *medium);

enum memory_fault {
    MEMORY_WORKS,
    MEMORY_FULL,         /* puts and claims are refused with STORE_FULL */
    MEMORY_DOWN,         /* everything is refused with STORE_DOWN */
    MEMORY_LOSES,        /* writes are acknowledged and forgotten */
    MEMORY_UNKNOWN,      /* carried out, answered STORE_UNKNOWN */
    MEMORY_UNKNOWN_LOST, /* not carried out, answered STORE_UNKNOWN */
};
/* From the `first`-th operation from now on (1: the next) `count` operations fail in this way (UINT64_MAX:
 * all). */
void store_memory_fault(struct store *store, enum memory_fault fault, uint64_t first, uint64_t count);

/* Takes an operation; op->value is copied. False when the worker has queue_max operations under way: nothing
 * was done and no completion follows. */
HF_MUST bool store_submit(struct store *store, uint32_t worker, const struct store_op *op);

/* Readable while completions wait for the worker. Belongs to the store. */
int store_event_fd(struct store *store, uint32_t worker);

struct store_completion {
    bool is_record;
    union {
        struct store_done done;
        struct store_record record; /* its bytes are valid until the worker's next store_poll() */
    };
};
/* Hands out up to `max` completions and returns how many; call until it returns less than `max`. Never
 * blocks. */
size_t store_poll(struct store *store, uint32_t worker, struct store_completion *ret_completions, size_t max);

/* Carries out what has been submitted, then frees everything; nobody may be in another call. */
void store_close(struct store *store);

/* ---- for metrics */

/* Upper bounds of the latency histogram (submission to completion); a last bucket holds what took longer. */
#define STORE_LATENCY_BOUNDS_US                                                                              \
    {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000}
enum { STORE_LATENCY_BUCKETS = 13, STORE_RESULTS = 5 };

struct store_stats {
    uint64_t ops[STORE_OP_TYPES][STORE_RESULTS]; /* completed, by enum store_op_type and store_result */
    uint64_t latency[STORE_LATENCY_BUCKETS];     /* not cumulative */
    uint64_t latency_sum_ns;
    uint64_t records;            /* in the store */
    uint64_t bytes_used;         /* by them and their index */
    uint64_t bytes_max;          /* the most it may take; 0: no limit */
    uint32_t under_way;          /* operations of all workers */
    char error[STORE_ERROR_MAX]; /* why the last operation that failed did; "" when the last one did not */
};
/* A snapshot; from any thread. */
void store_stats(struct store *store, struct store_stats *ret_stats);

/* The embedded store: one thread writes. Whatever has been submitted while it was at work goes into one
 * transaction, so that one fsync serves all; and a transaction begins no sooner than ROUND_NS after the one
 * before, so that under load there are several to serve, and few switches between threads, also where an
 * fsync costs nothing. When a transaction fails, nothing of it was written, and each of its operations is
 * tried alone, so that the one that cannot be done does not take the others with it.
 *
 * It has one node, so what a fleet asks beside that is of this process alone and kept in memory: the lease,
 * what was seen once, and who owns a shard (nobody after a restart, until it is claimed). Epochs are kept. */
#include "edge/store/ledger.h"
#include "edge/store/lmdb_env.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    BATCH_MAX = 512,
    SCAN_RECORDS_MAX = 256, /* per round of the writer */
    READY_MAX = 1024,       /* a worker with this many completions waiting gets no more records */
};

#define MIB ((size_t)1 << 20)
#define GROW_STEPS_MAX 16 /* beyond the configured size, for what needs no more room in the end */
#define RETRY_AFTER (1 * NS_PER_S)
#define ROUND_NS (1 * NS_PER_MS)

struct lmdb {
    struct store store;
    struct lmdb_env env;
    pthread_t thread;
    pthread_cond_t wake;
    struct store_list queue; /* submitted, in order */
    struct store_list scans; /* being read */
    struct ledger *ledger;
    struct ledger_node self;
    bool closing;
    bool asleep; /* the thread waits for `wake` */
    /* the thread's own */
    ns_t retry_at;
    char error[STORE_ERROR_MAX];
};

/* ---- transactions, by the writer thread */

/* After some failures LMDB refuses everything from then on. */
static void env_give_up(struct lmdb *lmdb)
{
    env_shut(&lmdb->env);
    lmdb->retry_at = 0; /* opened again for the next operation */
}

/* Remembers why, for people. */
static void failed(struct lmdb *lmdb, const char *step, int code)
{
    snprintf(lmdb->error, sizeof(lmdb->error), "store %.120s: %s: %s", lmdb->env.path, step,
             mdb_strerror(code));
}

/* An LMDB code. */
static int begin(struct lmdb *lmdb, MDB_txn **ret_txn)
{
    int code = mdb_txn_begin(lmdb->env.env, NULL, 0, ret_txn);
    if (code == MDB_PANIC) {
        env_give_up(lmdb);
    }
    return code == MDB_PANIC ? EIO : code;
}

/* An LMDB code: MDB_PANIC when LMDB does not know whether its last page reached the medium, after any other
 * nothing was written. */
static int commit(struct lmdb *lmdb, MDB_txn *txn)
{
    int code = mdb_txn_commit(txn);
    if (code == 0) {
        return 0;
    }
    failed(lmdb, "cannot commit", code);
    MDB_txn *probe;
    int probed = mdb_txn_begin(lmdb->env.env, NULL, MDB_RDONLY, &probe);
    if (probed == 0) {
        mdb_txn_abort(probe);
    } else if (probed == MDB_PANIC) {
        env_give_up(lmdb);
    }
    return probed == MDB_PANIC ? MDB_PANIC : code;
}

static bool env_is_usable(struct lmdb *lmdb)
{
    ns_t now = store_now();
    if (lmdb->env.env == NULL && now >= lmdb->retry_at) {
        enum env_state state = env_open(&lmdb->env, lmdb->error);
        lmdb->retry_at = now + RETRY_AFTER;
        return state == ENV_OPEN;
    }
    return lmdb->env.env != NULL;
}

/* Some operations in one transaction: an LMDB code; on 0 each has its own result. */
static int items_try(struct lmdb *lmdb, struct store_item *first, uint32_t count)
{
    MDB_txn *txn;
    int code = begin(lmdb, &txn);
    if (code != 0) {
        failed(lmdb, "cannot begin", code);
        return code;
    }
    for (struct store_item *item = first; count > 0 && code == 0; item = item->next, count--) {
        code = env_apply(&lmdb->env, txn, item);
    }
    if (code != 0) {
        failed(lmdb, "cannot write", code);
        mdb_txn_abort(txn);
        return code;
    }
    return commit(lmdb, txn);
}

/* In a full map LMDB cannot delete either, because it writes changed pages elsewhere. So for deletes and for
 * records that change, the map grows a little beyond its size, and they give the room back. */
static void item_commit(struct lmdb *lmdb, struct store_item *item)
{
    if (!env_is_usable(lmdb)) {
        item->result = STORE_DOWN;
        return;
    }
    int code = items_try(lmdb, item, 1);
    bool grows = code == MDB_MAP_FULL && env_needs_no_more(&lmdb->env, &item->op);
    for (size_t i = 1; grows && code == MDB_MAP_FULL && i <= GROW_STEPS_MAX; i++) {
        code = mdb_env_set_mapsize(lmdb->env.env, lmdb->env.map_bytes + i * MIB);
        code = code != 0 ? code : items_try(lmdb, item, 1);
    }
    if (grows && lmdb->env.env != NULL) {
        (void)mdb_env_set_mapsize(lmdb->env.env,
                                  lmdb->env.map_bytes); /* or what is used, when that is more */
    }
    item->result = code == 0 ? item->result : result_of(code);
}

/* One by one after all together failed with `code`; true when that helped every one. */
static bool items_write(struct lmdb *lmdb, const struct store_list *batch, int code)
{
    bool all_done = true;
    for (struct store_item *item = batch->first; item != NULL; item = item->next) {
        if (code != MDB_PANIC) {
            item_commit(lmdb, item);
        } else if (item->result == STORE_OK) {
            item->result = STORE_UNKNOWN;
        }
        bool done = item->result == STORE_OK || item->result == STORE_FENCED;
        item->epoch = item->result == STORE_OK ? item->epoch : 0;
        all_done = all_done && done;
    }
    return all_done;
}

static void batch_write(struct lmdb *lmdb, const struct store_list *batch)
{
    int code = env_is_usable(lmdb) ? items_try(lmdb, batch->first, batch->count) : EIO;
    if (code == 0 || items_write(lmdb, batch, code)) {
        lmdb->error[0] = 0;
    }
}

/* ---- the writer thread */

/* What was carried out, in the ledger too. */
static void ledger_follow(struct lmdb *lmdb, struct store_item *item)
{
    const struct store_op *op = &item->op;
    struct store_list records = {0};
    switch (op->type) {
    case STORE_CLAIM:
        ledger_own(lmdb->ledger, op->shard, lmdb->self.node, item->epoch);
        break;
    case STORE_RELEASE:
        item->result = ledger_release(lmdb->ledger, op->shard, lmdb->self.node, op->epoch);
        break;
    case STORE_PUT:
    case STORE_DELETE:
        break;
    default:
        item->result = ledger_do(lmdb->ledger, lmdb->self, item, store_now(), &records);
        item->view = ledger_version(lmdb->ledger);
    }
    store_give_records(&lmdb->store, &records);
}

static bool has_room(const struct lmdb *lmdb, const struct store_item *scan)
{
    return lmdb->store.workers[scan->worker].ready.count < READY_MAX;
}

/* A scan that can go on, taken from the list; NULL when there is none. The lock is held. */
static struct store_item *scan_take(struct lmdb *lmdb)
{
    for (uint32_t i = lmdb->scans.count; i > 0; i--) {
        struct store_item *scan = list_take(&lmdb->scans);
        if (has_room(lmdb, scan)) {
            return scan;
        }
        list_append(&lmdb->scans, scan);
    }
    return NULL;
}

/* Moves what has been submitted to `ret_writes` and the scans' own list. The lock is held. */
static void work_take(struct lmdb *lmdb, struct store_list *ret_writes)
{
    while (lmdb->queue.count > 0 && ret_writes->count < BATCH_MAX) {
        struct store_item *item = list_take(&lmdb->queue);
        list_append(item->op.type == STORE_SCAN ? &lmdb->scans : ret_writes, item);
    }
}

/* One round of one scan, without the lock; true when it goes on. */
static bool scan_advance(struct lmdb *lmdb, struct store_item *scan, struct store_list *ret_records)
{
    bool more = false;
    int code = EIO;
    if (env_is_usable(lmdb)) {
        code = env_scan(&lmdb->env, scan, SCAN_RECORDS_MAX, ret_records, &more);
        if (code != 0) {
            failed(lmdb, "cannot read", code);
        }
    }
    scan->result = code == 0 ? STORE_OK : STORE_DOWN;
    return more && code == 0;
}

/* One round: the lock is held on entry and exit, not in between. */
static void round_do(struct lmdb *lmdb)
{
    struct store *store = &lmdb->store;
    struct store_list writes = {0}, records = {0};
    struct store_item *item;
    struct store_stats usage = store->stats;
    work_take(lmdb, &writes);
    struct store_item *scan = scan_take(lmdb);
    pthread_mutex_unlock(&store->lock);

    bool scan_goes_on = false;
    if (writes.count > 0) {
        batch_write(lmdb, &writes);
    }
    if (scan != NULL) {
        scan_goes_on = scan_advance(lmdb, scan, &records);
    }
    env_usage(&lmdb->env, &usage);

    pthread_mutex_lock(&store->lock);
    store->stats.records = usage.records;
    store->stats.bytes_used = usage.bytes_used;
    memcpy(store->stats.error, lmdb->error, sizeof(lmdb->error));
    while ((item = list_take(&writes)) != NULL) {
        if (item->result == STORE_OK) {
            ledger_follow(lmdb, item);
        }
        store_finish(store, item, item->result);
    }
    store_give_records(store, &records);
    if (scan_goes_on) {
        list_append(&lmdb->scans, scan);
    } else if (scan != NULL) {
        store_finish(store, scan, scan->result);
    }
}

static bool has_work(const struct lmdb *lmdb)
{
    for (const struct store_item *scan = lmdb->scans.first; scan != NULL; scan = scan->next) {
        if (has_room(lmdb, scan)) {
            return true;
        }
    }
    return lmdb->queue.count > 0;
}

/* Lets more come together after a round with writes that began at `begun`. The lock is held on entry and
 * exit. */
static void round_rest(struct lmdb *lmdb, ns_t begun)
{
    ns_t until = begun + ROUND_NS;
    struct timespec at = {.tv_sec = (time_t)(until / NS_PER_S), .tv_nsec = (long)(until % NS_PER_S)};
    pthread_mutex_unlock(&lmdb->store.lock);
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    pthread_mutex_lock(&lmdb->store.lock);
}

static void *writer_run(void *argument)
{
    struct lmdb *lmdb = argument;
    pthread_mutex_lock(&lmdb->store.lock);
    while (!lmdb->closing || lmdb->queue.count > 0) {
        if (has_work(lmdb)) {
            ns_t begun = store_now();
            round_do(lmdb);
            if (lmdb->scans.count == 0 && !lmdb->closing) {
                round_rest(lmdb, begun);
            }
        } else {
            lmdb->asleep = true;
            pthread_cond_wait(&lmdb->wake, &lmdb->store.lock);
            lmdb->asleep = false;
        }
    }
    pthread_mutex_unlock(&lmdb->store.lock);
    return NULL;
}

/* ---- the store */

static bool lmdb_submit(struct store *store, struct store_item *item)
{
    struct lmdb *lmdb = (struct lmdb *)store;
    bool wake = lmdb->asleep;
    list_append(&lmdb->queue, item);
    lmdb->asleep = false;
    return wake;
}

static void lmdb_wake(struct store *store)
{
    pthread_cond_signal(&((struct lmdb *)store)->wake);
}

static void lmdb_polled(struct store *store)
{
    struct lmdb *lmdb = (struct lmdb *)store;
    if (lmdb->scans.count > 0) {
        pthread_cond_signal(&lmdb->wake);
    }
}

static void lmdb_free(struct lmdb *lmdb)
{
    env_close(&lmdb->env);
    ledger_free(lmdb->ledger);
    list_free(&lmdb->queue);
    list_free(&lmdb->scans);
    store_done_with(&lmdb->store);
    pthread_cond_destroy(&lmdb->wake);
    free(lmdb->env.path);
    free(lmdb);
}

static void lmdb_close(struct store *store)
{
    struct lmdb *lmdb = (struct lmdb *)store;
    pthread_mutex_lock(&store->lock);
    lmdb->closing = true;
    pthread_cond_signal(&lmdb->wake);
    pthread_mutex_unlock(&store->lock);
    pthread_join(lmdb->thread, NULL);
    lmdb_free(lmdb);
}

static const struct store_kind LMDB = {
    .submit = lmdb_submit, .wake = lmdb_wake, .polled = lmdb_polled, .close = lmdb_close};

/* The thread takes no signals: they are the main thread's. */
static bool writer_start(struct lmdb *lmdb)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&lmdb->thread, NULL, writer_run, lmdb) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static void epoch_known(void *context, uint16_t shard, uint16_t epoch)
{
    ledger_own(context, shard, 0, epoch);
}

static bool lmdb_begin(struct lmdb *lmdb, const struct store_options *options)
{
    pthread_cond_init(&lmdb->wake, NULL);
    lmdb->self =
        (struct ledger_node){.node = options->node == 0 ? 1 : options->node, .instance = options->instance};
    lmdb->ledger = ledger_new(options->num_shards);
    bool begun = store_begin(&lmdb->store, &LMDB, options);
    return begun && lmdb->env.path != NULL && lmdb->ledger != NULL;
}

struct store *store_lmdb_open(const struct store_options *options, char ret_error[STORE_ERROR_MAX])
{
    size_t size_mb = options->size_mb == 0 ? STORE_SIZE_MB_DEFAULT : options->size_mb;
    struct lmdb *lmdb = calloc(1, sizeof(*lmdb));
    snprintf(ret_error, STORE_ERROR_MAX, "store: no memory, no thread or no eventfd");
    if (lmdb == NULL) {
        return NULL;
    }
    lmdb->env = (struct lmdb_env){.path = strdup(options->path), .map_bytes = size_mb * MIB, .lock_fd = -1};
    if (!lmdb_begin(lmdb, options)) {
        lmdb_free(lmdb);
        return NULL;
    }
    enum env_state state = env_open(&lmdb->env, lmdb->error);
    env_epochs(&lmdb->env, lmdb->ledger, epoch_known);
    env_usage(&lmdb->env, &lmdb->store.stats);
    memcpy(lmdb->store.stats.error, lmdb->error, sizeof(lmdb->error));
    lmdb->retry_at = store_now() + RETRY_AFTER;
    if (state == ENV_REFUSED || !writer_start(lmdb)) {
        memcpy(ret_error, state == ENV_REFUSED ? lmdb->error : ret_error, STORE_ERROR_MAX);
        lmdb_free(lmdb);
        return NULL;
    }
    memcpy(ret_error, lmdb->error, STORE_ERROR_MAX);
    return &lmdb->store;
}

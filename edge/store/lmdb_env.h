/* The LMDB environment of a store: opening and checking it, and operations within a transaction. Layout:
 * database "records", key shard 16 | index 32, value epoch 16 | sealed bytes; database "shards", key shard
 * 16, value epoch 16; and the key "format" in the unnamed one. All integers big-endian, so keys sort by
 * shard, then index. */
#pragma once

#include "edge/store/internal.h"

#include <lmdb.h>

struct lmdb_env {
    char *path;
    size_t map_bytes;
    MDB_env *env; /* NULL while it could not be opened */
    MDB_dbi records, shards;
    int lock_fd; /* -1: not held */
    bool checked;
};

enum env_state {
    ENV_OPEN,
    ENV_LATER,   /* the medium fails now */
    ENV_REFUSED, /* not to be used */
};

/* Opens, or tries again to. On other than ENV_OPEN ret_error says why. */
enum env_state env_open(struct lmdb_env *env, char ret_error[STORE_ERROR_MAX]);
/* Closes the environment and keeps the lock. */
void env_shut(struct lmdb_env *env);
/* The file lock too. */
void env_close(struct lmdb_env *env);

/* Reads through the whole environment in a child process: 0, or why it cannot be used (MDB_CORRUPTED when
 * reading it ended the child). */
int lmdb_check(const char *path);

/* One operation but a scan: an LMDB code; on 0 item->result is set (and item->epoch by a claim). After any
 * other code the transaction can only be aborted. Those of the ledger are STORE_OK here. */
int env_apply(const struct lmdb_env *env, MDB_txn *txn, struct store_item *item);
/* True for operations that must go through in a full map: they free, or change what is there. */
HF_MUST bool env_needs_no_more(const struct lmdb_env *env, const struct store_op *op);
/* Copies up to `max` records of a scan from item->scan_index on and moves it; *ret_more is false behind the
 * last one. */
int env_scan(const struct lmdb_env *env, struct store_item *item, uint32_t max,
             struct store_list *ret_records, bool *ret_more);
/* Calls `own` for each shard that was ever claimed. */
void env_epochs(const struct lmdb_env *env, void *context,
                void (*own)(void *context, uint16_t shard, uint16_t epoch));
/* Fills records, bytes_used and bytes_max. */
void env_usage(const struct lmdb_env *env, struct store_stats *ret_stats);
/* What the caller of an operation is told; MDB_PANIC stands for a commit of unknown outcome. */
enum store_result result_of(int code);

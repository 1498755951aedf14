#include "edge/base/bytes.h"
#include "edge/store/lmdb_env.h"

#include <errno.h>

enum {
    SHARD_KEY_BYTES = 2,
    RECORD_KEY_BYTES = 6,
    EPOCH_BYTES = 2,
};

static MDB_val shard_key(uint16_t shard, uint8_t ret_key[SHARD_KEY_BYTES])
{
    be16_store(ret_key, shard);
    return (MDB_val){.mv_size = SHARD_KEY_BYTES, .mv_data = ret_key};
}

static MDB_val record_key(uint16_t shard, uint32_t index, uint8_t ret_key[RECORD_KEY_BYTES])
{
    be16_store(ret_key, shard);
    be32_store(ret_key + 2, index);
    return (MDB_val){.mv_size = RECORD_KEY_BYTES, .mv_data = ret_key};
}

static int epoch_get(const struct lmdb_env *env, MDB_txn *txn, uint16_t shard, uint16_t *ret_epoch)
{
    uint8_t bytes[SHARD_KEY_BYTES];
    MDB_val key = shard_key(shard, bytes), value;
    int code = mdb_get(txn, env->shards, &key, &value);
    *ret_epoch = code == 0 && value.mv_size == EPOCH_BYTES ? be16_load(value.mv_data) : 0;
    if (code == 0 && value.mv_size != EPOCH_BYTES) {
        return MDB_CORRUPTED;
    }
    return code == MDB_NOTFOUND ? 0 : code;
}

/* Moves a cursor to the first record at or after (shard, index); MDB_NOTFOUND when the shard has none. */
static int record_seek(MDB_cursor *cursor, uint16_t shard, uint32_t index, MDB_val *ret_key,
                       MDB_val *ret_value)
{
    uint8_t bytes[RECORD_KEY_BYTES];
    *ret_key = record_key(shard, index, bytes);
    int code = mdb_cursor_get(cursor, ret_key, ret_value, MDB_SET_RANGE);
    if (code == 0 && (ret_key->mv_size != RECORD_KEY_BYTES || ret_value->mv_size < EPOCH_BYTES)) {
        return MDB_CORRUPTED;
    }
    return code == 0 && be16_load(ret_key->mv_data) != shard ? MDB_NOTFOUND : code;
}

static int shard_is_empty(const struct lmdb_env *env, MDB_txn *txn, uint16_t shard, bool *ret_empty)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int code = mdb_cursor_open(txn, env->records, &cursor);
    if (code == 0) {
        code = record_seek(cursor, shard, 0, &key, &value);
        mdb_cursor_close(cursor);
    }
    *ret_empty = code == MDB_NOTFOUND;
    return code == MDB_NOTFOUND ? 0 : code;
}

static int claim(const struct lmdb_env *env, MDB_txn *txn, struct store_item *item)
{
    uint16_t epoch;
    bool is_empty = false;
    int code = epoch_get(env, txn, item->op.shard, &epoch);
    epoch = HF_MAX(epoch, item->op.epoch);
    if (code == 0 && epoch == UINT16_MAX) {
        code = shard_is_empty(env, txn, item->op.shard, &is_empty);
    }
    if (code == 0 && epoch == UINT16_MAX && !is_empty) {
        item->result = STORE_FENCED;
        return 0;
    }
    if (code != 0) {
        return code;
    }
    uint8_t key_bytes[SHARD_KEY_BYTES], value_bytes[EPOCH_BYTES];
    item->epoch = epoch == UINT16_MAX ? 1 : (uint16_t)(epoch + 1);
    be16_store(value_bytes, item->epoch);
    MDB_val key = shard_key(item->op.shard, key_bytes);
    MDB_val value = {.mv_size = EPOCH_BYTES, .mv_data = value_bytes};
    return mdb_put(txn, env->shards, &key, &value, 0);
}

static int record_delete(const struct lmdb_env *env, MDB_txn *txn, uint16_t shard, uint32_t index)
{
    uint8_t bytes[RECORD_KEY_BYTES];
    MDB_val key = record_key(shard, index, bytes);
    int code = mdb_del(txn, env->records, &key, NULL);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int record_put(const struct lmdb_env *env, MDB_txn *txn, const struct store_op *op)
{
    if (op->replaces != STORE_NO_INDEX && op->replaces != op->index) {
        int code = record_delete(env, txn, op->shard, op->replaces);
        if (code != 0) {
            return code;
        }
    }
    uint8_t bytes[RECORD_KEY_BYTES];
    MDB_val key = record_key(op->shard, op->index, bytes);
    MDB_val value = {.mv_size = EPOCH_BYTES + op->value.len};
    int code = mdb_put(txn, env->records, &key, &value, MDB_RESERVE);
    if (code == 0) {
        uint8_t *room = value.mv_data;
        be16_store(room, op->epoch);
        if (op->value.len > 0) {
            memcpy(room + EPOCH_BYTES, op->value.data, op->value.len);
        }
    }
    return code;
}

static int fenced_apply(const struct lmdb_env *env, MDB_txn *txn, struct store_item *item)
{
    const struct store_op *op = &item->op;
    uint16_t epoch;
    int code = epoch_get(env, txn, op->shard, &epoch);
    if (code != 0) {
        return code;
    }
    if (op->epoch == 0 || op->epoch != epoch) {
        item->result = STORE_FENCED;
        return 0;
    }
    switch (op->type) {
    case STORE_PUT:
        return record_put(env, txn, op);
    case STORE_DELETE:
        return record_delete(env, txn, op->shard, op->index);
    default:
        hf_assert(op->type == STORE_RELEASE);
        return 0;
    }
}

int env_apply(const struct lmdb_env *env, MDB_txn *txn, struct store_item *item)
{
    item->result = STORE_OK;
    item->epoch = 0;
    switch (item->op.type) {
    case STORE_CLAIM:
        return claim(env, txn, item);
    case STORE_PUT:
    case STORE_DELETE:
    case STORE_RELEASE:
        return fenced_apply(env, txn, item);
    default:
        return 0;
    }
}

bool env_needs_no_more(const struct lmdb_env *env, const struct store_op *op)
{
    if (op->type != STORE_PUT || op->replaces != STORE_NO_INDEX) {
        return true;
    }
    MDB_txn *txn;
    if (mdb_txn_begin(env->env, NULL, MDB_RDONLY, &txn) != 0) {
        return false;
    }
    uint8_t bytes[RECORD_KEY_BYTES];
    MDB_val key = record_key(op->shard, op->index, bytes), value;
    bool exists = mdb_get(txn, env->records, &key, &value) == 0;
    mdb_txn_abort(txn);
    return exists;
}

static int scan_copy(MDB_cursor *cursor, struct store_item *item, uint32_t max,
                     struct store_list *ret_records, bool *ret_more)
{
    MDB_val key, value;
    int code = record_seek(cursor, item->op.shard, item->scan_index, &key, &value);
    while (code == 0 && ret_records->count < max) {
        const uint8_t *bytes = value.mv_data;
        uint32_t index = be32_load((const uint8_t *)key.mv_data + 2);
        struct span sealed = span_of(bytes + EPOCH_BYTES, value.mv_size - EPOCH_BYTES);
        struct store_item *record = store_record_new(item, index, be16_load(bytes), sealed);
        if (record == NULL) {
            return ENOMEM;
        }
        list_append(ret_records, record);
        if (index == UINT32_MAX) {
            code = MDB_NOTFOUND;
        } else {
            item->scan_index = index + 1;
            code = record_seek(cursor, item->op.shard, item->scan_index, &key, &value);
        }
    }
    *ret_more = code == 0;
    return code == MDB_NOTFOUND ? 0 : code;
}

int env_scan(const struct lmdb_env *env, struct store_item *item, uint32_t max,
             struct store_list *ret_records, bool *ret_more)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    *ret_more = false;
    int code = mdb_txn_begin(env->env, NULL, MDB_RDONLY, &txn);
    if (code != 0) {
        return code;
    }
    code = mdb_cursor_open(txn, env->records, &cursor);
    if (code == 0) {
        code = scan_copy(cursor, item, max, ret_records, ret_more);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return code;
}

void env_epochs(const struct lmdb_env *env, void *context,
                void (*own)(void *context, uint16_t shard, uint16_t epoch))
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    if (env->env == NULL || mdb_txn_begin(env->env, NULL, MDB_RDONLY, &txn) != 0) {
        return;
    }
    if (mdb_cursor_open(txn, env->shards, &cursor) == 0) {
        while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
            if (key.mv_size == SHARD_KEY_BYTES && value.mv_size == EPOCH_BYTES) {
                own(context, be16_load(key.mv_data), be16_load(value.mv_data));
            }
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
}

static uint64_t pages_of(const MDB_stat *stat)
{
    return stat->ms_branch_pages + stat->ms_leaf_pages + stat->ms_overflow_pages;
}

void env_usage(const struct lmdb_env *env, struct store_stats *ret_stats)
{
    MDB_txn *txn;
    MDB_stat records, shards;
    ret_stats->bytes_max = env->map_bytes;
    if (env->env == NULL || mdb_txn_begin(env->env, NULL, MDB_RDONLY, &txn) != 0) {
        return;
    }
    if (mdb_stat(txn, env->records, &records) == 0 && mdb_stat(txn, env->shards, &shards) == 0) {
        ret_stats->records = records.ms_entries;
        ret_stats->bytes_used = (pages_of(&records) + pages_of(&shards)) * records.ms_psize;
    }
    mdb_txn_abort(txn);
}

enum store_result result_of(int code)
{
    switch (code) {
    case 0:
        return STORE_OK;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return STORE_FULL;
    case MDB_PANIC:
        return STORE_UNKNOWN;
    default:
        return STORE_DOWN;
    }
}

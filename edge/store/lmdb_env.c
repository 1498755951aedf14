/* Opening a store's directory, and telling a failing medium from a directory that must not be used. */
#include "edge/store/lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "holdfast store 1"

enum {
    DATABASES = 2,
    LOCK_FILE_BYTES = 16384, /* at least what LMDB makes of it for its 126 readers */
};

/* Failures of the medium, which may pass. */
static bool code_is_passing(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EROFS || code == EIO || code == ENOMEM ||
           code == EMFILE || code == ENFILE || code == MDB_MAP_FULL;
}

static enum env_state failure(const struct lmdb_env *env, int code, const char *step,
                              char ret_error[STORE_ERROR_MAX])
{
    const char *hint = code == MDB_INVALID ? " (not a store's file, or damaged)" : "";
    snprintf(ret_error, STORE_ERROR_MAX, "store %.120s: %s: %s%s", env->path, step, mdb_strerror(code), hint);
    return code_is_passing(code) ? ENV_LATER : ENV_REFUSED;
}

static int folder_open(const struct lmdb_env *env)
{
    return open(env->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* -1 and errno on failure. */
static int file_open(const struct lmdb_env *env, const char *name, int flags)
{
    int folder = folder_open(env);
    if (folder < 0) {
        return -1;
    }
    int fd = openat(folder, name, flags | O_CLOEXEC, 0600);
    int saved = errno;
    close(folder);
    errno = saved;
    return fd;
}

/* So that a file just made is still there after a power failure. */
static void folder_sync(const struct lmdb_env *env)
{
    int folder = open(env->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        (void)fsync(folder);
        close(folder);
    }
}

static void file_remove(const struct lmdb_env *env, const char *name)
{
    int folder = folder_open(env);
    if (folder >= 0) {
        unlinkat(folder, name, 0);
        close(folder);
    }
}

/* ---- one process at a time */

static void holder_read(int fd, char ret_pid[16])
{
    ssize_t len = pread(fd, ret_pid, 15, 0);
    ret_pid[HF_MAX(len, 0)] = 0;
    ret_pid[strspn(ret_pid, "0123456789")] = 0;
}

static enum env_state lock_take(struct lmdb_env *env, char ret_error[STORE_ERROR_MAX])
{
    if (env->lock_fd >= 0) {
        return ENV_OPEN;
    }
    int fd = file_open(env, "holdfast.lock", O_RDWR | O_CREAT);
    if (fd < 0) {
        return failure(env, errno, "cannot open holdfast.lock", ret_error);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        char holder[16];
        holder_read(fd, holder);
        snprintf(ret_error, STORE_ERROR_MAX, "store %.120s is in use by process %s", env->path, holder);
        close(fd);
        return ENV_REFUSED;
    }
    env->lock_fd = fd;
    if (ftruncate(fd, 0) == 0) {
        dprintf(fd, "%d\n", (int)getpid()); /* only for the message above */
    }
    return ENV_OPEN;
}

static enum env_state folder_make(const struct lmdb_env *env, char ret_error[STORE_ERROR_MAX])
{
    struct stat info;
    if (mkdir(env->path, 0700) != 0 && errno != EEXIST) {
        return failure(env, errno, "cannot make the directory", ret_error);
    }
    if (stat(env->path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return failure(env, ENOTDIR, "cannot use it", ret_error);
    }
    return ENV_OPEN;
}

/* ---- the environment */

/* LMDB maps its lock file and writes to the map: on a full disk that would end the process, so its blocks are
 * taken before. */
static int lock_file_reserve(const struct lmdb_env *env)
{
    int fd = file_open(env, "lock.mdb", O_RDWR | O_CREAT);
    if (fd < 0) {
        return errno;
    }
    int code = posix_fallocate(fd, 0, LOCK_FILE_BYTES);
    close(fd);
    return code;
}

/* Opens LMDB's files; *ret_step says where it failed. */
static int files_open(struct lmdb_env *env, const char **ret_step)
{
    *ret_step = "cannot prepare LMDB";
    int code = mdb_env_create(&env->env);
    if (code != 0) {
        env->env = NULL;
        return code;
    }
    code = mdb_env_set_maxdbs(env->env, DATABASES);
    code = code != 0 ? code : lock_file_reserve(env);
    code = code != 0 ? code : mdb_env_set_mapsize(env->env, env->map_bytes);
    if (code == 0) {
        *ret_step = "cannot open data.mdb";
        code = mdb_env_open(env->env, env->path, MDB_NOTLS, 0600);
    }
    return code;
}

/* 0 when it is ours, or empty and now ours; MDB_INCOMPATIBLE for somebody else's. */
static int format_check(MDB_txn *txn)
{
    MDB_dbi main_database;
    MDB_stat stat;
    MDB_val key = {.mv_size = strlen("format"), .mv_data = "format"}, value;
    int code = mdb_dbi_open(txn, NULL, 0, &main_database);
    code = code != 0 ? code : mdb_stat(txn, main_database, &stat);
    if (code != 0) {
        return code;
    }
    code = mdb_get(txn, main_database, &key, &value);
    if (code == MDB_NOTFOUND && stat.ms_entries == 0) {
        value = (MDB_val){.mv_size = strlen(FORMAT), .mv_data = FORMAT};
        return mdb_put(txn, main_database, &key, &value, 0);
    }
    if (code == 0) {
        bool same = value.mv_size == strlen(FORMAT) && memcmp(value.mv_data, FORMAT, value.mv_size) == 0;
        return same ? 0 : MDB_INCOMPATIBLE;
    }
    return code == MDB_NOTFOUND ? MDB_INCOMPATIBLE : code;
}

static int databases_open(struct lmdb_env *env, const char **ret_step)
{
    MDB_txn *txn;
    *ret_step = "cannot read it";
    int code = mdb_txn_begin(env->env, NULL, 0, &txn);
    if (code != 0) {
        return code;
    }
    code = format_check(txn);
    if (code == MDB_INCOMPATIBLE) {
        *ret_step = "of another program or version";
    } else if (code == 0) {
        *ret_step = "cannot write";
        code = mdb_dbi_open(txn, "records", MDB_CREATE, &env->records);
        code = code != 0 ? code : mdb_dbi_open(txn, "shards", MDB_CREATE, &env->shards);
    }
    if (code != 0) {
        mdb_txn_abort(txn);
        return code;
    }
    return mdb_txn_commit(txn);
}

static enum env_state data_check(struct lmdb_env *env, bool exists, char ret_error[STORE_ERROR_MAX])
{
    if (exists && !env->checked) {
        int code = lmdb_check(env->path);
        if (code != 0) {
            return failure(env, code, "cannot read data.mdb", ret_error);
        }
    }
    env->checked = true; /* what goes wrong from now on is not the file's past */
    return ENV_OPEN;
}

/* The directory and its lock, in that order. */
static enum env_state folder_take(struct lmdb_env *env, char ret_error[STORE_ERROR_MAX])
{
    enum env_state state = folder_make(env, ret_error);
    return state == ENV_OPEN ? lock_take(env, ret_error) : state;
}

enum env_state env_open(struct lmdb_env *env, char ret_error[STORE_ERROR_MAX])
{
    ret_error[0] = 0;
    enum env_state state = folder_take(env, ret_error);
    if (state != ENV_OPEN) {
        return state;
    }
    int data_fd = file_open(env, "data.mdb", O_PATH);
    bool existed = data_fd >= 0;
    if (existed) {
        close(data_fd);
    }
    state = data_check(env, existed, ret_error);
    if (state != ENV_OPEN) {
        return state;
    }
    const char *step;
    int code = files_open(env, &step);
    code = code != 0 ? code : databases_open(env, &step);
    if (code == 0) {
        folder_sync(env);
        return ENV_OPEN;
    }
    env_shut(env);
    state = failure(env, code, step, ret_error);
    if (!existed) {
        file_remove(env, "data.mdb"); /* half of a new one would be taken for a damaged one */
    }
    return state;
}

void env_shut(struct lmdb_env *env)
{
    if (env->env != NULL) {
        mdb_env_close(env->env);
        env->env = NULL;
    }
}

void env_close(struct lmdb_env *env)
{
    env_shut(env);
    if (env->lock_fd >= 0) {
        close(env->lock_fd);
        env->lock_fd = -1;
    }
}

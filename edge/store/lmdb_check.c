/* LMDB trusts its file: where that is damaged, reading it may end the process. So before a store is used, all
 * of it is walked through in a child process, whose end tells.
 *
 * A child that is forked: there is no exec for a daemon that has restricted its system calls. It is mostly
 * forked before other threads are there, but a medium that comes back later is looked at while they run. What
 * the child calls then must not need what another thread may have held: LMDB with MDB_NOLOCK takes no lock of
 * its own, and glibc leaves malloc() usable in a forked child. It keeps no descriptor but its pipe, and ends
 * with us: else sockets, TUN devices and the store's lock would stay taken by a process that serves
 * nobody. */
#include "edge/store/lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SECONDS_MAX = 300,
    DATABASES = 2,
    FREE_LIST = 0, /* LMDB's own databases, which have no name */
    MAIN = 1,
};

/* Visits every entry and every byte of a database; MDB_CORRUPTED when there are not as many as it says. */
static int database_walk(MDB_txn *txn, MDB_dbi database)
{
    MDB_stat stat;
    MDB_cursor *cursor;
    MDB_val key, value;
    int code = mdb_stat(txn, database, &stat);
    if (code == 0) {
        code = mdb_cursor_open(txn, database, &cursor);
    }
    if (code != 0) {
        return code;
    }
    size_t entries = 0;
    volatile uint8_t sum = 0;
    while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0 && entries <= stat.ms_entries) {
        entries++;
        for (size_t i = 0; i < value.mv_size; i++) {
            sum = (uint8_t)(sum + ((const uint8_t *)value.mv_data)[i]);
        }
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND && entries == stat.ms_entries ? 0
           : code == MDB_NOTFOUND                             ? MDB_CORRUPTED
                                                              : code;
}

static int all_walk(const char *path)
{
    MDB_env *env;
    MDB_txn *txn;
    int code = mdb_env_create(&env);
    code = code != 0 ? code : mdb_env_set_maxdbs(env, DATABASES);
    code = code != 0 ? code : mdb_env_open(env, path, MDB_RDONLY | MDB_NOLOCK, 0600);
    code = code != 0 ? code : mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    code = code != 0 ? code : database_walk(txn, FREE_LIST);
    code = code != 0 ? code : database_walk(txn, MAIN);
    static const char *const names[DATABASES] = {"records", "shards"};
    for (int i = 0; i < DATABASES && code == 0; i++) {
        MDB_dbi database;
        code = mdb_dbi_open(txn, names[i], 0, &database);
        if (code == 0) {
            code = database_walk(txn, database);
        } else if (code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE) {
            code = 0; /* new, or another program's: that is for others to judge */
        }
    }
    return code;
}

/* False when the parent is gone already. */
static bool child_settle(pid_t parent, int pipe_fd)
{
    unsigned fd = (unsigned)pipe_fd;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        return false;
    }
    return (fd == 0 || close_range(0, fd - 1, 0) == 0) && close_range(fd + 1, UINT_MAX, 0) == 0;
}

static void child_run(const char *path, pid_t parent, int pipe_fd)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
    const struct rlimit no_core = {0};
    for (size_t i = 0; i < HF_COUNT(signals); i++) {
        signal(signals[i], SIG_DFL);
    }
    setrlimit(RLIMIT_CORE, &no_core);
    if (!child_settle(parent, pipe_fd)) { /* standard error too: LMDB's assertions write there */
        _exit(1);
    }
    alarm(SECONDS_MAX);
    int code = all_walk(path);
    ssize_t written = write(pipe_fd, &code, sizeof(code));
    _exit(written == sizeof(code) ? 0 : 1);
}

int lmdb_check(const char *path)
{
    int ends[2];
    int code = MDB_CORRUPTED;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return errno;
    }
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        child_run(path, parent, ends[1]);
    }
    int fork_error = errno;
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return fork_error;
    }
    ssize_t len;
    do {
        len = read(ends[0], &code, sizeof(code));
    } while (len < 0 && errno == EINTR);
    close(ends[0]);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
    return len == sizeof(code) ? code : MDB_CORRUPTED;
}

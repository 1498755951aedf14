/* What the embedded store does when its medium, its directory or its process fail. */
#include "tests/unit/store/harness.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct store *open_at(const char *path, char ret_error[STORE_ERROR_MAX])
{
    struct store_options options = {.path = path, .size_mb = 16, .num_workers = 1};
    ret_error[0] = 0;
    return store_lmdb_open(&options, ret_error);
}

/* ---- acknowledged is durable */

enum { KILLS = 20, INDEXES = 200 };

/* What the child got acknowledged, in memory that survives it. */
struct acknowledged {
    volatile uint32_t versions[INDEXES];
    volatile bool began;
};

/* Writes until it is killed: version after version of every index, many under way at once. */
static void writer_child(const char *path, struct acknowledged *acknowledged)
{
    char error[STORE_ERROR_MAX];
    struct store *store = open_at(path, error);
    struct store_op op = {.type = STORE_CLAIM, .shard = 7, .replaces = STORE_NO_INDEX, .token = UINT64_MAX};
    struct store_completion completion;
    if (store == NULL || !store_submit(store, 0, &op) || !store_wait(store, 0, &completion)) {
        _exit(1);
    }
    uint16_t epoch = completion.done.epoch;
    uint32_t first = acknowledged->versions[0];
    for (uint32_t i = 0, submitted = 0;; i++) {
        uint32_t version = first + 1 + i / INDEXES;
        uint32_t value[8] = {version, version, version, version, version, version, version, version};
        op = (struct store_op){.type = STORE_PUT, .shard = 7, .epoch = epoch, .replaces = STORE_NO_INDEX};
        op.index = i % INDEXES;
        op.token = (uint64_t)version << 32 | op.index;
        op.value = span_of(value, sizeof(value));
        submitted += store_submit(store, 0, &op);
        while (submitted > 50 && store_wait(store, 0, &completion)) {
            if (completion.done.result != STORE_OK) {
                _exit(2);
            }
            acknowledged->versions[(uint32_t)completion.done.token] = completion.done.token >> 32;
            acknowledged->began = true;
            submitted--;
        }
    }
}

static void kill_while_writing(const char *path, struct acknowledged *acknowledged, uint32_t delay_us)
{
    acknowledged->began = false;
    pid_t child = fork();
    if (child == 0) {
        writer_child(path, acknowledged);
    }
    for (uint32_t waited = 0; !acknowledged->began && waited < 10000; waited++) {
        usleep(1000);
    }
    usleep(delay_us);
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended by itself: %x", status);
    cr_assert(acknowledged->began);
}

Test(lmdb, nothing_acknowledged_is_lost_by_a_kill)
{
    struct acknowledged *acknowledged =
        mmap(NULL, sizeof(*acknowledged), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct harness *h = harness_new(HARNESS_LMDB);
    harness_close(h);
    for (uint32_t n = 0; n < KILLS; n++) {
        kill_while_writing(h->path, acknowledged, 1000 + n * 2500);
        harness_open(h);
        cr_assert_eq(harness_scan(h, 7), STORE_OK);
        for (uint32_t index = 0; index < INDEXES; index++) {
            const struct store_record *record = harness_record(h, index);
            uint32_t version = acknowledged->versions[index];
            cr_assert(record != NULL || version == 0, "kill %u: index %u lost", n, index);
            uint32_t found[8] = {0};
            if (record != NULL) {
                cr_assert_eq(record->value.len, sizeof(found));
                memcpy(found, record->value.data, sizeof(found));
            }
            cr_assert_geq(found[0], version, "kill %u: index %u is old", n, index);
            cr_assert_eq(found[0], found[7], "kill %u: index %u is torn", n, index);
            acknowledged->versions[index] = found[0];
        }
        cr_assert_eq(harness_claim(h, 7), STORE_OK);
        cr_expect_eq(h->epoch, 2 * (n + 1), "every claim counted");
        harness_close(h);
    }
    harness_open(h);
    harness_free(h);
}

/* ---- the process that looks at the file */

/* The children of a process, by /proc; 0 when there is none. */
static pid_t child_of(pid_t parent)
{
    char path[64];
    int child = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    (void)!fscanf(file, "%d", &child);
    fclose(file);
    return child;
}

static uint32_t descriptors_of(pid_t process)
{
    char path[64];
    uint32_t count = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)process);
    DIR *folder = opendir(path);
    cr_assert_not_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count - 2; /* . and .. */
}

/* A walk that takes long must not hold what the next daemon needs: the file is a pipe that nobody writes. */
Test(lmdb, the_check_ends_with_the_daemon)
{
    char path[] = "/tmp/lmdb-check-XXXXXX", file[64], error[STORE_ERROR_MAX];
    pid_t checker = 0;
    cr_assert_not_null(mkdtemp(path));
    snprintf(file, sizeof(file), "%s/data.mdb", path);
    cr_assert_eq(mkfifo(file, 0600), 0);
    pid_t daemon = fork();
    if (daemon == 0) {
        _exit(open_at(path, error) != NULL);
    }
    for (int i = 0; i < 5000 && (checker = child_of(daemon)) == 0; i++) {
        usleep(1000);
    }
    cr_assert_gt(checker, 0, "there is a check");
    usleep(50000);
    cr_expect_eq(descriptors_of(checker), 1, "its pipe: %u", descriptors_of(checker));
    kill(daemon, SIGKILL);
    waitpid(daemon, NULL, 0);
    for (int i = 0; i < 2000 && kill(checker, 0) == 0; i++) {
        usleep(1000);
    }
    cr_expect_neq(kill(checker, 0), 0, "it goes on without the daemon");
    kill(checker, SIGKILL);
    unlink(file);
    snprintf(file, sizeof(file), "%s/holdfast.lock", path);
    unlink(file);
    rmdir(path);
}

/* ---- directories that cannot be a store */

static void file_write(const char *folder, const char *name, const void *data, size_t len)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, len, file), len);
    fclose(file);
}

static void make_text(const char *path)
{
    static const char words[] = "this is not a database, and it has more than two pages. ";
    char data[16384];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = words[i % (sizeof(words) - 1)];
    }
    file_write(path, "data.mdb", data, sizeof(data));
}

static void make_other_program(const char *path)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi database;
    MDB_val key = {4, "user"}, value = {5, "alice"};
    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_open(env, path, 0, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &database), 0);
    cr_assert_eq(mdb_put(txn, database, &key, &value, 0), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void make_newer_format(const char *path)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi database;
    MDB_val key = {6, "format"}, value = {16, "holdfast store 9"};
    char error[STORE_ERROR_MAX];
    store_close(open_at(path, error));
    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_open(env, path, 0, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &database), 0);
    cr_assert_eq(mdb_put(txn, database, &key, &value, 0), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* A store with records; returns the size of its file. */
static off_t make_store(const char *path)
{
    struct harness *h = calloc(1, sizeof(*h));
    h->number = HARNESS_LMDB;
    snprintf(h->path, sizeof(h->path), "%s", path);
    harness_open(h);
    static uint8_t value[700];
    cr_assert_eq(harness_claim(h, 1), STORE_OK);
    for (uint32_t i = 0; i < 200; i++) {
        cr_assert_eq(harness_put(h, 1, i, STORE_NO_INDEX, span_of(value, sizeof(value))), STORE_OK);
    }
    harness_close(h);
    free(h);
    char file[128];
    struct stat info;
    snprintf(file, sizeof(file), "%s/data.mdb", path);
    cr_assert_eq(stat(file, &info), 0);
    return info.st_size;
}

static void make_truncated(const char *path)
{
    off_t size = make_store(path);
    char file[128];
    snprintf(file, sizeof(file), "%s/data.mdb", path);
    cr_assert_eq(truncate(file, size / 2 / 4096 * 4096), 0);
}

/* Everything but the first two pages, LMDB's headers, is random. */
static void make_scrambled(const char *path)
{
    off_t size = make_store(path);
    char file[128];
    snprintf(file, sizeof(file), "%s/data.mdb", path);
    int fd = open(file, O_WRONLY);
    cr_assert_geq(fd, 0);
    for (off_t at = 8192; at < size; at += 8) {
        uint64_t noise = (uint64_t)at * UINT64_C(0x9e3779b97f4a7c15);
        cr_assert_eq(pwrite(fd, &noise, 8, at), 8);
    }
    close(fd);
}

static void make_nothing(const char *path)
{
    (void)path;
}

Test(lmdb, refuses_what_is_no_store)
{
    static const struct {
        const char *what;
        void (*make)(const char *path);
        const char *suffix;
        const char *says; /* NULL: opens */
    } rows[] = {
        {"new", make_nothing, "", NULL},
        {"new folder", make_nothing, "/new", NULL},
        {"text", make_text, "", "not a store's file, or damaged"},
        {"another program's", make_other_program, "", "of another program or version"},
        {"newer", make_newer_format, "", "of another program or version"},
        {"truncated", make_truncated, "", "cannot read data.mdb"},
        {"scrambled", make_scrambled, "", "cannot read data.mdb"},
        {"no parent", make_nothing, "/no/such", "cannot make the directory: No such file"},
        {"a file", make_text, "/data.mdb", "cannot use it: Not a directory"},
        {"below a file", make_text, "/data.mdb/x", "cannot make the directory: Not a directory"},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        char folder[] = "/tmp/holdfast-store-XXXXXX", path[128], error[STORE_ERROR_MAX];
        cr_assert_not_null(mkdtemp(folder));
        rows[i].make(folder);
        snprintf(path, sizeof(path), "%s%s", folder, rows[i].suffix);
        struct store *store = open_at(path, error);
        if (rows[i].says == NULL) {
            struct stat info;
            cr_assert_not_null(store, "%s: %s", rows[i].what, error);
            cr_expect_str_empty(error);
            cr_expect_eq(stat(path, &info), 0);
            cr_expect_eq(info.st_mode & 0777, 0700);
        } else {
            cr_expect_null(store, "%s", rows[i].what);
            cr_expect_not_null(strstr(error, rows[i].says), "%s: \"%s\"", rows[i].what, error);
            cr_expect_not_null(strstr(error, path), "%s: \"%s\" names it", rows[i].what, error);
        }
        store_close(store);
        folder_remove(folder);
    }
}

Test(lmdb, one_process_at_a_time)
{
    struct harness *h = harness_new(HARNESS_LMDB);
    char error[STORE_ERROR_MAX], pid[32];
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    cr_assert_null(open_at(h->path, error));
    cr_expect_not_null(strstr(error, "in use"), "%s", error);
    cr_expect_not_null(strstr(error, pid), "%s", error);
    cr_expect_eq(harness_claim(h, 1), STORE_OK, "the first one goes on");
    harness_reopen(h);
    harness_free(h);
}

/* Runs as nobody, because root may write everywhere. */
Test(lmdb, no_permission_is_said)
{
    char folder[] = "/tmp/holdfast-store-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    if (getuid() != 0) {
        cr_log_warn("skipped: needs root");
        return;
    }
    cr_assert_eq(chmod(folder, 0755), 0);
    pid_t child = fork();
    if (child == 0) {
        char error[STORE_ERROR_MAX], path[64];
        snprintf(path, sizeof(path), "%s/sub", folder);
        bool refused =
            setuid(65534) == 0 && open_at(path, error) == NULL && strstr(error, "Permission") != NULL;
        refused = refused && open_at(folder, error) == NULL && strstr(error, "Permission") != NULL;
        _exit(refused ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
    folder_remove(folder);
}

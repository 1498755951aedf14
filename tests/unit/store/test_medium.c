/* The embedded store on a medium that is full or fails: every operation is answered, and when the medium
 * works again, so does the store, without being opened again. */
#include "tests/unit/store/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <signal.h>
#include <unistd.h>

static uint8_t value[1500];

static struct span a_value(void)
{
    return span_of(value, sizeof(value));
}

static struct harness *harness_sized(uint32_t size_mb)
{
    struct harness *h = harness_new(HARNESS_LMDB);
    harness_close(h);
    h->size_mb = size_mb;
    harness_open(h);
    cr_assert_eq(harness_claim(h, 1), STORE_OK);
    return h;
}

/* Puts records until one is refused; returns how many went in. */
static uint32_t fill(struct harness *h)
{
    uint32_t count = 0;
    enum store_result result = STORE_OK;
    while (count < HF_COUNT(h->records) &&
           (result = harness_put(h, 1, count, STORE_NO_INDEX, a_value())) == STORE_OK) {
        count++;
    }
    cr_assert_eq(result, STORE_FULL, "after %u", count);
    return count;
}

static bool error_says(struct harness *h, const char *text)
{
    struct store_stats stats;
    store_stats(h->store, &stats);
    return text[0] == 0 ? stats.error[0] == 0 : strstr(stats.error, text) != NULL;
}

/* All of 0..count-1 but those removed by the caller are there. */
static void expect_records(struct harness *h, uint32_t count)
{
    cr_assert_eq(harness_scan(h, 1), STORE_OK);
    cr_expect_eq(h->num_records, count, "%zu", h->num_records);
}

/* A full store still lets go of sessions and changes those it has; only new ones find no room. */
Test(medium, full_map)
{
    struct harness *h = harness_sized(2);
    uint32_t count = fill(h);
    cr_assert_gt(count, 300);
    cr_expect(error_says(h, "MDB_MAP_FULL"));
    expect_records(h, count);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(harness_put(h, 1, i, STORE_NO_INDEX, a_value()), STORE_OK, "change %u", i);
    }
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(harness_put(h, 1, i + 10000, i, a_value()), STORE_OK, "rekey %u", i);
    }
    cr_expect_eq(harness_claim(h, 1), STORE_OK);
    expect_records(h, count);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(harness_delete(h, 1, i + 10000), STORE_OK, "delete %u", i);
    }
    expect_records(h, 0);
    uint32_t again = fill(h);
    cr_expect_geq(again + 20, count, "%u of %u", again, count);
    harness_reopen(h);
    expect_records(h, again);
    harness_free(h);
}

/* Of operations that go into one transaction, one that finds no room takes no other with it. */
Test(medium, full_map_in_one_batch)
{
    static uint8_t huge[3 << 20];
    struct harness *h = harness_sized(8);
    enum { COUNT = 300 };
    uint32_t full = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        struct store_op op = {.type = STORE_PUT, .shard = 1, .epoch = h->epoch, .replaces = STORE_NO_INDEX};
        op.index = i;
        op.token = i;
        op.value = i % 20 == 10 ? span_of(huge, sizeof(huge)) : a_value();
        cr_assert(store_submit(h->store, 0, &op));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        struct store_completion completion;
        cr_assert(store_wait(h->store, 0, &completion));
        cr_assert_eq(completion.done.token, i, "in order");
        bool is_huge = i % 20 == 10;
        cr_expect(completion.done.result == STORE_OK || (is_huge && completion.done.result == STORE_FULL),
                  "%u: %d", i, completion.done.result);
        full += completion.done.result == STORE_FULL;
    }
    cr_expect_gt(full, 5);
    expect_records(h, COUNT - full);
    harness_free(h);
}

Test(medium, file_size_limit)
{
    struct harness *h = harness_sized(0);
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    uint32_t count = fill(h);
    cr_assert_gt(count, 100);
    cr_expect(error_says(h, strerror(EFBIG)));
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_records(h, count);
    cr_expect_eq(harness_put(h, 1, count, STORE_NO_INDEX, a_value()), STORE_OK);
    cr_expect(error_says(h, ""));
    harness_reopen(h);
    expect_records(h, count + 1);
    harness_free(h);
}

/* A descriptor of the store's file, the last one: LMDB's for its header. */
static int header_descriptor(const char *path)
{
    char wanted[128], link[64], target[256];
    int found = -1;
    snprintf(wanted, sizeof(wanted), "%s/data.mdb", path);
    for (int fd = 0; fd < 256; fd++) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link, target, sizeof(target) - 1);
        target[len > 0 ? len : 0] = 0;
        found = strcmp(target, wanted) == 0 ? fd : found;
    }
    cr_assert_geq(found, 0);
    return found;
}

/* The header cannot be written: whether the transaction is on the medium is not known. */
Test(medium, header_not_writable)
{
    struct harness *h = harness_sized(0);
    cr_assert_eq(harness_put(h, 1, 0, STORE_NO_INDEX, a_value()), STORE_OK);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_assert_geq(dup3(null, header_descriptor(h->path), O_CLOEXEC), 0);
    cr_expect_eq(harness_put(h, 1, 1, STORE_NO_INDEX, a_value()), STORE_UNKNOWN);
    cr_expect(error_says(h, "cannot commit"));
    cr_expect_eq(harness_put(h, 1, 2, STORE_NO_INDEX, a_value()), STORE_OK, "opened again");
    cr_expect(error_says(h, ""));
    cr_assert_eq(harness_scan(h, 1), STORE_OK);
    cr_expect_not_null(harness_record(h, 0));
    cr_expect_not_null(harness_record(h, 2));
    close(null);
    harness_free(h);
}

/* A tmpfs of one megabyte at the harness's directory, seen by this process alone. */
static bool small_disk_mount(const char *path)
{
    bool mounted = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                   mount("none", path, "tmpfs", 0, "size=1m,mode=700") == 0;
    if (!mounted) {
        cr_log_warn("skipped: cannot mount a tmpfs: %s", strerror(errno));
    }
    return mounted;
}

/* Leaves `spare` bytes. */
static void disk_fill(const char *path, size_t spare)
{
    char file[128];
    struct statvfs info;
    snprintf(file, sizeof(file), "%s/ballast", path);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(fstatvfs(fd, &info), 0);
    size_t len = info.f_bavail * info.f_bsize;
    cr_assert(len <= spare || posix_fallocate(fd, 0, (off_t)(len - spare)) == 0);
    close(fd);
}

static void disk_empty(const char *path)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/ballast", path);
    cr_assert_eq(unlink(file), 0);
}

Test(medium, full_disk)
{
    struct harness *h = harness_new(HARNESS_LMDB);
    harness_close(h);
    if (small_disk_mount(h->path)) {
        harness_open(h);
        cr_assert_eq(harness_claim(h, 1), STORE_OK);
        disk_fill(h->path, 300 * 1024);
        uint32_t count = fill(h);
        cr_assert_gt(count, 50);
        cr_expect(error_says(h, strerror(ENOSPC)));
        expect_records(h, count);
        disk_empty(h->path);
        cr_expect_eq(harness_put(h, 1, count, STORE_NO_INDEX, a_value()), STORE_OK);
        cr_expect(error_says(h, ""));
        harness_reopen(h);
        expect_records(h, count + 1);
        harness_close(h);
        umount2(h->path, MNT_DETACH);
    }
    harness_free(h);
}

/* Opens on a medium where it cannot work yet, then makes it work and waits for the store to see that. */
static void expect_opens_later(struct harness *h, const char *says, void (*mend)(const char *path))
{
    char error[STORE_ERROR_MAX];
    struct store_options options = {.path = h->path, .num_workers = 1};
    h->store = store_lmdb_open(&options, error);
    cr_assert_not_null(h->store, "%s", error);
    cr_expect_not_null(strstr(error, says), "\"%s\"", error);
    cr_expect_eq(harness_claim(h, 1), STORE_DOWN);
    cr_expect_eq(harness_scan(h, 1), STORE_DOWN);
    cr_expect(error_says(h, says));
    mend(h->path);
    enum store_result result = STORE_DOWN;
    for (int i = 0; i < 40 && result != STORE_OK; i++) {
        usleep(100 * 1000);
        result = harness_claim(h, 1);
    }
    cr_expect_eq(result, STORE_OK);
    cr_expect(error_says(h, ""));
    cr_expect_eq(harness_put(h, 1, 1, STORE_NO_INDEX, a_value()), STORE_OK);
    expect_records(h, 1);
    harness_close(h);
}

static void make_writable(const char *path)
{
    cr_assert_eq(mount("none", path, NULL, MS_REMOUNT, NULL), 0);
}

Test(medium, opens_when_the_disk_is_back)
{
    struct harness *h = harness_new(HARNESS_LMDB);
    harness_close(h);
    if (small_disk_mount(h->path)) {
        disk_fill(h->path, 0);
        expect_opens_later(h, strerror(ENOSPC), disk_empty);
        cr_assert_eq(mount("none", h->path, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        /* Its epoch and record are known, so only a claim tells that it is not writable. */
        expect_opens_later(h, strerror(EROFS), make_writable);
        umount2(h->path, MNT_DETACH);
    }
    harness_free(h);
}

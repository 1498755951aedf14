#include "edge/daemon/hand_over.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOMEBODY = 1234, SOMEBODY_ELSE = 1235, ABSENT = -1 };

static const char *const files[] = {"holdfast.lock", "data.mdb", "lock.mdb"};

static uid_t owner_of(int folder, const char *name)
{
    struct stat st;
    cr_assert_eq(fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW), 0, "%s", name);
    return st.st_uid;
}

/* Root's store becomes the user's, also when a start before this one was cut off anywhere in between. */
Test(hand_over, goes_on_where_it_was_cut_off)
{
    static const struct {
        const char *what;
        int before[HF_COUNT(files)], after[HF_COUNT(files)]; /* owners */
        int folder_after;
    } rows[] = {
        {"a store of root's", {0, 0, 0}, {SOMEBODY, SOMEBODY, SOMEBODY}, SOMEBODY},
        {"cut off behind the first", {SOMEBODY, 0, 0}, {SOMEBODY, SOMEBODY, SOMEBODY}, SOMEBODY},
        {"behind the second", {SOMEBODY, SOMEBODY, 0}, {SOMEBODY, SOMEBODY, SOMEBODY}, SOMEBODY},
        {"behind the last", {SOMEBODY, SOMEBODY, SOMEBODY}, {SOMEBODY, SOMEBODY, SOMEBODY}, SOMEBODY},
        {"a store without data", {0, ABSENT, ABSENT}, {SOMEBODY, ABSENT, ABSENT}, SOMEBODY},
        {"somebody else's", {SOMEBODY_ELSE, 0, 0}, {SOMEBODY_ELSE, 0, 0}, 0},
        {"no store", {ABSENT, 0, 0}, {ABSENT, 0, 0}, 0},
    };
    const struct user user = {.uid = SOMEBODY, .gid = SOMEBODY};
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        char path[] = "/tmp/hand_over.XXXXXX";
        cr_assert_not_null(mkdtemp(path));
        int folder = open(path, O_RDONLY | O_DIRECTORY);
        cr_assert_geq(folder, 0);
        for (size_t f = 0; f < HF_COUNT(files); f++) {
            if (rows[i].before[f] != ABSENT) {
                close(openat(folder, files[f], O_CREAT | O_WRONLY, 0600));
                if (fchownat(folder, files[f], (uid_t)rows[i].before[f], 0, 0) != 0) {
                    cr_skip("may not change owners");
                }
            }
        }
        cr_expect_eq(store_hand_over(path, &user), 0, "%s", rows[i].what);
        for (size_t f = 0; f < HF_COUNT(files); f++) {
            if (rows[i].after[f] != ABSENT) {
                cr_expect_eq(owner_of(folder, files[f]), (uid_t)rows[i].after[f], "%s: %s", rows[i].what,
                             files[f]);
                unlinkat(folder, files[f], 0);
            }
        }
        cr_expect_eq(owner_of(folder, "."), (uid_t)rows[i].folder_after, "%s", rows[i].what);
        close(folder);
        rmdir(path);
    }
}

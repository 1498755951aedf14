#include "edge/daemon/hand_over.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the store */

/* 1 when it was root's or the user's and is the user's now, 0 when it is not there or another's, else -errno.
 */
static int file_give(int folder, const char *name, const struct user *user)
{
    struct stat st;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    int result = 0;
    if (fstat(fd, &st) != 0) {
        result = -errno;
    } else if (S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == user->uid)) {
        result = fchown(fd, user->uid, user->gid) == 0 ? 1 : -errno;
    }
    close(fd);
    return result;
}

/* The lock file says that the folder is a store of ours. The folder goes last, and what is given already is
 * given again: a crash in between is repaired by the next start. */
static int files_give(int folder, const struct user *user)
{
    static const char *const others[] = {"data.mdb", "lock.mdb"};
    int result = file_give(folder, "holdfast.lock", user);
    if (result <= 0) {
        return result;
    }
    for (size_t i = 0; i < HF_COUNT(others) && result >= 0; i++) {
        result = file_give(folder, others[i], user);
    }
    return result < 0 ? result : fchown(folder, user->uid, user->gid) == 0 ? 0 : -errno;
}

int store_hand_over(const char *path, const struct user *user)
{
    struct stat st;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 || user->uid == 0) {
        int error = folder < 0 && errno != ENOENT ? -errno : 0;
        if (folder >= 0) {
            close(folder);
        }
        return error;
    }
    /* Where others could put names, nothing is given away. */
    bool is_ours = fstat(folder, &st) == 0 && st.st_uid == 0 && (st.st_mode & 022) == 0;
    int result = is_ours ? files_give(folder, user) : 0;
    close(folder);
    return result;
}

/* ---- what a reload reads */

struct search {
    uint32_t count;
    const char *first;
};

static void look(struct search *search, const char *path)
{
    if (path != NULL && access(path, R_OK) != 0) {
        search->first = search->count++ == 0 ? path : search->first;
    }
}

static void look_at_connection(struct search *search, const struct config_connection *connection)
{
    for (uint32_t i = 0; i < connection->num_ca; i++) {
        look(search, connection->ca[i]);
    }
    for (uint32_t i = 0; i < connection->num_crl; i++) {
        look(search, connection->crl[i]);
    }
    for (uint32_t i = 0; i < connection->num_secrets; i++) {
        look(search, connection->secrets[i].secret_file);
    }
}

uint32_t files_unreadable(const struct config *config, const char *config_path, const char **ret_first)
{
    struct search search = {0};
    look(&search, config_path);
    for (uint32_t i = 0; i < config->num_identities; i++) {
        look(&search, config->identities[i].certificate);
        look(&search, config->identities[i].key);
    }
    for (uint32_t i = 0; i < config->num_connections; i++) {
        look_at_connection(&search, &config->connections[i]);
    }
    *ret_first = search.first;
    return search.count;
}

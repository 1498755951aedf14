#include "edge/daemon/listener.h"

#include "edge/io/sockaddr.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64 };

static bool unix_address(const char *path, struct sockaddr_un *ret_addr)
{
    *ret_addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(ret_addr->sun_path)) {
        return false;
    }
    memcpy(ret_addr->sun_path, path, len);
    return true;
}

void listener_close(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

bool listener_answers(const char *path)
{
    struct sockaddr_un addr;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answers = fd >= 0 && unix_address(path, &addr) &&
                   (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN);
    listener_close(fd);
    return answers;
}

static int bind_unix(int fd, const char *path, uid_t owner, gid_t group, mode_t mode)
{
    struct sockaddr_un addr;
    if (!unix_address(path, &addr)) {
        return -ENAMETOOLONG;
    }
    (void)unlink(path);
    mode_t before = umask(0777 & ~mode); /* never wider, not even for a moment */
    int error = bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : -errno;
    (void)umask(before);
    if (error == 0 && (lchown(path, owner, group) != 0 || listen(fd, BACKLOG) != 0)) {
        error = -errno;
    }
    return error;
}

int listener_unix(const char *path, uid_t owner, const char *group, int *ret_fd)
{
    const struct group *entry = group == NULL ? NULL : getgrnam(group);
    if (group != NULL && entry == NULL) {
        return -EINVAL;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int error =
        bind_unix(fd, path, owner, entry == NULL ? (gid_t)-1 : entry->gr_gid, entry == NULL ? 0600 : 0660);
    if (error != 0) {
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

int listener_tcp(const struct endpoint *endpoint, int *ret_fd)
{
    union sockaddr_ip addr;
    socklen_t len = sockaddr_from(endpoint, &addr);
    int on = 1;
    int fd = socket(addr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &addr.any, len) != 0 || listen(fd, BACKLOG) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

void listener_remove(const char *path)
{
    (void)unlink(path);
}

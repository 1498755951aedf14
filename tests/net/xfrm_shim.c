/* Lets libreswan run on a kernel that knows no XFRM: preloaded, it answers each XFRM message with success, as
 * a kernel does that is content, and makes up an SPI where one is asked for. Nothing is encrypted: only the
 * IKE side of that peer can be tested with it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FDS_MAX = 1024 };

/* Of a socket that is one of ours: the end where its answers go in, plus 1. */
static int far_end[FDS_MAX];

static int is_ours(int fd)
{
    return fd >= 0 && fd < FDS_MAX && far_end[fd] != 0;
}

static int next_socket(int domain, int type, int protocol)
{
    static int (*next)(int, int, int);

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "socket");
    }
    return next(domain, type, protocol);
}

int socket(int domain, int type, int protocol)
{
    int ends[2];

    if (domain != AF_NETLINK || protocol != NETLINK_XFRM) {
        int fd = next_socket(domain, type, protocol);
        if (fd >= 0 && fd < FDS_MAX) {
            far_end[fd] = 0; /* the number of one that was closed */
        }
        return fd;
    }
    if (socketpair(AF_UNIX, SOCK_DGRAM | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0, ends) != 0) {
        return -1;
    }
    far_end[ends[0]] = ends[1] + 1;
    return ends[0];
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    static int (*next)(int, const struct sockaddr *, socklen_t);

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "bind");
    }
    return is_ours(fd) ? 0 : next(fd, address, len);
}

static ssize_t next_write(int fd, const void *bytes, size_t len)
{
    static ssize_t (*next)(int, const void *, size_t);

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "write");
    }
    return next(fd, bytes, len);
}

static void answer_success(int fd, const struct nlmsghdr *request)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
    } answer = {.head = {.nlmsg_len = sizeof(answer),
                         .nlmsg_type = NLMSG_ERROR,
                         .nlmsg_seq = request->nlmsg_seq,
                         .nlmsg_pid = request->nlmsg_pid},
                .error = {.error = 0, .msg = *request}};

    (void)!next_write(fd, &answer, sizeof(answer));
}

/* A new SPI, or what is known of an SA: nothing but its SPI. */
static void answer_sa(int fd, const struct nlmsghdr *request)
{
    static unsigned last = 0xc0000000;
    struct {
        struct nlmsghdr head;
        struct xfrm_usersa_info sa;
    } answer = {.head = {.nlmsg_len = sizeof(answer),
                         .nlmsg_type = XFRM_MSG_NEWSA,
                         .nlmsg_seq = request->nlmsg_seq,
                         .nlmsg_pid = request->nlmsg_pid}};

    answer.sa.id.spi = __builtin_bswap32(last++);
    (void)!next_write(fd, &answer, sizeof(answer));
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    const struct nlmsghdr *request = bytes;

    if (!is_ours(fd) || len < sizeof(*request)) {
        return next_write(fd, bytes, len);
    }
    if (request->nlmsg_type == XFRM_MSG_ALLOCSPI || request->nlmsg_type == XFRM_MSG_GETSA) {
        answer_sa(far_end[fd] - 1, request);
    } else {
        answer_success(far_end[fd] - 1, request);
    }
    return (ssize_t)len;
}

ssize_t recvfrom(int fd, void *bytes, size_t len, int flags, struct sockaddr *from, socklen_t *from_len)
{
    static ssize_t (*next)(int, void *, size_t, int, struct sockaddr *, socklen_t *);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "recvfrom");
    }
    if (!is_ours(fd) || from == NULL) {
        return next(fd, bytes, len, flags, from, from_len);
    }
    ssize_t got = next(fd, bytes, len, flags, NULL, NULL);
    memcpy(from, &kernel, sizeof(kernel));
    *from_len = sizeof(kernel);
    return got;
}

/* How libreswan looks for XFRM, and for its own programs, which are not where it was built to be. */
static const char *place_of(const char *path)
{
    static char moved[4096];

    if (strstr(path, "xfrm_stat") != NULL || strstr(path, "xfrm_acq_expires") != NULL) {
        return "/proc/self/stat";
    }
    if (strncmp(path, "/usr/libexec/ipsec/", 19) == 0 && strlen(path) < 2048) {
        static const char root[] = "/opt/libreswan";
        memcpy(moved, root, sizeof(root) - 1);
        memcpy(moved + sizeof(root) - 1, path, strlen(path) + 1);
        return moved;
    }
    return path;
}

int access(const char *path, int mode)
{
    static int (*next)(const char *, int);

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "access");
    }
    return next(place_of(path), mode);
}

int stat(const char *path, struct stat *ret)
{
    static int (*next)(const char *, struct stat *);

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "stat");
    }
    return next(place_of(path), ret);
}

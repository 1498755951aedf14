/* Leaves the kernel's data plane out of what charon costs: preloaded, it answers each XFRM message that
 * kernel-netlink sends with success, as a kernel does that is content, and makes up an SPI where one is asked
 * for. Nothing is encrypted. For the benchmark, in place of the load tester's fake kernel, which Debian's
 * build does not have. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS_MAX = 1024 };

/* Of a socket that is one of ours: the end where its answers go in, plus 1. */
static _Atomic int far_end[FDS_MAX];

static int is_ours(int fd)
{
    return fd >= 0 && fd < FDS_MAX && atomic_load(&far_end[fd]) != 0;
}

int socket(int domain, int type, int protocol)
{
    static int (*next)(int, int, int);
    int ends[2];

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "socket");
    }
    if (domain != AF_NETLINK || protocol != NETLINK_XFRM) {
        return next(domain, type, protocol);
    }
    if (socketpair(AF_UNIX, SOCK_DGRAM | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0, ends) != 0) {
        return -1;
    }
    if (ends[0] >= FDS_MAX) {
        close(ends[0]);
        close(ends[1]);
        errno = EMFILE;
        return -1;
    }
    atomic_store(&far_end[ends[0]], ends[1] + 1);
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

    (void)!write(fd, &answer, sizeof(answer));
}

static void answer_spi(int fd, const struct nlmsghdr *request)
{
    static _Atomic unsigned last = 0xc0000000;
    struct {
        struct nlmsghdr head;
        struct xfrm_usersa_info sa;
    } answer = {.head = {.nlmsg_len = sizeof(answer),
                         .nlmsg_type = XFRM_MSG_NEWSA,
                         .nlmsg_seq = request->nlmsg_seq,
                         .nlmsg_pid = request->nlmsg_pid}};

    answer.sa.id.spi = __builtin_bswap32(atomic_fetch_add(&last, 1));
    (void)!write(fd, &answer, sizeof(answer));
}

ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
    static ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    const struct nlmsghdr *request = bytes;

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "sendto");
    }
    if (!is_ours(fd) || len < sizeof(*request)) {
        return next(fd, bytes, len, flags, to, to_len);
    }
    int far = atomic_load(&far_end[fd]) - 1;
    if (request->nlmsg_type == XFRM_MSG_ALLOCSPI) {
        answer_spi(far, request);
    } else {
        answer_success(far, request);
    }
    return (ssize_t)len;
}

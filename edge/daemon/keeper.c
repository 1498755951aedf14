#include "edge/daemon/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOBODY 65534

/* How long to be patient; 0: let go. With a descriptor: what to hold. */
struct order {
    uint32_t patience_ms;
};

/* ---- the daemon's side */

static void become_keeper(int fd)
{
    char *args[] = {(char *)(uintptr_t)"holdfastd", (char *)(uintptr_t)"--" KEEPER_OPTION, NULL};
    char *env[] = {NULL};
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int moved = fd == KEEPER_FD ? fcntl(fd, F_SETFD, 0) : dup2(fd, KEEPER_FD);
    if (moved >= 0) {
        (void)close_range(KEEPER_FD + 1, ~0U, 0);
        execve("/proc/self/exe", args, env);
    }
    _exit(1);
}

int keeper_start(struct keeper *keeper)
{
    int pair[2];
    keeper->fd = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return -errno;
    }
    pid_t child = fork();
    if (child == 0) {
        become_keeper(pair[1]);
    }
    close(pair[1]);
    if (child < 0) {
        close(pair[0]);
        return -EAGAIN;
    }
    keeper->fd = pair[0];
    (void)fcntl(keeper->fd, F_SETFL, O_NONBLOCK);
    return 0;
}

void keeper_stop(struct keeper *keeper)
{
    if (keeper->fd >= 0) {
        close(keeper->fd);
    }
    keeper->fd = -1;
}

static int order_send(struct keeper *keeper, uint32_t patience_ms, int fd)
{
    struct order order = {.patience_ms = patience_ms};
    struct iovec part = {.iov_base = &order, .iov_len = sizeof(order)};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(fd))};
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    }
    return sendmsg(keeper->fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int keeper_hold(struct keeper *keeper, int tun_fd, uint32_t patience_ms)
{
    int error = keeper->fd < 0 ? -EPIPE : order_send(keeper, patience_ms, tun_fd);
    close(tun_fd);
    return error;
}

void keeper_let_go(struct keeper *keeper)
{
    if (keeper->fd >= 0) {
        (void)order_send(keeper, 0, -1);
    }
}

void keeper_beat(struct keeper *keeper, uint32_t patience_ms)
{
    if (keeper->fd >= 0) {
        (void)order_send(keeper, patience_ms, -1);
    }
}

enum keeper_news keeper_news(struct keeper *keeper)
{
    char byte;
    if (keeper->fd < 0) {
        return KEEPER_GONE;
    }
    ssize_t got = recv(keeper->fd, &byte, sizeof(byte), MSG_DONTWAIT);
    if (got > 0) {
        return KEEPER_LET_GO;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        keeper_stop(keeper);
        return KEEPER_GONE;
    }
    return KEEPER_FINE;
}

/* ---- the keeper's side */

/* It needs no more than two descriptors. Signals are for the daemon, whose end it notices by itself. */
static void give_up_everything(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    for (size_t i = 0; i < HF_COUNT(ignored); i++) {
        (void)signal(ignored[i], SIG_IGN);
    }
    if (geteuid() == 0) {
        (void)!setgroups(0, NULL);
        (void)!setresgid(NOBODY, NOBODY, NOBODY);
        (void)!setresuid(NOBODY, NOBODY, NOBODY);
    }
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "holdfast-route");
}

/* False at the daemon's end. */
static bool order_read(int fd, struct order *ret_order, int *ret_fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {.iov_base = ret_order, .iov_len = sizeof(*ret_order)};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    *ret_fd = -1;
    if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*ret_order)) {
        return false;
    }
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
        memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
    }
    return true;
}

static void let_go(int *held)
{
    if (*held >= 0) {
        close(*held);
    }
    *held = -1;
}

int keeper_main(int fd)
{
    int held = -1, patience = -1;
    give_up_everything();
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        struct order order;
        int given;
        if (poll(&ready, 1, held < 0 ? -1 : patience) == 0) {
            let_go(&held);
            (void)send(fd, "s", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            continue;
        }
        if (!order_read(fd, &order, &given)) {
            return 0; /* and with us goes what we hold */
        }
        if (given >= 0 || order.patience_ms == 0) {
            let_go(&held);
            held = given;
        }
        patience = (int)HF_MIN(order.patience_ms, (uint32_t)INT32_MAX);
    }
}

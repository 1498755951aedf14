#include "edge/daemon/syscalls.h"

#include <errno.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <sys/socket.h>

/* Everything else fails with EPERM: above all exec, ptrace, mount, bpf (but fill_bpf()), keyctl and module
 * calls, and opening sockets of families other than those below. */
static const int allowed[] = {
    /* packets and waiting; not io_uring_setup: the rings are made, and restricted, before (io/ring.c) */
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(eventfd2),
    SCMP_SYS(signalfd4),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    /* clients of the control socket and metrics; netlink; notices to systemd */
    SCMP_SYS(accept4),
    SCMP_SYS(accept),
    SCMP_SYS(bind),
    SCMP_SYS(connect),
    SCMP_SYS(listen),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockopt),
    SCMP_SYS(shutdown),
    /* threads, memory, time */
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(prctl),
    SCMP_SYS(getrandom),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(msync),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(munlock),
    SCMP_SYS(brk),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(restart_syscall),
    /* files: config, certificates, log, session store, switches under /proc/sys */
    SCMP_SYS(openat),
    SCMP_SYS(open),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(lseek),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(fcntl),
    SCMP_SYS(flock),
    SCMP_SYS(ioctl),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(getdents64),
    SCMP_SYS(umask),
    SCMP_SYS(dup),
    SCMP_SYS(dup3),
    /* the session store looks at what may be damaged in a process of its own */
    SCMP_SYS(fork),
    SCMP_SYS(pipe2),
    SCMP_SYS(close_range),
    SCMP_SYS(getppid),
    SCMP_SYS(wait4),
    SCMP_SYS(alarm),
    SCMP_SYS(setitimer),
    /* who we are; the end */
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(prlimit64),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* Of new sockets. */
static const int families[] = {AF_UNIX, AF_NETLINK, AF_INET, AF_INET6};

/* Reading and writing maps whose descriptors are held, and putting the program, which is held as well, on an
 * interface that came later; nothing is made or loaded any more. */
static const int bpf_commands[] = {BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_LINK_CREATE, BPF_OBJ_PIN};

static int fill_bpf(scmp_filter_ctx filter)
{
    int error = 0;
    for (size_t i = 0; i < HF_COUNT(bpf_commands) && error == 0; i++) {
        struct scmp_arg_cmp is_command = {
            .arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)bpf_commands[i]};
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1, is_command);
    }
    return error;
}

static int fill(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < HF_COUNT(allowed); i++) {
        int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
        if (error != 0 && error != -EDOM) { /* EDOM: this architecture has no such call */
            return error;
        }
    }
    for (size_t i = 0; i < HF_COUNT(families); i++) {
        struct scmp_arg_cmp is_family = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)families[i]};
        int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, is_family);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* Sanitizers look at their process in ways that ours never does. */
static bool is_sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
    return true;
#else
    return false;
#endif
}

int syscalls_restrict(bool steering)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL) {
        return -ENOMEM;
    }
    int error = fill(filter);
    if (error == 0 && steering) {
        error = fill_bpf(filter);
    }
    if (error == 0 && !is_sanitized()) {
        error = seccomp_load(filter);
    }
    seccomp_release(filter);
    return error;
}

/* What a ring refuses: whoever takes over a worker must not get past seccomp through it. */
#include "edge/io/ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct open_how how = {.flags = O_RDONLY};
static siginfo_t info;
static char bytes[8];

static void prepare_openat(struct io_uring_sqe *sqe)
{
    io_uring_prep_openat(sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
}

static void prepare_openat2(struct io_uring_sqe *sqe)
{
    io_uring_prep_openat2(sqe, AT_FDCWD, "/etc/passwd", &how);
}

static void prepare_socket(struct io_uring_sqe *sqe)
{
    io_uring_prep_socket(sqe, AF_PACKET, SOCK_RAW, 0, 0);
}

static void prepare_unlink(struct io_uring_sqe *sqe)
{
    io_uring_prep_unlinkat(sqe, AT_FDCWD, "/nonexistent", 0);
}

static void prepare_waitid(struct io_uring_sqe *sqe)
{
    io_uring_prep_waitid(sqe, P_ALL, 0, &info, WEXITED | WNOHANG, 0);
}

static void prepare_write(struct io_uring_sqe *sqe)
{
    io_uring_prep_write(sqe, STDERR_FILENO, bytes, 0, 0);
}

static void prepare_linked_read(struct io_uring_sqe *sqe)
{
    io_uring_prep_read(sqe, STDIN_FILENO, bytes, 0, 0);
    sqe->flags |= IOSQE_IO_LINK;
}

static int result_of(struct ring *ring, void (*prepare)(struct io_uring_sqe *))
{
    struct ring_event event;
    struct io_uring_sqe *sqe = ring_sqe(ring, (struct ring_tag){.op = RING_NONE});
    cr_assert_not_null(sqe);
    prepare(sqe);
    sqe->user_data = 0;
    cr_assert(ring_wait(ring, NS_PER_S) && ring_next(ring, &event));
    return event.res;
}

Test(ring, only_what_a_worker_does)
{
    static void (*const refused[])(struct io_uring_sqe *) = {
        prepare_openat, prepare_openat2, prepare_socket,      prepare_unlink,
        prepare_waitid, prepare_write,   prepare_linked_read,
    };
    struct ring ring;
    int files[1] = {STDERR_FILENO};
    cr_assert_eq(ring_open(&ring, 8), 0);
    cr_assert_eq(ring_start(&ring), 0);
    for (size_t i = 0; i < HF_COUNT(refused); i++) {
        cr_expect_eq(result_of(&ring, refused[i]), -EACCES, "row %zu", i);
    }
    cr_expect_eq(io_uring_register_files(&ring.uring, files, 1), -EACCES);
    ring_close(&ring);
}

/* What clients of the control socket and the metrics port cannot do to the main thread and to each other. */
#include "edge/daemon/stream.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct loop loop;
static struct server server;
static struct sockaddr_in address;
static uint32_t requests, parts;

static ns_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (ns_t)t.tv_sec * NS_PER_S + (ns_t)t.tv_nsec;
}

static size_t line_len(const struct stream *stream)
{
    const char *end = memchr(stream->in, '\n', stream->in_len);
    return end == NULL ? 0 : (size_t)(end - stream->in) + 1;
}

/* "list" has an answer in 1000 parts, "big" one that no socket takes at once, anything else "ok". */
static void request(struct stream *stream, struct span line)
{
    static char big[32 << 20];
    requests++;
    if (line.data[0] == 'l') {
        return;
    }
    stream_write(stream, line.data[0] == 'b' ? big : "ok\n", line.data[0] == 'b' ? sizeof(big) : 3);
    stream_answered(stream);
}

static void more(struct stream *stream)
{
    stream_write(stream, "part\n", 5);
    if (++parts % 1000 == 0) {
        stream_answered(stream);
    }
}

static void open_server(void)
{
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 64) == 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    server = (struct server){.request_len = line_len, .request = request, .more = more};
    cr_assert_eq(loop_open(&loop), 0);
    cr_assert_eq(server_open(&server, &loop, fd), 0);
}

static void run(void)
{
    while (loop_once(&loop, 20)) {
    }
}

static int client(const char *text)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert(loop_once(&loop, 1000), "accepted");
    cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
    return fd;
}

static bool is_open(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return got > 0 || (got < 0 && errno == EAGAIN);
}

static bool hears_ok(int fd)
{
    char answer[3];
    return recv(fd, answer, sizeof(answer), MSG_DONTWAIT) == 3 && memcmp(answer, "ok\n", 3) == 0;
}

/* Signals, workers and other clients come in between, however much one client asks for. */
Test(stream, one_piece_of_work_at_a_time)
{
    char many[300 + 1];
    open_server();
    for (int i = 0; i < 100; i++) {
        memcpy(many + 3 * i, "ok\n", 4);
    }
    int fd = client(many);
    cr_assert(loop_once(&loop, 1000));
    cr_expect_eq(requests, 1);
    run();
    cr_expect_eq(requests, 100);
    int list = client("list\n");
    cr_assert(loop_once(&loop, 1000) && loop_once(&loop, 1000));
    cr_expect_leq(parts, 1);
    run();
    cr_expect_eq(parts, 1000);
    close(list);
    close(fd);
    server_close(&server);
}

/* Byte by byte, a client would otherwise stay for ever. */
Test(stream, a_request_has_its_time)
{
    open_server();
    int fd = client("");
    ns_t accepted = now();
    usleep(50000);
    cr_assert_eq(send(fd, "o", 1, 0), 1);
    run();
    server_tick(&server, accepted + STREAM_REQUEST_S * NS_PER_S - 100 * NS_PER_MS);
    cr_expect(is_open(fd), "too early");
    server_tick(&server, accepted + STREAM_REQUEST_S * NS_PER_S + 25 * NS_PER_MS);
    cr_expect(!is_open(fd), "every byte bought more time");
    int next = client("ok\n");
    run();
    cr_expect(hears_ok(next));
    server_tick(&server, now() + STREAM_REQUEST_S * NS_PER_S - NS_PER_S);
    cr_expect(is_open(next), "the time of the next request began with the answer");
    close(fd);
    close(next);
    server_close(&server);
}

/* A reader that takes a little now and then is not silent, but an answer has its time too. */
Test(stream, an_answer_has_its_time)
{
    open_server();
    int fd = client("big\n");
    static char some[1 << 20];
    ns_t asked = now();
    run();
    cr_assert_gt(recv(fd, some, sizeof(some), 0), 0);
    run();
    server_tick(&server, asked + STREAM_PATIENCE_S * NS_PER_S - NS_PER_S);
    cr_expect(server.streams[0].in_use);
    server_tick(&server, asked + STREAM_ANSWER_S * NS_PER_S + NS_PER_S);
    cr_expect(!server.streams[0].in_use);
    close(fd);
    server_close(&server);
}

/* Who only holds connections makes room for who asks. */
Test(stream, silent_clients_make_room)
{
    open_server();
    int silent[STREAMS_MAX + 4];
    for (size_t i = 0; i < HF_COUNT(silent); i++) {
        silent[i] = client("x");
        run();
    }
    int asks = client("ok\n");
    run();
    cr_expect(hears_ok(asks));
    cr_expect(!is_open(silent[0]), "the oldest goes first");
    cr_expect(is_open(silent[HF_COUNT(silent) - 1]));
    for (size_t i = 0; i < HF_COUNT(silent); i++) {
        close(silent[i]);
    }
    close(asks);
    server_close(&server);
}

#include "edge/daemon/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static ns_t clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (ns_t)t.tv_sec * NS_PER_S + (ns_t)t.tv_nsec;
}

static void stream_close(struct stream *stream)
{
    loop_remove(stream->server->loop, &stream->source);
    close(stream->source.fd);
    free(stream->out);
    free(stream->job_data);
    *stream = (struct stream){0};
}

char *stream_room(struct stream *stream, size_t len)
{
    if (stream->out_cap - stream->out_len < len) {
        size_t cap = HF_MAX(stream->out_cap * 2, stream->out_len + len);
        char *out = realloc(stream->out, cap);
        if (out == NULL) {
            stream->is_last = true;
            return NULL;
        }
        stream->out = out;
        stream->out_cap = cap;
    }
    return stream->out + stream->out_len;
}

void stream_wrote(struct stream *stream, size_t len)
{
    hf_assert(len <= stream->out_cap - stream->out_len);
    stream->out_len += len;
}

void stream_write(struct stream *stream, const void *bytes, size_t len)
{
    char *room = stream_room(stream, len);
    if (room != NULL && len > 0) {
        memcpy(room, bytes, len);
        stream_wrote(stream, len);
    }
}

void stream_answered(struct stream *stream)
{
    stream->has_request = false;
}

void stream_end(struct stream *stream)
{
    stream->is_last = true;
}

static size_t unsent(const struct stream *stream)
{
    return stream->out_len - stream->out_sent;
}

/* False when the client is gone. */
static bool stream_send(struct stream *stream)
{
    while (unsent(stream) > 0) {
        ssize_t sent = send(stream->source.fd, stream->out + stream->out_sent, unsent(stream),
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        stream->out_sent += (size_t)sent;
        stream->moved = clock_now();
    }
    stream->out_len = stream->out_sent = 0;
    return true;
}

/* False when the client is gone or sends more than any request has. */
static bool stream_receive(struct stream *stream)
{
    size_t room = sizeof(stream->in) - stream->in_len;
    ssize_t got = room == 0 ? 0 : recv(stream->source.fd, stream->in + stream->in_len, room, MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    stream->in_len += (size_t)got;
    return got > 0;
}

static void take_request(struct stream *stream, size_t len)
{
    stream->has_request = true;
    stream->since = stream->moved = clock_now();
    stream->server->request(stream, span_of(stream->in, len));
    stream->in_len -= len;
    memmove(stream->in, stream->in + len, stream->in_len);
}

/* Whether the next thing is a request to wait for. */
static bool stream_waits(const struct stream *stream)
{
    return !stream->has_request && unsent(stream) == 0 && stream->server->request_len(stream) == 0;
}

/* A request, or a part of an answer, as long as the client takes what there is. */
static void stream_work(struct stream *stream)
{
    struct server *server = stream->server;
    if (stream->is_last || unsent(stream) >= STREAM_OUT_ENOUGH) {
        return;
    }
    if (stream->has_request) {
        if (server->more != NULL) {
            server->more(stream);
        }
        return;
    }
    size_t len = server->request_len(stream);
    if (len > 0) {
        take_request(stream, len);
    }
}

static void stream_ready(struct loop_source *source, uint32_t events)
{
    struct stream *stream = (struct stream *)source; /* its first member */
    bool alive = (events & EPOLLERR) == 0, waited = stream_waits(stream);
    if (alive && (events & (EPOLLIN | EPOLLHUP)) != 0 && !stream->has_request) {
        alive = stream_receive(stream);
    }
    if (alive) {
        stream_work(stream);
        alive = stream_send(stream);
    }
    if (!alive || (stream->is_last && unsent(stream) == 0)) {
        stream_close(stream);
        return;
    }
    bool waits = stream_waits(stream);
    if (waits && !waited) {
        stream->since = clock_now();
    }
    loop_change(stream->server->loop, &stream->source, waits ? EPOLLIN : EPOLLOUT);
}

/* Who stands in the way the most: of those that have asked nothing yet the one that came first, else one that
 * does not take its answer. NULL when all are being served. */
static struct stream *place_take_back(struct server *server, ns_t now)
{
    struct stream *silent = NULL, *stalled = NULL;
    for (int i = 0; i < STREAMS_MAX; i++) {
        struct stream *stream = &server->streams[i];
        if (stream_waits(stream)) {
            silent = silent == NULL || stream->since < silent->since ? stream : silent;
        } else if (now > stream->moved + STREAM_STALLED_S * NS_PER_S) {
            stalled = stalled == NULL || stream->moved < stalled->moved ? stream : stalled;
        }
    }
    struct stream *place = silent != NULL ? silent : stalled;
    if (place != NULL) {
        stream_close(place);
    }
    return place;
}

static struct stream *place_find(struct server *server, ns_t now)
{
    for (int i = 0; i < STREAMS_MAX; i++) {
        if (!server->streams[i].in_use) {
            return &server->streams[i];
        }
    }
    return place_take_back(server, now);
}

static void server_ready(struct loop_source *source, uint32_t events)
{
    struct server *server = (struct server *)source; /* its first member */
    (void)events;
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    ns_t now = clock_now();
    struct stream *stream = place_find(server, now);
    if (stream == NULL) { /* too many: this one is turned away, those who are here are served */
        close(fd);
        return;
    }
    *stream = (struct stream){
        .source = {.fd = fd, .events = EPOLLIN, .ready = stream_ready},
        .server = server,
        .in_use = true,
        .since = now,
        .moved = now,
    };
    if (loop_add(server->loop, &stream->source) != 0) {
        *stream = (struct stream){0};
        close(fd);
    }
}

int server_open(struct server *server, struct loop *loop, int fd)
{
    server->loop = loop;
    server->source = (struct loop_source){.fd = fd, .events = EPOLLIN, .ready = server_ready};
    return loop_add(loop, &server->source);
}

void server_close(struct server *server)
{
    if (server->loop == NULL) {
        return;
    }
    for (int i = 0; i < STREAMS_MAX; i++) {
        if (server->streams[i].in_use) {
            stream_close(&server->streams[i]);
        }
    }
    loop_remove(server->loop, &server->source);
    close(server->source.fd);
    server->loop = NULL;
}

static bool is_over(const struct stream *stream, ns_t now)
{
    if (stream_waits(stream)) {
        return now > stream->since + STREAM_REQUEST_S * NS_PER_S;
    }
    return now > stream->moved + STREAM_PATIENCE_S * NS_PER_S ||
           now > stream->since + STREAM_ANSWER_S * NS_PER_S;
}

void server_tick(struct server *server, ns_t now)
{
    for (int i = 0; i < STREAMS_MAX && server->loop != NULL; i++) {
        struct stream *stream = &server->streams[i];
        if (stream->in_use && is_over(stream, now)) {
            stream_close(stream);
        }
    }
}

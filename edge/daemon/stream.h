/* A client of the control socket or the metrics port, and the socket it came through: bounded in number, in
 * what it may send, in what is kept for it, and in time. Each event of the loop does one piece of work, a
 * request or a part of its answer, so that the main thread comes to its other duties in between. */
#pragma once

#include "edge/base/span.h"
#include "edge/daemon/loop.h"

enum {
    STREAMS_MAX = 16, /* clients of one server */
    STREAM_IN_MAX = 8192,
    STREAM_OUT_ENOUGH = 65536, /* no more is produced while so much waits to be read */
    STREAM_REQUEST_S = 30,     /* for a whole request, from the answer before (or the connection) on */
    STREAM_PATIENCE_S = 30,    /* for a client that takes nothing of its answer */
    STREAM_ANSWER_S = 300,     /* for a whole answer, however slowly it is taken */
    STREAM_STALLED_S = 1,      /* then others may have its place, when all are taken */
};

struct server;

struct stream {
    struct loop_source source;
    struct server *server;
    bool in_use;
    bool has_request; /* being answered: no more is read */
    bool is_last;     /* closed when all is written */
    ns_t since;       /* when it began to wait for a request, or got it */
    ns_t moved;       /* when it last took something of the answer */
    char in[STREAM_IN_MAX];
    size_t in_len;
    char *out; /* grows */
    size_t out_len, out_cap, out_sent;
    uint64_t job[2]; /* the server's: where a long answer stands */
    void *job_data;  /* malloc'd by the server, freed with the stream */
};

struct server {
    struct loop_source source;
    struct loop *loop;
    void *context;
    /* Finds a request in stream->in: the bytes it takes, 0 when it is not complete. */
    size_t (*request_len)(const struct stream *stream);
    /* Begins to answer; `request` is valid during the call. */
    void (*request)(struct stream *stream, struct span request);
    /* Goes on, when there is room and neither is_last nor the answer's end was reached; may be NULL. */
    void (*more)(struct stream *stream);
    struct stream streams[STREAMS_MAX];
};

/* A listening stream socket, non-blocking, taken over. 0 or -errno. */
HF_MUST int server_open(struct server *server, struct loop *loop, int fd);
void server_close(struct server *server);
/* Closes who has had their time. */
void server_tick(struct server *server, ns_t now);

/* Appends to the answer; a client that there is no memory for is closed at the end of the call-back. */
void stream_write(struct stream *stream, const void *bytes, size_t len);
/* Room for `len` bytes, of which stream_wrote() then takes what was written; NULL without memory. */
char *stream_room(struct stream *stream, size_t len);
void stream_wrote(struct stream *stream, size_t len);
/* The answer is complete: the next request may be read. */
void stream_answered(struct stream *stream);
/* Nothing more after what has been written. */
void stream_end(struct stream *stream);

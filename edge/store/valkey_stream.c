/* Commands out and answers in, on one connection. Commands go out in the order in which they are given, many
 * at a time; answers come in the same order. */
#include "edge/store/valkey_internal.h"

#include <errno.h>
#include <stdlib.h>

enum {
    READ_BYTES = 65536,
    READS_MAX = 16,               /* in one go */
    ANSWER_BYTES_MAX = 256 << 20, /* one that is longer is no answer */
};

/* ---- out */

static bool out_reserve(struct link *link, size_t more)
{
    size_t needed = link->out_len + more;
    if (needed <= link->out_capacity) {
        return true;
    }
    size_t capacity = HF_MAX(needed, HF_MAX(2 * link->out_capacity, (size_t)4096));
    uint8_t *out = realloc(link->out, capacity);
    if (out != NULL) {
        link->out = out;
        link->out_capacity = capacity;
    }
    return out != NULL;
}

static void asked_append(struct link *link, struct asked *asked)
{
    *(link->first_asked == NULL ? &link->first_asked : &link->last_asked->next) = asked;
    link->last_asked = asked;
}

bool link_ask(struct valkey *v, struct link *link, enum ask ask, struct job *job, int argc, const char **argv,
              const size_t *lens)
{
    char *command = NULL;
    struct asked *asked = calloc(1, sizeof(*asked));
    long long len = redisFormatCommandArgv(&command, argc, argv, lens);
    if (asked == NULL || len < 0 || !out_reserve(link, (size_t)len)) {
        free(asked);
        redisFreeCommand(command);
        link_fail(v, link, "no memory");
        return false;
    }
    *asked = (struct asked){.ask = ask, .job = job, .begins = link->out_begins + link->out_len, .at = v->now};
    memcpy(link->out + link->out_len, command, (size_t)len);
    link->out_len += (size_t)len;
    redisFreeCommand(command);
    asked_append(link, asked);
    v->asked_jobs += ask == ASK_JOB;
    link->greetings += ask != ASK_JOB;
    return true;
}

/* Bytes for the socket itself: false when the link has failed. *ret_sent may be fewer. */
static bool socket_send(struct valkey *v, struct link *link, const uint8_t *bytes, size_t len,
                        size_t *ret_sent)
{
    ssize_t sent = send(link->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    *ret_sent = sent > 0 ? (size_t)sent : 0;
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        link_fail(v, link, "cannot send: %s", strerror(errno));
        return false;
    }
    return true;
}

static void out_drop(struct link *link, size_t len)
{
    link->out_len -= len;
    link->out_begins += len;
    memmove(link->out, link->out + len, link->out_len);
}

static void plain_flush(struct valkey *v, struct link *link)
{
    size_t sent = 0;
    while (link->out_len > 0) {
        if (!socket_send(v, link, link->out, link->out_len, &sent) || sent == 0) {
            return;
        }
        out_drop(link, sent);
    }
}

/* What libssl has sealed; false when the link has failed or its socket is full. What does not go stays in
 * link->sealed. */
static bool sealed_flush(struct valkey *v, struct link *link)
{
    for (;;) {
        size_t sent = 0;
        if (link->sealed_len == link->sealed_sent) {
            link->sealed_sent = 0;
            link->sealed_len = tls_drain(link->tls, link->sealed, sizeof(link->sealed));
        }
        if (link->sealed_len == 0) {
            return true;
        }
        if (!socket_send(v, link, link->sealed + link->sealed_sent, link->sealed_len - link->sealed_sent,
                         &sent) ||
            sent == 0) {
            return false;
        }
        link->sealed_sent += sent;
    }
}

static void tls_link_fail(struct valkey *v, struct link *link)
{
    char text[CRYPTO_ERROR_MAX];
    tls_error(link->tls, text);
    link_fail(v, link, "TLS: %.120s", text);
}

void link_flush(struct valkey *v, struct link *link)
{
    if (link->fd < 0 || link->state == LINK_CONNECTING) {
        return;
    }
    if (link->tls == NULL) {
        plain_flush(v, link);
        return;
    }
    while (sealed_flush(v, link) && link->out_len > 0 && link->state >= LINK_GREETING) {
        size_t len = HF_MIN(link->out_len, (size_t)VALKEY_SEALED_BYTES);
        if (tls_write(link->tls, span_of(link->out, len)) != TLS_OK) {
            tls_link_fail(v, link);
            return;
        }
        out_drop(link, len);
    }
}

/* ---- in */

static void answer_take(struct valkey *v, struct link *link, const redisReply *reply)
{
    struct asked *asked = link->first_asked;
    if (asked == NULL) {
        link_fail(v, link, "it answers what was not asked");
        return;
    }
    link->first_asked = asked->next;
    if (asked->ask == ASK_JOB) {
        v->asked_jobs--;
        job_answer(v, link, asked->job, reply);
    } else {
        link->greetings--;
        greet_answer(v, link, asked, reply);
    }
    free(asked);
}

/* True while the connection lives. */
static bool answers_take(struct valkey *v, struct link *link, const uint8_t *bytes, size_t len)
{
    uint64_t connection = link->connection;
    link->unanswered_bytes += len;
    int code = redisReaderFeed(link->reader, (const char *)bytes, len);
    while (code == REDIS_OK) {
        void *reply = NULL;
        code = redisReaderGetReply(link->reader, &reply);
        if (code != REDIS_OK || reply == NULL) {
            break;
        }
        link->unanswered_bytes = 0;
        answer_take(v, link, reply);
        freeReplyObject(reply);
        if (link->connection != connection || link->reader == NULL) {
            return false;
        }
    }
    if (code != REDIS_OK || link->unanswered_bytes > ANSWER_BYTES_MAX) {
        link_fail(v, link, "it does not speak the protocol: %.80s",
                  code != REDIS_OK ? link->reader->errstr : "an answer without end");
        return false;
    }
    return true;
}

static bool sealed_take(struct valkey *v, struct link *link, const uint8_t *bytes, size_t len)
{
    uint8_t plain[READ_BYTES / 4];
    enum tls_result result = TLS_OK;
    if (!tls_feed(link->tls, span_of(bytes, len))) {
        link_fail(v, link, "no memory");
        return false;
    }
    if (link->state == LINK_SECURING) {
        result = tls_shake(link->tls);
        if (result == TLS_OK) {
            link->state = LINK_GREETING;
            greet_begin(v, link);
        }
    }
    while (result == TLS_OK && link->state >= LINK_GREETING) {
        size_t got = 0;
        result = tls_read(link->tls, plain, sizeof(plain), &got);
        if (result == TLS_OK && !answers_take(v, link, plain, got)) {
            return false;
        }
    }
    if (result == TLS_FAILED) {
        tls_link_fail(v, link);
    } else if (result == TLS_ENDED) {
        link_fail(v, link, "it closed the connection");
    }
    return link->fd >= 0;
}

void link_read(struct valkey *v, struct link *link)
{
    uint8_t bytes[READ_BYTES];
    for (int i = 0; i < READS_MAX && link->fd >= 0; i++) {
        ssize_t len = recv(link->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (len <= 0) {
            link_fail(v, link, "%s", len == 0 ? "it closed the connection" : strerror(errno));
            return;
        }
        bool goes_on = link->tls != NULL ? sealed_take(v, link, bytes, (size_t)len)
                                         : answers_take(v, link, bytes, (size_t)len);
        if (!goes_on) {
            return;
        }
    }
}

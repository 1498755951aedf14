/* GET /metrics, for Prometheus. HTTP/1.1 as far as a scraper needs it; one request for each connection. */
#include "edge/daemon/daemon.h"

#include "edge/ops/metrics.h"

#include <stdio.h>
#include <stdlib.h>

static size_t head_len(const struct stream *stream)
{
    static const char end[] = "\r\n\r\n";
    for (size_t i = 0; i + 4 <= stream->in_len; i++) {
        if (memcmp(stream->in + i, end, 4) == 0) {
            return i + 4;
        }
    }
    return 0;
}

static void reply(struct stream *stream, const char *status, const char *type, struct span body,
                  bool with_body)
{
    char head[256];
    int len = snprintf(head, sizeof(head),
                       "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                       status, type, body.len);
    stream_write(stream, head, (size_t)len);
    if (with_body) {
        stream_write(stream, body.data, body.len);
    }
    stream_end(stream);
}

static void reply_text(struct stream *stream, const char *status)
{
    char body[64];
    int len = snprintf(body, sizeof(body), "%s\n", status + 4); /* behind the code */
    reply(stream, status, "text/plain", span_of(body, (size_t)len), true);
}

/* Every picture interrupts all workers, and anybody who reaches the port may ask for one. */
#define FRESH_NS (100 * NS_PER_MS)

static void picture_take(struct daemon *d)
{
    struct status *status = status_new(d);
    if (d->metrics_text == NULL) {
        d->metrics_text = malloc(METRICS_BYTES_MAX);
    }
    d->metrics_len = status == NULL || d->metrics_text == NULL
                         ? 0
                         : metrics_format(d->metrics_text, METRICS_BYTES_MAX, status_snapshot(status));
    d->metrics_fresh_until = daemon_now() + FRESH_NS;
    status_free(status);
}

static void reply_metrics(struct stream *stream, bool with_body)
{
    struct daemon *d = stream->server->context;
    if (daemon_now() >= d->metrics_fresh_until) {
        picture_take(d);
    }
    if (d->metrics_len > 0) {
        reply(stream, "200 OK", METRICS_CONTENT_TYPE, span_of(d->metrics_text, d->metrics_len), with_body);
    } else {
        reply_text(stream, "503 Service Unavailable");
    }
}

static bool starts_with(struct span request, const char *text)
{
    size_t len = strlen(text);
    return request.len >= len && memcmp(request.data, text, len) == 0;
}

static void request(struct stream *stream, struct span head)
{
    bool is_get = starts_with(head, "GET "), is_head = starts_with(head, "HEAD ");
    struct span target = {0};
    if (is_get || is_head) {
        size_t skip = is_get ? 4 : 5;
        target = span_of(head.data + skip, head.len - skip);
    }
    if (!is_get && !is_head) {
        reply_text(stream, "405 Method Not Allowed");
    } else if (starts_with(target, "/metrics ") || starts_with(target, "/metrics?")) {
        reply_metrics(stream, is_get);
    } else {
        reply_text(stream, "404 Not Found");
    }
}

int metrics_open(struct daemon *d, int fd)
{
    d->metrics.context = d;
    d->metrics.request_len = head_len;
    d->metrics.request = request;
    return server_open(&d->metrics, &d->loop, fd);
}

/* The life of a connection to one server: name, socket, TLS, and what becomes of its commands when it ends.
 */
#include "edge/store/valkey_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ANSWER_ELEMENTS_MAX = 4 << 20 }; /* of one array: records of a shard */

#define BACK_OFF_MIN (20 * NS_PER_MS)
#define BACK_OFF_MAX (500 * NS_PER_MS)

void link_init(struct valkey *v, struct link *link, const char *host, uint16_t port, bool is_configured)
{
    *link = (struct link){
        .number = (uint8_t)(link - v->links),
        .is_used = true,
        .is_configured = is_configured,
        .port = port,
        .fd = -1,
    };
    snprintf(link->host, sizeof(link->host), "%s", host);
}

/* ---- its end */

static void connection_close(struct link *link)
{
    resolver_free(link->resolver);
    link->resolver = NULL;
    if (link->fd >= 0) {
        close(link->fd);
        link->fd = -1;
    }
    tls_free(link->tls);
    link->tls = NULL;
    if (link->reader != NULL) {
        redisReaderFree(link->reader);
        link->reader = NULL;
    }
    free(link->out);
    link->out = NULL;
    link->out_len = link->out_capacity = 0;
    link->sealed_len = link->sealed_sent = 0;
}

void link_free(struct link *link)
{
    connection_close(link);
    while (link->first_asked != NULL) {
        struct asked *asked = link->first_asked;
        link->first_asked = asked->next;
        free(asked);
    }
}

/* Not all come back at the same moment to a server that was away. */
static ns_t with_jitter(struct valkey *v, ns_t time)
{
    v->random = v->random * 6364136223846793005u + 1442695040888963407u;
    return time / 2 + (v->random >> 33) % (time / 2 + 1);
}

/* What was sent may have been carried out. With TLS, what libssl has taken counts as sent. */
static void commands_lose(struct valkey *v, struct link *link, uint64_t sent)
{
    struct asked *asked = link->first_asked;
    link->first_asked = link->last_asked = NULL;
    link->greetings = 0;
    while (asked != NULL) {
        struct asked *next = asked->next;
        if (asked->ask == ASK_JOB) {
            v->asked_jobs--;
            job_lost(v, asked->job, asked->begins < sent);
        }
        free(asked);
        asked = next;
    }
}

void link_fail(struct valkey *v, struct link *link, const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (link->state != LINK_DOWN) {
        snprintf(v->link_error, sizeof(v->link_error), "store valkey %.60s:%u: %s", link->host, link->port,
                 text);
    }
    uint64_t sent = link->out_begins;
    v->generation += link->first_asked != NULL;
    bool was_ready = link->state == LINK_READY;
    connection_close(link);
    link->state = LINK_DOWN;
    link->back_off = was_ready ? 0 : HF_MIN(HF_MAX(2 * link->back_off, BACK_OFF_MIN), BACK_OFF_MAX);
    link->state_until = v->now + with_jitter(v, link->back_off);
    link->is_primary = false;
    link->info_under_way = link->slots_under_way = false;
    v->slots_are_stale = true;
    commands_lose(v, link, sent);
}

/* ---- its beginning */

static void connect_next(struct valkey *v, struct link *link);

static bool address_is_numeric(struct link *link)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *one = NULL;
    char port[8];
    snprintf(port, sizeof(port), "%u", link->port);
    if (getaddrinfo(link->host, port, &hints, &one) != 0) {
        return false;
    }
    memcpy(&link->addresses[0].address, one->ai_addr, one->ai_addrlen);
    link->addresses[0].len = one->ai_addrlen;
    link->num_addresses = 1;
    freeaddrinfo(one);
    return true;
}

static void link_begin(struct valkey *v, struct link *link)
{
    link->address = 0;
    link->state_until = v->now + v->timeout;
    if (address_is_numeric(link)) {
        connect_next(v, link);
        return;
    }
    link->state = LINK_RESOLVING;
    link->resolver = resolver_start(link->host, link->port, v->wake_fd);
    if (link->resolver == NULL) {
        link_fail(v, link, "no thread to look its name up");
    }
}

static void link_resolved(struct valkey *v, struct link *link)
{
    const char *error = "";
    if (!resolver_done(link->resolver, link->addresses, &link->num_addresses, &error)) {
        return;
    }
    resolver_free(link->resolver);
    link->resolver = NULL;
    if (link->num_addresses == 0) {
        link_fail(v, link, "%s", error);
        return;
    }
    connect_next(v, link);
}

static void options_set(const struct valkey *v, int fd)
{
    int on = 1;
    unsigned timeout_ms = (unsigned)(v->timeout / NS_PER_MS);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

static bool connection_make(struct valkey *v, struct link *link)
{
    const struct valkey_address *to = &link->addresses[link->address];
    link->fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0) {
        return false;
    }
    options_set(v, link->fd);
    return connect(link->fd, (const struct sockaddr *)&to->address, to->len) == 0 || errno == EINPROGRESS;
}

static void connect_next(struct valkey *v, struct link *link)
{
    link->reader = redisReaderCreate();
    link->out_begins = 0;
    link->unanswered_bytes = 0;
    link->connection = ++v->connections;
    if (link->reader == NULL || !connection_make(v, link)) {
        link_fail(v, link, "cannot connect: %s", strerror(errno));
        return;
    }
    link->reader->maxelements = ANSWER_ELEMENTS_MAX;
    link->state = LINK_CONNECTING;
    link->state_until = v->now + v->timeout;
}

static void link_connected(struct valkey *v, struct link *link)
{
    int code = 0;
    socklen_t len = sizeof(code);
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &code, &len) != 0 || code != 0) {
        bool is_last = link->address + 1 >= link->num_addresses;
        if (is_last) {
            link_fail(v, link, "cannot connect: %s", strerror(code != 0 ? code : errno));
            return;
        }
        connection_close(link);
        link->address++;
        connect_next(v, link);
        return;
    }
    if (v->tls == NULL) {
        link->state = LINK_GREETING;
        greet_begin(v, link);
        return;
    }
    link->tls = tls_new(v->tls, v->tls_name[0] != 0 ? v->tls_name : link->host);
    if (link->tls == NULL) {
        link_fail(v, link, "TLS cannot begin");
        return;
    }
    link->state = LINK_SECURING;
    (void)tls_shake(link->tls); /* its first message */
}

/* ---- time and events */

static void connecting_late(struct valkey *v, struct link *link)
{
    if (link->address + 1 < link->num_addresses) {
        connection_close(link);
        link->address++;
        connect_next(v, link);
    } else {
        link_fail(v, link, "cannot connect: it does not answer");
    }
}

void link_tick(struct valkey *v, struct link *link)
{
    bool late = v->now >= link->state_until;
    switch (link->state) {
    case LINK_DOWN:
        if (late) {
            link_begin(v, link);
        }
        break;
    case LINK_RESOLVING:
        link_resolved(v, link);
        break;
    case LINK_CONNECTING:
        if (late) {
            connecting_late(v, link);
        }
        break;
    case LINK_SECURING:
    case LINK_GREETING:
        if (late) {
            link_fail(v, link, "connected, but it does not answer");
        }
        break;
    case LINK_READY:
        if (link->first_asked != NULL && v->now >= link->first_asked->at + v->timeout) {
            link_fail(v, link, "it does not answer");
        } else {
            greet_tick(v, link);
        }
        break;
    }
}

ns_t link_deadline(const struct valkey *v, const struct link *link)
{
    switch (link->state) {
    case LINK_RESOLVING:
        return NS_NEVER; /* its thread wakes us */
    case LINK_READY:
        return link->first_asked != NULL ? HF_MIN(link->first_asked->at + v->timeout, link->info_at)
                                         : link->info_at;
    default:
        return link->state_until;
    }
}

short link_events(const struct link *link)
{
    if (link->state == LINK_CONNECTING) {
        return POLLOUT;
    }
    bool sends = link->sealed_len > link->sealed_sent || link->out_len > 0;
    return (short)(POLLIN | (sends ? POLLOUT : 0));
}

void link_io(struct valkey *v, struct link *link, short events)
{
    if (link->state == LINK_CONNECTING) {
        link_connected(v, link);
    } else if ((events & (POLLIN | POLLERR | POLLHUP)) != 0) {
        link_read(v, link);
    }
}

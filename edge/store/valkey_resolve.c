/* getaddrinfo() may hang for as long as it likes, so each look-up has a thread of its own, which nobody waits
 * for: what it works on belongs to whoever lets go of it last. */
#include "edge/store/valkey_internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct resolver {
    pthread_mutex_t lock;
    bool is_done, is_abandoned;
    int event_fd;
    char host[VALKEY_NAME_MAX], port[8];
    struct valkey_address addresses[VALKEY_ADDRESSES_MAX];
    size_t count;
    int code; /* of getaddrinfo() */
};

static void resolver_destroy(struct resolver *resolver)
{
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

static void look_up(struct resolver *resolver)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *all = NULL;
    resolver->code = getaddrinfo(resolver->host, resolver->port, &hints, &all);
    for (struct addrinfo *one = resolver->code == 0 ? all : NULL; one != NULL; one = one->ai_next) {
        if (resolver->count < VALKEY_ADDRESSES_MAX && one->ai_addrlen <= sizeof(struct sockaddr_storage)) {
            struct valkey_address *address = &resolver->addresses[resolver->count++];
            memcpy(&address->address, one->ai_addr, one->ai_addrlen);
            address->len = one->ai_addrlen;
        }
    }
    if (resolver->code == 0) {
        freeaddrinfo(all);
    }
}

static void *resolver_run(void *argument)
{
    struct resolver *resolver = argument;
    look_up(resolver);
    pthread_mutex_lock(&resolver->lock);
    resolver->is_done = true;
    bool is_abandoned = resolver->is_abandoned;
    if (!is_abandoned) { /* then the event's descriptor is still open */
        uint64_t one = 1;
        ssize_t written = write(resolver->event_fd, &one, sizeof(one));
        (void)written; /* full: it is awake already */
    }
    pthread_mutex_unlock(&resolver->lock);
    if (is_abandoned) {
        resolver_destroy(resolver);
    }
    return NULL;
}

struct resolver *resolver_start(const char *host, uint16_t port, int event_fd)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    if (resolver == NULL) {
        return NULL;
    }
    pthread_mutex_init(&resolver->lock, NULL);
    resolver->event_fd = event_fd;
    snprintf(resolver->host, sizeof(resolver->host), "%s", host);
    snprintf(resolver->port, sizeof(resolver->port), "%u", port);
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* The signal mask is that of the store's thread: none. */
    bool started = pthread_create(&thread, &attributes, resolver_run, resolver) == 0;
    pthread_attr_destroy(&attributes);
    if (!started) {
        resolver_destroy(resolver);
        resolver = NULL;
    }
    return resolver;
}

bool resolver_done(struct resolver *resolver, struct valkey_address *ret_addresses, size_t *ret_count,
                   const char **ret_error)
{
    pthread_mutex_lock(&resolver->lock);
    bool is_done = resolver->is_done;
    pthread_mutex_unlock(&resolver->lock);
    if (is_done) {
        memcpy(ret_addresses, resolver->addresses, sizeof(resolver->addresses));
        *ret_count = resolver->count;
        *ret_error = resolver->code == 0 ? "no address" : gai_strerror(resolver->code);
    }
    return is_done;
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    pthread_mutex_lock(&resolver->lock);
    bool is_done = resolver->is_done;
    resolver->is_abandoned = true;
    pthread_mutex_unlock(&resolver->lock);
    if (is_done) {
        resolver_destroy(resolver);
    }
}

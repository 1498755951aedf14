/* The store itself: its thread, what goes in and out, opening and closing. */
#include "edge/store/valkey_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    TIMEOUT_MS_DEFAULT = 1000,
    FLEET_NAME_MAX = VALKEY_KEY_MAX / 2,
};

/* ---- in and out */

static void wake(const struct valkey *v)
{
    uint64_t one = 1;
    ssize_t written = write(v->wake_fd, &one, sizeof(one));
    (void)written; /* full: it is awake already */
}

static void queue_take(struct valkey *v)
{
    struct store_item *item;
    pthread_mutex_lock(&v->store.lock);
    struct store_list queue = v->queue;
    v->queue = (struct store_list){0};
    v->is_woken = false;
    pthread_mutex_unlock(&v->store.lock);
    while ((item = list_take(&queue)) != NULL) {
        struct job *job = job_new(v, item);
        if (job != NULL) {
            lane_enter(v, job);
        } else {
            item->result = STORE_DOWN;
            list_append(&v->out, item);
        }
    }
}

static void stats_tell(struct valkey *v)
{
    struct store_stats *stats = &v->store.stats;
    stats->bytes_used = v->bytes_used;
    stats->bytes_max = v->bytes_max;
    const char *error = v->error[0] != 0 ? v->error : v->warning;
    memcpy(stats->error, error, sizeof(stats->error));
}

/* Hands out what is finished, and lets scans go on whose workers have room. */
static void out_give(struct valkey *v, bool is_closing)
{
    struct store_item *item;
    struct job_list scans = v->scans, ready = {0};
    struct job *job;
    v->scans = (struct job_list){0};
    pthread_mutex_lock(&v->store.lock);
    stats_tell(v);
    while ((item = list_take(&v->out)) != NULL) {
        if (item->is_record) {
            struct store_list one = {0};
            list_append(&one, item);
            store_give_records(&v->store, &one);
        } else {
            store_finish(&v->store, item, item->result);
        }
    }
    while ((job = jobs_take(&scans)) != NULL) {
        jobs_append(is_closing || job_has_room(v, job) ? &ready : &v->scans, job);
    }
    v->scans_waiting = v->scans.count;
    pthread_mutex_unlock(&v->store.lock);
    while ((job = jobs_take(&ready)) != NULL) {
        job->until = v->now + v->timeout;
        if (is_closing) {
            job_finish(v, job, STORE_DOWN);
        } else {
            route_wait(v, job);
        }
    }
}

/* ---- the thread */

static bool is_closing(struct valkey *v)
{
    pthread_mutex_lock(&v->store.lock);
    bool closing = v->closing;
    pthread_mutex_unlock(&v->store.lock);
    return closing;
}

static int poll_ms(const struct valkey *v)
{
    ns_t now = store_now(), deadline = route_deadline(v);
    if (v->out.count > 0 || deadline <= now) {
        return 0;
    }
    ns_t wait = HF_MIN(deadline - now, NS_PER_S);
    return (int)((wait + NS_PER_MS - 1) / NS_PER_MS);
}

static void links_poll(struct valkey *v)
{
    struct pollfd fds[VALKEY_SERVERS_MAX + 1] = {{.fd = v->wake_fd, .events = POLLIN}};
    struct link *links[VALKEY_SERVERS_MAX + 1];
    nfds_t count = 1;
    for (size_t i = 0; i < HF_COUNT(v->links); i++) {
        if (v->links[i].is_used && v->links[i].fd >= 0) {
            links[count] = &v->links[i];
            fds[count++] = (struct pollfd){.fd = v->links[i].fd, .events = link_events(&v->links[i])};
        }
    }
    int ready = poll(fds, count, poll_ms(v));
    v->now = store_now();
    if (ready > 0 && fds[0].revents != 0) {
        uint64_t counter;
        ssize_t len = read(v->wake_fd, &counter, sizeof(counter));
        (void)len;
    }
    for (nfds_t i = 1; i < count && ready > 0; i++) {
        if (fds[i].revents != 0 && links[i]->fd == fds[i].fd) {
            link_io(v, links[i], fds[i].revents);
        }
    }
}

static void round_do(struct valkey *v, bool closing)
{
    v->now = store_now();
    queue_take(v);
    route_tick(v);
    route_pump(v);
    for (size_t i = 0; i < HF_COUNT(v->links); i++) {
        if (v->links[i].is_used) {
            link_flush(v, &v->links[i]);
        }
    }
    out_give(v, closing);
    if (v->pending.count > 0 && !v->is_held) { /* scans that go on */
        route_pump(v);
        for (size_t i = 0; i < HF_COUNT(v->links); i++) {
            link_flush(v, &v->links[i]);
        }
    }
}

/* Ends what could not be ended in time. */
static void jobs_abandon(struct valkey *v)
{
    for (size_t i = 0; i < HF_COUNT(v->links); i++) {
        if (v->links[i].is_used && v->links[i].state != LINK_DOWN) {
            link_fail(v, &v->links[i], "the store is closed");
        }
    }
    struct job *job;
    while ((job = jobs_take(&v->pending)) != NULL) {
        job_expire(v, job);
    }
    out_give(v, true);
    out_give(v, true);
}

static void *valkey_run(void *argument)
{
    struct valkey *v = argument;
    ns_t close_by = NS_NEVER;
    for (;;) {
        bool closing = is_closing(v);
        round_do(v, closing);
        close_by = closing ? HF_MIN(close_by, v->now + 2 * v->timeout) : NS_NEVER;
        if (closing && ((v->jobs == 0 && v->out.count == 0) || v->now >= close_by)) {
            break;
        }
        links_poll(v);
    }
    jobs_abandon(v);
    return NULL;
}

/* ---- the kind */

static bool valkey_submit(struct store *store, struct store_item *item)
{
    struct valkey *v = (struct valkey *)store;
    bool wakes = !v->is_woken;
    list_append(&v->queue, item);
    v->is_woken = true;
    return wakes;
}

static void valkey_wake(struct store *store)
{
    wake((struct valkey *)store);
}

static void valkey_polled(struct store *store)
{
    struct valkey *v = (struct valkey *)store;
    if (v->scans_waiting > 0) {
        v->scans_waiting = 0;
        wake(v);
    }
}

static void valkey_free(struct valkey *v)
{
    for (size_t i = 0; i < HF_COUNT(v->links); i++) {
        if (v->links[i].is_used) {
            link_free(&v->links[i]);
        }
    }
    list_free(&v->queue);
    list_free(&v->out);
    tls_config_free(v->tls);
    if (v->password != NULL) {
        explicit_bzero(v->password, v->password_len);
    }
    free(v->password);
    if (v->wake_fd >= 0) {
        close(v->wake_fd);
    }
    store_done_with(&v->store);
    free(v);
}

static void valkey_close(struct store *store)
{
    struct valkey *v = (struct valkey *)store;
    pthread_mutex_lock(&store->lock);
    v->closing = true;
    pthread_mutex_unlock(&store->lock);
    wake(v);
    pthread_join(v->thread, NULL);
    valkey_free(v);
}

static const struct store_kind VALKEY = {
    .submit = valkey_submit, .wake = valkey_wake, .polled = valkey_polled, .close = valkey_close};

/* ---- opening */

static const char *options_judge(const struct store_valkey_options *options)
{
    size_t len = options->fleet == NULL ? 0 : strlen(options->fleet);
    if (len == 0 || len > FLEET_NAME_MAX ||
        strspn(options->fleet, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != len) {
        return "the fleet's name must be 1 to 32 letters, digits, '-', '_' or '.'";
    }
    if (options->num_servers == 0 || options->num_servers > VALKEY_SERVERS_MAX) {
        return "no servers, or too many";
    }
    for (size_t i = 0; i < options->num_servers; i++) {
        if (options->servers[i].port == 0 || options->servers[i].host[0] == 0 ||
            strlen(options->servers[i].host) >= VALKEY_NAME_MAX) {
            return "a server has no name, too long a name or no port";
        }
    }
    if (options->user != NULL && strlen(options->user) >= 128) {
        return "the user's name is too long";
    }
    if (options->store.node == 0 || options->store.num_shards > VALKEY_SHARDS) {
        return "no node number, or too many shards";
    }
    return NULL;
}

/* Above all that this node used before, should the same instance open its store again. */
static uint64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void options_take(struct valkey *v, const struct store_valkey_options *options)
{
    v->mode = options->mode;
    snprintf(v->fleet, sizeof(v->fleet), "%s", options->fleet);
    snprintf(v->user, sizeof(v->user), "%s", options->user == NULL ? "" : options->user);
    snprintf(v->tls_name, sizeof(v->tls_name), "%s", options->tls_name == NULL ? "" : options->tls_name);
    v->node = options->store.node;
    v->instance = options->store.instance;
    v->num_shards = options->store.num_shards;
    v->min_replicas = options->min_replicas;
    v->timeout = (options->timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : options->timeout_ms) * NS_PER_MS;
    v->primary = VALKEY_NO_LINK;
    v->generation = wall_ms();
    memset(v->slots, VALKEY_NO_LINK, sizeof(v->slots));
    for (size_t i = 0; i < options->num_servers; i++) {
        link_init(v, &v->links[i], options->servers[i].host, options->servers[i].port, true);
    }
}

static const char *secrets_take(struct valkey *v, const struct store_valkey_options *options,
                                char error[CRYPTO_ERROR_MAX])
{
    v->password = malloc(options->password.len + 1);
    v->password_len = options->password.len;
    if (v->password == NULL) {
        return "no memory";
    }
    if (options->password.len > 0) {
        memcpy(v->password, options->password.data, options->password.len);
    }
    if (options->tls) {
        v->tls = tls_config_new(options->ca_pem, options->cert_pem, options->key_pem, error);
    }
    return options->tls && v->tls == NULL ? error : NULL;
}

static bool valkey_begin(struct valkey *v, const struct store_valkey_options *options)
{
    v->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool begun = store_begin(&v->store, &VALKEY, &options->store);
    bool seeded = getrandom(&v->random, sizeof(v->random), 0) == sizeof(v->random);
    return begun && seeded && v->wake_fd >= 0;
}

/* The thread takes no signals: they are the main thread's. */
static bool thread_start(struct valkey *v)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&v->thread, NULL, valkey_run, v) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

struct store *store_valkey_open(const struct store_valkey_options *options, char ret_error[STORE_ERROR_MAX])
{
    char error[CRYPTO_ERROR_MAX];
    const char *wrong = options_judge(options);
    if (wrong != NULL) {
        snprintf(ret_error, STORE_ERROR_MAX, "store valkey: %s", wrong);
        return NULL;
    }
    struct valkey *v = calloc(1, sizeof(*v));
    wrong = "no memory, no thread or no eventfd";
    bool begun = v != NULL && valkey_begin(v, options);
    if (begun) {
        options_take(v, options);
        wrong = secrets_take(v, options, error);
        begun = wrong == NULL && thread_start(v);
    }
    if (!begun) {
        snprintf(ret_error, STORE_ERROR_MAX, "store valkey: %s",
                 wrong == NULL ? "no memory, no thread or no eventfd" : wrong);
        if (v != NULL) {
            valkey_free(v);
        }
        return NULL;
    }
    ret_error[0] = 0;
    return &v->store;
}

#include "edge/daemon/worker_internal.h"

#include "edge/daemon/memory.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUND_MAX_NS NS_PER_S       /* so that the heartbeat goes on without traffic */
#define STOP_WAIT_NS (2 * NS_PER_S) /* for the store to finish what is under way */
_Static_assert(sizeof(struct mail_answer) + sizeof(struct worker_status) <= MESH_MESSAGE_MAX, "must fit");

/* ---- memory */

struct worker *worker_new(const struct worker_config *config)
{
    struct worker *w = memory_new(sizeof(*w));
    hf_assert(w != NULL);
    w->config = *config;
    w->ring = config->ring;
    w->shared = config->shared;
    w->steer = w->shared->steer;
    w->cookie_threshold = config->core.policy->cookie_threshold;
    w->port = mesh_port(&w->shared->mesh, config->number);
    w->config.plane.host = worker_plane_host(w);
    w->core_size = core_bytes(&w->config.core);
    w->plane_size = plane_user_bytes(&w->config.plane);
    w->pool_size = core_pool_bytes(&w->config.core, w->config.core.policy);
    w->core_memory = memory_new(w->core_size);
    w->plane_memory = memory_new(w->plane_size);
    w->pool_memory = worker_pool_pages(w->pool_size);
    w->answer = aligned_alloc(64, MESH_MAILBOX_BYTES);
    w->newcomers_memory = aligned_alloc(64, HF_COUNT(w->newcomers) * WORKER_NEWCOMERS_BYTES);
    w->policy = config->core.policy;
    if (w->core_memory == NULL || w->plane_memory == NULL || w->pool_memory == NULL || w->answer == NULL ||
        w->newcomers_memory == NULL || !worker_shards_init(w)) {
        worker_free(w);
        return NULL;
    }
    for (size_t i = 0; i < HF_COUNT(w->newcomers); i++) {
        mailbox_init(&w->newcomers[i], w->newcomers_memory + i * WORKER_NEWCOMERS_BYTES,
                     WORKER_NEWCOMERS_BYTES);
    }
    return w;
}

void *worker_pool_pages(size_t bytes)
{
    return memory_new(HF_MAX(bytes, (size_t)1)); /* a policy without pools */
}

void worker_pool_pages_free(void *memory, size_t bytes)
{
    memory_free(memory, HF_MAX(bytes, (size_t)1));
}

const struct core_config *worker_core_config(const struct worker *w)
{
    return &w->config.core;
}

void worker_free(struct worker *w)
{
    if (w == NULL) {
        return;
    }
    ring_close(&w->ring);
    udp_sockets_close(&w->config.sockets); /* when the thread never took them */
    if (w->config.tun_fd >= 0) {
        close(w->config.tun_fd);
    }
    memory_free(w->core_memory, w->core_size);
    memory_free(w->plane_memory, w->plane_size);
    worker_pool_pages_free(w->pool_memory, w->pool_size);
    free(w->answer);
    free(w->newcomers_memory);
    worker_shards_free(w);
    free(w->config.shards);
    memory_free(w, sizeof(*w));
}

/* ---- the loop */

static void fail(struct worker *w, const char *what, int error)
{
    if (atomic_load(&w->failure) == NULL) {
        atomic_store(&w->failure_error, error);
        atomic_store(&w->failure, what);
    }
}

ns_t worker_clock(void)
{
    struct timespec up;
    clock_gettime(CLOCK_BOOTTIME, &up);
    return (ns_t)up.tv_sec * NS_PER_S + (ns_t)up.tv_nsec;
}

static void read_clocks(struct worker *w)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    w->now = worker_clock();
    w->wall_ns = (int64_t)wall.tv_sec * (int64_t)NS_PER_S + wall.tv_nsec;
}

static void listen_bell(struct worker *w)
{
    struct io_uring_sqe *sqe = ring_sqe(&w->ring, (struct ring_tag){.op = RING_DOORBELL});
    if (sqe != NULL) {
        io_uring_prep_read(sqe, mesh_bell_fd(&w->port), &w->bell, sizeof(w->bell), 0);
    }
}

static void listen_store(struct worker *w)
{
    ring_poll(&w->ring, store_event_fd(w->shared->store, w->config.number), POLLIN,
              (struct ring_tag){.op = RING_STORE});
}

static void completion(struct worker *w, const struct ring_event *event)
{
    struct datagram datagram;
    switch ((enum ring_op)event->tag.op) {
    case RING_UDP_RECV:
        if (udp_received(w->udp, event, &datagram)) {
            worker_datagram(w, &datagram);
        }
        break;
    case RING_UDP_SEND:
        udp_sent(w->udp, event);
        break;
    case RING_TUN:
        tun_ready(w->tun, event);
        break;
    case RING_DOORBELL: /* mail is looked for in every round */
        listen_bell(w);
        break;
    case RING_STORE:
        worker_store_poll(w);
        listen_store(w);
        break;
    case RING_NONE:
        break;
    }
}

static void policy_in(struct worker *w, const struct mail_policy *mail)
{
    struct event event = {
        .type = EVENT_POLICY,
        .policy = {.policy = mail->policy, .pool_memory = mail->pool_memory, .spi = &mail->spi},
    };
    w->steer.spi = mail->spi;
    plane_user_spi_config(w->plane, &mail->spi);
    w->cookie_threshold = mail->policy->cookie_threshold;
    w->policy = mail->policy;
    worker_step(w, &event);
    worker_pool_pages_free(w->pool_memory, w->pool_size);
    w->pool_memory = mail->pool_memory;
    w->pool_size = mail->pool_bytes;
}

/* Nobody new; those who are here stay in the store for the next start. */
static void stop(struct worker *w)
{
    worker_step(w, &(struct event){.type = EVENT_COMMAND, .command = {.type = COMMAND_DRAIN}});
    w->is_stopping = true;
    w->stop_at = w->now + STOP_WAIT_NS;
}

static void mail_in(struct worker *w, struct mail *mail)
{
    switch (mail->type) {
    case MAIL_DATAGRAM:
        worker_mail_datagram(w, (struct mail_datagram *)mail);
        break;
    case MAIL_REPLACED:
        worker_replaced(w, (const struct mail_replaced *)mail);
        break;
    case MAIL_ASK:
        worker_ask(w, (const struct mail_ask *)mail);
        break;
    case MAIL_POLICY:
        policy_in(w, (const struct mail_policy *)mail);
        break;
    case MAIL_SHARD:
        worker_shard_wish(w, &((const struct mail_shard *)mail)->shard);
        break;
    case MAIL_LEASE:
        worker_step(w, &(struct event){.type = EVENT_LEASE,
                                       .may_begin = ((const struct mail_lease *)mail)->may_begin});
        break;
    case MAIL_STOP:
        stop(w);
        break;
    case MAIL_PROBE: /* that it came is all */
        break;
    case MAIL_ANSWER: /* only the main thread gets these */
    case MAIL_NEWS:
        break;
    }
}

static void mail_read(struct worker *w)
{
    for (uint32_t from = 0; from < w->shared->mesh.num_threads; from++) {
        struct span message;
        if (from == w->config.number) {
            continue;
        }
        struct mailbox *box = mesh_from(&w->port, from);
        for (int i = 0; i < WORKER_BATCH_MAX && mailbox_next(box, &message); i++) {
            mail_in(w, (struct mail *)(uintptr_t)message.data); /* the reader may change its mail */
        }
        mailbox_done(box);
    }
}

static void timers(struct worker *w)
{
    for (int i = 0; i < WORKER_TIMERS_MAX && core_deadline(w->core) <= w->now; i++) {
        worker_step(w, &(struct event){.type = EVENT_TIMER});
    }
}

/* How long to wait for something to happen. */
static ns_t timeout_of(struct worker *w)
{
    if (worker_has_newcomers(w) ||
        (tun_is_ready(w->tun) && udp_rooms_free(w->udp) >= WORKER_ROOMS_PER_PACKET)) {
        return 0;
    }
    ns_t now = worker_clock();
    ns_t deadline = HF_MIN(core_deadline(w->core), worker_shards_deadline(w));
    if (w->is_stopping) {
        deadline = HF_MIN(deadline, w->stop_at);
    }
    return deadline <= now ? 0 : HF_MIN(deadline - now, ROUND_MAX_NS);
}

static bool wait_for_work(struct worker *w)
{
    ns_t timeout = mesh_sleep(&w->port) ? timeout_of(w) : 0;
    bool works = ring_wait(&w->ring, timeout);
    mesh_wake(&w->port);
    if (!works) {
        fail(w, "its io_uring failed", w->ring.error);
    }
    return works;
}

static void count_round(struct worker *w, ns_t took)
{
    static const uint32_t bounds_us[] = ROUND_BOUNDS_US;
    _Static_assert(HF_COUNT(bounds_us) + 1 == ROUND_BUCKETS, "one bucket per bound and one above");
    size_t bucket = 0;
    while (bucket < HF_COUNT(bounds_us) && took > bounds_us[bucket] * NS_PER_US) {
        bucket++;
    }
    w->rounds[bucket]++;
    w->rounds_ns += took;
}

static void work_round(struct worker *w)
{
    struct ring_event event;
    read_clocks(w);
    for (int i = 0; i < WORKER_BATCH_MAX && ring_next(&w->ring, &event); i++) {
        completion(w, &event);
    }
    mail_read(w);
    worker_tun_read(w);
    timers(w);
    worker_newcomers(w);
    worker_shards_round(w);
    worker_cookies(w);
    worker_log_withheld(w);
    plane_user_flush(w->plane, w->now);
    worker_step_later(w);
    if (!udp_batch_end(w->udp)) {
        fail(w, "a UDP socket failed", udp_error(w->udp));
    }
    if (tun_queue_error(w->tun) != 0) {
        fail(w, "its TUN device failed", -tun_queue_error(w->tun));
    }
    mesh_flush(&w->port);
    count_round(w, worker_clock() - w->now);
    atomic_fetch_add_explicit(&w->heartbeat, 1, memory_order_relaxed);
}

static bool is_done(const struct worker *w)
{
    return atomic_load_explicit(&w->failure, memory_order_relaxed) != NULL ||
           (w->is_stopping && (w->store_under_way == 0 || w->now >= w->stop_at));
}

/* ---- the thread */

static bool open_all(struct worker *w)
{
    int error = ring_start(&w->ring);
    if (error != 0) {
        fail(w, "io_uring cannot be started", error);
        return false;
    }
    error = udp_open(&w->config.sockets, &w->ring, &w->udp);
    if (error == 0) {
        w->config.sockets.count = 0;
        error = tun_queue_open(w->config.tun_fd, &w->ring, &w->tun);
    }
    if (error != 0) {
        fail(w, "packet buffers cannot be set up", error);
        return false;
    }
    w->config.tun_fd = -1;
    w->core = core_init(w->core_memory, &w->config.core, w->pool_memory);
    w->plane = plane_user_init(w->plane_memory, &w->config.plane);
    listen_bell(w);
    listen_store(w);
    return true;
}

static void close_all(struct worker *w)
{
    worker_cookies_end(w);
    if (w->plane != NULL) {
        plane_user_flush(w->plane, w->now);
        plane_user_done(w->plane);
    }
    if (w->core != NULL) {
        core_done(w->core);
    }
    udp_close(w->udp);
    tun_queue_close(w->tun);
    ring_close(&w->ring);
}

/* Workers that share a core with others would delay each other's packets. Without permission, or in a
 * container with fewer cores, the scheduler decides. */
static void settle(struct worker *w)
{
    char name[16];
    cpu_set_t cpus;
    snprintf(name, sizeof(name), "worker-%u", w->config.number);
    (void)pthread_setname_np(pthread_self(), name);
    if (w->config.pin) {
        CPU_ZERO(&cpus);
        CPU_SET(w->config.cpu, &cpus);
        (void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
    }
}

static void *run(void *argument)
{
    struct worker *w = argument;
    settle(w);
    if (open_all(w)) {
        read_clocks(w);
        worker_step(w, &(struct event){.type = EVENT_START});
        while (!is_done(w) && wait_for_work(w)) {
            work_round(w);
        }
    }
    close_all(w);
    mesh_notify(&w->port, w->shared->mesh.num_threads - 1);
    mesh_flush(&w->port);
    return NULL;
}

int worker_start(struct worker *w)
{
    int error = pthread_create(&w->thread, NULL, run, w);
    w->started = error == 0;
    return -error;
}

bool worker_join(struct worker *w, ns_t wait)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    ns_t end = (ns_t)until.tv_sec * NS_PER_S + (ns_t)until.tv_nsec + wait;
    until = (struct timespec){.tv_sec = (time_t)(end / NS_PER_S), .tv_nsec = (long)(end % NS_PER_S)};
    if (w->started) {
        w->started = pthread_clockjoin_np(w->thread, NULL, CLOCK_MONOTONIC, &until) != 0;
    }
    return !w->started;
}

uint64_t worker_heartbeat(const struct worker *w)
{
    return atomic_load_explicit(&w->heartbeat, memory_order_relaxed);
}

bool worker_is_ready(const struct worker *w)
{
    return atomic_load(&w->is_ready);
}

const struct policy *worker_released(const struct worker *w)
{
    return atomic_load(&w->released);
}

const char *worker_failure(const struct worker *w, int *ret_error)
{
    const char *what = atomic_load(&w->failure);
    *ret_error = atomic_load(&w->failure_error);
    return what;
}

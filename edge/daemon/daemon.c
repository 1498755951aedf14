/* The main thread: starts, listens to signals and people, watches the workers, stops. */
#include "edge/daemon/daemon.h"

#include "edge/daemon/memory.h"
#include "edge/daemon/privileges.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define ROUND_MS 500
#define STOP_WAIT_NS (8 * NS_PER_S) /* for a worker that is in the middle of something */

ns_t daemon_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (ns_t)t.tv_sec * NS_PER_S + (ns_t)t.tv_nsec;
}

int64_t daemon_wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * (int64_t)NS_PER_S + t.tv_nsec;
}

/* ---- the config */

uint32_t daemon_num_workers(const struct config *config)
{
    cpu_set_t allowed;
    uint32_t shards = UINT32_C(1) << config->shard_bits;
    if (config->num_workers > 0) {
        return config->num_workers;
    }
    int cores = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
    return HF_MIN(HF_MIN((uint32_t)cores, shards), (uint32_t)WORKERS_MAX);
}

bool daemon_load(const char *path, uint32_t num_workers, struct config **ret_config,
                 struct policy **ret_policy, struct config_errors *errors)
{
    *ret_policy = NULL;
    if (!config_load(path, ret_config, errors)) {
        return false;
    }
    struct policy_setup setup = {
        .workers = num_workers > 0 ? num_workers : daemon_num_workers(*ret_config),
        .force_encap = true, /* the user plane has no native ESP */
        .now_unix_s = daemon_wall_ns() / (int64_t)NS_PER_S,
    };
    *ret_policy = policy_build(*ret_config, &setup, errors);
    if (*ret_policy == NULL) {
        config_free(*ret_config);
        *ret_config = NULL;
    }
    return *ret_policy != NULL;
}

static bool load_first(struct daemon *d)
{
    struct config_errors *errors = malloc(sizeof(*errors));
    char line[CONFIG_LINE_MAX];
    hf_assert(errors != NULL);
    bool fine = daemon_load(d->config_path, 0, &d->config, &d->policy, errors);
    for (uint32_t i = 0; i < errors->count; i++) {
        fprintf(stderr, "%s\n", config_finding_format(errors, &errors->v[i], line));
    }
    if (!fine) {
        fprintf(stderr, "holdfastd: %s is refused: %u error%s\n", d->config_path, errors->num_errors,
                errors->num_errors == 1 ? "" : "s");
    }
    free(errors);
    return fine;
}

/* ---- signals */

static void stop(struct daemon *d, const char *why)
{
    if (!d->is_stopping) {
        d->is_stopping = true;
        log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_INFO, "stopping", LOG_NO_FIELDS,
                  "stopping (%s); sessions stay in the store", why);
    }
}

static void signal_ready(struct loop_source *source, uint32_t events)
{
    struct daemon *d = (struct daemon *)((char *)source - offsetof(struct daemon, signals));
    struct signalfd_siginfo info;
    (void)events;
    if (read(source->fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return;
    }
    if (info.ssi_signo == SIGHUP) {
        daemon_reload(d, d->config_path, NULL);
    } else if (info.ssi_signo == SIGUSR2) {
        d->is_to_be_continued = true;
        stop(d, "SIGUSR2, for a restart");
    } else {
        stop(d, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    }
}

static void bell_ready(struct loop_source *source, uint32_t events)
{
    uint64_t rings;
    (void)events; /* what it was for is looked for in every round */
    (void)!read(source->fd, &rings, sizeof(rings));
}

/* Threads inherit the mask: signals come to the main thread alone. */
static int signals_open(struct daemon *d)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR2);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    d->signals = (struct loop_source){.fd = fd, .events = EPOLLIN, .ready = signal_ready};
    return fd < 0 ? -errno : loop_add(&d->loop, &d->signals);
}

/* ---- watching the workers */

static void look_for_failures(struct daemon *d)
{
    for (uint32_t i = 0; i < d->num_workers && !d->failed; i++) {
        int error;
        const char *what = worker_failure(d->workers[i], &error);
        if (what != NULL) {
            d->failed = true;
            log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_ERROR, "worker_failed",
                      LOG_FIELDS(LOG_NUMBER("worker", i), LOG_NUMBER("errno", -error)), "worker %u: %s: %s",
                      i, what, strerror(-error));
            stop(d, "a worker failed");
        }
    }
}

static void look_for_ready(struct daemon *d)
{
    for (uint32_t i = 0; i < d->num_workers; i++) {
        if (!worker_is_ready(d->workers[i])) {
            return;
        }
    }
    d->state = NODE_READY;
    steer_feed_ready(&d->feed);
    ns_t took = daemon_now() - d->started;
    snprintf(d->ready_text, sizeof(d->ready_text), "serving with %u workers", d->num_workers);
    log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_INFO, "ready",
              LOG_FIELDS(LOG_NUMBER("workers", d->num_workers), LOG_NUMBER("start_ms", took / NS_PER_MS)),
              "holdfastd " HOLDFAST_VERSION " serves with %u workers", d->num_workers);
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", d->ready_text);
}

/* systemd restarts us when a worker's loop stands still; sessions survive that. */
static void feed_watchdog(struct daemon *d)
{
    ns_t now = daemon_now();
    bool all = true;
    if (d->watchdog == 0 || now < d->watchdog_fed + d->watchdog / 2) {
        return;
    }
    for (uint32_t i = 0; i < d->num_workers; i++) {
        uint64_t heartbeat = worker_heartbeat(d->workers[i]);
        all = all && heartbeat != d->heartbeats[i];
        d->heartbeats[i] = heartbeat;
    }
    d->watchdog_fed = now;
    if (all) {
        (void)sd_notify(0, "WATCHDOG=1");
    }
}

static int round_ms(const struct daemon *d)
{
    ns_t timeout = fleet_host_timeout(d);
    return timeout >= ROUND_MS * NS_PER_MS ? ROUND_MS : (int)((timeout + NS_PER_MS - 1) / NS_PER_MS);
}

static void run_round(struct daemon *d)
{
    doorbell_sleep(&d->shared.mesh.bells[d->num_workers]);
    fleet_host_round(d);
    look_for_failures(d);
    if (d->state == NODE_STARTING) {
        look_for_ready(d);
    }
    daemon_release(d);
    if (!d->is_stopping) {
        (void)loop_once(&d->loop, bgp_round_ms(d, round_ms(d)));
    }
    steer_feed_tick(&d->feed, d->config, daemon_now(), daemon_wall_ns());
    bgp_tick(d);
    server_tick(&d->control, daemon_now());
    server_tick(&d->metrics, daemon_now());
    feed_watchdog(d);
}

/* ---- the end */

/* False when a worker does not end: its memory must then stay as it is. */
static bool stop_workers(struct daemon *d)
{
    bool all = true;
    (void)!daemon_tell(d, MAIL_STOP);
    for (uint32_t i = 0; i < d->num_workers; i++) {
        if (d->workers[i] != NULL && !worker_join(d->workers[i], STOP_WAIT_NS)) {
            log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_ERROR, "worker_stuck",
                      LOG_FIELDS(LOG_NUMBER("worker", i)), "worker %u does not stop", i);
            all = false;
        }
    }
    return all;
}

static void give_up(struct daemon *d)
{
    network_down(&d->network);
    log_close(&d->log);
    _exit(EXIT_CODE_FAILED);
}

static int finish(struct daemon *d, int code)
{
    (void)sd_notify(0, "STOPPING=1");
    bgp_withdraw(d);
    if (d->shared.mesh.num_threads > 0 && !stop_workers(d)) {
        give_up(d);
    }
    daemon_close(d);
    log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_INFO, "stopped", LOG_FIELDS(LOG_NUMBER("code", code)),
              "stopped");
    log_close(&d->log);
    return code;
}

/* What can be given to other nodes is given; who waits no longer asks again. */
static void leave(struct daemon *d)
{
    if (d->failed || d->is_to_be_continued) {
        return;
    }
    d->is_stopping = false;
    fleet_host_leave(d);
    while (!d->is_stopping && !fleet_host_is_left(d)) {
        run_round(d);
    }
    d->is_stopping = true;
}

static int serve(struct daemon *d)
{
    uint64_t watchdog_us = 0;
    if (!daemon_start(d)) {
        return finish(d, EXIT_CODE_FAILED);
    }
    if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
        d->watchdog = watchdog_us * NS_PER_US;
    }
    d->bell = (struct loop_source){.fd = mesh_bell_fd(&d->port), .events = EPOLLIN, .ready = bell_ready};
    if (loop_add(&d->loop, &d->bell) != 0) {
        d->failed = true;
        d->is_stopping = true;
    }
    steer_feed_listen(&d->feed, &d->loop);
    while (!d->is_stopping) {
        run_round(d);
    }
    leave(d);
    return finish(d, d->failed ? EXIT_CODE_FAILED : EXIT_CODE_OK);
}

static int run_with_config(struct daemon *d)
{
    if (!log_open(&d->log, d->config->log.file, (enum log_level)d->config->log.level)) {
        fprintf(stderr, "holdfastd: log.file %s: %s; logging to standard error\n", d->config->log.file,
                strerror(errno));
    }
    privileges_seal();
    d->config_start = d->config;
    d->num_workers = daemon_num_workers(d->config);
    d->started = daemon_now();
    d->started_unix_ns = daemon_wall_ns();
    d->config_loaded_unix_s = d->started_unix_ns / (int64_t)NS_PER_S;
    d->reload_ok = true;
    log_event(&d->log, d->started_unix_ns, LOG_LEVEL_INFO, "starting",
              LOG_FIELDS(LOG_TEXT("version", HOLDFAST_VERSION), LOG_TEXT("config", d->config_path)),
              "holdfastd " HOLDFAST_VERSION " starts with %s", d->config_path);
    int error = loop_open(&d->loop);
    if (error == 0) {
        error = signals_open(d);
    }
    if (error != 0) {
        fprintf(stderr, "holdfastd: %s\n", strerror(-error));
        return EXIT_CODE_FAILED;
    }
    int code = serve(d);
    close(d->signals.fd);
    loop_close(&d->loop);
    return code;
}

int daemon_run(const char *config_path, bool check)
{
    struct daemon *d = memory_new(sizeof(*d));
    hf_assert(d != NULL);
    d->config_path = config_path;
    int code = EXIT_CODE_REFUSED;
    if (load_first(d)) {
        code = check ? EXIT_CODE_OK : run_with_config(d);
    }
    if (check && code == EXIT_CODE_OK) {
        printf("%s: fine\n", config_path);
    }
    policy_free(d->policy_old);
    policy_free(d->policy);
    if (d->config != d->config_start) {
        config_free(d->config);
    }
    config_free(d->config_start);
    memory_free(d, sizeof(*d));
    return code;
}

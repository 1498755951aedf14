/* From a config to running workers, step by step; the first step that fails names itself. */
#include "edge/daemon/daemon.h"

#include "edge/base/secret.h"
#include "edge/daemon/hand_over.h"
#include "edge/daemon/listener.h"
#include "edge/daemon/start_say.h"
#include "edge/daemon/store_open.h"
#include "edge/daemon/syscalls.h"
#include "edge/ops/fleet_key.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHILDREN_PER_SESSION                                                                                 \
    2 /* one, and its successor in a rekey; more while there is room (ike/child.c)                           \
       */

/* Steps hand on what only the start needs. */
struct start {
    struct daemon *d;
    const struct config *config;
    struct user user;
    struct hf_spi_config spi;
    struct store_secrets secrets;
    struct udp_sockets sockets[WORKERS_MAX];
    struct ring rings[WORKERS_MAX];
    int control_fd, metrics_fd;
    char error[512];
};

static bool failed(struct start *s, const char *what, int error)
{
    snprintf(s->error, sizeof(s->error), "%s: %s", what, strerror(-error));
    return false;
}

/* ---- before anything is changed */

/* A second daemon would take the first one's routes away before it noticed. */
static bool step_alone(struct start *s)
{
    if (!listener_answers(s->config->control.socket)) {
        return true;
    }
    snprintf(s->error, sizeof(s->error), "another holdfastd answers on %s", s->config->control.socket);
    return false;
}

static bool step_plane(struct start *s)
{
    if (s->config->plane.type != CONFIG_PLANE_XFRM) {
        return true;
    }
    snprintf(s->error, sizeof(s->error), "plane.type: xfrm is not built in; use user or auto");
    return false;
}

/* ---- files */

/* Made for the user we shall be. One that is there already is left as it is. */
static bool folder_make(struct start *s, const char *folder, mode_t mode)
{
    if (mkdir(folder, mode) == 0) {
        return lchown(folder, s->user.uid, s->user.gid) == 0 || failed(s, folder, -errno);
    }
    return errno == EEXIST || failed(s, folder, -errno);
}

static bool folder_of(struct start *s, const char *file)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(file, '/');
    if (slash == NULL || slash == file) {
        return true;
    }
    snprintf(folder, sizeof(folder), "%.*s", (int)(slash - file), file);
    return folder_make(s, folder, 0755);
}

/* The log is open already, as who we are now; it will be opened anew as who we become. */
static bool step_user(struct start *s)
{
    if (!user_find(s->config->user, &s->user, s->error)) {
        return false;
    }
    return s->user.uid == geteuid() || log_give(&s->d->log, s->user.uid) ||
           failed(s, s->config->log.file, -errno);
}

/* What is wrong with the store's folder is the store's to say, and to survive. */
static bool step_folders(struct start *s)
{
    const struct config *config = s->config;
    if (config->store.type == CONFIG_STORE_LMDB && folder_of(s, config->store.path)) {
        (void)!folder_make(s, config->store.path, 0700);
        int error = store_hand_over(config->store.path, &s->user);
        if (error != 0) {
            return failed(s, config->store.path, error);
        }
    }
    return folder_of(s, config->control.socket) &&
           (!config->fleet_key_generated || folder_of(s, config->fleet_key));
}

static bool step_fleet_key(struct start *s)
{
    const struct config *config = s->config;
    uint8_t *key = s->d->fleet_key;
    if (!config->fleet_key_generated || access(config->fleet_key, F_OK) == 0) {
        return fleet_key_load(config->fleet_key, key, s->error);
    }
    if (!fleet_key_create(config->fleet_key, key, s->error)) {
        return false;
    }
    log_event(&s->d->log, daemon_wall_ns(), LOG_LEVEL_INFO, "fleet_key_made",
              LOG_FIELDS(LOG_TEXT("file", config->fleet_key)),
              "made a fleet key in %s: who loses it loses the stored sessions", config->fleet_key);
    return lchown(config->fleet_key, s->user.uid, s->user.gid) == 0 || failed(s, config->fleet_key, -errno);
}

/* ---- what a worker is made of */

/* Those of the worker's shards that this node owns. */
static uint16_t *shards_of(const struct start *s, uint32_t worker, uint32_t *ret_count)
{
    uint8_t bits = s->config->shard_bits;
    uint32_t first = steer_first_shard(bits, s->d->num_workers, worker);
    uint32_t end = steer_first_shard(bits, s->d->num_workers, worker + 1);
    uint16_t *shards = calloc(end - first, sizeof(*shards));
    *ret_count = 0;
    for (uint32_t shard = first; shards != NULL && shard < end; shard++) {
        if (steer_feed_owns(s->config, s->d->fleet_key, shard)) {
            shards[(*ret_count)++] = (uint16_t)shard;
        }
    }
    return shards;
}

static struct core_config core_of_worker(const struct start *s, const uint16_t *shards, uint32_t num_shards)
{
    struct core_config core = {
        .shards = shards,
        .num_shards = num_shards,
        .shard_bits = s->config->shard_bits,
        .sessions_max = s->config->limits.sessions,
        .children_max = s->config->limits.sessions * CHILDREN_PER_SESSION,
        .half_open_max = s->d->policy->half_open_max,
        .spi = s->spi,
        .rand = rand_system(),
        .policy = s->d->policy,
        .in_fleet = s->config->fleet.is_on,
        .node = s->config->fleet.is_on ? s->config->fleet.node : 0,
    };
    memcpy(core.fleet_key, s->d->fleet_key, sizeof(core.fleet_key));
    return core;
}

static struct plane_user_config plane_of_worker(const struct start *s, const struct core_config *core,
                                                uint32_t n)
{
    struct plane_user_config plane = {
        .spi = s->spi,
        .shards = core->shards,
        .num_shards = core->num_shards,
        .children_max = core_children_max(core), /* as many as the core may hand out, slack included */
        .mtu = s->config->plane.mtu,
        .tun_uso = s->d->network.tuns[n].uso,
    };
    if (s->d->feed.steering != NULL) {
        plane.live = steering_live(s->d->feed.steering);
        plane.live_bits = steering_config(s->d->feed.steering)->live_bits;
    }
    rand_fill(&core->rand, plane.hash_key, sizeof(plane.hash_key));
    return plane;
}

static uint32_t children_per_shard(const struct start *s)
{
    struct core_config core = core_of_worker(s, NULL, 0);
    uint32_t count = core_children_max(&core) >> core.shard_bits;
    secret_wipe(&core, sizeof(core));
    return count;
}

/* ---- the host */

static bool step_network(struct start *s)
{
    return network_up(&s->d->network, s->config, s->d->num_workers, s->error);
}

static bool step_sockets(struct start *s)
{
    const struct config_listen *listen = &s->config->listen;
    for (uint32_t w = 0; w < s->d->num_workers; w++) {
        for (uint32_t i = 0; i < listen->num_addresses; i++) {
            int error =
                udp_sockets_add(&s->sockets[w], &listen->addrs[i], listen->ike_port, listen->natt_port);
            if (error != 0) {
                snprintf(s->error, sizeof(s->error), "listen: %s, ports %u and %u: %s", listen->addresses[i],
                         listen->ike_port, listen->natt_port, strerror(-error));
                return false;
            }
        }
    }
    return true;
}

/* Packets of other nodes that came in fragments. */
static bool step_node_sockets(struct start *s)
{
    struct nodes *nodes = &s->d->shared.nodes;
    int error = 0;
    uint32_t count = nodes_self(s->config, &nodes->self, &nodes->local) ? s->d->num_workers : 0;
    for (uint32_t w = 0; w < count && error == 0; w++) {
        error = udp_sockets_add_hop(&s->sockets[w], &nodes->local);
    }
    return error == 0 || failed(s, "steering.nodes: this node's address and hop_port", error);
}

static bool step_secrets(struct start *s)
{
    struct rand_source rand = rand_system();
    s->d->fleet.instance = rand_u64(&rand);
    return store_secrets_read(&s->config->store, &s->secrets, s->error);
}

static bool step_fleet_socket(struct start *s)
{
    return fleet_host_listen(s->d, s->error, sizeof(s->error));
}

/* Restricted rings (io/ring.h); afterwards seccomp lets nobody make one that is not. */
static bool step_rings(struct start *s)
{
    int error = 0;
    for (uint32_t w = 0; w < s->d->num_workers && error == 0; w++) {
        error = ring_open(&s->rings[w], WORKER_RING_ENTRIES);
    }
    return error == 0 || failed(s, "io_uring cannot be set up", error);
}

static bool step_listeners(struct start *s)
{
    const struct config *config = s->config;
    int error = listener_unix(config->control.socket, s->user.uid, config->control.group, &s->control_fd);
    if (error != 0) {
        return failed(s, config->control.socket, error);
    }
    if (config->metrics.listen == NULL) {
        return true;
    }
    error = listener_tcp(&config->metrics.address, &s->metrics_fd);
    return error == 0 || failed(s, config->metrics.listen, error);
}

/* Anything else that the workers and the steering program must agree on. */
static bool step_keys(struct start *s)
{
    struct daemon *d = s->d;
    uint64_t first_key[2];
    core_spi_config(d->fleet_key, s->config->shard_bits, s->config->steering.key_epoch, &s->spi);
    fleet_derive(d->fleet_key, "first worker", 0, (uint8_t *)first_key, sizeof(first_key));
    steer_init(&d->shared.steer, &s->spi, first_key, d->num_workers);
    return true;
}

static bool step_steering(struct start *s)
{
    struct steer_feed_options options = {
        .config = s->config,
        .steer = &s->d->shared.steer,
        .fleet_key = s->d->fleet_key,
        .nodes = &s->d->shared.nodes,
        .log = &s->d->log,
        .sockets = s->sockets,
        .num_workers = s->d->num_workers,
        .children_per_shard = children_per_shard(s),
        .uid = s->user.uid,
        .gid = s->user.gid,
    };
    steer_feed_open(&s->d->feed, &options);
    return true;
}

static bool step_privileges(struct start *s)
{
    if (!bgp_open(s->d, &s->user, s->error, sizeof(s->error)) || !privileges_drop(&s->user, s->error)) {
        return false;
    }
    start_say_user(s->d, s->config, &s->user);
    int error = syscalls_restrict(s->d->feed.steering != NULL);
    if (error != 0) { /* a kernel without seccomp: everything else still holds */
        log_event(&s->d->log, daemon_wall_ns(), LOG_LEVEL_WARNING, "seccomp", LOG_NO_FIELDS,
                  "system calls cannot be restricted: %s", strerror(-error));
    }
    return true;
}

/* ---- as the user we shall be */

static bool step_store(struct start *s)
{
    const struct config *config = s->config;
    const char *type = store_type_name(config->store.type);
    char error[STORE_ERROR_MAX] = "";
    s->d->shared.store = store_of_config(config, &s->secrets, s->d->num_workers, s->d->fleet.instance, error);
    if (s->d->shared.store == NULL) {
        snprintf(s->error, sizeof(s->error), "store %s: %s",
                 config->store.type == CONFIG_STORE_VALKEY ? type : config->store.path, error);
        return false;
    }
    if (error[0] != '\0') {
        log_event(&s->d->log, daemon_wall_ns(), LOG_LEVEL_WARNING, "store_degraded",
                  LOG_FIELDS(LOG_TEXT("type", type), LOG_TEXT("path", config->store.path)),
                  "the session store does not work now and is tried again: %s", error);
    }
    return true;
}

static bool step_shared(struct start *s)
{
    struct daemon *d = s->d;
    d->shared.log = &d->log;
    if (d->feed.steering != NULL) {
        d->shared.cookie_wanted = &steering_control(d->feed.steering)->cookie_wanted;
    }
    int error = mesh_open(&d->shared.mesh, d->num_workers + 1);
    if (error != 0) {
        return failed(s, "mailboxes", error);
    }
    d->port = mesh_port(&d->shared.mesh, d->num_workers);
    d->answer = aligned_alloc(64, MESH_MAILBOX_BYTES);
    return d->answer != NULL || failed(s, "mailboxes", -ENOMEM);
}

/* ---- workers */

/* The n-th of the cores that we may run on; -1 when there are fewer than workers. */
static int core_of(const struct daemon *d, uint32_t n)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) < (int)d->num_workers) {
        return -1;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
            return cpu;
        }
    }
    return -1;
}

static bool worker_make(struct start *s, uint32_t n)
{
    struct daemon *d = s->d;
    uint32_t num_shards;
    uint16_t *shards = shards_of(s, n, &num_shards);
    if (shards == NULL) {
        return failed(s, "worker", -ENOMEM);
    }
    if (num_shards == 0) {
        snprintf(s->error, sizeof(s->error),
                 "worker %u has no shard: raise shard_bits, which all nodes share", n);
        free(shards);
        return false;
    }
    int cpu = core_of(d, n);
    struct worker_config config = {
        .shared = &d->shared,
        .number = n,
        .cpu = (uint32_t)cpu,
        .pin = cpu >= 0,
        .ring = s->rings[n],
        .sockets = s->sockets[n],
        .tun_fd = d->network.tuns[n].fd,
        .core = core_of_worker(s, shards, num_shards),
        .shards = shards,
    };
    config.plane = plane_of_worker(s, &config.core, n);
    s->sockets[n].count = 0;
    s->rings[n] = (struct ring){0};
    d->network.tuns[n].fd = -1;
    d->workers[n] = worker_new(&config);
    secret_wipe(&config, sizeof(config));
    return d->workers[n] != NULL || failed(s, "worker: limits.sessions", -ENOMEM);
}

static bool step_workers(struct start *s)
{
    for (uint32_t n = 0; n < s->d->num_workers; n++) {
        if (!worker_make(s, n)) {
            return false;
        }
    }
    start_say_unlocked(s->d);
    for (uint32_t n = 0; n < s->d->num_workers; n++) {
        int error = worker_start(s->d->workers[n]);
        if (error != 0) {
            return failed(s, "worker", error);
        }
    }
    return true;
}

static bool step_fleet(struct start *s)
{
    return fleet_host_start(s->d) || failed(s, "fleet", -ENOMEM);
}

static bool step_serve(struct start *s)
{
    int error = control_open(s->d, s->control_fd);
    s->control_fd = -1;
    if (error == 0 && s->metrics_fd >= 0) {
        error = metrics_open(s->d, s->metrics_fd);
        s->metrics_fd = -1;
    }
    return error == 0 || failed(s, "control socket", error);
}

bool daemon_start(struct daemon *d)
{
    static bool (*const steps[])(struct start *) = {
        step_alone,   step_plane,   step_user,         step_folders,      step_fleet_key,
        step_network, step_sockets, step_node_sockets, step_fleet_socket, step_secrets,
        step_rings,   step_keys,    step_steering,     step_listeners,    step_privileges,
        step_store,   step_shared,  step_workers,      step_fleet,        step_serve,
    };
    struct start s = {.d = d, .config = d->config, .control_fd = -1, .metrics_fd = -1};
    bool fine = true;
    for (size_t i = 0; i < HF_COUNT(steps) && fine; i++) {
        fine = steps[i](&s);
    }
    for (uint32_t n = 0; n < d->num_workers; n++) {
        udp_sockets_close(&s.sockets[n]);
        ring_close(&s.rings[n]);
    }
    listener_close(s.control_fd);
    listener_close(s.metrics_fd);
    secret_wipe(&s.spi, sizeof(s.spi));
    store_secrets_free(&s.secrets);
    if (!fine) {
        log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_ERROR, "start_failed", LOG_NO_FIELDS,
                  "cannot start: %s", s.error);
        if (strcmp(d->config->log.file, "-") != 0) {
            fprintf(stderr, "holdfastd: cannot start: %s\n", s.error);
        }
    }
    return fine;
}

void daemon_close(struct daemon *d)
{
    server_close(&d->control);
    server_close(&d->metrics);
    if (d->state != NODE_STARTING || d->workers[0] != NULL) {
        listener_remove(d->config_start->control.socket);
    }
    for (uint32_t n = 0; n < d->num_workers; n++) {
        worker_free(d->workers[n]);
        d->workers[n] = NULL;
    }
    fleet_host_close(d);
    if (d->shared.store != NULL) {
        store_close(d->shared.store);
    }
    steer_feed_close(&d->feed, d->is_to_be_continued);
    bgp_close(d);
    network_down(&d->network);
    mesh_close(&d->shared.mesh);
    free(d->answer);
    free(d->metrics_text);
    secret_wipe(d->fleet_key, sizeof(d->fleet_key));
}

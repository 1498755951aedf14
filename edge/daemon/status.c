/* A picture of the node for the status command and for metrics. */
#include "edge/daemon/daemon.h"

#include "edge/daemon/fleet_status.h"
#include "edge/daemon/steer_status.h"
#include "edge/daemon/store_open.h"

#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES_MAX = 160 + STEER_SAMPLES_MAX + FLEET_SAMPLES + BGP_SAMPLES_MAX, DROPS_LAYERS = 2 };

struct status {
    struct snapshot snapshot;
    struct core_counters *cores;
    char pool_names[POOLS_MAX][POOL_NAME_MAX];
    struct pool_view pools[POOLS_MAX];
    uint32_t num_pools;
    struct endpoint listen[2 * CONFIG_LISTEN_MAX];
    struct snapshot_identity identities[CONFIG_IDENTITIES_MAX];
    uint64_t plane_drops[CAUSE_COUNT], io_drops[CAUSE_COUNT];
    struct snapshot_drops drops[DROPS_LAYERS];
    struct snapshot_sample samples[SAMPLES_MAX];
    uint32_t num_samples;
    struct snapshot_histogram histograms[2];
    char worker_names[WORKERS_MAX][12];
    struct store_stats store;
    struct worker_status sum;
    char label[STORE_OP_TYPES * STORE_RESULTS][32];
};

/* ---- adding up */

static void add_pools(struct status *s, const struct worker_status *worker)
{
    for (uint32_t i = 0; i < worker->num_pools; i++) {
        struct pool_view view = worker->pools[i].view;
        uint32_t before = s->num_pools;
        view.name = worker->pools[i].name;
        pools_merge(s->pools, &s->num_pools, POOLS_MAX, &view, 1);
        if (s->num_pools > before) { /* new, so it must not keep the name of this answer */
            snprintf(s->pool_names[before], POOL_NAME_MAX, "%s", view.name);
            s->pools[before].name = s->pool_names[before];
        }
    }
}

static void add_worker(struct status *s, const struct worker_status *worker)
{
    struct snapshot_traffic *traffic = &s->snapshot.traffic;
    traffic->packets_in += worker->plane.packets_in;
    traffic->bytes_in += worker->plane.bytes_in;
    traffic->packets_out += worker->plane.packets_out;
    traffic->bytes_out += worker->plane.bytes_out;
    for (int i = 0; i < CAUSE_COUNT; i++) {
        s->plane_drops[i] += worker->plane.drops[i];
        s->io_drops[i] += worker->udp.drops[i];
    }
    s->sum.plane.udp_bursts += worker->plane.udp_bursts;
    s->sum.plane.too_big_sent += worker->plane.too_big_sent;
    s->sum.plane.dummies += worker->plane.dummies;
    s->sum.plane.children += worker->plane.children;
    s->sum.udp.datagrams_in += worker->udp.datagrams_in;
    s->sum.udp.bytes_in += worker->udp.bytes_in;
    s->sum.udp.datagrams_out += worker->udp.datagrams_out;
    s->sum.udp.bytes_out += worker->udp.bytes_out;
    s->sum.udp.bursts_in += worker->udp.bursts_in;
    s->sum.udp.receives_stopped += worker->udp.receives_stopped;
    s->sum.tun.reads += worker->tun.reads;
    s->sum.tun.writes += worker->tun.writes;
    s->sum.handed_over += worker->handed_over;
    s->sum.forwarded += worker->forwarded;
    s->sum.ring_overflows += worker->ring_overflows;
    for (size_t i = 0; i < HF_COUNT(worker->rounds); i++) {
        s->sum.rounds[i] += worker->rounds[i];
    }
    s->sum.rounds_ns += worker->rounds_ns;
    add_pools(s, worker);
}

static void sample(struct status *s, const char *name, const char *help, bool counter, uint64_t value)
{
    hf_assert(s->num_samples < SAMPLES_MAX);
    s->samples[s->num_samples++] =
        (struct snapshot_sample){.name = name, .help = help, .counter = counter, .value = value};
}

static void label_last(struct status *s, const char *label, const char *value)
{
    s->samples[s->num_samples - 1].label = label;
    s->samples[s->num_samples - 1].label_value = value;
}

static void cpu_sample(struct status *s, uint32_t number, uint64_t ns)
{
    char *name = s->worker_names[number];
    snprintf(name, sizeof(s->worker_names[0]), "%u", number);
    sample(s, "worker_cpu_seconds", "Processor time of a worker.", true, ns);
    label_last(s, "worker", name);
    s->samples[s->num_samples - 1].is_ns = true;
}

static bool ask_workers(struct daemon *d, struct status *s)
{
    for (uint32_t i = 0; i < d->num_workers; i++) {
        struct mail_ask ask = {.type = ASK_STATUS};
        const struct mail_answer *answer = daemon_ask(d, i, &ask);
        if (answer == NULL) {
            return false;
        }
        const struct worker_status *worker = (const struct worker_status *)answer->bytes;
        s->cores[i] = worker->core;
        add_worker(s, worker);
        cpu_sample(s, i, worker->cpu_ns);
    }
    return true;
}

/* ---- samples that only the daemon knows */

static void io_samples(struct status *s)
{
    const struct worker_status *sum = &s->sum;
    sample(s, "udp_datagrams_in", "UDP datagrams received.", true, sum->udp.datagrams_in);
    sample(s, "udp_bytes_in", "Bytes of UDP payload received.", true, sum->udp.bytes_in);
    sample(s, "udp_datagrams_out", "UDP datagrams sent.", true, sum->udp.datagrams_out);
    sample(s, "udp_bytes_out", "Bytes of UDP payload sent.", true, sum->udp.bytes_out);
    sample(s, "udp_bursts_in", "Buffers received with more than one datagram in them (GRO).", true,
           sum->udp.bursts_in);
    sample(s, "udp_bursts_out", "Bursts of ESP handed to the kernel at once.", true, sum->plane.udp_bursts);
    sample(s, "udp_receives_stopped", "Receives that ran out of buffers and were started again.", true,
           sum->udp.receives_stopped);
    sample(s, "nat_keepalives", "NAT keepalives of clients (RFC 3948).", true, s->io_drops[CAUSE_KEEPALIVE]);
    sample(s, "tun_reads", "Packets or super-packets read from the TUN devices.", true, sum->tun.reads);
    sample(s, "tun_writes", "Packets or super-packets written to the TUN devices.", true, sum->tun.writes);
    sample(s, "too_big_sent", "ICMP errors for packets above the tunnel MTU.", true, sum->plane.too_big_sent);
    sample(s, "esp_dummies", "ESP dummy packets, discarded as they should be.", true, sum->plane.dummies);
    sample(s, "plane_children", "Child SAs that the data plane has.", false, sum->plane.children);
    sample(s, "handed_over", "Datagrams that another worker than the one they reached had to serve.", true,
           sum->handed_over);
    sample(s, "forwarded", "Datagrams that a worker sent to another node.", true, sum->forwarded);
    sample(s, "ring_overflows", "Times a completion queue was too short.", true, sum->ring_overflows);
}

static void store_samples(struct status *s)
{
    static const char *const types[STORE_OP_TYPES] = {"claim", "scan",    "put",  "delete", "release",
                                                      "lease", "unlease", "view", "forget", "once"};
    static const char *const results[STORE_RESULTS] = {"ok", "fenced", "full", "down", "unknown"};
    for (int type = 0; type < STORE_OP_TYPES; type++) {
        for (int result = 0; result < STORE_RESULTS; result++) {
            char *label = s->label[type * STORE_RESULTS + result];
            snprintf(label, sizeof(s->label[0]), "%s_%s", types[type], results[result]);
            sample(s, "store_operations", "Operations of the session store, by kind and result.", true,
                   s->store.ops[type][result]);
            label_last(s, "operation", label);
        }
    }
    sample(s, "store_records", "Records in the session store.", false, s->store.records);
    sample(s, "store_bytes_used", "Bytes used in the session store.", false, s->store.bytes_used);
    sample(s, "store_bytes_max", "Bytes the session store may take; 0 without limit.", false,
           s->store.bytes_max);
    sample(s, "store_under_way", "Operations of the session store under way.", false, s->store.under_way);
}

static void histograms(struct status *s)
{
    static const uint32_t rounds_us[] = ROUND_BOUNDS_US, store_us[] = STORE_LATENCY_BOUNDS_US;
    s->histograms[0] = (struct snapshot_histogram){
        .name = "worker_round_seconds",
        .help = "Rounds of the workers' loops: a packet that comes in meanwhile waits so long.",
        .bounds_us = rounds_us,
        .num_bounds = HF_COUNT(rounds_us),
        .counts = s->sum.rounds,
        .sum_ns = s->sum.rounds_ns,
    };
    s->histograms[1] = (struct snapshot_histogram){
        .name = "store_latency_seconds",
        .help = "Operations of the session store, from asking to done.",
        .bounds_us = store_us,
        .num_bounds = HF_COUNT(store_us),
        .counts = s->store.latency,
        .sum_ns = s->store.latency_sum_ns,
    };
}

/* ---- the rest of the picture */

static void fill_listen(struct daemon *d, struct status *s)
{
    const struct config_listen *listen = &d->config_start->listen;
    for (uint32_t i = 0; i < listen->num_addresses; i++) {
        s->listen[2 * i] = (struct endpoint){listen->addrs[i], listen->ike_port};
        s->listen[2 * i + 1] = (struct endpoint){listen->addrs[i], listen->natt_port};
    }
    s->snapshot.listen = s->listen;
    s->snapshot.num_listen = 2 * listen->num_addresses;
}

static void fill_identities(struct daemon *d, struct status *s)
{
    uint32_t count = HF_MIN(d->policy->num_identities, d->config->num_identities);
    for (uint32_t i = 0; i < count; i++) {
        struct snapshot_identity *identity = &s->identities[i];
        identity->id = d->config->identities[i].id;
        identity->has_certificate = policy_not_after(&d->policy->identities[i], &identity->not_after_unix_s);
    }
    s->snapshot.identities = s->identities;
    s->snapshot.num_identities = count;
}

static void fill_node(struct daemon *d, struct status *s)
{
    struct snapshot *n = &s->snapshot;
    n->version = HOLDFAST_VERSION;
    n->state = d->state;
    n->now_unix_ns = daemon_wall_ns();
    n->started_unix_ns = d->started_unix_ns;
    n->uptime = daemon_now() - d->started;
    n->config_file = d->config_path;
    n->config_loaded_unix_s = d->config_loaded_unix_s;
    n->config_reload_ok = d->reload_ok;
    n->plane = "user";
    n->plane_interface = d->config_start->plane.interface;
    n->store = store_type_name(d->config_start->store.type);
    n->store_ok = store_watch_look(&d->store_watch, &s->store, daemon_now());
    n->workers = s->cores;
    n->num_workers = d->num_workers;
    n->sessions_max = d->config_start->limits.sessions;
    n->half_open_max = d->config_start->limits.half_open;
    n->pools = s->pools;
    n->num_pools = s->num_pools;
    n->log_lines = atomic_load(&d->log.lines);
    n->log_lost = atomic_load(&d->log.lost);
    s->drops[0] = (struct snapshot_drops){"plane", s->plane_drops};
    s->drops[1] = (struct snapshot_drops){"io", s->io_drops};
    n->drops = s->drops;
    n->num_drops = DROPS_LAYERS;
    n->samples = s->samples;
    n->num_samples = s->num_samples;
    n->histograms = s->histograms;
    n->num_histograms = HF_COUNT(s->histograms);
}

struct status *status_new(struct daemon *d)
{
    struct status *s = calloc(1, sizeof(*s));
    if (s != NULL) {
        s->cores = calloc(d->num_workers, sizeof(*s->cores));
    }
    if (s == NULL || s->cores == NULL || !ask_workers(d, s)) {
        status_free(s);
        return NULL;
    }
    store_stats(d->shared.store, &s->store);
    io_samples(s);
    store_samples(s);
    hf_assert(s->num_samples + STEER_SAMPLES_MAX + FLEET_SAMPLES + BGP_SAMPLES_MAX <= SAMPLES_MAX);
    s->num_samples += steer_status_samples(&d->feed, &s->samples[s->num_samples]);
    if (d->fleet.engine != NULL) {
        fleet_status_samples(d->fleet.engine, daemon_now(), &s->samples[s->num_samples]);
        s->num_samples += FLEET_SAMPLES;
    }
    s->num_samples += bgp_samples(d, &s->samples[s->num_samples]);
    histograms(s);
    fill_listen(d, s);
    fill_identities(d, s);
    fill_node(d, s);
    return s;
}

const struct snapshot *status_snapshot(const struct status *status)
{
    return &status->snapshot;
}

void status_free(struct status *status)
{
    if (status != NULL) {
        free(status->cores);
        free(status);
    }
}

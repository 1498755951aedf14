/* What a node looks like at one moment: the daemon fills it, metrics and the status command are written from
 * it. Nothing in it is owned. */
#pragma once

#include "edge/core/core.h"

enum node_state { NODE_STARTING, NODE_READY, NODE_DRAINING };
const char *node_state_name(enum node_state state); /* "ready" */

struct snapshot_identity {
    const char *id;
    bool has_certificate;
    int64_t not_after_unix_s;
};

/* Drops of one layer, "plane" or "io"; the core's own are in core_counters. */
struct snapshot_drops {
    const char *layer;
    const uint64_t *by_cause; /* CAUSE_COUNT of them */
};

/* A counter or gauge whose type is known to its adapter alone. Samples of one name follow each other; the
 * name is without "holdfast_" and, for a counter, without "_total". */
struct snapshot_sample {
    const char *name, *help;
    bool counter;
    const char *label, *label_value; /* NULL: no label */
    uint64_t value;
    bool is_ns; /* written as seconds */
};

/* How long something took; the name ends in _seconds. */
struct snapshot_histogram {
    const char *name, *help;
    const uint32_t *bounds_us; /* upper bounds, ascending */
    uint32_t num_bounds;
    const uint64_t *counts; /* one for each bound and one for what took longer; not cumulative */
    uint64_t sum_ns;
};

struct snapshot_traffic {
    uint64_t packets_in, bytes_in, packets_out,
        bytes_out; /* inner, through Child SAs; "in" comes from clients */
};

struct snapshot {
    const char *version;
    enum node_state state;
    int64_t now_unix_ns, started_unix_ns;
    ns_t uptime;

    const char *config_file;
    int64_t config_loaded_unix_s;
    bool config_reload_ok; /* the last reload was taken; true before the first */

    const char *plane, *plane_interface; /* "user", "hf" */
    const char *store;                   /* "lmdb" */
    bool store_ok;
    const struct endpoint *listen; /* one per address and port */
    uint32_t num_listen;

    const struct core_counters *workers; /* copies */
    uint32_t num_workers;
    uint32_t sessions_max, half_open_max; /* of the node */
    const struct pool_view *pools;        /* of the node, see pools_merge() */
    uint32_t num_pools;
    const struct snapshot_identity *identities;
    uint32_t num_identities;
    struct snapshot_traffic traffic;
    const struct snapshot_drops *drops;
    uint32_t num_drops;
    const struct snapshot_sample *samples;
    uint32_t num_samples;
    const struct snapshot_histogram *histograms;
    uint32_t num_histograms;
    uint64_t log_lines, log_lost;
};

/* Adds up all workers' counters. */
void counters_sum(const struct core_counters *workers, uint32_t num_workers, struct core_counters *ret_sum);
/* Adds one worker's view of the pools to those of the node, by name. */
void pools_merge(struct pool_view *pools, uint32_t *num_pools, uint32_t cap, const struct pool_view *more,
                 uint32_t num_more);

/* One fleet engine with a store of a few lines, whose answers come at once, or not at all, and with cores
 * that answer when they are told to. Effects are kept for looking at. */
#pragma once

#include "edge/session/fleet.h"

enum { RIG_BITS = 4, RIG_SHARDS = 16, RIG_NODES = 8, RIG_EFFECTS = 4096 };

#define RIG_LEASE NS_PER_S
#define RIG_HEARTBEAT (100 * NS_PER_MS)

struct rig {
    struct fleet *fleet;
    struct fleet_config config;
    ns_t now;
    struct fleet_effect *effects; /* since rig_forget(), but heartbeats */
    uint32_t num_effects;
    uint32_t beats; /* to others, since rig_forget() */
    struct fleet_heartbeat last_beat;
    /* The store. */
    bool is_down, is_fenced, is_core_silent;
    bool is_bad_member, is_short_table;
    uint64_t view;
    struct fleet_member members[RIG_NODES + 1]; /* node 0: none */
    bool has_lease[RIG_NODES + 1];
    uint16_t owners[RIG_SHARDS], epochs[RIG_SHARDS];
    uint64_t number; /* of heartbeats from others */
};

struct rig *rig_new(uint32_t takes_per_s, uint32_t gives_per_s);
void rig_free(struct rig *rig);
/* Node `node` joins the table, with a lease. */
void rig_member(struct rig *rig, uint16_t node, const char *site);
void rig_start(struct rig *rig);
void rig_forget(struct rig *rig);
/* Runs for so long; nodes of `heard` (bit for each) send heartbeats. */
void rig_run(struct rig *rig, ns_t duration, uint32_t heard);
void rig_event(struct rig *rig, struct fleet_event *event);
void rig_heartbeat(struct rig *rig, uint16_t node, const struct fleet_change *changes, uint32_t num_changes);
void rig_command(struct rig *rig, enum fleet_event_type type);
void rig_shard(struct rig *rig, enum fleet_shard_news news, uint16_t shard, uint16_t epoch,
               enum store_result result);
/* Effects of a type since rig_forget(); the last of them. */
uint32_t rig_count(const struct rig *rig, enum fleet_effect_type type);
uint32_t rig_news(const struct rig *rig, enum fleet_news news);
const struct fleet_effect *rig_last(const struct rig *rig, enum fleet_effect_type type);
/* Shards that the table gives to a node. */
uint32_t rig_owned(const struct rig *rig, uint16_t node);
struct fleet_status rig_status(const struct rig *rig);
/* The newest row of a shard since the start. */
void rig_row(const struct rig *rig, uint16_t shard, uint16_t *ret_primary, uint16_t *ret_secondary);

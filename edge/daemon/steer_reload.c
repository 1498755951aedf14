/* What a reload may change of the nodes and the shard table that the config names. */
#include "edge/daemon/daemon.h"

#include "edge/base/rendezvous.h"

#include <stdio.h>

/* ---- may it? */

static void find_node(const struct config *config, struct config_errors *errors, uint32_t i, const char *key,
                      const char *text)
{
    char path[64];
    snprintf(path, sizeof(path), "steering.nodes[%u].%s", i, key);
    config_find(config, errors, false, path, "%s", text);
}

/* What the sockets and the workers' SPIs were made for. */
static void self_check(const struct steer_feed *feed, const struct config *config,
                       struct config_errors *errors)
{
    const struct config_steering *steering = &config->steering;
    if (feed->others == NULL) {
        if (steering->num_nodes > 0) {
            config_find(config, errors, false, "steering.nodes",
                        "the first nodes take a restart: no socket for their packets is open");
        }
        return;
    }
    if (steering->node != feed->nodes->self) {
        config_find(config, errors, false, "steering.node", "this is node %u until a restart",
                    feed->nodes->self);
    }
    for (uint32_t i = 0; i < steering->num_nodes; i++) {
        if (steering->nodes[i].id == feed->nodes->self &&
            !ip_equal(&steering->nodes[i].addr, &feed->nodes->local.addr)) {
            find_node(config, errors, i, "address", "this node's own address takes a restart");
        }
    }
}

/* Shards that come to this node or leave it: their sessions are in this node's store alone. */
static uint32_t shards_moved(const struct steer_feed *feed, const struct config *config)
{
    uint32_t count = 0;
    for (uint32_t shard = 0; shard < UINT32_C(1) << feed->steer->spi.shard_bits; shard++) {
        bool was_ours = (uint16_t)feed->rows[shard] == feed->nodes->self;
        count += was_ours != steer_feed_owns(config, feed->fleet_key, shard);
    }
    return count;
}

static bool is_changed(const struct config_steering *old, const struct config_steering *new)
{
    bool changed = old->num_nodes != new->num_nodes;
    for (uint32_t i = 0; i < new->num_nodes && !changed; i++) {
        changed = old->nodes[i].id != new->nodes[i].id || old->nodes[i].weight != new->nodes[i].weight;
    }
    return changed;
}

bool steer_reload_fits(const struct steer_feed *feed, const struct config *old, const struct config *config,
                       struct config_errors *errors)
{
    const struct config_steering *steering = &config->steering;
    if (steering->is_on != old->steering.is_on) {
        config_find(config, errors, true, "steering", "begins or ends at the next start");
        return true;
    }
    if (!steering->is_on || feed->has_fleet) {
        return true;
    }
    self_check(feed, config, errors);
    if (errors->num_errors == 0 && feed->others != NULL) {
        uint32_t moved = shards_moved(feed, config);
        if (moved > 0) {
            config_find(config, errors, false, "steering.nodes",
                        "moves %u shards to this node or away from it, which takes a restart: the sessions "
                        "in them are in one node's store",
                        moved);
        } else if (is_changed(&old->steering, steering) &&
                   steering->table_version == old->steering.table_version) {
            config_find(config, errors, true, "steering.table_version",
                        "stays %u although the nodes change: those with the old list will not notice",
                        steering->table_version);
        }
    }
    return errors->num_errors == 0;
}

/* ---- it may */

static bool is_named(const struct config_steering *steering, uint16_t id)
{
    for (uint32_t i = 0; i < steering->num_nodes; i++) {
        if (steering->nodes[i].id == id) {
            return true;
        }
    }
    return false;
}

/* Nodes that come are there before a row names them, and those that go are until none does. */
void steer_reload_nodes(struct steer_feed *feed, const struct config *config)
{
    const struct config_steering *steering = &config->steering;
    if (feed->others == NULL || feed->has_fleet || !steering->is_on) {
        return;
    }
    for (uint32_t i = 0; i < steering->num_nodes; i++) {
        const struct config_node *node = &steering->nodes[i];
        steer_feed_node_set(feed, node->id, &node->addr, node->mtu, true);
    }
    steer_rows_fill(feed, steering, 0);
    for (uint16_t id = 0; id < HF_NODES_MAX; id++) {
        if (!is_named(steering, id)) {
            steer_feed_node_forget(feed, id);
        }
    }
    steer_feed_version_set(feed, steering->table_version);
}

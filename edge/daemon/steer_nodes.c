/* Other nodes and the shard table, as the steering program and the workers know them. Both may change at any
 * time (steer_feed.h): the config says them at the start, and a fleet as it goes. */
#include "edge/daemon/daemon.h"

#include "edge/base/rendezvous.h"

#include <stdlib.h>
#include <string.h>

static void words_of(const struct ip_addr *addr, uint64_t ret_words[2])
{
    ret_words[0] = hf_word_load(addr->bytes);
    ret_words[1] = hf_word_load(addr->bytes + 8);
}

/* ---- nodes */

/* Out of the interface that packets come in by, the frame goes back without a detour. */
static void node_enter(struct steer_feed *feed, uint16_t id, const struct neighbour *way)
{
    const struct steer_node *node = &feed->others[id];
    struct hf_node entry = {.flags = node->is_alive ? HF_NODE_ALIVE : 0, .mtu = node->mtu};
    if (feed->steering == NULL) {
        return;
    }
    words_of(&feed->nodes->local.addr, entry.local);
    words_of(&node->addr, entry.remote);
    if (!ip_is_v4(&node->addr)) {
        entry.flags |= HF_NODE_V6;
    }
    if (way != NULL) {
        entry.flags |= HF_NODE_RESOLVED;
        entry.ifindex = steer_links_is_only(feed, way->ifindex) ? 0 : way->ifindex;
        memcpy(entry.link_to, way->link_to, sizeof(entry.link_to));
        memcpy(entry.link_from, way->link_from, sizeof(entry.link_from));
    }
    int error = steering_node_set(feed->steering, id, &entry);
    if (error != 0) {
        steer_feed_missing(feed, "steering: node", strerror(-error));
    }
}

static void node_look(struct steer_feed *feed, uint16_t id)
{
    struct steer_node *node = &feed->others[id];
    struct neighbour way;
    char address[IP_TEXT_MAX];
    int error = feed->neighbours == NULL ? -EAGAIN : neighbour_find(feed->neighbours, &node->addr, &way);
    bool resolved = error == 0;
    node_enter(feed, id, resolved ? &way : NULL);
    if (resolved != node->is_resolved) {
        node->is_resolved = resolved;
        ip_format(&node->addr, address);
        log_event(feed->log, daemon_wall_ns(), LOG_LEVEL_INFO, resolved ? "node_resolved" : "node_unresolved",
                  LOG_FIELDS(LOG_NUMBER("node", id), LOG_TEXT("address", address)), "node %u, %s: %s", id,
                  address, resolved ? "the way to it is known" : strerror(-error));
    }
}

void steer_nodes_look(struct steer_feed *feed)
{
    for (uint16_t id = 0; feed->others != NULL && feed->steering != NULL && id < HF_NODES_MAX; id++) {
        if (feed->others[id].is_there) {
            node_look(feed, id);
        }
    }
}

void steer_feed_node_set(struct steer_feed *feed, uint16_t id, const struct ip_addr *addr, uint16_t mtu,
                         bool is_alive)
{
    hf_assert(id < HF_NODES_MAX);
    mtu = HF_MAX(mtu, (uint16_t)CONFIG_NODE_MTU_MIN);
    if (feed->others == NULL || id == feed->nodes->self) {
        return;
    }
    struct steer_node *node = &feed->others[id];
    bool is_same = node->is_there && node->mtu == mtu && ip_equal(&node->addr, addr);
    bool was_alive = node->is_alive;
    node->is_alive = is_alive;
    if (!is_same) {
        node->is_there = true;
        node->is_resolved = false;
        node->addr = *addr;
        node->mtu = mtu;
        nodes_set(feed->nodes, id, addr);
    }
    nodes_alive_set(feed->nodes, id, is_alive);
    if ((!is_same || is_alive != was_alive) && feed->steering != NULL) {
        node_look(feed, id);
    }
}

void steer_feed_node_forget(struct steer_feed *feed, uint16_t id)
{
    static const struct hf_node nothing;
    hf_assert(id < HF_NODES_MAX);
    if (feed->others == NULL || !feed->others[id].is_there) {
        return;
    }
    feed->others[id] = (struct steer_node){0};
    nodes_set(feed->nodes, id, NULL);
    int error = feed->steering == NULL ? 0 : steering_node_set(feed->steering, id, &nothing);
    if (error != 0) {
        steer_feed_missing(feed, "steering: node", strerror(-error));
    }
}

/* ---- the shard table */

static void row_write(struct steer_feed *feed, uint32_t shard, const struct rendezvous_pair *owners,
                      uint16_t flags)
{
    uint64_t row = hf_row_make(owners->primary, owners->secondary, feed->steer->worker_of[shard], flags);
    __atomic_store_n(&feed->rows[shard], row, __ATOMIC_RELAXED);
}

void steer_feed_row_set(struct steer_feed *feed, uint32_t shard, uint16_t primary, uint16_t secondary)
{
    hf_assert(shard >> feed->steer->spi.shard_bits == 0);
    if (feed->rows != NULL) {
        struct rendezvous_pair owners = {primary, secondary};
        row_write(feed, shard, &owners, (uint16_t)(feed->rows[shard] >> 48));
    }
}

void steer_feed_row_open(struct steer_feed *feed, uint32_t shard, bool is_open)
{
    hf_assert(shard >> feed->steer->spi.shard_bits == 0);
    if (feed->rows != NULL) {
        uint64_t row = feed->rows[shard];
        struct rendezvous_pair owners = {(uint16_t)row, (uint16_t)(row >> 16)};
        row_write(feed, shard, &owners, is_open ? HF_ROW_OPEN : 0);
    }
}

void steer_feed_version_set(struct steer_feed *feed, uint32_t table_version)
{
    __atomic_store_n(&feed->nodes->table_version, table_version, __ATOMIC_RELAXED);
    if (feed->steering != NULL) {
        steering_config(feed->steering)->table_version = table_version;
        feed->is_stale = true;
    }
}

static struct rendezvous_pair owners_of(const struct config_steering *steering, const uint64_t key[2],
                                        uint32_t shard)
{
    struct rendezvous_node nodes[CONFIG_NODES_MAX];
    if (steering->num_nodes == 0) {
        return (struct rendezvous_pair){steering->node, RENDEZVOUS_NOBODY};
    }
    for (uint32_t i = 0; i < steering->num_nodes; i++) {
        nodes[i] = (struct rendezvous_node){steering->nodes[i].id, steering->nodes[i].weight};
    }
    return rendezvous_pick(key, shard, nodes, steering->num_nodes);
}

bool steer_feed_owns(const struct config *config, const uint8_t fleet_key[FLEET_KEY_BYTES], uint32_t shard)
{
    uint64_t key[2];
    if (config->fleet.is_on || !config->steering.is_on) {
        return true;
    }
    fleet_derive(fleet_key, "shards", 0, (uint8_t *)key, sizeof(key));
    return owners_of(&config->steering, key, shard).primary == config->steering.node;
}

/* A fleet's rows are as the process before left them, if it did; the fleet will say. */
static struct rendezvous_pair owners_by(const struct steer_feed *feed, const struct config_steering *steering,
                                        const uint64_t key[2], uint32_t shard)
{
    uint64_t row = feed->rows[shard];
    if (!feed->has_fleet) {
        return owners_of(steering, key, shard);
    }
    if (feed->steering != NULL && steering_is_continued(feed->steering)) {
        return (struct rendezvous_pair){(uint16_t)row, (uint16_t)(row >> 16)};
    }
    return (struct rendezvous_pair){RENDEZVOUS_NOBODY, RENDEZVOUS_NOBODY};
}

void steer_rows_fill(struct steer_feed *feed, const struct config_steering *steering, uint16_t flags)
{
    uint64_t key[2];
    fleet_derive(feed->fleet_key, "shards", 0, (uint8_t *)key, sizeof(key));
    for (uint32_t shard = 0; shard < UINT32_C(1) << feed->steer->spi.shard_bits; shard++) {
        struct rendezvous_pair owners = owners_by(feed, steering, key, shard);
        row_write(feed, shard, &owners, flags);
    }
}

/* ---- the start */

/* What the workers are told: they forward by hand, with a program or without. */
static void workers_fill(struct steer_feed *feed)
{
    struct nodes *nodes = feed->nodes;
    nodes->rows = feed->rows;
    nodes->listen = &feed->config_start->listen;
    nodes->hop_port = nodes->local.port;
    nodes->epoch = STEER_HOP_EPOCH;
    fleet_derive(feed->fleet_key, "hop", STEER_HOP_EPOCH, (uint8_t *)nodes->keys[STEER_HOP_EPOCH],
                 sizeof(nodes->keys[0]));
}

void steer_nodes_open(struct steer_feed *feed)
{
    const struct config_steering *steering = &feed->config_start->steering;
    int error = feed->steering == NULL ? 0 : neighbours_open(&feed->neighbours);
    feed->others = calloc(HF_NODES_MAX, sizeof(*feed->others));
    hf_assert(feed->others != NULL);
    if (error != 0) {
        steer_feed_missing(feed, "steering: other nodes", strerror(-error));
    }
    workers_fill(feed);
    for (uint32_t i = 0; i < steering->num_nodes; i++) {
        const struct config_node *node = &steering->nodes[i];
        steer_feed_node_set(feed, node->id, &node->addr, node->mtu, true);
    }
}

void steer_nodes_close(struct steer_feed *feed)
{
    neighbours_close(feed->neighbours);
    feed->neighbours = NULL;
    free(feed->others);
    feed->others = NULL;
}

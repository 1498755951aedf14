/* Other nodes, as the steering program and the workers know them. */
#include "edge/daemon/daemon.h"

#include <net/if.h>
#include <string.h>

static bool is_only_link(const struct steer_feed *feed, uint32_t ifindex)
{
    return feed->num_links == 1 && if_nametoindex(feed->links[0].interface) == ifindex;
}

static void words_of(const struct ip_addr *addr, uint64_t ret_words[2])
{
    ret_words[0] = hf_word_load(addr->bytes);
    ret_words[1] = hf_word_load(addr->bytes + 8);
}

/* Out of the interface that packets come in by, the frame goes back without a detour. */
static void node_set(struct steer_feed *feed, const struct config_node *node, const struct neighbour *way)
{
    struct hf_node entry = {.flags = HF_NODE_ALIVE, .mtu = node->mtu};
    struct endpoint local;
    hf_assert(nodes_self(feed->config_start, &local));
    words_of(&local.addr, entry.local);
    words_of(&node->addr, entry.remote);
    if (!ip_is_v4(&node->addr)) {
        entry.flags |= HF_NODE_V6;
    }
    if (way != NULL) {
        entry.flags |= HF_NODE_RESOLVED;
        entry.ifindex = is_only_link(feed, way->ifindex) ? 0 : way->ifindex;
        memcpy(entry.link_to, way->link_to, sizeof(entry.link_to));
        memcpy(entry.link_from, way->link_from, sizeof(entry.link_from));
    }
    int error = steering_node_set(feed->steering, node->id, &entry);
    if (error != 0) {
        steer_feed_missing(feed, "steering: node", strerror(-error));
    }
}

static void node_look(struct steer_feed *feed, uint32_t i)
{
    const struct config_node *node = &feed->config_start->steering.nodes[i];
    struct neighbour way;
    int error = neighbour_find(feed->neighbours, &node->addr, &way);
    bool resolved = error == 0;
    node_set(feed, node, resolved ? &way : NULL);
    if (resolved != feed->is_resolved[i]) {
        feed->is_resolved[i] = resolved;
        log_event(feed->log, daemon_wall_ns(), LOG_LEVEL_INFO, resolved ? "node_resolved" : "node_unresolved",
                  LOG_FIELDS(LOG_NUMBER("node", node->id), LOG_TEXT("address", node->address)),
                  "node %u, %s: %s", node->id, node->address,
                  resolved ? "the way to it is known" : strerror(-error));
    }
}

void steer_nodes_look(struct steer_feed *feed)
{
    const struct config_steering *steering = &feed->config_start->steering;
    for (uint32_t i = 0; feed->neighbours != NULL && i < steering->num_nodes; i++) {
        if (steering->nodes[i].id != steering->node) {
            node_look(feed, i);
        }
    }
}

void steer_nodes_open(struct steer_feed *feed)
{
    if (feed->config_start->steering.num_nodes < 2) {
        return;
    }
    int error = neighbours_open(&feed->neighbours);
    if (error != 0) {
        steer_feed_missing(feed, "steering: other nodes", strerror(-error));
    }
    steer_nodes_look(feed);
}

void steer_feed_nodes(struct steer_feed *feed, struct nodes *ret_nodes)
{
    const struct hf_config *config = steering_config(feed->steering);
    if (feed->config_start->steering.num_nodes > 1) {
        ret_nodes->rows = steering_rows(feed->steering);
        ret_nodes->config = feed->config_start;
        ret_nodes->epoch = config->hop_epoch;
        memcpy(ret_nodes->keys, config->hop_keys, sizeof(ret_nodes->keys));
    }
}

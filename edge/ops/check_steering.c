/* Steering: interfaces, and the nodes of the fleet. */
#include "edge/ops/config_check.h"

#include <string.h>

enum { INTERFACE_NAME_MAX = 15, NODE_MTU = 1500 };

static void interface_check(const struct check *check, uint32_t i)
{
    const struct config_steering *steering = &check->config->steering;
    const char *name = steering->interfaces[i];

    if (strlen(name) > INTERFACE_NAME_MAX || strpbrk(name, "/ \t") != NULL) {
        check_fail(check, PATH("steering.interfaces[%u]", i), "'%.60s' is not the name of an interface",
                   name);
    }
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(steering->interfaces[k], name) == 0) {
            check_fail(check, PATH("steering.interfaces[%u]", i), "%.60s is there already", name);
        }
    }
}

/* The program judges what goes to these addresses, so it must know them. */
static void addresses_check(const struct check *check)
{
    const struct config_listen *listen = &check->config->listen;

    for (uint32_t i = 0; i < listen->num_addresses; i++) {
        if (ip_is_zero(&listen->addrs[i])) {
            check_fail(check, PATH("listen.addresses[%u]", i),
                       "steering needs each address by itself, not %s", listen->addresses[i]);
        }
    }
    if (listen->num_addresses > CONFIG_STEERED_MAX) {
        check_fail(check, "listen.addresses", "steering knows %u addresses at most", CONFIG_STEERED_MAX);
    }
}

static void node_check(const struct check *check, uint32_t i)
{
    struct config_steering *steering = &check->config->steering;
    struct config_node *node = &steering->nodes[i];

    if (node->id > CONFIG_NODE_ID_MAX) {
        check_fail(check, PATH("steering.nodes[%u].id", i), "%u is above %u", node->id, CONFIG_NODE_ID_MAX);
    }
    if (!ip_parse(node->address, &node->addr)) {
        check_fail(check, PATH("steering.nodes[%u].address", i), "'%.60s' is not an IP address",
                   node->address);
    }
    if (!check_has(check, PATH("steering.nodes[%u].weight", i))) {
        node->weight = 1;
    }
    if (!check_has(check, PATH("steering.nodes[%u].mtu", i))) {
        node->mtu = NODE_MTU;
    } else if (node->mtu < CONFIG_NODE_MTU_MIN) {
        check_fail(check, PATH("steering.nodes[%u].mtu", i), "%u is below %u", node->mtu,
                   CONFIG_NODE_MTU_MIN);
    }
    for (uint32_t k = 0; k < i; k++) {
        if (steering->nodes[k].id == node->id) {
            check_fail(check, PATH("steering.nodes[%u].id", i), "there is another node %u", node->id);
        }
        if (ip_equal(&steering->nodes[k].addr, &node->addr)) {
            check_fail(check, PATH("steering.nodes[%u].address", i), "node %u has %s, too",
                       steering->nodes[k].id, node->address);
        }
    }
    for (uint32_t k = 0; k < check->config->listen.num_addresses; k++) {
        if (ip_equal(&check->config->listen.addrs[k], &node->addr)) {
            check_fail(check, PATH("steering.nodes[%u].address", i),
                       "%s is one of listen.addresses, which all nodes have", node->address);
        }
    }
}

void check_steering(const struct check *check)
{
    struct config_steering *steering = &check->config->steering;
    bool is_self = steering->num_nodes == 0;

    steering->is_on = check_has(check, "steering");
    if (!steering->is_on || !check_default(check, &steering->pins, CONFIG_PINS_DEFAULT)) {
        return;
    }
    addresses_check(check);
    for (uint32_t i = 0; i < steering->num_interfaces; i++) {
        interface_check(check, i);
    }
    for (uint32_t i = 0; i < steering->num_nodes; i++) {
        node_check(check, i);
        if (ip_is_v4(&steering->nodes[i].addr) != ip_is_v4(&steering->nodes[0].addr)) {
            check_fail(check, PATH("steering.nodes[%u].address", i),
                       "nodes have either IPv4 or IPv6 addresses");
        }
        is_self = is_self || steering->nodes[i].id == steering->node;
    }
    if (!is_self) {
        check_fail(check, check_has(check, "steering.node") ? "steering.node" : "steering.nodes",
                   "node %u, which this is, is not among the nodes", steering->node);
    }
}

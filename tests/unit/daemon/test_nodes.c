/* What a worker sends to another node by hand, and what it takes apart. */
#include "edge/daemon/nodes.h"

#include <criterion/criterion.h>
#include <string.h>

enum { PAYLOAD_BYTES = 900, CAP = 2048 };

struct pair {
    uint64_t rows[16];
    struct config_node list[2];
    struct config config[2];
    struct nodes nodes[2];
};

static struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr;
    cr_assert(ip_parse(text, &addr));
    return addr;
}

static void pair_init(struct pair *pair)
{
    memset(pair, 0, sizeof(*pair));
    for (uint16_t i = 0; i < 2; i++) {
        struct config *config = &pair->config[i];
        pair->list[i] =
            (struct config_node){.id = i, .addr = addr_of(i == 0 ? "203.0.113.2" : "203.0.113.6")};
        config->listen.num_addresses = 2;
        config->listen.addrs[0] = addr_of("198.51.100.1");
        config->listen.addrs[1] = addr_of("2001:db8:1::1");
        config->listen.ike_port = 500;
        config->listen.natt_port = 4500;
        config->steering.node = i;
        config->steering.nodes = pair->list;
        config->steering.num_nodes = 2;
        config->steering.hop_port = 4501;
        pair->nodes[i] = (struct nodes){.rows = pair->rows,
                                        .config = config,
                                        .keys[1] = {7, 8},
                                        .epoch = 1,
                                        .local = {pair->list[i].addr, 4501}};
    }
}

static void one_way(struct pair *pair, const char *client, const char *local, uint16_t port)
{
    uint8_t payload[PAYLOAD_BYTES], room[CAP], copy[CAP];
    struct endpoint from = {addr_of(client), 31000}, to = {addr_of(local), port}, remote;
    struct datagram inside;
    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = (uint8_t)i;
    }
    size_t len =
        nodes_seal(&pair->nodes[0], 1, &from, &to, span_of(payload, sizeof(payload)), room, CAP, &remote);
    cr_assert(len > sizeof(payload));
    cr_assert(endpoint_equal(&remote, &pair->nodes[1].local));

    memcpy(copy, room, len);
    struct datagram outside = {
        .local = remote, .remote = pair->nodes[0].local, .bytes = copy, .len = len, .hop = true};
    cr_assert(nodes_open(&pair->nodes[1], &outside, &inside));
    cr_assert(endpoint_equal(&inside.remote, &from) && endpoint_equal(&inside.local, &to));
    cr_assert(inside.hop && inside.natt == (port == 4500));
    cr_assert(inside.len == sizeof(payload) && memcmp(inside.bytes, payload, sizeof(payload)) == 0);

    /* The MAC is over header, addresses, ports, length and the first 8 bytes; the rest is IKE's and ESP's to
     * protect. */
    size_t guarded = len - sizeof(payload) + 8;
    for (size_t i = 0; i < HF_HOP_BYTES; i++) {
        copy[i] ^= 1;
        cr_assert(!nodes_open(&pair->nodes[1], &outside, &inside), "byte %zu of the header", i);
        copy[i] ^= 1;
    }
    for (size_t i = guarded - 8; i < guarded; i++) {
        copy[i] ^= 1;
        cr_assert(!nodes_open(&pair->nodes[1], &outside, &inside), "byte %zu", i);
        copy[i] ^= 1;
    }
    for (outside.len = 0; outside.len < len; outside.len++) {
        cr_assert(!nodes_open(&pair->nodes[1], &outside, &inside), "%zu bytes", outside.len);
    }
    cr_assert(nodes_open(&pair->nodes[1], &outside, &inside));
    outside.remote.addr = addr_of("203.0.113.9");
    cr_assert(!nodes_open(&pair->nodes[1], &outside, &inside), "from another address");
    outside.remote.addr = pair->list[1].addr;
    cr_assert(!nodes_open(&pair->nodes[1], &outside, &inside), "from ourselves");
}

Test(nodes, there_and_nowhere_else)
{
    struct pair pair;
    struct endpoint from = {addr_of("192.0.2.7"), 31000}, to = {addr_of("198.51.100.1"), 4500}, remote;
    uint8_t room[CAP], payload[16] = {0};
    pair_init(&pair);
    one_way(&pair, "192.0.2.7", "198.51.100.1", 500);
    one_way(&pair, "192.0.2.7", "198.51.100.1", 4500);
    one_way(&pair, "2001:db8:7::7", "2001:db8:1::1", 4500);
    struct span whole = span_of(payload, sizeof(payload));
    cr_assert_eq(nodes_seal(&pair.nodes[0], 9, &from, &to, whole, room, CAP, &remote), 0, "no such node");
    cr_assert_eq(nodes_seal(&pair.nodes[0], 0, &from, &to, whole, room, CAP, &remote), 0, "ourselves");
    cr_assert_eq(nodes_seal(&pair.nodes[0], 1, &from, &to, whole, room, 48, &remote), 0, "no room");
}

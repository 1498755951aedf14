/* What a worker sends to another node by hand, and what it takes apart. */
#include "edge/daemon/nodes.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PAYLOAD_BYTES = 900, CAP = 2048 };

struct pair {
    uint64_t rows[16];
    struct ip_addr addrs[2];
    struct config config[2];
    struct nodes nodes[2];
};

static struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr;
    cr_assert(ip_parse(text, &addr));
    return addr;
}

static void pair_init(struct pair *pair, const char *first, const char *second)
{
    memset(pair, 0, sizeof(*pair));
    pair->addrs[0] = addr_of(first);
    pair->addrs[1] = addr_of(second);
    for (uint16_t i = 0; i < 2; i++) {
        struct config *config = &pair->config[i];
        config->listen.num_addresses = 2;
        config->listen.addrs[0] = addr_of("198.51.100.1");
        config->listen.addrs[1] = addr_of("2001:db8:1::1");
        config->listen.ike_port = 500;
        config->listen.natt_port = 4500;
        pair->nodes[i] = (struct nodes){.rows = pair->rows,
                                        .listen = &config->listen,
                                        .keys[1] = {7, 8},
                                        .epoch = 1,
                                        .self = i,
                                        .hop_port = 4501,
                                        .local = {pair->addrs[i], 4501}};
    }
    nodes_set(&pair->nodes[0], 1, &pair->addrs[1]);
    nodes_set(&pair->nodes[1], 0, &pair->addrs[0]);
}

static void one_way(struct pair *pair, const char *client, const char *local, uint16_t port)
{
    uint8_t payload[PAYLOAD_BYTES], room[CAP], copy[CAP];
    struct endpoint from = {addr_of(client), 31000}, to = {addr_of(local), port}, remote;
    struct datagram inside, asked = {.remote = from, .local = to};
    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = (uint8_t)i;
    }
    size_t len =
        nodes_seal(&pair->nodes[0], 1, &asked, span_of(payload, sizeof(payload)), room, CAP, &remote);
    cr_assert(len > sizeof(payload));
    cr_assert(endpoint_equal(&remote, &pair->nodes[1].local));

    memcpy(copy, room, len);
    struct datagram outside = {
        .local = remote, .remote = pair->nodes[0].local, .bytes = copy, .len = len, .hop = true};
    cr_assert(nodes_open(&pair->nodes[1], &outside, &inside));
    cr_assert(endpoint_equal(&inside.remote, &from) && endpoint_equal(&inside.local, &to));
    cr_assert(inside.hop && inside.natt == (port == 4500));
    cr_assert(inside.num_hops == 1 && inside.hop_node == 0);
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
    outside.remote.addr = pair->addrs[1];
    cr_assert(!nodes_open(&pair->nodes[1], &outside, &inside), "from ourselves");
    outside.remote.addr = pair->addrs[0];
    nodes_set(&pair->nodes[1], 0, NULL);
    cr_assert(!nodes_open(&pair->nodes[1], &outside, &inside), "from a node that has gone");
    nodes_set(&pair->nodes[1], 0, &pair->addrs[0]);
    cr_assert(nodes_open(&pair->nodes[1], &outside, &inside));
}

Test(nodes, there_and_nowhere_else)
{
    static const char *const addresses[][2] = {{"203.0.113.2", "203.0.113.6"},
                                               {"2001:db8:9::2", "2001:db8:9::6"}};
    struct datagram asked = {.remote = {addr_of("192.0.2.7"), 31000},
                             .local = {addr_of("198.51.100.1"), 4500}};
    struct endpoint remote;
    uint8_t room[CAP], payload[16] = {0};
    for (size_t i = 0; i < HF_COUNT(addresses); i++) {
        struct pair *pair = calloc(1, sizeof(*pair));
        pair_init(pair, addresses[i][0], addresses[i][1]);
        one_way(pair, "192.0.2.7", "198.51.100.1", 500);
        one_way(pair, "192.0.2.7", "198.51.100.1", 4500);
        one_way(pair, "2001:db8:7::7", "2001:db8:1::1", 4500);
        struct nodes *nodes = &pair->nodes[0];
        struct span whole = span_of(payload, sizeof(payload));
        cr_assert_eq(nodes_seal(nodes, 9, &asked, whole, room, CAP, &remote), 0, "no such node");
        cr_assert_eq(nodes_seal(nodes, 0, &asked, whole, room, CAP, &remote), 0, "ourselves");
        cr_assert_eq(nodes_seal(nodes, NODES_NOBODY, &asked, whole, room, CAP, &remote), 0, "nobody");
        cr_assert_eq(nodes_seal(nodes, 1, &asked, whole, room, 48, &remote), 0, "no room");
        asked.num_hops = 1;
        asked.hop_node = 2;
        cr_assert(nodes_seal(nodes, 1, &asked, whole, room, CAP, &remote) > 0);
        cr_assert_eq(room[0] & 15, 2, "the second hop");
        asked.hop_node = 1;
        cr_assert_eq(nodes_seal(nodes, 1, &asked, whole, room, CAP, &remote), 0, "back");
        asked.hop_node = asked.num_hops = 2;
        cr_assert_eq(nodes_seal(nodes, 1, &asked, whole, room, CAP, &remote), 0, "a third hop");
        asked.hop_node = asked.num_hops = 0;
        nodes_set(nodes, 1, NULL);
        cr_assert_eq(nodes_seal(nodes, 1, &asked, whole, room, CAP, &remote), 0, "it has gone");
        free(pair);
    }
}

Test(nodes, too_big_is_an_icmp_error_of_the_fleet)
{
    static const struct {
        const char *client, *local;
        uint16_t port;
        size_t len;
        uint8_t proto;
    } rows[] = {
        {"2001:db8:7::7", "2001:db8:1::1", 4500, 16 + 40 + 8 + 40 + 8, 58},
        {"192.0.2.7", "198.51.100.1", 4500, 16 + 20 + 8 + 20 + 8, 1},
        {"2001:db8:7::7", "2001:db8:1::1", 0, 16 + 40 + 8 + 40 + 8, 58},
    };
    struct pair *pair = calloc(1, sizeof(*pair));
    pair_init(pair, "203.0.113.2", "203.0.113.6");
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t bytes[NODES_TOO_BIG_MAX];
        struct endpoint remote;
        struct nodes_too_big error = {.client = {addr_of(rows[i].client), 31000},
                                      .local = {addr_of(rows[i].local), rows[i].port},
                                      .mtu = 1300};
        size_t len = nodes_seal_too_big(&pair->nodes[0], 1, &error, bytes, &remote);
        cr_assert_eq(len, rows[i].len);
        cr_assert(endpoint_equal(&remote, &pair->nodes[1].local));
        bool v4 = rows[i].proto == 1;
        const uint8_t *ip = bytes + HF_HOP_BYTES, *icmp = ip + (v4 ? 20 : 40);
        cr_assert_eq(ip[v4 ? 9 : 6], rows[i].proto);
        cr_assert_eq(icmp[0], v4 ? 3 : 2);
        cr_assert_eq(icmp[6] << 8 | icmp[7], 1300);
        cr_assert_eq(icmp[8 + (v4 ? 9 : 6)], rows[i].port == 0 ? 50 : 17, "what was sent");
        cr_assert_eq(nodes_seal_too_big(&pair->nodes[0], 9, &error, bytes, &remote), 0, "no such node");
    }
    free(pair);
}

Test(nodes, owner_is_the_first_of_the_row_that_lives)
{
    static const struct {
        uint16_t primary, secondary;
        bool alive1, alive2;
        uint16_t owner;
    } rows[] = {
        {0, 1, false, false, 0},
        {1, 0, true, false, 1},
        {1, 0, false, false, 0},
        {1, 2, true, true, 1},
        {1, 2, false, true, 2},
        {1, 2, false, false, NODES_NOBODY},
        {NODES_NOBODY, NODES_NOBODY, true, true, NODES_NOBODY},
    };
    struct pair *pair = calloc(1, sizeof(*pair));
    pair_init(pair, "203.0.113.2", "203.0.113.6");
    struct nodes *nodes = &pair->nodes[0];
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        pair->rows[3] = hf_row_make(rows[i].primary, rows[i].secondary, 5, HF_ROW_OPEN);
        nodes_alive_set(nodes, 1, rows[i].alive1);
        nodes_alive_set(nodes, 2, rows[i].alive2);
        cr_assert_eq(nodes_owner(nodes, 3), rows[i].owner, "row %zu", i);
    }
    nodes->rows = NULL;
    cr_assert_eq(nodes_owner(nodes, 3), 0, "there are no others");
    free(pair);
}

/* A reader meets addresses as they were written, or none. */
static void *reader(void *context)
{
    struct pair *pair = context;
    struct datagram asked = {.remote = {addr_of("192.0.2.7"), 31000},
                             .local = {addr_of("198.51.100.1"), 4500}};
    struct endpoint remote;
    uint8_t room[CAP], payload[16] = {0};
    uint64_t sent = 0;
    while (!__atomic_load_n(&pair->rows[0], __ATOMIC_ACQUIRE)) {
        if (nodes_seal(&pair->nodes[0], 1, &asked, span_of(payload, sizeof(payload)), room, CAP, &remote) >
            0) {
            sent++;
            __atomic_store_n(&pair->rows[1], sent, __ATOMIC_RELAXED);
            if (!ip_equal(&remote.addr, &pair->addrs[0]) && !ip_equal(&remote.addr, &pair->addrs[1])) {
                return "torn";
            }
        }
    }
    return NULL;
}

Test(nodes, change_while_workers_read)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    pthread_t thread;
    void *wrong;
    pair_init(pair, "203.0.113.2", "2001:db8:9::6");
    cr_assert_eq(pthread_create(&thread, NULL, reader, pair), 0);
    for (uint32_t i = 0; i < 300000 || __atomic_load_n(&pair->rows[1], __ATOMIC_RELAXED) < 1000; i++) {
        nodes_set(&pair->nodes[0], 1, i % 3 == 2 ? NULL : &pair->addrs[i % 3]);
    }
    __atomic_store_n(&pair->rows[0], 1, __ATOMIC_RELEASE);
    cr_assert_eq(pthread_join(thread, &wrong), 0);
    cr_assert_null(wrong, "%s", (const char *)wrong);
    free(pair);
}

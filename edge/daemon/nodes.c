#include "edge/daemon/nodes.h"

#include "ebpf/hop.h"
#include "edge/base/bytes.h"
#include "edge/plane/user_sum.h"

enum { IP4_BYTES = 20, IP6_BYTES = 40, UDP_BYTES = 8, PROTO_UDP = 17, HEAD_BYTES = 8 };

bool nodes_self(const struct config *config, uint16_t *ret_self, struct endpoint *ret_local)
{
    const struct config_steering *steering = &config->steering;
    if (config->fleet.is_on) {
        *ret_self = config->fleet.node;
        *ret_local = (struct endpoint){config->fleet.addr, steering->hop_port};
        return true;
    }
    *ret_self = steering->node;
    for (uint32_t i = 0; i < steering->num_nodes; i++) {
        if (steering->nodes[i].id == steering->node) {
            *ret_local = (struct endpoint){steering->nodes[i].addr, steering->hop_port};
            return true;
        }
    }
    return false;
}

/* ---- the table */

void nodes_set(struct nodes *nodes, uint16_t id, const struct ip_addr *addr)
{
    static const struct ip_addr nowhere;
    hf_assert(id < HF_NODES_MAX);
    struct nodes_entry *entry = &nodes->entries[id];
    const uint8_t *bytes = addr == NULL ? nowhere.bytes : addr->bytes;
    uint32_t turn = entry->turn;
    if (addr == NULL) {
        nodes_alive_set(nodes, id, false);
    }
    __atomic_store_n(&entry->turn, turn + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&entry->addr[0], hf_word_load(bytes), __ATOMIC_RELAXED);
    __atomic_store_n(&entry->addr[1], hf_word_load(bytes + 8), __ATOMIC_RELAXED);
    __atomic_store_n(&entry->turn, turn + 2, __ATOMIC_RELEASE);
}

void nodes_alive_set(struct nodes *nodes, uint16_t id, bool is_alive)
{
    hf_assert(id < HF_NODES_MAX);
    __atomic_store_n(&nodes->entries[id].is_alive, is_alive, __ATOMIC_RELAXED);
}

bool nodes_find(const struct nodes *nodes, uint32_t id, struct ip_addr *ret_addr)
{
    if (id >= HF_NODES_MAX || id == nodes->self) {
        return false;
    }
    const struct nodes_entry *entry = &nodes->entries[id];
    uint32_t turn = __atomic_load_n(&entry->turn, __ATOMIC_ACQUIRE);
    uint64_t addr[2] = {__atomic_load_n(&entry->addr[0], __ATOMIC_RELAXED),
                        __atomic_load_n(&entry->addr[1], __ATOMIC_RELAXED)};
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    bool is_whole = (turn & 1) == 0 && __atomic_load_n(&entry->turn, __ATOMIC_RELAXED) == turn;
    memcpy(ret_addr->bytes, addr, sizeof(ret_addr->bytes));
    return is_whole && (addr[0] | addr[1]) != 0;
}

static bool is_alive(const struct nodes *nodes, uint16_t id)
{
    return id == nodes->self ||
           (id < HF_NODES_MAX && __atomic_load_n(&nodes->entries[id].is_alive, __ATOMIC_RELAXED));
}

uint16_t nodes_owner(const struct nodes *nodes, uint32_t shard)
{
    if (nodes->rows == NULL) {
        return nodes->self;
    }
    uint64_t row = __atomic_load_n(&nodes->rows[shard], __ATOMIC_RELAXED);
    uint16_t primary = (uint16_t)row, secondary = (uint16_t)(row >> 16);
    if (is_alive(nodes, primary)) {
        return primary;
    }
    return is_alive(nodes, secondary) ? secondary : NODES_NOBODY;
}

/* What the MAC is made of, of a UDP packet. */
static struct hf_hop_inner inner_of(const struct endpoint *src, const struct endpoint *dst,
                                    const uint8_t *payload, uint32_t ip_len)
{
    return (struct hf_hop_inner){
        .src = {hf_word_load(src->addr.bytes), hf_word_load(src->addr.bytes + 8)},
        .dst = {hf_word_load(dst->addr.bytes), hf_word_load(dst->addr.bytes + 8)},
        .head = hf_word_load(payload),
        .ip_len = ip_len,
        .src_port = src->port,
        .dst_port = dst->port,
        .is_v6 = !ip_is_v4(&src->addr),
        .proto = PROTO_UDP,
    };
}

/* ---- out */

static uint8_t *ip_write(uint8_t *ip, const struct endpoint *src, const struct endpoint *dst,
                         uint32_t udp_len)
{
    if (ip_is_v4(&src->addr)) {
        memset(ip, 0, IP4_BYTES);
        ip[0] = 0x45;
        be16_store(ip + 2, (uint16_t)(IP4_BYTES + udp_len));
        be16_store(ip + 6, 0x4000); /* DF: id 0 will do (RFC 6864 4.1) */
        ip[8] = 64;
        ip[9] = PROTO_UDP;
        memcpy(ip + 12, src->addr.bytes + 12, 4);
        memcpy(ip + 16, dst->addr.bytes + 12, 4);
        sum_ipv4(ip, IP4_BYTES);
        return ip + IP4_BYTES;
    }
    memset(ip, 0, 8);
    ip[0] = 0x60;
    be16_store(ip + 4, (uint16_t)udp_len);
    ip[6] = PROTO_UDP;
    ip[7] = 64;
    memcpy(ip + 8, src->addr.bytes, 16);
    memcpy(ip + 24, dst->addr.bytes, 16);
    return ip + IP6_BYTES;
}

/* The owner's kernel wants a checksum over IPv6; over IPv4 none is fine (RFC 3948 2.1, RFC 8200 8.1). */
static void udp_write(uint8_t *udp, const struct endpoint *src, const struct endpoint *dst,
                      struct span payload)
{
    uint32_t len = (uint32_t)(UDP_BYTES + payload.len);
    be16_store(udp, src->port);
    be16_store(udp + 2, dst->port);
    be16_store(udp + 4, (uint16_t)len);
    be16_store(udp + 6, 0);
    memcpy(udp + UDP_BYTES, payload.data, payload.len);
    if (!ip_is_v4(&src->addr)) {
        uint8_t addresses[32];
        memcpy(addresses, src->addr.bytes, 16);
        memcpy(addresses + 16, dst->addr.bytes, 16);
        uint16_t sum =
            (uint16_t)~sum_fold(sum_add(sum_pseudo(addresses, sizeof(addresses), PROTO_UDP, len), udp, len));
        sum_store(udp + 6, sum == 0 ? UINT16_MAX : sum);
    }
}

/* As the steering program: never back, and not round in circles. */
static bool may_go_on(const struct datagram *client, uint16_t node)
{
    return client->num_hops < HF_HOP_MAX && (client->num_hops == 0 || client->hop_node != node);
}

size_t nodes_seal(const struct nodes *nodes, uint16_t node, const struct datagram *client,
                  struct span payload, uint8_t *ret_bytes, size_t cap, struct endpoint *ret_remote)
{
    const struct endpoint *src = &client->remote, *dst = &client->local;
    struct ip_addr to;
    size_t ip_len = (ip_is_v4(&src->addr) ? IP4_BYTES : IP6_BYTES) + UDP_BYTES + payload.len;
    if (!may_go_on(client, node) || !nodes_find(nodes, node, &to) || payload.len < HEAD_BYTES ||
        ip_len > UINT16_MAX || HF_HOP_BYTES + ip_len > cap) {
        return 0;
    }
    struct hf_hop hop = {.hop = client->num_hops + 1U,
                         .epoch = nodes->epoch,
                         .node = nodes->self,
                         .table_version = __atomic_load_n(&nodes->table_version, __ATOMIC_RELAXED)};
    struct hf_hop_inner inner = inner_of(src, dst, payload.data, (uint32_t)ip_len);
    uint64_t word = hf_hop_word(&hop);
    hf_word_store(ret_bytes, word);
    be64_store(ret_bytes + 8, hf_hop_mac(nodes->keys[nodes->epoch & 3], word, node, &inner));
    uint8_t *udp = ip_write(ret_bytes + HF_HOP_BYTES, src, dst, (uint32_t)(UDP_BYTES + payload.len));
    udp_write(udp, src, dst, payload);
    *ret_remote = (struct endpoint){.addr = to, .port = nodes->hop_port};
    return HF_HOP_BYTES + ip_len;
}

/* ---- in */

/* Addresses of a whole UDP packet without extension headers; where UDP begins, or 0. */
static size_t ip_read(struct span packet, struct endpoint *ret_src, struct endpoint *ret_dst)
{
    const uint8_t *ip = packet.data;
    if (packet.len >= IP4_BYTES && ip[0] >> 4 == 4) {
        size_t header = (size_t)(ip[0] & 15) * 4;
        ret_src->addr = ip_from_v4(ip + 12);
        ret_dst->addr = ip_from_v4(ip + 16);
        bool whole = be16_load(ip + 2) == packet.len && (be16_load(ip + 6) & 0x3fff) == 0;
        return whole && ip[9] == PROTO_UDP && header >= IP4_BYTES ? header : 0;
    }
    if (packet.len >= IP6_BYTES && ip[0] >> 4 == 6) {
        ret_src->addr = ip_from_v6(ip + 8);
        ret_dst->addr = ip_from_v6(ip + 24);
        return be16_load(ip + 4) + (size_t)IP6_BYTES == packet.len && ip[6] == PROTO_UDP ? IP6_BYTES : 0;
    }
    return 0;
}

static bool is_ours(const struct config_listen *listen, const struct endpoint *local)
{
    bool ours = false;
    for (uint32_t i = 0; i < listen->num_addresses; i++) {
        ours = ours || ip_equal(&listen->addrs[i], &local->addr);
    }
    return ours && (local->port == listen->ike_port || local->port == listen->natt_port);
}

static bool is_authentic(const struct nodes *nodes, const struct datagram *datagram,
                         const struct hf_hop_inner *inner, struct hf_hop *ret_hop)
{
    struct ip_addr from;
    uint64_t word = hf_word_load(datagram->bytes);
    if (!hf_hop_parse(word, ret_hop) || ret_hop->is_notice) {
        return false;
    }
    const uint64_t *key = nodes->keys[ret_hop->epoch & 3];
    return nodes_find(nodes, ret_hop->node, &from) && ip_equal(&from, &datagram->remote.addr) &&
           (key[0] | key[1]) != 0 &&
           hf_hop_mac(key, word, nodes->self, inner) == be64_load(datagram->bytes + 8);
}

bool nodes_open(const struct nodes *nodes, const struct datagram *datagram, struct datagram *ret_datagram)
{
    struct datagram inside = {.hop = true};
    if (nodes->rows == NULL || datagram->len < HF_HOP_BYTES) {
        return false;
    }
    struct span packet = span_of(datagram->bytes + HF_HOP_BYTES, datagram->len - HF_HOP_BYTES);
    size_t header = ip_read(packet, &inside.remote, &inside.local);
    if (header == 0 || packet.len < header + UDP_BYTES + HEAD_BYTES ||
        be16_load(packet.data + header + 4) != packet.len - header) {
        return false;
    }
    inside.remote.port = be16_load(packet.data + header);
    inside.local.port = be16_load(packet.data + header + 2);
    inside.bytes = datagram->bytes + HF_HOP_BYTES + header + UDP_BYTES;
    inside.len = packet.len - header - UDP_BYTES;
    inside.natt = inside.local.port == nodes->listen->natt_port;
    struct hf_hop hop;
    struct hf_hop_inner inner = inner_of(&inside.remote, &inside.local, inside.bytes, (uint32_t)packet.len);
    if (!is_ours(nodes->listen, &inside.local) || !is_authentic(nodes, datagram, &inner, &hop)) {
        return false;
    }
    inside.num_hops = (uint8_t)hop.hop;
    inside.hop_node = (uint16_t)hop.node;
    *ret_datagram = inside;
    return true;
}

/* A program that measures one of enum wrap_subject: each run makes the packet one of the next flow, runs the
 * subject inline, and puts the packet back as it was, for BPF_PROG_TEST_RUN hands the same buffer to every
 * repetition. (Repeated as it is, a program that encapsulates would see a client's packet once, and then its
 * own.) */
#include "ebpf/steer.bpf.c"
#include "tests/bench/steer_wrap.h"

enum {
    SRC_AT = 26,
    PORT_AT = 34,
    BODY_AT = 42,
    ID_AT = 18,
    INNER_AT = BODY_AT + HF_HOP_BYTES - HF_ETH_BYTES
};

const volatile uint32_t subject = 0;
const volatile uint32_t class = 0;
const volatile uint32_t restore_len = 0; /* bytes at the frame's start that the subject writes over */
const volatile int undo_head = 0, undo_tail = 0;

HF_ARRAY(wrap_states, BPF_MAP_TYPE_ARRAY, 0, 1, struct wrap_state);
HF_ARRAY(table_ring, BPF_MAP_TYPE_ARRAY, 0, WRAP_RING, uint32_t);

struct table_key {
    uint32_t src, dst;
    uint32_t ports;
    uint32_t proto;
};

struct table_value {
    uint64_t seen_ns;
    uint32_t node;
    uint32_t pad;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1 << 20);
    __type(key, struct table_key);
    __type(value, struct table_value);
} table_flows SEC(".maps");

/* The node of a flow: the one in the table, else the ring's, which is then put there. */
HF_SHARED uint32_t table_node(struct xdp_md *packet, const struct table_key *key)
{
    uint64_t now_ns = hf_world_clock(packet);
    struct table_value *known = bpf_map_lookup_elem(&table_flows, key);
    if (known) {
        known->seen_ns = now_ns;
        return known->node;
    }
    uint64_t hash =
        hf_siphash13_2((const uint64_t[2]){1, 2}, (uint64_t)key->src << 32 | key->dst, key->ports);
    uint32_t place = (uint32_t)((hash >> 32) * WRAP_RING >> 32);
    const uint32_t *node = bpf_map_lookup_elem(&table_ring, &place);
    struct table_value value = {.seen_ns = now_ns, .node = node ? *node : 0};
    bpf_map_update_elem(&table_flows, key, &value, BPF_ANY);
    return value.node;
}

/* As little as such a steerer can do: no address of ours to compare, no options, tags, fragments, IPv6; no
 * budgets and no MAC. What it sends is what we send but for that. */
HF_SHARED int table_steer(struct xdp_md *packet)
{
    const struct hf_config *config = hf_world_config(packet, 0);
    uint8_t *eth = hf_packet_at(packet, 0, BODY_AT);
    if (!config || !eth || hf_load16(eth + 12) != HF_ETH_IP4 || eth[14] != 0x45 || eth[23] != HF_PROTO_UDP) {
        return XDP_PASS;
    }
    struct table_key key = {.src = hf_load32(eth + SRC_AT),
                            .dst = hf_load32(eth + SRC_AT + 4),
                            .ports = hf_load32(eth + PORT_AT),
                            .proto = HF_PROTO_UDP};
    uint32_t ip_len = hf_load16(eth + 16);
    uint32_t id = table_node(packet, &key);
    const struct hf_node *node = hf_world_node(packet, id);
    if (!node || hf_packet_head(packet, -HF_OVERHEAD_V4) != 0) {
        return XDP_DROP;
    }
    uint8_t *out = hf_packet_at(packet, 0, HF_ETH_BYTES + HF_OVERHEAD_V4);
    if (!out) {
        return XDP_DROP;
    }
    struct hf_ip_out ip = {.src = {node->local[0], node->local[1]},
                           .dst = {node->remote[0], node->remote[1]},
                           .proto = HF_PROTO_UDP,
                           .payload_len = HF_UDP_BYTES + HF_HOP_BYTES + ip_len};
    hf_copy6(out, node->link_to);
    hf_copy6(out + 6, node->link_from);
    hf_store16(out + 12, HF_ETH_IP4);
    hf_ip4_write(out + HF_ETH_BYTES, &ip);
    hf_hop_write(out + PORT_AT, config, ip.payload_len, key.ports, 0, 0);
    hf_world_count(packet, HF_NODE_ESP, HF_ETH_BYTES + ip_len);
    return XDP_TX;
}

/* The node-to-node header for the inner packet, which has the flow's fields already. */
HF_SHARED void hop_write(uint8_t *eth, const struct hf_config *config)
{
    uint8_t *inner = eth + INNER_AT;
    struct hf_hop_inner inside = {
        .src = {0, hf_v4_word(inner + SRC_AT)},
        .dst = {0, hf_v4_word(inner + SRC_AT + 4)},
        .head = hf_word_load(inner + BODY_AT),
        .ip_len = hf_load16(inner + HF_ETH_BYTES + 2),
        .src_port = hf_load16(inner + PORT_AT),
        .dst_port = hf_load16(inner + PORT_AT + 2),
        .proto = HF_PROTO_UDP,
    };
    uint64_t word = hf_word_load(eth + BODY_AT);
    hf_store64(eth + BODY_AT + 8, hf_hop_mac(config->hop_keys[1], word, config->self, &inside));
}

/* An SPI of this key epoch; ESP's index stays within the bitmap. */
HF_SHARED uint64_t ike_spi(const struct hf_config *config, uint64_t h)
{
    struct hf_spi spi = {.epoch = 1,
                         .shard = (uint16_t)(h & HF_BITS(config->spi.shard_bits & 31)),
                         .index = (uint32_t)(h >> 20) & 0xffff};
    return hf_ike_spi_encode(&config->spi, &spi);
}

HF_SHARED void cookie_write(uint8_t *eth, const struct wrap_state *state, const struct hf_config *config)
{
    uint8_t *cookie = eth + BODY_AT + 28 + 8;
    uint64_t addr[2] = {0, hf_v4_word(eth + SRC_AT)};
    struct hf_sip h =
        hf_cookie_mac_start(config->cookies[0].key.k, hf_load64(eth + BODY_AT), (const uint8_t *)addr);
    for (int i = 0; i < WRAP_NONCE_BYTES / 8; i++) {
        hf_sip_word(&h, state->nonce[i], 2);
    }
    uint64_t mac = hf_cookie_mac_end(&h, WRAP_NONCE_BYTES);
    cookie[0] = (uint8_t)config->cookies[0].version;
    hf_store64(cookie + 1, mac);
}

/* Only addresses and ports; 2^29 sources in 64.0.0.0/3, 2^15 ports. */
HF_SHARED void source_write(uint8_t *eth, uint64_t h)
{
    hf_store32(eth + SRC_AT, 0x40000000 | (uint32_t)(h >> 35));
    hf_store16(eth + PORT_AT, 0x8000 | (uint32_t)(h >> 16));
}

HF_SHARED void fields_write(uint8_t *eth, const struct wrap_state *state, const struct hf_config *config,
                            uint64_t h)
{
    switch (class) {
    case WRAP_ESP:
        hf_store32(eth + BODY_AT, 0x40000000 | (uint32_t)(h >> 40));
        break;
    case WRAP_NODE_IN:
        hf_store32(eth + INNER_AT + BODY_AT, 0x40000000 | (uint32_t)(h >> 40));
        hop_write(eth, config);
        break;
    case WRAP_IKE:
        hf_store64(eth + BODY_AT + 4 + 8, ike_spi(config, h >> 20));
        break;
    case WRAP_FORGED:
        hf_store64(eth + BODY_AT + 4 + 8, 1ULL << 62 | h >> 2);
        break;
    case WRAP_PROVEN:
        hf_store64(eth + BODY_AT, h | 1);
        cookie_write(eth, state, config);
        break;
    case WRAP_FIRST:
        hf_store64(eth + BODY_AT, h | 1);
        break;
    case WRAP_FRAGMENT:
        hf_store16(eth + ID_AT, (uint32_t)(h >> 20));
        break;
    }
}

/* Golden ratio: the high bits of its products are different for as many flows as they can be. */
HF_SHARED int flow_write(struct xdp_md *packet, const struct wrap_state *state, uint64_t flow)
{
    const struct hf_config *config = hf_world_config(packet, 0);
    uint64_t h = flow * 0x9e3779b97f4a7c15ULL;
    uint32_t at = class == WRAP_NODE_IN ? INNER_AT : 0;
    uint8_t *eth = hf_packet_at(packet, at, BODY_AT + 1);
    if (!eth || !config) {
        return -1;
    }
    source_write(eth, h);
    if (class != WRAP_KEEPALIVE) {
        eth = hf_packet_at(packet, 0, 100);
        if (!eth) {
            return -1;
        }
        fields_write(eth, state, config, h);
    }
    return 0;
}

HF_SHARED uint64_t random_next(struct wrap_state *state)
{
    uint64_t x = state->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    state->random = x;
    return x >> 20;
}

SEC("xdp.frags")
int wrap(struct xdp_md *packet)
{
    uint32_t key = 0;
    struct wrap_state *state = bpf_map_lookup_elem(&wrap_states, &key);
    if (!state || (restore_len && bpf_xdp_store_bytes(packet, 0, state->frame, restore_len) != 0) ||
        flow_write(packet, state, random_next(state) & state->flow_mask) != 0) {
        return XDP_ABORTED;
    }
    int action = XDP_TX;
    if (subject == WRAP_STEER) {
        action = hf_steer(packet);
    } else if (subject == WRAP_TABLE) {
        action = table_steer(packet);
    }
    state->actions[action & 7]++;
    if (subject != WRAP_EMPTY && ((undo_head && hf_packet_head(packet, undo_head) != 0) ||
                                  (undo_tail && hf_packet_tail(packet, undo_tail) != 0))) {
        return XDP_ABORTED;
    }
    return action;
}

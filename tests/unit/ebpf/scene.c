#include "tests/unit/ebpf/scene.h"

#include "ebpf/bytes.h"

#include <string.h>

void addr_words(const uint8_t addr[16], uint64_t ret_words[2])
{
    ret_words[0] = hf_word_load(addr);
    ret_words[1] = hf_word_load(addr + 8);
}

void node_addr(uint32_t node, bool v6, uint8_t ret_addr[16])
{
    static const uint8_t V4[16] = {[10] = 0xff, 0xff, 198, 51, 100};
    static const uint8_t V6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x0f};
    memcpy(ret_addr, v6 ? V6 : V4, 16);
    ret_addr[15] = (uint8_t)node;
}

static void local_set(struct hf_local *local, const uint8_t addr[16], uint32_t bits, uint32_t kind)
{
    uint8_t mask[16] = {0};
    for (uint32_t i = 0; i < bits; i++) {
        mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
    }
    addr_words(addr, local->addr);
    addr_words(mask, local->mask);
    local->kind = kind;
}

static void config_init(struct hf_config *config)
{
    uint8_t addr[16];
    config->spi = (struct hf_spi_config){
        .epochs[1] = {.k1 = {1, 2}, .k2 = {3, 4}, .k3 = {5, 6}},
        .epochs[2] = {.k1 = {11, 12}, .k2 = {13, 14}, .k3 = {15, 16}},
        .shard_bits = SCENE_SHARD_BITS,
        .mint_epoch = 1,
    };
    for (uint64_t i = 0; i < 2; i++) {
        config->first_key[i] = 21 + i;
        config->fragment_key[i] = 31 + i;
        config->budget_key[i] = 41 + i;
        config->hop_keys[1][i] = 51 + i;
        config->hop_keys[2][i] = 61 + i;
        config->cookies[i] = (struct hf_cookie_slot){{{71 + i, 81 + i}}, 0x70 - (uint32_t)i, 1};
    }
    node_addr(SCENE_SELF, false, addr);
    local_set(&config->local[0], addr, 128, HF_LOCAL_NODE);
    node_addr(SCENE_SELF, true, addr);
    local_set(&config->local[1], addr, 128, HF_LOCAL_NODE);
    local_set(&config->local[2], (const uint8_t[16]){[10] = 0xff, 0xff, 192, 0, 2}, 120, HF_LOCAL_ANYCAST);
    local_set(&config->local[3], (const uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, 0, 0x0a}, 64, HF_LOCAL_ANYCAST);
    config->table_version = 7;
    config->self = SCENE_SELF;
    config->num_workers = SCENE_WORKERS;
    config->ike_port = 500;
    config->natt_port = 4500;
    config->hop_port = SCENE_HOP_PORT;
    config->live_bits = SCENE_LIVE_BITS;
    config->hop_epoch = 1;
    for (uint16_t i = 0; i < HF_WORKERS_MAX; i++) {
        config->worker_cpu[i] = i;
    }
}

static void nodes_init(struct hf_node nodes[SCENE_NODES])
{
    for (uint32_t n = 2; n < SCENE_NODES; n++) {
        uint8_t addr[16];
        bool v6 = n == 3;
        node_addr(SCENE_SELF, v6, addr);
        addr_words(addr, nodes[n].local);
        node_addr(n, v6, addr);
        addr_words(addr, nodes[n].remote);
        memcpy(nodes[n].link_to, (const uint8_t[]){2, 0, 0, 0, 1, (uint8_t)n}, 6);
        memcpy(nodes[n].link_from, (const uint8_t[]){2, 0, 0, 0, 2, (uint8_t)n}, 6);
        nodes[n].ifindex = n == 6 ? 1 : 0;
        nodes[n].flags =
            (n == 4 || n == 7 ? 0 : HF_NODE_ALIVE) | (n == 5 ? 0 : HF_NODE_RESOLVED) | (v6 ? HF_NODE_V6 : 0);
        nodes[n].mtu = SCENE_MTU;
    }
}

void scene_init(struct scene *scene)
{
    static const uint16_t PRIMARY[8] = {1, 1, 2, 3, 4, 4, 5, 6};
    static const uint16_t SECONDARY[8] = {2, 2, 1, 1, 1, 7, 1, 1};
    memset(scene, 0, sizeof(*scene));
    config_init(&scene->config);
    nodes_init(scene->nodes);
    scene->control.clock_ns = UINT64_C(1000000000000);
    for (uint16_t s = 0; s < SCENE_SHARDS; s++) {
        scene->rows[s] = hf_row_make(PRIMARY[s & 7], SECONDARY[s & 7], s >> 3 & 3,
                                     (s & 7) == SHARD_LOADING ? HF_ROW_OPEN : 0);
        scene->live[s] = 0xffffffff;
    }
}

uint32_t scene_shard(uint32_t kind, uint32_t worker)
{
    return worker << 3 | kind;
}

uint64_t scene_ike_spi(const struct scene *scene, uint32_t shard)
{
    struct hf_spi spi = {.shard = (uint16_t)shard, .epoch = scene->config.spi.mint_epoch, .index = 9};
    return hf_ike_spi_encode(&scene->config.spi, &spi);
}

uint32_t scene_esp_spi(const struct scene *scene, uint32_t shard, uint32_t index)
{
    struct hf_spi spi = {.shard = (uint16_t)shard, .epoch = scene->config.spi.mint_epoch, .index = index};
    return hf_esp_spi_encode(&scene->config.spi, &spi);
}

uint64_t siphash_bytes(const uint64_t key[2], const uint8_t *bytes, size_t len, int c_rounds, int d_rounds)
{
    struct hf_sip h = hf_sip_start(key);
    uint8_t last[8] = {0};
    for (size_t i = 0; i + 8 <= len; i += 8) {
        hf_sip_word(&h, hf_word_load(bytes + i), c_rounds);
    }
    memcpy(last, bytes + len / 8 * 8, len % 8);
    last[7] = (uint8_t)len;
    hf_sip_word(&h, hf_word_load(last), c_rounds);
    return hf_sip_end(&h, d_rounds);
}

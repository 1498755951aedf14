/* One node of a fleet of seven, as the maps of ebpf/steer.h describe it, and frames for it. */
#pragma once

#include "ebpf/steer.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SCENE_SHARD_BITS = 6,
    SCENE_SHARDS = 1 << SCENE_SHARD_BITS,
    SCENE_LIVE_BITS = 6,
    SCENE_LIVE_WORDS = SCENE_SHARDS, /* 64 indexes each; those below 32 have an SA */
    SCENE_NODES = 8,
    SCENE_SELF = 1,
    SCENE_WORKERS = 4,
    SCENE_MTU = 1500,
    SCENE_HOP_PORT = 6081,
};

/* What shard & 7 stands for. */
enum {
    SHARD_HERE,
    SHARD_LOADING,    /* here, HF_ROW_OPEN */
    SHARD_ON_V4,      /* of node 2, whose address is IPv4 */
    SHARD_ON_V6,      /* of node 3, whose address is IPv6 */
    SHARD_INHERITED,  /* of node 4, which is dead; this node is the second */
    SHARD_LOST,       /* of nodes 4 and 7, both dead */
    SHARD_UNRESOLVED, /* of node 5 */
    SHARD_ELSEWHERE,  /* of node 6, behind another device */
};

struct scene {
    struct hf_control control;
    struct hf_config config;
    uint64_t rows[SCENE_SHARDS];
    struct hf_node nodes[SCENE_NODES];
    uint64_t live[SCENE_LIVE_WORDS];
};

/* No limits, no cookies wanted, key epochs 1 and 2, time 1000 s. */
void scene_init(struct scene *scene);
uint64_t scene_ike_spi(const struct scene *scene, uint32_t shard);
uint32_t scene_esp_spi(const struct scene *scene, uint32_t shard, uint32_t index);
/* A row that belongs to `kind`, and to worker `worker` where it is here. */
uint32_t scene_shard(uint32_t kind, uint32_t worker);

/* Addresses as bytes, IPv4 as ::ffff:a.b.c.d. */
void node_addr(uint32_t node, bool v6, uint8_t ret_addr[16]);
void addr_words(const uint8_t addr[16], uint64_t ret_words[2]);

/* SipHash over bytes, from the words' primitives, which have vectors of their own. */
uint64_t siphash_bytes(const uint64_t key[2], const uint8_t *bytes, size_t len, int c_rounds, int d_rounds);

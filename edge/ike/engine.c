/* The engine's memory and its small doors. */
#include "edge/ike/engine.h"

#include "edge/base/secret.h"
#include "edge/crypto/seal.h"
#include "edge/ike/internal.h"

#define BLOCKS_PER_SA 4 /* a cached answer and a request of ours */
#define BLOCKS_PER_HALF_OPEN                                                                                 \
    10                      /* both IKE_SA_INIT messages, and the answer to IKE_AUTH that is being made      \
                             */
#define ID_SHORT_BYTES 48   /* most names */
#define BLOCKS_AT_LEAST 512 /* fragments of a few messages, whatever the limits */

/* Cuts tables out of one piece of memory; with `base` NULL it only adds up. */
struct carving {
    uint8_t *base;
    size_t used;
};

static void *carve(struct carving *carving, size_t bytes)
{
    void *place = carving->base == NULL ? NULL : carving->base + carving->used;
    carving->used += (bytes + 63) & ~(size_t)63;
    return place;
}

struct tables {
    void *ike, *sas, *children, *sa, *child, *half_open, *reassemblies, *timers, *digests, *peers, *blobs,
        *identities, *ranges, *sources, *shards;
    uint32_t num_sas, num_children, num_blocks;
};

static struct tables tables_carve(const struct ike_config *config, struct carving *carving)
{
    struct tables t = {.num_sas = config->num_shards * config->sas_per_shard,
                       .num_children = config->num_shards * config->children_per_shard};
    t.num_blocks = t.num_sas * BLOCKS_PER_SA + config->half_open_max * BLOCKS_PER_HALF_OPEN + BLOCKS_AT_LEAST;
    t.ike = carve(carving, sizeof(struct ike));
    t.sas = carve(carving, slab_bytes(config->num_shards, config->sas_per_shard));
    t.children = carve(carving, slab_bytes(config->num_shards, config->children_per_shard));
    t.sa = carve(carving, t.num_sas * sizeof(struct ike_sa));
    t.child = carve(carving, t.num_children * sizeof(struct ike_child));
    t.half_open = carve(carving, config->half_open_max * sizeof(struct half_open));
    t.reassemblies = carve(carving, REASSEMBLIES_MAX * sizeof(struct reassembly));
    t.timers = carve(carving, heap_bytes(t.num_sas));
    t.digests = carve(carving, map_bytes(config->half_open_max));
    t.peers = carve(carving, map_bytes(t.num_sas));
    t.blobs = carve(carving, blobs_bytes(t.num_blocks));
    t.identities = carve(carving, stock_bytes(ID_SHORT_BYTES, sizeof(struct identity), 2 * t.num_sas));
    t.ranges = carve(carving, stock_bytes(RANGES_FEW_BYTES, RANGES_MANY_BYTES, t.num_children));
    t.shards = carve(carving, config->num_shards * sizeof(struct ike_shard));
    t.sources = carve(carving, sources_bytes(config->half_open_max));
    return t;
}

size_t ike_bytes(const struct ike_config *config)
{
    struct carving carving = {0};
    (void)tables_carve(config, &carving);
    return carving.used;
}

static void shards_index(struct ike *ike)
{
    memset(ike->position_of, 0xff, sizeof(ike->position_of));
    for (uint32_t i = 0; i < ike->config.num_shards; i++) {
        ike->position_of[ike->config.shards[i]] = (uint16_t)i;
    }
}

/* Without a fleet all are ours, whether the store says so or not. */
static void shards_begin(struct ike *ike)
{
    bool in_fleet = ike->config.in_fleet;
    for (uint32_t i = 0; i < ike->config.num_shards; i++) {
        ike->shard[i].state = in_fleet ? IKE_SHARD_AWAY : IKE_SHARD_HERE;
    }
    ike->shards_here = in_fleet ? 0 : ike->config.num_shards;
    ike->may_begin = !in_fleet;
}

static uint32_t first_slot(const struct ike_config *config)
{
    return (uint32_t)rand_u64(&config->rand);
}

struct ike *ike_init(void *memory, const struct ike_config *config, const struct policy *policy)
{
    struct carving carving = {.base = memory};
    struct tables t = tables_carve(config, &carving);
    struct ike *ike = t.ike;
    memset(ike, 0, sizeof(*ike));
    ike->config = *config;
    ike->policy = policy;
    ike->sa = t.sa;
    ike->child = t.child;
    ike->shard = t.shards;
    memset(t.shards, 0, config->num_shards * sizeof(struct ike_shard));
    ike->half_open = t.half_open;
    ike->reassemblies = t.reassemblies;
    ike->half_open_free = config->half_open_max;
    ike->cookie_hour = ike->ticket_day = INT64_MIN;
    rand_fill(&config->rand, ike->hash_key, sizeof(ike->hash_key));
    slab_init(&ike->sas, t.sas, config->num_shards, config->sas_per_shard, first_slot(config));
    /* A restarted gateway does not hand out the SPIs of handshakes that ended with the process before it. */
    rand_fill(&config->rand, ike->sas.generation, t.num_sas);
    slab_init(&ike->children, t.children, config->num_shards, config->children_per_shard, first_slot(config));
    heap_init(&ike->timers, t.timers, t.num_sas);
    map_init(&ike->init_digests, t.digests, config->half_open_max);
    map_init(&ike->peers, t.peers, t.num_sas);
    blobs_init(&ike->blobs, t.blobs, t.num_blocks);
    stock_init(&ike->identities, t.identities, ID_SHORT_BYTES, sizeof(struct identity), 2 * t.num_sas);
    stock_init(&ike->ranges, t.ranges, RANGES_FEW_BYTES, RANGES_MANY_BYTES, t.num_children);
    sources_init(&ike->sources, t.sources, config->half_open_max, ike->hash_key);
    for (uint32_t i = 0; i < config->half_open_max; i++) {
        ike->half_open[i].sa = SLOT_NONE;
    }
    for (uint32_t i = 0; i < REASSEMBLIES_MAX; i++) {
        ike->reassemblies[i].sa = SLOT_NONE;
    }
    shards_index(ike);
    shards_begin(ike);
    dead_end_init(ike);
    return ike;
}

void ike_done(struct ike *ike)
{
    for (uint32_t slot = 0; slot < slab_capacity(&ike->sas); slot++) {
        if (slab_is_used(&ike->sas, slot)) {
            secret_wipe(&ike->sa[slot], sizeof(ike->sa[slot]));
        }
    }
    for (uint32_t slot = 0; slot < slab_capacity(&ike->children); slot++) {
        if (slab_is_used(&ike->children, slot)) {
            secret_wipe(&ike->child[slot], sizeof(ike->child[slot]));
        }
    }
    blobs_wipe(&ike->blobs);
    stock_wipe(&ike->identities);
    stock_wipe(&ike->ranges);
    secret_wipe(ike, sizeof(*ike));
}

void ike_policy(struct ike *ike, const struct policy *policy)
{
    ike->policy = policy;
}

void ike_spi_config(struct ike *ike, const struct hf_spi_config *spi)
{
    ike->config.spi = *spi;
}

void ike_spi_count(const struct ike *ike, uint32_t ret_counts[4])
{
    memset(ret_counts, 0, 4 * sizeof(*ret_counts));
    for (uint32_t slot = 0; slot < slab_capacity(&ike->sas); slot++) {
        if (slab_is_used(&ike->sas, slot)) {
            ret_counts[sa_our_spi(&ike->sa[slot]) >> 62]++;
        }
    }
    for (uint32_t slot = 0; slot < slab_capacity(&ike->children); slot++) {
        if (slab_is_used(&ike->children, slot)) {
            ret_counts[ike->child[slot].spi_in >> 30]++;
        }
    }
}

const struct ike_counters *ike_counters(const struct ike *ike)
{
    return &ike->counters;
}

uint32_t ike_capacity(const struct ike *ike)
{
    return slab_capacity(&ike->sas);
}

const struct ike_sa *ike_sa_at(const struct ike *ike, uint32_t slot)
{
    return slot < slab_capacity(&ike->sas) && slab_is_used(&ike->sas, slot) ? &ike->sa[slot] : NULL;
}

const struct ike_child *ike_child_at(const struct ike *ike, uint32_t slot)
{
    return slot < slab_capacity(&ike->children) && slab_is_used(&ike->children, slot) ? &ike->child[slot]
                                                                                      : NULL;
}

bool ike_shard_has_room(const struct ike *ike, uint32_t position)
{
    return ike->sas.used_in[position] < ike->sas.per_shard &&
           ike->children.used_in[position] < ike->children.per_shard;
}

uint32_t ike_shard_position(const struct ike *ike, uint32_t slot)
{
    return slab_position(&ike->sas, slot);
}

uint32_t ike_shard_index(const struct ike *ike, uint32_t slot)
{
    return slab_index(&ike->sas, slot);
}

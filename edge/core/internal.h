/* Shared by the files of edge/core alone. */
#pragma once

#include "edge/core/core.h"
#include "edge/ike/engine.h"
#include "edge/pool/pool.h"
#include "edge/session/record.h"

/* Tokens of the start-up's own store operations; the engine's are below. */
#define START_TOKEN (UINT64_C(1) << 63)

struct core_pool {
    const char *name; /* the policy's */
    struct pool v4, v6;
    bool has_v4, has_v6;
};

/* Owned from SHARD_SCANNING on; SHARD_UNREAD: reading its records failed and is tried again. */
enum shard_state { SHARD_UNCLAIMED, SHARD_CLAIMING, SHARD_SCANNING, SHARD_UNREAD, SHARD_OWNED };

static inline bool shard_is_owned(enum shard_state state)
{
    return state >= SHARD_SCANNING;
}

struct core_shard {
    uint16_t epoch;
    uint8_t state;
    uint8_t record_key[32];
};

struct core {
    struct core_config config;
    struct ike *ike;
    const struct policy *policy;
    struct core_pool pools[POOLS_MAX];
    uint32_t num_pools;
    struct core_shard *shards; /* by position */
    uint32_t claims_next, claims_open, shards_done, restored;
    bool started, ready;
    ns_t claim_retry;
    struct ike_time time;

    /* One step's outcome. */
    struct effects *effects;
    _Alignas(16) uint8_t arena[EFFECT_BYTES_MAX];
    size_t arena_used;
    uint64_t failed_tokens[EFFECTS_MAX]; /* store writes that could not even be tried */
    uint32_t num_failed;

    struct session_record record;
    uint8_t record_plain[RECORD_BYTES_MAX];
    struct core_counters counters;
};

/* effect.c */
struct effect *effect_add(struct core *core, enum effect_type type);
void *effect_room(struct core *core, size_t bytes); /* aligned to 16, lives until the next step */
struct span effect_copy(struct core *core, struct span bytes);
void effect_audit(struct core *core, const struct audit *audit);

/* host.c: what the engine asks for */
struct ike_host core_host(struct core *core);

/* start.c: claiming shards and reading sessions back */
void start_begin(struct core *core);
void start_store_done(struct core *core, const struct store_done *done);
void start_record(struct core *core, const struct store_record *record);
void start_timer(struct core *core);

/* save.c: sessions as sealed records */
bool save_put(struct core *core, const struct ike_sa *sa, uint32_t replaces_slot, uint64_t token);
void save_delete(struct core *core, uint32_t slot);
HF_MUST enum cause save_open(struct core *core, const struct store_record *record);
/* Puts what core->record holds into the engine. */
HF_MUST enum cause save_restore(struct core *core);

/* pools.c */
size_t pools_bytes(const struct core_config *config, const struct policy *policy);
void pools_init(struct core *core, void *memory, const struct policy *policy);
bool pools_take(struct core *core, const struct ike_address_wish *wish, struct ip_addr *ret_addr);
/* One certain address. True also when no pool has it: a session keeps an address that a reload took out of
 * the pools. */
bool pools_take_at(struct core *core, const struct ip_addr *addr);
void pools_free(struct core *core, const struct ip_addr *addr);
/* The shard position whose slice an address is of; UINT32_MAX when it is not one of ours. */
uint32_t pools_position(struct core *core, const struct ip_addr *addr);
/* Addresses that a shard position has left in the first pool; UINT32_MAX without pools. */
uint32_t pools_left(const struct core *core, uint32_t position);

/* Shared by the files of edge/core alone. */
#pragma once

#include "edge/core/core.h"
#include "edge/ike/engine.h"
#include "edge/pool/pool.h"
#include "edge/session/record.h"

/* Tokens of the shards' own store operations; the engine's are below. Above the position stands the attempt:
 * what a shard that was lost or given meanwhile is answered is old. */
#define SHARD_TOKEN (UINT64_C(1) << 63)

struct core_pool {
    const char *name; /* the policy's */
    struct pool v4, v6;
    bool has_v4, has_v6;
};

enum shard_state {
    SHARD_UNCLAIMED,
    SHARD_CLAIMING,
    SHARD_FORGETTING, /* given or lost: its sessions go, a few in each step */
    SHARD_SCANNING,   /* owned from here on */
    SHARD_UNREAD,     /* reading its records failed and is tried again */
    SHARD_OWNED,
    SHARD_GIVING,    /* its sessions leave */
    SHARD_RELEASING, /* all have left, the store has not said yes */
    SHARD_STAYING,   /* it could not be given: those that left come back */
};

static inline bool shard_is_owned(enum shard_state state)
{
    return state >= SHARD_SCANNING;
}

#define WORK_NONE UINT32_MAX

struct core_shard {
    uint16_t epoch;
    uint16_t floor; /* the next claim's epoch must be above it */
    uint8_t state;
    uint8_t tries;           /* of the release */
    bool wanted;             /* to be claimed */
    bool give_next;          /* wished for while something else was under way */
    bool reclaiming;         /* ours, and claimed once more */
    bool is_queued, is_late; /* there is work; or at core->poll_at */
    bool is_ready;           /* of SHARD_OWNED: all sessions are served, and the engine knows */
    bool is_given;           /* of SHARD_FORGETTING: the engine hears so at the end */
    uint16_t attempt;
    uint32_t work_next;
    uint32_t sessions; /* that came or went */
    enum store_result result;
    ns_t since;          /* the give began */
    uint64_t epoch_mark; /* ike_token() when the epoch was got: older writes are of the epoch before */
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
    uint32_t work_first, work_last; /* queue of shards, by position */
    uint32_t num_giving, num_late, gives_waiting;
    ns_t poll_at; /* gives under way are looked at again */
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
/* A shard is wanted. */
void start_claim(struct core *core, uint32_t position);
/* A claim or scan under way is of no interest any more. */
void start_forget(struct core *core, uint32_t position);
void store_op(struct core *core, enum store_op_type type, uint32_t position, uint16_t epoch);

/* shard.c: shards that come and go */
void shard_event(struct core *core, const struct event_shard *event);
void shard_store_done(struct core *core, uint32_t position, const struct store_done *done);
/* Plane or store answered something about an IKE SA. */
void shard_answered(struct core *core, uint64_t token);
void shard_timer(struct core *core);
ns_t shard_deadline(const struct core *core);
void shard_claimed(struct core *core, uint32_t position, uint16_t epoch);
/* A claim failed. */
void shard_refused(struct core *core, uint32_t position, enum store_result result);
/* All records have been read. */
void shard_read(struct core *core, uint32_t position);
/* Another has it. */
void shard_lost(struct core *core, uint32_t position);
/* A write that was refused: whether it says that the shard is lost. */
bool shard_is_fenced(const struct core *core, uint64_t token);

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

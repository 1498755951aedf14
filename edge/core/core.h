/* One worker's engine: an event goes in with its time, ordered effects come out. No system call, no clock, no
 * allocation after core_init(). The daemon, the simulator and the fuzzers are three hosts of the same core.
 */
#pragma once

#include "ebpf/shared.h"
#include "edge/base/env.h"
#include "edge/core/plane.h"
#include "edge/session/fleet.h"
#include "edge/session/store_op.h"
#include "edge/crypto/cert.h"
#include "edge/crypto/seal.h"
#include "edge/ike/policy.h"
#include "edge/ike/quirk.h"
#include "edge/ike/tables.h"

enum event_type {
    EVENT_START,    /* first event: claim shards, read the store back; in a fleet nothing is claimed yet */
    EVENT_DATAGRAM, /* an IKE message; on 4500 without its non-ESP marker */
    EVENT_TIMER,    /* core_deadline() has come */
    EVENT_STORE_DONE,
    EVENT_STORE_RECORD,
    EVENT_PLANE_DONE,
    EVENT_PLANE,   /* news from the data plane */
    EVENT_COMMAND, /* an operator's */
    EVENT_POLICY,  /* reload: a new policy and memory for its pools */
    EVENT_SHARD,   /* fleet: take, give or drop a shard; EFFECT_SHARD says what became of it */
    EVENT_LEASE,   /* fleet: whether anything new may be begun; false until the first one */
};

enum shard_wish {
    SHARD_TAKE, /* claim it, read its sessions, serve them */
    SHARD_GIVE, /* write its sessions, release it, forget them without a word to the clients */
    SHARD_DROP, /* another has it: forget its sessions at once */
};

struct event_shard {
    enum shard_wish wish;
    uint16_t shard; /* one of core_config.shards */
    uint16_t epoch; /* SHARD_TAKE: the claimed one must be above it. SHARD_DROP: the other's; older news are
                       ignored */
};

struct event_datagram {
    struct endpoint local, remote;
    struct span bytes; /* valid during the call */
    bool natt;         /* came behind the non-ESP marker: answers carry it too */
};

enum command_type {
    COMMAND_DISCONNECT,
    COMMAND_DRAIN,
    COMMAND_UNDRAIN,
    COMMAND_REPLACED, /* another worker has a session that is the client's only one: audit.is_only */
};

struct event_command {
    enum command_type type;
    uint64_t session_id;             /* COMMAND_DISCONNECT */
    const struct identity *identity; /* COMMAND_REPLACED, with the next two */
    const char *connection;
    ns_t before; /* sessions established earlier are stale */
};

struct event {
    enum event_type type;
    ns_t now;
    int64_t now_unix_s; /* wall clock, for certificates and records only */
    union {
        struct event_datagram datagram;
        struct store_done store;
        struct store_record record;
        struct plane_done plane_done;
        struct plane_event plane;
        struct event_command command;
        struct {
            const struct policy *policy;
            void *pool_memory; /* core_pool_bytes(policy); the old one is free after this event */
            const struct hf_spi_config *spi; /* copied; NULL: as before */
        } policy;
        struct event_shard shard;
        bool may_begin; /* EVENT_LEASE */
    };
};

enum effect_type {
    EFFECT_SEND,
    EFFECT_PLANE,
    EFFECT_STORE,
    EFFECT_AUDIT,
    EFFECT_POLICY_FREE,
    EFFECT_SHARD, /* for the fleet engine */
};

struct effect_send {
    struct endpoint local, remote;
    struct span bytes; /* without marker */
    bool natt;         /* the host puts the non-ESP marker in front */
};

struct effect_shard {
    enum fleet_shard_news news;
    uint16_t shard;
    uint16_t epoch;           /* ours; FLEET_SHARD_LOST: ours until now */
    enum store_result result; /* FLEET_SHARD_FAILED */
    uint32_t sessions;        /* that came, or went */
};

/* One line of the event log. Spans and pointers are valid until the next core_step(). */
enum audit_type {
    AUDIT_SESSION_UP,
    AUDIT_SESSION_DOWN,     /* cause says why */
    AUDIT_LOGIN_FAILED,     /* cause says why not */
    AUDIT_SESSION_RESTORED, /* read back from the store */
    AUDIT_RESTORE_FAILED,
    AUDIT_IKE_REKEYED,
    AUDIT_SESSION_MOVED, /* the client has another address */
    AUDIT_CHILD_UP,      /* an additional or rekeyed child */
    AUDIT_CHILD_DOWN,
    AUDIT_CHILD_FAILED, /* refused; the IKE SA goes on, with what it has */
    AUDIT_QUIRK,        /* the client is different, which was met halfway; `detail` is the quirk's name */
    AUDIT_STORE_FAILED, /* a write failed; the session goes on, but would not survive a restart */
    AUDIT_STORE_RECOVERED,
    AUDIT_READY, /* the store has been read back */
};

struct audit {
    enum audit_type type;
    enum cause cause;
    uint64_t session_id; /* 0 when there is none yet */
    uint64_t spi_i, spi_r;
    struct endpoint local, remote;
    const struct identity *local_id, *remote_id; /* NULL when unknown */
    const char *connection;                      /* NULL when unknown */
    struct ip_addr addresses[ADDRESSES_PER_SESSION_MAX];
    uint32_t num_addresses;
    const char *detail; /* "offered: AES-CBC-128/..., we allow ...", NULL when the cause says all */
    uint32_t count;     /* AUDIT_READY: sessions restored */
    uint32_t esp_spi_in, esp_spi_out;
    struct ike_suite suite; /* zero when unknown */
    /* AUDIT_SESSION_DOWN: of children that went before. Those that go with the session are removed in the
     * same step, before this record: their counters are the host's to add, which learns them only then. */
    uint64_t bytes_in, bytes_out;
    ns_t duration; /* AUDIT_SESSION_DOWN */
    bool is_only;  /* AUDIT_SESSION_UP: the client says it has no other; a host with several workers gives the
                      others COMMAND_REPLACED with this step's time */
};

struct effect {
    enum effect_type type;
    union {
        struct effect_send send;
        struct plane_op plane;
        struct store_op store;
        struct audit audit;
        const struct policy *policy; /* EFFECT_POLICY_FREE: the engine no longer refers to it */
        struct effect_shard shard;
    };
};

/* Filled by core_step(); all that effects point to lives in the core until its next step. Hosts carry them
 * out in order. */
struct effects {
    struct effect v[EFFECTS_MAX];
    uint32_t count;
};

struct core_config {
    const uint16_t *shards; /* this worker's shards, owned or not, ascending; belongs to the host, outlives
                               the core */
    uint32_t num_shards;
    uint8_t shard_bits;
    uint32_t sessions_max;  /* of the whole fleet's shards on a full node; per shard: ceil(sessions_max /
                               2^shard_bits) */
    uint32_t children_max;  /* the same for Child SAs */
    uint32_t half_open_max; /* of this worker: sizes buffers */
    struct hf_spi_config spi;
    uint8_t fleet_key[FLEET_KEY_BYTES];
    struct rand_source rand;
    const struct policy *policy;
    bool in_fleet; /* shards come and go by EVENT_SHARD; ready at once */
    uint16_t node; /* 1..FLEET_NODE_MAX, part of every IV (docs/FLEET.md); 0: not in a fleet */
};

/* The SPI layout's keys of this fleet. Key epochs have numbers from 1 on, of which an SPI has room for three:
 * `number` mints, the one before still counts, and the next one counts already, so nodes may go on to it one
 * after the other. With number + 1, SPIs of number - 1 cease to exist. */
void core_spi_config(const uint8_t fleet_key[FLEET_KEY_BYTES], uint8_t shard_bits, uint32_t number,
                     struct hf_spi_config *ret_spi);
/* The epoch, 1..3, that SPIs of a number have. */
uint32_t core_spi_epoch(uint32_t number);

struct core;
/* Bytes of memory core_init() wants (aligned to 64, zero, sparse as long as there are no sessions). */
size_t core_bytes(const struct core_config *config);
/* How many Child SAs the core may have at most: a multiple of 2^shard_bits, for tables beside its own. */
uint32_t core_children_max(const struct core_config *config);
size_t core_pool_bytes(const struct core_config *config, const struct policy *policy);
struct core *core_init(void *memory, const struct core_config *config, void *pool_memory);
void core_step(struct core *core, const struct event *event, struct effects *ret_effects);
/* Whether a first message returns a COOKIE that was made for its sender; between steps, and without effect:
 * a host with more of them than time serves these first. */
bool core_is_proven(struct core *core, int64_t now_unix_s, const struct event_datagram *datagram);
/* When EVENT_TIMER is due; NS_NEVER for never. */
ns_t core_deadline(const struct core *core);
/* Wipes every key; the memory may then be freed. */
void core_done(struct core *core);

/* Counters and gauges of one worker, written by its thread alone. */
struct core_counters {
    uint64_t datagrams_in, datagrams_out;
    uint64_t drops[CAUSE_COUNT]; /* IKE datagrams dropped, by cause */
    uint64_t handshakes_ok;
    uint64_t handshakes[CAUSE_COUNT]; /* refused or failed, by cause */
    uint64_t sessions_ended[CAUSE_COUNT];
    uint64_t cookies_sent, retransmits_answered, retransmits_sent, dpd_sent, ike_rekeys, child_rekeys;
    /* Of those, asked for by us; and refused: [0] ours, by the client, [1] the client's, by us. */
    uint64_t own_ike_rekeys, own_child_rekeys, ike_rekeys_refused[2], child_rekeys_refused[2];
    uint64_t quirks[QUIRK_COUNT]; /* sessions, or refusals */
    uint64_t dpd_timeouts;
    uint64_t fragments_in, fragments_out, reassembled, reassembly_failures; /* RFC 7383 */
    uint64_t moves, mobike_updates;
    uint64_t store_failures, sessions_restored;
    uint64_t tickets, resumptions, resumptions_unchecked; /* RFC 5723 */
    uint64_t sessions_given;                              /* away, to another node */
    uint64_t tokens, syncs, redirects;                    /* RFC 6290, 6311, 5685 */
    uint32_t sessions, half_open, children, unsaved; /* gauges; unsaved: established, but not in the store */
    uint32_t tables[IKE_TABLES];                     /* entries in use */
};
/* A copy made now; valid until the next call. Called by the core's own thread. */
const struct core_counters *core_counters(struct core *core);

/* Read-only views for the CLI; called by the core's own thread between steps. */
struct child_view {
    uint32_t child;
    uint32_t spi_in, spi_out;
    struct esp_suite suite;
    ns_t age;
    struct plane_volume soft, hard; /* from its install on, as its counters; 0: without end */
    const struct ts_range *ts_local, *ts_remote;
    uint32_t num_ts_local, num_ts_remote;
};
/* What client and gateway agreed on, or the client can. */
enum session_agreed {
    AGREED_MOBIKE = 1,
    AGREED_FRAGMENTATION = 2,
    AGREED_MESSAGE_ID_SYNC = 4,
    AGREED_REPLAY_COUNTER_SYNC = 8,
    AGREED_REDIRECT = 16,
};
struct session_view {
    uint64_t session_id;
    uint64_t spi_i, spi_r;
    uint16_t shard;
    bool established, restored, unsaved, behind_nat;
    uint32_t quirks; /* bit of each, enum quirk */
    uint32_t agreed; /* enum session_agreed */
    bool resumed;    /* began with a ticket */
    struct ike_suite suite;
    struct endpoint local, remote;
    const struct identity *local_id, *remote_id;
    const char *connection;
    struct ip_addr addresses[ADDRESSES_PER_SESSION_MAX];
    uint32_t num_addresses;
    ns_t age, idle;
    ns_t login_left; /* until the client must have logged in again; NS_NEVER: it need not */
    struct child_view children[CHILD_PER_SA_MAX];
    uint32_t num_children;
};
/* The next session at or after *cursor; false at the end. Half-open ones too (established = false). */
HF_MUST bool core_session_next(const struct core *core, ns_t now, uint32_t *cursor,
                               struct session_view *ret_view);
/* IKE and Child SAs by the epoch of their SPI. O(max). */
void core_spi_count(const struct core *core, uint32_t ret_counts[4]);

/* Established sessions of one pool / addresses leased. */
struct pool_view {
    const char *name;
    uint64_t leased_v4, leased_v6, size_v4, size_v6;
};
uint32_t core_pools(const struct core *core, struct pool_view *ret_views, uint32_t cap);

/* The IKEv2 responder engine of one worker: messages, timers and finished operations in, calls to its host
 * out. It knows neither pools nor planes nor stores; struct ike_host is how it asks for them, and edge/core
 * is who answers. */
#pragma once

#include "ebpf/shared.h"
#include "edge/base/blob.h"
#include "edge/base/env.h"
#include "edge/base/heap.h"
#include "edge/base/map.h"
#include "edge/base/slab.h"
#include "edge/base/stock.h"
#include "edge/ike/policy.h"
#include "edge/ike/quirk.h"
#include "edge/ike/sa.h"
#include "edge/ike/tables.h"

struct ike;

/* News for the event log; the strings and identities are the SA's own. */
enum ike_news {
    NEWS_SESSION_UP,
    NEWS_SESSION_DOWN,
    NEWS_LOGIN_FAILED,
    NEWS_SESSION_RESTORED,
    NEWS_IKE_REKEYED,
    NEWS_SESSION_MOVED, /* the client has another address */
    NEWS_CHILD_UP,
    NEWS_CHILD_FAILED, /* refused, the IKE SA goes on */
    NEWS_CHILD_DOWN,
    NEWS_QUIRK, /* met for the first time in this session; `detail` is its name */
    NEWS_STORE_FAILED,
    NEWS_STORE_RECOVERED,
};

struct ike_address_wish {
    uint32_t pool;     /* index into policy->pools */
    uint32_t position; /* preferred shard position */
    bool v6;
    const struct ip_addr *wanted; /* NULL: any */
};

struct ike_host {
    void *context;
    void (*send)(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                 struct span bytes);
    /* Shard position for a new session; where possible the one that an address belongs to (NULL: any). */
    uint32_t (*shard_pick)(void *context, const struct ip_addr *addr);
    bool (*address_take)(void *context, const struct ike_address_wish *wish, struct ip_addr *ret_addr);
    void (*address_free)(void *context, const struct ip_addr *addr);
    /* Plane operations answer through ike_plane_done(), except endpoint and outbound, which cannot fail. */
    void (*child_install)(void *context, const struct ike_sa *sa, const struct ike_child *child,
                          uint64_t token);
    void (*child_outbound)(void *context, const struct ike_child *child);
    void (*child_endpoint)(void *context, const struct ike_sa *sa, const struct ike_child *child);
    void (*child_remove)(void *context, const struct ike_child *child, uint64_t token);
    void (*child_read)(void *context, const struct ike_child *child, uint64_t token);
    void (*child_sequence)(void *context, const struct ike_child *child);
    /* Writes the session's record; answers through ike_store_done(). `replaces`: slot of the IKE SA it
     * replaces. */
    void (*record_put)(void *context, const struct ike_sa *sa, uint32_t replaces, uint64_t token);
    void (*record_delete)(void *context, uint32_t slot);
    /* Whether `value` is seen for the first time within ttl_ms: ike_store_done() with IKE_STORE_OK, else
     * IKE_STORE_FENCED. */
    void (*once)(void *context, uint32_t position, struct span value, uint32_t ttl_ms, uint64_t token);
    void (*news)(void *context, enum ike_news news, const struct ike_sa *sa, const struct ike_child *child,
                 enum cause cause, const char *detail);
    /* The shard is ours for sure, and all of its sessions have been read. */
    bool (*shard_is_read)(void *context, uint32_t position);
    uint16_t (*epoch)(void *context, uint32_t position); /* ownership epoch of a shard position */
};

enum rekey_side { REKEY_OURS, REKEY_CLIENTS, REKEY_SIDES }; /* who asked for it */

struct ike_counters {
    uint64_t datagrams_in, datagrams_out;
    uint64_t drops[CAUSE_COUNT];
    uint64_t handshakes_ok, handshakes[CAUSE_COUNT], ended[CAUSE_COUNT];
    uint64_t cookies_sent, retransmits_answered, retransmits_sent, dpd_sent, ike_rekeys, child_rekeys;
    /* Of those, asked for by us; and refused, [of us or clients]: by the client, by us. */
    uint64_t own_ike_rekeys, own_child_rekeys, ike_rekeys_refused[REKEY_SIDES],
        child_rekeys_refused[REKEY_SIDES];
    uint64_t quirks[QUIRK_COUNT];         /* sessions, or refusals */
    uint64_t dpd_timeouts;                /* sessions given up for it */
    uint64_t fragments_in, fragments_out; /* authentic ones, RFC 7383 */
    uint64_t reassembled, reassembly_failures;
    uint64_t moves, mobike_updates; /* changes of address, and requests for one */
    uint64_t store_failures, restored;
    uint64_t tokens;                                      /* shown for sessions that nobody has, RFC 6290 */
    uint64_t syncs;                                       /* of message ids, RFC 6311 */
    uint64_t redirects;                                   /* RFC 5685 */
    uint64_t tickets, resumptions, resumptions_unchecked; /* RFC 5723; unchecked: the store did not answer */
    uint64_t given;                                       /* sessions that left for another node */
    uint32_t sessions, half_open, children, unsaved;
};

struct ike_config {
    const uint16_t *shards;
    uint32_t num_shards;
    uint8_t shard_bits;
    uint32_t sas_per_shard, children_per_shard;
    uint32_t half_open_max;
    struct hf_spi_config spi;
    uint8_t fleet_key[32];
    uint16_t node; /* part of every IV */
    bool in_fleet; /* no shard is ours yet, nothing may be begun: ike_shard_set(), ike_lease() */
    struct rand_source rand;
    struct ike_host host;
};

size_t ike_bytes(const struct ike_config *config);
/* `memory` is zero. What belongs to sessions is not touched before they come, so fresh anonymous memory stays
 * sparse. */
struct ike *ike_init(void *memory, const struct ike_config *config, const struct policy *policy);
void ike_done(struct ike *ike); /* wipes all keys */
void ike_policy(struct ike *ike, const struct policy *policy);
/* Keys and epoch of SPIs that are made from now on, and known. Every SPI in use must be of them. */
void ike_spi_config(struct ike *ike, const struct hf_spi_config *spi);
/* IKE and Child SAs in use, by the epoch of their SPI. */
void ike_spi_count(const struct ike *ike, uint32_t ret_counts[4]);

/* Time of the event that is being worked on. */
struct ike_time {
    ns_t now;
    int64_t unix_s;
};

struct ike_datagram {
    struct endpoint local, remote;
    struct span bytes;
    bool natt;
};

/* No new IKE SAs from now on, or again. Sessions are redirected where the policy says so. */
void ike_drain(struct ike *ike, struct ike_time time, bool is_draining);
/* Whether a first message has a COOKIE that was made for its sender; nothing changes. */
bool ike_is_proven(struct ike *ike, struct ike_time time, const struct ike_datagram *datagram);
void ike_receive(struct ike *ike, struct ike_time time, const struct ike_datagram *datagram);
void ike_timer(struct ike *ike, struct ike_time time);
ns_t ike_deadline(const struct ike *ike);
void ike_plane_done(struct ike *ike, struct ike_time time, uint64_t token, uint32_t child, bool ok);
/* Answer of child_read(). */
struct ike_traffic {
    uint64_t bytes_in, bytes_out, packets_in, packets_out, sequence_in, sequence_out;
    ns_t last_in;
};
void ike_plane_counters(struct ike *ike, struct ike_time time, uint32_t child,
                        const struct ike_traffic *traffic);
/* The last counters of a removed child: what it transferred is its session's. */
/* NULL: the plane did not have it. */
void ike_plane_removed(struct ike *ike, struct ike_time time, uint64_t token, uint32_t child,
                       const struct ike_traffic *traffic);
/* The plane used half of the reserved sequence numbers: reserve more. */
void ike_plane_sequence(struct ike *ike, struct ike_time time, uint32_t child, uint64_t sequence_out);
/* What the child has carried since it was installed: goes into the next record. */
void ike_plane_volume(struct ike *ike, uint32_t child, uint64_t bytes, uint64_t packets);
/* An authentic packet came from another address. */
void ike_plane_moved(struct ike *ike, struct ike_time time, uint32_t child, const struct endpoint *local,
                     const struct endpoint *remote);
/* The soft volume is reached: it is time for a rekey. */
void ike_plane_aged(struct ike *ike, struct ike_time time, uint32_t child);
/* The child cannot go on: CAUSE_ESP_SEQUENCE or CAUSE_ESP_VOLUME. A session ends with its only child, so that
 * its client notices. */
void ike_plane_spent(struct ike *ike, struct ike_time time, uint32_t child, enum cause cause);
/* True: another owner has the session's shard by now, and what we hold is a copy. Nothing has changed. */
enum ike_store_result { IKE_STORE_OK, IKE_STORE_FAILED, IKE_STORE_FENCED };
HF_MUST bool ike_store_done(struct ike *ike, struct ike_time time, uint64_t token,
                            enum ike_store_result result);
/* Whether an operation was begun before ike_token(). */
uint64_t ike_token(const struct ike *ike);
bool ike_token_is_older(uint64_t token, uint64_t than);

/* A place for a session read back from the store: the SA and its children are taken from the tables and
 * zeroed for the caller to fill in; NULL when a slot is taken or out of range. ike_restore() then brings it
 * to life, ike_restore_cancel() gives it back. */
struct ike_sa *ike_restore_place(struct ike *ike, uint64_t our_spi);
/* Keeps a copy as one of the SA's identities, in place of what is there; of type 0: none. */
void ike_sa_name(struct ike *ike, const struct identity **id, const struct identity *name);
/* Keeps copies of a child's selectors, in place of what it has. */
void ike_child_select(struct ike *ike, struct ike_child *child, const struct ts_range *local,
                      uint32_t num_local, const struct ts_range *remote, uint32_t num_remote);
struct ike_child *ike_restore_child(struct ike *ike, struct ike_sa *sa, uint32_t spi_in);
/* A message as it was sent, in the form ike_restore_response() takes; returns its length, 0 when there is
 * none or `cap` is too small. */
size_t ike_sent_copy(const struct ike *ike, const struct sent_message *sent, uint8_t *ret_bytes, size_t cap);
void ike_restore_response(struct ike *ike, struct ike_sa *sa, struct span bytes);
/* `exposed`: what its children have received since the record was written is not known; they are rekeyed
 * soon.
 */
void ike_restore(struct ike *ike, struct ike_time time, struct ike_sa *sa, bool exposed);
/* The IKE SA that this one replaced and that is not deleted yet; NULL when there is none. */
const struct ike_sa *ike_former(const struct ike *ike, const struct ike_sa *sa);
/* A place for it, beside a restored session; its keys and numbers are the caller's to fill in. NULL: its slot
 * is another's by now. ike_restore_place() takes it back when a session wants the slot. */
struct ike_sa *ike_restore_former(struct ike *ike, struct ike_time time, struct ike_sa *sa, uint64_t our_spi);
/* Our request to rekey the IKE SA, on the session's IKE SA or on its former one. */
struct ike_restored_request {
    uint64_t spi; /* ours of the new IKE SA */
    const struct ke_private *ke;
    const uint8_t *nonce; /* IKE_NONCE_BYTES */
    struct span rival_nonce, message;
};
void ike_restore_request(struct ike *ike, struct ike_time time, struct ike_sa *sa,
                         const struct ike_restored_request *request);
void ike_restore_cancel(struct ike *ike, struct ike_sa *sa);
/* An address of the session that is being restored is another's of the same client, too (internal.h:
 * sa_sharing).
 */
bool ike_restore_shared(struct ike *ike, struct ike_sa *sa, const struct ip_addr *addr);

/* ---- shards that come and go (shard.c); `position` as in ike_config.shards */

enum ike_shard_state {
    IKE_SHARD_HERE,    /* served */
    IKE_SHARD_AWAY,    /* not ours: what is left of its sessions are copies, which say nothing */
    IKE_SHARD_LOADING, /* ours; who is not known yet may be so in a moment */
    IKE_SHARD_CLOSING, /* ours; nothing is begun, handshakes may end */
    IKE_SHARD_LEAVING, /* ours; requests are not answered any more, but for those that plane or store have */
};
void ike_shard_set(struct ike *ike, struct ike_time time, uint32_t position, enum ike_shard_state state);
bool ike_shard_is_here(const struct ike *ike, uint32_t position);
bool ike_shard_is_leaving(const struct ike *ike, uint32_t position);
uint32_t ike_shard_half_open(const struct ike *ike, uint32_t position);
/* Sessions that are not served before their record is written. */
uint32_t ike_shard_restoring(const struct ike *ike, uint32_t position);
uint32_t ike_shard_sessions(const struct ike *ike, uint32_t position);
/* Writes all of its records again, one after the other. */
void ike_shard_save(struct ike *ike, struct ike_time time, uint32_t position);

enum ike_leaving {
    IKE_LEAVING_ON,     /* call again */
    IKE_LEAVING_WAITS,  /* for the plane or the store: call again after their answer */
    IKE_LEAVING_DONE,   /* all sessions are out of the plane and in the store, with exact numbers */
    IKE_LEAVING_FAILED, /* the store did not take one: ike_shard_stay() */
};
/* Lets up to `most` sessions begin to leave. IKE_SHARD_LEAVING. */
enum ike_leaving ike_shard_leave(struct ike *ike, struct ike_time time, uint32_t position, uint32_t most);
/* Puts up to `most` of those that left back into the plane; true when none is left to come back. */
HF_MUST bool ike_shard_stay(struct ike *ike, struct ike_time time, uint32_t position, uint32_t most);
/* Forgets up to `most` sessions; true when the shard is empty. IKE_SHARD_AWAY. */
HF_MUST bool ike_shard_forget(struct ike *ike, struct ike_time time, uint32_t position, uint32_t most);
/* Forgets the one session that a token is of. */
void ike_drop_copy(struct ike *ike, struct ike_time time, uint64_t token);
/* Whether anything new may be begun: handshakes, exchanges of our own, deletes. */
void ike_lease(struct ike *ike, struct ike_time time, bool may_begin);

/* A client that is served elsewhere said that its session there is the only one (INITIAL_CONTACT): those of
 * the same identity and connection that were established before `before` are stale here. */
void ike_replaced(struct ike *ike, struct ike_time time, const struct identity *id, const char *connection,
                  ns_t before);

/* Ends a session by an operator's word; false when there is none, or when it is busy with an exchange. */
bool ike_disconnect(struct ike *ike, struct ike_time time, uint64_t session_id);

const struct ike_counters *ike_counters(const struct ike *ike);
/* Entries in use. */
void ike_tables(const struct ike *ike, uint32_t ret_used[IKE_TABLES]);
/* Tables for read-only views. */
uint32_t ike_capacity(const struct ike *ike);
const struct ike_sa *ike_sa_at(const struct ike *ike, uint32_t slot); /* NULL when free */
const struct ike_child *ike_child_at(const struct ike *ike, uint32_t slot);
bool ike_shard_has_room(const struct ike *ike, uint32_t position); /* for one more IKE SA and its child */
uint32_t ike_shard_position(const struct ike *ike, uint32_t slot);
uint32_t ike_shard_index(const struct ike *ike, uint32_t slot);
/* The SPI of ours in this IKE SA. */
static inline uint64_t sa_our_spi(const struct ike_sa *sa)
{
    return sa->we_are_initiator ? sa->spi_i : sa->spi_r;
}

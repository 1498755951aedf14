/* Shared by the files of edge/ike alone. */
#pragma once

#include "edge/base/bucket.h"
#include "edge/crypto/ke.h"
#include "edge/crypto/sk.h"
#include "edge/ike/engine.h"
#include "edge/ike/source.h"
#include "edge/ike/token.h"
#include "edge/wire/message.h"

#define REASSEMBLIES_MAX 256
#define DISCONNECTS_PER_STEP 3
#define REKEYED_LINGER_NS (60 * NS_PER_S) /* the client deletes the old IKE SA long before */
#define SHARD_ABSENT UINT16_MAX
#define DEAD_END_BUCKETS 256
#define SAVE_OWN_IDS                                                                                         \
    8 /* requests of ours between two saves of the next id: liveness must not wear out the store */
#define TICKET_KEYS 3   /* the day before, today, and the day that another node's clock has reached */
#define ESP_SPI_MIN 256 /* below: reserved, and 0 looks like the non-ESP marker (RFC 4303 2.1) */

/* Room for one message on its way in and one on its way out, and for parsed views: one exchange is worked on
 * at a time. */
struct ike_scratch {
    uint8_t plain[IKE_MESSAGE_BYTES_MAX];           /* opened inner payloads */
    uint8_t inner[IKE_MESSAGE_BYTES_MAX];           /* inner payloads being written */
    uint8_t wire[2 * IKE_MESSAGE_BYTES_MAX + 4096]; /* sealed datagrams, each behind its length */
    uint8_t init[IKE_MESSAGE_BYTES_MAX];            /* a stored IKE_SA_INIT message */
    struct payloads payloads;
    struct message message;
    struct sa_view offer;
    struct sa_view answer;
    struct ts_view ts;
    char detail[256];
};

struct ike_shard {
    uint8_t state; /* enum ike_shard_state */
    bool failed;   /* the store did not take a session that leaves */
    bool again;    /* some could not leave yet */
    uint32_t cursor;
    uint32_t waiting; /* sessions that leave, for plane or store */
    uint32_t half_open, restoring;
};

struct ike {
    struct ike_config config;
    const struct policy *policy;
    uint16_t position_of[1 << SHARD_BITS_MAX]; /* shard -> slab position, SHARD_ABSENT when it is not ours */
    struct slab sas, children;
    struct ike_sa *sa;
    struct ike_child *child;
    struct ike_shard *shard; /* by position */
    uint32_t shards_here;
    struct half_open *half_open;
    uint32_t half_open_free; /* how many are free; found by a rotating cursor */
    uint32_t half_open_cursor;
    struct reassembly *reassemblies;
    struct heap timers;      /* one deadline per IKE SA slot */
    struct map init_digests; /* IKE_SA_INIT digest -> SA slot: retransmissions */
    struct map peers;        /* hash of (remote identity, connection) -> first SA slot */
    struct blobs blobs;
    struct stock identities; /* of the IKE SAs */
    struct stock ranges;     /* of the children */
    uint64_t hash_key[2];
    uint64_t cookie_keys[2][2]; /* of cookie_hour and the hour before */
    int64_t cookie_hour;
    uint8_t ticket_keys[TICKET_KEYS][32]; /* of ticket_day and the days around it */
    int64_t ticket_day;
    uint8_t token_key[32]; /* RFC 6290 */
    struct bucket dead_ends[DEAD_END_BUCKETS], dead_ends_all;
    uint64_t next_token;
    struct bucket answers; /* error answers to strangers */
    struct bucket news;    /* log lines that strangers cause */
    struct bucket ke_work; /* key exchanges for addresses that have not shown that they receive our answers */
    struct sources sources; /* handshakes by network */
    bool draining;
    bool may_begin;
    ns_t takeover_next;
    struct ike_time time;
    struct ike_counters counters;
    struct ike_scratch scratch;
};

/* A request or response that has been opened and parsed; views into the scratch or the datagram. */
struct ike_input {
    const struct ike_datagram *datagram;
    struct ike_header header;
    const struct message *message;
};

/* --- table.c: IKE SAs and children in their slabs --- */
void sa_reset(struct ike_sa *sa, uint32_t slot);
struct ike_sa *sa_take(struct ike *ike, uint32_t position);
void sa_free(struct ike *ike, struct ike_sa *sa); /* slot, blobs, half-open, reassembly; wipes */
struct ike_child *child_take(struct ike *ike, struct ike_sa *sa);
void child_free(struct ike *ike, struct ike_child *child);
/* A child for a request of ours: it has its SPI, and is its session's only once it is adopted. */
struct ike_child *child_reserve(struct ike *ike, struct ike_sa *sa);
void child_adopt(struct ike *ike, struct ike_sa *sa, struct ike_child *child);
void child_release(struct ike *ike, struct ike_child *child);
/* When something that is to be renewed after `period` is due: up to an eighth earlier, so that sessions do
 * not act together. 0: never. */
ns_t soft_due(struct ike *ike, ns_t period);
struct ike_sa *sa_by_spi(struct ike *ike, uint64_t our_spi, enum cause *ret_cause);
struct half_open *half_open_take(struct ike *ike, struct ike_sa *sa);
void half_open_free(struct ike *ike, struct ike_sa *sa);
/* Gives back what the handshake needed, not its place: a failed login counts as half open while it lingers.
 */
void half_open_forget(struct ike *ike, struct ike_sa *sa);
uint64_t ike_hash(const struct ike *ike, struct span a, struct span b);
void sa_link_peer(struct ike *ike, struct ike_sa *sa);
void sa_unlink_peer(struct ike *ike, struct ike_sa *sa);
uint32_t sa_first_of_peer(const struct ike *ike, const struct identity *id, const char *connection);
/* Another session of the same identity and connection that has the address, of several the one that logged in
 * last: a session that is replaced by a new login, or the new one. An address goes back to its pool with the
 * last session that has it. */
struct ike_sa *sa_sharing(struct ike *ike, const struct ike_sa *sa, const struct ip_addr *addr);
struct ike_child *sa_child_by_spi_out(struct ike *ike, const struct ike_sa *sa, uint32_t spi_out);
uint64_t sa_token(struct ike *ike, const struct ike_sa *sa);
/* Goes with the removal of a child: the slot, and whether the session is still the one that had it. */
uint64_t sa_removal_token(const struct ike_sa *sa);

/* --- shard.c: shards that come and go --- */
static inline enum ike_shard_state shard_state(const struct ike *ike, const struct ike_sa *sa)
{
    return (enum ike_shard_state)ike->shard[slab_position(&ike->sas, sa->slot)].state;
}

/* Whether we may begin an exchange in this IKE SA, or end it. */
static inline bool may_begin(const struct ike *ike, const struct ike_sa *sa)
{
    enum ike_shard_state state = shard_state(ike, sa);
    return ike->may_begin && (state == IKE_SHARD_HERE || state == IKE_SHARD_LOADING);
}

/* Its timers stand, and nothing that comes from outside changes it. */
static inline bool is_still(const struct ike *ike, const struct ike_sa *sa)
{
    enum ike_shard_state state = shard_state(ike, sa);
    return state == IKE_SHARD_AWAY || state == IKE_SHARD_LEAVING;
}

/* The plane gave up a child of a session that leaves; false: it was no such child. */
bool leave_removed(struct ike *ike, uint32_t child, uint64_t token, const struct ike_traffic *traffic);
/* The same of the store. */
bool leave_stored(struct ike *ike, struct ike_sa *sa, uint64_t token, bool ok);
/* When the next child that was taken over is to be rekeyed: bounded, so that neither clients nor store are
 * overrun. */
ns_t takeover_turn(struct ike *ike);

/* --- life.c: how sessions end, and their timers --- */
void sa_schedule(struct ike *ike, struct ike_sa *sa); /* recomputes the SA's deadline */
/* Takes the session down: children, addresses, record. Answers to retransmissions stay possible until
 * `linger` is over. */
void sa_close(struct ike *ike, struct ike_sa *sa, enum cause cause, bool linger);
/* From now on the session is without a child, if it is. */
void childless_arm(struct ike *ike, struct ike_sa *sa);
/* When the first of the SA's children is at the end of its lifetime. */
void children_arm(struct ike *ike, struct ike_sa *sa);
/* Deletes, rekeys or ends the first child that it is time for; one exchange at a time. */
void children_work(struct ike *ike, struct ike_sa *sa);
void child_close(struct ike *ike, struct ike_child *child, enum cause cause);
/* It cannot go on: it ends, or its session with it when it is the only one. */
void child_spent(struct ike *ike, struct ike_sa *sa, struct ike_child *child, enum cause cause);
/* How much the child may carry from its install on, by policy and by what it carried before. */
void child_limit(struct ike *ike, struct ike_child *child);
/* Tells the client by DELETE, then forgets the session. */
void ike_disconnect_sa(struct ike *ike, struct ike_sa *sa, enum cause cause);
void sa_free_addresses(struct ike *ike, struct ike_sa *sa);
void sa_drop_children(struct ike *ike, struct ike_sa *sa, enum cause cause);

/* --- protect.c: sealing and opening --- */
uint64_t sa_next_iv(struct ike *ike, struct ike_sa *sa);
/* Seals `inner` (first payload `first`) as one datagram or as fragments and keeps it in *ret_sent. */
bool sa_seal(struct ike *ike, struct ike_sa *sa, uint8_t exchange, bool response, uint32_t id, uint8_t first,
             struct span inner, struct sent_message *ret_sent);
void sa_send_request(struct ike *ike, const struct ike_sa *sa);
void sa_send_response(struct ike *ike, const struct ike_sa *sa);
/* Whether the SK payload, or this one fragment, holds; changes nothing. */
bool sa_is_authentic(struct ike *ike, const struct ike_sa *sa, struct span datagram,
                     const struct payloads *outer);
void sent_free(struct ike *ike, struct sent_message *sent);
/* Opens an SK payload or collects an SKF one. CAUSE_NONE: *ret_first and *ret_inner are the inner payloads in
 * scratch.plain; CAUSE_BUSY: a fragment was taken and more are needed. */
enum cause sa_open(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, struct span datagram,
                   const struct payloads *outer, uint8_t *ret_first, struct span *ret_inner);
void reassembly_free(struct ike *ike, struct ike_sa *sa);

/* --- respond.c: answers to the request in hand --- */
void chain_start(struct ike *ike, struct builder *b);
/* Seals what was built as the response to the SA's current request, moves the window on, caches it. */
bool sa_respond(struct ike *ike, struct ike_sa *sa, uint8_t exchange, struct builder *b);
/* An error that ends the IKE SA on both sides without a DELETE (RFC 7296 2.21.3). */
void sa_respond_fatal(struct ike *ike, struct ike_sa *sa, uint8_t exchange, enum cause cause);
void sa_respond_notify(struct ike *ike, struct ike_sa *sa, uint8_t exchange, uint16_t notify,
                       struct span data);
/* Refuses CREATE_CHILD_SA. The record says so before the answer does: after a restart the reason may be gone,
 * and a late copy of the request would create what the client was told that it does not have. */
void sa_refuse(struct ike *ike, struct ike_sa *sa, struct builder *b);
void sa_refuse_notify(struct ike *ike, struct ike_sa *sa, uint16_t notify, struct span data);
/* An unprotected answer to a request outside of any IKE SA. */
void plain_begin(struct ike *ike, const struct ike_header *header, struct builder *b);
void plain_send(struct ike *ike, const struct ike_datagram *datagram, struct builder *b);
/* The same with one notify; rate limited, if it is an error. */
void answer_plain(struct ike *ike, const struct ike_datagram *datagram, const struct ike_header *header,
                  uint16_t notify, struct span data);

/* --- request.c: our own exchanges --- */
/* The first error that a message carries; NULL when there is none. */
const struct notify *message_error(const struct message *message);
bool request_send(struct ike *ike, struct ike_sa *sa, uint8_t exchange, enum request_kind kind,
                  struct builder *b);
/* The same, but for sending it. */
bool request_seal(struct ike *ike, struct ike_sa *sa, uint8_t exchange, enum request_kind kind,
                  struct builder *b);
/* Gives back what the request in flight holds, and forgets it. */
void request_clear(struct ike *ike, struct ike_sa *sa);
/* The request in flight creates or deletes what a rekey of the IKE SA would move (RFC 7296 2.25.2). */
bool request_is_about_child(const struct ike_sa *sa);
void request_retry(struct ike *ike, struct ike_sa *sa);
void request_dpd(struct ike *ike, struct ike_sa *sa);
void request_delete(struct ike *ike, struct ike_sa *sa);
/* The child stays until the answer, unless the caller closes it. */
bool request_delete_child(struct ike *ike, struct ike_sa *sa, const struct ike_child *child);
void request_answered(struct ike *ike, struct ike_sa *sa, const struct ike_input *input);

/* --- rekey_child.c: Child SAs that we rekey --- */
bool rekey_child_start(struct ike *ike, struct ike_sa *sa, struct ike_child *old, uint16_t group, bool again);
/* `was`: the request, no longer in flight; what it holds is handed over. */
void rekey_child_answered(struct ike *ike, struct ike_sa *sa, const struct sa_request *was,
                          const struct message *message);
/* The client rekeys the same child while our request is under way. */
void rekey_child_rival(struct ike_sa *sa, const struct ike_child *child, const struct nonces *nonces);
void rekey_child_done(struct ike *ike, struct ike_sa *sa, struct ike_child *child);
/* Plane or store would not have it: the client is told, and the old child stays. */
void rekey_child_undo(struct ike *ike, struct ike_sa *sa, struct ike_child *child);
struct nonce_low nonces_lowest(const struct nonces *nonces);
bool nonce_is_lower(const struct nonce_low *a, const struct nonce_low *b);

/* --- gate.c: who may begin a handshake --- */
/* CAUSE_NONE, COOKIE_WANTED or COOKIE_WRONG (to be answered with a cookie), or why not. */
enum cause gate_admit(struct ike *ike, const struct ike_input *input, struct gate_pass *ret_pass);
/* The same, just before the key exchange: a wrong guess of group or proposal costs its network nothing. */
enum cause gate_charge(struct ike *ike, const struct ike_input *input, const struct gate_pass *pass);
/* CAUSE_NONE, or why no place can be had for this one. */
enum cause gate_make_room(struct ike *ike, const struct gate_pass *pass);
void gate_enter(struct ike *ike, struct half_open *half_open, const struct gate_pass *pass);
void gate_leave(struct ike *ike, const struct half_open *half_open);
/* The handshake led to a login. */
void gate_welcome(struct ike *ike, const struct half_open *half_open);

/* --- quirk.c: clients that are different --- */
/* Noted in the session, and told once: of a handshake, when it has led to a session. */
void quirk_met(struct ike *ike, struct ike_sa *sa, enum quirk quirk);
void quirks_announce(struct ike *ike, const struct ike_sa *sa);
/* Looks at a CREATE_CHILD_SA request. */
void quirks_of_create(struct ike *ike, struct ike_sa *sa, const struct message *message,
                      const struct sa_view *offer);
/* What to say of an offer without a common proposal; NULL when nothing special is known of it. */
const char *quirk_refusal(struct ike *ike, const struct payloads *payloads, const struct sa_view *offer);

/* --- cookie.c --- */
void cookie_write(struct ike *ike, const struct ike_input *input, uint8_t ret_cookie[HF_COOKIE_BYTES]);
bool cookie_is_valid(struct ike *ike, const struct ike_input *input, struct span cookie);

/* --- rekey_ike.c: the IKE SA that we rekey --- */
/* It is time; starts when nothing else is under way. */
void rekey_ike_work(struct ike *ike, struct ike_sa *sa);
void rekey_ike_start(struct ike *ike, struct ike_sa *sa, uint16_t group, bool again);
void rekey_ike_answered(struct ike *ike, struct ike_sa *sa, const struct sa_request *was,
                        const struct message *message);
/* The answer names our IKE SA the winner, and what has the session meanwhile is busy. */
bool rekey_ike_must_wait(struct ike *ike, struct ike_sa *sa, const struct message *message);
/* Asks again: the answer may have come at a bad time, and the client has it only as long as it has the old
 * IKE SA. */
void rekey_ike_urge(struct ike *ike, struct ike_sa *sa);
/* The client rekeys the IKE SA while our request is under way. */
void rekey_ike_rival(struct ike_sa *sa, struct ike_sa *new, const struct nonces *nonces);
/* The client made it, and our own rekey may yet turn out to have the better one. */
bool rekey_ike_is_rival(const struct ike *ike, const struct ike_sa *sa);
/* The session has a new IKE SA: when we asked for it, the former one is ours to delete. */
void rekey_ike_done(struct ike *ike, const struct ike_sa *new);
/* The new IKE SA of a rekey of ours on `sa`, which hears nothing yet. */
void rekey_ike_place(struct ike_sa *new, const struct ike_sa *sa, uint16_t group, uint64_t our_spi);
/* Our request is in the record, or the store would not have it. */
void rekey_ike_ask(struct ike *ike, struct ike_sa *sa);
void rekey_ike_ask_later(struct ike *ike, struct ike_sa *sa);
/* All of the session but its exchanges. */
void sa_inherit(struct ike *ike, struct ike_sa *new, const struct ike_sa *old);

/* --- propose.c --- */
struct proposal_choice {
    uint8_t number;
    uint8_t protocol;
    struct span spi; /* the peer's */
    struct ike_suite ike;
    struct esp_suite esp;
    uint8_t addke_none; /* bit n: ADDKE(n+1) was offered with NONE and must be echoed (RFC 9370 2.2.1) */
};
/* Chooses from an offer for an IKE SA. `ke_sent`: group of the KE payload, preferred when allowed. */
enum cause propose_ike(const struct policy_suites *allowed, const struct sa_view *offer, uint16_t ke_sent,
                       struct proposal_choice *ret_choice);
/* ... for a Child SA; `ke_sent` 0 without KE payload: then a proposal must do without one. In IKE_AUTH groups
 * are ignored. */
enum cause propose_esp(const struct policy_suites *allowed, const struct sa_view *offer, uint16_t ke_sent,
                       bool in_auth, struct proposal_choice *ret_choice);
/* The SA payload that accepts `choice` with our SPI. */
void propose_answer(struct ike *ike, struct builder *b, const struct proposal_choice *choice,
                    struct span our_spi);
/* "offered AES-CBC-256/HMAC-SHA2-256/MODP-1024; ..." for the log. */
const char *propose_describe(struct ike *ike, const struct sa_view *offer);

bool propose_allows_group(const struct policy_suites *allowed, uint16_t group);
/* An answer to our offer of one suite: that suite, under our number, with the peer's SPI. */
bool propose_esp_accepted(const struct sa_view *answer, const struct esp_suite *suite, uint32_t *ret_spi);

bool propose_ike_accepted(const struct sa_view *answer, const struct ike_suite *suite, uint64_t *ret_spi);

/* --- narrow.c --- */
/* Intersections of what was offered with what is allowed, in the order offered; returns how many, at most
 * `cap`. */
uint32_t narrow(const struct ts_view *offer, const struct ts_range *allowed, uint32_t num_allowed,
                struct ts_range *ret, uint32_t cap);
struct ts_range range_of_host(const struct ip_addr *addr);

/* --- nat.c --- */
void nat_hash(uint64_t spi_i, uint64_t spi_r, const struct endpoint *ep, uint8_t ret_hash[20]);
bool nat_is_between(const struct ike_input *input);
void nat_build(const struct ike *ike, struct builder *b, uint64_t spi_i, uint64_t spi_r,
               const struct endpoint *local, const struct endpoint *remote);

/* --- cp.c: configuration payload --- */
enum cause cp_assign(struct ike *ike, struct ike_sa *sa, const struct policy_connection *connection,
                     const struct cp_view *request);
void cp_answer(struct ike *ike, struct builder *b, const struct ike_sa *sa, const struct cp_view *request);

/* --- child.c: creating Child SAs, in IKE_AUTH and in CREATE_CHILD_SA --- */
struct child_request {
    const struct message *message;
    struct nonces nonces;
    bool in_auth;
    struct ike_child *rekeys; /* NULL for a new one */
};
struct child_result {
    uint16_t notify;    /* what the answer says when it failed */
    uint16_t ke_wanted; /* with INVALID_KE_PAYLOAD */
    enum cause cause;
    struct proposal_choice choice;
    struct ke_value ke_public; /* len 0 without PFS */
};
/* Negotiates and derives; the child is in the table, in state CHILD_INSTALLING. NULL with ret_result on
 * failure. */
struct ike_child *child_create(struct ike *ike, struct ike_sa *sa, const struct child_request *request,
                               struct child_result *ret_result);
/* SA, [KE,] TSi, TSr of the answer. */
void child_answer(struct ike *ike, struct builder *b, const struct ike_child *child,
                  const struct child_result *result);
const struct policy_connection *connection_by_name(const struct policy *policy, const char *name);

/* --- wait.c: effects in order: plane, store, then the answer --- */
/* The answer has been sealed into sa->response; installs pending_child (if any), then stores, then sends. */
void wait_begin(struct ike *ike, struct ike_sa *sa, enum sa_pending pending);
void wait_store(struct ike *ike, struct ike_sa *sa);
/* Gives back the new IKE SA of a rekey that did not come about. */
void pending_sa_free(struct ike *ike, struct ike_sa *sa);
void sa_save(struct ike *ike, struct ike_sa *sa); /* record_put outside of an exchange */
void sa_put(struct ike *ike, struct ike_sa *sa, uint64_t token);
/* A child that the plane gave up is to carry traffic again. */
void child_reinstall(struct ike *ike, const struct ike_sa *sa, struct ike_child *child);
/* Removes from the store all that may be there of the session. */
void sa_erase(struct ike *ike, struct ike_sa *sa);

/* --- mobike.c: clients that move --- */
/* The session and its children are at `path` from now on. */
void sa_go_to(struct ike *ike, struct ike_sa *sa, const struct ike_path *path);
/* The same, to be saved soon: seen by the way, not asked for (RFC 7296 2.23). */
void sa_drift(struct ike *ike, struct ike_sa *sa, const struct ike_path *path);
/* NO_NATS_ALLOWED is there and names other addresses than the datagram has (RFC 4555 3.9). */
bool mobike_forbids(const struct ike_input *input);
/* In IKE_AUTH: agrees when the client does, and names our other addresses (RFC 4555 3.3, 3.4). */
void mobike_offer(struct ike *ike, struct ike_sa *sa, const struct ike_input *input, struct builder *b);
/* A rekeyed IKE SA goes on with a move; mobike_resume() asks anew, for an answer to the old one is lost. */
void mobike_inherit(struct ike_sa *new, const struct ike_sa *old);
/* The same when the new one takes over: updates that come late under the old one are its. */
void mobike_hand_over(struct ike_sa *new, struct ike_sa *old);
/* What MOBIKE adds to the answer of an INFORMATIONAL request. True: the client moved, the answer waits for
 * the record (PENDING_MOVE) and mobike_resume() comes after it. */
bool mobike_inform(struct ike *ike, struct ike_sa *sa, const struct ike_input *input, struct builder *b);
/* Goes on with a request of ours at the new path, or begins the return routability check. */
void mobike_resume(struct ike *ike, struct ike_sa *sa);
/* No answer from the new path: true when there is an older one to try again. */
bool mobike_retreat(struct ike *ike, struct ike_sa *sa);
/* What a response to our request says about the path; then, when the response has been dealt with, what
 * follows from it. */
enum mobike_verdict { MOBIKE_NOT_ASKED, MOBIKE_THERE, MOBIKE_SOMEWHERE, MOBIKE_WRONG };
enum mobike_verdict mobike_judge(const struct ike_sa *sa, const struct ike_input *input);
void mobike_answered(struct ike *ike, struct ike_sa *sa, enum mobike_verdict verdict);
/* Authentic ESP came by another path. */
void mobike_seen(struct ike *ike, struct ike_sa *sa, const struct ike_path *path);

/* --- first.c: what IKE_SA_INIT and IKE_SESSION_RESUME have in common --- */
/* What is computed before anything changes. */
struct first {
    struct ike_input input;
    uint64_t digest;
    struct gate_pass pass;
    uint8_t nonce_r[IKE_NONCE_BYTES];
};
/* False when it is a repetition or cannot be read, which has been dealt with. */
bool first_begin(struct ike *ike, const struct ike_datagram *datagram, const struct ike_header *header,
                 uint64_t required, struct first *ret_first);
/* Deals with what the gate says: true to go on. */
bool first_passes(struct ike *ike, const struct first *first, enum cause cause);
void first_refuse(struct ike *ike, const struct first *first, enum cause cause, uint16_t notify,
                  struct span data);
/* Counts, and says in the log, why there is no login. */
void first_news(struct ike *ike, const struct first *first, enum cause cause, const char *detail);
/* An IKE SA for it, with what the message itself says; NULL when there is no room, which has been said. */
struct ike_sa *first_take(struct ike *ike, const struct first *first, const struct ip_addr *near);
/* The handshake's own state; false when a table is full, with nothing taken. */
bool first_remember(struct ike *ike, struct ike_sa *sa, const struct first *first, struct span answer);
void first_send(struct ike *ike, const struct ike_sa *sa);
/* HDR of the answer. */
void first_answer_begin(struct ike *ike, const struct ike_sa *sa, uint8_t exchange, struct builder *b);

/* --- ticket.c: what a session can be resumed from (RFC 5723 6.1) --- */
struct ike_ticket {
    uint64_t session_id;
    struct ike_suite suite;
    uint8_t sk_d[PRF_BYTES_MAX];
    uint8_t auth; /* enum policy_auth */
    struct identity local_id, remote_id;
    char connection[SA_NAME_BYTES];
    int64_t expires_unix_s, login_unix_s, auth_until_unix_s;
    struct cert_mark cert; /* POLICY_AUTH_CERT */
    struct ip_addr addresses[ADDRESSES_PER_SESSION_MAX];
    uint32_t num_addresses;
};
/* CAUSE_NONE, TICKET_SYNTAX, TICKET_FORGED or TICKET_EXPIRED; who is done with it wipes it. */
enum cause ticket_open(struct ike *ike, struct span bytes, struct ike_ticket *ret_ticket);
/* Answers TICKET_REQUEST, if it is there, by a ticket for `sa`. */
void ticket_answer(struct ike *ike, const struct ike_sa *sa, const struct message *request,
                   struct builder *b);

/* --- dead_end.c: sessions that nobody has (RFC 6290) --- */
void dead_end_init(struct ike *ike);
/* `cause`: SPI_FORGED, or of an SPI of ours that no IKE SA has. */
void dead_end_answer(struct ike *ike, const struct ike_input *input, enum cause cause);
/* The IKE SA's token, where the policy has tokens. */
void token_build(const struct ike *ike, const struct ike_sa *sa, struct builder *b);
/* We rekeyed it: the client gets a token in a request of ours (RFC 6290 4.3). */
void token_renew(struct ike *ike, struct ike_sa *sa);

/* --- sync.c: message ids after a restart (RFC 6311) --- */
/* In IKE_AUTH: agrees to what the client can. */
void sync_offer(const struct ike *ike, struct ike_sa *sa, const struct message *message, struct builder *b);
/* Where it is due, the wish that the client jump with its ESP numbers. */
void sync_build_replay(const struct ike *ike, const struct ike_sa *sa, struct builder *b);
/* True: our ids are not known, and the client has been asked. */
bool sync_begin(struct ike *ike, struct ike_sa *sa);
/* Makes the next try; false when there is no room for it. */
bool sync_again(struct ike *ike, struct ike_sa *sa);
bool sync_is_answer(const struct ike_sa *sa, const struct message *message);
void sync_answered(struct ike *ike, struct ike_sa *sa, const struct message *message);

/* --- redirect.c (RFC 5685) --- */
bool redirect_is_known(const struct message *message);
/* True: the draining node has sent it elsewhere. */
bool redirect_first(struct ike *ike, const struct first *first);
void redirect_work(struct ike *ike, struct ike_sa *sa);

/* --- exch_resume.c --- */
void exch_resume(struct ike *ike, const struct ike_datagram *datagram, const struct ike_header *header);
/* Whether the ticket was used before is known, or cannot be known. */
void resume_checked(struct ike *ike, struct ike_sa *sa, enum ike_store_result result);
/* The session is up: the one that it continues goes without a word (RFC 5723 4.3.4). */
void resume_done(struct ike *ike, struct ike_sa *sa);

/* --- exchanges: each handles an opened, parsed request --- */
void exch_init(struct ike *ike, const struct ike_datagram *datagram, const struct ike_header *header);
void exch_auth(struct ike *ike, struct ike_sa *sa, const struct ike_input *input);
void exch_child(struct ike *ike, struct ike_sa *sa, const struct ike_input *input);
void exch_ike_rekey(struct ike *ike, struct ike_sa *sa, const struct ike_input *input);
void exch_info(struct ike *ike, struct ike_sa *sa, const struct ike_input *input);

static inline void ike_drop(struct ike *ike, enum cause cause)
{
    ike->counters.drops[cause]++;
}

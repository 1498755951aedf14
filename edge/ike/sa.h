/* The engine's tables: IKE SAs with what belongs to their session, Child SAs, half-open handshakes,
 * reassemblies. */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/blob.h"
#include "edge/base/cause.h"
#include "edge/base/limits.h"
#include "edge/crypto/cert.h"
#include "edge/crypto/kdf.h"
#include "edge/crypto/ke.h"
#include "edge/ike/source.h"
#include "edge/wire/build.h"
#include "edge/wire/ranges.h"

#define SLOT_NONE UINT32_MAX
#define ANSWER_NONE (UINT32_MAX - 1) /* no message has the id behind it */
#define SA_NAME_BYTES 64

enum sa_state {
    SA_FREE,
    SA_HALF_OPEN, /* IKE_SA_INIT answered, keys exist, nobody authenticated */
    SA_RESTORING, /* read back from the store, waits until its record is written under the new epoch */
    SA_ESTABLISHED,
    SA_REKEYED, /* replaced by another IKE SA; lives until the client deletes it */
    SA_CLOSING, /* our DELETE is under way */
    SA_CLOSED,  /* answers retransmissions of the last request for a while, nothing else */
};

/* What an SA waits for before a finished answer may leave (the order of effects: plane, then store, then
 * send). */
enum sa_wait { WAIT_NOTHING, WAIT_PLANE, WAIT_STORE };

/* What becomes of the SA when the wait is over. */
enum sa_pending {
    PENDING_NONE,
    PENDING_AUTH,  /* IKE_AUTH with its first child */
    PENDING_CHILD, /* CREATE_CHILD_SA: new or rekeyed child */
    PENDING_IKE_REKEY,
    PENDING_ANSWER, /* what was asked is done; the record says so before the answer does */
    PENDING_MOVE,   /* UPDATE_SA_ADDRESSES: a restart must find the client where it went */
    PENDING_RESTORE,
    PENDING_OWN_ASK,   /* our request to rekey the IKE SA: a restart must go on with it */
    PENDING_OWN_IKE,   /* the IKE SA that the client agreed to */
    PENDING_RESUME,    /* whether the ticket was used before (RFC 5723 4.3.1) */
    PENDING_OWN_CHILD, /* the child that the client agreed to, to our request */
};

/* How far a session is that goes to another node. */
enum sa_leave { LEAVE_NOT, LEAVE_PLANE, LEAVE_STORE, LEAVE_DONE };

/* One cached message: its datagrams one behind the other, each with its 16-bit length in front. */
struct sent_message {
    struct blob datagrams;
    uint32_t id;
    bool valid;
};

struct ike_path {
    struct endpoint local, remote;
    bool natt;
};

/* What our own request is for. */
enum request_kind {
    REQUEST_DPD,
    REQUEST_DELETE,       /* of the IKE SA */
    REQUEST_DELETE_CHILD, /* of request.child */
    REQUEST_REKEY_CHILD,  /* of request.rekeys, to become request.child */
    REQUEST_SYNC,         /* of message ids, under id 0 (RFC 6311) */
    REQUEST_REDIRECT,     /* the client may go elsewhere (RFC 5685) */
    REQUEST_REKEY_IKE,    /* of the IKE SA, to become request.sa */
};

/* The lowest nonce of an exchange. Ours are of this length, so a lower one differs within it. */
struct nonce_low {
    uint8_t bytes[IKE_NONCE_BYTES];
    uint16_t len;
};

/* A client that says that it moved (RFC 4555): IKE goes to its new path, ESP when it has answered there. */
#define MOBIKE_COOKIE_BYTES 16
struct sa_move {
    bool pending; /* `to` is not proven yet */
    bool told;    /* an update came under this IKE SA */
    bool asked;   /* `id` and `cookie` are of a request of ours */
    bool lost;    /* it did not answer where it said it would be */
    bool astray;  /* that request also went elsewhere: its answer proves no path (RFC 4555 3.7) */
    uint32_t id;
    uint8_t cookie[MOBIKE_COOKIE_BYTES];
    struct ike_path to;
};

struct sa_request { /* our own request that waits for its response; at most one (window 1) */
    struct sent_message message;
    uint8_t exchange;
    uint8_t kind; /* enum request_kind */
    bool again;   /* after INVALID_KE_PAYLOAD: once is enough */
    bool early;   /* the client may not have had our answer yet that made the child known to it */
    uint32_t tries;
    uint32_t probes; /* ids tried since the session was restored */
    ns_t next_try;
    uint32_t child;  /* slot; of a rekey it is ours alone until the answer comes; SLOT_NONE */
    uint32_t rekeys; /* slot of the child that is being rekeyed, SLOT_NONE when it is gone */
    uint32_t gone;   /* SPI that the client deleted meanwhile and we do not know: perhaps of the answer; 0 */
    uint32_t rival;  /* slot of the child that the client made of the same one meanwhile, SLOT_NONE */
    uint32_t sa;     /* slot of the IKE SA that is being made; SLOT_NONE */
    uint32_t rival_sa; /* slot of the one that the client made meanwhile, SLOT_NONE */
    struct nonce_low rival_nonce;
    uint8_t nonce[IKE_NONCE_BYTES];
    struct ke_private ke; /* group 0: none */
};

struct ike_sa {
    uint32_t slot;
    uint8_t state;         /* enum sa_state */
    uint8_t wait;          /* enum sa_wait */
    uint8_t pending;       /* enum sa_pending */
    bool we_are_initiator; /* of this IKE SA: after a rekey that we started */
    bool natt;             /* messages travel on 4500 behind the marker */
    bool behind_nat;
    bool fragmentation;
    bool restored;
    bool unsaved;
    bool learn_id;      /* restored: the peer's next id is learned from the first authentic request */
    bool learn_our_id;  /* restored: our own next id may be higher than the stored one */
    bool record_exists; /* it may be in the store under this slot's (shard, index) */
    bool idle_asked;    /* the plane was asked when it last heard from the client */
    bool initial_contact;
    bool disowned; /* the client deleted it while our rekey of its forerunner has no answer yet */
    bool mobike;   /* agreed (RFC 4555) */
    bool sync_ids, sync_replay; /* agreed (RFC 6311) */
    bool replay_due;            /* after a restart: the client is to jump with its ESP numbers */
    bool token_due;             /* the client has no token for this IKE SA yet (RFC 6290) */
    bool follows;               /* REDIRECT, the client says (RFC 5685) */
    bool shares;                /* or did: an address with an older or newer session of the same client */
    uint32_t turn;   /* of those that share one: the highest logged in last, and is where the client is */
    uint32_t quirks; /* bit of each that the client showed, enum quirk; not in the record */
    uint64_t spi_i, spi_r;
    struct ike_suite suite;
    struct ike_keys keys;
    uint32_t sync_id; /* of REQUEST_SYNC: what we said that our next id is */
    uint8_t sync_nonce[4];
    uint64_t iv_counter; /* of the next IV */
    uint32_t peer_next_id;
    uint32_t our_next_id;
    struct sent_message response; /* to peer_next_id - 1 */
    struct sa_request request;
    struct endpoint local,
        remote; /* where the client is, and its children; our requests too unless it moves */
    struct sa_move move;
    struct ike_path reply; /* where the request that is answered came from (RFC 7296 2.11) */
    uint64_t wait_token, save_token;
    uint64_t leave_token;
    uint8_t leave;          /* enum sa_leave */
    uint8_t leave_open;     /* children that the plane has not given up yet */
    bool inexact;           /* of what it leaves behind, not all numbers are known */
    uint32_t pending_child; /* child that the wait is about, SLOT_NONE */
    uint32_t successor;     /* of SA_REKEYED: slot of the IKE SA that replaced it, or that is to make way */
    uint32_t pending_sa;    /* the other IKE SA of a rekey, SLOT_NONE */
    uint32_t replaces;      /* slot of the IKE SA that the rekey was asked for on, until it is gone */
    uint32_t half_open;     /* index of struct half_open, SLOT_NONE */
    uint32_t reassembly;    /* index of struct reassembly, SLOT_NONE */
    uint32_t stale; /* slot under which the store may hold a former record of this session, SLOT_NONE */
    uint8_t stale_generation;
    ns_t created, last_in, response_expires, expires, dpd_due, save_due, child_due, rekey_at;
    ns_t redirect_at;
    ns_t childless_end, auth_end; /* it ends then without a child, or without another login */

    /* The session: moves on to the next IKE SA at a rekey. */
    uint64_t session_id;
    ns_t established;
    int64_t established_unix_s;
    int64_t login_unix_s; /* when the client last showed who it is, in this session or in one before it */
    int64_t auth_until_unix_s; /* as the client was told (RFC 4478); 0: no end */
    uint64_t resumed_from;     /* session whose ticket began this one (RFC 5723); 0: none */
    struct cert_mark cert;     /* of the login by certificate */
    /* NULL when unknown; no longer than they are: ike_sa_name() */
    const struct identity *local_id, *remote_id;
    char connection[SA_NAME_BYTES];
    char pool[SA_NAME_BYTES];
    struct ip_addr addresses[ADDRESSES_PER_SESSION_MAX];
    uint32_t num_addresses;
    uint32_t children[CHILD_PER_SA_MAX]; /* slots */
    uint32_t num_children;
    uint32_t peer_prev, peer_next; /* sessions of one remote identity and connection */
    uint64_t bytes_in, bytes_out;  /* of children that are gone */
};

/* Where the client says that it is. */
static inline struct ike_path sa_path(const struct ike_sa *sa)
{
    struct ike_path path = {.local = sa->local, .remote = sa->remote, .natt = sa->natt};
    return sa->move.pending ? sa->move.to : path;
}

enum child_state {
    CHILD_FREE,
    CHILD_RESERVED, /* named in a request of ours, not among its session's children yet */
    CHILD_INSTALLING,
    CHILD_INSTALLED,
    CHILD_REPLACED,
};

/* Of one direction, the busier one. */
struct child_volume {
    uint64_t bytes, packets;
};

struct ike_child {
    uint32_t slot;
    uint32_t sa; /* slot of the IKE SA */
    uint8_t state;
    bool outbound;
    bool doomed;  /* replaced by us: our DELETE is due, or under way */
    bool exposed; /* after a takeover: what came in before may be replayed until it is rekeyed */
    uint32_t spi_in, spi_out;
    struct esp_suite suite;
    struct esp_keys key_in, key_out;
    struct ranges *ts;       /* ike_child_select() */
    uint64_t sequence_out;   /* where the plane started */
    uint64_t sequence_limit; /* to be reserved in the store */
    uint64_t sequence_token; /* writes with a later token reserve it; 0: it is reserved */
    uint64_t sequence_in;
    uint64_t install_token, remove_token;
    uint32_t rekeys; /* slot of the child that this one replaces, SLOT_NONE */
    uint32_t
        answer_id; /* of our answer that made it known to the client; ANSWER_NONE: it made it known to us */
    ns_t created, rekey_at;
    uint8_t ends_for;                   /* enum cause: its end is now, whatever its age */
    struct child_volume before, volume; /* carried until the last restart, and since it was installed */
    uint64_t bytes_in, bytes_out;       /* since it was installed, when the plane was asked last */
    struct child_volume soft, hard;     /* from the install on; 0: without end */
};

/* What the gate knows of who begins a handshake. */
struct gate_pass {
    struct source source;
    uint16_t cost; /* of the key exchange, in units of about 65 us */
    bool proven;   /* by COOKIE: the source is its own */
};

/* What only a handshake needs. */
struct half_open {
    uint32_t sa; /* SLOT_NONE: free */
    bool over;   /* the handshake failed; its place is held while the SA lingers */
    uint8_t nonce_i[IKE_NONCE_BYTES_MAX];
    uint16_t nonce_i_len;
    uint8_t nonce_r[IKE_NONCE_BYTES];
    unsigned peer_hashes;
    struct blob request, response; /* the IKE_SA_INIT messages, as signed (RFC 7296 2.15) */
    uint64_t digest;               /* of request and source: finds retransmissions */
    struct gate_pass pass;
    struct ip_addr former[ADDRESSES_PER_SESSION_MAX]; /* that the ticket's session had */
    uint32_t num_former;
};

struct reassembly { /* RFC 7383 2.6; fragments are opened one by one, so only the peer's own ever get here */
    uint32_t sa;    /* SLOT_NONE: free */
    ns_t started;
    uint32_t message_id;
    bool response;
    uint8_t inner_first;
    uint16_t total;
    uint32_t received; /* bit (number - 1) */
    size_t bytes;
    struct blob fragments[IKE_FRAGMENTS_MAX];
};

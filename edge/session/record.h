/* A session's record: all that is needed to go on with it after a restart or on another node (DESIGN section
 * 5). Encoded with a version byte and tagged fields, so that an older reader can refuse and a newer one can
 * read. The bytes are secret: the core seals them before they leave. */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/cause.h"
#include "edge/base/limits.h"
#include "edge/crypto/cert.h"
#include "edge/crypto/kdf.h"
#include "edge/crypto/ke.h"
#include "edge/wire/build.h"

#define NAME_BYTES_MAX 64 /* names of connections and pools, with their terminating zero */

struct record_child {
    uint32_t spi_in, spi_out;
    struct esp_suite suite;
    struct esp_keys key_in, key_out;
    uint64_t sequence_limit; /* outbound numbers up to this one may have been used */
    uint64_t sequence_in;    /* highest inbound number known when written */
    struct ts_range ts_local[SELECTORS_PER_CHILD_MAX];
    struct ts_range ts_remote[SELECTORS_PER_CHILD_MAX];
    uint32_t num_ts_local, num_ts_remote;
    uint64_t bytes, packets; /* carried so far, of the busier direction, as far as known when written */
    bool doomed;             /* we replaced it and are about to delete it */
};

/* Our request to rekey the IKE SA, without an answer: the client may have answered it and gone over to the
 * new one. */
struct record_request {
    uint64_t spi; /* ours of the new IKE SA */
    struct ke_private ke;
    uint8_t nonce[IKE_NONCE_BYTES];
    uint8_t rival_nonce[IKE_NONCE_BYTES]; /* the lowest of the client's own rekey that crossed it */
    uint16_t rival_nonce_len;             /* 0: none did */
    struct span message;                  /* as sent; empty: there is no request */
};

/* The IKE SA that this one replaced, until it is deleted: it answers the client's rekey again, and its
 * DELETE.
 */
struct record_former {
    uint64_t spi_i, spi_r; /* 0: there is none */
    bool we_are_initiator;
    struct ike_suite suite;
    struct ike_keys keys;
    uint32_t peer_next_id, our_next_id;
    struct span response;
    struct record_request request;
};

/* What a client said that it can. */
enum record_peer {
    RECORD_PEER_SYNC_IDS = 1,    /* agreed: IKEV2_MESSAGE_ID_SYNC (RFC 6311) */
    RECORD_PEER_SYNC_REPLAY = 2, /* agreed: IPSEC_REPLAY_COUNTER_SYNC (RFC 6311) */
    RECORD_PEER_REDIRECT = 4,    /* RFC 5685 */
};

struct session_record {
    uint64_t session_id; /* random, for people and accounting; survives rekeys and moves */
    uint64_t spi_i, spi_r;
    bool we_are_initiator; /* of this IKE SA (after we rekeyed it) */
    struct ike_suite suite;
    struct ike_keys keys;
    uint32_t peer_next_id; /* the peer's next request id, at least */
    uint32_t our_next_id;
    bool fragmentation; /* RFC 7383 agreed */
    bool natt;          /* messages travel behind the non-ESP marker */
    struct endpoint local, remote;
    bool behind_nat;
    bool mobike; /* RFC 4555 agreed */
    struct identity local_id, remote_id;
    char connection[NAME_BYTES_MAX];
    char pool[NAME_BYTES_MAX];
    struct ip_addr addresses[ADDRESSES_PER_SESSION_MAX];
    uint32_t num_addresses;
    int64_t established_unix_s; /* of the session, not of this IKE SA */
    int64_t written_unix_s;
    int64_t auth_until_unix_s; /* RFC 4478; 0: no end */
    int64_t login_unix_s;      /* when the client last showed who it is: before a resumption (RFC 5723) */
    struct cert_mark cert;     /* of a login by certificate, else zero */
    uint8_t peer;              /* what the client can, enum record_peer */
    uint32_t turn; /* of the sessions that share an address: the highest logged in last; 0: none did before */
    uint64_t bytes_in, bytes_out; /* of all its children, as far as known when written */
    bool is_given; /* its owner gave it away: all numbers are exact, nothing was sent or received after it */
    struct record_child children[CHILD_PER_SA_MAX];
    uint32_t num_children;
    /* The answer to request peer_next_id - 1, as sent: a client that lost it to our crash asks again and must
     * get the same bytes (RFC 7296 2.1). Empty when there is none; after decoding a view into the encoded
     * bytes. */
    struct span response;
    struct record_request request;
    struct record_former former;
};

/* Encodes into ret_bytes[cap]; 0 when it does not fit. */
size_t record_encode(const struct session_record *record, uint8_t *ret_bytes, size_t cap);
/* CAUSE_NONE or CAUSE_RECORD. Unknown tags are skipped, a higher major version is refused. */
HF_MUST enum cause record_decode(struct span bytes, struct session_record *ret_record);

/* An IKEv2 client without sockets or clock: datagrams and time go in, datagrams come out through a callback.
 * It stands on edge/wire and edge/crypto alone and shares no state machine with the responder, so that a
 * mistake there is not repeated here. Everything is open to the checkers. One client has one session; while
 * its IKE SA is being rekeyed it has two IKE SAs, or three. */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/env.h"
#include "edge/crypto/ke.h"
#include "edge/crypto/kdf.h"
#include "edge/crypto/sign.h"
#include "edge/wire/build.h"

enum {
    INITIATOR_SAS = 6, /* both sides may make a new one at once; the gateway may forget to delete old ones */
    INITIATOR_SUITES_MAX = 4,
    INITIATOR_CHILDREN_MAX = 12,
    INITIATOR_DATAGRAMS_MAX = 24, /* of one message */
    INITIATOR_SENT_BYTES = 24576,
    INITIATOR_GATEWAYS_MAX = 8,
};

/* What a client does that it should not; all off by default. */
struct deviations {
    bool response_flag;      /* sets the Response flag in its requests */
    bool no_initiator_flag;  /* leaves the Initiator flag out of them */
    bool no_certreq;         /* does not say whom it trusts */
    bool no_auth_payload;    /* IKE_AUTH as an EAP client would begin it */
    bool auth_flip;          /* one bit of AUTH is wrong */
    bool critical_unknown;   /* an unknown payload with the critical bit in IKE_AUTH */
    bool lone_selectors;     /* a login without SA payload, but with selectors */
    bool skip_child_delete;  /* a rekeyed child is not deleted */
    bool skip_ike_delete;    /* a rekeyed IKE SA is not deleted */
    bool no_nats_lie;        /* NO_NATS_ALLOWED names another port than the datagram has */
    bool cookie2_flip;       /* one bit of a copied COOKIE2 is wrong */
    bool cookie2_missing;    /* COOKIE2 is not copied */
    bool sync_nonce_flip;    /* one bit of the nonce in the answer to a synchronization is wrong */
    bool sync_low;           /* it says an id that the gateway has passed */
    bool ticket_again;       /* a ticket is kept when it was used */
    bool resume_certs;       /* IKE_AUTH after IKE_SESSION_RESUME carries certificates */
    uint32_t id_jump;        /* added to the message id of the next request once */
    uint8_t ke_fill;         /* with ke_bytes: the public value is so many bytes of this */
    uint16_t ke_bytes;       /* 0: the true value */
    uint16_t nonce_bytes;    /* 0: 32 */
    uint16_t ke_group_claim; /* 0: KE names its true group */
    uint16_t refuse_create;  /* what every CREATE_CHILD_SA of the gateway is refused by; 0: none is */
    uint16_t want_group;     /* group that a child of the gateway must have; 0: as it offers */
};

struct initiator_config {
    struct rand_source rand;
    struct endpoint local, remote; /* ports 500; the client floats to 4500 by itself */
    struct identity id;
    struct identity id_r;                /* type 0: no IDr is sent */
    struct span psk;                     /* of PSK clients */
    const struct credential *credential; /* NULL: PSK */
    const struct trust *trust;
    bool credulous;                             /* takes the gateway's certificate and signature unseen */
    int64_t now_unix_s;                         /* for certificates */
    struct ike_suite ike[INITIATOR_SUITES_MAX]; /* one proposal each */
    uint32_t num_ike;
    struct esp_suite esp[INITIATOR_SUITES_MAX]; /* one proposal each; the group counts in CREATE_CHILD_SA */
    uint32_t num_esp;
    uint16_t ke_first; /* group of the first KE payload */
    bool want_v4, want_v6, want_dns;
    struct ip_addr wanted_v4; /* zero: any */
    bool fragmentation;
    bool initial_contact;
    bool childless; /* asks for no child at login, whatever the gateway offers (RFC 6023) */
    bool mobike;
    bool want_ticket;           /* RFC 5723 */
    bool sync_ids, sync_replay; /* RFC 6311 */
    bool follows;               /* RFC 5685 */
    bool resume_bare; /* resumes as libreswan does: nonce and ticket, AUTH over the first message alone */
    bool no_nats;     /* demands that no NAT is on the way (RFC 4555 3.9) */
    bool behind_nat;  /* lies about its source as a NAT would make it */
    struct ts_range ts_i, ts_r; /* zero: everything IPv4 and everything IPv6 */
    ns_t retransmit;            /* first wait, doubled up to four times it */
    uint32_t tries;
    struct deviations deviate;
    void *context;
    void (*send)(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                 struct span bytes);
    /* NULL, or hears of every datagram first; true: the client itself does not get it. */
    bool (*hear)(void *context, struct span bytes);
};

enum initiator_state {
    INITIATOR_IDLE,
    INITIATOR_INIT, /* IKE_SA_INIT sent */
    INITIATOR_AUTH, /* IKE_AUTH sent */
    INITIATOR_UP,
    INITIATOR_FAILED, /* refused or no answer: `why`, `notify` */
    INITIATOR_CLOSED, /* deleted by either side */
};

enum initiator_why {
    INITIATOR_FINE,
    INITIATOR_NO_ANSWER,
    INITIATOR_REFUSED,  /* by `notify` */
    INITIATOR_BAD_PEER, /* the gateway's message or AUTH was wrong */
    INITIATOR_PEER_DELETED,
    INITIATOR_PEER_LOST, /* it has lost the IKE SA, says its token */
    INITIATOR_WE_DELETED,
};

/* A message as sent, kept for retransmission. */
struct initiator_sent {
    uint8_t bytes[INITIATOR_SENT_BYTES];
    size_t lens[INITIATOR_DATAGRAMS_MAX];
    uint32_t count;
    uint32_t id;
    bool valid;
};

/* What the request in flight is for. */
enum initiator_task {
    TASK_NONE,
    TASK_INIT,
    TASK_AUTH,
    TASK_DPD,
    TASK_DELETE_IKE,
    TASK_DELETE_CHILD,
    TASK_CREATE_CHILD,
    TASK_REKEY_CHILD,
    TASK_REKEY_IKE,
    TASK_UPDATE, /* UPDATE_SA_ADDRESSES */
    TASK_TICKET, /* TICKET_REQUEST */
    TASK_RAW,    /* initiator_send_raw() */
};

struct initiator_fragments {
    uint8_t bytes[INITIATOR_DATAGRAMS_MAX][2048];
    size_t lens[INITIATOR_DATAGRAMS_MAX];
    uint32_t received, id;
    uint16_t total;
    bool response;
    uint8_t first;
};

struct initiator_sa {
    bool used;
    bool by_gateway; /* the gateway asked for it: its original initiator is the gateway */
    uint64_t spi_i, spi_r;
    struct ike_suite suite;
    struct ike_keys keys;
    bool has_keys;
    uint64_t iv;
    uint32_t next_id, peer_next_id;
    struct initiator_sent request, response;
    enum initiator_task task;
    uint8_t exchange; /* of the request in flight */
    uint32_t tries;
    ns_t next_try; /* NS_NEVER: nothing in flight */
    struct initiator_fragments fragments;
    uint8_t token[128];
    uint16_t token_len;
    uint32_t sync_seen; /* the highest id of a synchronization */
};

struct initiator_child {
    bool used;
    uint32_t spi_in, spi_out; /* ours, the gateway's */
    struct esp_suite suite;
    struct esp_keys key_in, key_out;
    struct ts_range ts_i[IKE_SELECTORS_MAX], ts_r[IKE_SELECTORS_MAX];
    uint32_t num_ts_i, num_ts_r;
};

/* What a session is resumed from. */
struct initiator_ticket {
    uint8_t bytes[1024];
    size_t len; /* 0: none */
    uint32_t lifetime_s;
    struct ike_suite suite;
    uint8_t sk_d[PRF_BYTES_MAX];
};

struct initiator_counters {
    uint64_t datagrams_in, datagrams_out, retransmits, garbage, requests_answered, repeats_answered;
    uint64_t exchanges_done;
    uint64_t gateway_rekeys;     /* of children, by the gateway */
    uint64_t gateway_ike_rekeys; /* of the IKE SA, by the gateway */
};

struct initiator {
    struct initiator_config config;
    enum initiator_state state;
    enum initiator_why why;
    uint16_t notify;          /* error that the last answer carried, 0 for none */
    bool childless;           /* the gateway offers logins without a child */
    uint32_t auth_lifetime_s; /* what the gateway said (RFC 4478); 0: nothing */
    uint16_t child_notify;    /* why IKE_AUTH or CREATE_CHILD_SA brought no child */
    struct endpoint local, remote;
    bool natt;
    bool fragmentation;
    struct initiator_sa sa[INITIATOR_SAS];
    uint32_t current; /* index of the IKE SA that carries the session */
    struct initiator_child children[INITIATOR_CHILDREN_MAX];
    struct ip_addr addresses[ADDRESSES_PER_SESSION_MAX];
    uint32_t num_addresses;
    struct ip_addr dns[DNS_PER_POOL_MAX];
    uint32_t num_dns;
    char domains[IKE_SPLIT_DNS_MAX][64];
    uint32_t num_domains;
    struct initiator_counters counters;
    bool mobike;                                     /* agreed */
    struct ip_addr gateways[INITIATOR_GATEWAYS_MAX]; /* further addresses of the gateway */
    uint32_t num_gateways;
    bool update_due;
    uint16_t update_notify; /* error in the answer to the last update */
    uint8_t cookie2[8];     /* of that update */
    uint32_t updates, cookies_copied;
    bool sync_ids, sync_replay; /* agreed */
    uint32_t syncs;             /* answered */
    uint64_t jumped;            /* what the gateway asked ESP numbers to jump */
    uint16_t jump_bytes;        /* of the last of these numbers */
    uint32_t invalid_spis, bad_tokens;
    uint8_t redirect_type, redirect[255];
    uint16_t redirect_len;
    uint32_t redirects;
    struct initiator_ticket ticket;
    uint32_t tickets;    /* that came */
    bool ticket_refused; /* when it was asked for */
    uint32_t nacks;      /* of tickets that were presented */
    bool resuming;       /* the IKE SA began with IKE_SESSION_RESUME */

    /* The handshake, or the rekey, in hand. */
    struct ke_private ke_private;
    struct ke_value ke_public;
    uint8_t nonce[IKE_NONCE_BYTES_MAX];
    uint16_t nonce_len;
    uint8_t nonce_r[IKE_NONCE_BYTES_MAX];
    uint16_t nonce_r_len;
    uint8_t cookie[IKE_COOKIE_BYTES_MAX];
    uint16_t cookie_len;
    uint16_t ke_group;
    unsigned peer_hashes;
    uint8_t init_request[IKE_MESSAGE_BYTES_MAX], init_response[IKE_MESSAGE_BYTES_MAX];
    size_t init_request_len, init_response_len;
    uint32_t child_spi;    /* ours of the child being made */
    uint64_t rekey_spi;    /* ours of the IKE SA being made */
    uint32_t rekeyed;      /* index of the child being rekeyed */
    uint32_t delete_spi;   /* ours of the child being deleted */
    uint32_t after_delete; /* child to delete next, its own SPI; 0: none */
    struct {               /* what the gateway made of the child that is being rekeyed */
        bool there;
        uint8_t nonce[IKE_NONCE_BYTES_MAX]; /* the lower one */
        uint16_t len;
        uint32_t sa; /* index of the IKE SA */
    } rival;

    ns_t now;
    struct payloads payloads;
    struct message message;
    struct sa_view offer;
    uint8_t plain[IKE_MESSAGE_BYTES_MAX + 64];
    uint8_t inner[IKE_MESSAGE_BYTES_MAX];
};

/* Takes the config as it stands; addresses, identities and secrets that it points to outlive the client. */
void initiator_init(struct initiator *client, const struct initiator_config *config);
/* Starts IKE_SA_INIT; a client that was connected before begins anew with new SPIs. */
void initiator_connect(struct initiator *client, ns_t now);
/* Starts IKE_SESSION_RESUME with the last ticket; false when there is none. When it is refused, it goes on as
 * initiator_connect(). */
HF_MUST bool initiator_resume(struct initiator *client, ns_t now);
void initiator_receive(struct initiator *client, ns_t now, const struct endpoint *from, struct span bytes);
void initiator_timer(struct initiator *client, ns_t now);
/* When initiator_timer() is due; NS_NEVER for never. */
ns_t initiator_deadline(const struct initiator *client);

/* Exchanges of an established session; false when another one is in flight. */
HF_MUST bool initiator_dpd(struct initiator *client, ns_t now);
HF_MUST bool initiator_ask_ticket(struct initiator *client, ns_t now);
HF_MUST bool initiator_delete(struct initiator *client, ns_t now);
HF_MUST bool initiator_delete_child(struct initiator *client, ns_t now, uint32_t index);
HF_MUST bool initiator_create_child(struct initiator *client, ns_t now);
HF_MUST bool initiator_rekey_child(struct initiator *client, ns_t now, uint32_t index);
HF_MUST bool initiator_rekey_ike(struct initiator *client, ns_t now);
/* Any payloads under the current IKE SA's keys as its next request. */
HF_MUST bool initiator_send_raw(struct initiator *client, ns_t now, uint8_t exchange, uint8_t first,
                                struct span inner);
/* Forgets everything without a word, as a client does whose battery is empty. */
void initiator_vanish(struct initiator *client);
/* Shows up from another address, as after a NAT rebinding. */
void initiator_move(struct initiator *client, const struct endpoint *local);
/* Moves to another address of its own or of the gateway's and says so, as soon as the window allows (RFC 4555
 * 3.5). */
void initiator_roam(struct initiator *client, ns_t now, const struct endpoint *local,
                    const struct endpoint *remote);

/* Nothing of ours is in flight. */
bool initiator_is_idle(const struct initiator *client);
uint32_t initiator_num_children(const struct initiator *client);
/* Index of the first child; INITIATOR_CHILDREN_MAX when there is none. */
uint32_t initiator_first_child(const struct initiator *client);
const struct initiator_sa *initiator_current(const struct initiator *client);

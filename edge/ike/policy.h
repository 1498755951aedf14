/* What the operator allows, in the form the engine uses. Built by edge/ops from the config file, immutable
 * once handed over; a reload hands over a new one and the old one is freed when no engine refers to it any
 * more. Strings and arrays belong to the policy. */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/limits.h"
#include "edge/crypto/sign.h"
#include "edge/crypto/suite.h"
#include "edge/wire/build.h"

/* Who we are when a client names it in IDr, or by default the first. */
struct policy_identity {
    struct identity id;
    const struct credential *credential; /* NULL: can authenticate by pre-shared key only */
};

struct policy_secret {
    const char *pattern; /* which client identities, as identity_matches() reads it */
    struct span secret;
};

struct policy_pool {
    const char *name;
    struct ip_prefix v4, v6;
    bool has_v4, has_v6;
    struct ip_addr dns[DNS_PER_POOL_MAX];
    uint32_t num_dns;
    const char
        *domains[IKE_SPLIT_DNS_MAX]; /* split DNS, RFC 8598; none: the DNS servers are for everything */
    uint32_t num_domains;
};

enum policy_auth { POLICY_AUTH_CERT, POLICY_AUTH_PSK };

/* One kind of client; the first that matches serves. */
struct policy_connection {
    const char *name;
    uint32_t identity; /* index into identities */
    enum policy_auth auth;
    const char *match;                   /* client identities, as identity_matches() reads it; "*" for all */
    const struct trust *trust;           /* POLICY_AUTH_CERT */
    const struct policy_secret *secrets; /* POLICY_AUTH_PSK */
    uint32_t num_secrets;
    uint32_t pool;                                    /* index into pools, or POLICY_NO_POOL */
    struct ts_range subnets[SELECTORS_PER_CHILD_MAX]; /* what clients may reach */
    uint32_t num_subnets;
};
#define POLICY_NO_POOL UINT32_MAX

/* Allowed transforms in our order of preference; the client's order of proposals comes second. */
#define POLICY_SUITES_MAX 16
struct policy_encr {
    uint16_t encr, bits;
};
struct policy_suites {
    struct policy_encr encr[POLICY_SUITES_MAX];
    uint16_t integ[POLICY_SUITES_MAX];
    uint16_t prf[POLICY_SUITES_MAX]; /* IKE only */
    uint16_t ke[POLICY_SUITES_MAX]; /* IKE: required; ESP: PFS groups that are allowed, PFS stays the client's
                                       choice */
    uint32_t num_encr, num_integ, num_prf, num_ke;
    bool ke_required; /* ESP: no CREATE_CHILD_SA without a key exchange */
};

struct policy_timers {
    ns_t half_open;      /* a handshake must be done by then */
    ns_t dpd_idle;       /* nothing heard for so long: ask; 0 = never */
    ns_t retransmit;     /* first retransmission of our requests, doubled each time */
    uint32_t retries;    /* then the peer is dead */
    ns_t response_keep;  /* how long a cached response is kept at least */
    ns_t ike_lifetime;   /* hard; longer than clients', who rekey */
    ns_t child_lifetime; /* hard */
    ns_t ike_rekey;      /* the same of the IKE SA */
    ns_t child_rekey;    /* we rekey a child this old, or an eighth earlier; 0: we leave it to the client */
    ns_t childless;      /* a session without child ends after so long; 0: never */
    ns_t auth_lifetime;  /* a client must authenticate again by then (RFC 4478); 0: never */
};

/* What one ESP key may protect in one direction; 0: as much as there are numbers. */
struct policy_volume {
    uint64_t bytes, packets;
};

/* What a rekey of ours offers besides a group of its own. */
#define POLICY_GROUP_SAME 0               /* the group that the child has, or none */
#define POLICY_GROUP_NONE UINT16_MAX      /* no key exchange */
#define POLICY_GROUP_IKE (UINT16_MAX - 1) /* the IKE SA's */

struct policy_child {
    struct policy_volume rekey;    /* we rekey a child from here on, or up to an eighth earlier; 0: not */
    struct policy_volume lifetime; /* hard */
    uint16_t rekey_group;          /* of our rekeys */
};

#define POLICY_LISTEN_MAX 16

enum policy_store_failure { POLICY_STORE_ACCEPT, POLICY_STORE_REFUSE };

/* Tickets (RFC 5723). */
struct policy_resumption {
    ns_t lifetime;                           /* of a ticket, at most; 0: none is given or taken */
    enum policy_store_failure store_failure; /* when it cannot be known whether a ticket was used before */
};

/* Where a draining node sends clients that know RFC 5685. */
struct policy_redirect {
    uint8_t type;        /* enum ike_gateway_type; 0: nowhere */
    struct span gateway; /* address or name, as it is sent */
    bool sessions;       /* those that are established, too */
};

struct policy {
    const struct policy_identity *identities;
    uint32_t num_identities;
    const struct policy_connection *connections;
    uint32_t num_connections;
    const struct policy_pool *pools;
    uint32_t num_pools;
    struct policy_suites ike, esp;
    struct policy_timers timers;
    struct policy_child child;
    bool childless;                           /* IKE_AUTH without a child (RFC 6023) */
    struct ip_addr listen[POLICY_LISTEN_MAX]; /* our addresses: MOBIKE clients may move to any of them */
    uint32_t num_listen;
    bool mobike_unchecked;  /* new addresses are believed without a return routability check (RFC 4555 3.7) */
    bool force_encap;       /* make every client use UDP encapsulation: the user plane has no native ESP */
    uint32_t half_open_max; /* per worker */
    uint32_t half_open_per_address; /* IKE SAs of one IPv4 address; of networks: limits.h */
    uint32_t cookie_threshold;      /* half-open IKE SAs from which on COOKIE is demanded; 0 = always */
    enum policy_store_failure store_failure;
    bool takeover_strict; /* what another node's sessions receive under their old keys is dropped until those
                             are rekeyed: nothing can be replayed at a takeover */
    struct policy_resumption resumption;
    struct policy_redirect redirect;
    bool crash_detection; /* tokens of RFC 6290 */
    bool message_id_sync; /* RFC 6311 is agreed with clients that know it */
};

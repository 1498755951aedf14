/* What FRR's bgpd and bfdd shall do for us, its configuration as text, and the way from what they do now to
 * that. Everything here is a function of its arguments.
 *
 * The text has the form in which FRR shows its own configuration, so that nothing differs that is the same.
 * Names of ours begin with HF-; `router bgp ASN` is ours as a whole. */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/limits.h"

enum {
    FRR_PREFIXES_MAX = 16,
    FRR_POOLS_MAX = 2 * POOLS_MAX,
    FRR_NEIGHBOURS_MAX = 16,
    FRR_PASSWORD_MAX = 80, /* what TCP MD5 takes */
    FRR_TEXT_MAX = 65536,
};

enum frr_accept { FRR_ACCEPT_NONE, FRR_ACCEPT_DEFAULT, FRR_ACCEPT_ALL };

struct frr_neighbour {
    struct ip_addr addr;
    uint32_t asn;
    bool is_transit; /* hears of the anycast prefixes; else of the clients' addresses */
    bool bfd;
    enum frr_accept accept;
    uint16_t hops;
    char password[FRR_PASSWORD_MAX + 1]; /* empty: none */
};

struct frr_setup {
    uint32_t asn;
    struct ip_addr router;
    struct ip_prefix prefixes[FRR_PREFIXES_MAX]; /* anycast */
    uint32_t num_prefixes;
    struct ip_prefix pools[FRR_POOLS_MAX]; /* clients' addresses; slices of them are announced inward */
    uint32_t num_pools;
    struct frr_neighbour neighbours[FRR_NEIGHBOURS_MAX];
    uint32_t num_neighbours;
    uint32_t keepalive_s, hold_s, connect_s, bfd_ms, bfd_multiplier, prepend;
    bool is_last_resort; /* graceful-shutdown community and prepended AS numbers for transit */
};

/* For bgpd, for bfdd. `secrets`: with passwords, else with stars in their places. The length; 0 when it does
 * not fit. */
size_t frr_bgpd_text(const struct frr_setup *setup, bool secrets, char *ret_text, size_t cap);
size_t frr_bfdd_text(const struct frr_setup *setup, char *ret_text, size_t cap);

/* Commands, one a line, that turn the `running` configuration into the `wanted` one, to be given in
 * configuration mode; first what goes, then what comes. What is not ours stays. `only`: nothing but what
 * begins so at the outermost level; NULL: everything of ours. False when it does not fit. */
HF_MUST bool frr_diff(const char *running, const char *wanted, const char *only, char *ret_commands,
                      size_t cap);
/* The number of another AS that bgpd has been configured for; 0: none. */
uint32_t frr_other_asn(const char *running, uint32_t asn);

/* FRR as we use it: its bgpd and bfdd are told what is wanted, again when they were restarted, and asked what
 * has become of it. The host calls frr_work() when one of the descriptors is ready or the time has come. */
#pragma once

#include "edge/frr/setup.h"
#include "edge/frr/vty.h"

enum frr_state {
    FRR_AWAY,    /* bgpd does not run, or we may not talk to it */
    FRR_BUSY,    /* it is being told */
    FRR_AS_TOLD, /* it has taken everything */
    FRR_REFUSED, /* it did not take something; `error` says what */
};
const char *frr_state_name(enum frr_state state);

/* What a neighbour was sent of one anycast prefix, as bgpd says. */
struct frr_sent {
    bool is_sent, has_shutdown; /* with the graceful-shutdown community */
    uint32_t prepended;         /* AS numbers of ours before the usual one */
};

struct frr_neighbour_view {
    char state[24]; /* "Established", as FRR says; "unknown" */
    bool is_established;
    uint64_t up_ms; /* since when */
    uint64_t prefixes_sent, prefixes_received;
    char bfd[12];                           /* "up", "down"; empty: none, or unknown */
    struct frr_sent sent[FRR_PREFIXES_MAX]; /* transit only; order of the setup */
    ns_t sent_at;                           /* when that was asked; 0: never */
};

struct frr_view {
    enum frr_state state;
    char error[256];
    uint32_t starts;   /* connections made to bgpd */
    uint32_t commands; /* that changed its configuration */
    ns_t told_at;
    bool knows_sessions;                                      /* asked since the last connection was made */
    struct frr_neighbour_view neighbours[FRR_NEIGHBOURS_MAX]; /* as in the setup */
};

struct frr;

struct frr_options {
    const char *sockets; /* folder of bgpd.vty and bfdd.vty */
    bool generate;       /* all of the configuration is ours; else only what a drain changes */
};

/* NULL without memory. */
struct frr *frr_new(const struct frr_options *options, const struct frr_setup *setup);
void frr_free(struct frr *frr);
/* From now on this is wanted. */
void frr_want(struct frr *frr, const struct frr_setup *setup);
const struct frr_setup *frr_setup(const struct frr *frr);
/* Connects, reads, writes, asks. */
void frr_work(struct frr *frr, ns_t now);
/* Asks soon what neighbours were sent: something has changed. */
void frr_look(struct frr *frr, ns_t now);
const struct frr_view *frr_view(const struct frr *frr);
/* Descriptors to wait for, and whether to write; -1: none. */
enum { FRR_BGPD, FRR_BFDD, FRR_DAEMONS };
int frr_fd(const struct frr *frr, uint32_t daemon, bool *ret_writes);

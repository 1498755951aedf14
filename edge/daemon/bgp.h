/* The anycast prefixes (docs/BGP.md): bgp/announce.c decides, this makes it so. The prefix is announced
 * because a route to it exists that FRR redistributes; the route hangs on a device that the keeper holds.
 * All of it in the main thread, which never waits here. */
#pragma once

#include "bgp/announce.h"
#include "edge/base/limits.h"
#include "edge/daemon/keeper.h"
#include "edge/daemon/loop.h"
#include "edge/daemon/privileges.h"
#include "edge/frr/frr.h"
#include "edge/ops/config.h"
#include "edge/ops/snapshot.h"

enum { BGP_ROUND_MS = 50, BGP_REASON_MAX = 160 };

struct bgp {
    bool is_on;
    const struct config *config_start;
    struct announce announce;
    struct keeper keeper;
    struct frr *frr;
    struct frr_setup setup; /* as wanted */
    struct loop_source sources[FRR_DAEMONS];
    int watched[FRR_DAEMONS]; /* descriptors in the loop; -1: none */

    bool has_route; /* the device is there, with its routes */
    int own_tun;    /* -1: the keeper has it, as it should */
    struct ip_prefix routes[CONFIG_BGP_PREFIXES_MAX];
    uint32_t num_routes;
    char route_error[320]; /* why there is none; empty: there is, or none is wanted */
    ns_t route_try;

    bool is_stalled, is_stopping;
    ns_t probe_at, beat_at;
    bool has_probed;
    uint64_t heartbeats[WORKERS_MAX];
    uint32_t silent, silent_worker; /* workers, one of them */
    bool plane_usable, uplinks_up;
    char down[16];      /* an interface that is down */
    uint32_t num_links; /* of the steering program, when ready */
    bool was_inner_up;  /* a session with the inner network has been up, or there need be none */
    int flags_fd;       /* asks for the state of interfaces */
    uint32_t sessions;  /* while draining: left */

    enum announce_operator operator;
    char operator_reason[BGP_REASON_MAX];

    uint32_t wishes[ANNOUNCE_FULL + 1]; /* how often each came */
    uint64_t stalls;
    bool is_said[FRR_NEIGHBOURS_MAX]; /* sessions, as last logged */
    enum frr_state state_said;
    enum announce_reason ill_said;
    uint32_t starts_said;
    bool differs_said;
    ns_t differs_since; /* 0: what was sent is what is wished */
};

struct daemon;

/* Before privileges are dropped: adds a group to `user`, starts the keeper, lets vtysh check what FRR will be
 * told. False with a reason. */
HF_MUST bool bgp_open(struct daemon *d, struct user *user, char *ret_error, size_t cap);
/* A round of the main loop; does little, and nothing when BGP is not configured. */
void bgp_tick(struct daemon *d);
/* How long the main loop may wait. */
int bgp_round_ms(const struct daemon *d, int usual_ms);
/* Something may take longer than usual now. */
void bgp_patience(struct daemon *d, ns_t patience);
/* Another config is in force. */
void bgp_reload(struct daemon *d);
/* Takes the route away, first of all; then the rest. */
void bgp_withdraw(struct daemon *d);
void bgp_close(struct daemon *d);
/* An operator's word. */
void bgp_override(struct daemon *d, enum announce_operator operator, const char * reason);

/* What was sent to all established transit neighbours is what is wished. */
bool bgp_is_as_wished(const struct bgp *bgp);

/* bgp_setup.c */
/* What FRR shall do, by the config. False when a password file cannot be read: the reason is in ret_error. */
HF_MUST bool bgp_setup_of(const struct config *config, struct frr_setup *ret_setup, char *ret_error,
                          size_t cap);
/* vtysh's opinion of it, when there is a vtysh: false with what it says. Starts a process. */
HF_MUST bool bgp_setup_check(const struct frr_setup *setup, char *ret_error, size_t cap);

/* bgp_status.c */
enum { BGP_SAMPLES_MAX = 16 + 3 * FRR_NEIGHBOURS_MAX };
uint32_t bgp_samples(struct daemon *d, struct snapshot_sample ret_samples[BGP_SAMPLES_MAX]);
size_t bgp_format(struct daemon *d, char *ret_line, size_t cap);
/* What FRR is told, as lines of JSON text; passwords are left out. */
size_t bgp_config_format(struct daemon *d, char *ret_line, size_t cap);

/* The section `bgp` of the config: how the anycast prefixes are announced (docs/BGP.md). As config.h says,
 * "resolved" is what the checks made of the text. */
#pragma once

#include "edge/base/addr.h"

enum {
    CONFIG_BGP_PREFIXES_MAX = 16,
    CONFIG_BGP_NEIGHBOURS_MAX = 16,
    CONFIG_BGP_UPLINKS_MAX = 8,
    CONFIG_BGP_PREPEND_MAX = 10,
};

#define CONFIG_BGP_INTERFACE_DEFAULT "hf-anycast"

enum config_bgp_role { CONFIG_BGP_TRANSIT, CONFIG_BGP_INNER };
enum config_bgp_accept { CONFIG_BGP_ACCEPT_NONE, CONFIG_BGP_ACCEPT_DEFAULT, CONFIG_BGP_ACCEPT_ALL };

struct config_bgp_neighbour {
    char *address;
    uint32_t asn;
    enum config_bgp_role role;
    enum config_bgp_accept accept; /* which of its routes; transit: default, inner: all */
    char *password_file;           /* TCP MD5 (RFC 2385); resolved to an absolute path; NULL: none */
    bool bfd;
    uint16_t hops;       /* above 1: it is not on the link */
    struct ip_addr addr; /* resolved */
};

struct config_bgp_frr {
    char *sockets; /* folder of bgpd.vty and bfdd.vty */
    char *group;   /* that may use them */
    bool generate; /* its configuration is ours to write */
};

/* Durations as text and, resolved, in ns. */
struct config_bgp_timers {
    char *keepalive, *hold, *connect, *bfd;
    uint32_t bfd_multiplier;
    ns_t keepalive_ns, hold_ns, connect_ns, bfd_ns;
};

struct config_bgp_health {
    uint32_t rise, fall, jitter; /* jitter: percent */
    char *rise_interval, *fall_interval, *hold_down, *hold_down_max, *drain_settle, *drain_max, *stall;
    ns_t rise_interval_ns, fall_interval_ns, hold_down_ns, hold_down_max_ns, drain_settle_ns, drain_max_ns,
        stall_ns;
};

struct config_bgp {
    uint32_t asn;
    char *router_id;
    char **prefixes;
    uint32_t num_prefixes;
    struct config_bgp_neighbour *neighbours;
    uint32_t num_neighbours;
    char **uplinks; /* interfaces without which this node cannot serve */
    uint32_t num_uplinks;
    char *interface; /* whose routes FRR announces; it lives as long as the daemon does */
    uint32_t prepend;
    struct config_bgp_frr frr;
    struct config_bgp_timers timers;
    struct config_bgp_health health;
    struct ip_addr router; /* resolved, from here on */
    struct ip_prefix nets[CONFIG_BGP_PREFIXES_MAX];
    bool is_on; /* the section is there */
};

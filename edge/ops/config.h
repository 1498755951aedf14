/* The one YAML file that says what a gateway does. A file is either taken whole or refused with every finding
 * that could be made, each with line, column and a reason; docs/holdfast.example.yaml shows every key.
 *
 * libcyaml fills the text and number fields (those that a key of the file names). Fields marked "resolved"
 * are what the checks made of them, and what the rest of the daemon reads. All memory belongs to the config.
 */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/limits.h"
#include "edge/crypto/cert.h"
#include "edge/ops/config_bgp.h"

#define CONFIG_USER_DEFAULT "holdfast"
#define CONFIG_PATH_DEFAULT "/etc/holdfast/holdfast.yaml"
#define CONFIG_PINS_DEFAULT "/sys/fs/bpf/holdfast"
#define CONFIG_BYTES_MAX (4u << 20)

enum {
    CONFIG_LISTEN_MAX = 16,
    CONFIG_IDENTITIES_MAX = 64,
    CONFIG_CONNECTIONS_MAX = 256,
    CONFIG_REDIRECT_MAX = 253,
    CONFIG_FILES_MAX = 16, /* CA or CRL files of one connection */
    CONFIG_MATCH_MAX = 64,
    CONFIG_SECRETS_MAX = 65536,
    CONFIG_TRANSFORMS_MAX = 16,
    CONFIG_NAME_MAX = 32, /* pools and connections: letters, digits, - _ . */
    CONFIG_FINDINGS_MAX = 64,
    CONFIG_INTERFACES_MAX = 16, /* that packets of clients come in by */
    CONFIG_NODES_MAX = 64,
    CONFIG_NODE_ID_MAX = 1023,
    CONFIG_NODE_MTU_MIN = 1344, /* 1280, which IPv6 demands, and what goes around it between nodes */
    CONFIG_STEERED_MAX = 6,     /* listening addresses that steering knows */
    CONFIG_SERVERS_MAX = 16,    /* of the session store */
};

/* ---- findings ---- */

struct config_finding {
    bool warning;
    uint32_t line, column; /* from 1; 0 when the finding is about the whole file */
    char path[96];         /* "pools[0].ipv4", empty for the whole file */
    char reason[416];
};

/* In the order of the file. What does not fit is counted. */
struct config_errors {
    char file[256]; /* as it was named */
    struct config_finding v[CONFIG_FINDINGS_MAX];
    uint32_t count, num_errors, num_warnings; /* num_errors + num_warnings may exceed count */
};

#define CONFIG_LINE_MAX 832
/* "holdfast.yaml:23:11: pools[0].ipv4: 10.9.0.1/24 has host bits set; did you mean 10.9.0.0/24?"; warnings
 * have "warning: " before the path. */
const char *config_finding_format(const struct config_errors *errors, const struct config_finding *finding,
                                  char ret_line[CONFIG_LINE_MAX]);

/* ---- the file ---- */

struct config_mobike {
    bool trust_addresses; /* where a client says it is, without a check */
};

enum config_store_failure { CONFIG_STORE_ACCEPT, CONFIG_STORE_REFUSE };

/* Tickets (RFC 5723). */
struct config_resumption {
    char *lifetime;
    enum config_store_failure on_store_failure;
    ns_t lifetime_ns; /* resolved; 0: never */
};

/* Where clients are sent while the node drains (RFC 5685). */
struct config_redirect {
    char *to; /* address or name; NULL: nowhere */
    bool sessions;
    bool is_address; /* resolved, as is the next one */
    struct ip_addr addr;
};

struct config_listen {
    char **addresses;
    uint32_t num_addresses;
    char *assign; /* interface that gets the addresses, NULL: they are there already */
    uint16_t ike_port, natt_port;
    struct ip_addr addrs[CONFIG_LISTEN_MAX]; /* resolved; num_addresses of them */
};

enum config_plane_type { CONFIG_PLANE_AUTO, CONFIG_PLANE_USER, CONFIG_PLANE_XFRM };

struct config_plane {
    enum config_plane_type type;
    uint16_t mtu;    /* of inner packets */
    char *interface; /* TUN or XFRM interface */
};

enum config_store_type { CONFIG_STORE_LMDB, CONFIG_STORE_MEMORY, CONFIG_STORE_VALKEY };

struct config_store_tls {
    char *ca, *certificate, *key; /* resolved to absolute paths; certificate and key: NULL without */
    char *name;                   /* that the servers' certificate must have; NULL: their address */
    bool is_on;                   /* resolved: the section is there */
};

struct config_store {
    enum config_store_type type;
    char *path; /* LMDB: directory; resolved to an absolute path */
    uint32_t size_mb;
    enum config_store_failure on_failure;
    char **servers; /* Valkey, as is what follows: "10.0.0.5:6379" */
    uint32_t num_servers;
    char *user, *password_file; /* NULL: none; resolved to an absolute path */
    struct config_store_tls tls;
    char *fleet;                                   /* what our keys there begin with */
    uint32_t replicas;                             /* that must have a write before it counts as done */
    struct endpoint endpoints[CONFIG_SERVERS_MAX]; /* resolved; num_servers of them */
};

struct config_limits {
    uint32_t sessions;              /* of the node */
    uint32_t half_open;             /* of the node, all workers together */
    uint32_t half_open_per_address; /* of the node, of one IPv4 address */
    uint32_t cookie_threshold;      /* of the node; 0: COOKIE always */
};

struct config_identity {
    char *id;
    char *certificate, *key; /* resolved to absolute paths; NULL: pre-shared keys only */
    struct identity parsed;  /* resolved */
};

struct config_pool {
    char *name;
    char *ipv4, *ipv6; /* NULL: none */
    bool source_nat;
    char **dns;
    uint32_t num_dns;
    char **domains;
    uint32_t num_domains;
    struct ip_prefix v4, v6; /* resolved, from here on */
    bool has_v4, has_v6;
    struct ip_addr dns_addrs[DNS_PER_POOL_MAX];
};

struct config_secret {
    char *id;          /* identity or pattern */
    char *secret_file; /* resolved to an absolute path */
    char *secret;      /* one of the two */
};

enum config_auth { CONFIG_AUTH_CERTIFICATE, CONFIG_AUTH_PSK };
enum config_crl_policy { CONFIG_CRL_IF_PRESENT, CONFIG_CRL_REQUIRED };

struct config_connection {
    char *name;
    char *identity;
    enum config_auth auth;
    char **match; /* patterns of client identities; the default is one "*" */
    uint32_t num_match;
    char **ca; /* resolved to absolute paths, as is crl */
    uint32_t num_ca;
    char **crl;
    uint32_t num_crl;
    enum config_crl_policy crl_policy;
    struct config_secret *secrets;
    uint32_t num_secrets;
    char *pool; /* NULL: clients get no address */
    char **subnets;
    uint32_t num_subnets;
    uint32_t identity_index; /* resolved, from here on: into identities */
    int32_t pool_index;      /* into pools, -1 without */
    struct ip_prefix prefixes[SELECTORS_PER_CHILD_MAX];
    uint32_t num_prefixes; /* without `subnets`: everything */
};

struct config_encryption {
    uint16_t encr, bits;
};

enum config_pfs { CONFIG_PFS_ALLOWED, CONFIG_PFS_REQUIRED, CONFIG_PFS_REFUSED };

struct config_proposal {
    char **encryption;
    uint32_t num_encryption;
    char **integrity;
    uint32_t num_integrity;
    char **prf; /* IKE only */
    uint32_t num_prf;
    char **groups;
    uint32_t num_groups;
    enum config_pfs pfs; /* ESP only, as is the next line */
    char *rekey_group;   /* "same", "ike", "none" or a group */
    struct config_encryption
        encrs[CONFIG_TRANSFORMS_MAX]; /* resolved, from here on: numbers of the registry */
    uint16_t integs[CONFIG_TRANSFORMS_MAX], prfs[CONFIG_TRANSFORMS_MAX], kes[CONFIG_TRANSFORMS_MAX];
    uint32_t num_encrs, num_integs, num_prfs, num_kes;
    uint16_t rekey_ke; /* POLICY_GROUP_* or a group */
};

struct config_proposals {
    struct config_proposal ike, esp;
};

struct config_timers {
    char *half_open, *dpd, *retransmit, *response_keep, *ike_lifetime, *child_lifetime, *child_rekey,
        *ike_rekey, *childless, *auth_lifetime;
    char *child_rekey_bytes, *child_rekey_packets, *child_lifetime_bytes, *child_lifetime_packets;
    uint32_t retries;
    ns_t half_open_ns, dpd_ns, retransmit_ns, response_keep_ns, ike_lifetime_ns, child_lifetime_ns,
        child_rekey_ns, ike_rekey_ns, childless_ns,
        auth_lifetime_ns; /* resolved, as is the next line; 0: never */
    uint64_t child_rekey_bytes_n, child_rekey_packets_n, child_lifetime_bytes_n, child_lifetime_packets_n;
};

enum config_log_level { CONFIG_LOG_DEBUG, CONFIG_LOG_INFO, CONFIG_LOG_WARNING, CONFIG_LOG_ERROR };

struct config_log {
    char *file; /* absolute path, or "-" for standard output */
    enum config_log_level level;
};

struct config_metrics {
    char *listen;            /* NULL: no metrics over HTTP */
    struct endpoint address; /* resolved */
};

struct config_control {
    char *socket; /* absolute path */
    char *group;  /* whose members may use it; NULL: root and the daemon's user only */
};

enum config_steering_mode { CONFIG_STEERING_AUTO, CONFIG_STEERING_NATIVE, CONFIG_STEERING_GENERIC };

struct config_node {
    uint16_t id;
    uint16_t weight;
    char *address;       /* that other nodes reach it at, not the anycast address */
    uint16_t mtu;        /* of the way to it */
    struct ip_addr addr; /* resolved */
};

/* Budgets, in packets per second. */
struct config_rates {
    uint32_t first_per_source, proven_per_source, cookies_per_source, ike_per_session, fragments_per_source,
        icmp_per_source, esp_per_shard, esp_per_node, ike_per_node, fragments, other_versions, too_big;
};

struct config_steering {
    char **interfaces;
    uint32_t num_interfaces;
    enum config_steering_mode mode;
    char *pins;    /* folder in a BPF file system */
    uint16_t node; /* this node's id */
    struct config_node *nodes;
    uint32_t num_nodes;
    uint16_t hop_port; /* UDP port of packets between nodes */
    uint32_t table_version;
    uint32_t key_epoch; /* of SPIs: counts from 1, one up with each rotation */
    struct config_rates rates;
    bool is_on; /* resolved: the section is there */
};

enum config_takeover { CONFIG_TAKEOVER_NORMAL, CONFIG_TAKEOVER_STRICT };

/* This node as a member of a fleet, whose nodes share a store. */
struct config_fleet {
    uint16_t node;
    char *address; /* that other nodes reach it at, not the anycast address */
    char *site;    /* nodes of one place have one name */
    uint16_t weight;
    uint16_t mtu;  /* of the way to it */
    uint16_t port; /* UDP, heartbeats */
    char *lease, *heartbeat;
    uint32_t takes_per_s, gives_per_s; /* shards */
    enum config_takeover takeover;
    ns_t lease_ns, heartbeat_ns; /* resolved, from here on */
    struct ip_addr addr;
    bool is_on; /* the section is there */
};

struct config {
    struct config_listen listen;
    char *workers; /* "auto" or a number */
    uint8_t shard_bits;
    struct config_plane plane;
    struct config_store store;
    char *fleet_key; /* absolute path; see fleet_key.h */
    struct config_limits limits;
    struct config_steering steering;
    struct config_fleet fleet;
    struct config_bgp bgp;
    struct config_identity *identities;
    uint32_t num_identities;
    struct config_pool *pools;
    uint32_t num_pools;
    struct config_connection *connections;
    uint32_t num_connections;
    struct config_proposals proposals;
    struct config_timers timers;
    struct config_mobike mobike;
    struct config_resumption resumption;
    struct config_redirect redirect;
    bool crash_detection; /* RFC 6290 */
    bool message_id_sync; /* RFC 6311 */
    bool childless;       /* IKE_AUTH without a child (RFC 6023) */
    struct config_log log;
    struct config_metrics metrics;
    struct config_control control;
    char *user; /* NULL: CONFIG_USER_DEFAULT where root starts us and there is one, else who starts us */

    uint32_t num_workers;     /* resolved, from here on; 0: one per core */
    bool fleet_key_generated; /* no key named in the file: one is made at `fleet_key` at the first start */
    struct yaml_index *index; /* where each key stands, for findings made later */
};

/* Reads, checks and resolves `path`, and looks whether the files it names exist and who may read them. False
 * with at least one error in ret_errors; true with warnings at most. ret_errors is set in both cases; it is
 * large (36 kB). */
HF_MUST bool config_load(const char *path, struct config **ret_config, struct config_errors *ret_errors);
/* The same from memory, and no other file is looked at: `file` is only a name and the base of relative paths.
 */
HF_MUST bool config_parse(const char *file, struct span text, struct config **ret_config,
                          struct config_errors *ret_errors);
void config_free(struct config *config); /* NULL is fine; wipes secrets */

/* Adds a finding at the place of `path` in the file, or of the longest part of it that is there. */
void config_find(const struct config *config, struct config_errors *errors, bool warning, const char *path,
                 const char *format, ...) HF_PRINTF(5, 6);

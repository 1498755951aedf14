#include "edge/ops/config_schema.h"

#define MUST CYAML_FLAG_DEFAULT
#define MAY CYAML_FLAG_OPTIONAL
#define TEXT_MAX 1024
#define PATH_MAX_BYTES 512

#define TEXT_FIELD(key, flags, type, member, max) CYAML_FIELD_STRING_PTR(key, flags, type, member, 1, max)
#define LIST_FIELD(key, flags, type, member, entry, min, max)                                                \
    CYAML_FIELD_SEQUENCE_COUNT(key, (flags) | CYAML_FLAG_POINTER, type, member, num_##member, &(entry), min, \
                               max)
#define CHOICE_FIELD(key, flags, type, member, choices)                                                      \
    CYAML_FIELD_ENUM(key, (flags) | CYAML_FLAG_STRICT, type, member, choices, CYAML_ARRAY_LEN(choices))

static const cyaml_schema_value_t text_entry = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX)};
static const cyaml_schema_value_t path_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PATH_MAX_BYTES)};

static const cyaml_schema_field_t listen_fields[] = {
    LIST_FIELD("addresses", MUST, struct config_listen, addresses, text_entry, 1, CONFIG_LISTEN_MAX),
    TEXT_FIELD("assign", MAY, struct config_listen, assign, 15),
    CYAML_FIELD_UINT("ike_port", MAY, struct config_listen, ike_port),
    CYAML_FIELD_UINT("natt_port", MAY, struct config_listen, natt_port),
    CYAML_FIELD_END,
};

static const cyaml_strval_t plane_types[] = {
    {"auto", CONFIG_PLANE_AUTO}, {"user", CONFIG_PLANE_USER}, {"xfrm", CONFIG_PLANE_XFRM}};

static const cyaml_schema_field_t plane_fields[] = {
    CHOICE_FIELD("type", MAY, struct config_plane, type, plane_types),
    CYAML_FIELD_UINT("mtu", MAY, struct config_plane, mtu),
    TEXT_FIELD("interface", MAY, struct config_plane, interface, 15),
    CYAML_FIELD_END,
};

static const cyaml_strval_t store_types[] = {
    {"lmdb", CONFIG_STORE_LMDB}, {"memory", CONFIG_STORE_MEMORY}, {"valkey", CONFIG_STORE_VALKEY}};
static const cyaml_strval_t store_failures[] = {{"accept", CONFIG_STORE_ACCEPT},
                                                {"refuse", CONFIG_STORE_REFUSE}};

static const cyaml_schema_field_t store_tls_fields[] = {
    TEXT_FIELD("ca", MUST, struct config_store_tls, ca, PATH_MAX_BYTES),
    TEXT_FIELD("certificate", MAY, struct config_store_tls, certificate, PATH_MAX_BYTES),
    TEXT_FIELD("key", MAY, struct config_store_tls, key, PATH_MAX_BYTES),
    TEXT_FIELD("name", MAY, struct config_store_tls, name, 253),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t store_fields[] = {
    CHOICE_FIELD("type", MAY, struct config_store, type, store_types),
    TEXT_FIELD("path", MAY, struct config_store, path, PATH_MAX_BYTES),
    CYAML_FIELD_UINT("size_mb", MAY, struct config_store, size_mb),
    CHOICE_FIELD("on_failure", MAY, struct config_store, on_failure, store_failures),
    LIST_FIELD("servers", MAY, struct config_store, servers, text_entry, 1, CONFIG_SERVERS_MAX),
    TEXT_FIELD("user", MAY, struct config_store, user, 128),
    TEXT_FIELD("password_file", MAY, struct config_store, password_file, PATH_MAX_BYTES),
    CYAML_FIELD_MAPPING("tls", MAY, struct config_store, tls, store_tls_fields),
    TEXT_FIELD("fleet", MAY, struct config_store, fleet, CONFIG_NAME_MAX),
    CYAML_FIELD_UINT("replicas", MAY, struct config_store, replicas),
    CYAML_FIELD_END,
};

static const cyaml_strval_t takeovers[] = {{"normal", CONFIG_TAKEOVER_NORMAL},
                                           {"strict", CONFIG_TAKEOVER_STRICT}};

static const cyaml_schema_field_t fleet_fields[] = {
    CYAML_FIELD_UINT("node", MUST, struct config_fleet, node),
    TEXT_FIELD("address", MUST, struct config_fleet, address, TEXT_MAX),
    TEXT_FIELD("site", MAY, struct config_fleet, site, FLEET_SITE_BYTES - 1),
    CYAML_FIELD_UINT("weight", MAY, struct config_fleet, weight),
    CYAML_FIELD_UINT("mtu", MAY, struct config_fleet, mtu),
    CYAML_FIELD_UINT("port", MAY, struct config_fleet, port),
    TEXT_FIELD("lease", MAY, struct config_fleet, lease, 32),
    TEXT_FIELD("heartbeat", MAY, struct config_fleet, heartbeat, 32),
    CYAML_FIELD_UINT("takes_per_s", MAY, struct config_fleet, takes_per_s),
    CYAML_FIELD_UINT("gives_per_s", MAY, struct config_fleet, gives_per_s),
    CHOICE_FIELD("takeover", MAY, struct config_fleet, takeover, takeovers),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
    CYAML_FIELD_UINT("sessions", MAY, struct config_limits, sessions),
    CYAML_FIELD_UINT("half_open", MAY, struct config_limits, half_open),
    CYAML_FIELD_UINT("half_open_per_address", MAY, struct config_limits, half_open_per_address),
    CYAML_FIELD_UINT("cookie_threshold", MAY, struct config_limits, cookie_threshold),
    CYAML_FIELD_END,
};

static const cyaml_strval_t steering_modes[] = {
    {"auto", CONFIG_STEERING_AUTO}, {"native", CONFIG_STEERING_NATIVE}, {"generic", CONFIG_STEERING_GENERIC}};

static const cyaml_schema_field_t node_fields[] = {
    CYAML_FIELD_UINT("id", MUST, struct config_node, id),
    TEXT_FIELD("address", MUST, struct config_node, address, TEXT_MAX),
    CYAML_FIELD_UINT("weight", MAY, struct config_node, weight),
    CYAML_FIELD_UINT("mtu", MAY, struct config_node, mtu),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t node_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_node, node_fields)};

#define RATE_FIELD(member) CYAML_FIELD_UINT(#member, MAY, struct config_rates, member)
static const cyaml_schema_field_t rates_fields[] = {
    RATE_FIELD(first_per_source),
    RATE_FIELD(proven_per_source),
    RATE_FIELD(cookies_per_source),
    RATE_FIELD(ike_per_session),
    RATE_FIELD(fragments_per_source),
    RATE_FIELD(icmp_per_source),
    RATE_FIELD(esp_per_shard),
    RATE_FIELD(esp_per_node),
    RATE_FIELD(ike_per_node),
    RATE_FIELD(fragments),
    RATE_FIELD(other_versions),
    RATE_FIELD(too_big),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t steering_fields[] = {
    LIST_FIELD("interfaces", MAY, struct config_steering, interfaces, text_entry, 0, CONFIG_INTERFACES_MAX),
    CHOICE_FIELD("mode", MAY, struct config_steering, mode, steering_modes),
    TEXT_FIELD("pins", MAY, struct config_steering, pins, 255),
    CYAML_FIELD_UINT("node", MAY, struct config_steering, node),
    LIST_FIELD("nodes", MAY, struct config_steering, nodes, node_entry, 0, CONFIG_NODES_MAX),
    CYAML_FIELD_UINT("hop_port", MAY, struct config_steering, hop_port),
    CYAML_FIELD_UINT("table_version", MAY, struct config_steering, table_version),
    CYAML_FIELD_UINT("key_epoch", MAY, struct config_steering, key_epoch),
    CYAML_FIELD_MAPPING("rates", MAY, struct config_steering, rates, rates_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t identity_fields[] = {
    TEXT_FIELD("id", MUST, struct config_identity, id, IKE_ID_BYTES_MAX),
    TEXT_FIELD("certificate", MAY, struct config_identity, certificate, PATH_MAX_BYTES),
    TEXT_FIELD("key", MAY, struct config_identity, key, PATH_MAX_BYTES),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t identity_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_identity, identity_fields)};

static const cyaml_schema_field_t pool_fields[] = {
    TEXT_FIELD("name", MUST, struct config_pool, name, CONFIG_NAME_MAX),
    TEXT_FIELD("ipv4", MAY, struct config_pool, ipv4, TEXT_MAX),
    TEXT_FIELD("ipv6", MAY, struct config_pool, ipv6, TEXT_MAX),
    CYAML_FIELD_BOOL("source_nat", MAY, struct config_pool, source_nat),
    LIST_FIELD("dns", MAY, struct config_pool, dns, text_entry, 0, DNS_PER_POOL_MAX),
    LIST_FIELD("domains", MAY, struct config_pool, domains, text_entry, 0, IKE_SPLIT_DNS_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t pool_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_pool, pool_fields)};

static const cyaml_schema_field_t secret_fields[] = {
    TEXT_FIELD("id", MUST, struct config_secret, id, IKE_ID_BYTES_MAX),
    TEXT_FIELD("secret_file", MAY, struct config_secret, secret_file, PATH_MAX_BYTES),
    TEXT_FIELD("secret", MAY, struct config_secret, secret, TEXT_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t secret_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_secret, secret_fields)};

static const cyaml_strval_t auths[] = {{"certificate", CONFIG_AUTH_CERTIFICATE}, {"psk", CONFIG_AUTH_PSK}};
static const cyaml_strval_t crl_policies[] = {{"if-present", CONFIG_CRL_IF_PRESENT},
                                              {"required", CONFIG_CRL_REQUIRED}};

static const cyaml_schema_field_t connection_fields[] = {
    TEXT_FIELD("name", MUST, struct config_connection, name, CONFIG_NAME_MAX),
    TEXT_FIELD("identity", MAY, struct config_connection, identity, IKE_ID_BYTES_MAX),
    CHOICE_FIELD("auth", MUST, struct config_connection, auth, auths),
    LIST_FIELD("match", MAY, struct config_connection, match, text_entry, 1, CONFIG_MATCH_MAX),
    LIST_FIELD("ca", MAY, struct config_connection, ca, path_entry, 1, CONFIG_FILES_MAX),
    LIST_FIELD("crl", MAY, struct config_connection, crl, path_entry, 0, CONFIG_FILES_MAX),
    CHOICE_FIELD("crl_policy", MAY, struct config_connection, crl_policy, crl_policies),
    LIST_FIELD("secrets", MAY, struct config_connection, secrets, secret_entry, 1, CONFIG_SECRETS_MAX),
    TEXT_FIELD("pool", MAY, struct config_connection, pool, CONFIG_NAME_MAX),
    LIST_FIELD("subnets", MAY, struct config_connection, subnets, text_entry, 1, SELECTORS_PER_CHILD_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t connection_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_connection, connection_fields)};

#define PROPOSAL_LIST(member)                                                                                \
    LIST_FIELD(#member, MAY, struct config_proposal, member, text_entry, 1, CONFIG_TRANSFORMS_MAX)
static const cyaml_schema_field_t ike_fields[] = {PROPOSAL_LIST(encryption), PROPOSAL_LIST(integrity),
                                                  PROPOSAL_LIST(prf), PROPOSAL_LIST(groups), CYAML_FIELD_END};
static const cyaml_strval_t pfs_choices[] = {
    {"allowed", CONFIG_PFS_ALLOWED}, {"required", CONFIG_PFS_REQUIRED}, {"refused", CONFIG_PFS_REFUSED}};
static const cyaml_schema_field_t esp_fields[] = {
    PROPOSAL_LIST(encryption),
    PROPOSAL_LIST(integrity),
    PROPOSAL_LIST(groups),
    CHOICE_FIELD("pfs", MAY, struct config_proposal, pfs, pfs_choices),
    TEXT_FIELD("rekey_group", MAY, struct config_proposal, rekey_group, 16),
    CYAML_FIELD_END};

static const cyaml_schema_field_t proposals_fields[] = {
    CYAML_FIELD_MAPPING("ike", MAY, struct config_proposals, ike, ike_fields),
    CYAML_FIELD_MAPPING("esp", MAY, struct config_proposals, esp, esp_fields),
    CYAML_FIELD_END,
};

#define TIMER_FIELD(member) TEXT_FIELD(#member, MAY, struct config_timers, member, 32)
static const cyaml_schema_field_t timers_fields[] = {
    TIMER_FIELD(half_open),
    TIMER_FIELD(dpd),
    TIMER_FIELD(retransmit),
    CYAML_FIELD_UINT("retries", MAY, struct config_timers, retries),
    TIMER_FIELD(response_keep),
    TIMER_FIELD(ike_lifetime),
    TIMER_FIELD(child_lifetime),
    TIMER_FIELD(child_rekey),
    TIMER_FIELD(ike_rekey),
    TIMER_FIELD(childless),
    TIMER_FIELD(auth_lifetime),
    TIMER_FIELD(child_rekey_bytes),
    TIMER_FIELD(child_rekey_packets),
    TIMER_FIELD(child_lifetime_bytes),
    TIMER_FIELD(child_lifetime_packets),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t mobike_fields[] = {
    CYAML_FIELD_BOOL("trust_addresses", MAY, struct config_mobike, trust_addresses),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t resumption_fields[] = {
    TEXT_FIELD("lifetime", MAY, struct config_resumption, lifetime, 32),
    CHOICE_FIELD("on_store_failure", MAY, struct config_resumption, on_store_failure, store_failures),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t redirect_fields[] = {
    TEXT_FIELD("to", MUST, struct config_redirect, to, CONFIG_REDIRECT_MAX),
    CYAML_FIELD_BOOL("sessions", MAY, struct config_redirect, sessions),
    CYAML_FIELD_END,
};

static const cyaml_strval_t log_levels[] = {{"debug", CONFIG_LOG_DEBUG},
                                            {"info", CONFIG_LOG_INFO},
                                            {"warning", CONFIG_LOG_WARNING},
                                            {"error", CONFIG_LOG_ERROR}};
static const cyaml_schema_field_t log_fields[] = {
    TEXT_FIELD("file", MAY, struct config_log, file, 255),
    CHOICE_FIELD("level", MAY, struct config_log, level, log_levels),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t metrics_fields[] = {
    TEXT_FIELD("listen", MUST, struct config_metrics, listen, TEXT_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t control_fields[] = {
    TEXT_FIELD("socket", MAY, struct config_control, socket, 107), /* sun_path */
    TEXT_FIELD("group", MAY, struct config_control, group, 32),
    CYAML_FIELD_END,
};

#include "edge/ops/schema_bgp.h"

static const cyaml_schema_field_t config_fields[] = {
    CYAML_FIELD_MAPPING("listen", MUST, struct config, listen, listen_fields),
    TEXT_FIELD("workers", MAY, struct config, workers, 8),
    CYAML_FIELD_UINT("shard_bits", MAY, struct config, shard_bits),
    CYAML_FIELD_MAPPING("plane", MAY, struct config, plane, plane_fields),
    CYAML_FIELD_MAPPING("store", MAY, struct config, store, store_fields),
    TEXT_FIELD("fleet_key", MAY, struct config, fleet_key, PATH_MAX_BYTES),
    CYAML_FIELD_MAPPING("limits", MAY, struct config, limits, limits_fields),
    CYAML_FIELD_MAPPING("steering", MAY, struct config, steering, steering_fields),
    CYAML_FIELD_MAPPING("fleet", MAY, struct config, fleet, fleet_fields),
    CYAML_FIELD_MAPPING("bgp", MAY, struct config, bgp, bgp_fields),
    LIST_FIELD("identities", MUST, struct config, identities, identity_entry, 1, CONFIG_IDENTITIES_MAX),
    LIST_FIELD("pools", MAY, struct config, pools, pool_entry, 0, POOLS_MAX),
    LIST_FIELD("connections", MUST, struct config, connections, connection_entry, 1, CONFIG_CONNECTIONS_MAX),
    CYAML_FIELD_MAPPING("proposals", MAY, struct config, proposals, proposals_fields),
    CYAML_FIELD_MAPPING("timers", MAY, struct config, timers, timers_fields),
    CYAML_FIELD_MAPPING("mobike", MAY, struct config, mobike, mobike_fields),
    CYAML_FIELD_BOOL("childless", MAY, struct config, childless),
    CYAML_FIELD_MAPPING("resumption", MAY, struct config, resumption, resumption_fields),
    CYAML_FIELD_BOOL("crash_detection", MAY, struct config, crash_detection),
    CYAML_FIELD_BOOL("message_id_sync", MAY, struct config, message_id_sync),
    CYAML_FIELD_MAPPING("redirect", MAY, struct config, redirect, redirect_fields),
    CYAML_FIELD_MAPPING("log", MAY, struct config, log, log_fields),
    CYAML_FIELD_MAPPING("metrics", MAY, struct config, metrics, metrics_fields),
    CYAML_FIELD_MAPPING("control", MAY, struct config, control, control_fields),
    TEXT_FIELD("user", MAY, struct config, user, 32),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_fields)};

const cyaml_config_t *config_cyaml(void)
{
    static const cyaml_config_t config = {
        .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR, .flags = CYAML_CFG_NO_ALIAS};
    return &config;
}

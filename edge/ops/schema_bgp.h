/* The shape of the section `bgp`; a part of config_schema.c. */
#pragma once

static const cyaml_strval_t bgp_roles[] = {{"transit", CONFIG_BGP_TRANSIT}, {"inner", CONFIG_BGP_INNER}};
static const cyaml_strval_t bgp_accepts[] = {
    {"none", CONFIG_BGP_ACCEPT_NONE}, {"default", CONFIG_BGP_ACCEPT_DEFAULT}, {"all", CONFIG_BGP_ACCEPT_ALL}};

static const cyaml_schema_field_t bgp_neighbour_fields[] = {
    TEXT_FIELD("address", MUST, struct config_bgp_neighbour, address, TEXT_MAX),
    CYAML_FIELD_UINT("asn", MUST, struct config_bgp_neighbour, asn),
    CHOICE_FIELD("role", MUST, struct config_bgp_neighbour, role, bgp_roles),
    CHOICE_FIELD("accept", MAY, struct config_bgp_neighbour, accept, bgp_accepts),
    TEXT_FIELD("password_file", MAY, struct config_bgp_neighbour, password_file, PATH_MAX_BYTES),
    CYAML_FIELD_BOOL("bfd", MAY, struct config_bgp_neighbour, bfd),
    CYAML_FIELD_UINT("hops", MAY, struct config_bgp_neighbour, hops),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t bgp_neighbour_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_bgp_neighbour, bgp_neighbour_fields)};

static const cyaml_schema_field_t bgp_frr_fields[] = {
    TEXT_FIELD("sockets", MAY, struct config_bgp_frr, sockets, 80),
    TEXT_FIELD("group", MAY, struct config_bgp_frr, group, 32),
    CYAML_FIELD_BOOL("generate", MAY, struct config_bgp_frr, generate),
    CYAML_FIELD_END,
};

#define BGP_TIMER(member) TEXT_FIELD(#member, MAY, struct config_bgp_timers, member, 32)
static const cyaml_schema_field_t bgp_timers_fields[] = {
    BGP_TIMER(keepalive),
    BGP_TIMER(hold),
    BGP_TIMER(connect),
    BGP_TIMER(bfd),
    CYAML_FIELD_UINT("bfd_multiplier", MAY, struct config_bgp_timers, bfd_multiplier),
    CYAML_FIELD_END,
};

#define BGP_HEALTH(member) TEXT_FIELD(#member, MAY, struct config_bgp_health, member, 32)
static const cyaml_schema_field_t bgp_health_fields[] = {
    CYAML_FIELD_UINT("rise", MAY, struct config_bgp_health, rise),
    CYAML_FIELD_UINT("fall", MAY, struct config_bgp_health, fall),
    CYAML_FIELD_UINT("jitter", MAY, struct config_bgp_health, jitter),
    BGP_HEALTH(rise_interval),
    BGP_HEALTH(fall_interval),
    BGP_HEALTH(hold_down),
    BGP_HEALTH(hold_down_max),
    BGP_HEALTH(drain_settle),
    BGP_HEALTH(drain_max),
    BGP_HEALTH(stall),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t bgp_fields[] = {
    CYAML_FIELD_UINT("asn", MUST, struct config_bgp, asn),
    TEXT_FIELD("router_id", MUST, struct config_bgp, router_id, TEXT_MAX),
    LIST_FIELD("prefixes", MUST, struct config_bgp, prefixes, text_entry, 1, CONFIG_BGP_PREFIXES_MAX),
    LIST_FIELD("neighbours", MUST, struct config_bgp, neighbours, bgp_neighbour_entry, 1,
               CONFIG_BGP_NEIGHBOURS_MAX),
    LIST_FIELD("uplinks", MAY, struct config_bgp, uplinks, text_entry, 0, CONFIG_BGP_UPLINKS_MAX),
    TEXT_FIELD("interface", MAY, struct config_bgp, interface, 15),
    CYAML_FIELD_UINT("prepend", MAY, struct config_bgp, prepend),
    CYAML_FIELD_MAPPING("frr", MAY, struct config_bgp, frr, bgp_frr_fields),
    CYAML_FIELD_MAPPING("timers", MAY, struct config_bgp, timers, bgp_timers_fields),
    CYAML_FIELD_MAPPING("health", MAY, struct config_bgp, health, bgp_health_fields),
    CYAML_FIELD_END,
};

/* What is wrong with a config is said with its place and in words. Every key of the schema is wrong once at
 * least. */
#include "tests/unit/ops/fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct bad {
    const char *from, *to; /* in full_config */
    const char *finding;   /* one of the lines */
};

static void row_check(const char *good, const struct bad *row)
{
    struct config_errors *errors = errors_new();
    struct config *config;
    char wanted[600];
    const char *text = text_replace(good, row->from, row->to);

    cr_assert(!config_parse("c.yaml", span_of_string(text), &config, errors), "%s is taken", row->to);
    cr_assert_null(config);
    (void)snprintf(wanted, sizeof(wanted), "c.yaml:%s\n", row->finding);
    const char *found = findings_of(errors);
    cr_assert_not_null(strstr(found, wanted), "wanted: %sfound:  %s", wanted, found);
}

static void rows_check(const struct bad *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        row_check(full_config, &rows[i]);
    }
}

static const struct bad keys_and_types_rows[] = {
    {"  assign: lo", "  asign: lo", "3:3: listen: unknown key 'asign'; did you mean 'assign'?"},
    {"workers: 2", "wokrers: 2", "6:1: unknown key 'wokrers'; did you mean 'workers'?"},
    {"user: root", "frobnicate: 1",
     "63:1: unknown key 'frobnicate'; known here: listen, workers, shard_bits, plane, store, fleet_key, "
     "limits, steering, fleet, bgp, "
     "identities, pools, connections, proposals, timers, mobike, childless, resumption, crash_detection, "
     "message_id_sync, redirect, log, metrics, control, user"},
    {"    pool: people", "    Pool: people",
     "38:5: connections[0]: unknown key 'Pool'; did you mean 'pool'?"},
    {"    secrets:\n      - id: alice", "    secrets:\n      - di: alice",
     "44:9: connections[1].secrets[0]: unknown key 'di'; did you mean 'id'?"},
    {"secrets:\n      - id: alice", "secrets:\n      - di: alice",
     "44:9: connections[1].secrets[0].id: missing"},
    {"esp: {encryption", "esp: {prf: [sha256], encryption",
     "51:9: proposals.esp: unknown key 'prf'; did you mean 'pfs'?"},
    {"  addresses: [198.51.100.1, \"2001:db8::1\"]\n", "", "1:1: listen.addresses: missing"},
    {"listen:\n  addresses: [198.51.100.1, \"2001:db8::1\"]\n  assign: lo\n  ike_port: 500\n  natt_port: "
     "4500\n",
     "listen: 198.51.100.1\n", "1:9: listen: expected a group of keys, found a single value"},
    {"[198.51.100.1, \"2001:db8::1\"]", "198.51.100.1",
     "2:14: listen.addresses: expected a list, found a single value"},
    {"[198.51.100.1, \"2001:db8::1\"]", "[]", "2:14: listen.addresses: the list is empty"},
    {"[198.51.100.1, \"2001:db8::1\"]", "[{a: b}]",
     "2:15: listen.addresses[0]: expected a text, found a group of keys"},
    {"[198.51.100.1, \"2001:db8::1\"]", "[\"\"]", "2:15: listen.addresses[0]: the text is empty"},
    {"  assign: lo", "  assign:", "3:3: listen.assign: expected a text, found nothing"},
    {"  assign: lo", "  assign: averylonginterface", "3:11: listen.assign: longer than 15 characters"},
    {"ike_port: 500", "ike_port: 0x1f4", "4:13: listen.ike_port: '0x1f4' is not a number"},
    {"ike_port: 500", "ike_port: 0500", "4:13: listen.ike_port: '0500' is not a number"},
    {"natt_port: 4500", "natt_port: 65536", "5:14: listen.natt_port: 65536 is too large"},
    {"natt_port: 4500", "natt_port: -1", "5:14: listen.natt_port: '-1' is not a number"},
    {"natt_port: 4500", "natt_port: 99999999999999999999999",
     "5:14: listen.natt_port: 99999999999999999999999 is too large"},
    {"workers: 2", "workers: [2]", "6:10: workers: expected a text, found a list"},
    {"shard_bits: 4", "shard_bits: four", "7:13: shard_bits: 'four' is not a number"},
    {"type: user", "type: kernel", "8:15: plane.type: 'kernel' is not one of auto, user or xfrm"},
    {"mtu: 1400", "mtu: ~", "8:26: plane.mtu: expected a number, found nothing"},
    {"interface: hf1", "interface: [hf1]", "8:43: plane.interface: expected a text, found a list"},
    {"type: lmdb", "type: sqlite", "10:9: store.type: 'sqlite' is not one of lmdb, memory or valkey"},
    {"  path: store", "  path: {a: b}", "11:9: store.path: expected a text, found a group of keys"},
    {"size_mb: 64", "size_mb: 64MB", "12:12: store.size_mb: '64MB' is not a number"},
    {"on_failure: refuse", "on_failure: panic",
     "13:15: store.on_failure: 'panic' is not one of accept or refuse"},
    {"fleet_key: fleet.key", "fleet_key: [a]", "14:12: fleet_key: expected a text, found a list"},
    {"sessions: 100", "sessions: lots", "15:20: limits.sessions: 'lots' is not a number"},
    {"half_open: 50", "half_open: 1.5", "15:36: limits.half_open: '1.5' is not a number"},
    {"cookie_threshold: 9", "cookie_threshold: []",
     "15:58: limits.cookie_threshold: expected a number, found a list"},
    {"    source_nat: true", "    source_nat: yes",
     "25:17: pools[0].source_nat: 'yes' is neither true nor false"},
    {"    dns: [10.0.0.53]", "    dns: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4, 1.1.1.5]",
     "26:10: pools[0].dns: 5 entries, at most 4 are possible"},
    {"    domains: [corp.example]", "    domains: corp.example",
     "27:14: pools[0].domains: expected a list, found a single value"},
    {"    auth: psk\n", "", "40:5: connections[1].auth: missing"},
    {"auth: psk", "auth: eap", "42:11: connections[1].auth: 'eap' is not one of certificate or psk"},
    {"crl_policy: required", "crl_policy: maybe",
     "37:17: connections[0].crl_policy: 'maybe' is not one of if-present or required"},
    {"level: debug", "level: loud", "60:32: log.level: 'loud' is not one of debug, info, warning or error"},
    {"metrics: {listen: \"[::1]:9500\"}", "metrics: {}", "61:1: metrics.listen: missing"},
    {"retries: 4", "retries: few", "56:12: timers.retries: 'few' is not a number"},
};

Test(config_bad, keys_and_types)
{
    rows_check(keys_and_types_rows, HF_COUNT(keys_and_types_rows));
}

static const struct bad steering_rows[] = {
    {"user: root", "steering: {interfaces: [a/b]}",
     "63:25: steering.interfaces[0]: 'a/b' is not the name of an interface"},
    {"user: root", "steering: {interfaces: [e0, e0]}", "63:29: steering.interfaces[1]: e0 is there already"},
    {"user: root", "steering: {mode: fast}",
     "63:18: steering.mode: 'fast' is not one of auto, native or generic"},
    {"user: root", "steering: {key_epoch: 0}",
     "63:23: steering.key_epoch: 0 is not between 1 and 4294967294"},
    {"user: root", "steering: {rates: {fragments: many}}",
     "63:31: steering.rates.fragments: 'many' is not a number"},
    {"user: root", "steering: {node: 3, nodes: [{id: 1, address: 203.0.113.2}]}",
     "63:18: steering.node: node 3, which this is, is not among the nodes"},
    {"user: root", "steering: {nodes: [{id: 1, address: nowhere}]}",
     "63:37: steering.nodes[0].address: 'nowhere' is not an IP address"},
    {"user: root", "steering: {nodes: [{id: 1, address: 198.51.100.1}]}",
     "63:37: steering.nodes[0].address: 198.51.100.1 is one of listen.addresses, which all nodes have"},
    {"user: root", "steering: {nodes: [{id: 1, address: 203.0.113.2}, {id: 1, address: 203.0.113.6}]}",
     "63:56: steering.nodes[1].id: there is another node 1"},
    {"user: root", "steering: {nodes: [{id: 1, address: 203.0.113.2}, {id: 2, address: 203.0.113.2}]}",
     "63:68: steering.nodes[1].address: node 1 has 203.0.113.2, too"},
    {"user: root", "steering: {nodes: [{id: 1, address: 203.0.113.2}, {id: 2, address: \"2001:db8::2\"}]}",
     "63:68: steering.nodes[1].address: nodes have either IPv4 or IPv6 addresses"},
    {"user: root", "steering: {nodes: [{id: 1, address: 203.0.113.2, mtu: 900}]}",
     "63:55: steering.nodes[0].mtu: 900 is below 1344"},
};

Test(config_bad, steering)
{
    rows_check(steering_rows, HF_COUNT(steering_rows));
}

static const struct bad fleet_rows[] = {
    {"user: root", "fleet: {node: 1, address: 203.0.113.2}",
     "63:8: fleet: a fleet needs a store that its nodes share: store.type valkey"},
    {"type: lmdb", "type: valkey", "10:9: store.type: valkey is for fleets: a section fleet is missing"},
    {"size_mb: 64", "servers: [\"10.0.0.5:6379\"]",
     "12:12: store.servers: only a store of type valkey has this"},
    {"size_mb: 64", "fleet: east", "12:10: store.fleet: only a store of type valkey has this"},
};

Test(config_bad, fleet_and_store_go_together)
{
    rows_check(fleet_rows, HF_COUNT(fleet_rows));
}

static const char fleet_config[] =
    "listen: {addresses: [198.51.100.1]}\n"                                                       /* 1 */
    "fleet_key: fleet.key\n"                                                                      /* 2 */
    "store: {type: valkey, servers: [\"10.0.0.5:6379\"], replicas: 1, tls: {ca: ca.pem}}\n"       /* 3 */
    "fleet: {node: 7, address: 203.0.113.2, site: fra, weight: 2, lease: 2s, heartbeat: 200ms}\n" /* 4 */
    "steering: {interfaces: [eth0]}\n"                                                            /* 5 */
    "identities: [{id: a.example}]\n"                                                             /* 6 */
    "connections: [{name: c, auth: psk, secrets: [{id: \"*\", secret: s3cret}]}]\n";              /* 7 */

static const struct bad fleet_value_rows[] = {
    {"fleet_key: fleet.key\n", "",
     "3:8: fleet: fleet_key is missing: all nodes have the same, made by `holdfast pki fleet-key FILE`"},
    {"[\"10.0.0.5:6379\"]", "[store.example]",
     "3:33: store.servers[0]: 'store.example' is not an address and port, like 10.0.0.5:6379 or "
     "[fd00::5]:6379"},
    {"servers: [\"10.0.0.5:6379\"], ", "",
     "3:1: store.servers: missing: the servers of the store, like 10.0.0.5:6379"},
    {"replicas: 1", "replicas: 17", "3:61: store.replicas: 17 is not between 0 and 16"},
    {"replicas: 1", "user: edge", "3:57: store.user: user needs password_file beside it"},
    {"replicas: 1", "fleet: \"a b\"",
     "3:58: store.fleet: 'a b' has more than letters, digits, '-', '_' and '.'"},
    {"{ca: ca.pem}", "{ca: ca.pem, key: k.pem}", "3:87: store.tls.key: certificate and key go together"},
    {"{ca: ca.pem}", "{name: a}", "3:64: store.tls.ca: missing"},
    {"node: 7", "node: 0", "4:15: fleet.node: 0 is not between 1 and 1023"},
    {"node: 7, ", "", "4:1: fleet.node: missing"},
    {"203.0.113.2", "somewhere",
     "4:27: fleet.address: 'somewhere' is not an IP address that other nodes can reach"},
    {"203.0.113.2", "198.51.100.1",
     "4:27: fleet.address: 198.51.100.1 is one of listen.addresses, which all nodes have"},
    {"site: fra", "site: \"f ra\"",
     "4:46: fleet.site: 'f ra' has more than letters, digits, '-', '_' and '.'"},
    {"weight: 2", "weight: 0", "4:59: fleet.weight: 0 is not between 1 and 1000"},
    {"lease: 2s", "lease: 2", "4:69: fleet.lease: '2' is not a duration; write it like 100ms or 1s"},
    {"lease: 2s", "lease: 1m", "4:69: fleet.lease: 1m is not between 300ms and 30s"},
    {"heartbeat: 200ms", "heartbeat: 500ms",
     "4:84: fleet.heartbeat: a lease (2s) must have time for 5 heartbeats (500ms)"},
    {"weight: 2", "takeover: maybe", "4:61: fleet.takeover: 'maybe' is not one of normal or strict"},
    {"weight: 2", "port: 4501", "4:57: fleet.port: port and steering.hop_port are both 4501"},
    {"{interfaces: [eth0]}", "{node: 7}",
     "5:18: steering.node: in a fleet this comes from the store; take it out"},
    {"{interfaces: [eth0]}", "{nodes: [{id: 7, address: 203.0.113.2}]}",
     "5:19: steering.nodes: in a fleet this comes from the store; take it out"},
};

Test(config_bad, fleet_values)
{
    for (size_t i = 0; i < HF_COUNT(fleet_value_rows); i++) {
        row_check(fleet_config, &fleet_value_rows[i]);
    }
}

static const char bgp_config[] =
    "listen: {addresses: [198.51.100.1, \"2001:db8:1::1\"]}\n"         /* 1 */
    "bgp:\n"                                                           /* 2 */
    "  asn: 64501\n"                                                   /* 3 */
    "  router_id: 203.0.113.2\n"                                       /* 4 */
    "  prefixes: [198.51.100.0/24, \"2001:db8:1::/48\"]\n"             /* 5 */
    "  neighbours:\n"                                                  /* 6 */
    "    - {address: 203.0.113.1, asn: 64500, role: transit}\n"        /* 7 */
    "    - {address: 10.0.0.1, asn: 64501, role: inner, bfd: false}\n" /* 8 */
    "  uplinks: [eth1]\n"                                              /* 9 */
    "identities: [{id: a.example}]\n"
    "connections: [{name: c, auth: psk, secrets: [{id: \"*\", secret: s3cret}]}]\n";

static const struct bad bgp_rows[] = {
    {"asn: 64501\n", "asn: 0\n", "3:8: bgp.asn: 0 is not between 1 and 4294967294"},
    {"  asn: 64501\n", "", "2:1: bgp.asn: missing"},
    {"router_id: 203.0.113.2", "router_id: \"::1\"",
     "4:14: bgp.router_id: '::1' is not written like an IPv4 address"},
    {"198.51.100.0/24", "198.51.100.1/24",
     "5:14: bgp.prefixes[0]: 198.51.100.1/24 has host bits set; did you mean 198.51.100.0/24?"},
    {"198.51.100.0/24", "198.51.100.1/32",
     "5:14: bgp.prefixes[0]: 198.51.100.1/32 is one address: announce the network that it is in (a host "
     "route "
     "would compete with the address itself)"},
    {"198.51.100.0/24", "198.51.101.0/24",
     "5:14: bgp.prefixes[0]: 198.51.101.0/24 has none of listen.addresses: what it attracts could not be "
     "served"},
    {"198.51.100.0/24, \"2001:db8:1::/48\"", "198.51.100.0/24, 198.51.0.0/16",
     "5:31: bgp.prefixes[1]: 198.51.0.0/16 overlaps with 198.51.100.0/24"},
    {"role: transit", "role: peer", "7:48: bgp.neighbours[0].role: 'peer' is not one of transit or inner"},
    {"role: transit", "role: inner",
     "7:5: bgp.neighbours: none has the role transit: nobody would hear of the prefixes"},
    {"address: 203.0.113.1,", "address: 203.0.113.1; no router bgp 1,",
     "7:17: bgp.neighbours[0].address: '203.0.113.1; no router bgp 1' is not the IP address of a neighbour"},
    {"address: 203.0.113.1,", "address: 198.51.100.7,",
     "7:17: bgp.neighbours[0].address: 198.51.100.7 is in a prefix that we announce"},
    {"10.0.0.1", "203.0.113.1", "8:17: bgp.neighbours[1].address: 203.0.113.1 is there already"},
    {"bfd: false", "hops: 256", "8:58: bgp.neighbours[1].hops: 256 is not between 1 and 255"},
    {"uplinks: [eth1]", "uplinks: [a/b]", "9:13: bgp.uplinks[0]: 'a/b' is not the name of an interface"},
    {"uplinks: [eth1]", "prepend: 11", "9:12: bgp.prepend: 11 is not between 0 and 10"},
    {"uplinks: [eth1]", "frr: {sockets: frr}", "9:18: bgp.frr.sockets: 'frr' is not an absolute path"},
    {"uplinks: [eth1]", "timers: {hold: 5s}",
     "9:11: bgp.timers: hold (5s) must be at least three times keepalive (3s)"},
    {"uplinks: [eth1]", "timers: {bfd: 10ms}", "9:17: bgp.timers.bfd: 10ms is not between 50ms and 1m"},
    {"uplinks: [eth1]", "health: {hold_down: 1h}",
     "9:23: bgp.health.hold_down: 1h is above hold_down_max (15m)"},
    {"uplinks: [eth1]", "health: {fall: 0}", "9:18: bgp.health.fall: 0 is not between 1 and 100"},
    {"uplinks: [eth1]", "health: {stall: soon}",
     "9:19: bgp.health.stall: 'soon' is not a duration; write it like 300ms, 5s or 15m"},
};

Test(config_bad, bgp)
{
    for (size_t i = 0; i < HF_COUNT(bgp_rows); i++) {
        row_check(bgp_config, &bgp_rows[i]);
    }
}

static const struct bad syntax_rows[] = {
    {"workers: 2", "workers: 2\nworkers: 3", "7:1: the key 'workers' stands here twice"},
    {"workers: 2", "workers: &w 2", "6:10: anchors and aliases are not supported"},
    {"workers: 2", "workers: *w", "6:10: anchors and aliases are not supported"},
    {"workers: 2", "[a]: 2", "6:1: a key must be a text"},
    {"workers: 2", "---\nworkers: 2", "6:1: a second document in the file"},
    {"workers: 2", "workers: 2\n\tx: 3",
     "7:1: found a tab character that violates indentation while scanning a plain scalar"},
    {"  natt_port: 4500", " natt_port: 4500", "5:2: did not find expected key while parsing a block mapping"},
    {"workers: 2", "workers: \"a\\0b\"", "6:10: a text holds a zero byte"},
};

Test(config_bad, syntax)
{
    rows_check(syntax_rows, HF_COUNT(syntax_rows));
}

static const struct bad networks_rows[] = {
    {"type: user", "type: xfrm", "8:15: plane.type: this version has no kernel data plane; use user or auto"},
    {"198.51.100.1,", "198.51.100.256,", "2:15: listen.addresses[0]: '198.51.100.256' is not an IP address"},
    {"\"2001:db8::1\"", "198.51.100.1", "2:29: listen.addresses[1]: 198.51.100.1 is there already"},
    {"natt_port: 4500", "natt_port: 500", "5:14: listen.natt_port: ike_port and natt_port are the same"},
    {"ike_port: 500", "ike_port: 0", "4:13: listen.ike_port: 0 is not between 1 and 65535"},
    {"workers: 2", "workers: 17", "6:10: workers: 17 is not between 1 and 16"},
    {"workers: 2", "workers: many", "6:10: workers: 'many' is neither auto nor a number"},
    {"shard_bits: 4", "shard_bits: 3", "7:13: shard_bits: 3 is not between 4 and 14"},
    {"mtu: 1400", "mtu: 1000", "8:26: plane.mtu: 1000 is not between 1280 and 9000"},
    {"size_mb: 64", "size_mb: 1", "12:12: store.size_mb: 1 is not between 16 and 1048576"},
    {"sessions: 100", "sessions: 0", "15:20: limits.sessions: 0 is not between 1 and 4000000"},
    {"half_open: 50", "half_open: 5", "15:36: limits.half_open: 5 is not between 16 and 1000000"},
    {"cookie_threshold: 9", "cookie_threshold: 51",
     "15:58: limits.cookie_threshold: 51 is above half_open (50): it would never be reached"},
    {"10.9.0.0/22", "10.9.0.1/22",
     "23:11: pools[0].ipv4: 10.9.0.1/22 has host bits set; did you mean 10.9.0.0/22?"},
    {"10.9.0.0/22", "10.9.0.0/33",
     "23:11: pools[0].ipv4: '10.9.0.0/33' needs a prefix length from /0 to /32"},
    {"10.9.0.0/22", "10.9.0.0", "23:11: pools[0].ipv4: '10.9.0.0' needs a prefix length from /0 to /32"},
    {"10.9.0.0/22", "10.9/22", "23:11: pools[0].ipv4: '10.9/22' is not an IP prefix"},
    {"10.9.0.0/22", "2001:db8:7::/64", "23:11: pools[0].ipv4: 2001:db8:7::/64 is not an IPv4 prefix"},
    {"10.9.0.0/22", "10.9.0.0/28",
     "23:11: pools[0].ipv4: 10.9.0.0/28 is too small to give each of 16 shards (shard_bits: 4) "
     "addresses; use a /26 or "
     "larger"},
    {"shard_bits: 4", "shard_bits: 10",
     "23:11: pools[0].ipv4: 10.9.0.0/22 is too small to give each of 1024 shards (shard_bits: 10) "
     "addresses; use a /20 "
     "or larger"},
    {"2001:db8:9::/64", "10.8.0.0/16", "24:11: pools[0].ipv6: 10.8.0.0/16 is not an IPv6 prefix"},
    {"2001:db8:9::/64", "\"::/0\"", "24:11: pools[0].ipv6: ::/0 cannot be a pool"},
    {"10.9.8.0/24", "10.9.2.0/24", "29:11: pools[1].ipv4: 10.9.2.0/24 overlaps with pool 'people'"},
    {"10.9.8.0/24", "198.51.100.0/24",
     "29:11: pools[1].ipv4: 198.51.100.0/24 contains our own address 198.51.100.1"},
    {"    ipv4: 10.9.8.0/24\n", "", "28:5: pools[1]: the pool has neither ipv4 nor ipv6"},
    {"- name: machines", "- name: people", "28:11: pools[1].name: there is another pool 'people'"},
    {"- name: machines", "- name: my machines",
     "28:11: pools[1].name: 'my machines' has more than letters, digits, '-', '_' and '.'"},
    {"[10.0.0.53]", "[dns.example]", "26:11: pools[0].dns[0]: 'dns.example' is not an IP address"},
    {"[corp.example]", "[\"*.corp.example\"]",
     "27:15: pools[0].domains[0]: '*.corp.example' is not a domain name"},
    {"    dns: [10.0.0.53]\n", "", "26:14: pools[0].domains: domains need at least one server under dns"},
    {"\"[::1]:9500\"", "9500",
     "61:19: metrics.listen: '9500' is not an address and port, like 127.0.0.1:9500 or [::1]:9500"},
    {"\"[::1]:9500\"", "127.0.0.1:0",
     "61:19: metrics.listen: '127.0.0.1:0' is not an address and port, like 127.0.0.1:9500 or "
     "[::1]:9500"},
};

Test(config_bad, networks)
{
    rows_check(networks_rows, HF_COUNT(networks_rows));
}

static const struct bad mobility_rows[] = {
    {"{trust_addresses: true}", "{}\nresumption: {lifetime: 2d}",
     "65:24: resumption.lifetime: 2d is not between 10s and 1d, or never"},
    {"{trust_addresses: true}", "{}\nresumption: {lifetime: 5}",
     "65:24: resumption.lifetime: '5' is not a duration; write it like 30m, 8h, 1d, or never"},
    {"{trust_addresses: true}", "{}\nredirect: {sessions: true}", "65:1: redirect.to: missing"},
    {"{trust_addresses: true}", "{}\nredirect: {to: \"*.example.net\"}",
     "65:16: redirect.to: '*.example.net' is neither an IP address nor a name"},
    {"{trust_addresses: true}", "{}\nredirect: {to: 198.51.100.1}",
     "65:16: redirect.to: 198.51.100.1 is one of listen.addresses: clients would come back"},
};

Test(config_bad, mobility)
{
    rows_check(mobility_rows, HF_COUNT(mobility_rows));
}

static const struct bad identities_and_connections_rows[] = {
    {"- id: vpn.example.net", "- id: vpn example",
     "17:9: identities[0].id: 'vpn example' is not a host name, mail "
     "address, IP address or distinguished name"},
    {"- id: psk.example.net", "- id: VPN.example.net",
     "20:9: identities[1].id: there is another identity 'VPN.example.net'"},
    {"    key: server.key\n", "", "18:18: identities[0].certificate: certificate needs key beside it"},
    {"    certificate: server.pem\n", "", "18:10: identities[0].key: key needs certificate beside it"},
    {"- name: things", "- name: staff", "40:11: connections[1].name: there is another connection 'staff'"},
    {"- name: things", "- name: \"th\\nings\"",
     "40:11: connections[1].name: 'th?ings' has more than letters, digits, '-', '_' and '.'"},
    {"identity: psk.example.net", "identity: pks.example.net",
     "41:15: connections[1].identity: there is no identity 'pks.example.net' under identities"},
    {"    identity: psk.example.net\n", "",
     "40:5: connections[1].identity: missing: there are 2 identities to choose from"},
    {"pool: machines", "pool: animals", "48:11: connections[1].pool: there is no pool 'animals' under pools"},
    {"\"*.staff.example\"", "\"*staff\"",
     "34:13: connections[0].match[0]: '*staff' is not an identity, *.domain, *@domain or *"},
    {"[10.0.0.0/8]", "[10.0.0.1/8]",
     "39:15: connections[0].subnets[0]: 10.0.0.1/8 has host bits set; did you mean 10.0.0.0/8?"},
    {"    ca: [ca.pem]\n", "",
     "31:5: connections[0].ca: missing: auth: certificate needs the CA that issues them"},
    {"    crl: [ca.crl]\n", "", "36:17: connections[0].crl_policy: required, but no file is named under crl"},
    {"    identity: vpn.example.net\n", "    identity: psk.example.net\n",
     "33:11: connections[0].auth: identity 'psk.example.net' has no certificate to show to clients"},
    {"auth: psk", "auth: certificate", "44:7: connections[1].secrets: belongs to auth: psk only"},
    {"auth: certificate", "auth: psk", "35:9: connections[0].ca: belongs to auth: certificate only"},
    {"auth: certificate", "auth: psk", "31:5: connections[0].secrets: missing: auth: psk needs at least one"},
    {"        secret_file: alice.psk\n", "",
     "44:9: connections[1].secrets[0]: needs a secret_file or secret"},
    {"secret_file: alice.psk", "secret_file: alice.psk\n        secret: abc",
     "44:9: connections[1].secrets[0]: needs only one of secret_file or secret"},
    {"- id: alice@example.net", "- id: \"alice@\"",
     "44:13: connections[1].secrets[0].id: 'alice@' is not an identity, *.domain, *@domain or *"},
};

Test(config_bad, identities_and_connections)
{
    rows_check(identities_and_connections_rows, HF_COUNT(identities_and_connections_rows));
}

static const struct bad algorithms_and_timers_rows[] = {
    {"[aes256]", "[3des]",
     "50:22: proposals.ike.encryption[0]: unknown algorithm '3des'; known here: aes256gcm, "
     "aes192gcm, aes128gcm, chacha20poly1305, aes256, aes192, aes128"},
    {"[aes256]", "[aes256, aes256]", "50:30: proposals.ike.encryption[1]: aes256 is there already"},
    {"[sha512]", "[md5]",
     "50:43: proposals.ike.integrity[0]: unknown algorithm 'md5'; known here: sha256, sha384, sha512, "
     "sha1"},
    {"[sha384]", "[aesxcbc]",
     "50:58: proposals.ike.prf[0]: unknown algorithm 'aesxcbc'; known here: sha256, sha384, sha512, "
     "sha1"},
    {"[x25519]", "[modp1024]",
     "51:43: proposals.esp.groups[0]: unknown algorithm 'modp1024'; known here: x25519, "
     "p256, p384, modp3072, modp4096, modp2048"},
    {"half_open: 10s", "half_open: 10",
     "53:14: timers.half_open: '10' is not a duration; write it like 500ms, 30s, 5m, 8h or 1d"},
    {"half_open: 10s", "half_open: never", "53:14: timers.half_open: never is not between 1s and 10m"},
    {"dpd: never", "dpd: 2d", "54:8: timers.dpd: 2d is not between 1s and 1d, or never"},
    {"retransmit: 500ms", "retransmit: 1ms", "55:15: timers.retransmit: 1ms is not between 100ms and 1m"},
    {"retries: 4", "retries: 0", "56:12: timers.retries: 0 is not between 1 and 20"},
    {"response_keep: 2m", "response_keep: 1h", "57:18: timers.response_keep: 1h is not between 1s and 10m"},
    {"ike_lifetime: 1d", "ike_lifetime: 1m", "58:17: timers.ike_lifetime: 1m is not between 5m and 30d"},
    {"child_lifetime: 2h", "child_lifetime: 1s",
     "59:19: timers.child_lifetime: 1s is not between 1m and 30d"},
    {"child_lifetime: 2h", "ike_rekey: 10ms",
     "59:14: timers.ike_rekey: 10ms is not between 1s and 30d, or never"},
    {"child_lifetime: 2h", "child_rekey_bytes: 10X",
     "59:22: timers.child_rekey_bytes: '10X' is not an amount; write it like 500M, 64G, 2T or never"},
    {"child_lifetime: 2h", "child_lifetime_bytes: 1K",
     "59:25: timers.child_lifetime_bytes: 1K is less than 1048576"},
    {"child_lifetime: 2h", "child_rekey_bytes: 256G",
     "59:22: timers.child_rekey_bytes: must be below the lifetime, at which traffic ends"},
    {"child_lifetime: 2h", "auth_lifetime: 1s",
     "59:18: timers.auth_lifetime: 1s is not between 10s and 30d, or never"},
    {"groups: [x25519]", "rekey_group: p255",
     "51:47: proposals.esp.rekey_group: 'p255' is neither same, ike, none nor a group"},
    {"groups: [x25519]", "pfs: required, rekey_group: none",
     "51:62: proposals.esp.rekey_group: none contradicts pfs: required"},
    {"child_lifetime: 2h", "child_rekey: 31d",
     "59:16: timers.child_rekey: 31d is not between 1s and 30d, or never"},
    {"child_lifetime: 2h", "child_lifetime: 999999999d",
     "59:19: timers.child_lifetime: '999999999d' is not a duration; write it like 500ms, 30s, 5m, 8h or "
     "1d"},
};

Test(config_bad, algorithms_and_timers)
{
    rows_check(algorithms_and_timers_rows, HF_COUNT(algorithms_and_timers_rows));
}

Test(config_bad, all_in_one_run)
{
    struct config_errors *errors = errors_new();
    struct config *config;
    const char *text = text_replace(full_config, "half_open: 10s", "half_open: soon");

    text = text_replace(text_keep(text), "[corp.example]", "[corp..example]");
    text = text_replace(text_keep(text), "pool: machines", "pool: animals");
    text = text_replace(text_keep(text), "integrity: [sha512]", "integrity: [sha1]");
    cr_assert(!config_parse("c.yaml", span_of_string(text), &config, errors));
    cr_assert_str_eq(
        findings_of(errors),
        "c.yaml:27:15: pools[0].domains[0]: 'corp..example' is not a domain name\n"
        "c.yaml:48:11: connections[1].pool: there is no pool 'animals' under pools\n"
        "c.yaml:50:43: warning: proposals.ike.integrity[0]: sha1 is outdated; allow it only for clients that "
        "have nothing better\n"
        "c.yaml:53:14: timers.half_open: 'soon' is not a duration; write it like 500ms, 30s, 5m, 8h or 1d\n");
    cr_assert_eq(errors->num_errors, 3);
    cr_assert_eq(errors->num_warnings, 1);
}

Test(config_bad, no_file_is_too_odd)
{
    static const struct {
        const char *text, *finding;
    } rows[] = {
        {"", "c.yaml:1:1: the file is empty\n"},
        {"# nothing\n", "c.yaml:1:1: the file is empty\n"},
        {"~\n", "c.yaml:1:1: expected a group of keys, found nothing\n"},
        {"- a\n", "c.yaml:1:1: expected a group of keys, found a list\n"},
        {"[[[[[[[[[[[[[[[[[[[[[[", "c.yaml:1:17: nested too deeply\n"},
        {"\xff\xfe\xff", NULL},
        {"a: \x01", "c.yaml:1:1: control characters are not allowed\n"},
    };
    struct config_errors *errors = errors_new();
    struct config *config;

    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        cr_assert(!config_parse("c.yaml", span_of_string(rows[i].text), &config, errors));
        cr_assert_gt(errors->num_errors, 0);
        if (rows[i].finding != NULL) {
            cr_assert_str_eq(findings_of(errors), rows[i].finding);
        }
    }
}

Test(config_bad, more_findings_than_fit)
{
    static char text[16384] = "listen: {addresses: [";
    struct config_errors *errors = errors_new();
    struct config *config;

    for (int i = 0; i < 16; i++) {
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "x%d,", i);
    }
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
                   "]}\nidentities: [{id: a}]\nconnections:\n");
    for (int i = 0; i < 60; i++) {
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " - {name: c%d, auth: psk}\n", i);
    }
    cr_assert(!config_parse("c.yaml", span_of_string(text), &config, errors));
    cr_assert_eq(errors->count, CONFIG_FINDINGS_MAX);
    cr_assert_eq(errors->num_errors, 76);
}

/* What the steering program and whoever loads it share: the verdicts, the limits, and the values of every
 * map.
 *
 * Maps, by name. The loader pins them, so that a new program continues with the state of the old one;
 * steer_control, steer_shards and steer_live can be mapped into memory (BPF_F_MMAPABLE).
 *
 * - steer_control: array of 1, struct hf_control. Small switches that may change at any time.
 *
 * - steer_config: array of 2, struct hf_config. Keys, addresses, rates. The program reads the one that
 *   control.active names. To change: write the other one whole, set `active` (one aligned 32-bit store), and
 *   leave the old one alone until every CPU has left the program (a second is plenty).
 *
 * - steer_shards: array of 2^14, one 64-bit row per shard (hf_row_make). A change is one atomic store.
 *
 * - steer_nodes: array of HF_NODES_MAX, struct hf_node.
 *
 * - steer_live: array of 64-bit words, one bit per ESP index that an SA here has: bit (shard << live_bits |
 *   index). The loader sets max_entries to 2^(shard_bits + live_bits - 6) before loading.
 *
 * - steer_budgets: array of HF_BUDGET_CELLS 64-bit cells. Token buckets by prefix and SPI, of all CPUs.
 *
 * - steer_flows: per-CPU array of HF_FLOW_CELLS. Token buckets by shard and node, for each CPU by itself.
 *
 * - steer_cpus: cpumap, by CPU, used with HF_MODE_CPUMAP. The loader sets max_entries to the possible CPUs.
 *
 * - steer_counters: per-CPU array of HF_VERDICT_COUNT, struct hf_counter.
 *
 * - steer_events: ring buffer of struct hf_event. Traces, and what the daemon must answer.
 *
 * - steer_scratch: per-CPU array of 1, the program's own.
 *
 * Besides, the loader
 *
 * - fills steer_config whole before it attaches: a zero key is no key, so without cookie keys what should be
 *   asked for a cookie is dropped (`internal`), and an hour later the cookie keys must have moved on by one;
 *
 * - resolves the link addresses of nodes and writes them again when neighbours change, since the program asks
 *   no neighbour table; and clears HF_NODE_ALIVE of a node that its heartbeats give up;
 *
 * - sets jiffy_ns in the program's .rodata from clock_getres(CLOCK_MONOTONIC_COARSE), before loading;
 *
 * - turns off what hides bytes from XDP: LRO, and stripping of VLAN tags (ethtool -K DEVICE rxvlan off);
 *
 * - sets a bit of steer_live before the SA's SPI is told to the peer, and clears it after the SA has gone;
 *
 * - gives each node a socket on hop_port too: what a worker forwards in pieces comes to the kernel as
 *   fragments, which the program passes on, and is opened in user space by the functions of hop.h. */
#pragma once

#include "ebpf/shared.h"

enum {
    HF_NODES_MAX = 1024,
    HF_WORKERS_MAX = 64,
    HF_LOCAL_MAX = 8,
    HF_COOKIE_KEYS_MAX = 3,
    HF_SHARDS_MAX = 1 << HF_SHARD_BITS_MAX,
    HF_VLAN_TAGS_MAX = 2,
    HF_IP6_HEADERS_MAX = 6,   /* extension headers before the transport header */
    HF_IKE_PAYLOADS_MAX = 12, /* looked at to find Ni, which comes third in practice */
    HF_HOP_MAX = 2,           /* node to node to node */
    HF_EVENTS_BYTES = 1 << 18,
};

/* What is done with a packet. */
enum hf_action {
    HF_ACTION_PASS,   /* to the kernel, untouched: not for us to judge */
    HF_ACTION_WORKER, /* to the core of one worker of this node */
    HF_ACTION_NODE,   /* to another node, encapsulated */
    HF_ACTION_ANSWER, /* turned into an answer and sent back */
    HF_ACTION_DROP,
    HF_ACTION_NOTE, /* not a verdict: counted beside one */
};

/* X(NAME, ACTION, "name", "what happened, for people"). Every packet gets one verdict. */
#define HF_VERDICTS(X)                                                                                       \
    X(PASS_NOT_IP, PASS, "pass_not_ip", "not IP, or behind more than two VLAN tags")                         \
    X(PASS_NOT_OURS, PASS, "pass_not_ours", "to an address, of IP or the link, that is not ours")            \
    X(PASS_OTHER, PASS, "pass_other", "to us, but neither IKE nor ESP")                                      \
    X(WORKER_FIRST, WORKER, "worker_first", "first message of a session")                                    \
    X(WORKER_VERSION, WORKER, "worker_version", "another IKE version, for the worker to refuse")             \
    X(WORKER_IKE, WORKER, "worker_ike", "IKE for a shard of this node")                                      \
    X(WORKER_ESP, WORKER, "worker_esp", "ESP for a shard of this node")                                      \
    X(WORKER_FRAGMENT, WORKER, "worker_fragment", "IP fragment, to the core that reassembles it")            \
    X(WORKER_ICMP, WORKER, "worker_icmp", "ICMP error about IKE or ESP of this node")                        \
    X(WORKER_ICMP_CLIENT, WORKER, "worker_icmp_client", "ICMP error that names no SPI of ours")              \
    X(WORKER_TOO_BIG, WORKER, "worker_too_big", "another node's, to be forwarded in fragments")              \
    X(NODE_IKE, NODE, "node_ike", "IKE for a shard of another node")                                         \
    X(NODE_ESP, NODE, "node_esp", "ESP for a shard of another node")                                         \
    X(NODE_ICMP, NODE, "node_icmp", "ICMP error about IKE of another node")                                  \
    X(COOKIE_ASKED, ANSWER, "cookie_asked", "IKE_SA_INIT answered with a COOKIE")                            \
    X(TOO_BIG_TOLD, ANSWER, "too_big_told", "another node's, too big to forward: ICMP sent")                 \
    X(KEEPALIVE, DROP, "keepalive", "NAT keepalive")                                                         \
    X(HOP_NOTICE, DROP, "hop_notice", "another node says that our table is old")                             \
    X(IP_MALFORMED, DROP, "ip_malformed", "IP header, length or source address malformed")                   \
    X(IP6_HEADERS, DROP, "ip6_headers", "more than six IPv6 extension headers")                              \
    X(UDP_MALFORMED, DROP, "udp_malformed", "UDP length malformed")                                          \
    X(SHORT, DROP, "short", "too short for IKE or ESP")                                                      \
    X(IKE_LENGTH, DROP, "ike_length", "IKE length differs from the datagram's")                              \
    X(IKE_MALFORMED, DROP, "ike_malformed", "IKE header that fits no state")                                 \
    X(IKE_FORGED, DROP, "ike_forged", "IKE SPI that no node of the fleet made")                              \
    X(IKE_BUDGET, DROP, "ike_budget", "more IKE for one SPI than its budget")                                \
    X(FIRST_MALFORMED, DROP, "first_malformed", "first message without a nonce where one must be")           \
    X(FIRST_BUDGET, DROP, "first_budget", "more first messages from one prefix than its budget")             \
    X(COOKIE_BUDGET, DROP, "cookie_budget", "more COOKIEs asked of one prefix than its budget")              \
    X(VERSION_BUDGET, DROP, "version_budget", "more messages of other IKE versions than their budget")       \
    X(ESP_SPI, DROP, "esp_spi", "ESP SPI of no key epoch")                                                   \
    X(ESP_DEAD, DROP, "esp_dead", "ESP SPI that no SA of this node has")                                     \
    X(ESP_BUDGET, DROP, "esp_budget", "more ESP for another node's shard than its budget")                   \
    X(FRAGMENT_BUDGET, DROP, "fragment_budget", "more fragments than their budget")                          \
    X(ICMP_MALFORMED, DROP, "icmp_malformed", "ICMP error that quotes no packet of ours")                    \
    X(ICMP_BUDGET, DROP, "icmp_budget", "more ICMP errors than their budget")                                \
    X(NO_OWNER, DROP, "no_owner", "shard whose nodes are all dead")                                          \
    X(NODE_UNRESOLVED, DROP, "node_unresolved", "node whose link address is not known yet")                  \
    X(NODE_BUDGET, DROP, "node_budget", "more for one node than its budget")                                 \
    X(TOO_BIG_BUDGET, DROP, "too_big_budget", "too big to forward, and ICMP's budget used up")               \
    X(NO_ROOM, DROP, "no_room", "no room in the frame for the outer header")                                 \
    X(HOP_MALFORMED, DROP, "hop_malformed", "node-to-node header malformed")                                 \
    X(HOP_SOURCE, DROP, "hop_source", "node-to-node packet from nobody of the fleet")                        \
    X(HOP_FORGED, DROP, "hop_forged", "node-to-node packet that no node of the fleet made")                  \
    X(HOP_BUDGET, DROP, "hop_budget", "more from one node than its budget")                                  \
    X(HOP_CLASS, DROP, "hop_class", "node-to-node packet with what nodes do not forward")                    \
    X(HOP_LIMIT, DROP, "hop_limit", "forwarded twice, and still not ours")                                   \
    X(HOP_BACK, DROP, "hop_back", "owner is the node that sent it")                                          \
    X(INTERNAL, DROP, "internal", "configuration or table incomplete")                                       \
    X(NOTE_HOP, NOTE, "note_hop", "came from another node of the fleet")                                     \
    X(NOTE_COOKIE, NOTE, "note_cookie", "first message with a valid COOKIE")                                 \
    X(NOTE_EVENT_LOST, NOTE, "note_event_lost", "event not sent: ring buffer full")

enum hf_verdict {
#define HF_VERDICT_ENUM(name, action, json, text) HF_##name,
    HF_VERDICTS(HF_VERDICT_ENUM)
#undef HF_VERDICT_ENUM
        HF_VERDICT_COUNT,
    HF_UNDECIDED = HF_VERDICT_COUNT, /* within the program */
};

struct hf_counter {
    uint64_t packets, bytes;
};

/* A token bucket that starts full: one token comes back every `interval_ns`, and burst_ns / interval_ns + 1
 * of them fit in. interval_ns 0: no limit.
 *
 * Rates by key are the loader's to choose, and have a floor: a flood from invented sources falls evenly on
 * the 2^HF_BUDGET_ROW_BITS cells of a row, and a cell that it empties is empty for honest senders, too. A
 * cell of HF_BUDGET_COOKIE must therefore give more a second than line rate / 65536, or the flood keeps
 * clients from being asked. 10 Gbit/s are 14.88 million smallest frames a second (84 bytes each on the line),
 * 227 a second for each cell: interval_ns 4.4 million or less. 25 Gbit/s: 568, 1.76 million; 100 Gbit/s:
 * 2271, 0.44 million. The same holds for any other class that is to be there during such a flood. */
struct hf_rate {
    uint64_t interval_ns, burst_ns;
};

/* Budgets by key: each has its own cells, so that a flood in one class takes nothing from another. */
enum hf_budget {
    /* First messages without cookie, per IPv4 address and IPv6 /64; above it COOKIE is asked. */
    HF_BUDGET_FIRST,
    /* The same, per IPv6 /56 and /48. */
    HF_BUDGET_FIRST_56,
    HF_BUDGET_FIRST_48,
    /* First messages with a valid cookie, and COOKIEs sent, per IPv4 address and IPv6 /64. */
    HF_BUDGET_PROVEN,
    HF_BUDGET_COOKIE,
    /* Per IKE SPI of ours. */
    HF_BUDGET_IKE,
    /* Per source, as above; of an ICMP error its own, not that of what it quotes. */
    HF_BUDGET_FRAGMENT,
    HF_BUDGET_ICMP,
    HF_BUDGET_COUNT,

    /* Not by key, and each CPU for itself: ESP for a shard of another node. */
    HF_RATE_SHARD = HF_BUDGET_COUNT,
    /* To one node: ESP, which may be garbage, and all else, which has our tag. Garbage that uses up the first
     * does not keep a client from reaching its owner. */
    HF_RATE_NODE_OUT_ESP,
    HF_RATE_NODE_OUT_IKE,
    /* From one node. */
    HF_RATE_NODE_IN_ESP,
    HF_RATE_NODE_IN_IKE,
    /* All fragments but those to this node's own address; those: what other nodes forward in pieces. */
    HF_RATE_FRAGMENTS,
    HF_RATE_FRAGMENTS_NODE,
    /* ICMP errors that name no SPI, whoever sent them. */
    HF_RATE_ICMP_CLIENT,
    /* All messages of other IKE versions; ICMP that we send; events of each kind. */
    HF_RATE_VERSION,
    HF_RATE_TOO_BIG,
    HF_RATE_EVENT,
    HF_RATE_COUNT,
};

enum {
    HF_BUDGET_ROW_BITS = 16,
    HF_BUDGET_ROWS = 2, /* a key has a cell in each; it is over budget when both are empty */
    HF_BUDGET_CELLS = HF_BUDGET_COUNT * HF_BUDGET_ROWS << HF_BUDGET_ROW_BITS,

    HF_FLOW_SHARD = 0,
    HF_FLOW_NODE = HF_SHARDS_MAX,                     /* + node, by rate */
    HF_FLOW_SINGLE = HF_FLOW_NODE + 4 * HF_NODES_MAX, /* + rate */
    HF_FLOW_EVENT = HF_FLOW_SINGLE + HF_RATE_COUNT,   /* + kind of event */
    HF_FLOW_CELLS = HF_FLOW_EVENT + 8,
};

enum hf_local_kind {
    HF_LOCAL_ANYCAST = 1, /* clients' packets come here */
    HF_LOCAL_NODE = 2,    /* other nodes' packets come here, to hop_port */
};

/* Addresses are 16 bytes as they are in a packet, IPv4 as ::ffff:a.b.c.d (edge/base/addr.h), here as the two
 * words that hf_word_load() reads of them. Address a is in the prefix when a & mask == addr, word by word. */
struct hf_local {
    uint64_t addr[2], mask[2];
    uint32_t kind;
    uint32_t pad;
};

/* The cookie keys that count now. [0] mints; the others are accepted too: last hour's, and, for nodes whose
 * clock is ahead, next hour's. */
struct hf_cookie_slot {
    struct hf_cookie_key key;
    uint32_t version; /* the low 8 bits of the hour since 1970 */
    uint32_t present;
};

enum hf_mode {
    HF_MODE_PASS,   /* XDP_PASS: which socket gets it is left to sk_reuseport or the workers' mailboxes */
    HF_MODE_CPUMAP, /* to the CPU of the worker, XDP_PASS when the cpumap has no entry for it */
};

struct hf_config {
    struct hf_spi_config spi;
    uint64_t first_key[2]; /* hf_first_worker(); the daemon's */
    uint64_t fragment_key[2];
    uint64_t budget_key[2];  /* random, of this node alone */
    uint64_t hop_keys[4][2]; /* by epoch 1..3; zero: does not exist */
    struct hf_cookie_slot cookies[HF_COOKIE_KEYS_MAX];
    struct hf_local local[HF_LOCAL_MAX]; /* the first match counts; kind 0 ends the list */
    struct hf_rate rates[HF_RATE_COUNT];
    uint32_t table_version; /* of steer_shards */
    uint16_t self;          /* this node, below HF_NODES_MAX */
    uint16_t num_workers;   /* 1..HF_WORKERS_MAX */
    uint16_t ike_port, natt_port, hop_port;
    uint8_t mode;      /* enum hf_mode */
    uint8_t live_bits; /* index bits of steer_live; 0: not looked at */
    uint8_t hop_epoch; /* 1..3, for what we send */
    uint8_t pad[7];
    uint16_t worker_cpu[HF_WORKERS_MAX];
};

struct hf_control {
    uint32_t active;        /* 0 or 1: which steer_config counts */
    uint32_t cookie_wanted; /* not 0: first messages need a cookie (the workers' half-open count says so) */
    uint32_t trace;         /* not 0: packets from trace_addr, or for trace_spi, yield events */
    uint32_t pad;
    uint64_t trace_addr[2]; /* zero: any address */
    uint64_t trace_spi;     /* our IKE or ESP SPI; zero: any */
    uint64_t clock_ns;      /* the time, for a program that was loaded with clock_in_control (tests) */
};

/* A row of steer_shards. A dead primary is skipped, which may make this node the owner. */
enum {
    HF_ROW_OPEN = 1, /* SAs are still being loaded: ESP is not held against steer_live */
};

HF_SHARED uint64_t hf_row_make(uint16_t primary, uint16_t secondary, uint16_t worker, uint16_t flags)
{
    return primary | (uint64_t)secondary << 16 | (uint64_t)worker << 32 | (uint64_t)flags << 48;
}

enum {
    HF_NODE_ALIVE = 1,
    HF_NODE_RESOLVED = 2, /* the link addresses are known */
    HF_NODE_V6 = 4,       /* `local` and `remote` are IPv6 */
};

/* Another node and the way to it. Every change of one field is one aligned store. */
struct hf_node {
    uint64_t local[2], remote[2]; /* outer addresses, as in struct hf_local */
    uint8_t link_to[6], link_from[6];
    uint32_t ifindex; /* 0: out where the packet came in, with its VLAN tags; else out there, untagged */
    uint32_t flags;
    uint32_t mtu; /* of the path, for the outer IP packet; at least 1280 + HF_OVERHEAD_V6 */
};

enum hf_event_kind {
    HF_EVENT_TRACE,
    HF_EVENT_PEER_OLD,    /* node `node` works with an older table: send it a notice */
    HF_EVENT_SELF_OLD,    /* node `node` has a newer table than we */
    HF_EVENT_ICMP_CLIENT, /* an ICMP error about the client `src`'s ESP, with ports as if from there: the
                             other nodes may want it */
};

struct hf_event {
    uint64_t time_ns;        /* CLOCK_MONOTONIC */
    uint64_t src[2], dst[2]; /* as in struct hf_local */
    uint64_t spi;            /* ours, or 0 */
    uint64_t head; /* HF_EVENT_ICMP_CLIENT: the first 8 bytes of ICMP, as hf_word_load() reads them */
    uint32_t table_version; /* the other node's */
    uint32_t len;           /* of the frame */
    uint16_t src_port, dst_port;
    uint16_t shard, node, worker; /* as far as the verdict has them; else 0xffff */
    uint8_t kind, verdict, proto, hop;
    uint8_t pad[2];
};

/* Node to node: the client's IP packet, untouched, behind UDP to hop_port and this header. UDP checksum zero,
 * source port from the SPI.
 *
 *   version 4 (1) | hop 4 | flags 8 | source node 16 | table version 32 | MAC 64      (network byte order)
 *
 *   MAC = SipHash-1-3(key of the epoch in the flags; the first 8 bytes of the header | destination node 16,
 *         length of the inner packet 16, source port 16, destination port 16 | addresses: 8 bytes, or 32 for
 *         IPv6 | first 8 bytes behind UDP, or of ESP or ICMP | inner protocol 1)
 *
 * with the four 16-bit numbers in network byte order, and ports 0 where there are none. What the rest of the
 * packet says is protected by IKE and ESP, so the lighter SipHash, as for SPIs, is enough for what a forger
 * has to hit blindly, 64 bits at a time. A notice has no inner packet: all behind the destination node is
 * zero, addresses as for IPv4. */
enum {
    HF_HOP_BYTES = 16,
    HF_HOP_VERSION = 1,
    HF_HOP_FLAG_EPOCH = 0x03,
    HF_HOP_FLAG_NOTICE = 0x04, /* your table is older than mine, whose version is in the header */
    HF_OVERHEAD_V4 = 20 + 8 + HF_HOP_BYTES,
    HF_OVERHEAD_V6 = 40 + 8 + HF_HOP_BYTES,
};

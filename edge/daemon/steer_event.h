/* What the steering program reports (struct hf_event): traces for people, and what the daemon must answer. */
#pragma once

#include "ebpf/steer.h"
#include "edge/base/compiler.h"
#include "edge/ops/control.h"

enum {
    TRACE_EVENTS_MAX = 256, /* between two looks; what is more is counted as lost */
    TRACE_LINE_MAX = 512,
};

struct steer_feed;

/* On while somebody looks. */
struct steer_trace {
    struct hf_event events[TRACE_EVENTS_MAX];
    uint32_t first, count;
    uint64_t lost;
    ns_t looked;
};

/* ICMP errors that were passed on to other nodes: when, and about whom. */
struct steer_relay {
    struct steer_relay_client {
        uint64_t addr[2];
        ns_t at;
    } clients[256];
    ns_t second;
    uint32_t count; /* in it */
    uint64_t relayed;
};

/* steer_icmp.c: an ICMP error about a client's ESP, which is not much more than its address and a size. */
void steer_icmp_relay(struct steer_feed *feed, const struct hf_event *event);

/* Opens what notices to other nodes leave by. Before privileges are dropped. */
void steer_events_open(struct steer_feed *feed);
/* Takes all that is there. */
void steer_events_take(struct steer_feed *feed);
/* Packets of this address, or for this SPI, are reported from now on; false when it is neither. */
HF_MUST bool steer_trace_start(struct steer_feed *feed, const struct control_selector *selector, ns_t now);
/* Ends it when nobody has looked for a while. */
void steer_trace_tick(struct steer_feed *feed, ns_t now);
/* The next report as a line {"trace":{...}}: its length, 0 when there is none. */
size_t steer_trace_next(struct steer_feed *feed, char ret_line[TRACE_LINE_MAX]);

/* What an inner IP packet says about itself, as far as policy asks: addresses, protocol, ports, length. */
#pragma once

#include "edge/base/addr.h"
#include "edge/wire/build.h"

enum {
    INNER_V4_HEADER = 20,
    INNER_V6_HEADER = 40,
    INNER_ICMP = 1,
    INNER_TCP = 6,
    INNER_UDP = 17,
    INNER_ICMP6 = 58,
};

struct inner {
    struct ip_addr source, destination;
    uint32_t len;   /* of the packet by its own header; bytes behind it are no part of it */
    uint32_t l4_at; /* offset of what `protocol` names: behind IPv4 options and IPv6 extension headers */
    uint8_t version;
    uint8_t protocol;
    bool is_fragment; /* any, the first too */
    bool has_ports;   /* the two below are known: not in later fragments, nor in protocols without ports */
    uint16_t source_port, destination_port; /* ICMP: type << 8 | code in both (RFC 7296 3.13.1) */
};

/* False when the header is malformed, cut short or longer than `packet`, and for IPv6 packets with a
 * v4-mapped address, which would pass for another family's. */
HF_MUST bool inner_read(struct span packet, struct inner *ret_inner);

/* True when a packet from `inner->source` may enter by a Child SA with these selectors: its source lies in
 * one of `from` and its destination in one of `to`, with protocol and ports (RFC 4301 4.4.1.1). A range of
 * ports that is not all of them admits no packet whose ports are unknown; first > last means OPAQUE: only
 * those. */
bool inner_allowed(const struct inner *inner, const struct ts_range *from, uint32_t num_from,
                   const struct ts_range *to, uint32_t num_to);

#include "edge/esp/inner.h"

#include "edge/base/bytes.h"

enum {
    NEXT_HOPS = 0, /* hop-by-hop options */
    NEXT_ROUTING = 43,
    NEXT_FRAGMENT = 44,
    NEXT_OPTIONS = 60,
    EXTENSIONS_MAX = 8,
    FRAGMENT_HEADER = 8,
};

static void ports_read(struct span packet, struct inner *inner)
{
    const uint8_t *l4 = packet.data + inner->l4_at;
    size_t len = inner->len - inner->l4_at;

    switch (inner->protocol) {
    case INNER_ICMP:
    case INNER_ICMP6:
        inner->has_ports = len >= 2;
        if (inner->has_ports) {
            inner->source_port = inner->destination_port = be16_load(l4);
        }
        return;
    case INNER_TCP:
    case INNER_UDP:
    case 33:  /* DCCP */
    case 132: /* SCTP */
    case 136: /* UDP-Lite */
        inner->has_ports = len >= 4;
        if (inner->has_ports) {
            inner->source_port = be16_load(l4);
            inner->destination_port = be16_load(l4 + 2);
        }
        return;
    default:
        return;
    }
}

static bool v4_read(struct span packet, struct inner *ret_inner)
{
    const uint8_t *ip = packet.data;

    if (packet.len < INNER_V4_HEADER) {
        return false;
    }
    uint32_t header_len = (ip[0] & 15u) * 4u;
    uint16_t fragment = be16_load(ip + 6);
    ret_inner->len = be16_load(ip + 2);
    ret_inner->l4_at = header_len;
    if (header_len < INNER_V4_HEADER || ret_inner->len < header_len || ret_inner->len > packet.len) {
        return false;
    }
    ret_inner->source = ip_from_v4(ip + 12);
    ret_inner->destination = ip_from_v4(ip + 16);
    ret_inner->protocol = ip[9];
    ret_inner->is_fragment = (fragment & 0x3fff) != 0;
    if ((fragment & 0x1fff) == 0) {
        ports_read(packet, ret_inner);
    }
    return true;
}

/* Follows the extension headers; false when one is cut short. Past EXTENSIONS_MAX the chain's next header
 * stands as the protocol, without ports. */
static bool extensions_read(struct span packet, struct inner *inner)
{
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        const uint8_t *header = packet.data + inner->l4_at;
        uint32_t len = FRAGMENT_HEADER;

        if (inner->protocol != NEXT_HOPS && inner->protocol != NEXT_ROUTING &&
            inner->protocol != NEXT_FRAGMENT && inner->protocol != NEXT_OPTIONS) {
            ports_read(packet, inner);
            return true;
        }
        if (inner->len - inner->l4_at < FRAGMENT_HEADER) {
            return false;
        }
        if (inner->protocol != NEXT_FRAGMENT) {
            len = (header[1] + 1u) * 8u;
        }
        if (inner->len - inner->l4_at < len) {
            return false;
        }
        bool is_fragment = inner->protocol == NEXT_FRAGMENT;
        inner->protocol = header[0];
        inner->l4_at += len;
        if (is_fragment) {
            inner->is_fragment = true;
            if ((be16_load(header + 2) & 0xfff8) != 0) { /* not the first: what follows is no header */
                return true;
            }
        }
    }
    return true;
}

static bool v6_read(struct span packet, struct inner *ret_inner)
{
    const uint8_t *ip = packet.data;

    if (packet.len < INNER_V6_HEADER) {
        return false;
    }
    ret_inner->len = INNER_V6_HEADER + (uint32_t)be16_load(ip + 4);
    ret_inner->l4_at = INNER_V6_HEADER;
    ret_inner->source = ip_from_v6(ip + 8);
    ret_inner->destination = ip_from_v6(ip + 24);
    ret_inner->protocol = ip[6];
    if (ret_inner->len > packet.len || ip_is_v4(&ret_inner->source) || ip_is_v4(&ret_inner->destination)) {
        return false;
    }
    return extensions_read(packet, ret_inner);
}

bool inner_read(struct span packet, struct inner *ret_inner)
{
    *ret_inner = (struct inner){0};
    if (packet.len == 0) {
        return false;
    }
    ret_inner->version = packet.data[0] >> 4;
    switch (ret_inner->version) {
    case 4:
        return v4_read(packet, ret_inner);
    case 6:
        return v6_read(packet, ret_inner);
    default:
        return false;
    }
}

static bool range_has(const struct ts_range *range, const struct ip_addr *addr, uint16_t port,
                      const struct inner *inner)
{
    if (ip_is_v4(&range->first) != ip_is_v4(addr) || ip_compare(addr, &range->first) < 0 ||
        ip_compare(addr, &range->last) > 0 || (range->protocol != 0 && range->protocol != inner->protocol)) {
        return false;
    }
    if (range->port_first > range->port_last) {
        return !inner->has_ports;
    }
    bool is_any = range->port_first == 0 && range->port_last == UINT16_MAX;
    return is_any || (inner->has_ports && port >= range->port_first && port <= range->port_last);
}

bool inner_allowed(const struct inner *inner, const struct ts_range *from, uint32_t num_from,
                   const struct ts_range *to, uint32_t num_to)
{
    bool source = false, destination = false;

    for (uint32_t i = 0; i < num_from && !source; i++) {
        source = range_has(&from[i], &inner->source, inner->source_port, inner);
    }
    for (uint32_t i = 0; i < num_to && source && !destination; i++) {
        destination = range_has(&to[i], &inner->destination, inner->destination_port, inner);
    }
    return destination;
}

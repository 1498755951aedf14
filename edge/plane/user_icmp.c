#include "edge/base/bytes.h"
#include "edge/plane/user_internal.h"
#include "edge/plane/user_segment.h"
#include "edge/plane/user_sum.h"

enum {
    TOKENS_MAX = 100, /* per second, too */
    HOP_LIMIT = 64,
    ICMP_HEADER = 8,
    ICMP_UNREACHABLE = 3,
    ICMP_FRAGMENTATION_NEEDED = 4,
    ICMP6_TOO_BIG = 2,
    /* RFC 1812 4.3.2.3 and RFC 4443 2.4 (c): as much of the packet as these let an error be long. */
    ERROR_V4_MAX = 576,
    ERROR_V6_MAX = 1280,
};

static bool token_take(struct plane_user *plane, ns_t now)
{
    if (plane->icmp_refilled == 0 || now - plane->icmp_refilled >= NS_PER_S) {
        plane->icmp_refilled = now;
        plane->icmp_tokens = TOKENS_MAX;
    }
    if (plane->icmp_tokens == 0) {
        return false;
    }
    plane->icmp_tokens--;
    return true;
}

static bool is_icmp_error(const struct inner *inner)
{
    uint8_t type = (uint8_t)(inner->source_port >> 8);

    if (inner->protocol == INNER_ICMP) {
        return !inner->has_ports || (type != 0 && type != 8); /* all but echo, to be on the safe side */
    }
    return inner->protocol == INNER_ICMP6 && (!inner->has_ports || type < 128);
}

/* RFC 1812 4.3.2.7, RFC 4443 2.4 (e): what must not be answered. */
static bool is_answerable(const uint8_t *packet, const struct inner *inner)
{
    bool is_v4 = inner->version == 4;
    bool is_later_fragment =
        is_v4 ? (be16_load(packet + 6) & 0x1fff) != 0 : inner->is_fragment && !inner->has_ports;
    bool is_multicast = is_v4 ? packet[12] >= 224 || packet[16] >= 224 : packet[8] == 0xff;
    bool may_fragment = is_v4 && (be16_load(packet + 6) & 0x4000) == 0;

    return !is_later_fragment && !is_multicast && !may_fragment && !ip_is_zero(&inner->source) &&
           !is_icmp_error(inner);
}

/* The error comes from the packet's destination: of all addresses that one surely lies behind this device, so
 * no reverse path filter stumbles over it. */
static size_t error_v4(uint8_t *ip, const uint8_t *packet, size_t packet_len, uint32_t mtu)
{
    size_t quoted = HF_MIN(packet_len, (size_t)(ERROR_V4_MAX - INNER_V4_HEADER - ICMP_HEADER));
    size_t len = INNER_V4_HEADER + ICMP_HEADER + quoted;
    uint8_t *icmp = ip + INNER_V4_HEADER;

    memset(ip, 0, INNER_V4_HEADER + ICMP_HEADER);
    ip[0] = 0x45;
    be16_store(ip + 2, (uint16_t)len);
    ip[8] = HOP_LIMIT;
    ip[9] = INNER_ICMP;
    memcpy(ip + 12, packet + 16, 4);
    memcpy(ip + 16, packet + 12, 4);
    sum_ipv4(ip, INNER_V4_HEADER);
    icmp[0] = ICMP_UNREACHABLE;
    icmp[1] = ICMP_FRAGMENTATION_NEEDED;
    be16_store(icmp + 6, (uint16_t)mtu); /* RFC 1191 4 */
    memcpy(icmp + ICMP_HEADER, packet, quoted);
    sum_store(icmp + 2, (uint16_t)~sum_fold(sum_add(0, icmp, len - INNER_V4_HEADER)));
    return len;
}

static size_t error_v6(uint8_t *ip, const uint8_t *packet, size_t packet_len, uint32_t mtu)
{
    size_t quoted = HF_MIN(packet_len, (size_t)(ERROR_V6_MAX - INNER_V6_HEADER - ICMP_HEADER));
    size_t icmp_len = ICMP_HEADER + quoted;
    uint8_t *icmp = ip + INNER_V6_HEADER;

    memset(ip, 0, INNER_V6_HEADER + ICMP_HEADER);
    ip[0] = 0x60;
    be16_store(ip + 4, (uint16_t)icmp_len);
    ip[6] = INNER_ICMP6;
    ip[7] = HOP_LIMIT;
    memcpy(ip + 8, packet + 24, 16);
    memcpy(ip + 24, packet + 8, 16);
    icmp[0] = ICMP6_TOO_BIG;
    be32_store(icmp + 4, mtu);
    memcpy(icmp + ICMP_HEADER, packet, quoted);
    uint64_t sum = sum_add(sum_pseudo(ip + 8, 32, INNER_ICMP6, (uint32_t)icmp_len), icmp, icmp_len);
    sum_store(icmp + 2, (uint16_t)~sum_fold(sum));
    return INNER_V6_HEADER + icmp_len;
}

void icmp_too_big(struct plane_user *plane, ns_t now, const uint8_t *packet, const struct inner *inner)
{
    const struct plane_host *host = &plane->config.host;

    if (!is_answerable(packet, inner) || !token_take(plane, now)) {
        return;
    }
    uint8_t *room = host->tun_room(host->context);
    if (room == NULL) {
        return;
    }
    memset(room, 0, VNET_HEADER);
    size_t len = inner->version == 4 ? error_v4(room + VNET_HEADER, packet, inner->len, plane->config.mtu)
                                     : error_v6(room + VNET_HEADER, packet, inner->len, plane->config.mtu);
    plane->counters.too_big_sent++;
    plane->counters.tun_writes++;
    host->tun_write(host->context, room, VNET_HEADER + len);
}

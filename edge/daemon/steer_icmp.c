/* What routers say of clients' ESP is passed on to the other nodes, one of which has the session. */
#include "edge/daemon/daemon.h"

#include "edge/io/sockaddr.h"

#include <string.h>
#include <sys/socket.h>

enum {
    CLIENT_INTERVAL_S = 1, /* of one client */
    RELAYS_PER_S = 10,     /* of all */
    ICMP_UNREACHABLE = 3,
    ICMP_FRAGMENTATION_NEEDED = 4,
    ICMP6_TOO_BIG = 2,
    PROTO_ICMP6 = 58,
    MTU_V4_MIN = 68, /* RFC 791 3.2 */
    MTU_V6_MIN = 1280,
};

/* What the first 8 bytes of ICMP say. */
static bool is_too_big(const struct hf_event *event, uint32_t *ret_mtu)
{
    uint64_t head = __builtin_bswap64(event->head);
    uint32_t type = (uint32_t)(head >> 56), code = (uint32_t)(head >> 48) & 0xff;
    if (event->proto == PROTO_ICMP6) {
        *ret_mtu = (uint32_t)head;
        return type == ICMP6_TOO_BIG && *ret_mtu >= MTU_V6_MIN && *ret_mtu <= UINT16_MAX;
    }
    *ret_mtu = (uint32_t)head & 0xffff;
    return type == ICMP_UNREACHABLE && code == ICMP_FRAGMENTATION_NEEDED && *ret_mtu >= MTU_V4_MIN;
}

/* Clients who meet in a place take turns; the total is bound all the same. */
static bool may_relay(struct steer_relay *relay, const struct hf_event *event)
{
    struct steer_relay_client *client =
        &relay->clients[((event->src[0] ^ event->src[1]) * UINT64_C(0x9e3779b97f4a7c15)) >> 56];
    ns_t now = event->time_ns;
    if (client->addr[0] == event->src[0] && client->addr[1] == event->src[1] && client->at != 0 &&
        now < client->at + CLIENT_INTERVAL_S * NS_PER_S) {
        return false;
    }
    if (relay->second != now / NS_PER_S) {
        relay->second = now / NS_PER_S;
        relay->count = 0;
    }
    if (relay->count == RELAYS_PER_S) {
        return false;
    }
    relay->count++;
    *client = (struct steer_relay_client){.addr = {event->src[0], event->src[1]}, .at = now};
    return true;
}

static struct endpoint endpoint_of(const uint64_t words[2], uint16_t port)
{
    struct endpoint endpoint = {.port = port};
    memcpy(endpoint.addr.bytes, words, sizeof(endpoint.addr.bytes));
    return endpoint;
}

void steer_icmp_relay(struct steer_feed *feed, const struct hf_event *event)
{
    struct nodes_too_big error = {
        .client = endpoint_of(event->src, event->src_port),
        .local = endpoint_of(event->dst, event->dst_port),
    };
    if (feed->others == NULL || feed->notice_fd < 0 || !is_too_big(event, &error.mtu) ||
        !may_relay(&feed->relay, event)) {
        return;
    }
    feed->relay.relayed++;
    for (uint16_t id = 0; id < HF_NODES_MAX; id++) {
        uint8_t bytes[NODES_TOO_BIG_MAX];
        struct endpoint remote;
        union sockaddr_ip addr;
        size_t len = feed->others[id].is_there && feed->others[id].is_alive
                         ? nodes_seal_too_big(feed->nodes, id, &error, bytes, &remote)
                         : 0;
        if (len > 0) {
            socklen_t addr_len = sockaddr_from(&remote, &addr);
            (void)sendto(feed->notice_fd, bytes, len, 0, &addr.any, addr_len);
        }
    }
}

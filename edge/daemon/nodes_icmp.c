/* ICMP errors for other nodes. What a router says of ESP names the client, and not which session: it reaches
 * any node, and only the one that has the session can make use of it. */
#include "edge/daemon/nodes.h"

#include "ebpf/hop.h"
#include "edge/base/bytes.h"
#include "edge/plane/user_sum.h"

enum {
    IP4_BYTES = 20,
    IP6_BYTES = 40,
    ICMP_BYTES = 8,
    QUOTED_BYTES = 8, /* of what follows the IP header */
    ICMP_UNREACHABLE = 3,
    ICMP_FRAGMENTATION_NEEDED = 4,
    ICMP6_TOO_BIG = 2,
    PROTO_ICMP = 1,
    PROTO_UDP = 17,
    PROTO_ESP = 50,
    PROTO_ICMP6 = 58,
};

/* An IP header without options. */
static uint8_t *ip_write(uint8_t *ip, const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto,
                         uint32_t payload_len)
{
    bool v4 = ip_is_v4(src);
    memset(ip, 0, v4 ? IP4_BYTES : IP6_BYTES);
    if (v4) {
        ip[0] = 0x45;
        be16_store(ip + 2, (uint16_t)(IP4_BYTES + payload_len));
        ip[8] = 64;
        ip[9] = proto;
        memcpy(ip + 12, src->bytes + 12, 4);
        memcpy(ip + 16, dst->bytes + 12, 4);
        sum_ipv4(ip, IP4_BYTES);
        return ip + IP4_BYTES;
    }
    ip[0] = 0x60;
    be16_store(ip + 4, (uint16_t)payload_len);
    ip[6] = proto;
    ip[7] = 64;
    memcpy(ip + 8, src->bytes, 16);
    memcpy(ip + 24, dst->bytes, 16);
    return ip + IP6_BYTES;
}

/* The beginning of what we sent: ports, or an SPI that nobody asks about. */
static void quote_write(uint8_t *quote, const struct nodes_too_big *error)
{
    bool is_udp = error->local.port != 0;
    uint8_t *l4 =
        ip_write(quote, &error->local.addr, &error->client.addr, is_udp ? PROTO_UDP : PROTO_ESP, error->mtu);
    memset(l4, 0, QUOTED_BYTES);
    if (is_udp) {
        be16_store(l4, error->local.port);
        be16_store(l4 + 2, error->client.port);
        be16_store(l4 + 4, (uint16_t)error->mtu);
    }
}

static void icmp_write(uint8_t *icmp, const struct nodes_too_big *error, uint32_t len)
{
    bool v4 = ip_is_v4(&error->client.addr);
    memset(icmp, 0, ICMP_BYTES);
    icmp[0] = v4 ? ICMP_UNREACHABLE : ICMP6_TOO_BIG;
    icmp[1] = v4 ? ICMP_FRAGMENTATION_NEEDED : 0;
    be32_store(icmp + 4, error->mtu);
    quote_write(icmp + ICMP_BYTES, error);
    uint8_t addresses[32];
    memcpy(addresses, error->client.addr.bytes, 16);
    memcpy(addresses + 16, error->local.addr.bytes, 16);
    uint64_t sum = v4 ? 0 : sum_pseudo(addresses, sizeof(addresses), PROTO_ICMP6, len);
    sum_store(icmp + 2, (uint16_t)~sum_fold(sum_add(sum, icmp, len)));
}

size_t nodes_seal_too_big(const struct nodes *nodes, uint16_t node, const struct nodes_too_big *error,
                          uint8_t ret_bytes[NODES_TOO_BIG_MAX], struct endpoint *ret_remote)
{
    const struct ip_addr *src = &error->client.addr, *dst = &error->local.addr;
    bool v4 = ip_is_v4(src);
    uint32_t icmp_len = (uint32_t)(ICMP_BYTES + (v4 ? IP4_BYTES : IP6_BYTES) + QUOTED_BYTES);
    uint32_t ip_len = icmp_len + (uint32_t)(v4 ? IP4_BYTES : IP6_BYTES);
    struct ip_addr to;
    if (!nodes_find(nodes, node, &to) || v4 != ip_is_v4(dst) || error->mtu > UINT16_MAX - IP6_BYTES) {
        return 0;
    }
    uint8_t proto = v4 ? PROTO_ICMP : PROTO_ICMP6;
    uint8_t *icmp = ip_write(ret_bytes + HF_HOP_BYTES, src, dst, proto, icmp_len);
    icmp_write(icmp, error, icmp_len);
    struct hf_hop hop = {.hop = 1,
                         .epoch = nodes->epoch,
                         .node = nodes->self,
                         .table_version = __atomic_load_n(&nodes->table_version, __ATOMIC_RELAXED)};
    struct hf_hop_inner inner = {
        .src = {hf_word_load(src->bytes), hf_word_load(src->bytes + 8)},
        .dst = {hf_word_load(dst->bytes), hf_word_load(dst->bytes + 8)},
        .head = hf_word_load(icmp),
        .ip_len = ip_len,
        .is_v6 = !v4,
        .proto = proto,
    };
    uint64_t word = hf_hop_word(&hop);
    hf_word_store(ret_bytes, word);
    be64_store(ret_bytes + 8, hf_hop_mac(nodes->keys[nodes->epoch & 3], word, node, &inner));
    *ret_remote = (struct endpoint){.addr = to, .port = nodes->hop_port};
    return HF_HOP_BYTES + ip_len;
}

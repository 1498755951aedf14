/* Which worker's socket gets a datagram (SO_REUSEPORT): the decision of the steering program, taken again
 * where XDP has not brought the packet to a CPU that belongs to one worker alone. Also right for what the
 * kernel put together from IP fragments. Loaded once for each address and port, with the maps of steer.h. */
#define hf_packet sk_reuseport_md

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ebpf/classify.h"
#include "ebpf/maps.h"

/* Where in socket_workers the sockets of this address and port begin: one for each worker. */
const volatile uint32_t first_socket = 0;

HF_ARRAY(socket_workers, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 0, 1, uint64_t);

/* The first bytes of the datagram, from the UDP header on. */
enum { HEAD_BYTES = HF_UDP_BYTES + HF_MARKER_BYTES + HF_IKE_BYTES };

struct socket_scratch {
    struct hf_view view;
    uint8_t head[64];
    uint32_t len; /* of the datagram, or of what the kernel put together (UDP_GRO) */
};

HF_ARRAY(socket_scratch, BPF_MAP_TYPE_PERCPU_ARRAY, 0, 1, struct socket_scratch);

HF_SHARED struct socket_scratch *scratch_get(void)
{
    uint32_t key = 0;
    return bpf_map_lookup_elem(&socket_scratch, &key);
}

HF_SHARED uint8_t *hf_packet_at(struct sk_reuseport_md *packet, uint64_t offset, uint64_t len)
{
    struct socket_scratch *scratch = scratch_get();
    (void)packet;
    if (!scratch || offset > HEAD_BYTES || offset + len > HEAD_BYTES || offset + len > scratch->len) {
        return 0;
    }
    return scratch->head + offset;
}

/* Nothing here has a budget. */
HF_SHARED uint64_t hf_world_clock(struct sk_reuseport_md *packet)
{
    (void)packet;
    return bpf_ktime_get_coarse_ns();
}

HF_SHARED int head_read(struct sk_reuseport_md *packet, struct socket_scratch *scratch)
{
    uint32_t len = packet->len;
    scratch->len = len;
    if (len >= HEAD_BYTES) {
        return bpf_skb_load_bytes(packet, 0, scratch->head, HEAD_BYTES) == 0;
    }
    len &= 63;
    return len > 0 && bpf_skb_load_bytes(packet, 0, scratch->head, len) == 0;
}

/* As in struct hf_local. */
HF_SHARED int source_read(struct sk_reuseport_md *packet, struct hf_view *view)
{
    if (packet->eth_protocol == __builtin_bswap16(HF_ETH_IP6)) {
        return bpf_skb_load_bytes_relative(packet, 8, view->src, 16, BPF_HDR_START_NET) == 0;
    }
    uint8_t addr[4];
    if (bpf_skb_load_bytes_relative(packet, 12, addr, 4, BPF_HDR_START_NET) != 0) {
        return 0;
    }
    view->src[0] = 0;
    view->src[1] = hf_v4_word(addr);
    return 1;
}

/* The kernel may have put several datagrams together, and which SPI the first one has decides; so the length
 * is what IKE says it is. */
HF_SHARED enum hf_verdict classify(struct sk_reuseport_md *packet, struct socket_scratch *scratch,
                                   const struct hf_config *config)
{
    struct hf_view *view = &scratch->view;
    uint32_t port = hf_load16(scratch->head + 2);
    view->body = HF_UDP_BYTES;
    view->body_len = (uint16_t)(scratch->len - HF_UDP_BYTES);
    view->marker = 0;
    view->head = hf_word_load(scratch->head + HF_UDP_BYTES);
    int natt = port == config->natt_port;
    uint32_t marker = natt && (uint32_t)view->head == 0 ? HF_MARKER_BYTES : 0;
    if ((!natt || marker) && scratch->len >= HF_UDP_BYTES + marker + HF_IKE_BYTES) {
        const uint8_t *ike = scratch->head + HF_UDP_BYTES + marker;
        view->body_len = (uint16_t)(hf_load32(ike + HF_IKE_LENGTH_AT) + marker);
    }
    return natt ? hf_classify_natt(packet, view, config) : hf_classify_ike(packet, view, config);
}

HF_SHARED int worker_of(struct sk_reuseport_md *packet, struct hf_view *view, const struct hf_config *config,
                        uint32_t *ret_worker)
{
    if (view->kind == HF_KIND_FIRST || view->kind == HF_KIND_VERSION) {
        if (!source_read(packet, view)) {
            return 0;
        }
        *ret_worker =
            hf_first_worker(config->first_key, view->spi_i, (const uint8_t *)view->src, config->num_workers);
        return 1;
    }
    uint32_t shard = view->shard;
    const uint64_t *row = bpf_map_lookup_elem(&steer_shards, &shard);
    *ret_worker = row ? *row >> 32 & 0xffff : 0;
    return row != 0;
}

/* What tells no worker goes to any of them. */
SEC("sk_reuseport")
int choose(struct sk_reuseport_md *packet)
{
    uint32_t key = 0, worker = 0;
    struct socket_scratch *scratch = scratch_get();
    const struct hf_control *control = bpf_map_lookup_elem(&steer_control, &key);
    uint32_t active = control ? control->active & 1 : 0;
    const struct hf_config *config = bpf_map_lookup_elem(&steer_config, &active);
    if (!scratch || !config || !head_read(packet, scratch) || scratch->len < HF_UDP_BYTES + 8 ||
        classify(packet, scratch, config) != HF_UNDECIDED ||
        !worker_of(packet, &scratch->view, config, &worker)) {
        return SK_PASS;
    }
    worker += first_socket;
    (void)bpf_sk_select_reuseport(packet, &socket_workers, &worker, 0);
    return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

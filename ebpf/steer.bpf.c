/* The steering program for XDP: the maps, and the world of view.h on top of the kernel's helpers. */
#define hf_packet xdp_md

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ebpf/maps.h"
#include "ebpf/program.h"

/* Tests set the clock by hand; the loader leaves this alone, and the verifier removes what depends on it. */
const volatile uint32_t clock_in_control = 0;
/* 1 s / HZ of the running kernel. The loader sets it. */
const volatile uint64_t jiffy_ns = 4000000;

HF_ARRAY(steer_nodes, BPF_MAP_TYPE_ARRAY, 0, HF_NODES_MAX, struct hf_node);
HF_ARRAY(steer_live, BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, 1, uint64_t);
HF_ARRAY(steer_budgets, BPF_MAP_TYPE_ARRAY, 0, HF_BUDGET_CELLS, uint64_t);
HF_ARRAY(steer_flows, BPF_MAP_TYPE_PERCPU_ARRAY, 0, HF_FLOW_CELLS, uint64_t);
HF_ARRAY(steer_counters, BPF_MAP_TYPE_PERCPU_ARRAY, 0, HF_VERDICT_COUNT, struct hf_counter);
HF_ARRAY(steer_scratch, BPF_MAP_TYPE_PERCPU_ARRAY, 0, 1, struct hf_view);
HF_ARRAY(steer_cpus, BPF_MAP_TYPE_CPUMAP, 0, 1, struct bpf_cpumap_val);

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, HF_EVENTS_BYTES);
} steer_events SEC(".maps");

_Static_assert(HF_XDP_DROP == (int)XDP_DROP && HF_XDP_PASS == (int)XDP_PASS && HF_XDP_TX == (int)XDP_TX &&
                   HF_XDP_REDIRECT == (int)XDP_REDIRECT,
               "as the kernel has them");

/* The bound stands on the very register that is added to the packet pointer, for the verifier: without the
 * barrier, clang checks a copy of it. */
HF_SHARED uint8_t *hf_packet_at(struct xdp_md *packet, uint64_t offset, uint64_t len)
{
    uint8_t *data = (uint8_t *)(long)packet->data;
    uint8_t *end = (uint8_t *)(long)packet->data_end;
    if (offset > HF_OFFSET_MAX) {
        return 0;
    }
    HF_OPAQUE(offset);
    offset &= HF_OFFSET_MAX;
    data += offset;
    return data + len > end ? 0 : data;
}

HF_SHARED uint32_t hf_packet_len(struct xdp_md *packet)
{
    return (uint32_t)bpf_xdp_get_buff_len(packet);
}

HF_SHARED int hf_packet_head(struct xdp_md *packet, int delta)
{
    return (int)bpf_xdp_adjust_head(packet, delta);
}

HF_SHARED int hf_packet_tail(struct xdp_md *packet, int delta)
{
    return (int)bpf_xdp_adjust_tail(packet, delta);
}

HF_SHARED struct hf_view *hf_world_view(struct xdp_md *packet)
{
    (void)packet;
    uint32_t key = 0;
    return bpf_map_lookup_elem(&steer_scratch, &key);
}

HF_SHARED const struct hf_control *hf_world_control(struct xdp_md *packet)
{
    (void)packet;
    uint32_t key = 0;
    return bpf_map_lookup_elem(&steer_control, &key);
}

HF_SHARED const struct hf_config *hf_world_config(struct xdp_md *packet, uint32_t which)
{
    (void)packet;
    return bpf_map_lookup_elem(&steer_config, &which);
}

HF_SHARED const uint64_t *hf_world_row(struct xdp_md *packet, uint32_t shard)
{
    (void)packet;
    return bpf_map_lookup_elem(&steer_shards, &shard);
}

HF_SHARED const struct hf_node *hf_world_node(struct xdp_md *packet, uint32_t node)
{
    (void)packet;
    return bpf_map_lookup_elem(&steer_nodes, &node);
}

HF_SHARED const uint64_t *hf_world_live(struct xdp_md *packet, uint32_t word)
{
    (void)packet;
    return bpf_map_lookup_elem(&steer_live, &word);
}

HF_SHARED uint64_t *hf_world_budget(struct xdp_md *packet, uint32_t cell)
{
    (void)packet;
    return bpf_map_lookup_elem(&steer_budgets, &cell);
}

HF_SHARED uint64_t *hf_world_flow(struct xdp_md *packet, uint32_t cell)
{
    (void)packet;
    return bpf_map_lookup_elem(&steer_flows, &cell);
}

HF_SHARED void hf_world_count(struct xdp_md *packet, uint32_t verdict, uint64_t bytes)
{
    (void)packet;
    struct hf_counter *counter = bpf_map_lookup_elem(&steer_counters, &verdict);
    if (counter) {
        counter->packets++;
        counter->bytes += bytes;
    }
}

HF_SHARED int hf_world_event(struct xdp_md *packet, struct hf_event *event)
{
    (void)packet;
    return bpf_ringbuf_output(&steer_events, event, sizeof(*event), 0) == 0;
}

HF_SHARED uint64_t control_clock(struct xdp_md *packet)
{
    const struct hf_control *control = hf_world_control(packet);
    return control ? control->clock_ns : 0;
}

/* Jiffies are one load; bpf_ktime_get_coarse_ns() costs as much as an ESP SPI's hash. */
HF_SHARED uint64_t hf_world_clock(struct xdp_md *packet)
{
    return clock_in_control ? control_clock(packet) : bpf_jiffies64() * jiffy_ns;
}

HF_SHARED uint64_t hf_world_monotonic(struct xdp_md *packet)
{
    return clock_in_control ? control_clock(packet) : bpf_ktime_get_ns();
}

HF_SHARED int hf_world_to_cpu(struct xdp_md *packet, uint32_t cpu)
{
    (void)packet;
    return (int)bpf_redirect_map(&steer_cpus, cpu, XDP_PASS);
}

HF_SHARED int hf_world_to_device(struct xdp_md *packet, uint32_t ifindex)
{
    (void)packet;
    return (int)bpf_redirect(ifindex, 0);
}

SEC("xdp.frags")
int steer(struct xdp_md *packet)
{
    return hf_steer(packet);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#include "tests/unit/ebpf/twin.h"

#include "ebpf/program.h"

#include <string.h>

enum { HEADROOM = 256 - 40 }; /* XDP_PACKET_HEADROOM less struct xdp_frame, which adjust_head keeps free */

struct hf_packet {
    struct twin *twin;
    uint8_t *data, *end;
    uint8_t room[HEADROOM + FRAME_BYTES];
};

static struct hf_view view_room;

HF_SHARED uint8_t *hf_packet_at(struct hf_packet *packet, uint64_t offset, uint64_t len)
{
    if (offset > HF_OFFSET_MAX || offset + len > (uint64_t)(packet->end - packet->data)) {
        return 0;
    }
    return packet->data + offset;
}

HF_SHARED uint32_t hf_packet_len(struct hf_packet *packet)
{
    return (uint32_t)(packet->end - packet->data);
}

HF_SHARED int hf_packet_head(struct hf_packet *packet, int delta)
{
    if (delta < packet->room - packet->data || delta > packet->end - packet->data - HF_ETH_BYTES) {
        return -1;
    }
    packet->data += delta;
    return 0;
}

HF_SHARED int hf_packet_tail(struct hf_packet *packet, int delta)
{
    if (delta > 0 || packet->end - packet->data + delta < HF_ETH_BYTES) {
        return -1;
    }
    packet->end += delta;
    return 0;
}

HF_SHARED struct hf_view *hf_world_view(struct hf_packet *packet)
{
    (void)packet;
    return &view_room;
}

HF_SHARED const struct hf_control *hf_world_control(struct hf_packet *packet)
{
    return &packet->twin->scene->control;
}

HF_SHARED const struct hf_config *hf_world_config(struct hf_packet *packet, uint32_t which)
{
    (void)which;
    return &packet->twin->scene->config;
}

HF_SHARED const uint64_t *hf_world_row(struct hf_packet *packet, uint32_t shard)
{
    return shard < SCENE_SHARDS ? &packet->twin->scene->rows[shard] : 0;
}

HF_SHARED const struct hf_node *hf_world_node(struct hf_packet *packet, uint32_t node)
{
    static const struct hf_node nobody;
    if (node < SCENE_NODES) {
        return &packet->twin->scene->nodes[node];
    }
    return node < HF_NODES_MAX ? &nobody : 0;
}

HF_SHARED const uint64_t *hf_world_live(struct hf_packet *packet, uint32_t word)
{
    return word < SCENE_LIVE_WORDS ? &packet->twin->scene->live[word] : 0;
}

HF_SHARED uint64_t *hf_world_budget(struct hf_packet *packet, uint32_t cell)
{
    return cell < HF_BUDGET_CELLS ? &packet->twin->budgets[cell] : 0;
}

HF_SHARED uint64_t *hf_world_flow(struct hf_packet *packet, uint32_t cell)
{
    return cell < HF_FLOW_CELLS ? &packet->twin->flows[cell] : 0;
}

HF_SHARED void hf_world_count(struct hf_packet *packet, uint32_t verdict, uint64_t bytes)
{
    packet->twin->counters[verdict].packets++;
    packet->twin->counters[verdict].bytes += bytes;
}

HF_SHARED int hf_world_event(struct hf_packet *packet, struct hf_event *event)
{
    struct twin *twin = packet->twin;
    if (twin->num_events == TWIN_EVENTS_MAX) {
        return 0;
    }
    twin->events[twin->num_events++] = *event;
    return 1;
}

HF_SHARED uint64_t hf_world_clock(struct hf_packet *packet)
{
    return packet->twin->scene->control.clock_ns;
}

HF_SHARED uint64_t hf_world_monotonic(struct hf_packet *packet)
{
    return hf_world_clock(packet);
}

HF_SHARED int hf_world_to_cpu(struct hf_packet *packet, uint32_t cpu)
{
    return packet->twin->cpus >> cpu & 1 ? HF_XDP_REDIRECT : HF_XDP_PASS;
}

HF_SHARED int hf_world_to_device(struct hf_packet *packet, uint32_t ifindex)
{
    (void)packet;
    (void)ifindex;
    return HF_XDP_REDIRECT;
}

int twin_run(struct twin *twin, struct frame *frame)
{
    static struct hf_packet packet;
    packet.twin = twin;
    packet.data = packet.room + HEADROOM;
    packet.end = packet.data + frame->len;
    memcpy(packet.data, frame->bytes, frame->len);
    int action = hf_steer(&packet);
    frame->len = (size_t)(packet.end - packet.data);
    memcpy(frame->bytes, packet.data, frame->len);
    return action;
}

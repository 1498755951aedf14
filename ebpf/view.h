/* What the program knows of the packet it looks at, and the world that it reaches. The same code is the BPF
 * program and, with another world, a program for tests: ebpf/steer.bpf.c and tests/unit/ebpf/twin.h each
 * define the functions declared here before they include the rest. */
#pragma once

#include "ebpf/bytes.h"
#include "ebpf/steer.h"

enum {
    HF_ETH_BYTES = 14,
    HF_ETH_IP4 = 0x0800,
    HF_ETH_IP6 = 0x86dd,
    HF_ETH_VLAN = 0x8100,
    HF_ETH_QINQ = 0x88a8,
    HF_PROTO_ICMP = 1,
    HF_PROTO_UDP = 17,
    HF_PROTO_ESP = 50,
    HF_PROTO_ICMP6 = 58,
    HF_UDP_BYTES = 8,
    HF_IP4_BYTES = 20,
    HF_IP6_BYTES = 40,

    HF_OFFSET_MAX = 0x3fff, /* headers lie within; a power of two less one */
};

/* Lives in a map, not on the stack: what is read back from there is any number to the verifier, so it looks
 * at the code behind once and not once for each length of what came before. Offsets count from the frame's
 * start. */
struct hf_view {
    uint64_t src[2], dst[2]; /* as in struct hf_local */
    uint64_t head;           /* first 8 bytes behind UDP, or of ESP or ICMP; 0 when there are fewer */
    uint64_t spi;            /* ours, or 0 */
    uint64_t spi_i;
    uint64_t hop_mac;
    uint64_t hop_word;               /* first 8 bytes of the node-to-node header */
    uint64_t now_ns;                 /* 0: not asked yet; see hf_now() */
    uint8_t mac[16];                 /* destination 6, source 6 */
    uint32_t tags[HF_VLAN_TAGS_MAX]; /* TPID 16 | TCI 16 */
    uint32_t frame_len;
    uint32_t ip_len; /* of the IP packet */
    uint32_t fragment_id;
    uint32_t index;     /* of an ESP SPI */
    uint32_t hop_table; /* table version of the node that sent it */
    uint32_t nonce_len; /* 16..256, of a first message that had to be looked at */
    uint16_t l3, l4;
    uint16_t body;     /* behind UDP; IKE begins here, behind the marker if there is one */
    uint16_t body_len; /* up to the end of UDP, or of the IP packet */
    uint16_t src_port, dst_port;
    uint16_t shard, node, worker;
    uint16_t nonce_at;
    uint16_t hop_node; /* who sent it to us */
    uint16_t num_tags;
    uint8_t is_v6, proto, tos, local;
    uint8_t is_fragment, dont_fragment;
    uint8_t marker; /* 4 when IKE came behind the non-ESP marker, else 0 */
    uint8_t exchange;
    uint8_t hop;  /* 0: from a client; 1: from the node where the client's packet came in; 2: from another */
    uint8_t kind; /* enum hf_kind */
    uint8_t pad[2];
};

/* What the packet is, when it is for us. */
enum hf_kind {
    HF_KIND_FRAGMENT,
    HF_KIND_FIRST,    /* IKE_SA_INIT or IKE_SESSION_RESUME, SPIr 0 */
    HF_KIND_VERSION,  /* IKE of another major version */
    HF_KIND_IKE,      /* spi is set */
    HF_KIND_ESP,      /* spi is set */
    HF_KIND_ICMP_IKE, /* spi is set */
    HF_KIND_ICMP_CLIENT,
    HF_KIND_HOP,
};

/* The packet. A pointer from hf_packet_at() holds until hf_packet_head() or hf_packet_tail(). */
struct hf_packet;

/* `len` bytes (a constant) at `offset`, or 0 when the frame's first buffer does not have them. */
HF_SHARED uint8_t *hf_packet_at(struct hf_packet *packet, uint64_t offset, uint64_t len);
HF_SHARED uint32_t hf_packet_len(struct hf_packet *packet);
/* 0 when done. delta < 0 makes room before the frame, > 0 cuts off there. */
HF_SHARED int hf_packet_head(struct hf_packet *packet, int delta);
/* 0 when done. delta < 0 cuts off the end. */
HF_SHARED int hf_packet_tail(struct hf_packet *packet, int delta);

/* The maps of steer.h; 0 when there is none. */
HF_SHARED struct hf_view *hf_world_view(struct hf_packet *packet); /* room for it */
HF_SHARED const struct hf_control *hf_world_control(struct hf_packet *packet);
HF_SHARED const struct hf_config *hf_world_config(struct hf_packet *packet, uint32_t which);
HF_SHARED const uint64_t *hf_world_row(struct hf_packet *packet, uint32_t shard);
HF_SHARED const struct hf_node *hf_world_node(struct hf_packet *packet, uint32_t node);
HF_SHARED const uint64_t *hf_world_live(struct hf_packet *packet, uint32_t word);
HF_SHARED uint64_t *hf_world_budget(struct hf_packet *packet, uint32_t cell);
HF_SHARED uint64_t *hf_world_flow(struct hf_packet *packet, uint32_t cell);
HF_SHARED void hf_world_count(struct hf_packet *packet, uint32_t verdict, uint64_t bytes);
/* 0 when the ring is full. */
HF_SHARED int hf_world_event(struct hf_packet *packet, struct hf_event *event);
/* For budgets: cheap and coarse, and from any beginning but 0. */
HF_SHARED uint64_t hf_world_clock(struct hf_packet *packet);
/* For people. */
HF_SHARED uint64_t hf_world_monotonic(struct hf_packet *packet);
/* The time of this packet: most need none. */
HF_SHARED uint64_t hf_now(struct hf_packet *packet, struct hf_view *view)
{
    if (view->now_ns == 0) {
        view->now_ns = hf_world_clock(packet);
    }
    return view->now_ns;
}

/* The XDP action. */
HF_SHARED int hf_world_to_cpu(struct hf_packet *packet, uint32_t cpu);
HF_SHARED int hf_world_to_device(struct hf_packet *packet, uint32_t ifindex);

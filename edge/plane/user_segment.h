/* What a read from the TUN device holds: a packet, or a super-packet (TSO, USO) that is cut into the segments
 * the kernel left to us to make, with the checksums it left to us to complete. */
#pragma once

#include "edge/base/cause.h"
#include "edge/esp/inner.h"

#include <linux/virtio_net.h>

/* The header as a TUN device with IFF_VNET_HDR has it; later fields belong to longer forms. */
enum { VNET_HEADER = sizeof(struct virtio_net_hdr) };

struct super {
    const uint8_t *packet; /* the IP packet as it was read */
    struct inner inner;
    uint32_t header_len;  /* IP and TCP or UDP, repeated in each segment */
    uint32_t payload_len; /* of all segments */
    uint32_t segment_len; /* payload of each but the last */
    uint32_t count;       /* segments; 1 for what is no super-packet, which is then copied as it is */
    bool is_cut;
};

/* Reads the vnet header and the packet behind it; completes a partial checksum in place where there is
 * nothing to cut. TCP super-packets are cut to `mtu` if the kernel's own segments would be longer.
 * CAUSE_NONE; CAUSE_TOO_BIG, with all but the count set; CAUSE_TUN_MALFORMED. */
HF_MUST enum cause super_read(uint8_t *bytes, size_t len, uint32_t mtu, struct super *ret_super);
/* Length of segment `index`. */
size_t super_len(const struct super *super, uint32_t index);
/* Writes segment `index`, super_len() bytes. */
void super_cut(const struct super *super, uint32_t index, uint8_t *ret_packet);

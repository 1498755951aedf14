/* The way to another node on the same side of the host: which link, and the link addresses of a frame to it.
 * The steering program writes whole frames, so it must be told. */
#pragma once

#include "edge/base/addr.h"

struct neighbour {
    uint32_t ifindex;
    uint8_t link_to[6], link_from[6];
};

struct neighbours; /* a netlink socket */

/* 0 or -errno. */
HF_MUST int neighbours_open(struct neighbours **ret_neighbours);
void neighbours_close(struct neighbours *neighbours); /* NULL is fine */
/* Where packets to `remote` go now, by route and neighbour table. 0; -EAGAIN when the next hop's link address
 * is not known yet, and then the kernel has been asked to find it out, as it has when an entry is stale; or
 * another -errno: no route, or a link without Ethernet addresses. */
HF_MUST int neighbour_find(struct neighbours *neighbours, const struct ip_addr *remote,
                           struct neighbour *ret_neighbour);

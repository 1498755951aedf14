/* Our nftables rules: one table, `inet holdfast`, put in place of the one before in one transaction, by
 * libnftnl and libmnl in the network namespace of the calling thread. Nobody else's table is touched.
 *
 * - MSS clamping: a TCP SYN that is forwarded from or to a tunnel gets its MSS lowered, never raised, to what
 * fits the tunnel's MTU: 40 less in IPv4, 60 less in IPv6.
 * - Source NAT: what comes from a pool that wants it and leaves by another interface than a tunnel gets the
 * address of that interface (masquerade). */
#pragma once

#include "edge/base/addr.h"

#define NFT_TABLE "holdfast"
#define NFT_ERROR_MAX 160
#define NFT_NAT_MAX 128        /* prefixes */
#define NFT_NAME_PREFIX_MAX 16 /* IFNAMSIZ */

struct nft_config {
    const char
        *tunnel_prefix; /* interfaces whose names begin with this are tunnels: "hf" for hf0, hf1, ... */
    uint32_t mtu;       /* of the tunnels */
    const struct ip_prefix *nat; /* pools whose clients are hidden behind the gateway's own addresses */
    uint32_t num_nat;            /* at most NFT_NAT_MAX, asserted */
};

/* Puts the table in place. False, and ret_error names step and reason, when the kernel refuses; then what was
 * there before is unchanged. */
HF_MUST bool nft_apply(const struct nft_config *config, char ret_error[NFT_ERROR_MAX]);
/* Removes the table; fine when there is none. */
HF_MUST bool nft_remove(char ret_error[NFT_ERROR_MAX]);

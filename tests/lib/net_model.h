/* The network between clients and gateway: which datagrams are lost, doubled, swapped, cut or forged.
 * Datagrams of both directions are counted together in the order of sending, from arming on. */
#pragma once

#include "edge/base/compiler.h"

#define NET_DELAY_NS (10 * NS_PER_MS)
#define NET_NONE UINT32_MAX

struct net_faults {
    uint64_t lose;      /* bit n: datagram n, the first 64 */
    uint32_t duplicate; /* NET_NONE or a number */
    ns_t duplicate_after;
    uint32_t swap;     /* this one comes after the next of its direction */
    uint32_t truncate; /* this one is cut ... */
    uint32_t truncate_to;
    uint32_t lose_permille, duplicate_permille, late_permille; /* by chance; late: up to 3 s */
    bool forge_all; /* every datagram for the gateway is preceded by all its forgeries */
};

#define NET_FAULTLESS ((struct net_faults){.duplicate = NET_NONE, .swap = NET_NONE, .truncate = NET_NONE})

struct net_model {
    struct net_faults faults;
    uint32_t sent; /* since arming */
};

/* What the host's network needs so that clients reach the inner network: our addresses, one TUN device for
 * each worker with the routes of its address slices, forwarding, nftables. */
#pragma once

#include "edge/base/limits.h"
#include "edge/ops/config.h"
#include "edge/plane/link.h"
#include "edge/plane/tun.h"

#define NETWORK_ERROR_MAX 320

struct network {
    struct link *link;
    struct tun_device tuns[WORKERS_MAX]; /* the descriptors belong to the workers once they are started */
    char names[WORKERS_MAX][TUN_NAME_MAX];
    uint32_t num_workers;
    uint8_t shard_bits;
    bool is_assigned, has_table;
    /* In a fleet, a bit for each shard: which are here, and which of them have routes. */
    bool in_fleet;
    uint64_t here[(1 << SHARD_BITS_MAX) / 64], routed[(1 << SHARD_BITS_MAX) / 64];
    const struct config *config_start; /* belongs to the daemon */
    bool forwarding_changed;
};

/* Before privileges are dropped. False with a reason; network_down() then takes back what was done. */
HF_MUST bool network_up(struct network *network, const struct config *config, uint32_t num_workers,
                        char ret_error[NETWORK_ERROR_MAX]);
/* From the pools of the config in force to those of a new one, without a moment in which those of both have
 * no routes. False with a reason, and then everything is as before. */
HF_MUST bool network_reload(struct network *network, const struct config *old, const struct config *new,
                            char ret_error[NETWORK_ERROR_MAX]);
/* In a fleet the TUN devices carry routes of those shards alone that are here (below them, what no other
 * route takes goes to the worker that has the shard when it is here). Changes of several shards are applied
 * together: what is new comes before anything goes. False with a reason; the next time it is tried again. */
void network_shard_set(struct network *network, uint16_t shard, bool is_here);
HF_MUST bool network_shards_apply(struct network *network, const struct config *config,
                                  char ret_error[NETWORK_ERROR_MAX]);
/* Takes back everything but forwarding, which others may have come to rely on. TUN devices go with their
 * descriptors. Fine at any time, twice too. */
void network_down(struct network *network);

/* What the fleet looks like from here, for people and for metrics. */
#pragma once

#include "edge/ops/snapshot.h"
#include "edge/session/fleet.h"

/* Lines of `holdfast fleet` (docs/CONTROL.md), without newline; the length, 0 when it did not fit. */

/* {"fleet":{...}} */
size_t fleet_status_format(char *ret_line, size_t cap, const struct fleet *fleet, uint16_t self,
                           uint8_t shard_bits, ns_t now);
/* {"member":{...}} */
size_t fleet_member_format(char *ret_line, size_t cap, const struct fleet_member_view *view);
/* {"shards":{"first":0,"rows":[[owner,wanted,secondary,epoch,moving],...]}}, FLEET_SHARDS_PER_LINE of them at
 * most. */
enum { FLEET_SHARDS_PER_LINE = 512 };
size_t fleet_shards_format(char *ret_line, size_t cap, const struct fleet *fleet, uint32_t first,
                           uint32_t count);

enum { FLEET_SAMPLES = 14 };
void fleet_status_samples(const struct fleet *fleet, ns_t now,
                          struct snapshot_sample ret_samples[FLEET_SAMPLES]);

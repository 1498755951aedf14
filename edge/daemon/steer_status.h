/* What steering does, for people and for metrics. */
#pragma once

#include "edge/daemon/steer_feed.h"
#include "edge/ops/snapshot.h"

enum { STEER_SAMPLES_MAX = 3 + 2 * HF_VERDICT_COUNT };

const char *steer_verdict_name(uint32_t verdict);
/* The line of `holdfast steer`: {"steering":{...}}. The length, 0 when it did not fit. `epochs`: how many SAs
 * have an SPI of each. */
size_t steer_status_format(char *ret_line, size_t cap, struct steer_feed *feed, const uint32_t epochs[4]);
/* How many. */
uint32_t steer_status_samples(struct steer_feed *feed, struct snapshot_sample ret_samples[STEER_SAMPLES_MAX]);

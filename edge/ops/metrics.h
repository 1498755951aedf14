/* Metrics in Prometheus' text format 0.0.4; docs/METRICS.md lists them. */
#pragma once

#include "edge/ops/snapshot.h"

#define METRICS_BYTES_MAX (256u << 10) /* enough for a node with 64 pools and identities */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The length, below `cap`; 0 when it does not fit. Pure. */
size_t metrics_format(char *ret_text, size_t cap, const struct snapshot *snapshot);

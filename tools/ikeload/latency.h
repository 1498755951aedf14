/* A distribution of durations in fixed memory: each power of two is divided into 64 steps, so what is read
 * out is at most 1.6 % too high. */
#pragma once

#include "edge/base/compiler.h"

enum { LATENCY_STEPS = 64, LATENCY_CELLS = 40 * LATENCY_STEPS };

struct latency {
    uint64_t cells[LATENCY_CELLS];
    uint64_t count;
    ns_t worst;
};

void latency_add(struct latency *latency, ns_t took_ns);
/* The time that `permille` of a thousand took at most; 0 when there is nothing in it. */
ns_t latency_permille(const struct latency *latency, uint32_t permille);

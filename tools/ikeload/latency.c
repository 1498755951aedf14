#include "tools/ikeload/latency.h"

enum { STEP_BITS = 6 };

static uint32_t cell_of(ns_t took_ns)
{
    if (took_ns < LATENCY_STEPS) {
        return (uint32_t)took_ns;
    }
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(took_ns) - STEP_BITS;
    uint32_t cell = (shift + 1) * LATENCY_STEPS + ((uint32_t)(took_ns >> shift) & (LATENCY_STEPS - 1));
    return HF_MIN(cell, LATENCY_CELLS - 1U);
}

/* The longest time that falls into a cell. */
static ns_t cell_last(uint32_t cell)
{
    if (cell < LATENCY_STEPS) {
        return cell;
    }
    uint32_t shift = cell / LATENCY_STEPS - 1;
    return ((ns_t)(LATENCY_STEPS + cell % LATENCY_STEPS + 1) << shift) - 1;
}

void latency_add(struct latency *latency, ns_t took_ns)
{
    latency->cells[cell_of(took_ns)]++;
    latency->count++;
    latency->worst = HF_MAX(latency->worst, took_ns);
}

ns_t latency_permille(const struct latency *latency, uint32_t permille)
{
    uint64_t wanted = (latency->count * permille + 999) / 1000, seen = 0;
    for (uint32_t i = 0; i < LATENCY_CELLS && latency->count > 0; i++) {
        seen += latency->cells[i];
        if (seen >= wanted && seen > 0) {
            return HF_MIN(cell_last(i), latency->worst);
        }
    }
    return 0;
}

/* The program as plain C, in a world of arrays. */
#pragma once

#include "tests/unit/ebpf/frame.h"

enum { TWIN_EVENTS_MAX = 4096 };

struct twin {
    struct scene *scene; /* read at every packet */
    uint64_t cpus;       /* bit: the cpumap has this CPU */
    uint64_t budgets[HF_BUDGET_CELLS];
    uint64_t flows[HF_FLOW_CELLS];
    struct hf_counter counters[HF_VERDICT_COUNT];
    struct hf_event events[TWIN_EVENTS_MAX];
    uint32_t num_events;
};

/* The XDP action; the frame as the program leaves it. */
int twin_run(struct twin *twin, struct frame *frame);

/* One run of one story under one fault. */
#pragma once

#include "tests/sim/story.h"

struct run {
    const struct story *story;
    struct world_options options;
    struct net_faults net;
    struct store_faults store;
    struct plane_faults plane;
    uint32_t crash_at, crash_again, starve_at;
    bool harmless; /* the fault is the network's alone, so the story must be reached */
    bool survives; /* the client is up in the end and never logged in again */
};

/* What came of it. */
struct outcome {
    bool passed;
    char id[8];
    char text[CHECK_TEXT];
    uint64_t trace_hash;
    uint32_t datagrams, events, store_ops, installs; /* of the story's own part */
    uint32_t num_checks;
};

struct run run_of(const struct story *story, uint64_t seed);
struct outcome run_go(const struct run *run);

/* One frame through the kernel and the twin, held against what must come of it. */
#pragma once

#include "tests/unit/ebpf/case.h"

struct worlds {
    struct scene scene;
    struct twin *twin;
    struct kernel *kernel; /* NULL where programs may not be loaded */
};

struct sentence {
    const char *name;
    enum hf_verdict verdict;
    uint32_t note; /* counted beside it; 0: none */
    size_t counted_bytes;
    int action;
    struct frame out;
};

void worlds_open(struct worlds *worlds); /* with the scene of scene_init() */
void worlds_close(struct worlds *worlds);
void worlds_set(struct worlds *worlds);         /* after a change of the scene */
void worlds_set_control(struct worlds *worlds); /* after a change of scene.control */
void judge(struct worlds *worlds, const struct frame *in, const struct sentence *wanted);
/* The verdict alone. */
enum hf_verdict judge_verdict(struct worlds *worlds, const struct frame *in);
/* The events since the last call, the same in both worlds. */
uint32_t judge_events(struct worlds *worlds, struct hf_event *ret_events, uint32_t cap);

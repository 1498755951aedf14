/* The program in the kernel, by BPF_PROG_TEST_RUN. */
#pragma once

#include "tests/unit/ebpf/twin.h"

struct kernel;

/* NULL, with a message, where this process may not load programs. CPU 0 is in the cpumap. The time is
 * the control map's, or the kernel's. */
struct kernel *kernel_open(bool real_time);
void kernel_close(struct kernel *kernel);
/* All maps but those that the program writes, from the scene. */
void kernel_set(struct kernel *kernel, const struct scene *scene);
void kernel_set_control(struct kernel *kernel, const struct scene *scene);
/* The XDP action; the frame as the program leaves it. */
int kernel_run(struct kernel *kernel, struct frame *frame);
void kernel_counters(struct kernel *kernel, struct hf_counter ret_counters[HF_VERDICT_COUNT]);
/* What came since the last call; how many. */
uint32_t kernel_events(struct kernel *kernel, struct hf_event *ret_events, uint32_t cap);

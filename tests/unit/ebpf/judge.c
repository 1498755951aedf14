#include "tests/unit/ebpf/judge.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

void worlds_open(struct worlds *worlds)
{
    worlds->twin = calloc(1, sizeof(*worlds->twin));
    worlds->kernel = kernel_open(false);
    worlds->twin->scene = &worlds->scene;
    worlds->twin->cpus = 1;
    scene_init(&worlds->scene);
    worlds_set(worlds);
}

void worlds_close(struct worlds *worlds)
{
    if (worlds->kernel) {
        kernel_close(worlds->kernel);
    }
    free(worlds->twin);
}

void worlds_set(struct worlds *worlds)
{
    if (worlds->kernel) {
        kernel_set(worlds->kernel, &worlds->scene);
    }
}

void worlds_set_control(struct worlds *worlds)
{
    if (worlds->kernel) {
        kernel_set_control(worlds->kernel, &worlds->scene);
    }
}

static void check_counters(const struct sentence *wanted, const char *world, const struct hf_counter *before,
                           const struct hf_counter *after)
{
    for (uint32_t v = 0; v < HF_VERDICT_COUNT; v++) {
        uint64_t packets = v == (uint32_t)wanted->verdict || (wanted->note != 0 && v == wanted->note);
        uint64_t got = after[v].packets - before[v].packets;
        cr_assert_eq(got, packets, "%s, %s: %s counted %lu times, not %lu", wanted->name, world,
                     verdict_name(v), got, packets);
        cr_assert_eq(after[v].bytes - before[v].bytes, packets * wanted->counted_bytes, "%s, %s: bytes of %s",
                     wanted->name, world, verdict_name(v));
    }
}

static void check_frame(const struct sentence *wanted, const char *world, const struct frame *got)
{
    cr_assert_eq(got->len, wanted->out.len, "%s, %s: %zu bytes, not %zu", wanted->name, world, got->len,
                 wanted->out.len);
    for (size_t i = 0; i < got->len; i++) {
        cr_assert_eq(got->bytes[i], wanted->out.bytes[i], "%s, %s: byte %zu is %02x, not %02x", wanted->name,
                     world, i, got->bytes[i], wanted->out.bytes[i]);
    }
}

static int run(struct worlds *worlds, bool in_kernel, struct frame *frame,
               struct hf_counter ret_before[HF_VERDICT_COUNT], struct hf_counter ret_after[HF_VERDICT_COUNT])
{
    int action;
    if (in_kernel) {
        kernel_counters(worlds->kernel, ret_before);
        action = kernel_run(worlds->kernel, frame);
        kernel_counters(worlds->kernel, ret_after);
    } else {
        memcpy(ret_before, worlds->twin->counters, sizeof(worlds->twin->counters));
        action = twin_run(worlds->twin, frame);
        memcpy(ret_after, worlds->twin->counters, sizeof(worlds->twin->counters));
    }
    return action;
}

void judge(struct worlds *worlds, const struct frame *in, const struct sentence *wanted)
{
    struct hf_counter before[HF_VERDICT_COUNT], after[HF_VERDICT_COUNT];
    for (int in_kernel = 0; in_kernel <= (worlds->kernel != NULL); in_kernel++) {
        const char *world = in_kernel ? "kernel" : "twin";
        struct frame frame = *in;
        int action = run(worlds, in_kernel, &frame, before, after);
        check_counters(wanted, world, before, after);
        cr_assert_eq(action, wanted->action, "%s, %s: action %d, not %d", wanted->name, world, action,
                     wanted->action);
        check_frame(wanted, world, &frame);
    }
}

static enum hf_verdict verdict_of(const struct hf_counter *before, const struct hf_counter *after)
{
    for (uint32_t v = 0; v < HF_NOTE_HOP; v++) {
        if (after[v].packets != before[v].packets) {
            return (enum hf_verdict)v;
        }
    }
    return HF_UNDECIDED;
}

enum hf_verdict judge_verdict(struct worlds *worlds, const struct frame *in)
{
    struct hf_counter before[HF_VERDICT_COUNT], after[HF_VERDICT_COUNT];
    struct frame frame = *in;
    (void)run(worlds, false, &frame, before, after);
    enum hf_verdict verdict = verdict_of(before, after);
    if (worlds->kernel) {
        frame = *in;
        (void)run(worlds, true, &frame, before, after);
        enum hf_verdict other = verdict_of(before, after);
        cr_assert_eq(other, verdict, "kernel: %s, twin: %s", verdict_name(other), verdict_name(verdict));
    }
    return verdict;
}

uint32_t judge_events(struct worlds *worlds, struct hf_event *ret_events, uint32_t cap)
{
    static struct hf_event events[TWIN_EVENTS_MAX];
    uint32_t count = worlds->twin->num_events;
    cr_assert(count <= cap);
    memcpy(ret_events, worlds->twin->events, count * sizeof(*ret_events));
    worlds->twin->num_events = 0;
    if (worlds->kernel) {
        cr_assert_eq(kernel_events(worlds->kernel, events, TWIN_EVENTS_MAX), count);
        cr_assert(memcmp(events, ret_events, count * sizeof(*events)) == 0);
    }
    return count;
}

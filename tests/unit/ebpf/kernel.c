#include "tests/unit/ebpf/kernel.h"

#include "ebpf/steer.skel.h"

#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct kernel {
    struct steer_bpf *skeleton;
    struct ring_buffer *ring;
    struct hf_event *events; /* where kernel_events() wants them */
    uint32_t num_events, cap;
};

static int event_take(void *context, void *bytes, size_t len)
{
    struct kernel *kernel = context;
    cr_assert_eq(len, sizeof(struct hf_event));
    cr_assert(kernel->num_events < kernel->cap);
    memcpy(&kernel->events[kernel->num_events++], bytes, len);
    return 0;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
    (void)level;
    (void)format;
    (void)args;
    return 0;
}

static void put(struct bpf_map *map, uint32_t key, const void *value)
{
    cr_assert_eq(bpf_map_update_elem(bpf_map__fd(map), &key, value, BPF_ANY), 0, "%s: %s", bpf_map__name(map),
                 strerror(errno));
}

/* Budgets of one CPU: the test stays on one. */
static void stay(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(sched_getcpu(), &set);
    cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

struct kernel *kernel_open(bool real_time)
{
    struct kernel *kernel = calloc(1, sizeof(*kernel));
    struct bpf_cpumap_val queue = {.qsize = 64};
    stay();
    libbpf_set_print(quiet);
    kernel->skeleton = steer_bpf__open();
    cr_assert_not_null(kernel->skeleton);
    struct timespec jiffy;
    cr_assert_eq(clock_getres(CLOCK_MONOTONIC_COARSE, &jiffy), 0);
    kernel->skeleton->rodata->clock_in_control = !real_time;
    kernel->skeleton->rodata->jiffy_ns = (uint64_t)jiffy.tv_nsec;
    bpf_map__set_max_entries(kernel->skeleton->maps.steer_cpus, (uint32_t)libbpf_num_possible_cpus());
    bpf_map__set_max_entries(kernel->skeleton->maps.steer_live, SCENE_LIVE_WORDS);
    bpf_map__set_max_entries(kernel->skeleton->maps.steer_shards, SCENE_SHARDS);
    int error = steer_bpf__load(kernel->skeleton);
    if (error == -EPERM || error == -ENOSYS) {
        cr_log_warn("skipped: may not load BPF programs");
        steer_bpf__destroy(kernel->skeleton);
        free(kernel);
        return NULL;
    }
    cr_assert_eq(error, 0, "the verifier refused the program: %s", strerror(-error));
    put(kernel->skeleton->maps.steer_cpus, 0, &queue);
    kernel->ring =
        ring_buffer__new(bpf_map__fd(kernel->skeleton->maps.steer_events), event_take, kernel, NULL);
    cr_assert_not_null(kernel->ring);
    return kernel;
}

void kernel_close(struct kernel *kernel)
{
    ring_buffer__free(kernel->ring);
    steer_bpf__destroy(kernel->skeleton);
    free(kernel);
}

void kernel_set_control(struct kernel *kernel, const struct scene *scene)
{
    put(kernel->skeleton->maps.steer_control, 0, &scene->control);
}

void kernel_set(struct kernel *kernel, const struct scene *scene)
{
    put(kernel->skeleton->maps.steer_config, scene->control.active, &scene->config);
    for (uint32_t i = 0; i < SCENE_SHARDS; i++) {
        put(kernel->skeleton->maps.steer_shards, i, &scene->rows[i]);
        put(kernel->skeleton->maps.steer_live, i, &scene->live[i]);
    }
    for (uint32_t i = 0; i < SCENE_NODES; i++) {
        put(kernel->skeleton->maps.steer_nodes, i, &scene->nodes[i]);
    }
    kernel_set_control(kernel, scene);
}

int kernel_run(struct kernel *kernel, struct frame *frame)
{
    static uint8_t out[FRAME_BYTES + 256];
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes, .data_size_in = (uint32_t)frame->len,
                .data_out = out, .data_size_out = sizeof(out));
    int error = bpf_prog_test_run_opts(bpf_program__fd(kernel->skeleton->progs.steer), &options);
    cr_assert_eq(error, 0, "test run of %zu bytes: %s", frame->len, strerror(-error));
    cr_assert(options.data_size_out <= FRAME_BYTES);
    memcpy(frame->bytes, out, options.data_size_out);
    frame->len = options.data_size_out;
    return (int)options.retval;
}

void kernel_counters(struct kernel *kernel, struct hf_counter ret_counters[HF_VERDICT_COUNT])
{
    int num_cpus = libbpf_num_possible_cpus();
    struct hf_counter *each = calloc((size_t)num_cpus, sizeof(*each));
    for (uint32_t v = 0; v < HF_VERDICT_COUNT; v++) {
        int fd = bpf_map__fd(kernel->skeleton->maps.steer_counters);
        cr_assert_eq(bpf_map_lookup_elem(fd, &v, each), 0);
        ret_counters[v] = (struct hf_counter){0};
        for (int cpu = 0; cpu < num_cpus; cpu++) {
            ret_counters[v].packets += each[cpu].packets;
            ret_counters[v].bytes += each[cpu].bytes;
        }
    }
    free(each);
}

uint32_t kernel_events(struct kernel *kernel, struct hf_event *ret_events, uint32_t cap)
{
    kernel->events = ret_events;
    kernel->num_events = 0;
    kernel->cap = cap;
    cr_assert(ring_buffer__consume(kernel->ring) >= 0);
    return kernel->num_events;
}

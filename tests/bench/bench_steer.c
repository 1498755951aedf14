/* tools/bench steer: what the steering program takes for a packet of each class, beside an empty program and
 * one with a table of flows (steer_wrap.bpf.c). Prints a line for each class, subject and number of flows:
 * separated by tabs, with the nanoseconds of each round. Every packet's verdict is checked.
 *
 *   bench_steer ROUNDS REPEAT [CLASS] */
#include "tests/bench/steer_wrap.h"
#include "tests/bench/steer_wrap.skel.h"
#include "tests/unit/ebpf/case.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
    SHARD_BITS = 12,
    LIVE_BITS = 12,
    LIVE_BYTES = 1 << (SHARD_BITS + LIVE_BITS - 3),
    ROUNDS_MAX = 64,
    SUBJECTS = WRAP_TABLE + 1,
    OTHER_NODE = 2,
    LINK_BYTES = 14,
};

struct class
{
    const char *name;
    enum wrap_class class;
    struct packet packet;
    enum hf_verdict verdict;
    int action;
    uint32_t owner; /* of all shards */
    bool live, cookie_wanted, with_table;
    uint32_t restore_len;
    int undo_head, undo_tail;
};

/* What a row does not name is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define IKE4500 {.what = WHAT_IKE_4500}
#define FIRST500 {.what = WHAT_FIRST_500}
#define ESP4500 {.what = WHAT_ESP_UDP}

static const struct class CLASSES[] = {
    {"ESP of this node", WRAP_ESP, ESP4500, HF_WORKER_ESP, XDP_REDIRECT, SCENE_SELF, .live = true},
    {"ESP to another node", WRAP_ESP, ESP4500, HF_NODE_ESP, XDP_TX, OTHER_NODE, .with_table = true,
     .restore_len = LINK_BYTES, .undo_head = HF_OVERHEAD_V4},
    {"ESP from another node", WRAP_NODE_IN, ESP4500, HF_WORKER_ESP, XDP_REDIRECT, SCENE_SELF, .live = true,
     .restore_len = LINK_BYTES + HF_OVERHEAD_V4, .undo_head = -HF_OVERHEAD_V4},
    {"ESP, garbage", WRAP_ESP, ESP4500, HF_ESP_DEAD, XDP_DROP, SCENE_SELF},
    {"IKE of this node", WRAP_IKE, IKE4500, HF_WORKER_IKE, XDP_REDIRECT, SCENE_SELF},
    {"IKE to another node", WRAP_IKE, IKE4500, HF_NODE_IKE, XDP_TX, OTHER_NODE, .restore_len = LINK_BYTES,
     .undo_head = HF_OVERHEAD_V4},
    {"IKE, forged", WRAP_FORGED, IKE4500, HF_IKE_FORGED, XDP_DROP, SCENE_SELF},
    {"IKE_SA_INIT", WRAP_FIRST, FIRST500, HF_WORKER_FIRST, XDP_REDIRECT, SCENE_SELF},
    {"IKE_SA_INIT, asked for a cookie", WRAP_FIRST, FIRST500, HF_COOKIE_ASKED, XDP_TX, SCENE_SELF,
     .cookie_wanted = true, .restore_len = 190, .undo_tail = 103},
    {"IKE_SA_INIT, with the cookie",
     WRAP_PROVEN,
     {.what = WHAT_FIRST_500, .cookie = COOKIE_NOW},
     HF_WORKER_FIRST,
     XDP_REDIRECT,
     SCENE_SELF,
     .cookie_wanted = true},
    {"keepalive", WRAP_KEEPALIVE, {.what = WHAT_NATT_BYTES, .size = 1}, HF_KEEPALIVE, XDP_DROP, SCENE_SELF},
    {"IP fragment",
     WRAP_FRAGMENT,
     {.what = WHAT_IKE_4500, .form.fragment = 0x2000},
     HF_WORKER_FRAGMENT,
     XDP_REDIRECT,
     SCENE_SELF},
};
enum { NUM_CLASSES = sizeof(CLASSES) / sizeof(CLASSES[0]) };

static const uint64_t FLOWS[] = {1, 1 << 12, 1 << 16, 1 << 19, 1ULL << 44};
enum { NUM_FLOWS = sizeof(FLOWS) / sizeof(FLOWS[0]) };

static const char *const SUBJECT_NAMES[SUBJECTS] = {"empty", "steer", "table"};

/* All programs share the first one's maps, but for the state of the wrapper. */
struct bench {
    struct scene scene;
    struct steer_wrap_bpf *programs[NUM_CLASSES][SUBJECTS];
    struct steer_wrap_bpf *first;
    struct frame frames[NUM_CLASSES];
    uint64_t *rows;
    uint8_t *live;
    uint32_t ns[NUM_CLASSES][SUBJECTS][NUM_FLOWS][ROUNDS_MAX];
};

static void need(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "bench_steer: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void put(struct bpf_map *map, uint32_t key, const void *value)
{
    need(bpf_map_update_elem(bpf_map__fd(map), &key, value, BPF_ANY) == 0, bpf_map__name(map));
}

static void maps_share(struct steer_wrap_bpf *to, struct steer_wrap_bpf *from)
{
    struct bpf_map *map;
    bpf_object__for_each_map(map, to->obj)
    {
        const char *name = bpf_map__name(map);
        if (strstr(name, "rodata") == NULL && strcmp(name, "wrap_states") != 0) {
            int fd = bpf_object__find_map_fd_by_name(from->obj, name);
            need(bpf_map__reuse_fd(map, fd) == 0, name);
        }
    }
}

static struct steer_wrap_bpf *program_load(struct bench *bench, const struct class *class, int subject)
{
    struct steer_wrap_bpf *program = steer_wrap_bpf__open();
    struct timespec jiffy;
    need(program != NULL && clock_getres(CLOCK_MONOTONIC_COARSE, &jiffy) == 0, "open");
    program->rodata->jiffy_ns = (uint64_t)jiffy.tv_nsec;
    program->rodata->subject = (uint32_t)subject;
    program->rodata->class = class->class;
    program->rodata->restore_len = class->restore_len;
    program->rodata->undo_head = class->undo_head;
    program->rodata->undo_tail = class->undo_tail;
    bpf_map__set_max_entries(program->maps.steer_shards, 1 << SHARD_BITS);
    bpf_map__set_max_entries(program->maps.steer_live, LIVE_BYTES / 8);
    bpf_map__set_max_entries(program->maps.steer_cpus, (uint32_t)libbpf_num_possible_cpus());
    if (bench->first != NULL) {
        maps_share(program, bench->first);
    } else {
        bench->first = program;
    }
    need(steer_wrap_bpf__load(program) == 0, "load");
    return program;
}

/* No bucket runs empty, but every one is asked. */
static void scene_make(struct scene *scene)
{
    scene_init(scene);
    scene->config.spi.shard_bits = SHARD_BITS;
    scene->config.live_bits = LIVE_BITS;
    scene->config.mode = HF_MODE_CPUMAP;
    memset(scene->config.worker_cpu, 0, sizeof(scene->config.worker_cpu));
    for (uint32_t i = 0; i < HF_RATE_COUNT; i++) {
        scene->config.rates[i] = (struct hf_rate){.interval_ns = 1, .burst_ns = UINT64_C(1) << 60};
    }
}

static void maps_fill(struct bench *bench)
{
    struct bpf_cpumap_val queue = {.qsize = 64};
    uint32_t node = OTHER_NODE;
    for (uint32_t i = 0; i < SCENE_NODES; i++) {
        put(bench->first->maps.steer_nodes, i, &bench->scene.nodes[i]);
    }
    for (uint32_t i = 0; i < WRAP_RING; i++) {
        put(bench->first->maps.table_ring, i, &node);
    }
    put(bench->first->maps.steer_cpus, 0, &queue);
    put(bench->first->maps.steer_config, 0, &bench->scene.config);
    bench->rows = mmap(NULL, sizeof(uint64_t) << SHARD_BITS, PROT_READ | PROT_WRITE, MAP_SHARED,
                       bpf_map__fd(bench->first->maps.steer_shards), 0);
    bench->live = mmap(NULL, LIVE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                       bpf_map__fd(bench->first->maps.steer_live), 0);
    need(bench->rows != MAP_FAILED && bench->live != MAP_FAILED, "mmap");
}

static void frame_make(const struct scene *scene, const struct class *class, struct frame *ret_frame)
{
    struct hop_case hop = {.source = OTHER_NODE,
                           .dest = SCENE_SELF,
                           .hop = 1,
                           .epoch = 1,
                           .table_version = scene->config.table_version};
    struct frame inner;
    packet_make(scene, &class->packet, ret_frame);
    if (class->class == WRAP_NODE_IN) {
        inner = *ret_frame;
        hop_make(scene, &hop, &class->packet, &inner, ret_frame);
    }
}

/* The wrapper's state: the flows to come, and how the frame is put back. */
static void state_set(struct steer_wrap_bpf *program, const struct frame *frame, uint64_t flows,
                      uint64_t seed)
{
    struct wrap_state state = {.random = seed, .flow_mask = flows - 1};
    for (int i = 0; i < WRAP_NONCE_BYTES; i++) {
        ((uint8_t *)state.nonce)[i] = (uint8_t)(i + 1); /* as body_first() has it */
    }
    memcpy(state.frame, frame->bytes, frame->len < WRAP_FRAME_BYTES ? frame->len : WRAP_FRAME_BYTES);
    put(program->maps.wrap_states, 0, &state);
}

static uint64_t verdict_count(struct bench *bench, uint32_t verdict)
{
    struct hf_counter each[256] = {0};
    uint64_t packets = 0;
    need(bpf_map_lookup_elem(bpf_map__fd(bench->first->maps.steer_counters), &verdict, each) == 0,
         "counters");
    for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++) {
        packets += each[cpu].packets;
    }
    return packets;
}

static void world_set(struct bench *bench, const struct class *class)
{
    bench->scene.control.cookie_wanted = class->cookie_wanted;
    put(bench->first->maps.steer_control, 0, &bench->scene.control);
    for (uint32_t i = 0; i < 1 << SHARD_BITS; i++) {
        bench->rows[i] = hf_row_make((uint16_t)class->owner, SCENE_SELF, i % SCENE_WORKERS, 0);
    }
    memset(bench->live, class->live ? 0xff : 0, LIVE_BYTES);
}

/* Nanoseconds for one. */
static uint32_t run(struct bench *bench, uint32_t c, int subject, uint64_t flows, uint32_t repeat)
{
    static uint8_t out[4096];
    static uint64_t seed = UINT64_C(88172645463325252);
    const struct class *class = &CLASSES[c];
    struct steer_wrap_bpf *program = bench->programs[c][subject];
    struct frame *frame = &bench->frames[c];
    struct wrap_state state;
    uint32_t key = 0;
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes, .data_size_in = (uint32_t)frame->len,
                .data_out = out, .data_size_out = sizeof(out), .repeat = (int)repeat);
    world_set(bench, class);
    state_set(program, frame, flows, seed);
    uint64_t before = verdict_count(bench, class->verdict);
    need(bpf_prog_test_run_opts(bpf_program__fd(program->progs.wrap), &options) == 0, "test run");
    need(bpf_map_lookup_elem(bpf_map__fd(program->maps.wrap_states), &key, &state) == 0, "state");
    seed = state.random;
    uint64_t counted = verdict_count(bench, class->verdict) - before;
    int action = subject == WRAP_STEER ? class->action : XDP_TX;
    if (state.actions[action] != repeat || counted != (subject == WRAP_EMPTY ? 0 : repeat)) {
        (void)fprintf(stderr, "bench_steer: %s, %s: %llu of %u came to the verdict, %llu to the action\n",
                      class->name, SUBJECT_NAMES[subject], (unsigned long long)counted, repeat,
                      (unsigned long long)state.actions[action]);
        exit(1);
    }
    return options.duration;
}

static void print_all(struct bench *bench, uint32_t rounds)
{
    for (uint32_t c = 0; c < NUM_CLASSES; c++) {
        for (int s = 0; s < SUBJECTS; s++) {
            for (uint32_t f = 0; f < NUM_FLOWS && bench->programs[c][s] != NULL; f++) {
                printf("%s\t%s\t%llu\t", CLASSES[c].name, SUBJECT_NAMES[s], (unsigned long long)FLOWS[f]);
                for (uint32_t r = 0; r < rounds; r++) {
                    printf("%u%s", bench->ns[c][s][f][r], r + 1 < rounds ? " " : "\n");
                }
            }
        }
    }
}

int main(int argc, char **argv)
{
    static struct bench bench;
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 7;
    uint32_t repeat = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 200000;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    scene_make(&bench.scene);
    for (uint32_t c = 0; c < NUM_CLASSES; c++) {
        if (argc > 3 && strstr(CLASSES[c].name, argv[3]) == NULL) {
            continue;
        }
        frame_make(&bench.scene, &CLASSES[c], &bench.frames[c]);
        for (int s = 0; s < (CLASSES[c].with_table ? SUBJECTS : WRAP_TABLE); s++) {
            bench.programs[c][s] = program_load(&bench, &CLASSES[c], s);
        }
    }
    maps_fill(&bench);
    for (uint32_t r = 0; r < rounds; r++) {
        for (uint32_t f = 0; f < NUM_FLOWS; f++) {
            for (uint32_t c = 0; c < NUM_CLASSES; c++) {
                for (int s = 0; s < SUBJECTS; s++) {
                    if (bench.programs[c][s] != NULL) {
                        bench.ns[c][s][f][r] = run(&bench, c, s, FLOWS[f], repeat);
                    }
                }
            }
        }
    }
    print_all(&bench, rounds);
    return 0;
}

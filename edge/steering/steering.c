#include "edge/steering/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void steering_fail(char ret_error[STEERING_ERROR_MAX], const char *what, int error)
{
    snprintf(ret_error, STEERING_ERROR_MAX, "%.200s: %s", what, strerror(error < 0 ? -error : error));
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
    (void)level;
    (void)format;
    (void)args;
    return 0;
}

/* ---- maps in memory */

static void *map_open(const struct bpf_map *map, size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static size_t pages_of(const struct bpf_map *map)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (size_t)((bpf_map__value_size(map) + 7) / 8 * 8) * bpf_map__max_entries(map);
    return (bytes + page - 1) / page * page;
}

static bool memory_open(struct steering *s)
{
    s->control_bytes = pages_of(s->skeleton->maps.steer_control);
    s->rows_bytes = pages_of(s->skeleton->maps.steer_shards);
    s->live_bytes = pages_of(s->skeleton->maps.steer_live);
    s->control = map_open(s->skeleton->maps.steer_control, s->control_bytes);
    s->rows = map_open(s->skeleton->maps.steer_shards, s->rows_bytes);
    s->live = map_open(s->skeleton->maps.steer_live, s->live_bytes);
    return s->control != NULL && s->rows != NULL && s->live != NULL;
}

static void memory_close(struct steering *s)
{
    if (s->control != NULL) {
        munmap(s->control, s->control_bytes);
    }
    if (s->rows != NULL) {
        munmap(s->rows, s->rows_bytes);
    }
    if (s->live != NULL) {
        munmap(s->live, s->live_bytes);
    }
}

/* ---- loading */

static const char *lack_of(int error)
{
    switch (error) {
    case -EPERM:
    case -EACCES:
        return "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (or root) are needed to load the program";
    case -ENOSYS:
        return "the kernel has no BPF";
    default:
        return "the kernel does not take the program; Linux 6.1 or newer is needed";
    }
}

static int load(struct steering *s, const struct steering_options *options)
{
    s->skeleton = steer_bpf__open();
    if (s->skeleton == NULL) {
        return -errno;
    }
    uint32_t bits = options->shard_bits + (uint32_t)options->live_bits;
    (void)bpf_map__set_max_entries(s->skeleton->maps.steer_live, bits > 6 ? UINT32_C(1) << (bits - 6) : 1);
    (void)bpf_map__set_max_entries(s->skeleton->maps.steer_cpus, (uint32_t)libbpf_num_possible_cpus());
    if (s->pins[0] != '\0') {
        pins_reuse_maps(s);
    }
    return steer_bpf__load(s->skeleton);
}

static int event_take(void *context, void *bytes, size_t len)
{
    struct steering *s = context;
    if (len >= sizeof(struct hf_event)) {
        s->event_take(s->event_context, bytes);
    }
    return 0;
}

bool steering_open(const struct steering_options *options, struct steering **ret_steering,
                   char ret_error[STEERING_ERROR_MAX])
{
    struct steering *s = calloc(1, sizeof(*s));
    hf_assert(s != NULL);
    libbpf_set_print(quiet);
    s->sockets_fd = s->pins_fd = -1;
    s->num_groups = options->num_groups;
    s->num_workers = options->num_workers;
    snprintf(s->pins, sizeof(s->pins), "%s", options->pins == NULL ? "" : options->pins);
    int error = s->pins[0] == '\0' ? 0 : pins_open(s, options->uid, options->gid);
    if (error != 0) {
        s->pins[0] = '\0';
        snprintf(ret_error, STEERING_ERROR_MAX, "no pins in %.200s: %s", options->pins, strerror(-error));
    }
    if ((error = load(s, options)) != 0) {
        steering_fail(ret_error, lack_of(error), error);
    } else if (!memory_open(s)) {
        steering_fail(ret_error, "maps cannot be mapped into memory", errno);
    } else if ((s->ring = ring_buffer__new(bpf_map__fd(s->skeleton->maps.steer_events), event_take, s,
                                           NULL)) == NULL) {
        steering_fail(ret_error, "ring buffer", errno);
    } else if (s->pins[0] != '\0' && (error = pins_add_maps(s)) != 0) {
        steering_fail(ret_error, s->pins, error);
    } else {
        *ret_steering = s;
        return true;
    }
    steering_close(s, true);
    return false;
}

void steering_close(struct steering *s, bool keep)
{
    if (s == NULL) {
        return;
    }
    if (s->pins_fd >= 0) {
        if (!keep) {
            pins_remove(s->pins_fd, NULL, NULL);
        }
        close(s->pins_fd);
    }
    for (uint32_t i = 0; i < s->num_links; i++) {
        close(s->links[i].fd); /* the last reference, unless it is pinned */
    }
    if (s->sockets_fd >= 0) {
        close(s->sockets_fd);
    }
    ring_buffer__free(s->ring);
    memory_close(s);
    if (s->skeleton != NULL) {
        steer_bpf__destroy(s->skeleton);
    }
    explicit_bzero(&s->config, sizeof(s->config));
    free(s);
}

/* ---- what is fed */

bool steering_is_continued(const struct steering *s)
{
    return s->is_continued;
}

struct hf_control *steering_control(struct steering *s)
{
    return s->control;
}

uint64_t *steering_rows(struct steering *s)
{
    return s->rows;
}

uint64_t *steering_live(struct steering *s)
{
    return s->live;
}

size_t steering_live_words(const struct steering *s)
{
    return bpf_map__max_entries(s->skeleton->maps.steer_live);
}

struct hf_config *steering_config(struct steering *s)
{
    return &s->config;
}

int steering_commit(struct steering *s)
{
    uint32_t other = !(s->control->active & 1);
    if (bpf_map_update_elem(bpf_map__fd(s->skeleton->maps.steer_config), &other, &s->config, BPF_ANY) != 0) {
        return -errno;
    }
    __atomic_store_n(&s->control->active, other, __ATOMIC_RELEASE);
    return 0;
}

int steering_node_set(struct steering *s, uint32_t id, const struct hf_node *node)
{
    int fd = bpf_map__fd(s->skeleton->maps.steer_nodes);
    return bpf_map_update_elem(fd, &id, node, BPF_ANY) == 0 ? 0 : -errno;
}

int steering_cpu_set(struct steering *s, uint32_t cpu)
{
    struct bpf_cpumap_val queue = {.qsize = 2048};
    int fd = bpf_map__fd(s->skeleton->maps.steer_cpus);
    return bpf_map_update_elem(fd, &cpu, &queue, BPF_ANY) == 0 ? 0 : -errno;
}

/* ---- what it says */

int steering_counters(const struct steering *s, struct hf_counter ret_counters[HF_VERDICT_COUNT])
{
    int num_cpus = libbpf_num_possible_cpus();
    struct hf_counter *each = calloc((size_t)num_cpus, sizeof(*each));
    int fd = bpf_map__fd(s->skeleton->maps.steer_counters), error = each == NULL ? -ENOMEM : 0;
    for (uint32_t v = 0; v < HF_VERDICT_COUNT && error == 0; v++) {
        ret_counters[v] = (struct hf_counter){0};
        error = bpf_map_lookup_elem(fd, &v, each) == 0 ? 0 : -errno;
        for (int cpu = 0; cpu < num_cpus && error == 0; cpu++) {
            ret_counters[v].packets += each[cpu].packets;
            ret_counters[v].bytes += each[cpu].bytes;
        }
    }
    free(each);
    return error;
}

int steering_event_fd(const struct steering *s)
{
    return ring_buffer__epoll_fd(s->ring);
}

void steering_events(struct steering *s, void (*take)(void *context, const struct hf_event *event),
                     void *context)
{
    s->event_take = take;
    s->event_context = context;
    (void)ring_buffer__consume(s->ring);
}

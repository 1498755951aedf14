/* Shared by the files of edge/steering alone. */
#pragma once

#include "edge/steering/steering.h"

#include "ebpf/socket.skel.h"
#include "ebpf/steer.skel.h"

#include <bpf/bpf.h>
#include <limits.h>

/* Raise it when a map's value changes its meaning and not its size: the pins of the version before are then
 * left alone, and taken away. */
#define STEERING_LAYOUT 1

struct steering {
    struct steer_bpf *skeleton;
    char pins[PATH_MAX]; /* empty: none */
    int pins_fd;         /* the folder: who we become may not get there by its path; -1: none */
    uint32_t num_groups, num_workers;
    bool is_continued;
    struct hf_control *control;
    uint64_t *rows, *live;
    size_t control_bytes, rows_bytes, live_bytes;
    struct hf_config config;
    struct ring_buffer *ring;
    void (*event_take)(void *context, const struct hf_event *event);
    void *event_context;
    int sockets_fd; /* the map of sockets, -1 before the first */
    struct {
        char name[STEERING_NAME_MAX];
        int fd;
    } links[STEERING_INTERFACES_MAX];
    uint32_t num_links;
};

void steering_fail(char ret_error[STEERING_ERROR_MAX], const char *what, int error);

/* pin.c */
/* Makes and opens the folder. 0 or -errno. */
HF_MUST int pins_open(struct steering *steering, uid_t uid, gid_t gid);
/* Before loading: pinned maps that fit are taken, others unpinned. */
void pins_reuse_maps(struct steering *steering);
/* After loading. 0 or -errno. */
HF_MUST int pins_add_maps(struct steering *steering);
const char *pin_path(const char *pins, const char *kind, const char *name, char ret_path[PATH_MAX]);
/* Unpins everything (`kind` NULL), or all of one kind but what `steering` holds. */
void pins_remove(int pins_fd, const char *kind, const struct steering *steering);

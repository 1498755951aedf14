/* Links: the program on interfaces, and on groups of sockets. */
#include "edge/steering/internal.h"

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- XDP */

static bool link_is_of(int fd, uint32_t ifindex)
{
    struct bpf_link_info info = {0};
    uint32_t len = sizeof(info);
    return bpf_link_get_info_by_fd(fd, &info, &len) == 0 && info.type == BPF_LINK_TYPE_XDP &&
           info.xdp.ifindex == ifindex;
}

static enum steering_mode mode_now(uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    if (bpf_xdp_query((int)ifindex, 0, &query) != 0) {
        return STEERING_AUTO;
    }
    return query.attach_mode == XDP_ATTACHED_SKB ? STEERING_GENERIC : STEERING_NATIVE;
}

/* The link of an earlier process, with our program now; -1 when there is none that will do. */
static int link_take(struct steering *s, const char *path, uint32_t ifindex, enum steering_mode mode)
{
    int fd = path == NULL ? -1 : bpf_obj_get(path);
    if (fd < 0) {
        return -1;
    }
    bool fits = link_is_of(fd, ifindex) && (mode == STEERING_AUTO || mode == mode_now(ifindex));
    if (fits && bpf_link_update(fd, bpf_program__fd(s->skeleton->progs.steer), NULL) == 0) {
        return fd;
    }
    (void)unlink(path);
    close(fd);
    return -1;
}

static int link_make(struct steering *s, uint32_t ifindex, enum steering_mode mode)
{
    LIBBPF_OPTS(bpf_link_create_opts, options,
                .flags = mode == STEERING_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
    int program = bpf_program__fd(s->skeleton->progs.steer);
    int fd = bpf_link_create(program, (int)ifindex, BPF_XDP, &options);
    return fd < 0 ? -errno : fd;
}

/* By the folder's descriptor: who we became may not get there by its path (Linux 6.5). */
static int link_pin(const struct steering *s, int fd, const char *path)
{
    LIBBPF_OPTS(bpf_obj_pin_opts, options, .file_flags = BPF_F_PATH_FD, .path_fd = s->pins_fd);
    const char *name = strrchr(path, '/') + 1;
    int error = bpf_obj_pin_opts(fd, name, &options) == 0 ? 0 : -errno;
    return error == -EINVAL && bpf_obj_pin(fd, path) == 0 ? 0 : error;
}

bool steering_attach(struct steering *s, const char *interface, enum steering_mode mode,
                     enum steering_mode *ret_mode, char ret_error[STEERING_ERROR_MAX])
{
    char path[PATH_MAX];
    uint32_t ifindex = if_nametoindex(interface);
    hf_assert(s->num_links < STEERING_INTERFACES_MAX);
    if (ifindex == 0) {
        steering_fail(ret_error, interface, errno);
        return false;
    }
    const char *pin = s->pins[0] == '\0' ? NULL : pin_path(s->pins, "link", interface, path);
    int fd = link_take(s, pin, ifindex, mode);
    bool is_new = fd < 0;
    if (is_new) {
        fd = link_make(s, ifindex, mode);
    }
    if (fd < 0 && mode == STEERING_AUTO) {
        fd = link_make(s, ifindex, STEERING_GENERIC);
    }
    if (fd < 0) {
        steering_fail(ret_error, interface, fd);
        return false;
    }
    int error = is_new && pin != NULL ? link_pin(s, fd, pin) : 0;
    if (error != 0) {
        steering_fail(ret_error, pin, error);
    }
    s->links[s->num_links].fd = fd;
    snprintf(s->links[s->num_links++].name, STEERING_NAME_MAX, "%s", interface);
    *ret_mode = mode_now(ifindex);
    return true;
}

void steering_detach(struct steering *s, const char *interface)
{
    char path[PATH_MAX];
    for (uint32_t i = 0; i < s->num_links; i++) {
        if (strcmp(s->links[i].name, interface) == 0) {
            const char *pin = s->pins_fd < 0 ? NULL : pin_path(s->pins, "link", interface, path);
            if (pin != NULL) {
                (void)unlinkat(s->pins_fd, strrchr(pin, '/') + 1, 0);
            }
            close(s->links[i].fd); /* the last reference */
            s->links[i] = s->links[--s->num_links];
            return;
        }
    }
}

void steering_attach_done(struct steering *s)
{
    if (s->pins_fd >= 0) {
        pins_remove(s->pins_fd, "link_", s);
    }
}

/* ---- sockets */

/* With the maps of the other program, and one map of sockets for all groups. */
static int socket_program_load(struct steering *s, struct socket_bpf *program, uint32_t group)
{
    const struct {
        struct bpf_map *map, *from;
    } shared[] = {
        {program->maps.steer_control, s->skeleton->maps.steer_control},
        {program->maps.steer_config, s->skeleton->maps.steer_config},
        {program->maps.steer_shards, s->skeleton->maps.steer_shards},
    };
    int error = 0;
    for (size_t i = 0; i < HF_COUNT(shared) && error == 0; i++) {
        error = bpf_map__reuse_fd(shared[i].map, bpf_map__fd(shared[i].from));
    }
    (void)bpf_map__set_max_entries(program->maps.socket_workers, s->num_groups * s->num_workers);
    if (error == 0 && s->sockets_fd >= 0) {
        error = bpf_map__reuse_fd(program->maps.socket_workers, s->sockets_fd);
    }
    program->rodata->first_socket = group * s->num_workers;
    if (error == 0) {
        error = socket_bpf__load(program);
    }
    if (error == 0 && s->sockets_fd < 0) {
        s->sockets_fd = dup(bpf_map__fd(program->maps.socket_workers));
        error = s->sockets_fd < 0 ? -errno : 0;
    }
    return error;
}

static int sockets_enter(struct steering *s, uint32_t group, const int *fds)
{
    for (uint32_t worker = 0; worker < s->num_workers; worker++) {
        uint32_t key = group * s->num_workers + worker;
        uint64_t value = (uint64_t)fds[worker];
        if (bpf_map_update_elem(s->sockets_fd, &key, &value, BPF_ANY) != 0) {
            return -errno;
        }
    }
    return 0;
}

bool steering_sockets(struct steering *s, uint32_t group, const int *fds, char ret_error[STEERING_ERROR_MAX])
{
    struct socket_bpf *program = socket_bpf__open();
    int error = program == NULL ? -errno : socket_program_load(s, program, group);
    if (error == 0) {
        error = sockets_enter(s, group, fds);
    }
    if (error == 0) {
        int fd = bpf_program__fd(program->progs.choose);
        error = setsockopt(fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &fd, sizeof(fd)) == 0 ? 0 : -errno;
    }
    if (error != 0) {
        steering_fail(ret_error, "sockets", error);
    }
    if (program != NULL) {
        socket_bpf__destroy(program);
    }
    return error == 0;
}

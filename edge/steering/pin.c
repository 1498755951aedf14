/* The folder of pins: map_NAME:LAYOUT and link_INTERFACE. It belongs to the user that the daemon becomes, who
 * may unpin without any privilege. */
#include "edge/steering/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPF_FS_MAGIC 0xcafe4a11

/* A BPF file system takes no dot; an interface may have one, but no colon. */
static char without_dot(char c)
{
    return c == '.' ? ':' : c;
}

const char *pin_path(const char *pins, const char *kind, const char *name, char ret_path[PATH_MAX])
{
    int folder = snprintf(ret_path, PATH_MAX, "%s/", pins);
    if (folder < 0 || folder + strlen(kind) + strlen(name) + 2 > PATH_MAX) {
        return NULL;
    }
    (void)snprintf(ret_path + folder, (size_t)(PATH_MAX - folder), "%s_%s", kind, name);
    for (char *c = ret_path + folder; *c != '\0'; c++) {
        *c = without_dot(*c);
    }
    return ret_path;
}

static int folder_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int pins_open(struct steering *steering, uid_t uid, gid_t gid)
{
    struct statfs fs;
    if (mkdir(steering->pins, 0700) != 0 && errno != EEXIST) {
        return -errno;
    }
    int fd = folder_open(steering->pins);
    if (fd < 0) {
        return fd;
    }
    int error = fstatfs(fd, &fs) != 0 ? -errno : 0;
    if (error == 0 && fs.f_type != BPF_FS_MAGIC) {
        (void)rmdir(steering->pins);
        error = -EMEDIUMTYPE;
    }
    if (error == 0 && fchown(fd, uid, gid) != 0) {
        error = -errno;
    }
    if (error != 0) {
        close(fd);
        return error;
    }
    steering->pins_fd = fd;
    return 0;
}

void steering_forget(const char *pins)
{
    int fd = folder_open(pins);
    if (fd >= 0) {
        pins_remove(fd, NULL, NULL);
        close(fd);
    }
}

/* The program's own memory, and queues of which a new program makes new ones. */
static bool is_pinned_kind(const struct bpf_map *map)
{
    const char *name = bpf_map__name(map);
    return !bpf_map__is_internal(map) && strcmp(name, "steer_scratch") != 0 &&
           strcmp(name, "steer_cpus") != 0;
}

static const char *map_path(const struct steering *steering, const struct bpf_map *map,
                            char ret_path[PATH_MAX])
{
    char name[64];
    snprintf(name, sizeof(name), "%s:%d", bpf_map__name(map), STEERING_LAYOUT);
    return pin_path(steering->pins, "map", name, ret_path);
}

static bool map_fits(const struct bpf_map *map, int fd)
{
    struct bpf_map_info info = {0};
    uint32_t len = sizeof(info);
    return bpf_map_get_info_by_fd(fd, &info, &len) == 0 && info.type == bpf_map__type(map) &&
           info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
           info.max_entries == bpf_map__max_entries(map) && info.map_flags == bpf_map__map_flags(map);
}

void pins_reuse_maps(struct steering *steering)
{
    struct bpf_map *map;
    char path[PATH_MAX];
    bpf_object__for_each_map(map, steering->skeleton->obj)
    {
        if (!is_pinned_kind(map) || map_path(steering, map, path) == NULL) {
            continue;
        }
        int fd = bpf_obj_get(path);
        if (fd >= 0 && map_fits(map, fd) && bpf_map__reuse_fd(map, fd) == 0) {
            steering->is_continued = true;
        } else {
            (void)unlink(path);
        }
        if (fd >= 0) {
            close(fd);
        }
    }
}

int pins_add_maps(struct steering *steering)
{
    struct bpf_map *map;
    char path[PATH_MAX];
    bpf_object__for_each_map(map, steering->skeleton->obj)
    {
        if (!is_pinned_kind(map) || map_path(steering, map, path) == NULL || access(path, F_OK) == 0) {
            continue;
        }
        if (bpf_obj_pin(bpf_map__fd(map), path) != 0) {
            return -errno;
        }
    }
    return 0;
}

/* `entry` is "link_" and an interface. */
static bool is_held(const struct steering *steering, const char *entry)
{
    for (uint32_t i = 0; steering != NULL && i < steering->num_links; i++) {
        const char *name = steering->links[i].name;
        size_t at = 0;
        while (name[at] != '\0' && entry[5 + at] == without_dot(name[at])) {
            at++;
        }
        if (name[at] == '\0' && entry[5 + at] == '\0') {
            return true;
        }
    }
    return false;
}

void pins_remove(int pins_fd, const char *kind, const struct steering *steering)
{
    int fd = openat(pins_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        bool is_ours = strncmp(entry->d_name, "map_", 4) == 0 || strncmp(entry->d_name, "link_", 5) == 0;
        bool is_meant = kind == NULL || strncmp(entry->d_name, kind, strlen(kind)) == 0;
        if (is_ours && is_meant && (kind == NULL || !is_held(steering, entry->d_name))) {
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    closedir(folder);
}

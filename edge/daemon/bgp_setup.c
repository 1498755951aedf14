/* From our config to what FRR is told. */
#include "edge/daemon/bgp.h"

#include "edge/ops/file.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define VTYSH "/usr/bin/vtysh"

/* The first line of the file: printable, without spaces. */
static bool password_read(const char *path, char ret_password[FRR_PASSWORD_MAX + 1], char *ret_error,
                          size_t cap)
{
    struct file file;
    const char *why = file_read(path, 4096, &file);
    if (why != NULL) {
        snprintf(ret_error, cap, "%s: %s", path, why);
        return false;
    }
    size_t len = strcspn((const char *)file.data, "\r\n");
    bool fine = len > 0 && len <= FRR_PASSWORD_MAX;
    for (size_t i = 0; i < len && fine; i++) {
        fine = isgraph(file.data[i]) != 0;
    }
    if (fine) {
        memcpy(ret_password, file.data, len);
    } else {
        snprintf(ret_error, cap, "%s: not a password of 1 to %d characters without spaces", path,
                 FRR_PASSWORD_MAX);
    }
    file_free(&file);
    return fine;
}

static bool neighbour_of(const struct config_bgp_neighbour *from, struct frr_neighbour *to, char *ret_error,
                         size_t cap)
{
    to->addr = from->addr;
    to->asn = from->asn;
    to->is_transit = from->role == CONFIG_BGP_TRANSIT;
    to->bfd = from->bfd;
    to->accept = (enum frr_accept)from->accept;
    to->hops = from->hops;
    return from->password_file == NULL || password_read(from->password_file, to->password, ret_error, cap);
}

static void pools_of(const struct config *config, struct frr_setup *setup)
{
    for (uint32_t i = 0; i < config->num_pools; i++) {
        const struct config_pool *pool = &config->pools[i];
        if (pool->has_v4) {
            setup->pools[setup->num_pools++] = pool->v4;
        }
        if (pool->has_v6) {
            setup->pools[setup->num_pools++] = pool->v6;
        }
    }
}

bool bgp_setup_of(const struct config *config, struct frr_setup *setup, char *ret_error, size_t cap)
{
    const struct config_bgp *bgp = &config->bgp;
    _Static_assert((int)CONFIG_BGP_PREFIXES_MAX == (int)FRR_PREFIXES_MAX &&
                       (int)CONFIG_BGP_NEIGHBOURS_MAX == (int)FRR_NEIGHBOURS_MAX,
                   "all fit");
    memset(setup, 0, sizeof(*setup)); /* padding, too: setups are compared as memory */
    setup->asn = bgp->asn;
    setup->router = bgp->router;
    setup->prepend = bgp->prepend;
    setup->keepalive_s = (uint32_t)(bgp->timers.keepalive_ns / NS_PER_S);
    setup->hold_s = (uint32_t)(bgp->timers.hold_ns / NS_PER_S);
    setup->connect_s = (uint32_t)(bgp->timers.connect_ns / NS_PER_S);
    setup->bfd_ms = (uint32_t)(bgp->timers.bfd_ns / NS_PER_MS);
    setup->bfd_multiplier = bgp->timers.bfd_multiplier;
    for (; setup->num_prefixes < bgp->num_prefixes; setup->num_prefixes++) {
        setup->prefixes[setup->num_prefixes] = bgp->nets[setup->num_prefixes];
    }
    pools_of(config, setup);
    for (; setup->num_neighbours < bgp->num_neighbours; setup->num_neighbours++) {
        uint32_t i = setup->num_neighbours;
        if (!neighbour_of(&bgp->neighbours[i], &setup->neighbours[i], ret_error, cap)) {
            return false;
        }
    }
    return true;
}

/* ---- vtysh */

/* A file that nobody else sees, and is gone with us. */
static int text_file(const struct frr_setup *setup)
{
    char *text = malloc(2 * (size_t)FRR_TEXT_MAX);
    int fd = memfd_create("frr.conf", 0);
    if (text == NULL || fd < 0) {
        free(text);
        return fd;
    }
    size_t len = frr_bfdd_text(setup, text, FRR_TEXT_MAX);
    len += frr_bgpd_text(setup, true, text + len, FRR_TEXT_MAX);
    (void)!write(fd, text, len);
    explicit_bzero(text, 2 * (size_t)FRR_TEXT_MAX);
    free(text);
    return fd;
}

static void run_vtysh(int fd, int out)
{
    char path[32];
    char *args[] = {(char *)(uintptr_t)VTYSH, (char *)(uintptr_t)"-C", (char *)(uintptr_t)"-f", path, NULL};
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(out, STDERR_FILENO);
    execv(VTYSH, args);
    _exit(127);
}

bool bgp_setup_check(const struct frr_setup *setup, char *ret_error, size_t cap)
{
    int said[2], status = 0, fd;
    size_t len = 0;
    ssize_t got = 1;
    if (access(VTYSH, X_OK) != 0 || (fd = text_file(setup)) < 0) {
        return true; /* bgpd itself will say */
    }
    if (pipe2(said, O_CLOEXEC) != 0) {
        close(fd);
        return true;
    }
    pid_t child = fork();
    if (child == 0) {
        run_vtysh(fd, said[1]);
    }
    close(said[1]);
    while (child > 0 && got > 0 && len + 1 < cap) {
        got = read(said[0], ret_error + len, cap - len - 1);
        len += got > 0 ? (size_t)got : 0;
    }
    ret_error[len] = '\0';
    close(said[0]);
    close(fd);
    return child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
           WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 127;
}

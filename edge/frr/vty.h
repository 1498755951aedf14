/* The command socket of an FRR daemon: what vtysh speaks. A command goes out with a zero byte behind it; the
 * answer ends with three zero bytes and a status. One command at a time is under way; others wait. Nothing
 * here blocks. */
#pragma once

#include "edge/base/compiler.h"

enum { VTY_QUEUE_MAX = 4096, VTY_COMMAND_MAX = 512, VTY_ANSWER_MAX = 4 << 20 };
#define VTY_PATIENCE_NS (5 * NS_PER_S) /* for one answer */

struct vty_command;

/* An answer: status 0 is success, 1 a warning, all else a refusal. `tag` is what the command was sent with.
 */
typedef void vty_answer_fn(void *context, uint32_t tag, const char *command, int status, const char *text);

struct vty {
    char path[108];
    int fd; /* -1: not connected */
    vty_answer_fn *answered;
    void *context;
    struct vty_command *first, *last; /* the first is under way when `is_sent` */
    uint32_t num_queued;
    bool is_sent;
    size_t sent; /* bytes of the first one */
    char *in;
    size_t in_len, in_cap;
    ns_t since; /* the first was sent */
};

/* Nothing is opened yet. False when the path is too long. */
HF_MUST bool vty_init(struct vty *vty, const char *folder, const char *daemon, vty_answer_fn *answered,
                      void *context);
/* 0 or -errno; -ENOENT, -ECONNREFUSED: the daemon does not run. */
HF_MUST int vty_connect(struct vty *vty);
/* Drops what waits. */
void vty_close(struct vty *vty);
/* False without room, or when it is not connected. */
HF_MUST bool vty_send(struct vty *vty, uint32_t tag, const char *command);
/* Reads and writes what can be. False when the connection was lost and is closed now. */
HF_MUST bool vty_work(struct vty *vty, ns_t now);
/* Whether there is something to write. */
bool vty_has_output(const struct vty *vty);
/* Nothing is under way or waits. */
bool vty_is_idle(const struct vty *vty);

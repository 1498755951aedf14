#include "edge/frr/vty.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MARK = 3, TAIL = MARK + 1, READ_STEP = 16384 };

struct vty_command {
    struct vty_command *next;
    uint32_t tag;
    size_t len; /* with the zero */
    char text[];
};

bool vty_init(struct vty *vty, const char *folder, const char *daemon, vty_answer_fn *answered, void *context)
{
    *vty = (struct vty){.fd = -1, .answered = answered, .context = context};
    int len = snprintf(vty->path, sizeof(vty->path), "%s/%s.vty", folder, daemon);
    return len > 0 && (size_t)len < sizeof(vty->path);
}

int vty_connect(struct vty *vty)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    hf_assert(vty->fd < 0);
    memcpy(address.sun_path, vty->path, sizeof(address.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    vty->fd = fd;
    return 0;
}

static void first_drop(struct vty *vty)
{
    struct vty_command *command = vty->first;
    vty->first = command->next;
    vty->last = vty->first == NULL ? NULL : vty->last;
    vty->num_queued--;
    vty->is_sent = false;
    vty->sent = 0;
    explicit_bzero(command->text, command->len); /* passwords */
    free(command);
}

void vty_close(struct vty *vty)
{
    while (vty->first != NULL) {
        first_drop(vty);
    }
    if (vty->in != NULL) {
        explicit_bzero(vty->in, vty->in_cap);
    }
    free(vty->in);
    vty->in = NULL;
    vty->in_len = vty->in_cap = 0;
    if (vty->fd >= 0) {
        close(vty->fd);
    }
    vty->fd = -1;
}

bool vty_send(struct vty *vty, uint32_t tag, const char *text)
{
    size_t len = strlen(text) + 1;
    if (vty->fd < 0 || vty->num_queued == VTY_QUEUE_MAX || len > VTY_COMMAND_MAX) {
        return false;
    }
    struct vty_command *command = malloc(sizeof(*command) + len);
    if (command == NULL) {
        return false;
    }
    *command = (struct vty_command){.tag = tag, .len = len};
    memcpy(command->text, text, len);
    if (vty->last != NULL) {
        vty->last->next = command;
    } else {
        vty->first = command;
    }
    vty->last = command;
    vty->num_queued++;
    return true;
}

bool vty_has_output(const struct vty *vty)
{
    return vty->first != NULL && !vty->is_sent;
}

bool vty_is_idle(const struct vty *vty)
{
    return vty->first == NULL;
}

/* False when the other side is gone. */
static bool write_first(struct vty *vty, ns_t now)
{
    struct vty_command *command = vty->first;
    ssize_t sent = send(vty->fd, command->text + vty->sent, command->len - vty->sent, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    vty->sent += (size_t)sent;
    vty->is_sent = vty->sent == command->len;
    vty->since = now;
    return true;
}

/* What more there is to read: 1, 0 for nothing now, -1 when the other side is gone. */
static int read_more(struct vty *vty)
{
    if (vty->in_cap - vty->in_len < READ_STEP) {
        size_t cap = HF_MAX(vty->in_cap * 2, (size_t)2 * READ_STEP);
        char *in = cap > VTY_ANSWER_MAX ? NULL : realloc(vty->in, cap);
        if (in == NULL) {
            return -1;
        }
        vty->in = in;
        vty->in_cap = cap;
    }
    ssize_t got = recv(vty->fd, vty->in + vty->in_len, vty->in_cap - vty->in_len, 0);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    vty->in_len += (size_t)got;
    return got > 0 ? 1 : -1;
}

static bool is_complete(const struct vty *vty)
{
    static const char zeros[MARK] = {0};
    return vty->in_len >= TAIL && memcmp(vty->in + vty->in_len - TAIL, zeros, MARK) == 0;
}

/* The command is taken out before the call: it may send others. */
static void take_answer(struct vty *vty)
{
    char command[VTY_COMMAND_MAX];
    uint32_t tag = vty->first->tag;
    int status = (unsigned char)vty->in[vty->in_len - 1];
    memcpy(command, vty->first->text, vty->first->len);
    vty->in[vty->in_len - TAIL] = '\0';
    first_drop(vty);
    vty->in_len = 0;
    vty->answered(vty->context, tag, command, status, vty->in);
    explicit_bzero(command, sizeof(command));
}

bool vty_work(struct vty *vty, ns_t now)
{
    bool alive = vty->fd >= 0;
    for (bool goes_on = alive; goes_on;) {
        if (vty_has_output(vty)) {
            alive = write_first(vty, now);
        }
        int more = alive ? read_more(vty) : -1;
        alive = more >= 0 && (more == 0 || vty->first != NULL); /* unasked: not what we know */
        if (alive && vty->is_sent && is_complete(vty)) {
            take_answer(vty);
            goes_on = vty->fd >= 0;
        } else {
            goes_on = alive && more > 0;
        }
    }
    if (alive && vty->is_sent && now > vty->since + VTY_PATIENCE_NS) {
        alive = false;
    }
    if (!alive) {
        vty_close(vty);
    }
    return alive;
}

/* Listening sockets of the main thread. */
#pragma once

#include "edge/base/addr.h"

#include <sys/types.h>

/* A Unix socket at `path`, in place of one that was left behind; owned by `owner`, and the members of `group`
 * (NULL: nobody else) may connect. 0 or -errno; EINVAL is a group that does not exist. */
HF_MUST int listener_unix(const char *path, uid_t owner, const char *group, int *ret_fd);
HF_MUST int listener_tcp(const struct endpoint *endpoint, int *ret_fd);
/* Whether somebody listens on the Unix socket. */
bool listener_answers(const char *path);
void listener_remove(const char *path);
void listener_close(int fd); /* -1 is fine */

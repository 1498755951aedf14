#include "edge/daemon/start_say.h"

#include "edge/daemon/hand_over.h"
#include "edge/daemon/memory.h"

#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

void start_say_user(struct daemon *d, const struct config *config, const struct user *user)
{
    struct log *log = &d->log;
    const char *file;
    uint32_t count = files_unreadable(config, d->config_path, &file);
    if (geteuid() == 0 && config->user == NULL) {
        log_event(log, daemon_wall_ns(), LOG_LEVEL_WARNING, "runs_as_root", LOG_NO_FIELDS,
                  "stays root, with CAP_NET_ADMIN alone: there is no user '" CONFIG_USER_DEFAULT
                  "', and `user:` names none");
    } else {
        log_event(log, daemon_wall_ns(), LOG_LEVEL_INFO, "runs_as", LOG_FIELDS(LOG_NUMBER("uid", geteuid())),
                  "runs as %s, uid %u, from now on", user->name[0] == '\0' ? "before" : user->name,
                  geteuid());
    }
    if (count > 0) {
        log_event(log, daemon_wall_ns(), LOG_LEVEL_WARNING, "reload_unreadable",
                  LOG_FIELDS(LOG_TEXT("file", file), LOG_NUMBER("files", count)),
                  "a reload will be refused: uid %u cannot read %u of its files, such as %s", geteuid(),
                  count, file);
    }
}

void start_say_unlocked(struct daemon *d)
{
    struct rlimit limit = {0};
    int error = memory_lock_error();
    if (error != 0) {
        (void)getrlimit(RLIMIT_MEMLOCK, &limit);
        log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_WARNING, "memory_not_locked",
                  LOG_FIELDS(LOG_NUMBER("limit", limit.rlim_cur), LOG_NUMBER("errno", error)),
                  "keys may be swapped to disk: %s; raise RLIMIT_MEMLOCK (systemd: LimitMEMLOCK=infinity), "
                  "which is %ju bytes",
                  strerror(error), (uintmax_t)limit.rlim_cur);
    }
}

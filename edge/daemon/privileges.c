#include "edge/daemon/privileges.h"

#include "edge/ops/config.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

bool user_find(const char *name, struct user *ret_user, char ret_error[PRIVILEGES_ERROR_MAX])
{
    *ret_user = (struct user){.uid = geteuid(), .gid = getegid()};
    if (name == NULL && (geteuid() != 0 || getpwnam(CONFIG_USER_DEFAULT) == NULL)) {
        return true;
    }
    name = name == NULL ? CONFIG_USER_DEFAULT : name;
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL) {
        snprintf(ret_error, PRIVILEGES_ERROR_MAX, "user: there is no user '%s'%s%s", name,
                 errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
        return false;
    }
    ret_user->uid = entry->pw_uid;
    ret_user->gid = entry->pw_gid;
    snprintf(ret_user->name, sizeof(ret_user->name), "%s", name);
    return true;
}

bool user_join(struct user *user, const char *group, char ret_error[PRIVILEGES_ERROR_MAX])
{
    const struct group *entry = getgrnam(group);
    if (entry == NULL) {
        snprintf(ret_error, PRIVILEGES_ERROR_MAX, "there is no group '%s'", group);
        return false;
    }
    user->more = entry->gr_gid;
    return true;
}

/* Who may not set groups may have been started with the right ones. */
static void group_add(gid_t group)
{
    gid_t groups[NGROUPS_MAX];
    int count = getgroups(NGROUPS_MAX - 1, groups);
    if (group != 0 && count >= 0) {
        groups[count] = group;
        (void)!setgroups((size_t)count + 1, groups);
    }
}

static void limit_raise(int which, rlim_t wanted)
{
    struct rlimit limit;
    if (getrlimit(which, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    struct rlimit all = {.rlim_cur = wanted, .rlim_max = HF_MAX(limit.rlim_max, wanted)};
    if (setrlimit(which, &all) != 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(which, &limit);
    }
}

/* The leak check of sanitizer builds reads its own process as a debugger does. */
static void undebuggable(void)
{
#ifndef __SANITIZE_ADDRESS__
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

void privileges_seal(void)
{
    struct rlimit none = {0};
    (void)setrlimit(RLIMIT_CORE, &none);
    undebuggable();
    limit_raise(RLIMIT_NOFILE, 16384);          /* sockets: addresses x ports x workers */
    limit_raise(RLIMIT_MEMLOCK, RLIM_INFINITY); /* key memory stays out of swap */
}

static bool become(const struct user *user, char *ret_error)
{
    if (user->name[0] == '\0' || user->uid == geteuid()) {
        group_add(user->more);
        return true;
    }
    /* Across setuid() the capabilities survive only with this. */
    bool fine = prctl(PR_SET_KEEPCAPS, 1) == 0 && initgroups(user->name, user->gid) == 0;
    group_add(user->more);
    if (!fine || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0) {
        snprintf(ret_error, PRIVILEGES_ERROR_MAX, "cannot become user '%s': %s", user->name, strerror(errno));
        return false;
    }
    return true;
}

/* While we still may; who has no CAP_SETPCAP cannot, and no_new_privs does as well. */
static void empty_bounding_set(void)
{
    if (capng_get_caps_process() == 0) {
        capng_clear(CAPNG_SELECT_BOUNDS);
        (void)!capng_apply(CAPNG_SELECT_BOUNDS);
    }
}

static bool keep_net_admin(char *ret_error)
{
    /* After become() only permitted. */
    if (capng_get_caps_process() != 0 || capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN) == 0) {
        return true; /* nothing to give up */
    }
    capng_clear(CAPNG_SELECT_CAPS);
    if (capng_update(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_NET_ADMIN) != 0) {
        snprintf(ret_error, PRIVILEGES_ERROR_MAX, "capabilities cannot be prepared");
        return false;
    }
    if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
        snprintf(ret_error, PRIVILEGES_ERROR_MAX, "capabilities cannot be dropped: %s", strerror(errno));
        return false;
    }
    return true;
}

bool privileges_drop(const struct user *user, char ret_error[PRIVILEGES_ERROR_MAX])
{
    empty_bounding_set();
    if (!become(user, ret_error) || !keep_net_admin(ret_error)) {
        return false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        snprintf(ret_error, PRIVILEGES_ERROR_MAX, "no_new_privs: %s", strerror(errno));
        return false;
    }
    undebuggable(); /* setresuid() may have changed it */
    return true;
}

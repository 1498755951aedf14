/* What the process gives up once it has what it needs root for. */
#pragma once

#include "edge/base/compiler.h"

#include <sys/types.h>

#define PRIVILEGES_ERROR_MAX 200

struct user {
    uid_t uid;
    gid_t gid;
    char name[64]; /* empty: stay who we are */
    gid_t more;    /* one group more; 0: none */
};

/* The user of that name; NULL: CONFIG_USER_DEFAULT where root starts us and there is one, else who we are.
 * False with a reason. */
HF_MUST bool user_find(const char *name, struct user *ret_user, char ret_error[PRIVILEGES_ERROR_MAX]);

/* One more group for who we are and shall be. False with a reason. */
HF_MUST bool user_join(struct user *user, const char *group, char ret_error[PRIVILEGES_ERROR_MAX]);

/* At once at the start: keys do not reach a core dump or a debugger of another user. Also raises the limits
 * that workers need, as far as allowed. */
void privileges_seal(void);
/* At the end of the start, before the first packet: becomes the user, keeps CAP_NET_ADMIN (addresses, routes,
 * nftables at reload and at the end) and nothing else, and can gain nothing by exec. Does nothing but the
 * last when the process is not root. False with a reason. */
HF_MUST bool privileges_drop(const struct user *user, char ret_error[PRIVILEGES_ERROR_MAX]);

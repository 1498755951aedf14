/* What root made or keeps, and the user that the daemon becomes needs. */
#pragma once

#include "edge/daemon/privileges.h"
#include "edge/ops/config.h"

/* Gives a store's folder and files that are root's, from a start without `user:`, to the user. One that is
 * not there, or not ours, is left as it is. 0 or -errno. */
HF_MUST int store_hand_over(const char *path, const struct user *user);
/* How many of the files that a reload reads again cannot be read by who we are; *ret_first names one. */
uint32_t files_unreadable(const struct config *config, const char *config_path, const char **ret_first);

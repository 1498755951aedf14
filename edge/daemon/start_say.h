/* What the log says of a start. */
#pragma once

#include "edge/daemon/daemon.h"
#include "edge/daemon/privileges.h"

/* Whom we have become, and what that user cannot read. */
void start_say_user(struct daemon *d, const struct config *config, const struct user *user);
/* Whether keys can be swapped to disk. */
void start_say_unlocked(struct daemon *d);

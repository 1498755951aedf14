/* What a reload would change, for people. */
#pragma once

#include "edge/ops/config.h"

enum { CONFIG_CHANGES_MAX = 64 };

struct config_change {
    bool restart;   /* takes effect at the next start of the daemon only */
    char text[240]; /* "pools.people: ipv4 10.9.0.0/24 -> 10.9.0.0/22"; no secret is ever in it */
};

struct config_changes {
    struct config_change v[CONFIG_CHANGES_MAX];
    uint32_t count; /* filled */
    uint32_t total; /* found */
    uint32_t num_restart;
};

/* Compares what the files say, not the contents of certificates and keys that they name: those are read again
 * by every reload. Identities are compared by id, pools and connections by name, secrets by their id. */
void config_diff(const struct config *before, const struct config *after, struct config_changes *ret_changes);

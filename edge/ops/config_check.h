/* The checks of a config that has the right shape: defaults, values, references. Each fills what is
 * "resolved" in its part and reports everything that it finds. Private to edge/ops. */
#pragma once

#include "edge/ops/config_text.h"
#include "edge/ops/findings.h"

#include <stddef.h>

void check_numbers(const struct check *check); /* all of them; first, because others need shard_bits */
void check_listen(const struct check *check);  /* listen, metrics, workers */
void check_plane(const struct check *check);
void check_steering(const struct check *check); /* after check_listen() */
void check_fleet(const struct check *check);    /* fleet, and what goes with it; after check_steering() */
void check_bgp(const struct check *check);      /* after check_listen() */
void check_pools(const struct check *check);    /* after check_listen() */
void check_identities(const struct check *check);
void check_connections(const struct check *check); /* after identities and pools */
void check_proposals(const struct check *check);
void check_timers(const struct check *check);
void check_mobility(const struct check *check);                  /* after check_listen() */
void check_paths(const struct check *check, const char *folder); /* defaults; relative paths below `folder` */
/* Looks at the files that are named. `mode`: permission bits of the config itself. */
void check_files(const struct check *check, unsigned mode);

/* Sets a text that is missing. False, and a finding, without memory. */
HF_MUST bool check_default(const struct check *check, char **text, const char *value);

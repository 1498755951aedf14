/* Whether the session store works, as people want to hear it: on a disk that is nearly full every other write
 * fails, which is not up and down by turns but down. */
#pragma once

#include "edge/store/store.h"

enum { STORE_STEADY_S = 10 };

struct store_watch {
    bool is_down;
    uint64_t failures; /* operations that failed, when last looked */
    ns_t seen;         /* when there were more than before */
};

/* False from the first failure until nothing has failed for STORE_STEADY_S and the last operation worked. */
HF_MUST bool store_watch_look(struct store_watch *watch, const struct store_stats *stats, ns_t now);

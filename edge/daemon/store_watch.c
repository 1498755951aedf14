#include "edge/daemon/store_watch.h"

static uint64_t failures_of(const struct store_stats *stats)
{
    uint64_t count = 0;
    for (int type = 0; type < STORE_OP_TYPES; type++) {
        count +=
            stats->ops[type][STORE_FULL] + stats->ops[type][STORE_DOWN] + stats->ops[type][STORE_UNKNOWN];
    }
    return count;
}

bool store_watch_look(struct store_watch *watch, const struct store_stats *stats, ns_t now)
{
    uint64_t failures = failures_of(stats);
    if (failures != watch->failures || stats->error[0] != '\0') {
        watch->failures = failures;
        watch->seen = now;
        watch->is_down = true;
    }
    watch->is_down = watch->is_down && now < watch->seen + STORE_STEADY_S * NS_PER_S;
    return !watch->is_down;
}

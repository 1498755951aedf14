/* Memory that lives and goes together. Private to edge/ops. */
#pragma once

#include "edge/base/span.h"

struct arena_block;
struct arena {
    struct arena_block *blocks;
    bool failed; /* an allocation did not succeed */
};

/* Zeroed, aligned for anything; NULL (and `failed`) without memory. */
void *arena_take(struct arena *arena, size_t bytes);
char *arena_text(struct arena *arena, const char *text);
/* Wipes everything. */
void arena_free(struct arena *arena);

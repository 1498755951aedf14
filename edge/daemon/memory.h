/* Memory that keys live in: zeroed pages that reach no core dump, and no disk when the limits allow. */
#pragma once

#include "edge/base/compiler.h"

/* NULL when there is none. Pages come when touched. */
void *memory_new(size_t bytes);
/* What was in it is gone. NULL is fine. */
void memory_free(void *memory, size_t bytes);
/* 0, or why (errno) some of it could not be kept from being swapped out. */
int memory_lock_error(void);

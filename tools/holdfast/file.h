/* Small files, whole: read with a word on stderr when that fails, or written so that a crash leaves the old
 * one or the new one. */
#pragma once

#include "edge/ops/file.h"

#include <sys/types.h>

/* The whole file, NUL-terminated; false with a message on stderr. Freed by file_free(), which wipes. */
HF_MUST bool file_load(const char *path, struct file *ret_file);
static inline struct span file_span(const struct file *file)
{
    return span_of(file->data, file->len);
}
/* Through a temporary file and rename; false with a message on stderr. */
HF_MUST bool file_write(const char *path, struct span bytes, mode_t mode);
bool file_exists(const char *path);

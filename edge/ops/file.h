/* Small files, read whole. */
#pragma once

#include "edge/base/span.h"

#define FILE_BYTES_MAX (4u << 20)

struct file {
    uint8_t *data; /* NUL behind the last byte */
    size_t len;
    unsigned mode; /* permission bits */
};

/* NULL, or why not ("no such file", "permission denied", "is a directory"...); static or strerror()'s. The
 * file must be a regular one of at most `max` bytes. */
const char *file_read(const char *path, size_t max, struct file *ret_file);
/* Looks without reading; ret_mode may be set. */
const char *file_look(const char *path, unsigned *ret_mode);
void file_free(struct file *file); /* wipes */
/* Anyone of this machine may read it. */
bool file_is_open(unsigned mode);

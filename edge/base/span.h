/* A view of bytes that somebody else owns; valid as long as the owner says. */
#pragma once

#include "edge/base/compiler.h"

#include <string.h>

struct span {
    const uint8_t *data;
    size_t len;
};

static inline struct span span_of(const void *data, size_t len)
{
    return (struct span){.data = data, .len = len};
}

static inline struct span span_of_string(const char *text)
{
    return span_of(text, strlen(text));
}

/* Compares public bytes; secrets use secret_equal(). */
static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

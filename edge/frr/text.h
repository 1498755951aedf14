/* Text that grows in the caller's memory. Private to edge/frr. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "edge/base/compiler.h"

struct text {
    char *out;
    size_t cap, len;
    bool overflow;
};

static inline void text_add(struct text *text, const char *format, ...) HF_PRINTF(2, 3);

static inline void text_add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text->out + text->len, text->cap - text->len, format, args);
    va_end(args);
    if (text->overflow || len < 0 || (size_t)len >= text->cap - text->len) {
        text->overflow = true;
        text->out[text->len] = '\0';
        return;
    }
    text->len += (size_t)len;
}

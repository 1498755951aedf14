/* Published vectors are written as the documents print them: hex with spaces. */
#pragma once

#include "edge/base/span.h"

#define HEX_BYTES_MAX 1024

struct hex {
    uint8_t bytes[HEX_BYTES_MAX];
    size_t len;
};

/* Anything but pairs of hex digits and blanks is a broken test and traps. */
struct hex hex(const char *text);
struct span hex_span(const struct hex *value);
/* Criterion says which row of a table failed, and what differs. */
void hex_expect(const char *what, struct span got, const char *expected);

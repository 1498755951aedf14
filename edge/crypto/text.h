/* Bounded text for people: what does not fit is cut and ends with "...". Private to edge/crypto. */
#pragma once

#include "edge/base/span.h"

struct text {
    char *out;
    size_t cap; /* with the final NUL */
    size_t len;
    bool cut;
};

struct text text_of(char *out, size_t cap);
void text_add(struct text *text, const char *string);
void text_add_char(struct text *text, char c);
void text_add_number(struct text *text, uint64_t value);
void text_add_hex(struct text *text, struct span bytes);
/* Printable ASCII as it is, a backslash twice, anything else as \xHH: no peer can forge a line of a log with
 * it. */
void text_add_escaped(struct text *text, struct span bytes);
/* Terminates and returns `out`. */
const char *text_end(struct text *text);

bool ascii_is_printable(struct span bytes);
char ascii_lower(char c);
/* Equal but for the case of ASCII letters. */
bool ascii_equal(struct span a, struct span b);
/* The value of a hex digit, -1 for another character. */
int ascii_digit(char c);

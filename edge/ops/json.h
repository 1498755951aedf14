/* JSON written into the caller's memory: always valid, always one line, whatever the strings hold. Reading is
 * yyjson's. */
#pragma once

#include "edge/base/addr.h"

struct json {
    char *out;
    size_t cap; /* with the final NUL */
    size_t len;
    size_t string_max; /* longer strings are cut to this many bytes and end with "..." */
    bool overflow;     /* nothing more is written */
};

/* `cap` is at least 1. */
struct json json_of(char *out, size_t cap);
/* Terminates; the length, 0 after an overflow. */
size_t json_end(struct json *j);

/* `key` NULL: an element of an array, or the outermost value. */
void json_object_begin(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array_begin(struct json *j, const char *key);
void json_array_end(struct json *j);
/* Control characters, DEL, C1 controls and what is not UTF-8 are escaped (the latter as U+FFFD), so a line
 * cannot be forged and no terminal obeys it. NULL is null. */
void json_string(struct json *j, const char *key, const char *text);
void json_bytes(struct json *j, const char *key, struct span text);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
/* Nanoseconds as seconds with three decimals. */
void json_seconds(struct json *j, const char *key, ns_t ns);
/* "00c0ffee..." of 8 or 16 digits: numbers beyond 2^53 do not survive most readers. */
void json_hex(struct json *j, const char *key, uint64_t value, unsigned digits);
void json_ip(struct json *j, const char *key, const struct ip_addr *addr);
void json_endpoint(struct json *j, const char *key, const struct endpoint *ep);

/* Unix time as "2026-11-23T21:00:00.123Z". */
#define TIME_TEXT_MAX 40
const char *time_format(int64_t unix_ns, char ret_text[TIME_TEXT_MAX]);

#include "edge/ops/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

struct json json_of(char *out, size_t cap)
{
    hf_assert(cap > 0);
    return (struct json){.out = out, .cap = cap, .string_max = SIZE_MAX};
}

size_t json_end(struct json *j)
{
    if (j->overflow) {
        j->len = 0;
    }
    j->out[j->len] = '\0';
    return j->len;
}

static void put(struct json *j, const char *bytes, size_t len)
{
    if (j->overflow || j->cap - j->len <= len) {
        j->overflow = true;
        return;
    }
    memcpy(j->out + j->len, bytes, len);
    j->len += len;
}

static void put_text(struct json *j, const char *text)
{
    put(j, text, strlen(text));
}

/* Length of the UTF-8 sequence of a printable character at the start of `s`; 0 when there is none. */
static size_t utf8_length(struct span s)
{
    static const struct {
        uint8_t mask, lead, len;
        uint32_t least;
    } forms[] = {
        {0x80, 0x00, 1, 0x20}, {0xe0, 0xc0, 2, 0xa0}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};

    for (size_t i = 0; i < HF_COUNT(forms); i++) {
        if ((s.data[0] & forms[i].mask) != forms[i].lead || s.len < forms[i].len) {
            continue;
        }
        uint32_t code = s.data[0] & (uint8_t)~forms[i].mask;
        for (size_t k = 1; k < forms[i].len; k++) {
            if ((s.data[k] & 0xc0) != 0x80) {
                return 0;
            }
            code = code << 6 | (s.data[k] & 0x3f);
        }
        bool valid =
            code >= forms[i].least && code != 0x7f && !(code >= 0xd800 && code <= 0xdfff) && code <= 0x10ffff;
        return valid ? forms[i].len : 0;
    }
    return 0;
}

/* Writes one character of `s`, returns how many bytes of it are used up. */
static size_t put_char(struct json *j, struct span s)
{
    char escape[8];
    uint8_t c = s.data[0];
    size_t len = utf8_length(s);

    if (c == '"' || c == '\\') {
        char pair[2] = {'\\', (char)c};
        put(j, pair, 2);
    } else if (len > 0) {
        put(j, (const char *)s.data, len);
    } else if (c == '\n' || c == '\t') {
        put(j, c == '\n' ? "\\n" : "\\t", 2);
    } else {
        bool c1 = c == 0xc2 && s.len > 1 && s.data[1] >= 0x80 && s.data[1] < 0xa0;
        unsigned code = c1 ? s.data[1] : c < 0x80 ? c : 0xfffd;
        (void)snprintf(escape, sizeof(escape), "\\u%04x", code);
        put_text(j, escape);
        return c1 ? 2 : 1;
    }
    return len > 0 ? len : 1;
}

static void put_string(struct json *j, struct span text)
{
    put(j, "\"", 1);
    for (size_t i = 0; i < text.len;) {
        if (i >= j->string_max) {
            put(j, "...", 3);
            break;
        }
        i += put_char(j, span_of(text.data + i, text.len - i));
    }
    put(j, "\"", 1);
}

/* What stands before a value: a comma where one is due, and the key. */
static void put_key(struct json *j, const char *key)
{
    char last = j->len > 0 ? j->out[j->len - 1] : '[';

    if (last != '{' && last != '[') {
        put(j, ",", 1);
    }
    if (key != NULL) {
        put_string(j, span_of_string(key));
        put(j, ":", 1);
    }
}

static void put_value(struct json *j, const char *key, const char *text)
{
    put_key(j, key);
    put_text(j, text);
}

void json_object_begin(struct json *j, const char *key)
{
    put_value(j, key, "{");
}

void json_object_end(struct json *j)
{
    put(j, "}", 1);
}

void json_array_begin(struct json *j, const char *key)
{
    put_value(j, key, "[");
}

void json_array_end(struct json *j)
{
    put(j, "]", 1);
}

void json_bytes(struct json *j, const char *key, struct span text)
{
    put_key(j, key);
    put_string(j, text);
}

void json_string(struct json *j, const char *key, const char *text)
{
    if (text == NULL) {
        json_null(j, key);
        return;
    }
    json_bytes(j, key, span_of_string(text));
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%" PRIu64, value);
    put_value(j, key, digits);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%" PRId64, value);
    put_value(j, key, digits);
}

void json_bool(struct json *j, const char *key, bool value)
{
    put_value(j, key, value ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
    put_value(j, key, "null");
}

void json_seconds(struct json *j, const char *key, ns_t ns)
{
    char digits[32];
    (void)snprintf(digits, sizeof(digits), "%" PRIu64 ".%03u", ns / NS_PER_S,
                   (unsigned)(ns % NS_PER_S / NS_PER_MS));
    put_value(j, key, digits);
}

void json_hex(struct json *j, const char *key, uint64_t value, unsigned digits)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%0*" PRIx64, (int)digits, value);
    json_string(j, key, text);
}

void json_ip(struct json *j, const char *key, const struct ip_addr *addr)
{
    char text[IP_TEXT_MAX];
    json_string(j, key, ip_format(addr, text));
}

void json_endpoint(struct json *j, const char *key, const struct endpoint *ep)
{
    char text[ENDPOINT_TEXT_MAX];
    json_string(j, key, endpoint_format(ep, text));
}

const char *time_format(int64_t unix_ns, char ret_text[TIME_TEXT_MAX])
{
    int64_t ms = unix_ns / 1000000;
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year > 9999 - 1900 || tm.tm_year < -1900) {
        (void)snprintf(ret_text, TIME_TEXT_MAX, "unknown");
        return ret_text;
    }
    size_t len = strftime(ret_text, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(ret_text + len, TIME_TEXT_MAX - len, ".%03dZ", (int)(((ms % 1000) + 1000) % 1000));
    return ret_text;
}

#include "edge/ops/describe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Appends to a text that is large enough for what its callers write; what is not is cut. */
static void add(char *text, size_t cap, const char *format, ...) HF_PRINTF(3, 4);

static void add(char *text, size_t cap, const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text + len, cap - len, format, args);
    va_end(args);
}

static void add_transform(char text[SUITE_TEXT_MAX], uint8_t type, uint16_t id)
{
    const char *name = ike_transform_name(type, id);
    const char *slash = text[0] != '\0' ? "/" : "";

    if (name != NULL) {
        add(text, SUITE_TEXT_MAX, "%s%s", slash, name);
    } else {
        add(text, SUITE_TEXT_MAX, "%s%u:%u", slash, type, id);
    }
}

static void add_encryption(char text[SUITE_TEXT_MAX], uint16_t encr, uint16_t bits, uint16_t integ)
{
    add_transform(text, TRANSFORM_ENCR, encr);
    if (encr != ENCR_CHACHA20_POLY1305) {
        add(text, SUITE_TEXT_MAX, "-%u", bits);
    }
    if (integ != INTEG_NONE) {
        add_transform(text, TRANSFORM_INTEG, integ);
    }
}

const char *ike_suite_format(const struct ike_suite *suite, char ret_text[SUITE_TEXT_MAX])
{
    ret_text[0] = '\0';
    add_encryption(ret_text, suite->encr, suite->encr_bits, suite->integ);
    add_transform(ret_text, TRANSFORM_PRF, suite->prf);
    add_transform(ret_text, TRANSFORM_KE, suite->ke);
    return ret_text;
}

const char *esp_suite_format(const struct esp_suite *suite, char ret_text[SUITE_TEXT_MAX])
{
    ret_text[0] = '\0';
    add_encryption(ret_text, suite->encr, suite->encr_bits, suite->integ);
    if (suite->ke != KE_NONE) {
        add_transform(ret_text, TRANSFORM_KE, suite->ke);
    }
    if (suite->esn) {
        add(ret_text, SUITE_TEXT_MAX, "/ESN");
    }
    return ret_text;
}

/* The prefix that is exactly first..last, if there is one. */
static bool range_prefix(const struct ts_range *range, struct ip_prefix *ret_prefix)
{
    bool v4 = ip_is_v4(&range->first);

    for (int bits = 0; bits <= (v4 ? 32 : 128); bits++) {
        *ret_prefix = (struct ip_prefix){.addr = range->first, .bits = (uint8_t)bits, .is_v4 = v4};
        struct ip_addr first = prefix_first(ret_prefix), last = prefix_last(ret_prefix);
        if (ip_equal(&first, &range->first) && ip_equal(&last, &range->last)) {
            return true;
        }
    }
    return false;
}

const char *range_format(const struct ts_range *range, char ret_text[RANGE_TEXT_MAX])
{
    char a[IP_TEXT_MAX], b[PREFIX_TEXT_MAX];
    struct ip_prefix prefix;

    if (range_prefix(range, &prefix)) {
        (void)snprintf(ret_text, RANGE_TEXT_MAX, "%s", prefix_format(&prefix, b));
    } else {
        (void)snprintf(ret_text, RANGE_TEXT_MAX, "%s-%s", ip_format(&range->first, a),
                       ip_format(&range->last, b));
    }
    if (range->protocol == 0 && range->port_first == 0 && range->port_last == 65535) {
        return ret_text;
    }
    add(ret_text, RANGE_TEXT_MAX, "[%u", range->protocol);
    if (range->port_first == range->port_last) {
        add(ret_text, RANGE_TEXT_MAX, "/%u", range->port_first);
    } else if (range->port_first != 0 || range->port_last != 65535) {
        add(ret_text, RANGE_TEXT_MAX, "/%u-%u", range->port_first, range->port_last);
    }
    add(ret_text, RANGE_TEXT_MAX, "]");
    return ret_text;
}

const char *bytes_format(uint64_t bytes, char ret_text[AMOUNT_TEXT_MAX])
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    uint64_t unit = 1000;
    size_t i = 0;

    if (bytes < 1000) {
        (void)snprintf(ret_text, AMOUNT_TEXT_MAX, "%u B", (unsigned)bytes);
        return ret_text;
    }
    while (i + 1 < HF_COUNT(units) && bytes / unit >= 1000) {
        unit *= 1000;
        i++;
    }
    (void)snprintf(ret_text, AMOUNT_TEXT_MAX, "%" PRIu64 ".%u %s", bytes / unit,
                   (unsigned)(bytes % unit / (unit / 10)), units[i]);
    return ret_text;
}

const char *span_of_time_format(ns_t ns, char ret_text[AMOUNT_TEXT_MAX])
{
    uint64_t s = ns / NS_PER_S;

    if (s < 60) {
        (void)snprintf(ret_text, AMOUNT_TEXT_MAX, "%us", (unsigned)s);
    } else if (s < 3600) {
        (void)snprintf(ret_text, AMOUNT_TEXT_MAX, "%um%02us", (unsigned)(s / 60), (unsigned)(s % 60));
    } else if (s < 86400) {
        (void)snprintf(ret_text, AMOUNT_TEXT_MAX, "%uh%02um", (unsigned)(s / 3600),
                       (unsigned)(s % 3600 / 60));
    } else {
        (void)snprintf(ret_text, AMOUNT_TEXT_MAX, "%" PRIu64 "d%02uh", s / 86400,
                       (unsigned)(s % 86400 / 3600));
    }
    return ret_text;
}

#include "edge/ops/config_text.h"

#include "edge/crypto/cert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *unit;
    ns_t ns;
} units[] = {{"ms", NS_PER_MS},
             {"s", NS_PER_S},
             {"m", 60 * NS_PER_S},
             {"h", 3600 * NS_PER_S},
             {"d", 86400 * NS_PER_S}};

bool duration_parse(const char *text, ns_t *ret_ns)
{
    size_t digits = strspn(text, "0123456789");

    if (strcmp(text, "never") == 0 || strcmp(text, "0") == 0) {
        *ret_ns = 0;
        return true;
    }
    if (digits == 0 || digits > 9) {
        return false;
    }
    uint64_t number = strtoull(text, NULL, 10);
    for (size_t i = 0; i < HF_COUNT(units); i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            return !__builtin_mul_overflow(number, units[i].ns, ret_ns);
        }
    }
    return false;
}

bool amount_parse(const char *text, uint64_t *ret_amount)
{
    static const char scales[] = "KMGT";
    size_t digits = strspn(text, "0123456789");

    if (strcmp(text, "never") == 0) {
        *ret_amount = 0;
        return true;
    }
    if (digits == 0 || digits > 9 || strlen(text) > digits + 1) {
        return false;
    }
    const char *scale = text[digits] == '\0' ? NULL : strchr(scales, text[digits]);
    if (text[digits] != '\0' && scale == NULL) {
        return false;
    }
    *ret_amount = strtoull(text, NULL, 10) << (scale == NULL ? 0 : 10 * (scale - scales + 1));
    return true;
}

const char *duration_format(ns_t ns, char ret_text[32])
{
    size_t i = HF_COUNT(units);

    while (--i > 0 && (ns == 0 || ns % units[i].ns != 0)) {
    }
    (void)snprintf(ret_text, 32, "%" PRIu64 "%s", ns / units[i].ns, units[i].unit);
    return ret_text;
}

/* The number behind the slash; -1 when it is none. */
static int length_parse(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > 3 || strspn(text, "0123456789") != len) {
        return -1;
    }
    return (int)strtol(text, NULL, 10);
}

static struct ip_prefix prefix_masked(const struct ip_addr *addr, int bits)
{
    struct ip_prefix prefix = {.addr = *addr, .bits = (uint8_t)bits, .is_v4 = ip_is_v4(addr)};
    prefix.addr = prefix_first(&prefix);
    return prefix;
}

bool prefix_read(const char *text, struct ip_prefix *ret_prefix, char ret_reason[CONFIG_REASON_MAX])
{
    char address[IP_TEXT_MAX], better[PREFIX_TEXT_MAX];
    struct ip_addr addr;
    const char *slash = strchr(text, '/');
    size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);

    (void)snprintf(address, sizeof(address), "%.*s", (int)HF_MIN(len, sizeof(address) - 1), text);
    if (len >= sizeof(address) || !ip_parse(address, &addr)) {
        (void)snprintf(ret_reason, CONFIG_REASON_MAX, "'%.60s' is not an IP prefix", text);
        return false;
    }
    int bits = slash == NULL ? -1 : length_parse(slash + 1);
    int max = ip_is_v4(&addr) ? 32 : 128;
    if (bits < 0 || bits > max) {
        (void)snprintf(ret_reason, CONFIG_REASON_MAX, "'%.60s' needs a prefix length from /0 to /%d", text,
                       max);
        return false;
    }
    *ret_prefix = prefix_masked(&addr, bits);
    if (!ip_equal(&ret_prefix->addr, &addr)) {
        (void)snprintf(ret_reason, CONFIG_REASON_MAX, "%s has host bits set; did you mean %s?", text,
                       prefix_format(ret_prefix, better));
        return false;
    }
    return true;
}

bool endpoint_parse(const char *text, struct endpoint *ret_endpoint)
{
    char address[IP_TEXT_MAX];
    bool bracket = text[0] == '[';
    const char *end = bracket ? strchr(text, ']') : strrchr(text, ':');
    const char *begin = text + bracket;

    if (end == NULL || (size_t)(end - begin) >= sizeof(address) || (bracket && end[1] != ':')) {
        return false;
    }
    (void)snprintf(address, sizeof(address), "%.*s", (int)(end - begin), begin);
    const char *port = end + 1 + bracket;
    size_t len = strlen(port);
    if (!ip_parse(address, &ret_endpoint->addr) || ip_is_v4(&ret_endpoint->addr) == bracket || len == 0 ||
        len > 5 || strspn(port, "0123456789") != len) {
        return false;
    }
    unsigned long number = strtoul(port, NULL, 10);
    ret_endpoint->port = (uint16_t)number;
    return number > 0 && number <= 65535;
}

static bool is_made_of(const char *text, const char *others)
{
    size_t i = 0;
    while ((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
           (text[i] >= '0' && text[i] <= '9') || (text[i] != '\0' && strchr(others, text[i]) != NULL)) {
        i++;
    }
    return i > 0 && text[i] == '\0';
}

bool name_is_fine(const char *text)
{
    return is_made_of(text, "-_.");
}

bool domain_is_fine(const char *text)
{
    size_t len = strlen(text);
    return len <= 253 && is_made_of(text, "-_.") && text[0] != '.' && text[0] != '-' &&
           strstr(text, "..") == NULL;
}

bool pattern_is_fine(const char *text)
{
    struct identity id;

    if (strcmp(text, "*") == 0) {
        return true;
    }
    if (text[0] == '*') {
        return (text[1] == '.' || text[1] == '@') && domain_is_fine(text + 2);
    }
    return identity_parse(text, &id);
}

/* Resumption, crash detection, redirection: what helps clients from one node to another. */
#include "edge/ops/config_check.h"

#include <string.h>

#define LIFETIME_MAX_NS (86400 * NS_PER_S) /* keys of tickets are known for a day more */

static void check_resumption(const struct check *check)
{
    struct config_resumption *resumption = &check->config->resumption;
    const char *path = "resumption.lifetime";

    if (!check_default(check, &resumption->lifetime, "1h")) {
        return;
    }
    if (!duration_parse(resumption->lifetime, &resumption->lifetime_ns)) {
        check_fail(check, path, "'%s' is not a duration; write it like 30m, 8h, 1d, or never",
                   resumption->lifetime);
    } else if (resumption->lifetime_ns != 0 &&
               (resumption->lifetime_ns < 10 * NS_PER_S || resumption->lifetime_ns > LIFETIME_MAX_NS)) {
        check_fail(check, path, "%s is not between 10s and 1d, or never", resumption->lifetime);
    }
}

/* Not a wildcard, not an address: a name that a client can look up. */
static bool is_name(const char *text)
{
    size_t len = strlen(text);
    bool dot = strchr(text, '.') != NULL;

    return dot && len <= CONFIG_REDIRECT_MAX && text[0] != '.' && text[len - 1] != '.' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == len;
}

static void check_redirect(const struct check *check)
{
    struct config_redirect *redirect = &check->config->redirect;
    const char *path = "redirect.to";

    if (redirect->to == NULL) {
        return;
    }
    redirect->is_address = ip_parse(redirect->to, &redirect->addr);
    if (!redirect->is_address && !is_name(redirect->to)) {
        check_fail(check, path, "'%s' is neither an IP address nor a name", redirect->to);
    }
    for (uint32_t i = 0; redirect->is_address && i < check->config->listen.num_addresses; i++) {
        if (ip_equal(&redirect->addr, &check->config->listen.addrs[i])) {
            check_fail(check, path, "%s is one of listen.addresses: clients would come back", redirect->to);
        }
    }
}

void check_mobility(const struct check *check)
{
    check_resumption(check);
    check_redirect(check);
    if (!check_has(check, "crash_detection")) {
        check->config->crash_detection = true;
    }
}

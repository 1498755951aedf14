/* What is asked of a server before operations go to it: password, scripts, what it is. INFO is asked again
 * and again afterwards: that is how a primary that became a replica, and its heir, are found. */
#include "edge/store/valkey_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define INFO_EVERY (1 * NS_PER_S)
#define INFO_EVERY_WITHOUT_PRIMARY (100 * NS_PER_MS)

void greet_scripts(struct valkey *v, struct link *link)
{
    bool asked = true;
    for (unsigned i = 0; i < SCRIPTS && asked; i++) {
        const char *argv[] = {"SCRIPT", "LOAD", script_text(i)};
        asked = link_ask(v, link, ASK_SCRIPT, NULL, 3, argv, NULL);
        if (asked) {
            link->last_asked->script = (uint8_t)i;
        }
    }
}

static void info_ask(struct valkey *v, struct link *link)
{
    const char *argv[] = {"INFO"};
    link->info_under_way = link_ask(v, link, ASK_INFO, NULL, 1, argv, NULL);
}

static void password_tell(struct valkey *v, struct link *link)
{
    const char *argv[3] = {"AUTH", v->user, v->password};
    size_t lens[3] = {4, strlen(v->user), v->password_len};
    if (v->user[0] == 0) { /* servers before 6 know no other form */
        argv[1] = v->password;
        lens[1] = v->password_len;
    }
    (void)link_ask(v, link, ASK_AUTH, NULL, v->user[0] == 0 ? 2 : 3, argv, lens);
}

void greet_begin(struct valkey *v, struct link *link)
{
    link->state_until = v->now + v->timeout;
    if (v->password_len > 0) {
        password_tell(v, link);
    }
    if (link->state == LINK_GREETING) {
        info_ask(v, link);
    }
    if (link->state == LINK_GREETING) {
        greet_scripts(v, link);
    }
}

void greet_tick(struct valkey *v, struct link *link)
{
    bool waits = v->mode == STORE_VALKEY_REPLICATED && v->primary == VALKEY_NO_LINK;
    ns_t every = waits ? INFO_EVERY_WITHOUT_PRIMARY : INFO_EVERY;
    link->info_at = HF_MIN(link->info_at, v->now + every);
    if (v->now >= link->info_at) {
        link->info_at = v->now + every;
        if (!link->info_under_way) {
            info_ask(v, link);
        }
    }
}

/* ---- INFO */

/* The value of a line "name:value"; NULL when there is none. Ends with the line. */
static const char *info_value(const char *info, const char *name, size_t *ret_len)
{
    size_t len = strlen(name);
    for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            *ret_len = strcspn(line + len + 1, "\r\n");
            return line + len + 1;
        }
    }
    return NULL;
}

static bool info_is(const char *info, const char *name, const char *wanted)
{
    size_t len;
    const char *value = info_value(info, name, &len);
    return value != NULL && len == strlen(wanted) && strncmp(value, wanted, len) == 0;
}

static uint64_t info_number(const char *info, const char *name)
{
    size_t len;
    const char *value = info_value(info, name, &len);
    return value == NULL ? 0 : strtoull(value, NULL, 10);
}

static void text_copy(char *ret_text, size_t cap, const char *from, size_t len)
{
    snprintf(ret_text, cap, "%.*s", (int)HF_MIN(len, cap - 1), from);
}

static void primary_named(struct valkey *v, const char *info)
{
    size_t len;
    char host[VALKEY_NAME_MAX];
    const char *value = info_value(info, "master_host", &len);
    uint64_t port = info_number(info, "master_port");
    if (value != NULL && len > 0 && port > 0 && port <= UINT16_MAX) {
        text_copy(host, sizeof(host), value, len);
        (void)route_server(v, host, (uint16_t)port);
    }
}

/* "slave0:ip=192.0.2.1,port=6379,state=online,..." */
static void replicas_named(struct valkey *v, const char *info)
{
    for (int i = 0; i < VALKEY_SERVERS_MAX; i++) {
        char name[24], host[VALKEY_NAME_MAX];
        size_t len;
        unsigned port = 0;
        snprintf(name, sizeof(name), "slave%d", i);
        const char *value = info_value(info, name, &len);
        const char *ip = value == NULL ? NULL : strstr(value, "ip="),
                   *at = ip == NULL ? NULL : strchr(ip, ',');
        if (at == NULL || at > value + len || sscanf(at, ",port=%5u,", &port) != 1 || port > UINT16_MAX) {
            return;
        }
        text_copy(host, sizeof(host), ip + 3, (size_t)(at - ip - 3));
        (void)route_server(v, host, (uint16_t)port);
    }
}

static void settings_judge(struct valkey *v, const struct link *link, const char *info)
{
    uint64_t max = info_number(info, "maxmemory");
    size_t len;
    const char *policy = info_value(info, "maxmemory_policy", &len);
    bool evicts = max > 0 && policy != NULL && !info_is(info, "maxmemory_policy", "noeviction");
    v->warning[0] = 0;
    if (evicts) {
        snprintf(v->warning, sizeof(v->warning),
                 "store valkey %.60s:%u: maxmemory-policy %.*s would throw sessions away: set noeviction",
                 link->host, link->port, (int)HF_MIN(len, (size_t)32), policy);
    }
    v->bytes_used = info_number(info, "used_memory");
    v->bytes_max = max;
}

static void info_take(struct valkey *v, struct link *link, const char *info)
{
    link->info_under_way = false;
    if (info_is(info, "loading", "1")) {
        link_fail(v, link, "it is loading its data");
        return;
    }
    link->is_primary = info_is(info, "role", "master");
    link->is_cluster = info_is(info, "redis_mode", "cluster");
    link->replicas = info_number(info, "connected_slaves");
    link->offset = info_number(info, "master_repl_offset");
    if (v->mode == STORE_VALKEY_AUTO) {
        v->mode = link->is_cluster ? STORE_VALKEY_CLUSTER : STORE_VALKEY_REPLICATED;
    }
    if (v->mode == STORE_VALKEY_REPLICATED) {
        primary_named(v, info);
        replicas_named(v, info);
    }
    if (link->is_primary) {
        settings_judge(v, link, info);
    }
}

/* ---- answers */

void greet_answer(struct valkey *v, struct link *link, const struct asked *asked, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR && asked->ask != ASK_NOTHING) {
        link_fail(v, link, "%.120s", reply->str);
        return;
    }
    bool is_text = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_VERB;
    switch (asked->ask) {
    case ASK_SCRIPT:
        if (!is_text || reply->len != SCRIPT_SHA_BYTES) {
            link_fail(v, link, "its answer to SCRIPT LOAD makes no sense");
            return;
        }
        text_copy(v->sha[asked->script], sizeof(v->sha[0]), reply->str, reply->len);
        break;
    case ASK_INFO:
        if (!is_text) {
            link_fail(v, link, "its answer to INFO makes no sense");
            return;
        }
        info_take(v, link, reply->str);
        break;
    case ASK_SLOTS:
        link->slots_under_way = false;
        route_slots(v, link, reply);
        break;
    default:
        break;
    }
    if (link->state == LINK_GREETING && link->greetings == 0) {
        link->state = LINK_READY;
        link->back_off = 0;
        link->info_at = v->now + INFO_EVERY;
    }
}

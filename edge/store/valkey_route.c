/* Which server a command goes to, and what happens when it was the wrong one.
 *
 * A server that refuses (it is no primary any more, the slot has moved, a script is not known) has carried
 * out nothing, so the command goes again. Commands that were sent behind it may be refused too, or not: so
 * nothing is sent to anybody until all of them are answered, and then what is to be tried again goes first,
 * in its old order. */
#include "edge/store/valkey_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS_EVERY (5 * NS_PER_S)
#define SLOTS_EVERY_STALE (100 * NS_PER_MS)
#define PAUSE (20 * NS_PER_MS)

enum { TRIES_AT_ONCE = 3 };

/* ---- servers */

static struct link *link_unused(struct valkey *v)
{
    for (size_t i = 0; i < HF_COUNT(v->links); i++) {
        if (!v->links[i].is_used) {
            return &v->links[i];
        }
    }
    for (size_t i = 0; i < HF_COUNT(v->links); i++) { /* one that others named once, and that is gone */
        if (!v->links[i].is_configured && v->links[i].state == LINK_DOWN && v->primary != i) {
            return &v->links[i];
        }
    }
    return NULL;
}

struct link *route_server(struct valkey *v, const char *host, uint16_t port)
{
    for (size_t i = 0; i < HF_COUNT(v->links); i++) {
        if (v->links[i].is_used && v->links[i].port == port && strcmp(v->links[i].host, host) == 0) {
            return &v->links[i];
        }
    }
    struct link *link = link_unused(v);
    if (link != NULL) {
        for (size_t slot = 0; slot < VALKEY_SLOTS; slot++) {
            v->slots[slot] = v->slots[slot] == link - v->links ? VALKEY_NO_LINK : v->slots[slot];
        }
        link_init(v, link, host, port, false);
    }
    return link;
}

/* The one we have as long as it says that it is the primary; else the one with more replicas, or more data.
 */
static void primary_choose(struct valkey *v)
{
    struct link *best = NULL;
    for (size_t i = 0; i < HF_COUNT(v->links); i++) {
        struct link *link = &v->links[i];
        if (link->state != LINK_READY || !link->is_primary) {
            continue;
        }
        if (i == v->primary) {
            return;
        }
        bool better = best == NULL || link->replicas > best->replicas ||
                      (link->replicas == best->replicas && link->offset > best->offset);
        best = better ? link : best;
    }
    v->primary = best == NULL ? VALKEY_NO_LINK : best->number;
}

/* ---- slots of a cluster */

/* CRC16-CCITT (XMODEM) of the hash tag, or of the whole key. */
uint16_t route_slot(const char *key, size_t len)
{
    const char *open = memchr(key, '{', len);
    const char *close = open == NULL ? NULL : memchr(open + 1, '}', len - (size_t)(open + 1 - key));
    if (close != NULL && close != open + 1) {
        key = open + 1;
        len = (size_t)(close - key);
    }
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc = (uint16_t)(crc ^ (uint8_t)key[i] << 8);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    return crc % VALKEY_SLOTS;
}

static void slots_ask(struct valkey *v)
{
    v->slots_at = v->now + (v->slots_are_stale ? SLOTS_EVERY_STALE : SLOTS_EVERY);
    uint32_t first = (uint32_t)(v->numbers++ % HF_COUNT(v->links)); /* not the same one each time */
    for (size_t i = 0; i < HF_COUNT(v->links); i++) {
        struct link *link = &v->links[(first + i) % HF_COUNT(v->links)];
        if (link->state == LINK_READY && !link->slots_under_way) {
            const char *argv[] = {"CLUSTER", "SLOTS"};
            link->slots_under_way = link_ask(v, link, ASK_SLOTS, NULL, 2, argv, NULL);
            return;
        }
    }
}

/* {first slot, last slot, {host, port, ...}, replicas...} */
static void range_take(struct valkey *v, const struct link *from, const redisReply *range)
{
    if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
        range->element[0]->type != REDIS_REPLY_INTEGER || range->element[1]->type != REDIS_REPLY_INTEGER) {
        return;
    }
    const redisReply *primary = range->element[2];
    if (primary->type != REDIS_REPLY_ARRAY || primary->elements < 2 ||
        primary->element[1]->type != REDIS_REPLY_INTEGER) {
        return;
    }
    const redisReply *host = primary->element[0];
    bool named = host->type == REDIS_REPLY_STRING && host->len > 0 && strcmp(host->str, "?") != 0;
    struct link *link =
        route_server(v, named ? host->str : from->host, (uint16_t)primary->element[1]->integer);
    long long first = HF_MAX(range->element[0]->integer, 0);
    long long last = HF_MIN(range->element[1]->integer, VALKEY_SLOTS - 1);
    for (long long slot = first; slot <= last && link != NULL; slot++) {
        v->slots[slot] = link->number;
    }
}

void route_slots(struct valkey *v, struct link *from, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        range_take(v, from, reply->element[i]);
    }
    v->has_slots = true;
    v->slots_are_stale = false;
    for (size_t slot = 0; slot < VALKEY_SLOTS; slot++) {
        uint8_t number = v->slots[slot];
        bool down = number == VALKEY_NO_LINK || v->links[number].state == LINK_DOWN;
        v->slots_are_stale = v->slots_are_stale || down;
    }
}

struct link *route_link(struct valkey *v, uint16_t slot)
{
    uint8_t number = v->mode == STORE_VALKEY_SINGLE       ? 0
                     : v->mode == STORE_VALKEY_REPLICATED ? v->primary
                     : v->mode == STORE_VALKEY_CLUSTER    ? v->slots[slot]
                                                          : VALKEY_NO_LINK;
    return number != VALKEY_NO_LINK && v->links[number].state == LINK_READY ? &v->links[number] : NULL;
}

/* ---- trying again */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* "MOVED 3999 192.0.2.1:6381", the host may be empty */
static struct link *redirected(struct valkey *v, struct link *from, const char *error, unsigned *ret_slot)
{
    char where[VALKEY_NAME_MAX] = "";
    if (sscanf(error, "%*s %5u %255s", ret_slot, where) != 2 || *ret_slot >= VALKEY_SLOTS) {
        return NULL;
    }
    char *colon = strrchr(where, ':');
    if (colon == NULL) {
        return NULL;
    }
    *colon = 0;
    unsigned long port = strtoul(colon + 1, NULL, 10);
    return route_server(v, where[0] != 0 ? where : from->host, (uint16_t)port);
}

static void follow(struct valkey *v, struct link *link, struct job *job, const char *error)
{
    unsigned slot = 0;
    struct link *to = redirected(v, link, error, &slot);
    if (to != NULL && begins(error, "MOVED")) {
        v->slots[slot] = to->number;
    } else if (to != NULL) {
        job->asking = to->number;
    }
    if (begins(error, "MOVED") && v->mode != STORE_VALKEY_CLUSTER) {
        v->mode = STORE_VALKEY_CLUSTER; /* it was told to be something else */
    }
    v->slots_are_stale = true;
    v->slots_at = v->now;
}

bool route_retry(struct valkey *v, struct link *link, struct job *job, const char *error)
{
    static const char *const later[] = {"READONLY", "LOADING",    "CLUSTERDOWN",
                                        "TRYAGAIN", "MASTERDOWN", "BUSY "};
    bool pauses = false;
    for (size_t i = 0; i < HF_COUNT(later); i++) {
        pauses = pauses || begins(error, later[i]);
    }
    if (begins(error, "MOVED ") || begins(error, "ASK ")) {
        follow(v, link, job, error);
    } else if (begins(error, "NOSCRIPT")) {
        greet_scripts(v, link);
    } else if (begins(error, "READONLY")) {
        link->is_primary = false;
        link->info_at = v->now;
        primary_choose(v);
    } else if (!pauses) {
        return false;
    }
    job->tries++;
    v->is_held = true;
    v->held_until = v->now + (pauses || job->tries > TRIES_AT_ONCE ? PAUSE : 0);
    route_wait(v, job);
    return true;
}

void route_wait(struct valkey *v, struct job *job)
{
    struct job **place = &v->pending.first;
    if (v->pending.first == NULL || job->number > v->pending.last->number) {
        jobs_append(&v->pending, job);
        return;
    }
    while (*place != NULL && (*place)->number < job->number) {
        place = &(*place)->next;
    }
    job->next = *place;
    *place = job;
    v->pending.count++;
}

/* ---- sending */

static struct link *link_of(struct valkey *v, const struct job *job)
{
    if (job->asking != VALKEY_NO_LINK) {
        return v->links[job->asking].state == LINK_READY ? &v->links[job->asking] : NULL;
    }
    return route_link(v, job->slot);
}

/* Sending may end a connection, which gives its jobs back to `pending`: so that is empty meanwhile. */
static void pending_send(struct valkey *v)
{
    struct job_list all = v->pending, kept = {0};
    struct job *job;
    v->pending = (struct job_list){0};
    while ((job = jobs_take(&all)) != NULL) {
        struct link *link = v->is_held ? NULL : link_of(v, job);
        if (link != NULL) {
            job_ask(v, link, job);
        } else {
            jobs_append(&kept, job);
        }
    }
    struct job_list lost = v->pending;
    v->pending = kept;
    while ((job = jobs_take(&lost)) != NULL) {
        route_wait(v, job);
    }
}

static void pending_expire(struct valkey *v)
{
    struct job_list all = v->pending;
    struct job *job;
    v->pending = (struct job_list){0};
    while ((job = jobs_take(&all)) != NULL) {
        if (v->now >= job->until) {
            job_expire(v, job);
        } else {
            route_wait(v, job);
        }
    }
}

void route_pump(struct valkey *v)
{
    if (v->is_held && v->asked_jobs == 0 && v->now >= v->held_until) {
        v->is_held = false;
    }
    if (v->pending.count > 0 && !v->is_held) {
        pending_send(v);
    }
}

void route_tick(struct valkey *v)
{
    for (size_t i = 0; i < HF_COUNT(v->links); i++) {
        if (v->links[i].is_used) {
            link_tick(v, &v->links[i]);
        }
    }
    if (v->mode == STORE_VALKEY_REPLICATED) {
        primary_choose(v);
    }
    ns_t at = v->slots_are_stale ? HF_MIN(v->slots_at, v->now + SLOTS_EVERY_STALE) : v->slots_at;
    if (v->mode == STORE_VALKEY_CLUSTER && v->now >= at) {
        slots_ask(v);
    }
    v->slots_at = HF_MIN(v->slots_at, v->now + (v->slots_are_stale ? SLOTS_EVERY_STALE : SLOTS_EVERY));
    if (v->pending.count > 0) {
        pending_expire(v);
    }
}

ns_t route_deadline(const struct valkey *v)
{
    ns_t deadline = v->mode == STORE_VALKEY_CLUSTER ? v->slots_at : NS_NEVER;
    for (size_t i = 0; i < HF_COUNT(v->links); i++) {
        if (v->links[i].is_used) {
            deadline = HF_MIN(deadline, link_deadline(v, &v->links[i]));
        }
    }
    for (const struct job *job = v->pending.first; job != NULL; job = job->next) {
        deadline = HF_MIN(deadline, job->until);
    }
    return v->is_held && v->asked_jobs == 0 ? HF_MIN(deadline, v->held_until) : deadline;
}

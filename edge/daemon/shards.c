/* A worker's shards in a fleet: which of them are here, and packets that wait for those that are on their
 * way. What comes from clients is served when the shard has come, and sent on when it has gone. What comes
 * from the inner network for a shard that has just gone is written back into the TUN device after a moment,
 * so that the kernel routes it by then to who announces the shard's addresses. */
#include "edge/daemon/worker_internal.h"

#include "edge/daemon/memory.h"
#include "edge/pool/pool.h"

#include <stdlib.h>

enum place {
    PLACE_AWAY,
    PLACE_COMING, /* being claimed, and its sessions read */
    PLACE_HERE,
    PLACE_GOING, /* its sessions are being written, and are served no more */
};

#define LOOK_INTERVAL_NS (5 * NS_PER_MS)
#define HELD_NS (FLEET_HELD_MS * NS_PER_MS)
#define INNER_AGAIN_NS (20 * NS_PER_MS) /* until an inner packet is routed again */
#define ROOMS_KEPT 32                   /* send slots for what does not wait */

enum {
    NEWS_PER_SHARD = 4, /* of a wish two, and one that came by itself */
    VNET_BYTES = 10,    /* in front of each packet of a TUN device */
    IP4_BYTES = 20,
    IP6_BYTES = 40,
    TTL_LEAST = 3, /* of a packet that is routed again: no ICMP error is to come of it */
};

bool worker_shards_init(struct worker *w)
{
    struct worker_shards *s = &w->shards;
    const struct core_config *core = &w->config.core;
    s->in_fleet = core->in_fleet;
    if (!s->in_fleet) {
        return true;
    }
    s->first = core->shards[0];
    s->count = core->num_shards;
    s->news_cap = NEWS_PER_SHARD * s->count;
    s->places = calloc(s->count, sizeof(*s->places));
    s->moved = calloc(s->count, sizeof(*s->moved));
    s->news = calloc(s->news_cap, sizeof(*s->news));
    s->held_memory = memory_new(2 * FLEET_HELD_BYTES);
    if (s->places == NULL || s->moved == NULL || s->news == NULL || s->held_memory == NULL) {
        return false;
    }
    held_init(&s->outer, s->held_memory, FLEET_HELD_BYTES);
    held_init(&s->inner, s->held_memory + FLEET_HELD_BYTES, FLEET_HELD_BYTES);
    return true;
}

void worker_shards_free(struct worker *w)
{
    free(w->shards.places);
    free(w->shards.moved);
    free(w->shards.news);
    memory_free(w->shards.held_memory, 2 * FLEET_HELD_BYTES);
}

/* ---- where a shard is */

static enum place place_of(const struct worker_shards *s, uint32_t shard)
{
    return shard - s->first < s->count ? (enum place)s->places[shard - s->first] : PLACE_AWAY;
}

static void place_set(struct worker *w, uint32_t shard, enum place place)
{
    struct worker_shards *s = &w->shards;
    hf_assert(shard - s->first < s->count);
    if (s->places[shard - s->first] != (uint8_t)place) {
        s->places[shard - s->first] = (uint8_t)place;
        s->moved[shard - s->first] = w->now;
        s->has_moved = true;
    }
}

static bool has_just_moved(const struct worker *w, uint32_t shard)
{
    const struct worker_shards *s = &w->shards;
    ns_t moved = shard - s->first < s->count ? s->moved[shard - s->first] : 0;
    return moved != 0 && w->now < moved + HELD_NS;
}

void worker_shard_wish(struct worker *w, const struct event_shard *wish)
{
    if (wish->wish == SHARD_TAKE && place_of(&w->shards, wish->shard) == PLACE_AWAY) {
        place_set(w, wish->shard, PLACE_COMING);
    } else if (wish->wish == SHARD_GIVE && place_of(&w->shards, wish->shard) == PLACE_HERE) {
        place_set(w, wish->shard, PLACE_GOING);
    }
    worker_step(w, &(struct event){.type = EVENT_SHARD, .shard = *wish});
}

static void place_learn(struct worker *w, const struct effect_shard *news)
{
    enum place before = place_of(&w->shards, news->shard);
    switch (news->news) {
    case FLEET_SHARD_TAKEN:
        break;
    case FLEET_SHARD_READY:
        place_set(w, news->shard, PLACE_HERE);
        break;
    case FLEET_SHARD_FAILED: /* what was here stays */
        place_set(w, news->shard, before == PLACE_COMING ? PLACE_AWAY : PLACE_HERE);
        break;
    case FLEET_SHARD_GIVEN:
    case FLEET_SHARD_LOST:
        place_set(w, news->shard, PLACE_AWAY);
        break;
    }
}

void worker_shard_news(struct worker *w, const struct effect_shard *news)
{
    struct worker_shards *s = &w->shards;
    place_learn(w, news);
    hf_assert(s->news_count < s->news_cap);
    s->news[(s->news_first + s->news_count++) % s->news_cap] = *news;
}

static void news_send(struct worker *w)
{
    struct worker_shards *s = &w->shards;
    while (s->news_count > 0) {
        struct mail_news *mail = mesh_room(&w->port, w->shared->mesh.num_threads - 1, sizeof(*mail));
        if (mail == NULL) {
            return; /* in the next round */
        }
        *mail = (struct mail_news){.mail = {.type = MAIL_NEWS}, .shard = s->news[s->news_first]};
        s->news_first = (s->news_first + 1) % s->news_cap;
        s->news_count--;
    }
}

/* ---- packets of clients */

bool worker_is_held(struct worker *w, const struct mail_datagram *mail, struct span bytes)
{
    struct worker_shards *s = &w->shards;
    if (!s->in_fleet || mail->shard == STEER_NO_SHARD || place_of(s, mail->shard) == PLACE_HERE) {
        return false;
    }
    struct held_entry *entry =
        held_add(&s->outer, mail->shard, (uint32_t)(sizeof(*mail) + bytes.len), w->now);
    if (entry == NULL) {
        w->drops[CAUSE_HELD_FULL]++;
        return true;
    }
    *(struct mail_datagram *)(void *)entry->bytes = *mail;
    memcpy(entry->bytes + sizeof(*mail), bytes.data, bytes.len);
    return true;
}

static void outer_forward(struct worker *w, struct mail_datagram *mail, uint16_t node)
{
    struct datagram datagram = {
        .local = mail->local,
        .remote = mail->remote,
        .natt = mail->natt,
        .hop = mail->hop,
        .num_hops = mail->num_hops,
        .hop_node = mail->hop_node,
    };
    struct datagram_run run = {
        .kind = mail->kind, .bytes = mail->bytes, .len = mail->len, .segment = mail->segment};
    worker_forward(w, &datagram, &run, node);
}

static uint16_t owner_now(const struct worker *w, const struct mail_datagram *mail)
{
    struct datagram datagram = {.hop = mail->hop, .num_hops = mail->num_hops, .hop_node = mail->hop_node};
    return worker_owner(w, &datagram, mail->shard);
}

/* True when nothing more is to be done with it. */
static bool outer_look(struct worker *w, struct held_entry *entry)
{
    struct mail_datagram *mail = (struct mail_datagram *)(void *)entry->bytes;
    enum place place = place_of(&w->shards, entry->shard);
    if (place == PLACE_HERE) {
        worker_mail_datagram(w, mail);
        return true;
    }
    uint16_t owner = owner_now(w, mail);
    if (owner != w->shared->nodes.self) {
        outer_forward(w, mail, owner);
        return true;
    }
    if (w->now >= entry->since + HELD_NS) {
        w->drops[CAUSE_HELD_LATE]++;
        return true;
    }
    return false;
}

/* ---- inner packets */

static bool inner_destination(const uint8_t *packet, size_t len, struct ip_addr *ret_addr)
{
    const uint8_t *ip = packet + VNET_BYTES;
    if (len >= VNET_BYTES + IP4_BYTES && ip[0] >> 4 == 4) {
        *ret_addr = ip_from_v4(ip + 16);
        return true;
    }
    if (len >= VNET_BYTES + IP6_BYTES && ip[0] >> 4 == 6) {
        *ret_addr = ip_from_v6(ip + 24);
        return true;
    }
    return false;
}

static bool inner_shard(const struct worker *w, const uint8_t *packet, size_t len, uint16_t *ret_shard)
{
    struct ip_addr addr;
    if (!inner_destination(packet, len, &addr)) {
        return false;
    }
    for (uint32_t i = 0; i < w->policy->num_pools; i++) {
        const struct policy_pool *pool = &w->policy->pools[i];
        const struct ip_prefix *prefix = ip_is_v4(&addr) ? &pool->v4 : &pool->v6;
        bool has = ip_is_v4(&addr) ? pool->has_v4 : pool->has_v6;
        if (has && pool_shard_of(prefix, w->config.core.shard_bits, &addr, ret_shard)) {
            return true;
        }
    }
    return false;
}

bool worker_is_inner_held(struct worker *w, const uint8_t *packet, size_t len)
{
    struct worker_shards *s = &w->shards;
    uint16_t shard;
    if (!s->in_fleet || !inner_shard(w, packet, len, &shard) || place_of(s, shard) == PLACE_HERE) {
        return false;
    }
    if (!has_just_moved(w, shard)) { /* nobody announces these addresses, or a route leads astray */
        w->drops[CAUSE_TUN_NO_SA]++;
        return true;
    }
    struct held_entry *entry = held_add(&s->inner, shard, (uint32_t)len, w->now);
    if (entry == NULL) {
        w->drops[CAUSE_HELD_FULL]++;
        return true;
    }
    memcpy(entry->bytes, packet, len);
    entry->look = w->now + INNER_AGAIN_NS;
    return true;
}

/* Around the kernel once more: by now there may be another route. */
static void inner_again(struct worker *w, const struct held_entry *entry)
{
    const uint8_t *ip = entry->bytes + VNET_BYTES;
    uint8_t ttl = ip[0] >> 4 == 4 ? ip[8] : ip[7];
    uint8_t *room = ttl < TTL_LEAST ? NULL : tun_room(w->tun);
    if (room == NULL) {
        w->drops[CAUSE_HELD_LATE]++;
        return;
    }
    memcpy(room, entry->bytes, entry->len);
    tun_write(w->tun, room, entry->len);
}

static bool inner_look(struct worker *w, struct held_entry *entry)
{
    enum place place = place_of(&w->shards, entry->shard);
    if (place == PLACE_HERE) {
        plane_user_outbound(w->plane, w->now, entry->bytes, entry->len);
        worker_step_later(w);
        return true;
    }
    if (place == PLACE_AWAY && w->now >= entry->look) {
        inner_again(w, entry);
        return true;
    }
    if (w->now >= entry->since + HELD_NS) {
        w->drops[CAUSE_HELD_LATE]++;
        return true;
    }
    return false;
}

/* ---- all that waits */

/* In the order in which it came. False when there is no room to send for the moment. */
static bool held_look(struct worker *w, struct held *held, bool (*look)(struct worker *, struct held_entry *))
{
    struct held_entry *entry;
    uint32_t cursor = 0;
    bool has_room = udp_rooms_free(w->udp) > ROOMS_KEPT;
    while (has_room && (entry = held_next(held, &cursor)) != NULL) {
        if (look(w, entry)) {
            held_remove(held, entry);
        }
        has_room = udp_rooms_free(w->udp) > ROOMS_KEPT;
    }
    held_trim(held);
    return has_room;
}

void worker_shards_round(struct worker *w)
{
    struct worker_shards *s = &w->shards;
    if (!s->in_fleet) {
        return;
    }
    news_send(w);
    if (s->outer.count + s->inner.count > 0 && (s->has_moved || w->now >= s->look)) {
        s->has_moved = false;
        bool all = held_look(w, &s->outer, outer_look);
        all = held_look(w, &s->inner, inner_look) && all;
        s->look = all ? w->now + LOOK_INTERVAL_NS : w->now + NS_PER_MS;
    }
}

ns_t worker_shards_deadline(const struct worker *w)
{
    const struct worker_shards *s = &w->shards;
    if (s->news_count > 0) {
        return w->now + NS_PER_MS;
    }
    return s->outer.count + s->inner.count > 0 ? s->look : NS_NEVER;
}

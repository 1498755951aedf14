/* A core without IKE: it claims, reads, writes, releases and forgets shards as the real one does, with
 * sessions that are a key and three numbers. */
#include "edge/base/bytes.h"
#include "tests/fleetsim/fleetsim.h"

#include <string.h>

#define LIGHT_RETRY_NS (200 * NS_PER_MS)
#define LIGHT_GIVE_NS (3 * NS_PER_S)

/* From the worker's thread to the main thread: never within a step of the engine. */
static void news(struct sim *sim, struct node *node, enum fleet_shard_news what, uint16_t shard,
                 enum store_result result)
{
    struct fleet_event event = {.type = FLEET_EVENT_SHARD};
    event.shard.news = what;
    event.shard.shard = shard;
    event.shard.epoch = node->light->shards[shard].epoch;
    event.shard.result = result;
    struct item *item = item_add(sim, ITEM_NEWS, sim->now + 50 * NS_PER_US);
    item->node = node->number;
    item->life = node->life;
    item->news = event;
}

/* An operation's token says what it was for: a later claim of the shard makes it old. */
static uint64_t token_of(const struct light_shard *part, uint16_t shard, uint16_t index)
{
    return (uint64_t)part->epoch << 32 | (uint64_t)shard << 16 | index;
}

static void ask(struct sim *sim, struct node *node, uint16_t shard, enum store_op_type type, uint16_t epoch)
{
    node_store(sim, node,
               &(struct store_op){.type = type,
                                  .token = token_of(&node->light->shards[shard], shard, 0),
                                  .shard = shard,
                                  .epoch = epoch,
                                  .replaces = STORE_NO_INDEX},
               false);
}

static void forget(struct node *node, uint16_t shard)
{
    struct light_shard *part = &node->light->shards[shard];
    uint16_t epoch = part->epoch;
    *part = (struct light_shard){.epoch = epoch};
}

static void lose(struct sim *sim, struct node *node, uint16_t shard)
{
    if (sim->scenario.planted != SIM_KEEPS_LOST) {
        forget(node, shard);
    }
    news(sim, node, FLEET_SHARD_LOST, shard, STORE_OK);
    net_release(sim, node, shard);
}

/* ---- writing */

static void session_write(struct sim *sim, struct node *node, uint16_t shard, uint16_t index)
{
    struct light_shard *part = &node->light->shards[shard];
    struct session *session = &part->sessions[index];
    uint8_t bytes[SIM_RECORD_BYTES] = {0};
    if (session->is_writing) {
        session->is_dirty = true;
        return;
    }
    session->is_writing = true;
    session->is_dirty = false;
    be64_store(bytes, session->key);
    be32_store(bytes + 8, session->client);
    be32_store(bytes + 12, session->version);
    be32_store(bytes + 16, session->last_id);
    node_store(sim, node,
               &(struct store_op){.type = STORE_PUT,
                                  .token = token_of(part, shard, index),
                                  .shard = shard,
                                  .epoch = part->epoch,
                                  .index = index,
                                  .replaces = STORE_NO_INDEX,
                                  .value = span_of(bytes, sizeof(bytes))},
               false);
}

static void sessions_write(struct sim *sim, struct node *node, uint16_t shard, bool all)
{
    struct light_shard *part = &node->light->shards[shard];
    for (uint16_t i = 0; i < SIM_SESSIONS; i++) {
        if (part->sessions[i].is_used && (all || part->sessions[i].is_dirty)) {
            session_write(sim, node, shard, i);
        }
    }
}

static bool is_written(const struct light_shard *part)
{
    for (uint32_t i = 0; i < SIM_SESSIONS; i++) {
        if (part->sessions[i].is_used && (part->sessions[i].is_writing || part->sessions[i].is_dirty)) {
            return false;
        }
    }
    return true;
}

static void reply_send(struct sim *sim, struct node *node, uint16_t shard, uint16_t index, uint32_t id)
{
    struct light_shard *part = &node->light->shards[shard];
    struct session *session = &part->sessions[index];
    bool planted = sim->scenario.planted == SIM_IV_WITHOUT_NODE;
    uint64_t counter = planted ? session->sealed++ : node->light->counter++;
    check_seal(sim, session->key, part->epoch, planted ? 0 : node->number, counter);
    net_reply(sim, node,
              &(struct reply){.client = session->client,
                              .id = id,
                              .shard = shard,
                              .index = index,
                              .key = session->key,
                              .version = session->version});
}

/* ---- wishes */

static void give_go_on(struct sim *sim, struct node *node, uint16_t shard)
{
    struct light_shard *part = &node->light->shards[shard];
    if (part->state == LIGHT_GIVING && is_written(part)) {
        part->state = LIGHT_RELEASING;
        if (sim->scenario.planted == SIM_FORGETS_RELEASE) {
            forget(node, shard);
            news(sim, node, FLEET_SHARD_GIVEN, shard, STORE_OK);
            return;
        }
        ask(sim, node, shard, STORE_RELEASE, part->epoch);
    }
}

static void give_fail(struct sim *sim, struct node *node, uint16_t shard, enum store_result result)
{
    node->light->shards[shard].state = LIGHT_OWNED;
    news(sim, node, FLEET_SHARD_FAILED, shard, result);
    net_release(sim, node, shard);
}

void light_wish(struct sim *sim, struct node *node, enum fleet_effect_type wish, uint16_t shard,
                uint16_t epoch)
{
    struct light_shard *part = &node->light->shards[shard];
    if (wish == FLEET_EFFECT_DROP) {
        lose(sim, node, shard);
    } else if (wish == FLEET_EFFECT_TAKE) {
        part->is_again = part->state == LIGHT_OWNED;
        part->state = part->is_again ? LIGHT_OWNED : LIGHT_CLAIMING;
        bool forgets =
            sim->scenario.planted == SIM_FORGETS_SEEN || sim->scenario.planted == SIM_IV_WITHOUT_NODE;
        ask(sim, node, shard, STORE_CLAIM, forgets ? 0 : epoch);
    } else if (part->state == LIGHT_OWNED) {
        part->state = LIGHT_GIVING;
        part->give_until = sim->now + LIGHT_GIVE_NS;
        node->light->retry_at = HF_MIN(node->light->retry_at, part->give_until);
        if (sim->scenario.planted != SIM_FORGETS_NUMBERS) {
            sessions_write(sim, node, shard, true);
        }
        give_go_on(sim, node, shard);
    }
}

/* ---- answers of the store */

static void claimed(struct sim *sim, struct node *node, const struct store_done *done)
{
    struct light_shard *part = &node->light->shards[done->shard];
    bool is_again = part->is_again;
    part->is_again = false;
    if (done->result != STORE_OK) {
        part->state = is_again ? part->state : LIGHT_NONE;
        news(sim, node, FLEET_SHARD_FAILED, done->shard, done->result);
        net_release(sim, node, done->shard);
        return;
    }
    part->epoch = done->epoch;
    if (!is_again) {
        part->state = LIGHT_SCANNING;
        ask(sim, node, done->shard, STORE_SCAN, part->epoch);
    }
    news(sim, node, FLEET_SHARD_TAKEN, done->shard, STORE_OK);
    if (is_again) {
        for (uint32_t i = 0; i < SIM_SESSIONS; i++) {
            part->sessions[i].is_writing = false; /* what was under way was under the old epoch */
        }
        sessions_write(sim, node, done->shard, true);
        news(sim, node, FLEET_SHARD_READY, done->shard, STORE_OK);
    }
}

static void session_load(struct session *session, const struct sim_record *record)
{
    *session = (struct session){.is_used = record->is_used};
    session->key = be64_load(record->bytes);
    session->client = be32_load(record->bytes + 8);
    session->version = be32_load(record->bytes + 12);
    session->last_id = be32_load(record->bytes + 16);
}

static void scanned(struct sim *sim, struct node *node, const struct sim_answer *answer)
{
    uint16_t shard = answer->done.shard;
    struct light_shard *part = &node->light->shards[shard];
    if (answer->done.result != STORE_OK) {
        forget(node, shard);
        news(sim, node, FLEET_SHARD_FAILED, shard, answer->done.result);
        net_release(sim, node, shard);
        return;
    }
    for (uint32_t i = 0; i < SIM_SESSIONS; i++) {
        session_load(&part->sessions[i], &answer->seen->records[shard][i]);
    }
    part->state = LIGHT_OWNED;
    news(sim, node, FLEET_SHARD_READY, shard, STORE_OK);
    net_release(sim, node, shard);
}

static void written(struct sim *sim, struct node *node, const struct store_done *done, uint16_t index)
{
    struct light_shard *part = &node->light->shards[done->shard];
    struct session *session = &part->sessions[index];
    if (done->result == STORE_FENCED) {
        lose(sim, node, done->shard);
        return;
    }
    session->is_writing = false;
    if (done->result != STORE_OK) {
        session->is_dirty = true;
        node->light->retry_at = HF_MIN(node->light->retry_at, sim->now + LIGHT_RETRY_NS);
        return;
    }
    if (session->is_dirty) {
        session_write(sim, node, done->shard, index);
        return;
    }
    if (session->answer_due != 0) {
        reply_send(sim, node, done->shard, index, session->answer_due);
        session->answer_due = 0;
    }
    give_go_on(sim, node, done->shard);
}

/* Whether the store has of each session what we have. */
static void check_given(struct sim *sim, const struct node *node, uint16_t shard)
{
    for (uint32_t i = 0; i < SIM_SESSIONS; i++) {
        const struct session *session = &node->light->shards[shard].sessions[i];
        struct session stored;
        session_load(&stored, &sim->store.records[shard][i]);
        if (session->is_used && !sim->has_lost &&
            (stored.last_id != session->last_id || stored.version != session->version)) {
            sim_fail(sim, "H1", "shard %u is given by node %u with old numbers", shard, node->number);
        }
    }
}

static void released(struct sim *sim, struct node *node, const struct store_done *done)
{
    if (done->result == STORE_FENCED) {
        lose(sim, node, done->shard);
    } else if (done->result != STORE_OK) {
        give_fail(sim, node, done->shard, done->result);
    } else {
        check_given(sim, node, done->shard);
        forget(node, done->shard);
        news(sim, node, FLEET_SHARD_GIVEN, done->shard, STORE_OK);
        net_release(sim, node, done->shard);
    }
}

void light_answer(struct sim *sim, struct node *node, const struct sim_answer *answer)
{
    const struct store_done *done = &answer->done;
    struct light_shard *part = &node->light->shards[done->shard];
    if (token_of(part, done->shard, (uint16_t)done->token) != done->token) {
        return;
    }
    if (done->type == STORE_CLAIM && (part->state == LIGHT_CLAIMING || part->is_again)) {
        claimed(sim, node, done);
    } else if (done->type == STORE_SCAN && part->state == LIGHT_SCANNING) {
        scanned(sim, node, answer);
    } else if (done->type == STORE_RELEASE && part->state == LIGHT_RELEASING) {
        released(sim, node, done);
    } else if (done->type == STORE_PUT && part->sessions[(uint16_t)done->token].is_writing) {
        written(sim, node, done, (uint16_t)done->token);
    }
}

void light_timer(struct sim *sim, struct node *node)
{
    struct light *light = node->light;
    light->retry_at = NS_NEVER;
    for (uint16_t shard = 0; shard < SIM_SHARDS; shard++) {
        struct light_shard *part = &light->shards[shard];
        if (part->state == LIGHT_GIVING && sim->now >= part->give_until) {
            give_fail(sim, node, shard, STORE_DOWN);
        } else if (part->state == LIGHT_GIVING) {
            light->retry_at = HF_MIN(light->retry_at, part->give_until);
        }
        if (part->state == LIGHT_OWNED || part->state == LIGHT_GIVING) {
            sessions_write(sim, node, shard, false);
        }
    }
}

/* ---- clients */

static bool may_begin(struct sim *sim, const struct node *node)
{
    return node_clock(sim, node) < node->light->may_begin_until || sim->scenario.planted == SIM_NO_LEASE;
}

static struct session *session_free(struct node *node, uint64_t key, uint16_t *ret_shard, uint16_t *ret_index)
{
    for (uint32_t n = 0; n < SIM_SHARDS; n++) {
        uint16_t shard = (uint16_t)((key + n) % SIM_SHARDS);
        struct light_shard *part = &node->light->shards[shard];
        for (uint16_t i = 0; part->state == LIGHT_OWNED && i < SIM_SESSIONS; i++) {
            if (!part->sessions[i].is_used) {
                *ret_shard = shard;
                *ret_index = i;
                return &part->sessions[i];
            }
        }
    }
    return NULL;
}

static struct session *session_of_key(struct node *node, uint64_t key, uint16_t *ret_shard,
                                      uint16_t *ret_index)
{
    for (uint16_t shard = 0; shard < SIM_SHARDS; shard++) {
        for (uint16_t i = 0; i < SIM_SESSIONS; i++) {
            struct session *session = &node->light->shards[shard].sessions[i];
            if (session->is_used && session->key == key) {
                *ret_shard = shard;
                *ret_index = i;
                return session;
            }
        }
    }
    return NULL;
}

static void create(struct sim *sim, struct node *node, const struct request *request)
{
    uint16_t shard, index;
    struct session *session = session_of_key(node, request->key, &shard, &index);
    if (session != NULL) {
        if (!session->is_writing && !session->is_dirty) {
            reply_send(sim, node, shard, index, request->id);
        }
        return;
    }
    session = may_begin(sim, node) ? session_free(node, request->key, &shard, &index) : NULL;
    if (session == NULL) {
        return;
    }
    check_begin(sim, node);
    *session = (struct session){.is_used = true,
                                .key = request->key,
                                .client = request->client,
                                .last_id = request->id,
                                .answer_due = request->id};
    session_write(sim, node, shard, index);
}

static void serve(struct sim *sim, struct node *node, const struct request *request, struct session *session)
{
    if (request->id < session->last_id) {
        return;
    }
    if (request->id > session->last_id && request->kind == REQUEST_WRITE) {
        session->version++;
        session->last_id = session->answer_due = request->id;
        session_write(sim, node, request->shard, request->index);
        if (sim->scenario.planted == SIM_ANSWERS_EARLY) {
            reply_send(sim, node, request->shard, request->index, request->id);
        }
        return;
    }
    session->last_id = request->id;
    if (session->answer_due == 0) {
        reply_send(sim, node, request->shard, request->index, request->id);
    }
}

void light_request(struct sim *sim, struct node *node, const struct request *request)
{
    if (request->kind == REQUEST_CREATE) {
        create(sim, node, request);
        return;
    }
    struct session *session = &node->light->shards[request->shard].sessions[request->index];
    if (session->is_used && session->key == request->key) {
        serve(sim, node, request, session);
    } else {
        sim_trace(sim, "node %u has no session of client %u", node->number, request->client);
    }
}

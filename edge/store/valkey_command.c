/* The command of each step. The keys and values are described in docs/STORE.md. */
#include "edge/store/valkey_job.h"

#include "edge/base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    COMMAND_ARGS_MAX = SCAN_BATCH + 8,
    COMMAND_BYTES = 256, /* for numbers */
};

struct command {
    const char *argv[COMMAND_ARGS_MAX];
    size_t lens[COMMAND_ARGS_MAX];
    int argc;
    char bytes[COMMAND_BYTES];
    size_t len;
};

/* ---- keys */

static void fleet_keys(const struct valkey *v, struct keys *ret_keys)
{
    static const char *const names[] = {"members", "owners", "version"};
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        snprintf(ret_keys->v[i], sizeof(ret_keys->v[i]), "{%s}:%s", v->fleet, names[i]);
    }
    ret_keys->count = 3;
}

static void shard_keys(const struct valkey *v, uint16_t shard, struct keys *ret_keys)
{
    snprintf(ret_keys->v[0], sizeof(ret_keys->v[0]), "{%s:%u}:fence", v->fleet, shard);
    snprintf(ret_keys->v[1], sizeof(ret_keys->v[1]), "{%s:%u}:records", v->fleet, shard);
    ret_keys->count = 2;
}

/* A key for each value, so a cluster spreads them. */
static void once_key(const struct valkey *v, struct span value, struct keys *ret_keys)
{
    static const char hex[] = "0123456789abcdef";
    int len = snprintf(ret_keys->v[0], sizeof(ret_keys->v[0]), "%s:once:", v->fleet);
    char *out = ret_keys->v[0] + len;
    for (size_t i = 0; i < HF_MIN(value.len, (size_t)VALKEY_ONCE_BYTES_MAX); i++) {
        *out++ = hex[value.data[i] >> 4];
        *out++ = hex[value.data[i] & 15];
    }
    *out = 0;
    ret_keys->count = 1;
}

void keys_of(const struct valkey *v, const struct job *job, struct keys *ret_keys)
{
    const struct store_op *op = &job->item->op;
    bool is_of_shard = op->type == STORE_PUT || op->type == STORE_DELETE || op->type == STORE_SCAN ||
                       job->step == STEP_FENCE || job->step == STEP_UNFENCE || job->step == STEP_FENCE_WAIT;
    if (op->type == STORE_ONCE) {
        once_key(v, op->value, ret_keys);
    } else if (is_of_shard) {
        shard_keys(v, op->shard, ret_keys);
    } else {
        fleet_keys(v, ret_keys);
    }
}

void keys_text(const struct valkey *v, const struct job *job, char ret_text[KEYS_TEXT_MAX])
{
    struct keys keys;
    keys_of(v, job, &keys);
    int first = job->item->op.type == STORE_SCAN ? 1 : 0;
    int len = snprintf(ret_text, KEYS_TEXT_MAX, "%.50s", keys.v[first]);
    for (int i = first + 1; i < keys.count && len < KEYS_TEXT_MAX - 16; i++) {
        len += snprintf(ret_text + len, KEYS_TEXT_MAX - (size_t)len, ", %.10s", strrchr(keys.v[i], ':') + 1);
    }
}

/* ---- arguments */

static void add(struct command *command, const void *bytes, size_t len)
{
    hf_assert(command->argc < COMMAND_ARGS_MAX);
    command->argv[command->argc] = len == 0 ? "" : bytes;
    command->lens[command->argc++] = len;
}

static void add_text(struct command *command, const char *text)
{
    add(command, text, strlen(text));
}

static void add_number(struct command *command, uint64_t number)
{
    char *text = command->bytes + command->len;
    size_t cap = sizeof(command->bytes) - command->len;
    int len = snprintf(text, cap, "%llu", (unsigned long long)number);
    hf_assert(len > 0 && (size_t)len < cap);
    command->len += (size_t)len + 1;
    add(command, text, (size_t)len);
}

static void add_instance(struct command *command, uint64_t instance)
{
    char *text = command->bytes + command->len;
    hf_assert(command->len + 17 <= sizeof(command->bytes));
    snprintf(text, 17, "%016llx", (unsigned long long)instance);
    command->len += 17;
    add(command, text, 16);
}

/* A record's index as a field of its hash. */
static void add_index(struct command *command, uint32_t index)
{
    hf_assert(command->len + 4 <= sizeof(command->bytes));
    uint8_t *bytes = (uint8_t *)command->bytes + command->len;
    be32_store(bytes, index);
    command->len += 4;
    add(command, bytes, 4);
}

static void add_script(const struct valkey *v, struct command *command, enum valkey_script script,
                       const struct keys *keys)
{
    add_text(command, "EVALSHA");
    add_text(command, v->sha[script]);
    add_number(command, (uint64_t)keys->count);
    for (int i = 0; i < keys->count; i++) {
        add_text(command, keys->v[i]);
    }
}

static void add_self(const struct valkey *v, struct command *command)
{
    add_number(command, v->node);
    add_instance(command, v->instance);
    add_number(command, v->generation);
}

/* ---- steps */

static void write_build(const struct valkey *v, const struct store_op *op, const struct keys *keys,
                        uint8_t *record, struct command *command)
{
    add_script(v, command, SCRIPT_WRITE, keys);
    add_number(command, op->epoch);
    add_number(command, v->generation);
    add_index(command, op->index);
    if (op->type == STORE_PUT && op->replaces != STORE_NO_INDEX) {
        add_index(command, op->replaces);
    } else {
        add(command, "", 0);
    }
    if (op->type == STORE_PUT) {
        be16_store(record, op->epoch);
        if (op->value.len > 0) {
            memcpy(record + 2, op->value.data, op->value.len);
        }
        add(command, record, op->value.len + 2);
    }
}

static void claim_build(const struct valkey *v, const struct job *job, const struct keys *keys,
                        struct command *command)
{
    if (job->step == STEP_CLAIM) {
        add_script(v, command, SCRIPT_CLAIM, keys);
        add_self(v, command);
        add_number(command, job->item->op.shard);
        add_number(command, job->floor);
        add_number(command, job->epochs_begin_again);
    } else if (job->step == STEP_FENCE) {
        add_script(v, command, SCRIPT_FENCE, keys);
        add_number(command, job->item->epoch);
        add_number(command, v->generation);
    } else if (job->step == STEP_UNFENCE) {
        add_script(v, command, SCRIPT_UNFENCE, keys);
        add_number(command, v->generation);
    } else {
        add_text(command, "WAIT");
        add_number(command, v->min_replicas);
        add_number(command, v->timeout / NS_PER_MS / 2);
    }
}

static void scan_build(const struct job *job, const struct keys *keys, uint8_t *fields,
                       struct command *command)
{
    add_text(command, job->step == STEP_KEYS ? "HKEYS" : "HMGET");
    add_text(command, keys->v[1]);
    for (size_t i = 0; job->step == STEP_RECORDS && i < scan_batch(job); i++) {
        be32_store(fields + 4 * i, job->indexes[job->next_index + i]);
        add(command, fields + 4 * i, 4);
    }
}

static void fleet_build(const struct valkey *v, const struct store_op *op, const struct keys *keys,
                        struct command *command)
{
    static const enum valkey_script scripts[STORE_OP_TYPES] = {
        [STORE_LEASE] = SCRIPT_LEASE,   [STORE_UNLEASE] = SCRIPT_UNLEASE, [STORE_VIEW] = SCRIPT_VIEW,
        [STORE_FORGET] = SCRIPT_FORGET, [STORE_RELEASE] = SCRIPT_RELEASE,
    };
    add_script(v, command, scripts[op->type], keys);
    if (op->type == STORE_FORGET) {
        add_number(command, op->index);
    } else if (op->type != STORE_VIEW) {
        add_self(v, command);
    }
    if (op->type == STORE_RELEASE) {
        add_number(command, op->shard);
        add_number(command, op->epoch);
    } else if (op->type == STORE_LEASE) {
        add_number(command, op->ttl_ms);
        add(command, op->value.data, op->value.len);
    }
}

static void once_build(const struct store_op *op, const struct keys *keys, struct command *command)
{
    add_text(command, "SET");
    add_text(command, keys->v[0]);
    add_text(command, "");
    add_text(command, "NX");
    add_text(command, "PX");
    add_number(command, HF_MAX(op->ttl_ms, 1U));
}

static void build(const struct valkey *v, const struct job *job, const struct keys *keys, uint8_t *room,
                  struct command *command)
{
    const struct store_op *op = &job->item->op;
    switch (op->type) {
    case STORE_PUT:
    case STORE_DELETE:
        write_build(v, op, keys, room, command);
        break;
    case STORE_CLAIM:
        claim_build(v, job, keys, command);
        break;
    case STORE_SCAN:
        scan_build(job, keys, room, command);
        break;
    case STORE_ONCE:
        once_build(op, keys, command);
        break;
    default:
        fleet_build(v, op, keys, command);
    }
}

/* WAIT is about what was written on the same connection. */
static bool wait_is_possible(const struct link *link, const struct job *job)
{
    bool waits = job->step == STEP_CLAIM_WAIT || job->step == STEP_FENCE_WAIT;
    return !waits || (link->number == job->wait_link && link->connection == job->wait_connection);
}

void job_ask(struct valkey *v, struct link *link, struct job *job)
{
    struct command command = {0};
    struct keys keys;
    if (!wait_is_possible(link, job)) {
        job_fail(v, job, link, STORE_UNKNOWN, "whether replicas have a claim is not known: connected anew");
        return;
    }
    uint8_t *room = malloc(HF_MAX(job->item->op.value.len + 2, 4 * (size_t)SCAN_BATCH));
    if (room == NULL) {
        job_fail(v, job, link, STORE_DOWN, "no memory");
        return;
    }
    keys_of(v, job, &keys);
    build(v, job, &keys, room, &command);
    const char *asking[] = {"ASKING"};
    bool asks = job->asking == VALKEY_NO_LINK || link_ask(v, link, ASK_NOTHING, NULL, 1, asking, NULL);
    asks = asks && link_ask(v, link, ASK_JOB, job, command.argc, command.argv, command.lens);
    free(room);
    if (!asks) {
        route_wait(v, job);
    }
}

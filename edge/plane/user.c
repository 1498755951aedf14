#include "edge/plane/user_internal.h"

enum { PLANE_ALIGN = 64 };

static size_t own_bytes(void)
{
    return (sizeof(struct plane_user) + PLANE_ALIGN - 1) / PLANE_ALIGN * PLANE_ALIGN;
}

size_t plane_user_bytes(const struct plane_user_config *config)
{
    return own_bytes() + table_bytes(config);
}

struct plane_user *plane_user_init(void *memory, const struct plane_user_config *config)
{
    struct plane_user *plane = memory;

    hf_assert((uintptr_t)memory % PLANE_ALIGN == 0);
    hf_assert(hf_shard_bits_valid(&config->spi) && config->num_shards <= 1u << config->spi.shard_bits);
    hf_assert(config->mtu >= PLANE_MTU_MIN && config->mtu <= PLANE_MTU_MAX);
    memset(plane, 0, sizeof(*plane));
    plane->config = *config;
    table_init(plane, (uint8_t *)memory + own_bytes());
    return plane;
}

void plane_user_done(struct plane_user *plane)
{
    uint32_t slots = plane->table.per_shard * plane->table.num_shards;

    hf_assert(plane->burst.room == NULL);
    for (uint32_t i = 0; i < slots; i++) {
        if (plane->table.spis[i] != 0) {
            child_remove(plane, &plane->table.children[i]);
        }
    }
}

static void counters_read(const struct user_child *child, struct plane_counters *ret_counters)
{
    *ret_counters = (struct plane_counters){
        .packets_in = child->packets_in,
        .bytes_in = child->bytes_in,
        .packets_out = child->packets_out,
        .bytes_out = child->bytes_out,
        .sequence_out = child->out.sequence,
        .sequence_in = child->in.replay.top,
        .last_in = child->last_in,
    };
}

static void child_op(struct plane_user *plane, struct user_child *child, const struct plane_op *op,
                     struct plane_done *done)
{
    switch (op->type) {
    case PLANE_INSTALL: /* done by the caller */
        break;
    case PLANE_OUTBOUND:
        child_carry_outbound(plane, child);
        break;
    case PLANE_UPDATE_ENDPOINT:
        child->local = op->local;
        child->remote = op->remote;
        break;
    case PLANE_SEQUENCE_LIMIT:
        if (op->sequence_limit > child->out.limit) {
            esp_out_limit(&child->out, op->sequence_limit);
            child->told_half = false;
        }
        break;
    case PLANE_READ:
        counters_read(child, &done->counters);
        break;
    case PLANE_REMOVE:
        counters_read(child, &done->counters);
        child_remove(plane, child);
        break;
    }
}

void plane_user_op(struct plane_user *plane, ns_t now, const struct plane_op *op, struct plane_done *ret_done)
{
    (void)now;
    *ret_done = (struct plane_done){.token = op->token, .child = op->child, .type = op->type};
    if (op->type == PLANE_INSTALL) {
        ret_done->child = op->install->child;
        ret_done->cause = child_install(plane, op->install) ? CAUSE_NONE : CAUSE_PLANE;
        return;
    }
    struct user_child *child = table_by_child(plane, op->child);
    if (child == NULL) {
        ret_done->cause = CAUSE_PLANE;
        return;
    }
    child_op(plane, child, op, ret_done);
}

void plane_user_flush(struct plane_user *plane, ns_t now)
{
    (void)now;
    burst_flush(plane);
    merge_flush(plane);
}

const struct plane_user_counters *plane_user_counters(const struct plane_user *plane)
{
    return &plane->counters;
}

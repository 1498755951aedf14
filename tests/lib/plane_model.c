#include "tests/lib/plane_model.h"

#include "edge/crypto/prf.h"

#include <string.h>

void plane_model_arm(struct plane_model *plane, const struct plane_faults *faults)
{
    plane->faults = *faults;
    plane->installs = plane->num_failed = 0;
}

static struct plane_model_child *child_of(struct plane_model *plane, uint32_t child)
{
    for (uint32_t i = 0; i < PLANE_MODEL_CHILDREN; i++) {
        if (plane->children[i].used && plane->children[i].child == child) {
            return &plane->children[i];
        }
    }
    return NULL;
}

static void key_note(struct plane_model *plane, const struct plane_child *install)
{
    struct plane_model_key key = {
        .iv_epoch = install->iv_epoch, .iv_node = install->iv_node, .last = UINT64_MAX};
    struct span bytes =
        span_of(install->key_out.encr, encr_key_bytes(install->suite.encr, install->suite.encr_bits));
    hash_sha256(&bytes, 1, key.digest);
    for (uint32_t i = 0; i < HF_MIN(plane->num_keys, (uint32_t)PLANE_MODEL_KEYS); i++) {
        plane->key_reused |= plane->keys[i].iv_epoch == key.iv_epoch &&
                             plane->keys[i].iv_node == key.iv_node &&
                             plane->keys[i].last > install->sequence_out &&
                             memcmp(plane->keys[i].digest, key.digest, sizeof(key.digest)) == 0;
    }
    plane->keys[plane->num_keys++ % PLANE_MODEL_KEYS] = key; /* of long runs the latest */
}

static void key_digest(const struct plane_child *install, uint8_t ret_digest[32])
{
    struct span bytes =
        span_of(install->key_out.encr, encr_key_bytes(install->suite.encr, install->suite.encr_bits));
    hash_sha256(&bytes, 1, ret_digest);
}

static void key_rest(struct plane_model *plane, const struct plane_model_child *child)
{
    for (uint32_t i = 0; i < HF_MIN(plane->num_keys, (uint32_t)PLANE_MODEL_KEYS); i++) {
        if (plane->keys[i].last == UINT64_MAX &&
            memcmp(plane->keys[i].digest, child->digest, sizeof(child->digest)) == 0) {
            plane->keys[i].last = child->sent;
        }
    }
}

bool plane_model_counters(struct plane_model *plane, uint32_t slot, struct plane_counters *ret_counters)
{
    struct plane_model_child *child = child_of(plane, slot);
    *ret_counters = (struct plane_counters){0};
    if (child != NULL) {
        uint64_t packets = child->sent - child->sequence_out;
        ret_counters->sequence_out = child->sent;
        ret_counters->sequence_in = child->heard;
        ret_counters->packets_out = packets;
        ret_counters->bytes_out = packets * 100;
    }
    return child != NULL;
}

static enum cause install(struct plane_model *plane, const struct plane_child *wanted)
{
    const struct plane_faults *faults = &plane->faults;
    plane->installs++;
    key_note(plane, wanted);
    plane->child_twice |= child_of(plane, wanted->child) != NULL;
    bool counted = faults->fail_nth != 0 && (plane->installs == faults->fail_nth ||
                                             (faults->for_ever && plane->installs > faults->fail_nth));
    if (counted || sim_rand_chance(plane->fate, faults->fail_permille)) {
        plane->num_failed++;
        return CAUSE_PLANE;
    }
    if (faults->forgets_installs) {
        return CAUSE_NONE;
    }
    uint32_t at = 0;
    while (plane->children[at].used) {
        hf_assert(++at < PLANE_MODEL_CHILDREN);
    }
    plane->children[at] = (struct plane_model_child){.used = true,
                                                     .child = wanted->child,
                                                     .session = wanted->session,
                                                     .spi_in = wanted->spi_in,
                                                     .spi_out = wanted->spi_out,
                                                     .outbound = wanted->outbound,
                                                     .carries_since = wanted->outbound ? ++plane->carried : 0,
                                                     .local = wanted->local,
                                                     .remote = wanted->remote,
                                                     .sequence_out = wanted->sequence_out,
                                                     .sequence_limit = wanted->sequence_limit,
                                                     .soft = wanted->soft,
                                                     .hard = wanted->hard,
                                                     .sent = wanted->sequence_out,
                                                     .heard = wanted->replay_start,
                                                     .replay_start = wanted->replay_start,
                                                     .is_deaf = wanted->is_deaf};
    key_digest(wanted, plane->children[at].digest);
    return CAUSE_NONE;
}

enum cause plane_model_apply(struct plane_model *plane, const struct plane_op *op)
{
    if (op->type == PLANE_INSTALL) {
        return install(plane, op->install);
    }
    struct plane_model_child *child = child_of(plane, op->child);
    if (child == NULL) {
        return CAUSE_PLANE;
    }
    switch (op->type) {
    case PLANE_OUTBOUND:
        child->outbound = true;
        child->carries_since = ++plane->carried;
        break;
    case PLANE_UPDATE_ENDPOINT:
        child->local = op->local;
        child->remote = op->remote;
        break;
    case PLANE_SEQUENCE_LIMIT:
        child->sequence_limit = op->sequence_limit;
        break;
    case PLANE_REMOVE:
        key_rest(plane, child);
        child->used = plane->faults.keeps_removed;
        break;
    default:
        break;
    }
    return CAUSE_NONE;
}

void plane_model_reset(struct plane_model *plane)
{
    memset(plane->children, 0, sizeof(plane->children));
}

uint32_t plane_model_count(const struct plane_model *plane)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < PLANE_MODEL_CHILDREN; i++) {
        count += plane->children[i].used ? 1 : 0;
    }
    return count;
}

const struct plane_model_child *plane_model_find(const struct plane_model *plane, uint32_t spi_in)
{
    for (uint32_t i = 0; i < PLANE_MODEL_CHILDREN; i++) {
        if (plane->children[i].used && plane->children[i].spi_in == spi_in) {
            return &plane->children[i];
        }
    }
    return NULL;
}

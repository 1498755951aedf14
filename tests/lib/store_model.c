#include "tests/lib/store_model.h"

#include <stdlib.h>

static void stored_free(struct stored *stored)
{
    free(stored->bytes);
    *stored = (struct stored){.used = false};
}

void store_model_done(struct store_model *store)
{
    for (uint32_t i = 0; i < STORE_MODEL_RECORDS; i++) {
        stored_free(&store->records[i]);
    }
}

void store_model_arm(struct store_model *store, const struct store_faults *faults)
{
    store->faults = *faults;
    store->ops = 0;
    store->num_failed = 0;
}

static struct stored *find(struct store_model *store, uint16_t shard, uint32_t index)
{
    for (uint32_t i = 0; i < STORE_MODEL_RECORDS; i++) {
        struct stored *stored = &store->records[i];
        if (stored->used && stored->shard == shard && stored->index == index) {
            return stored;
        }
    }
    return NULL;
}

static void remove_record(struct store_model *store, uint16_t shard, uint32_t index)
{
    struct stored *stored = find(store, shard, index);
    if (stored != NULL) {
        stored_free(stored);
    }
}

static void put(struct store_model *store, const struct store_op *op)
{
    remove_record(store, op->shard, op->index);
    if (op->replaces != STORE_NO_INDEX) {
        remove_record(store, op->shard, op->replaces);
    }
    uint32_t at = 0;
    while (store->records[at].used) {
        hf_assert(++at < STORE_MODEL_RECORDS);
    }
    struct stored *stored = &store->records[at];
    *stored = (struct stored){.used = true,
                              .shard = op->shard,
                              .epoch = op->epoch,
                              .index = op->index,
                              .bytes = malloc(op->value.len),
                              .len = op->value.len};
    memcpy(stored->bytes, op->value.data, op->value.len);
}

static enum store_result once(struct store_model *store, struct span value)
{
    hf_assert(value.len == sizeof(store->once[0]));
    for (uint32_t i = 0; i < store->num_once; i++) {
        if (memcmp(store->once[i], value.data, value.len) == 0) {
            return STORE_FENCED;
        }
    }
    if (store->num_once < STORE_MODEL_ONCE) {
        memcpy(store->once[store->num_once++], value.data, value.len);
    }
    return STORE_OK;
}

static enum store_result carry_out(struct store_model *store, const struct store_op *op, uint16_t *ret_epoch)
{
    hf_assert(op->shard < STORE_MODEL_SHARDS);
    uint16_t *epoch = &store->epochs[op->shard];
    uint16_t *owner = &store->owners[op->shard];
    if (op->type == STORE_CLAIM && store->node != 0) {
        if (!store->has_lease[store->node] ||
            (*owner != 0 && *owner != store->node && store->has_lease[*owner])) {
            return STORE_FENCED;
        }
        *owner = store->node;
        *epoch = HF_MAX(*epoch, op->epoch);
    }
    if (op->type == STORE_CLAIM) {
        *epoch = (uint16_t)(store->faults.epoch_back && *epoch > 1 ? *epoch - 1 : *epoch + 1);
        *ret_epoch = *epoch;
        return STORE_OK;
    }
    if (op->type == STORE_ONCE) {
        return once(store, op->value);
    }
    if (op->epoch < *epoch) {
        return STORE_FENCED;
    }
    if (op->type == STORE_RELEASE) {
        bool other = *owner != 0 && *owner != store->node;
        *owner = other ? *owner : 0;
        return other ? STORE_FENCED : STORE_OK;
    }
    if (op->type == STORE_PUT && !store->faults.forgets_puts) {
        put(store, op);
    } else if (op->type == STORE_DELETE && !store->faults.keeps_deleted) {
        remove_record(store, op->shard, op->index);
    }
    return STORE_OK;
}

static enum store_result fail_by_chance(struct store_model *store, const struct store_op *op)
{
    static const enum store_result results[] = {STORE_FULL, STORE_DOWN, STORE_UNKNOWN, STORE_UNKNOWN};
    uint32_t fate = sim_rand_below(store->fate, HF_COUNT(results));
    store->num_failed++;
    if (fate == HF_COUNT(results) - 1) { /* done, and nobody knows */
        uint16_t ignored;
        (void)carry_out(store, op, &ignored);
    }
    return results[fate];
}

enum store_result store_model_apply(struct store_model *store, const struct store_op *op, uint16_t *ret_epoch)
{
    const struct store_faults *faults = &store->faults;
    *ret_epoch = 0;
    store->ops++;
    if (faults->fail_nth != 0 &&
        (store->ops == faults->fail_nth || (faults->for_ever && store->ops > faults->fail_nth))) {
        store->num_failed++;
        if (faults->carried_out) {
            uint16_t ignored;
            (void)carry_out(store, op, &ignored);
        }
        return faults->result;
    }
    if (sim_rand_chance(store->fate, faults->fail_permille)) {
        return fail_by_chance(store, op);
    }
    return carry_out(store, op, ret_epoch);
}

uint32_t store_model_count(const struct store_model *store)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < STORE_MODEL_RECORDS; i++) {
        count += store->records[i].used ? 1 : 0;
    }
    return count;
}

void store_model_garble(struct store_model *store)
{
    for (uint32_t i = 0; i < STORE_MODEL_RECORDS; i++) {
        if (store->records[i].used) {
            store->records[i].bytes[store->records[i].len / 2] ^= 1;
        }
    }
}

/* A session store as the core sees one: records and ownership epochs in memory, and the ways in which a store
 * fails. Operations are carried out one after the other. */
#pragma once

#include "edge/session/store_op.h"
#include "tests/lib/rand.h"

enum { STORE_MODEL_RECORDS = 256, STORE_MODEL_SHARDS = 16, STORE_MODEL_ONCE = 64 };

struct stored {
    bool used;
    uint16_t shard, epoch;
    uint32_t index;
    uint8_t *bytes; /* allocated */
    size_t len;
};

struct store_faults {
    uint32_t fail_nth; /* counted from arming, the first is 1; 0: none */
    bool for_ever;     /* that one and all after it */
    enum store_result result;
    uint32_t fail_permille; /* by chance, with any result */
    bool carried_out;       /* the operation is done all the same, only the answer is bad (STORE_UNKNOWN) */
    /* Planted bugs of a store: */
    bool epoch_back;   /* every other claim gives the epoch before */
    bool forgets_puts; /* says yes and writes nothing */
    bool keeps_deleted;
};

struct store_model {
    struct stored records[STORE_MODEL_RECORDS];
    uint8_t once[STORE_MODEL_ONCE][32]; /* what STORE_ONCE has seen; never forgotten */
    uint32_t num_once;
    uint16_t epochs[STORE_MODEL_SHARDS];
    /* Of a fleet: nodes from 1 on, 0 is nobody. */
    uint16_t owners[STORE_MODEL_SHARDS];
    bool has_lease[4]; /* by node */
    uint16_t node;     /* whose operation it is; 0: there is no fleet */
    struct store_faults faults;
    uint32_t ops; /* since arming */
    uint32_t num_failed;
    struct sim_rand *fate;
};

void store_model_done(struct store_model *store);
/* Counts operations from here on. */
void store_model_arm(struct store_model *store, const struct store_faults *faults);
/* Carries an operation out, or not; ret_epoch gets a claim's new epoch. */
enum store_result store_model_apply(struct store_model *store, const struct store_op *op,
                                    uint16_t *ret_epoch);
uint32_t store_model_count(const struct store_model *store);
/* Flips a bit in every record. */
void store_model_garble(struct store_model *store);

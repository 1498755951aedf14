/* What the memory stores of one or several nodes stand on: records and ledger, a lock, a clock. */
#pragma once

#include "edge/store/ledger.h"

struct memory_records {
    struct memory_record *v; /* ascending by shard, then index */
    size_t count, capacity;
    uint64_t bytes;
};

struct memory_medium {
    pthread_mutex_t lock;
    struct memory_records records;
    struct ledger *ledger;
    bool clock_is_set;
    ns_t now;
    struct memory_records marked_records;
    struct ledger *marked; /* NULL: no mark */
};

/* All with the lock held. */
ns_t medium_now(const struct memory_medium *medium);
enum store_result medium_put(struct memory_medium *medium, const struct store_op *op);
void medium_delete(struct memory_medium *medium, uint16_t shard, uint32_t index);
bool medium_shard_is_empty(const struct memory_medium *medium, uint16_t shard);
enum store_result medium_scan(const struct memory_medium *medium, const struct store_item *scan,
                              struct store_list *ret_records);

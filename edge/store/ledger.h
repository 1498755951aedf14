/* What a fleet's store knows beside records: members with their leases, who owns which shard, and what was
 * seen once. Kept in memory: by the memory store, where several nodes may share one, and by the embedded one,
 * which has a single node. The caller has the lock, and the clock. */
#pragma once

#include "edge/store/internal.h"

#define LEDGER_SHARDS_MAX (UINT16_MAX + 1)

struct ledger;

/* The owners' table has an entry for each of `num_shards`, and for those above that are ever owned. NULL: no
 * memory. */
struct ledger *ledger_new(uint32_t num_shards);
void ledger_free(struct ledger *ledger);
/* Members and owners of another one in the place of its own; false: no memory. */
HF_MUST bool ledger_copy(struct ledger *ledger, const struct ledger *from);

struct ledger_node {
    uint16_t node;
    uint64_t instance;
};

bool ledger_has_lease(const struct ledger *ledger, struct ledger_node self, ns_t now);
/* Whether rule 2 of docs/FLEET.md lets `self` have the shard. */
bool ledger_may_claim(const struct ledger *ledger, struct ledger_node self, uint16_t shard, ns_t now);

uint16_t ledger_epoch(const struct ledger *ledger, uint16_t shard);
/* Owner 0: nobody. */
void ledger_own(struct ledger *ledger, uint16_t shard, uint16_t owner, uint16_t epoch);
/* STORE_FENCED, and nothing changed, when the shard is not `node`'s under this epoch. */
enum store_result ledger_release(struct ledger *ledger, uint16_t shard, uint16_t node, uint16_t epoch);

/* STORE_LEASE, UNLEASE, FORGET, ONCE and VIEW. Records of a view are appended to ret_records. */
enum store_result ledger_do(struct ledger *ledger, struct ledger_node self, const struct store_item *item,
                            ns_t now, struct store_list *ret_records);
/* Grows with each ledger_own() and ledger_release(). */
uint64_t ledger_version(const struct ledger *ledger);

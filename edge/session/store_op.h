/* What the core asks of a session store (DESIGN section 6). All operations are asynchronous and come back by
 * token. */
#pragma once

#include "edge/base/span.h"

enum store_op_type {
    STORE_CLAIM,  /* become the owner of a shard: epoch = max(epoch, op.epoch) + 1, durable before it is
                     answered. In a fleet: STORE_FENCED while another node with a lease has it, or when we
                     have no lease */
    STORE_SCAN,   /* all records of a shard: store_record events, then STORE_DONE */
    STORE_PUT,    /* write (shard, index); fenced by epoch */
    STORE_DELETE, /* remove (shard, index); absent is fine; fenced by epoch */
    /* The rest is for fleets: a store with one node answers them as if there were no other. */
    STORE_RELEASE, /* give the shard up, keeping its epoch; STORE_FENCED when another has it by now */
    STORE_LEASE,   /* take or renew this node's lease for ttl_ms; `value` is what others may know of us.
                      STORE_FENCED: another process has this node's lease */
    STORE_UNLEASE, /* end it; the node stays known, without a lease */
    STORE_VIEW,    /* members and owners: store_record events, then STORE_DONE */
    STORE_FORGET,  /* node `index` is no member any more; STORE_FENCED while it has a lease */
    STORE_ONCE,    /* STORE_OK the first time that `value` is seen within ttl_ms, then STORE_FENCED */
    STORE_OP_TYPES,
};

#define STORE_NO_INDEX UINT32_MAX

/* Records of a STORE_VIEW. A member: index is its node, epoch 1 when its lease holds, else 0, and value what
 * it said of itself. The owners: index STORE_NO_INDEX, value 4 bytes for each shard, big-endian: owner (0:
 * nobody), epoch. */
#define STORE_OWNER_BYTES 4

struct store_op {
    enum store_op_type type;
    uint64_t token;
    uint16_t shard;
    uint16_t epoch;
    uint32_t index;
    uint32_t replaces; /* STORE_PUT: removes this index of the same shard in the same transaction, or
                          STORE_NO_INDEX */
    struct span value; /* STORE_PUT: sealed record; copied by the store */
    uint32_t ttl_ms;   /* STORE_LEASE, STORE_ONCE */
};

enum store_result {
    STORE_OK,
    STORE_FENCED,  /* another owner has a higher epoch */
    STORE_FULL,    /* no space: nothing was written */
    STORE_DOWN,    /* not reachable or I/O error: nothing was written */
    STORE_UNKNOWN, /* sent, but whether it was carried out is not known */
};

struct store_done {
    uint64_t token;
    enum store_op_type type;
    enum store_result result;
    uint16_t shard;
    uint16_t epoch; /* STORE_CLAIM: the new epoch */
    uint64_t
        view; /* STORE_LEASE, STORE_VIEW: version of the owners' table; grows with each claim and release */
};

/* One record of a scan; `value` is valid during the event. */
struct store_record {
    uint64_t token;
    uint16_t shard;
    uint16_t epoch; /* under which it was written and sealed */
    uint32_t index;
    struct span value;
};

/* What the core asks of a session store (DESIGN section 6). All operations are asynchronous and come back by
 * token. */
#pragma once

#include "edge/base/span.h"

enum store_op_type {
    STORE_CLAIM,  /* become the owner of a shard: epoch += 1, durable before it is answered */
    STORE_SCAN,   /* all records of a shard: store_record events, then STORE_DONE */
    STORE_PUT,    /* write (shard, index); fenced by epoch */
    STORE_DELETE, /* remove (shard, index); absent is fine; fenced by epoch */
};

#define STORE_NO_INDEX UINT32_MAX

struct store_op {
    enum store_op_type type;
    uint64_t token;
    uint16_t shard;
    uint16_t epoch;
    uint32_t index;
    uint32_t replaces; /* STORE_PUT: removes this index of the same shard in the same transaction, or
                          STORE_NO_INDEX */
    struct span value; /* STORE_PUT: sealed record; copied by the store */
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
};

/* One record of a scan; `value` is valid during the event. */
struct store_record {
    uint64_t token;
    uint16_t shard;
    uint16_t epoch; /* under which it was written and sealed */
    uint32_t index;
    struct span value;
};

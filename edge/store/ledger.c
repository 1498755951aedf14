#include "edge/store/ledger.h"

#include "edge/base/bytes.h"
#include "edge/base/limits.h"

#include <stdlib.h>

enum { SEEN_MAX = 65536 };

struct ledger_member {
    bool is_known;
    uint64_t instance;
    ns_t until; /* of its lease */
    struct span value;
};

/* A value of a STORE_ONCE. */
struct ledger_seen {
    ns_t until;
    struct span value;
};

struct ledger_owner {
    uint16_t node, epoch;
};

struct ledger {
    struct ledger_member members[FLEET_NODE_MAX + 1];
    struct ledger_owner owners[LEDGER_SHARDS_MAX];
    uint32_t num_shards;
    uint64_t version;
    struct ledger_seen *seen;
    size_t num_seen, seen_capacity;
};

/* A copy; data is NULL when there is no memory. */
static struct span span_copy(struct span span)
{
    uint8_t *bytes = malloc(span.len + 1);
    if (bytes != NULL && span.len > 0) {
        memcpy(bytes, span.data, span.len);
    }
    return span_of(bytes, span.len);
}

static void span_free(struct span *span)
{
    free((void *)span->data);
    *span = (struct span){0};
}

struct ledger *ledger_new(uint32_t num_shards)
{
    hf_assert(num_shards <= LEDGER_SHARDS_MAX);
    struct ledger *ledger = calloc(1, sizeof(*ledger));
    if (ledger != NULL) {
        ledger->num_shards = num_shards;
    }
    return ledger;
}

static void members_forget(struct ledger *ledger)
{
    for (size_t i = 0; i < HF_COUNT(ledger->members); i++) {
        span_free(&ledger->members[i].value);
        ledger->members[i] = (struct ledger_member){0};
    }
}

void ledger_free(struct ledger *ledger)
{
    if (ledger != NULL) {
        members_forget(ledger);
        for (size_t i = 0; i < ledger->num_seen; i++) {
            span_free(&ledger->seen[i].value);
        }
        free(ledger->seen);
        free(ledger);
    }
}

bool ledger_copy(struct ledger *ledger, const struct ledger *from)
{
    members_forget(ledger);
    for (size_t i = 0; i < HF_COUNT(ledger->members); i++) {
        if (from->members[i].is_known) {
            ledger->members[i] = from->members[i];
            ledger->members[i].value = span_copy(from->members[i].value);
            if (ledger->members[i].value.data == NULL) {
                return false;
            }
        }
    }
    memcpy(ledger->owners, from->owners, sizeof(ledger->owners));
    ledger->num_shards = from->num_shards;
    ledger->version = from->version;
    return true;
}

/* ---- owners */

static bool node_lives(const struct ledger *ledger, uint16_t node, ns_t now)
{
    return node <= FLEET_NODE_MAX && ledger->members[node].is_known && now < ledger->members[node].until;
}

bool ledger_has_lease(const struct ledger *ledger, struct ledger_node self, ns_t now)
{
    return node_lives(ledger, self.node, now) && ledger->members[self.node].instance == self.instance;
}

bool ledger_may_claim(const struct ledger *ledger, struct ledger_node self, uint16_t shard, ns_t now)
{
    uint16_t owner = ledger->owners[shard].node;
    return ledger_has_lease(ledger, self, now) &&
           (owner == 0 || owner == self.node || !node_lives(ledger, owner, now));
}

uint16_t ledger_epoch(const struct ledger *ledger, uint16_t shard)
{
    return ledger->owners[shard].epoch;
}

uint64_t ledger_version(const struct ledger *ledger)
{
    return ledger->version;
}

void ledger_own(struct ledger *ledger, uint16_t shard, uint16_t owner, uint16_t epoch)
{
    ledger->owners[shard] = (struct ledger_owner){.node = owner, .epoch = epoch};
    ledger->num_shards = HF_MAX(ledger->num_shards, shard + 1U);
    ledger->version++;
}

enum store_result ledger_release(struct ledger *ledger, uint16_t shard, uint16_t node, uint16_t epoch)
{
    struct ledger_owner *owner = &ledger->owners[shard];
    if (epoch == 0 || owner->epoch != epoch || (owner->node != node && owner->node != 0)) {
        return STORE_FENCED;
    }
    if (owner->node != 0) {
        owner->node = 0;
        ledger->version++;
    }
    return STORE_OK;
}

/* ---- members */

static enum store_result lease(struct ledger *ledger, struct ledger_node self, const struct store_op *op,
                               ns_t now)
{
    struct ledger_member *member = &ledger->members[self.node];
    if (node_lives(ledger, self.node, now) && member->instance != self.instance) {
        return STORE_FENCED;
    }
    struct span value = span_copy(op->value);
    if (value.data == NULL) {
        return STORE_FULL;
    }
    span_free(&member->value);
    *member = (struct ledger_member){
        .is_known = true,
        .instance = self.instance,
        .until = now + op->ttl_ms * NS_PER_MS,
        .value = value,
    };
    return STORE_OK;
}

static enum store_result unlease(struct ledger *ledger, struct ledger_node self, ns_t now)
{
    if (!node_lives(ledger, self.node, now)) {
        return STORE_OK;
    }
    if (ledger->members[self.node].instance != self.instance) {
        return STORE_FENCED;
    }
    ledger->members[self.node].until = now;
    return STORE_OK;
}

static enum store_result forget(struct ledger *ledger, uint32_t node, ns_t now)
{
    if (node > FLEET_NODE_MAX) {
        return STORE_OK;
    }
    if (node_lives(ledger, (uint16_t)node, now)) {
        return STORE_FENCED;
    }
    span_free(&ledger->members[node].value);
    ledger->members[node] = (struct ledger_member){0};
    return STORE_OK;
}

/* ---- a view */

static bool member_tell(const struct ledger *ledger, const struct store_item *view, uint16_t node, ns_t now,
                        struct store_list *ret_records)
{
    const struct ledger_member *member = &ledger->members[node];
    if (!member->is_known) {
        return true;
    }
    struct store_item *record =
        store_record_new(view, node, node_lives(ledger, node, now) ? 1 : 0, member->value);
    if (record != NULL) {
        list_append(ret_records, record);
    }
    return record != NULL;
}

static bool owners_tell(const struct ledger *ledger, const struct store_item *view,
                        struct store_list *ret_records)
{
    size_t len = (size_t)ledger->num_shards * STORE_OWNER_BYTES;
    uint8_t *bytes = malloc(len + 1);
    if (bytes == NULL) {
        return false;
    }
    for (uint32_t shard = 0; shard < ledger->num_shards; shard++) {
        be16_store(bytes + (size_t)shard * STORE_OWNER_BYTES, ledger->owners[shard].node);
        be16_store(bytes + (size_t)shard * STORE_OWNER_BYTES + 2, ledger->owners[shard].epoch);
    }
    struct store_item *record = store_record_new(view, STORE_NO_INDEX, 0, span_of(bytes, len));
    free(bytes);
    if (record != NULL) {
        list_append(ret_records, record);
    }
    return record != NULL;
}

static enum store_result view_tell(const struct ledger *ledger, const struct store_item *view, ns_t now,
                                   struct store_list *ret_records)
{
    struct store_list records = {0};
    bool told = true;
    for (uint16_t node = 1; node <= FLEET_NODE_MAX && told; node++) {
        told = member_tell(ledger, view, node, now, &records);
    }
    if (!told || !owners_tell(ledger, view, &records)) {
        list_free(&records);
        return STORE_DOWN;
    }
    struct store_item *record;
    while ((record = list_take(&records)) != NULL) {
        list_append(ret_records, record);
    }
    return STORE_OK;
}

/* ---- what is seen once */

static void seen_expire(struct ledger *ledger, ns_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < ledger->num_seen; i++) {
        if (now < ledger->seen[i].until) {
            ledger->seen[kept++] = ledger->seen[i];
        } else {
            span_free(&ledger->seen[i].value);
        }
    }
    ledger->num_seen = kept;
}

static bool seen_make_room(struct ledger *ledger)
{
    if (ledger->num_seen < ledger->seen_capacity) {
        return true;
    }
    size_t capacity = HF_MIN(HF_MAX(64U, 2 * ledger->seen_capacity), (size_t)SEEN_MAX);
    struct ledger_seen *seen =
        ledger->num_seen == SEEN_MAX ? NULL : realloc(ledger->seen, capacity * sizeof(*seen));
    if (seen != NULL) {
        ledger->seen = seen;
        ledger->seen_capacity = capacity;
    }
    return seen != NULL;
}

static enum store_result once(struct ledger *ledger, const struct store_op *op, ns_t now)
{
    seen_expire(ledger, now);
    for (size_t i = 0; i < ledger->num_seen; i++) {
        if (span_equal(ledger->seen[i].value, op->value)) {
            return STORE_FENCED;
        }
    }
    struct span value = span_copy(op->value);
    if (value.data == NULL || !seen_make_room(ledger)) {
        span_free(&value);
        return STORE_FULL;
    }
    ledger->seen[ledger->num_seen++] =
        (struct ledger_seen){.until = now + op->ttl_ms * NS_PER_MS, .value = value};
    return STORE_OK;
}

enum store_result ledger_do(struct ledger *ledger, struct ledger_node self, const struct store_item *item,
                            ns_t now, struct store_list *ret_records)
{
    hf_assert(self.node > 0 && self.node <= FLEET_NODE_MAX);
    switch (item->op.type) {
    case STORE_LEASE:
        return lease(ledger, self, &item->op, now);
    case STORE_UNLEASE:
        return unlease(ledger, self, now);
    case STORE_FORGET:
        return forget(ledger, item->op.index, now);
    case STORE_ONCE:
        return once(ledger, &item->op, now);
    default:
        hf_assert(item->op.type == STORE_VIEW);
        return view_tell(ledger, item, now, ret_records);
    }
}

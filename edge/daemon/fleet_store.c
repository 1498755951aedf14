/* The fleet engine's store operations. What a node says of itself is sealed: the store's people need not know
 * it, and a node with another fleet key cannot read it. Such a node must not join: it could claim shards
 * whose sessions it cannot read. So a node first looks whether it can read what the others say. */
#include "edge/daemon/daemon.h"

#include "edge/base/bytes.h"

#include <poll.h>
#include <string.h>

#define FORGET_WAIT_NS (2 * NS_PER_S)
#define KEY_LOOK_NS (200 * NS_PER_MS) /* again, when the store does not answer */
#define KEY_WRONG_NS (5 * NS_PER_S)   /* or says that our key is wrong */
#define KEY_TOKEN UINT64_MAX          /* no engine counts so far */

enum { STORE_BATCH = 32, STORE_BATCHES_MAX = 16, AAD_BYTES = 8 };

/* ---- what a node says of itself */

static struct span aad_of(uint32_t node, uint8_t ret_bytes[AAD_BYTES])
{
    memcpy(ret_bytes, "node", 4);
    be32_store(ret_bytes + 4, node);
    return span_of(ret_bytes, AAD_BYTES);
}

static bool member_seal(const struct daemon *d, const struct store_op *op, uint8_t *ret_sealed)
{
    uint8_t aad[AAD_BYTES];
    struct rand_source rand = rand_system();
    return seal_record(d->fleet.member_key, &rand, aad_of(op->index, aad), op->value, ret_sealed);
}

static bool member_unseal(const struct daemon *d, const struct store_record *record,
                          uint8_t ret_plain[FLEET_MEMBER_BYTES_MAX])
{
    uint8_t aad[AAD_BYTES];
    size_t len = record->value.len;
    return len > SEAL_OVERHEAD_BYTES && len <= FLEET_MEMBER_BYTES_MAX + SEAL_OVERHEAD_BYTES &&
           unseal_record(d->fleet.member_key, aad_of(record->index, aad), record->value, ret_plain);
}

/* ---- to the store */

static void later_add(struct fleet_host *h, const struct store_op *op)
{
    hf_assert(h->num_later < FLEET_LATER_MAX);
    h->later[h->num_later++] =
        (struct store_done){.token = op->token, .type = op->type, .result = STORE_DOWN};
}

void fleet_store_ask(struct daemon *d, const struct store_op *op)
{
    uint8_t sealed[FLEET_MEMBER_BYTES_MAX + SEAL_OVERHEAD_BYTES];
    struct store_op sealed_op = *op;
    bool fine = true;
    if (op->type == STORE_LEASE) {
        hf_assert(op->value.len <= FLEET_MEMBER_BYTES_MAX);
        fine = member_seal(d, op, sealed);
        sealed_op.value = span_of(sealed, op->value.len + SEAL_OVERHEAD_BYTES);
    }
    if (!fine || !store_submit(d->shared.store, d->num_workers, &sealed_op)) {
        later_add(&d->fleet, op);
    }
}

/* ---- the key */

static void key_ask(struct daemon *d)
{
    struct fleet_host *h = &d->fleet;
    struct store_op op = {.type = STORE_VIEW, .token = KEY_TOKEN, .replaces = STORE_NO_INDEX};
    h->key_look = NS_NEVER;
    h->num_read = 0;
    h->unread_node = 0;
    if (!store_submit(d->shared.store, d->num_workers, &op)) {
        h->key_look = daemon_now() + KEY_LOOK_NS;
    }
}

/* Of others that live. */
static void key_record(struct daemon *d, const struct store_record *record)
{
    uint8_t plain[FLEET_MEMBER_BYTES_MAX];
    bool is_other = record->index != STORE_NO_INDEX && record->index != d->config_start->fleet.node;
    if (!is_other || record->epoch != 1) {
        return;
    }
    if (member_unseal(d, record, plain)) {
        d->fleet.num_read++;
    } else {
        d->fleet.unread_node = (uint16_t)record->index;
    }
}

static void key_done(struct daemon *d, const struct store_done *done)
{
    struct fleet_host *h = &d->fleet;
    if (done->result != STORE_OK) {
        h->key_look = daemon_now() + KEY_LOOK_NS;
    } else if (h->unread_node != 0 && h->num_read == 0) {
        h->key_look = daemon_now() + KEY_WRONG_NS;
        fleet_log_key(d, h->unread_node);
    } else {
        h->is_started = true;
        fleet_host_step(d, FLEET_EVENT_START);
    }
}

/* ---- from the store */

static void record_in(struct daemon *d, const struct store_record *record)
{
    uint8_t plain[FLEET_MEMBER_BYTES_MAX];
    struct fleet_event event = {.type = FLEET_EVENT_STORE_RECORD, .record = *record};
    if (record->token == KEY_TOKEN) {
        key_record(d, record);
        return;
    }
    if (record->index !=
        STORE_NO_INDEX) { /* what cannot be read is nothing, of which the engine makes a fault */
        size_t len = member_unseal(d, record, plain) ? record->value.len - SEAL_OVERHEAD_BYTES : 0;
        event.record.value = span_of(plain, len);
    }
    fleet_host_event(d, &event);
}

static void done_in(struct daemon *d, const struct store_done *done)
{
    if (done->type == STORE_FORGET) {
        d->fleet.is_forgotten = true;
        d->fleet.forgotten = done->result;
    } else if (done->token == KEY_TOKEN) {
        key_done(d, done);
    } else {
        fleet_host_event(d, &(struct fleet_event){.type = FLEET_EVENT_STORE_DONE, .store = *done});
    }
}

static void later_take(struct daemon *d)
{
    struct fleet_host *h = &d->fleet;
    struct store_done later[FLEET_LATER_MAX];
    uint32_t count = h->num_later;
    memcpy(later, h->later, count * sizeof(*later));
    h->num_later = 0;
    for (uint32_t i = 0; i < count; i++) {
        done_in(d, &later[i]);
    }
}

/* Bounded; what is left makes the event readable again. */
void fleet_store_look(struct daemon *d)
{
    struct store_completion done[STORE_BATCH];
    size_t count = STORE_BATCH;
    later_take(d);
    for (int batch = 0; batch < STORE_BATCHES_MAX && count == STORE_BATCH; batch++) {
        count = store_poll(d->shared.store, d->num_workers, done, STORE_BATCH);
        for (size_t i = 0; i < count; i++) {
            if (done[i].is_record) {
                record_in(d, &done[i].record);
            } else {
                done_in(d, &done[i].done);
            }
        }
    }
    if (!d->fleet.is_started && daemon_now() >= d->fleet.key_look) {
        key_ask(d);
    }
}

enum store_result fleet_host_forget(struct daemon *d, uint16_t node)
{
    struct fleet_host *h = &d->fleet;
    struct store_op op = {.type = STORE_FORGET, .index = node, .replaces = STORE_NO_INDEX};
    ns_t until = daemon_now() + FORGET_WAIT_NS;
    h->is_forgotten = false;
    if (!store_submit(d->shared.store, d->num_workers, &op)) {
        return STORE_DOWN;
    }
    while (!h->is_forgotten && daemon_now() < until) {
        struct pollfd fd = {.fd = store_event_fd(d->shared.store, d->num_workers), .events = POLLIN};
        (void)poll(&fd, 1, 10);
        fleet_host_round(d);
    }
    return h->is_forgotten ? h->forgotten : STORE_UNKNOWN;
}

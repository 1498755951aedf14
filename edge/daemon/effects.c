/* What the engine wants done, in its order; and the data plane's and store's answers, which come back as
 * events when the step that caused them is over. */
#include "edge/daemon/worker_internal.h"

#define STORE_BATCHES_MAX 8

#include <stdio.h>

static void later_add(struct worker *w, const struct event *event)
{
    hf_assert(w->later_count < WORKER_LATER_MAX);
    w->later[(w->later_first + w->later_count) % WORKER_LATER_MAX] = *event;
    w->later_count++;
}

static void carry_out_plane(struct worker *w, const struct plane_op *op)
{
    struct event event = {.type = EVENT_PLANE_DONE};
    plane_user_op(w->plane, w->now, op, &event.plane_done);
    if (op->type == PLANE_REMOVE) {
        w->removed_in += event.plane_done.counters.bytes_in;
        w->removed_out += event.plane_done.counters.bytes_out;
    }
    later_add(w, &event);
}

/* A store that takes nothing more is a store that is down: the engine must hear of each operation. */
static void carry_out_store(struct worker *w, const struct store_op *op)
{
    if (store_submit(w->shared->store, w->config.number, op)) {
        w->store_under_way++;
        return;
    }
    struct event event = {
        .type = EVENT_STORE_DONE,
        .store = {.token = op->token,
                  .type = op->type,
                  .result = STORE_DOWN,
                  .shard = op->shard,
                  .epoch = op->epoch},
    };
    later_add(w, &event);
}

/* ---- the event log */

static void budget_refill(struct log_budget *budget, ns_t now)
{
    uint64_t more = (now - budget->refilled) / (NS_PER_S / FAILURES_PER_S);
    if (budget->refilled == 0 || more >= FAILURES_BURST) {
        budget->lines = FAILURES_BURST;
        budget->refilled = now;
    } else {
        budget->lines = HF_MIN(budget->lines + (uint32_t)more, (uint32_t)FAILURES_BURST);
        budget->refilled += more * (NS_PER_S / FAILURES_PER_S);
    }
}

static bool may_log(struct log_budget *budget, ns_t now)
{
    budget_refill(budget, now);
    if (budget->lines == 0) {
        budget->withheld++;
        return false;
    }
    budget->lines--;
    return true;
}

static void log_withheld(struct worker *w, struct log_budget *budget)
{
    if (budget->withheld == 0) {
        return;
    }
    budget_refill(budget, w->now);
    if (budget->lines >= FAILURES_PER_S) { /* about once a second while it goes on */
        log_event(w->shared->log, w->wall_ns, LOG_LEVEL_WARNING, "login_failed_withheld",
                  LOG_FIELDS(LOG_NUMBER("worker", w->config.number), LOG_NUMBER("count", budget->withheld)),
                  "%u more failed logins were counted, but not logged", budget->withheld);
        budget->withheld = 0;
        budget->lines--;
    }
}

void worker_log_withheld(struct worker *w)
{
    log_withheld(w, &w->unknown_failures);
    log_withheld(w, &w->known_failures);
}

/* Which worker a client meets when it comes again is chance, so its old session may be with any of us. */
static void tell_replaced(struct worker *w, const struct audit *audit)
{
    for (uint32_t to = 0; to + 1 < w->shared->mesh.num_threads; to++) {
        if (to == w->config.number) {
            continue;
        }
        struct mail_replaced *mail = mesh_room(&w->port, to, sizeof(*mail));
        if (mail == NULL) { /* the old session then ends when its client does not answer */
            w->drops[CAUSE_MAILBOX_FULL]++;
            continue;
        }
        *mail = (struct mail_replaced){
            .mail = {.type = MAIL_REPLACED}, .identity = *audit->remote_id, .before = w->now};
        snprintf(mail->connection, sizeof(mail->connection), "%s", audit->connection);
    }
}

void worker_replaced(struct worker *w, const struct mail_replaced *mail)
{
    struct event event = {
        .type = EVENT_COMMAND,
        .command = {.type = COMMAND_REPLACED,
                    .identity = &mail->identity,
                    .connection = mail->connection,
                    .before = mail->before},
    };
    worker_step(w, &event);
}

static void carry_out_audit(struct worker *w, const struct audit *audit)
{
    struct audit line = *audit;
    struct store_stats store;
    if (audit->type == AUDIT_STORE_FAILED) { /* only the store knows its path and what the medium said */
        store_stats(w->shared->store, &store);
        line.detail = store.error[0] == '\0' ? audit->detail : store.error;
    }
    if (audit->type == AUDIT_SESSION_DOWN) { /* with what its last children transferred (core.h) */
        line.bytes_in += w->removed_in;
        line.bytes_out += w->removed_out;
        w->removed_in = w->removed_out = 0;
    }
    struct log_budget *budget = audit->remote_id == NULL ? &w->unknown_failures : &w->known_failures;
    bool limited =
        audit->type == AUDIT_LOGIN_FAILED || audit->type == AUDIT_CHILD_FAILED; /* peers write these */
    if (!limited || may_log(budget, w->now)) {
        log_audit(w->shared->log, w->wall_ns, w->config.number, &line);
    }
    if (audit->type == AUDIT_SESSION_UP && audit->is_only) {
        tell_replaced(w, audit);
    }
    if (audit->type == AUDIT_READY) {
        atomic_store(&w->is_ready, true);
        mesh_notify(&w->port, w->shared->mesh.num_threads - 1);
    }
}

static void carry_out(struct worker *w, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_SEND:
        udp_send_message(w->udp, &effect->send.local, &effect->send.remote, effect->send.natt,
                         effect->send.bytes);
        break;
    case EFFECT_PLANE:
        carry_out_plane(w, &effect->plane);
        break;
    case EFFECT_STORE:
        carry_out_store(w, &effect->store);
        break;
    case EFFECT_AUDIT:
        carry_out_audit(w, &effect->audit);
        break;
    case EFFECT_POLICY_FREE:
        atomic_store(&w->released, effect->policy);
        mesh_notify(&w->port, w->shared->mesh.num_threads - 1);
        break;
    case EFFECT_SHARD:
        worker_shard_news(w, &effect->shard);
        break;
    }
}

static void step_once(struct worker *w, struct event *event)
{
    event->now = w->now;
    event->now_unix_s = w->wall_ns / (int64_t)NS_PER_S;
    core_step(w->core, event, &w->effects);
    w->removed_in = w->removed_out = 0;
    for (uint32_t i = 0; i < w->effects.count; i++) {
        carry_out(w, &w->effects.v[i]);
    }
}

void worker_step_later(struct worker *w)
{
    while (w->later_count > 0) {
        struct event event = w->later[w->later_first];
        w->later_first = (w->later_first + 1) % WORKER_LATER_MAX;
        w->later_count--;
        step_once(w, &event);
    }
}

void worker_step(struct worker *w, const struct event *event)
{
    struct event copy = *event;
    step_once(w, &copy);
    worker_step_later(w);
}

void worker_store_poll(struct worker *w)
{
    struct store_completion done[WORKER_STORE_BATCH];
    size_t count = WORKER_STORE_BATCH;
    /* Bounded: traffic is served between the records of a long restore. What is left makes the event readable
     * again. */
    for (int batch = 0; batch < STORE_BATCHES_MAX && count == WORKER_STORE_BATCH; batch++) {
        count = store_poll(w->shared->store, w->config.number, done, WORKER_STORE_BATCH);
        for (size_t i = 0; i < count; i++) {
            struct event event = {.type = EVENT_STORE_DONE};
            if (done[i].is_record) {
                event.type = EVENT_STORE_RECORD;
                event.record = done[i].record;
            } else {
                event.store = done[i].done;
                w->store_under_way--;
            }
            worker_step(w, &event);
        }
    }
}

/* ---- what the data plane is lent */

static uint8_t *host_udp_room(void *context)
{
    return udp_room(((struct worker *)context)->udp);
}

static void host_udp_send(void *context, uint8_t *room, size_t len, size_t gso_size,
                          const struct endpoint *local, const struct endpoint *remote)
{
    udp_send(((struct worker *)context)->udp, room, len, gso_size, local, remote);
}

static void host_udp_drop(void *context, uint8_t *room)
{
    udp_drop(((struct worker *)context)->udp, room);
}

static uint8_t *host_tun_room(void *context)
{
    return tun_room(((struct worker *)context)->tun);
}

static void host_tun_write(void *context, uint8_t *room, size_t len)
{
    tun_write(((struct worker *)context)->tun, room, len);
}

static void host_tun_drop(void *context, uint8_t *room)
{
    tun_drop(((struct worker *)context)->tun, room);
}

/* The plane tells again what still holds, so that the last places are kept for what must not be lost. */
static bool host_event(void *context, const struct plane_event *plane)
{
    struct worker *w = context;
    if (w->later_count >= WORKER_LATER_MAX / 2) {
        return false;
    }
    later_add(w, &(struct event){.type = EVENT_PLANE, .plane = *plane});
    return true;
}

struct plane_host worker_plane_host(struct worker *w)
{
    return (struct plane_host){
        .context = w,
        .udp_room = host_udp_room,
        .udp_send = host_udp_send,
        .udp_drop = host_udp_drop,
        .tun_room = host_tun_room,
        .tun_write = host_tun_write,
        .tun_drop = host_tun_drop,
        .event = host_event,
    };
}

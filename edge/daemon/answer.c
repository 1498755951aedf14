/* A worker answers what the main thread asks, in parts that fit its mailbox. */
#include "edge/daemon/worker_internal.h"

#include <stdio.h>
#include <time.h>

enum {
    TEXT_MAX = MESH_MESSAGE_MAX - (int)sizeof(struct mail_answer),
    TEXT_ENOUGH = TEXT_MAX - CONTROL_LINE_MAX - 1, /* below it one more line fits */
    VISITS_MAX = 4096, /* sessions of one part, selected or not: the worker has packets to serve */
    ENDED_MAX = 32,    /* sessions ended in one part: each is an exchange */
};
_Static_assert(TEXT_ENOUGH > 0, "a line must fit");

static void read_counters(struct worker *w, const struct session_view *view,
                          struct plane_counters *ret_counters)
{
    for (uint32_t i = 0; i < view->num_children; i++) {
        struct plane_op op = {.type = PLANE_READ, .child = view->children[i].child};
        struct plane_done done;
        plane_user_op(w->plane, w->now, &op, &done);
        ret_counters[i] = done.cause == CAUSE_NONE ? done.counters : (struct plane_counters){0};
    }
}

static void add_line(struct worker *w, struct mail_answer *answer, const struct session_view *view)
{
    struct plane_counters counters[CHILD_PER_SA_MAX];
    char *text = (char *)answer->bytes + answer->len;
    read_counters(w, view, counters);
    size_t len = control_session_format(text, CONTROL_LINE_MAX, view, w->config.number, counters);
    if (len > 0) {
        text[len] = '\n';
        answer->len += (uint32_t)len + 1;
        answer->count++;
    }
}

static void disconnect(struct worker *w, uint64_t session_id)
{
    struct event event = {
        .type = EVENT_COMMAND,
        .command = {.type = COMMAND_DISCONNECT, .session_id = session_id},
    };
    worker_step(w, &event);
}

static void answer_sessions(struct worker *w, const struct mail_ask *ask, struct mail_answer *answer)
{
    struct session_view view;
    bool end = ask->type == ASK_DISCONNECT;
    answer->cursor = ask->cursor;
    for (uint32_t i = 0; i < VISITS_MAX && answer->len < TEXT_ENOUGH; i++) {
        if (end && answer->count == ENDED_MAX) {
            return;
        }
        if (!core_session_next(w->core, w->now, &answer->cursor, &view)) {
            answer->last = true;
            return;
        }
        if (!control_selects(&ask->selector, &view)) {
            continue;
        }
        if (end) {
            answer->count++;
            disconnect(w, view.session_id);
        } else {
            add_line(w, answer, &view);
        }
    }
}

static void answer_status(struct worker *w, struct mail_answer *answer)
{
    struct worker_status *status = (struct worker_status *)answer->bytes;
    struct pool_view pools[POOLS_MAX];
    *status = (struct worker_status){
        .core = *core_counters(w->core),
        .plane = *plane_user_counters(w->plane),
        .udp = *udp_counters(w->udp),
        .tun = *tun_counters(w->tun),
        .handed_over = w->handed_over,
        .forwarded = w->forwarded,
        .ring_overflows = w->ring.overflows,
    };
    struct timespec cpu;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    status->cpu_ns = (uint64_t)cpu.tv_sec * NS_PER_S + (uint64_t)cpu.tv_nsec;
    memcpy(status->rounds, w->rounds, sizeof(status->rounds));
    status->rounds_ns = w->rounds_ns;
    for (int i = 0; i < CAUSE_COUNT; i++) {
        status->udp.drops[i] += w->drops[i] + status->tun.drops[i];
    }
    status->num_pools = core_pools(w->core, pools, POOLS_MAX);
    for (uint32_t i = 0; i < status->num_pools; i++) {
        snprintf(status->pools[i].name, POOL_NAME_MAX, "%s", pools[i].name);
        status->pools[i].view = pools[i];
        status->pools[i].view.name = NULL;
    }
    answer->len = sizeof(*status);
    answer->last = true;
}

void worker_ask(struct worker *w, const struct mail_ask *ask)
{
    struct mail_answer *answer = (struct mail_answer *)w->answer;
    *answer = (struct mail_answer){.mail = {.type = MAIL_ANSWER}, .token = ask->token};
    if (ask->type == ASK_STATUS) {
        answer_status(w, answer);
    } else if (ask->type == ASK_EPOCHS) {
        core_spi_count(w->core, (uint32_t *)answer->bytes);
        answer->len = 4 * sizeof(uint32_t);
        answer->last = true;
    } else if (ask->type == ASK_DRAIN || ask->type == ASK_UNDRAIN) {
        enum command_type type = ask->type == ASK_DRAIN ? COMMAND_DRAIN : COMMAND_UNDRAIN;
        worker_step(w, &(struct event){.type = EVENT_COMMAND, .command = {.type = type}});
        answer->last = true;
    } else {
        answer_sessions(w, ask, answer);
    }
    uint32_t len = (uint32_t)sizeof(*answer) + answer->len;
    void *room = mesh_room(&w->port, w->shared->mesh.num_threads - 1, len);
    if (room != NULL) { /* else the main thread asks again */
        memcpy(room, answer, len);
    }
}

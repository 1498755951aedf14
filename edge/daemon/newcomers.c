/* First messages (IKE_SA_INIT, IKE_SESSION_RESUME) cost a key exchange, and anybody can send as many as the
 * line carries. They wait until all that came in with them for those who are here already has been served;
 * then those whose cookie holds go first, but every eighth time, and no round spends more than a bounded time
 * on them. */
#include "edge/daemon/worker_internal.h"

/* A datagram of an established client waits for so long, and one key exchange, at most. */
#define TURN_NS (2 * NS_PER_MS)
/* Send slots that are kept for established clients. */
#define ROOMS_KEPT 32

/* Who sends none waits longer behind those who do, but not for ever: they may be a flood of one who has an
 * address. */
#define PROVEN_IN_A_ROW 7

enum { PROVEN, UNPROVEN };

/* A cookie is checked before it is preferred: anybody can write one. */
static struct mailbox *queue_of(struct worker *w, enum first_message kind,
                                const struct event_datagram *datagram)
{
    bool proven =
        kind == FIRST_WITH_COOKIE && core_is_proven(w->core, w->wall_ns / (int64_t)NS_PER_S, datagram);
    return &w->newcomers[proven ? PROVEN : UNPROVEN];
}

void worker_newcomer(struct worker *w, enum first_message kind, const struct event_datagram *datagram)
{
    struct mailbox *queue = queue_of(w, kind, datagram);
    uint32_t len = (uint32_t)(sizeof(struct mail_datagram) + datagram->bytes.len);
    struct mail_datagram *mail = mailbox_room(queue, len);
    if (mail == NULL) {
        w->drops[CAUSE_OVERLOAD]++;
        return;
    }
    *mail = (struct mail_datagram){
        .mail = {.type = MAIL_DATAGRAM},
        .kind = DATAGRAM_IKE,
        .local = datagram->local,
        .remote = datagram->remote,
        .natt = datagram->natt,
        .len = (uint32_t)datagram->bytes.len,
    };
    memcpy(mail->bytes, datagram->bytes.data, datagram->bytes.len);
    mailbox_show(queue);
}

static bool next(struct worker *w, struct event *ret_event)
{
    struct span message;
    uint32_t first = w->proven_in_a_row < PROVEN_IN_A_ROW ? PROVEN : UNPROVEN;
    for (uint32_t i = 0; i < HF_COUNT(w->newcomers); i++) {
        uint32_t queue = first ^ i;
        mailbox_done(&w->newcomers[queue]);
        if (mailbox_next(&w->newcomers[queue], &message)) {
            w->proven_in_a_row = queue == PROVEN && i == 0 ? w->proven_in_a_row + 1 : 0;
            const struct mail_datagram *mail = (const struct mail_datagram *)message.data;
            *ret_event = (struct event){
                .type = EVENT_DATAGRAM,
                .datagram = {.local = mail->local,
                             .remote = mail->remote,
                             .bytes = span_of(mail->bytes, mail->len),
                             .natt = mail->natt},
            };
            return true;
        }
    }
    return false;
}

bool worker_has_newcomers(struct worker *w)
{
    return !mailbox_is_empty(&w->newcomers[0]) || !mailbox_is_empty(&w->newcomers[1]);
}

void worker_newcomers(struct worker *w)
{
    struct event event;
    ns_t end = worker_clock() + TURN_NS;
    while (udp_rooms_free(w->udp) > ROOMS_KEPT && next(w, &event)) {
        worker_step(w, &event);
        if (worker_clock() >= end) {
            return;
        }
    }
}

/* ---- cookies asked by the steering program */

/* Once asked for, cookies stay wanted for a while, and until half of the places that count have become free:
 * a flood that is kept out lets handshakes time out, and would be let in again. */
#define WANTED_NS (10 * NS_PER_S)

static void cookies_want(struct worker *w, bool wanted)
{
    if (w->wants_cookies != wanted) {
        w->wants_cookies = wanted;
        (void)__atomic_add_fetch(w->shared->cookie_wanted, wanted ? 1 : UINT32_MAX, __ATOMIC_RELAXED);
    }
}

void worker_cookies(struct worker *w)
{
    if (w->shared->cookie_wanted == NULL) {
        return;
    }
    uint32_t half_open = core_counters(w->core)->half_open;
    if (half_open >= w->cookie_threshold) {
        w->wanted_until = w->now + WANTED_NS;
        cookies_want(w, true);
    } else if (half_open <= w->cookie_threshold / 2 && w->now >= w->wanted_until) {
        cookies_want(w, false);
    }
}

void worker_cookies_end(struct worker *w)
{
    if (w->shared->cookie_wanted != NULL) {
        cookies_want(w, false);
    }
}

/* First messages (IKE_SA_INIT) cost a key exchange, and anybody can send as many as the line carries. They
 * wait until all that came in with them for those who are here already has been served; then those in which a
 * cookie stands go first, and no round spends more than a bounded time on them. */
#include "edge/daemon/worker_internal.h"

/* A datagram of an established client waits for so long, and one key exchange, at most. */
#define TURN_NS (2 * NS_PER_MS)
/* Send slots that are kept for established clients. */
#define ROOMS_KEPT 32

static struct mailbox *queue_of(struct worker *w, enum first_message kind)
{
    return &w->newcomers[kind == FIRST_WITH_COOKIE ? 0 : 1];
}

void worker_newcomer(struct worker *w, enum first_message kind, const struct event_datagram *datagram)
{
    struct mailbox *queue = queue_of(w, kind);
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
    for (uint32_t i = 0; i < HF_COUNT(w->newcomers); i++) {
        mailbox_done(&w->newcomers[i]);
        if (mailbox_next(&w->newcomers[i], &message)) {
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

/* INFORMATIONAL (RFC 7296 1.4): liveness, deletes, errors. The request is authentic when it gets here.
 *
 *   client                         us
 *   HDR, SK{[N,] [D,] ...}     ->
 *                              <-  HDR, SK{[D, ...]}
 */
#include "edge/ike/internal.h"

struct info_work {
    bool delete_ike;
    bool deleted; /* children */
    enum cause cause;
    uint32_t answer_spis[IKE_CHILD_SPIS_MAX]; /* of ours, whose children went with the client's */
    uint16_t num_answer_spis;
};

static void delete_children(struct ike *ike, struct ike_sa *sa, const struct delete_view *view,
                            struct info_work *work)
{
    for (uint16_t i = 0; i < view->count && work->num_answer_spis < IKE_CHILD_SPIS_MAX; i++) {
        struct ike_child *child = sa_child_by_spi_out(ike, sa, be32_load(view->spis.data + (size_t)i * 4));
        if (child != NULL) {
            /* RFC 7296 1.4.1: what both sides delete at once is not named in the answers. */
            bool crosses = sa->request.message.valid && sa->request.kind == REQUEST_DELETE_CHILD &&
                           sa->request.child == child->slot;
            if (!crosses) {
                work->answer_spis[work->num_answer_spis++] = child->spi_in;
            }
            work->deleted = true;
            child_close(ike, child, child->state == CHILD_REPLACED ? CAUSE_REKEYED : CAUSE_PEER_DELETE);
        } else {
            sa->request.gone = be32_load(view->spis.data + (size_t)i * 4);
        }
    }
}

static void info_read(struct ike *ike, struct ike_sa *sa, const struct message *message,
                      struct info_work *work)
{
    for (uint32_t i = 0; i < message->num_deletes; i++) {
        const struct delete_view *view = &message->deletes[i];
        if (view->protocol == PROTOCOL_IKE) {
            work->delete_ike = true;
            work->cause = CAUSE_PEER_DELETE;
        } else if (view->protocol == PROTOCOL_ESP) {
            delete_children(ike, sa, view, work);
        }
    }
    /* RFC 7296 2.21.2: how a client says after IKE_AUTH that it does not believe who we are. */
    if (message_notify(message, NOTIFY_AUTHENTICATION_FAILED) != NULL) {
        work->delete_ike = true;
        work->cause = CAUSE_PEER_REFUSED;
    }
}

void exch_info(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    struct info_work work = {0};
    info_read(ike, sa, input->message, &work);
    struct builder b;
    chain_start(ike, &b);
    if (work.num_answer_spis > 0 && !work.delete_ike) {
        build_delete(&b, PROTOCOL_ESP, 4, work.answer_spis, work.num_answer_spis);
    }
    if (!work.delete_ike) {
        ticket_answer(ike, sa, input->message, &b);
    }
    bool moves = !work.delete_ike && mobike_inform(ike, sa, input, &b);
    if (!sa_respond(ike, sa, INFORMATIONAL, &b)) {
        ike_drop(ike, CAUSE_FRAGMENT_NO_ROOM);
        return;
    }
    if (work.delete_ike && rekey_ike_is_rival(ike, sa)) {
        /* RFC 7296 2.8.2: the client closes the IKE SA that lost; the winner is named in its late answer. */
        sa->disowned = true;
        sa->expires = HF_MIN(sa->expires, ike->time.now + REKEYED_LINGER_NS);
        sa_send_response(ike, sa);
    } else if (work.delete_ike) {
        if (sa->state == SA_REKEYED) {
            rekey_ike_urge(ike, sa); /* before the client forgets what it made of our request */
        }
        sa_send_response(ike, sa);
        sa_close(ike, sa, work.cause, true);
    } else if (moves) {
        wait_begin(ike, sa, PENDING_MOVE);
    } else if (work.deleted) {
        wait_begin(ike, sa, PENDING_ANSWER); /* else a restart would bring the children back */
    } else {
        sa_send_response(ike, sa);
    }
}

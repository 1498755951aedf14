/* Our own exchanges: one at a time (window 1), retransmitted byte for byte, given up after a bounded number
 * of tries (RFC 7296 2.1, 2.4). */
#include "edge/ike/internal.h"

#define SAVE_OWN_IDS                                                                                         \
    8 /* requests of ours between two saves of the next id: liveness must not wear out the store */
#define PROBE_TRIES 2

static void request_clear(struct ike *ike, struct ike_sa *sa)
{
    sent_free(ike, &sa->request.message);
    sa->request.next_try = NS_NEVER;
}

bool request_send(struct ike *ike, struct ike_sa *sa, uint8_t exchange, bool is_delete, struct builder *b)
{
    struct span inner = message_end(b);
    if (b->w.overflow || sa->request.message.valid ||
        !sa_seal(ike, sa, exchange, false, sa->our_next_id, b->first, inner, &sa->request.message)) {
        return false;
    }
    sa->our_next_id++;
    sa->request.exchange = exchange;
    sa->request.is_delete = is_delete;
    sa->request.tries = 1;
    sa->request.next_try = ike->time.now + ike->policy->timers.retransmit;
    sa_send_request(ike, sa);
    return true;
}

/* A restored session may have used ids above the stored one: those the client ignores in silence. The next
 * ids are tried, as many as can have been used between two saves, before silence means death. */
static bool request_probe(struct ike *ike, struct ike_sa *sa)
{
    if (!sa->learn_our_id || sa->request.is_delete || sa->request.tries < PROBE_TRIES ||
        sa->request.probes > SAVE_OWN_IDS) {
        return false;
    }
    sa->request.probes++;
    request_clear(ike, sa);
    request_dpd(ike, sa);
    return sa->request.message.valid;
}

void request_retry(struct ike *ike, struct ike_sa *sa)
{
    const struct policy_timers *timers = &ike->policy->timers;
    if (request_probe(ike, sa)) {
        return;
    }
    if (sa->request.tries > timers->retries && !mobike_retreat(ike, sa)) {
        request_clear(ike, sa);
        if (sa->state == SA_CLOSING) {
            sa_free(ike, sa);
        } else {
            sa_close(ike, sa, CAUSE_PEER_DEAD, false);
        }
        return;
    }
    sa_send_request(ike, sa);
    ike->counters.retransmits_sent++;
    uint32_t doublings = HF_MIN(sa->request.tries, 16U);
    sa->request.next_try = ike->time.now + (timers->retransmit << doublings);
    sa->request.tries++;
}

void request_dpd(struct ike *ike, struct ike_sa *sa)
{
    struct builder b;
    chain_start(ike, &b);
    if (request_send(ike, sa, INFORMATIONAL, false, &b)) {
        ike->counters.dpd_sent++;
    }
}

void request_delete(struct ike *ike, struct ike_sa *sa)
{
    struct builder b;
    if (sa->request.message.valid) {
        /* Window 1: the DELETE takes the place of a request whose answer no longer matters. The peer has seen
         * or will see that id, so the next one is right in the usual case; in the other the peer finds out by
         * its own liveness check. */
        request_clear(ike, sa);
    }
    chain_start(ike, &b);
    build_delete(&b, PROTOCOL_IKE, 0, NULL, 0);
    (void)request_send(ike, sa, INFORMATIONAL, true, &b);
}

bool request_delete_child(struct ike *ike, struct ike_sa *sa, const struct ike_child *child)
{
    struct builder b;
    chain_start(ike, &b);
    build_delete(&b, PROTOCOL_ESP, 4, &child->spi_in, 1);
    return request_send(ike, sa, INFORMATIONAL, false, &b);
}

void request_answered(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    (void)input;
    bool was_delete = sa->request.is_delete;
    request_clear(ike, sa);
    sa->last_in = ike->time.now;
    sa->learn_our_id = false;
    if (sa->our_next_id % SAVE_OWN_IDS == 0 && sa->state == SA_ESTABLISHED && sa->wait == WAIT_NOTHING) {
        sa_save(ike, sa);
    }
    if (was_delete && sa->state == SA_CLOSING) {
        sa_free(ike, sa);
    }
}

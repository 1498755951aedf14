/* Our own exchanges: one at a time (window 1), retransmitted byte for byte, given up after a bounded number
 * of tries (RFC 7296 2.1, 2.4). */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

#define PROBE_TRIES 2

const struct notify *message_error(const struct message *message)
{
    for (uint32_t i = 0; i < message->num_notifies; i++) {
        if (message->notifies[i].type <= NOTIFY_ERROR_LAST) {
            return &message->notifies[i];
        }
    }
    return NULL;
}

bool request_is_about_child(const struct ike_sa *sa)
{
    uint8_t kind = sa->request.kind;
    return sa->request.message.valid && (kind == REQUEST_DELETE_CHILD || kind == REQUEST_REKEY_CHILD);
}

/* The message and the key are done with; what the request holds in the tables is the caller's. */
static void request_forget(struct ike *ike, struct ike_sa *sa)
{
    struct sa_request *request = &sa->request;
    sent_free(ike, &request->message);
    secret_wipe(&request->ke, sizeof(request->ke));
    request->next_try = NS_NEVER;
    request->gone = 0;
    request->child = request->rekeys = request->rival = SLOT_NONE;
    request->sa = request->rival_sa = SLOT_NONE;
}

void request_clear(struct ike *ike, struct ike_sa *sa)
{
    uint32_t child = sa->request.child, new = sa->request.sa;
    request_forget(ike, sa);
    if (child != SLOT_NONE && ike->child[child].state == CHILD_RESERVED) {
        child_release(ike, &ike->child[child]);
    }
    if (new != SLOT_NONE) {
        sa_free(ike, &ike->sa[new]);
    }
}

bool request_seal(struct ike *ike, struct ike_sa *sa, uint8_t exchange, enum request_kind kind,
                  struct builder *b)
{
    struct span inner = message_end(b);
    if (!may_begin(ike, sa) || b->w.overflow || sa->request.message.valid ||
        !sa_seal(ike, sa, exchange, false, sa->our_next_id, b->first, inner, &sa->request.message)) {
        return false;
    }
    sa->our_next_id++;
    sa->request.exchange = exchange;
    sa->request.kind = (uint8_t)kind;
    sa->request.again = false;
    sa->request.tries = 1;
    return true;
}

bool request_send(struct ike *ike, struct ike_sa *sa, uint8_t exchange, enum request_kind kind,
                  struct builder *b)
{
    if (!request_seal(ike, sa, exchange, kind, b)) {
        return false;
    }
    sa->request.next_try = ike->time.now + ike->policy->timers.retransmit;
    sa_send_request(ike, sa);
    return true;
}

/* A restored session may have used ids above the stored one: those the client ignores in silence. The next
 * ids are tried, as many as can have been used between two saves, before silence means death. */
static bool request_probe(struct ike *ike, struct ike_sa *sa)
{
    /* The client may have gone over to the IKE SA that we asked for: nothing else is asked before time. */
    uint32_t patience = sa->request.kind == REQUEST_REKEY_IKE ? ike->policy->timers.retries + 1 : PROBE_TRIES;
    if (!sa->learn_our_id || sa->request.kind == REQUEST_DELETE || sa->request.kind == REQUEST_SYNC ||
        sa->request.tries < patience || sa->request.probes > SAVE_OWN_IDS) {
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
        ike->counters.dpd_timeouts += sa->request.kind == REQUEST_DPD ? 1 : 0;
        request_clear(ike, sa);
        if (sa->state == SA_CLOSING) {
            sa_free(ike, sa);
        } else {
            sa_close(ike, sa, CAUSE_PEER_DEAD, false);
        }
        return;
    }
    if (sa->request.kind == REQUEST_SYNC && !sync_again(ike, sa)) {
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
    if (sync_begin(ike, sa)) {
        return;
    }
    chain_start(ike, &b);
    if (!sa->learn_our_id) { /* else the answer may be one of before, to a request of the same id */
        if (sa->token_due) {
            token_build(ike, sa, &b);
        }
        sync_build_replay(ike, sa, &b);
    }
    if (request_send(ike, sa, INFORMATIONAL, REQUEST_DPD, &b)) {
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
        sa->our_next_id -= sa->pending == PENDING_OWN_ASK ? 1 : 0; /* but this one never left */
    }
    chain_start(ike, &b);
    build_delete(&b, PROTOCOL_IKE, 0, NULL, 0);
    (void)request_send(ike, sa, INFORMATIONAL, REQUEST_DELETE, &b);
}

bool request_delete_child(struct ike *ike, struct ike_sa *sa, const struct ike_child *child)
{
    struct builder b;
    chain_start(ike, &b);
    build_delete(&b, PROTOCOL_ESP, 4, &child->spi_in, 1);
    if (!request_send(ike, sa, INFORMATIONAL, REQUEST_DELETE_CHILD, &b)) {
        return false;
    }
    sa->request.child = child->slot;
    return true;
}

/* What came in until now on the old child's keys was still the client's; now both sides are done with it. */
static void child_deleted(struct ike *ike, struct ike_sa *sa, uint32_t slot)
{
    if (slot == SLOT_NONE) {
        return;
    }
    struct ike_child *child = &ike->child[slot];
    if (child->state == CHILD_RESERVED) {
        child_release(ike, child);
    } else {
        child_close(ike, child, CAUSE_REKEYED);
        sa->save_due = ike->time.now; /* else a restart would bring it back */
    }
    children_arm(ike, sa);
}

void request_answered(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    struct sa_request was = sa->request;
    request_forget(ike, sa);
    sa->last_in = ike->time.now;
    bool known = !sa->learn_our_id;
    sa->learn_our_id = false;
    switch ((enum request_kind)was.kind) {
    case REQUEST_SYNC:
        sync_answered(ike, sa, input->message);
        break;
    case REQUEST_DPD:
        sa->token_due = sa->token_due && !known;
        sa->replay_due = sa->replay_due && !known;
        break;
    case REQUEST_REKEY_CHILD:
        rekey_child_answered(ike, sa, &was, input->message);
        break;
    case REQUEST_REKEY_IKE:
        rekey_ike_answered(ike, sa, &was, input->message);
        break;
    case REQUEST_DELETE_CHILD:
        child_deleted(ike, sa, was.child);
        break;
    default:
        break;
    }
    secret_wipe(&was.ke, sizeof(was.ke));
    if (sa->our_next_id % SAVE_OWN_IDS == 0 && sa->state == SA_ESTABLISHED && sa->wait == WAIT_NOTHING) {
        sa_save(ike, sa);
    }
    if (was.kind == REQUEST_DELETE && (sa->state == SA_CLOSING || sa->state == SA_REKEYED)) {
        sa_free(ike, sa);
    }
}

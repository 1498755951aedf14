/* Message ids and ESP numbers after a restart or on another node, agreed with a client that knows RFC 6311:
 *
 *   us                                                       client
 *   HDR(id 0), SK{N(IKEV2_MESSAGE_ID_SYNC, nonce, M1, P1)
 *                 [, N(IPSEC_REPLAY_COUNTER_SYNC)]}      ->
 *                                                        <-  HDR(id 0), SK{N(IKEV2_MESSAGE_ID_SYNC, nonce,
 * P2, M2)}
 *
 * It takes the place of the liveness check that goes before the first request of ours that matters (section
 * 7: when it has to send). Our own outbound ESP numbers have jumped already (section 5.2, ike_restore()); the
 * client's jump closes our window over all that could be replayed. Clients do not move between nodes, so
 * their requests to synchronize are not answered. */
#include "edge/ike/internal.h"

#define IDS_PER_EPOCH 32 /* more than requests are repeated */
#define EPOCHS 4096
#define ID_MAX (UINT32_MAX - 65536)
#define SHORT_NUMBERS_LAST (UINT64_C(3) << 30) /* of the 2^32 without extended sequence numbers */

void sync_offer(const struct ike *ike, struct ike_sa *sa, const struct message *message, struct builder *b)
{
    const struct span none = {0};
    bool offered = ike->policy->message_id_sync;
    sa->sync_ids = offered && message_notify(message, NOTIFY_IKEV2_MESSAGE_ID_SYNC_SUPPORTED) != NULL;
    sa->sync_replay = offered && message_notify(message, NOTIFY_IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED) != NULL;
    if (sa->sync_ids) {
        build_notify(b, PROTOCOL_NONE, none, NOTIFY_IKEV2_MESSAGE_ID_SYNC_SUPPORTED, none);
    }
    if (sa->sync_replay) {
        build_notify(b, PROTOCOL_NONE, none, NOTIFY_IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED, none);
    }
}

/* Section 6.4: one delta for all children, as long as their numbers are, so they must be of one kind. */
static bool replay_fits(const struct ike *ike, const struct ike_sa *sa, bool *ret_esn)
{
    bool fits = sa->num_children > 0;
    *ret_esn = sa->num_children > 0 && ike->child[sa->children[0]].suite.esn;
    for (uint32_t i = 0; i < sa->num_children; i++) {
        const struct ike_child *child = &ike->child[sa->children[i]];
        fits = fits && child->suite.esn == *ret_esn && (*ret_esn || child->sequence_in < SHORT_NUMBERS_LAST);
    }
    return fits;
}

void sync_build_replay(const struct ike *ike, const struct ike_sa *sa, struct builder *b)
{
    uint8_t delta[8];
    bool esn;
    if (!sa->replay_due || !replay_fits(ike, sa, &esn)) {
        return;
    }
    be64_store(delta, ESP_SEQUENCE_STEP);
    build_notify(b, PROTOCOL_NONE, (struct span){0}, NOTIFY_IPSEC_REPLAY_COUNTER_SYNC,
                 esn ? span_of(delta, 8) : span_of(delta + 4, 4));
}

/* Section 5.1: M1 is above all that was used, also by a node before us that asked and died before it wrote,
 * and every repetition has another one: the client drops what it has seen. */
static bool sync_seal(struct ike *ike, struct ike_sa *sa)
{
    uint16_t epoch = ike->config.host.epoch(ike->config.host.context, slab_position(&ike->sas, sa->slot));
    uint8_t data[12];
    struct builder b;
    sa->sync_id = sa->our_next_id + SAVE_OWN_IDS + 1 + epoch % EPOCHS * IDS_PER_EPOCH + sa->request.tries;
    rand_fill(&ike->config.rand, sa->sync_nonce, sizeof(sa->sync_nonce));
    memcpy(data, sa->sync_nonce, sizeof(sa->sync_nonce));
    be32_store(data + 4, sa->sync_id);
    be32_store(data + 8, sa->peer_next_id);
    chain_start(ike, &b);
    build_notify(&b, PROTOCOL_NONE, (struct span){0}, NOTIFY_IKEV2_MESSAGE_ID_SYNC,
                 span_of(data, sizeof(data)));
    sync_build_replay(ike, sa, &b);
    struct span inner = message_end(&b);
    return sa_seal(ike, sa, INFORMATIONAL, false, 0, b.first, inner, &sa->request.message);
}

bool sync_begin(struct ike *ike, struct ike_sa *sa)
{
    if (!may_begin(ike, sa) || !sa->learn_our_id || !sa->sync_ids || sa->request.message.valid) {
        return false;
    }
    sa->request.tries = 0;
    if (!sync_seal(ike, sa)) {
        return false;
    }
    sa->request.exchange = INFORMATIONAL;
    sa->request.kind = REQUEST_SYNC;
    sa->request.tries = 1;
    sa->request.next_try = ike->time.now + ike->policy->timers.retransmit;
    sa->learn_id = false; /* section 8.1: what is outside of the window that we say is not heard */
    sa_send_request(ike, sa);
    return true;
}

bool sync_again(struct ike *ike, struct ike_sa *sa)
{
    if (sync_seal(ike, sa)) {
        return true;
    }
    sa->request.next_try = NS_NEVER; /* no room for a message: at the next liveness check */
    return false;
}

static const struct notify *sync_in(const struct message *message)
{
    return message_notify(message, NOTIFY_IKEV2_MESSAGE_ID_SYNC);
}

bool sync_is_answer(const struct ike_sa *sa, const struct message *message)
{
    const struct notify *notify = sync_in(message);
    if (notify == NULL || memcmp(notify->data.data, sa->sync_nonce, sizeof(sa->sync_nonce)) != 0) {
        return false;
    }
    uint32_t p2 = be32_load(notify->data.data + 4), m2 = be32_load(notify->data.data + 8);
    return m2 >= sa->sync_id && m2 < ID_MAX && p2 >= sa->peer_next_id && p2 < ID_MAX;
}

void sync_answered(struct ike *ike, struct ike_sa *sa, const struct message *message)
{
    const struct notify *notify = sync_in(message);
    sa->peer_next_id = be32_load(notify->data.data + 4);
    sa->our_next_id = be32_load(notify->data.data + 8);
    sa->replay_due = false;
    sa->save_due = ike->time.now; /* section 5.1: who takes over next goes on above it */
    ike->counters.syncs++;
}

/* CREATE_CHILD_SA that rekeys the IKE SA (RFC 7296 1.3.2, 2.18):
 *
 *   client                   us
 *   HDR, SK{SA, Ni, KEi} ->
 *                        <-  HDR, SK{SA, Nr, KEr}
 *
 * The session moves to the new IKE SA when its record is written; the client then deletes the old one.
 */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

struct rekey_work {
    struct proposal_choice choice;
    struct ke_value public, shared;
    uint8_t nonce_r[IKE_NONCE_BYTES];
};

static void rekey_refuse(struct ike *ike, struct ike_sa *sa, uint16_t notify, struct span data)
{
    ike->counters.ike_rekeys_refused[REKEY_CLIENTS]++;
    sa_refuse_notify(ike, sa, notify, data);
}

static bool rekey_negotiate(struct ike *ike, struct ike_sa *sa, const struct message *message,
                            struct rekey_work *work)
{
    struct span none = {0};
    if ((message->present & PAYLOAD_BIT(PAYLOAD_KE)) == 0) {
        sa_respond_fatal(ike, sa, CREATE_CHILD_SA, CAUSE_PAYLOAD_MISSING);
        return false;
    }
    if (propose_ike(&ike->policy->ike, &ike->scratch.offer, message->ke_group, &work->choice) != CAUSE_NONE ||
        work->choice.spi.len != 8 || be64_load(work->choice.spi.data) == 0) {
        rekey_refuse(ike, sa, NOTIFY_NO_PROPOSAL_CHOSEN, none);
        return false;
    }
    if (work->choice.ike.ke != message->ke_group) {
        uint8_t group[2];
        be16_store(group, work->choice.ike.ke);
        rekey_refuse(ike, sa, NOTIFY_INVALID_KE_PAYLOAD, span_of(group, sizeof(group)));
        return false;
    }
    bool agreed = ke_agree(message->ke_group, &ike->config.rand, message->ke, &work->public, &work->shared);
    if (!agreed) {
        sa_respond_fatal(ike, sa, CREATE_CHILD_SA, CAUSE_KE_INVALID);
    }
    return agreed;
}

void sa_inherit(struct ike *ike, struct ike_sa *new, const struct ike_sa *old)
{
    new->natt = old->natt;
    mobike_inherit(new, old);
    new->fragmentation = old->fragmentation;
    new->restored = old->restored;
    new->unsaved = old->unsaved;
    new->quirks = old->quirks;
    new->local = old->local;
    new->remote = old->remote;
    new->session_id = old->session_id;
    new->established = old->established;
    new->established_unix_s = old->established_unix_s;
    new->auth_until_unix_s = old->auth_until_unix_s;
    new->login_unix_s = old->login_unix_s;
    new->resumed_from = old->resumed_from;
    new->cert = old->cert;
    new->sync_ids = old->sync_ids;
    new->sync_replay = old->sync_replay;
    new->follows = old->follows;
    ike_sa_name(ike, &new->local_id, old->local_id);
    ike_sa_name(ike, &new->remote_id, old->remote_id);
    memcpy(new->connection, old->connection, sizeof(new->connection));
    memcpy(new->pool, old->pool, sizeof(new->pool));
    memcpy(new->addresses, old->addresses, sizeof(new->addresses));
    new->num_addresses = old->num_addresses;
    new->shares = old->shares;
    new->turn = old->turn;
    memcpy(new->children, old->children, sizeof(new->children));
    new->num_children = old->num_children;
    new->bytes_in = old->bytes_in;
    new->bytes_out = old->bytes_out;
}

/* The new IKE SA with all that belongs to the session; the old one keeps serving until the record is written.
 */
static struct ike_sa *rekey_create(struct ike *ike, const struct ike_sa *old, const struct message *message,
                                   struct rekey_work *work)
{
    struct ike_sa *new = sa_take(ike, slab_position(&ike->sas, old->slot));
    if (new == NULL) {
        return NULL;
    }
    new->state = SA_REKEYED;                       /* not yet a session of its own */
    new->spi_i = be64_load(work->choice.spi.data); /* who asks for the rekey is the new original initiator */
    new->suite = work->choice.ike;
    sa_inherit(ike, new, old);
    new->replaces = old->slot;
    struct nonces nonces = {.i = message->nonce, .r = span_of(work->nonce_r, sizeof(work->nonce_r))};
    kdf_ike_rekey(&new->suite, old->suite.prf, span_of(old->keys.d, prf_bytes(old->suite.prf)),
                  span_of(work->shared.bytes, work->shared.len), &nonces, new->spi_i, new->spi_r, &new->keys);
    return new;
}

static void rekey_answer(struct ike *ike, struct ike_sa *sa, struct ike_sa *new,
                         const struct message *message, const struct rekey_work *work)
{
    struct builder b;
    uint8_t spi[8];
    be64_store(spi, new->spi_r);
    chain_start(ike, &b);
    propose_answer(ike, &b, &work->choice, span_of(spi, sizeof(spi)));
    build_nonce(&b, span_of(work->nonce_r, sizeof(work->nonce_r)));
    build_ke(&b, work->choice.ike.ke, span_of(work->public.bytes, work->public.len));
    token_build(ike, new, &b);
    ticket_answer(ike, new, message, &b);
    struct nonces nonces = {.i = message->nonce, .r = span_of(work->nonce_r, sizeof(work->nonce_r))};
    rekey_ike_rival(sa, new, &nonces);
    sa->pending_sa = new->slot;
    if (!sa_respond(ike, sa, CREATE_CHILD_SA, &b)) {
        pending_sa_free(ike, sa);
        ike_drop(ike, CAUSE_FRAGMENT_NO_ROOM);
        return;
    }
    wait_begin(ike, sa, PENDING_IKE_REKEY);
}

void exch_ike_rekey(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    struct rekey_work work = {0};
    if (sa->state != SA_ESTABLISHED || request_is_about_child(sa)) { /* RFC 7296 2.25.2 */
        rekey_refuse(ike, sa, NOTIFY_TEMPORARY_FAILURE, (struct span){0});
        return;
    }
    if (rekey_negotiate(ike, sa, input->message, &work)) {
        rand_fill(&ike->config.rand, work.nonce_r, sizeof(work.nonce_r));
        struct ike_sa *new = rekey_create(ike, sa, input->message, &work);
        if (new == NULL) {
            rekey_refuse(ike, sa, NOTIFY_TEMPORARY_FAILURE, (struct span){0});
        } else {
            rekey_answer(ike, sa, new, input->message, &work);
        }
    }
    secret_wipe(&work.shared, sizeof(work.shared));
}

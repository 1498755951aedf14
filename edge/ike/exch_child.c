/* CREATE_CHILD_SA for a new or rekeyed Child SA (RFC 7296 1.3.1, 1.3.3):
 *
 *   client                                             us
 *   HDR, SK{[N(REKEY_SA),] SA, Ni, [KEi,] TSi, TSr} ->
 *                                                   <- HDR, SK{SA, Nr, [KEr,] TSi, TSr}
 *
 * Of a rekeyed pair, the new one carries our traffic once the client deletes the old one: only then is it
 * sure that the client has our answer and with it the new SPI.
 */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

static void child_refuse(struct ike *ike, struct ike_sa *sa, const struct child_result *result)
{
    uint8_t group[2];
    struct span data = {0};
    if (result->notify == NOTIFY_INVALID_SYNTAX) {
        sa_respond_fatal(ike, sa, CREATE_CHILD_SA, result->cause);
        return;
    }
    if (result->notify == NOTIFY_INVALID_KE_PAYLOAD) {
        be16_store(group, result->ke_wanted);
        data = span_of(group, sizeof(group));
    } else {
        ike->config.host.news(ike->config.host.context, NEWS_CHILD_FAILED, sa, NULL, result->cause, NULL);
    }
    sa_refuse_notify(ike, sa, result->notify, data);
}

/* RFC 7296 2.25.1: a child that is gone, or already replaced, is not found. */
static bool find_rekeyed(struct ike *ike, struct ike_sa *sa, const struct message *message,
                         struct ike_child **ret)
{
    const struct notify *notify = message_notify(message, NOTIFY_REKEY_SA);
    *ret = NULL;
    if (notify == NULL) {
        return true;
    }
    if (notify->protocol == PROTOCOL_ESP && notify->spi.len == 4) {
        *ret = sa_child_by_spi_out(ike, sa, be32_load(notify->spi.data));
    }
    if (*ret != NULL && (*ret)->state == CHILD_INSTALLED) {
        return true;
    }
    if (*ret != NULL && (*ret)->doomed) { /* RFC 7296 2.25.1: we are closing it */
        sa_refuse_notify(ike, sa, NOTIFY_TEMPORARY_FAILURE, (struct span){0});
        return false;
    }
    struct builder b;
    chain_start(ike, &b);
    /* The SPI is the client's own word; it is repeated only in the size that an ESP SPI has. */
    build_notify(&b, PROTOCOL_ESP, notify->spi.len == 4 ? notify->spi : (struct span){0},
                 NOTIFY_CHILD_SA_NOT_FOUND, (struct span){0});
    ike_drop(ike, CAUSE_CHILD_UNKNOWN);
    sa_refuse(ike, sa, &b);
    return false;
}

void exch_child(struct ike *ike, struct ike_sa *sa, const struct ike_input *input)
{
    const struct message *message = input->message;
    struct ike_child *rekeyed;
    bool rekeying = sa->request.message.valid && sa->request.kind == REQUEST_REKEY_IKE;
    bool rekeys = message_notify(message, NOTIFY_REKEY_SA) != NULL;
    if (sa->state != SA_ESTABLISHED || rekeying) { /* RFC 7296 2.25.2: the IKE SA is being replaced */
        ike->counters.child_rekeys_refused[REKEY_CLIENTS] += rekeys ? 1 : 0;
        sa_refuse_notify(ike, sa, NOTIFY_TEMPORARY_FAILURE, (struct span){0});
        return;
    }
    if (!find_rekeyed(ike, sa, message, &rekeyed)) {
        ike->counters.child_rekeys_refused[REKEY_CLIENTS]++;
        return;
    }
    uint8_t nonce[IKE_NONCE_BYTES];
    rand_fill(&ike->config.rand, nonce, sizeof(nonce));
    struct child_request request = {
        .message = message,
        .nonces = {.i = message->nonce, .r = span_of(nonce, sizeof(nonce))},
        .rekeys = rekeyed,
    };
    struct child_result result;
    struct ike_child *child = child_create(ike, sa, &request, &result);
    if (child == NULL) {
        ike->counters.child_rekeys_refused[REKEY_CLIENTS] += rekeys ? 1 : 0;
        child_refuse(ike, sa, &result);
        return;
    }
    struct builder b;
    chain_start(ike, &b);
    build_nonce(&b, request.nonces.r);
    child_answer(ike, &b, child, &result);
    if (!sa_respond(ike, sa, CREATE_CHILD_SA, &b)) {
        child_free(ike, child);
        ike_drop(ike, CAUSE_FRAGMENT_NO_ROOM);
        return;
    }
    child->answer_id = sa->peer_next_id - 1;
    rekey_child_rival(sa, child, &request.nonces);
    sa->pending_child = child->slot;
    wait_begin(ike, sa, PENDING_CHILD);
}

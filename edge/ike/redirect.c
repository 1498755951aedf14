/* Clients are sent elsewhere while the node drains (RFC 5685), where the policy says so and they said that
 * they follow. A fleet does not need it: sessions move between its nodes, and new ones come by another route.
 *
 *   HDR, SAi1, KEi, Ni, N(REDIRECT_SUPPORTED)  ->
 *                                              <-  HDR(SPIr 0), N(REDIRECT, gateway, Ni)
 *                                              <-  HDR, SK{N(REDIRECT, gateway)}, in a session
 *   HDR, SK{}                                  ->
 */
#include "edge/ike/internal.h"

#define SPREAD_NS (10 * NS_PER_S) /* all clients do not come to one gateway at once */
#define AGAIN_NS (1 * NS_PER_S)
#define GATEWAY_BYTES_MAX 255

bool redirect_is_known(const struct message *message)
{
    return message_notify(message, NOTIFY_REDIRECT_SUPPORTED) != NULL ||
           message_notify(message, NOTIFY_REDIRECTED_FROM) != NULL; /* section 3 */
}

/* Section 9.2; a nonce only in the first exchange. */
static struct span redirect_data(const struct ike *ike, struct span nonce,
                                 uint8_t ret_data[2 + GATEWAY_BYTES_MAX + IKE_NONCE_BYTES_MAX])
{
    const struct policy_redirect *redirect = &ike->policy->redirect;
    hf_assert(redirect->gateway.len <= GATEWAY_BYTES_MAX);
    struct writer w = writer_of(ret_data, 2 + GATEWAY_BYTES_MAX + IKE_NONCE_BYTES_MAX);
    writer_u8(&w, redirect->type);
    writer_u8(&w, (uint8_t)redirect->gateway.len);
    writer_span(&w, redirect->gateway);
    writer_span(&w, nonce);
    return writer_span_of(&w);
}

/* It comes from anybody: the answer is not longer than the question. */
bool redirect_first(struct ike *ike, const struct first *first)
{
    const struct ike_input *input = &first->input;
    uint8_t memory[2 + GATEWAY_BYTES_MAX + IKE_NONCE_BYTES_MAX];
    if (ike->policy->redirect.type == 0 || !redirect_is_known(input->message)) {
        return false;
    }
    struct span data = redirect_data(ike, input->message->nonce, memory);
    if (IKE_HEADER_BYTES + 8 + data.len > input->datagram->bytes.len) {
        return false;
    }
    answer_plain(ike, input->datagram, &input->header, NOTIFY_REDIRECT, data);
    ike->counters.redirects++;
    return true;
}

void ike_drain(struct ike *ike, struct ike_time time, bool is_draining)
{
    bool sends = is_draining && ike->policy->redirect.type != 0 && ike->policy->redirect.sessions;
    ike->time = time;
    ike->draining = is_draining;
    for (uint32_t slot = 0; slot < slab_capacity(&ike->sas); slot++) {
        struct ike_sa *sa = &ike->sa[slot];
        if (slab_is_used(&ike->sas, slot) && sa->state == SA_ESTABLISHED && sa->follows) {
            sa->redirect_at = sends ? time.now + rand_u64(&ike->config.rand) % SPREAD_NS : NS_NEVER;
            sa_schedule(ike, sa);
        }
    }
}

/* Section 5: the client then ends the session, when it has another. */
void redirect_work(struct ike *ike, struct ike_sa *sa)
{
    uint8_t memory[2 + GATEWAY_BYTES_MAX + IKE_NONCE_BYTES_MAX];
    struct builder b;
    bool free = sa->state == SA_ESTABLISHED && sa->wait == WAIT_NOTHING && !sa->request.message.valid;
    if (ike->policy->redirect.type == 0) {
        sa->redirect_at = NS_NEVER;
        return;
    }
    sa->redirect_at = ike->time.now + AGAIN_NS;
    if (free && sa->learn_our_id) {
        request_dpd(ike, sa);
        return;
    }
    chain_start(ike, &b);
    build_notify(&b, PROTOCOL_NONE, (struct span){0}, NOTIFY_REDIRECT,
                 redirect_data(ike, (struct span){0}, memory));
    if (free && request_send(ike, sa, INFORMATIONAL, REQUEST_REDIRECT, &b)) {
        sa->redirect_at = NS_NEVER;
        ike->counters.redirects++;
    }
}

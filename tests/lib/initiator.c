/* The client's life: requests and their retransmission, and who gets a datagram. */
#include "tests/lib/initiator.h"

#include "tests/lib/initiator_internal.h"

struct initiator_sa *client_current(struct initiator *client)
{
    return &client->sa[client->current];
}

const struct initiator_sa *initiator_current(const struct initiator *client)
{
    return &client->sa[client->current];
}

void initiator_init(struct initiator *client, const struct initiator_config *config)
{
    memset(client, 0, sizeof(*client));
    client->config = *config;
    client->local = config->local;
    client->remote = config->remote;
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        client->sa[i].next_try = NS_NEVER;
    }
}

struct initiator_sa *client_sa_take(struct initiator *client)
{
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        struct initiator_sa *sa = &client->sa[i];
        if (!sa->used) {
            memset(sa, 0, sizeof(*sa));
            sa->used = sa->has_keys = true;
            sa->next_try = NS_NEVER;
            rand_fill(&client->config.rand, &sa->iv, sizeof(sa->iv));
            sa->iv >>= 8;
            return sa;
        }
    }
    return NULL;
}

uint8_t client_flags(const struct initiator_sa *sa, bool response)
{
    return (uint8_t)((sa->by_gateway ? 0 : IKE_FLAG_INITIATOR) | (response ? IKE_FLAG_RESPONSE : 0));
}

void client_chain(struct initiator *client, struct builder *b)
{
    chain_begin(b, client->inner, sizeof(client->inner));
}

void client_nonce(struct initiator *client)
{
    uint16_t wanted = client->config.deviate.nonce_bytes;
    client->nonce_len = wanted != 0 ? wanted : IKE_NONCE_BYTES;
    hf_assert(client->nonce_len <= sizeof(client->nonce));
    rand_fill(&client->config.rand, client->nonce, client->nonce_len);
}

void client_ke(struct initiator *client, uint16_t group)
{
    client->ke_group = group;
    bool made = ke_generate(group, &client->config.rand, &client->ke_private, &client->ke_public);
    hf_assert(made);
}

void client_build_ke(struct initiator *client, struct builder *b)
{
    const struct deviations *deviate = &client->config.deviate;
    uint8_t other[IKE_KE_BYTES_MAX + 64];
    struct span value = span_of(client->ke_public.bytes, client->ke_public.len);
    if (deviate->ke_bytes != 0) {
        hf_assert(deviate->ke_bytes <= sizeof(other));
        memset(other, deviate->ke_fill, deviate->ke_bytes);
        value = span_of(other, deviate->ke_bytes);
    }
    build_ke(b, deviate->ke_group_claim != 0 ? deviate->ke_group_claim : client->ke_group, value);
}

uint16_t client_error_in(const struct message *message)
{
    for (uint32_t i = 0; i < message->num_notifies; i++) {
        if (message->notifies[i].type <= NOTIFY_ERROR_LAST) {
            return message->notifies[i].type;
        }
    }
    return 0;
}

static void sa_stop(struct initiator_sa *sa)
{
    sa->task = TASK_NONE;
    sa->next_try = NS_NEVER;
    sa->request.valid = false;
}

static void forget(struct initiator *client, enum initiator_state state, enum initiator_why why)
{
    client->state = state;
    client->why = why;
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        sa_stop(&client->sa[i]);
    }
    for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
        client->children[i].used = false;
    }
    client->after_delete = 0;
}

void client_fail(struct initiator *client, enum initiator_why why, uint16_t notify)
{
    client->notify = notify;
    forget(client, INITIATOR_FAILED, why);
}

/* The SAs stay known, to answer what is repeated. */
void client_close(struct initiator *client, enum initiator_why why)
{
    forget(client, INITIATOR_CLOSED, why);
}

void client_begin(struct initiator *client, ns_t now)
{
    const struct initiator_config *config = &client->config;
    client->now = now;
    forget(client, INITIATOR_INIT, INITIATOR_FINE);
    memset(client->sa, 0, sizeof(client->sa));
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        client->sa[i].next_try = NS_NEVER;
    }
    client->current = 0;
    client->natt = client->fragmentation = false;
    client->local = config->local;
    client->remote = config->remote;
    client->cookie_len = 0;
    client->notify = client->child_notify = 0;
    client->num_addresses = 0;
    client->mobike = client->update_due = false;
    struct initiator_sa *sa = client_current(client);
    sa->used = true;
    rand_fill(&config->rand, &sa->spi_i, sizeof(sa->spi_i));
    sa->spi_i |= 1;
}

void initiator_connect(struct initiator *client, ns_t now)
{
    client_begin(client, now);
    client->resuming = false;
    client_nonce(client);
    client_ke(client, client->config.ke_first);
    client_init_send(client);
}

static uint8_t request_flags(const struct initiator *client, const struct initiator_sa *sa)
{
    const struct deviations *deviate = &client->config.deviate;
    return (uint8_t)((deviate->no_initiator_flag ? 0 : client_flags(sa, false)) |
                     (deviate->response_flag ? IKE_FLAG_RESPONSE : 0));
}

void client_request(struct initiator *client, struct initiator_sa *sa, uint8_t exchange,
                    enum initiator_task task, struct builder *b)
{
    struct span inner = message_end(b);
    uint32_t id = sa->next_id + client->config.deviate.id_jump;
    client->config.deviate.id_jump = 0;
    hf_assert(!b->w.overflow);
    client_seal(client, sa, exchange, request_flags(client, sa), id, b->first, inner, &sa->request);
    sa->next_id = id + 1;
    sa->task = task;
    sa->exchange = exchange;
    sa->tries = 1;
    sa->next_try = client->now + client->config.retransmit;
    client_send(client, &sa->request);
}

bool initiator_send_raw(struct initiator *client, ns_t now, uint8_t exchange, uint8_t first,
                        struct span inner)
{
    struct initiator_sa *sa = client_current(client);
    client->now = now;
    if (!sa->has_keys || sa->task != TASK_NONE) {
        return false;
    }
    client_seal(client, sa, exchange, request_flags(client, sa), sa->next_id, first, inner, &sa->request);
    sa->next_id++;
    sa->task = TASK_RAW;
    sa->exchange = exchange;
    sa->tries = 1;
    sa->next_try = now + client->config.retransmit;
    client_send(client, &sa->request);
    return true;
}

static void answered(struct initiator *client, struct initiator_sa *sa)
{
    enum initiator_task task = sa->task;
    sa_stop(sa);
    client->counters.exchanges_done++;
    client->notify = client_error_in(&client->message);
    switch (task) {
    case TASK_AUTH:
        client_auth_answered(client);
        break;
    case TASK_DELETE_IKE:
        if (sa == client_current(client)) {
            client_close(client, INITIATOR_WE_DELETED);
        } else {
            sa->used = false;
        }
        break;
    case TASK_DELETE_CHILD:
        client_child_deleted(client);
        break;
    case TASK_TICKET:
        client_read_ticket(client, sa);
        break;
    case TASK_UPDATE:
        client_update_answered(client);
        break;
    case TASK_CREATE_CHILD:
    case TASK_REKEY_CHILD:
        client_child_answered(client, sa, task);
        break;
    case TASK_REKEY_IKE:
        client_rekey_answered(client, sa);
        break;
    default:
        break;
    }
    if (client->notify == NOTIFY_INVALID_SYNTAX && client->state == INITIATOR_UP) {
        client_close(client, INITIATOR_REFUSED); /* RFC 7296 2.21.3: for both sides, without a DELETE */
    }
    if (client->after_delete != 0 && client->state == INITIATOR_UP) {
        uint32_t spi = client->after_delete;
        client->after_delete = 0;
        client_delete_child(client, spi);
    }
    client_update_if_due(client);
}

static void receive_request(struct initiator *client, struct initiator_sa *sa,
                            const struct ike_header *header)
{
    if (client->state == INITIATOR_UP && client_serve_sync(client, sa, header)) {
        return;
    }
    if (sa->response.valid && header->message_id == sa->response.id) {
        client->counters.repeats_answered++;
        client_send(client, &sa->response);
    } else if (header->message_id == sa->peer_next_id && client->state == INITIATOR_UP) {
        client_answer(client, sa, header);
    } else {
        client->counters.garbage++;
    }
}

static void receive_protected(struct initiator *client, struct initiator_sa *sa,
                              const struct ike_header *header, struct span bytes)
{
    uint8_t first;
    struct span inner;
    bool response = (header->flags & IKE_FLAG_RESPONSE) != 0;
    bool by_initiator = (header->flags & IKE_FLAG_INITIATOR) != 0;
    if (client_take_token(client, sa, header, bytes)) {
        return;
    }
    if (by_initiator != sa->by_gateway || !client_open(client, sa, header, bytes, &first, &inner) ||
        payloads_read(first, inner, &client->payloads) != CAUSE_NONE ||
        message_read(&client->payloads, &client->message) != CAUSE_NONE) {
        client->counters.garbage++; /* or a fragment that is not the last one */
        return;
    }
    if (!response) {
        receive_request(client, sa, header);
    } else if (sa->task != TASK_NONE && sa->request.valid && header->message_id == sa->request.id &&
               header->exchange == sa->exchange) {
        answered(client, sa);
    } else {
        client->counters.garbage++;
    }
}

void initiator_receive(struct initiator *client, ns_t now, const struct endpoint *from, struct span bytes)
{
    struct ike_header header;
    (void)from;
    client->now = now;
    client->counters.datagrams_in++;
    if (client->config.hear != NULL && client->config.hear(client->config.context, bytes)) {
        return;
    }
    if (ike_header_read(bytes, &header) != CAUSE_NONE) {
        client->counters.garbage++;
        return;
    }
    if (header.exchange == IKE_SA_INIT || header.exchange == IKE_SESSION_RESUME) {
        client_init_receive(client, &header, bytes);
        return;
    }
    for (uint32_t i = 0; i < HF_COUNT(client->sa); i++) {
        struct initiator_sa *sa = &client->sa[i];
        if (sa->used && sa->spi_i == header.spi_i && sa->spi_r == header.spi_r) {
            receive_protected(client, sa, &header, bytes);
            return;
        }
    }
    client->counters.garbage++;
}

static void retry(struct initiator *client, struct initiator_sa *sa)
{
    if (sa->tries >= client->config.tries) {
        if (sa == client_current(client)) {
            client_fail(client, INITIATOR_NO_ANSWER, 0);
        } else { /* the old IKE SA of a rekey: gone, whether or not the gateway heard it */
            sa_stop(sa);
            sa->used = false;
        }
        return;
    }
    client_send(client, &sa->request);
    client->counters.retransmits++;
    sa->next_try = client->now + (client->config.retransmit << HF_MIN(sa->tries, 2U));
    sa->tries++;
}

void initiator_timer(struct initiator *client, ns_t now)
{
    client->now = now;
    for (uint32_t i = 0; i < HF_COUNT(client->sa); i++) {
        if (client->sa[i].next_try <= now) {
            retry(client, &client->sa[i]);
        }
    }
}

ns_t initiator_deadline(const struct initiator *client)
{
    ns_t due = NS_NEVER;
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        due = HF_MIN(due, client->sa[i].next_try);
    }
    return due;
}

void initiator_vanish(struct initiator *client)
{
    forget(client, INITIATOR_IDLE, INITIATOR_FINE);
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        client->sa[i].used = false;
    }
}

void initiator_move(struct initiator *client, const struct endpoint *local)
{
    client->local = *local;
}

bool initiator_is_idle(const struct initiator *client)
{
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        if (client->sa[i].task != TASK_NONE) {
            return false;
        }
    }
    return true;
}

uint32_t initiator_num_children(const struct initiator *client)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
        count += client->children[i].used ? 1 : 0;
    }
    return count;
}

uint32_t initiator_first_child(const struct initiator *client)
{
    uint32_t index = 0;
    while (index < INITIATOR_CHILDREN_MAX && !client->children[index].used) {
        index++;
    }
    return index;
}

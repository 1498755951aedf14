/* Walks one deviation: into its state, the deviation, its answer, and what is left. */
#include "tests/lib/deviant.h"

#include "tests/lib/deviant_internal.h"

#define PAUSE (20 * NS_PER_MS)

static bool is_protected(struct span bytes)
{
    return bytes.data[16] == PAYLOAD_SK || bytes.data[16] == PAYLOAD_SKF;
}

/* ---- between the client and its network */

static void pass_on(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                    struct span bytes)
{
    struct deviant *d = context;
    if (!d->muted) {
        d->send(d->send_context, local, remote, natt, bytes);
    }
}

/* What an answer without protection says. */
static uint16_t plain_answer(struct span bytes)
{
    static struct payloads payloads;
    static struct message message;
    if (payloads_read(bytes.data[16], span_of(bytes.data + IKE_HEADER_BYTES, bytes.len - IKE_HEADER_BYTES),
                      &payloads) != CAUSE_NONE ||
        message_read(&payloads, &message) != CAUSE_NONE) {
        return ANSWER_SILENCE;
    }
    if ((message.present & PAYLOAD_BIT(PAYLOAD_SA)) != 0) {
        return ANSWER_GRANTED;
    }
    return message.num_notifies > 0 ? message.notifies[0].type : ANSWER_SILENCE;
}

static uint32_t next_id(const struct deviant *d)
{
    return d->row->base == BASE_AUTH ? 1 : initiator_current(d->client)->next_id;
}

/* True: the client is not to see it. */
static bool hear(void *context, struct span bytes)
{
    struct deviant *d = context;
    struct initiator_sa *sa = client_current(d->client);
    struct ike_header header;
    d->heard++;
    d->heard_bytes += d->listening ? bytes.len : 0;
    if (!d->listening || ike_header_read(bytes, &header) != CAUSE_NONE ||
        (header.flags & IKE_FLAG_RESPONSE) == 0) {
        return false;
    }
    if (!is_protected(bytes)) {
        d->answer = plain_answer(bytes);
        return true;
    }
    if (sa->task == TASK_NONE || header.message_id != next_id(d)) {
        d->answer = ANSWER_REPEATED;
        return true;
    }
    return false;
}

void deviant_init(struct deviant *d, struct initiator *client, const struct deviant_host *host)
{
    memset(d, 0, sizeof(*d));
    d->client = client;
    d->host = *host;
    d->send = client->config.send;
    d->send_context = client->config.context;
    client->config.send = pass_on;
    client->config.hear = hear;
    client->config.context = d;
}

/* ---- what rows and their acts use */

static void listen_begin(struct deviant *d)
{
    d->listening = true;
    d->answer = ANSWER_SILENCE;
    d->exchanges_before = d->client->counters.exchanges_done;
}

void deviant_send(struct deviant *d, struct span datagram)
{
    const struct initiator *client = d->client;
    listen_begin(d);
    d->sent_bytes += datagram.len;
    d->send(d->send_context, &client->local, &client->remote, client->natt, datagram);
}

static void request_begin(struct deviant *d, uint8_t exchange)
{
    struct initiator_sa *sa = client_current(d->client);
    listen_begin(d);
    sa->task = d->row->base == BASE_AUTH ? TASK_AUTH : TASK_RAW;
    sa->exchange = exchange;
    sa->next_try = NS_NEVER;
}

void deviant_request(struct deviant *d, uint8_t exchange, uint8_t flags_xor, int64_t ahead, uint8_t first,
                     struct span inner)
{
    struct initiator *client = d->client;
    struct initiator_sa *sa = client_current(client);
    request_begin(d, exchange);
    client_seal(client, sa, exchange, client_flags(sa, false) ^ flags_xor, (uint32_t)(next_id(d) + ahead),
                first, inner, &sa->request);
    size_t at = 0;
    for (uint32_t i = 0; i < sa->request.count; i++) {
        d->send(d->send_context, &client->local, &client->remote, client->natt,
                span_of(sa->request.bytes + at, sa->request.lens[i]));
        at += sa->request.lens[i];
    }
}

void deviant_fragment(struct deviant *d, uint8_t exchange, uint8_t first, struct span part, uint16_t number,
                      uint16_t total)
{
    struct initiator *client = d->client;
    struct initiator_sa *sa = client_current(client);
    request_begin(d, exchange);
    sa->request.id = next_id(d);
    sa->request.valid = true;
    d->sent.count = 0;
    client_seal_part(sa, exchange, client_flags(sa, false), sa->request.id, first, part, number, total,
                     &d->sent);
    d->send(d->send_context, &client->local, &client->remote, client->natt,
            span_of(d->sent.bytes, d->sent.lens[0]));
}

static bool is_answered(const struct deviant *d)
{
    return d->answer != ANSWER_SILENCE || d->client->counters.exchanges_done != d->exchanges_before;
}

void deviant_pause(struct deviant *d)
{
    ns_t end = d->host.now(d->host.context) + PAUSE;
    for (ns_t now; (now = d->host.now(d->host.context)) < end;) {
        d->host.wait(d->host.context, end - now);
    }
}

void deviant_listen(struct deviant *d)
{
    struct initiator_sa *sa = client_current(d->client);
    ns_t end = d->host.now(d->host.context) +
               (d->row->answer == ANSWER_SILENCE ? d->host.silence : d->host.patience);
    for (ns_t now; !is_answered(d) && (now = d->host.now(d->host.context)) < end;) {
        d->host.wait(d->host.context, end - now);
    }
    if (d->client->counters.exchanges_done != d->exchanges_before) {
        d->answer = d->client->notify != 0 ? d->client->notify : ANSWER_GRANTED;
        sa->next_id = sa->request.id + 1;
    }
    sa->task = TASK_NONE;
    d->listening = false;
}

/* ---- the walk */

static bool wait_for(struct deviant *d, bool (*reached)(const struct initiator *client))
{
    ns_t end = d->host.now(d->host.context) + d->host.patience;
    for (ns_t now; !reached(d->client) && (now = d->host.now(d->host.context)) < end;) {
        d->host.wait(d->host.context, end - now);
    }
    return reached(d->client);
}

static bool is_up(const struct initiator *client)
{
    return client->state == INITIATOR_UP && initiator_is_idle(client);
}

static bool is_keyed(const struct initiator *client)
{
    return client->state == INITIATOR_AUTH;
}

static bool is_over(const struct initiator *client)
{
    return client->state == INITIATOR_CLOSED || client->state == INITIATOR_FAILED;
}

static void hold_back_auth(struct deviant *d)
{
    struct initiator_sa *sa = client_current(d->client);
    sa->task = TASK_NONE;
    sa->next_try = NS_NEVER;
}

static bool stage(struct deviant *d)
{
    struct initiator_config *config = &d->client->config;
    config->ke_first = config->ike[0].ke = d->row->group != 0 ? d->row->group : KE_X25519;
    config->fragmentation = !d->row->no_fragmentation;
    d->muted = d->row->base == BASE_INIT;
    initiator_connect(d->client, d->host.now(d->host.context));
    if (d->row->base == BASE_INIT) {
        return true;
    }
    d->muted = d->row->base == BASE_AUTH; /* the first message has left */
    bool staged = wait_for(d, d->row->base == BASE_AUTH ? is_keyed : is_up);
    d->muted = false;
    if (d->row->base == BASE_AUTH) {
        hold_back_auth(d);
    }
    return staged;
}

static void deviate(struct deviant *d)
{
    const struct deviation *row = d->row;
    if (row->act != NULL) {
        row->act(d);
    } else if (row->base == BASE_INIT) {
        deviant_send(d, deviant_first_message(d));
    } else {
        uint8_t first;
        struct span chain = deviant_chain(d, &first);
        uint8_t exchange = row->header.exchange != 0 ? row->header.exchange
                           : row->base == BASE_AUTH  ? IKE_AUTH
                           : row->base == BASE_INFO  ? INFORMATIONAL
                                                     : CREATE_CHILD_SA;
        deviant_request(d, exchange, row->header.flags, row->header.id, first, chain);
    }
    deviant_listen(d);
}

/* An honest IKE_AUTH, now; a session that comes of it counts as life. */
static bool auth_goes_on(struct deviant *d)
{
    if (d->client->state != INITIATOR_UP) {
        client_current(d->client)->next_id = 1;
        client_auth_send(d->client);
    }
    return wait_for(d, is_up);
}

/* A liveness check under the old keys, whatever the client thinks of its session. */
static bool session_goes_on(struct deviant *d)
{
    d->client->state = INITIATOR_UP;
    return initiator_dpd(d->client, d->host.now(d->host.context)) && wait_for(d, is_up);
}

static bool clean_up(struct deviant *d)
{
    bool clean = true;
    if (d->client->state == INITIATOR_UP) {
        clean = initiator_delete(d->client, d->host.now(d->host.context)) && wait_for(d, is_over);
    }
    initiator_vanish(d->client);
    return clean;
}

bool deviant_walk(struct deviant *d, const struct deviation *row, struct deviant_result *ret)
{
    *ret = (struct deviant_result){.clean = true};
    d->row = row;
    d->sent_bytes = d->heard_bytes = 0;
    ret->staged = stage(d);
    if (!ret->staged) {
        initiator_vanish(d->client);
        return false;
    }
    deviate(d);
    ret->answer = d->answer;
    ret->sent_bytes = d->sent_bytes;
    ret->heard_bytes = d->heard_bytes;
    if (row->base != BASE_INIT) {
        ns_t patience = d->host.patience;
        d->host.patience = row->ends ? d->host.silence : patience;
        ret->ended = !(row->base == BASE_AUTH ? auth_goes_on(d) : session_goes_on(d));
        d->host.patience = patience;
    }
    if (ret->ended || row->base == BASE_INIT) {
        initiator_vanish(d->client);
    } else {
        ret->clean = clean_up(d);
    }
    return ret->answer == row->answer && ret->ended == row->ends && ret->clean;
}

const char *deviant_answer_text(uint16_t answer)
{
    const char *name = ike_notify_name(answer);
    return answer == ANSWER_SILENCE    ? "silence"
           : answer == ANSWER_GRANTED  ? "granted"
           : answer == ANSWER_REPEATED ? "repeated"
           : name != NULL              ? name
                                       : "an unknown notify";
}

/* ---- the table */

enum { GROUPS = 5 };

static void groups_of(struct deviant_rows ret_groups[GROUPS])
{
    ret_groups[0] = deviant_rows_init();
    ret_groups[1] = deviant_rows_offer();
    ret_groups[2] = deviant_rows_auth();
    ret_groups[3] = deviant_rows_session();
    ret_groups[4] = deviant_rows_state(); /* its last row uses up the answers for strangers */
}

uint32_t deviations_count(void)
{
    struct deviant_rows groups[GROUPS];
    uint32_t count = 0;
    groups_of(groups);
    for (uint32_t i = 0; i < GROUPS; i++) {
        count += groups[i].count;
    }
    return count;
}

const struct deviation *deviation_at(uint32_t index)
{
    struct deviant_rows groups[GROUPS];
    groups_of(groups);
    for (uint32_t i = 0; i < GROUPS; i++) {
        if (index < groups[i].count) {
            return &groups[i].v[index];
        }
        index -= groups[i].count;
    }
    return NULL;
}

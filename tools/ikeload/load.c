#include "tools/ikeload/load.h"

#include "tools/ikeload/identity.h"

#include "edge/crypto/seal.h"
#include "edge/wire/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

ns_t load_clock(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (ns_t)at.tv_sec * NS_PER_S + (ns_t)at.tv_nsec;
}

/* ---- memory */

static bool tables_init(struct load *load, uint32_t sessions, uint32_t window)
{
    void *map = calloc(1, map_bytes(sessions));
    void *due = calloc(1, heap_bytes(sessions));
    void *retries = calloc(1, heap_bytes(window));
    if (map == NULL || due == NULL || retries == NULL) {
        free(map);
        free(due);
        free(retries);
        return false;
    }
    map_init(&load->by_spi, map, sessions);
    heap_init(&load->due, due, sessions);
    heap_init(&load->retries, retries, window);
    return true;
}

static void send_of(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                    struct span bytes);

/* The config that all clients share; `context` finds the load again, identity and addresses come with a
 * session. */
static struct initiator_config config_of(struct load *load)
{
    const struct options *options = load->options;
    return (struct initiator_config){
        .rand = rand_system(),
        .remote = {options->gateway, 500},
        .id_r = options->gateway_id,
        .psk = load->secrets.psk,
        .credential = load->secrets.credential,
        .trust = load->secrets.trust,
        .credulous = !options->verify,
        .now_unix_s = load->now_unix_s,
        .ike = {options->ike},
        .num_ike = 1,
        .esp = {options->esp},
        .num_esp = 1,
        .ke_first = options->ike.ke,
        .want_v4 = !options->no_v4,
        .want_v6 = options->v6,
        .fragmentation = !options->no_fragmentation,
        .initial_contact = options->initial_contact,
        .behind_nat = options->nat,
        .retransmit = options->retransmit,
        .tries = options->tries,
        .context = load,
        .send = send_of,
    };
}

bool load_init(struct load *load, const struct options *options, const struct load_secrets *secrets)
{
    uint32_t window = options->window;
    *load = (struct load){.options = options, .secrets = *secrets, .now_unix_s = (int64_t)time(NULL)};
    load->sessions = calloc(options->sessions, sizeof(*load->sessions));
    load->clients = calloc(window, sizeof(*load->clients));
    load->slot_session = calloc(window, sizeof(*load->slot_session));
    load->slot_began = calloc(window, sizeof(*load->slot_began));
    load->slot_task = calloc(window, sizeof(*load->slot_task));
    load->free_slots = calloc(window, sizeof(*load->free_slots));
    if (load->sessions == NULL || load->clients == NULL || load->slot_session == NULL ||
        load->slot_began == NULL || load->slot_task == NULL || load->free_slots == NULL ||
        !tables_init(load, options->sessions, window)) {
        fputs("ikeload: not enough memory for so many sessions\n", stderr);
        return false;
    }
    struct initiator_config config = config_of(load);
    for (uint32_t i = 0; i < window; i++) {
        initiator_init(&load->clients[i], &config);
        load->free_slots[load->num_free++] = window - 1 - i;
    }
    return net_open(&load->net, &options->gateway, options->num_ports, &load->local);
}

void load_done(struct load *load)
{
    net_close(&load->net);
    free(load->by_spi.keys);
    free(load->due.deadline);
    free(load->retries.deadline);
    free(load->sessions);
    free(load->clients);
    free(load->slot_session);
    free(load->slot_began);
    free(load->slot_task);
    free(load->free_slots);
}

/* ---- where a session's datagrams come from */

static uint64_t source_count(const struct load *load)
{
    return HF_MAX(load->options->num_sources, UINT64_C(1));
}

static uint32_t socket_of(const struct load *load, uint32_t index)
{
    return (uint32_t)(index / source_count(load) % load->options->num_ports);
}

static struct endpoint local_of(const struct load *load, uint32_t index)
{
    struct endpoint local = {.addr = load->local, .port = load->net.ports[socket_of(load, index)]};
    if (load->options->num_sources > 0) {
        local.addr = ip_add(&load->options->source, index % source_count(load));
    }
    return local;
}

/* Which session sends is known from the client that is at work. */
static uint32_t working;

static void send_of(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                    struct span bytes)
{
    struct load *load = context;
    net_send(&load->net, socket_of(load, working), &local->addr, remote, natt, bytes);
}

/* ---- places of the window */

static uint32_t slot_take(struct load *load, uint32_t index)
{
    hf_assert(load->num_free > 0);
    uint32_t slot = load->free_slots[--load->num_free];
    struct initiator *client = &load->clients[slot];
    load->slot_session[slot] = index;
    load->slot_began[slot] = load->now;
    load->slot_task[slot] = TASK_NONE;
    load->sessions[index].slot = slot;
    load->sessions[index].state = SESSION_WORKS;
    client->counters = (struct initiator_counters){0};
    working = index;
    return slot;
}

static void slot_free(struct load *load, uint32_t slot)
{
    heap_set(&load->retries, slot, NS_NEVER);
    load->free_slots[load->num_free++] = slot;
}

static ns_t session_deadline(const struct session *session)
{
    return HF_MIN(session->dpd_at, HF_MIN(session->rekey_child_at, session->rekey_ike_at));
}

static void session_end(struct load *load, uint32_t slot, bool was_up)
{
    struct initiator *client = &load->clients[slot];
    struct session *session = &load->sessions[load->slot_session[slot]];
    bool asked = load->slot_task[slot] == TASK_DELETE_IKE;
    session->state = SESSION_ENDED;
    map_remove(&load->by_spi, session->spi_i);
    heap_set(&load->due, load->slot_session[slot], NS_NEVER);
    load->tally.up -= was_up ? 1 : 0;
    if (client->why == INITIATOR_WE_DELETED || (asked && client->why == INITIATOR_PEER_DELETED)) {
        load->tally.deleted++;
    } else {
        tally_fail(&load->tally, client->why, client->notify, was_up);
    }
}

/* The first time of what is done every so often is spread over the interval, so that sessions do not march in
 * step. */
static ns_t spread(const struct load *load, ns_t every, uint32_t index)
{
    double part = (double)((index * UINT64_C(2654435761)) & UINT32_MAX) / 4294967296.0;
    return every == 0 ? NS_NEVER : load->now + (ns_t)((double)every * (0.5 + part / 2));
}

static void came_up(struct load *load, uint32_t slot, uint32_t index)
{
    struct session *session = &load->sessions[index];
    latency_add(&load->tally.latency, load->now - load->slot_began[slot]);
    load->tally.came_up++;
    load->tally.up++;
    session->dpd_at = spread(load, load->options->dpd, index);
    session->rekey_child_at = spread(load, load->options->rekey_child, index);
    session->rekey_ike_at = spread(load, load->options->rekey_ike, index);
}

static void count_task(struct load *load, const struct initiator *client, enum initiator_task task)
{
    struct tally *tally = &load->tally;
    bool good = client->child_notify == 0;
    tally->dpds += task == TASK_DPD ? 1 : 0;
    tally->child_rekeys += task == TASK_REKEY_CHILD && good ? 1 : 0;
    tally->ike_rekeys += task == TASK_REKEY_IKE && good ? 1 : 0;
    tally->rekeys_refused += (task == TASK_REKEY_CHILD || task == TASK_REKEY_IKE) && !good ? 1 : 0;
}

static void slot_park(struct load *load, uint32_t slot, uint32_t index)
{
    struct session *session = &load->sessions[index];
    const struct initiator *client = &load->clients[slot];
    uint64_t spi = initiator_current(client)->spi_i;
    if (spi != session->spi_i) {
        map_remove(&load->by_spi, session->spi_i);
        bool room = map_put(&load->by_spi, spi, index);
        hf_assert(room);
    }
    session_park(session, client);
    heap_set(&load->due, index, session_deadline(session));
}

/* After anything happened to a client: its session goes on, is parked, or has ended. */
static void slot_settle(struct load *load, uint32_t slot, bool was_up)
{
    struct initiator *client = &load->clients[slot];
    uint32_t index = load->slot_session[slot];
    if (!was_up && client->state == INITIATOR_UP) {
        came_up(load, slot, index);
        was_up = true;
    }
    bool ended = client->state == INITIATOR_FAILED || client->state == INITIATOR_CLOSED;
    bool idle = client->state == INITIATOR_UP && initiator_is_idle(client);
    if (!ended && !idle) {
        heap_set(&load->retries, slot, initiator_deadline(client));
        return;
    }
    load->tally.repeated += client->counters.retransmits;
    load->tally.garbage += client->counters.garbage;
    load->tally.answered += client->counters.requests_answered;
    if (ended) {
        session_end(load, slot, was_up);
    } else {
        count_task(load, client, load->slot_task[slot]);
        slot_park(load, slot, index);
    }
    slot_free(load, slot);
}

/* ---- what is begun */

static void open_one(struct load *load, uint32_t index)
{
    struct session *session = &load->sessions[index];
    load->now = load_clock(); /* those before it took their time */
    uint32_t slot = slot_take(load, index);
    struct initiator *client = &load->clients[slot];
    client->config.local = local_of(load, index);
    identity_number(load->options->identity, index, &client->config.id);
    initiator_connect(client, load->now);
    session->spi_i = initiator_current(client)->spi_i;
    bool room = map_put(&load->by_spi, session->spi_i, index);
    hf_assert(room);
    load->tally.begun++;
    slot_settle(load, slot, false);
}

void load_open(struct load *load, ns_t now, uint32_t most)
{
    load->now = now;
    for (; most > 0 && load->num_free > 0 && load->next_open < load->options->sessions; most--) {
        open_one(load, load->next_open++);
    }
}

static uint32_t slot_resume(struct load *load, uint32_t index, uint32_t repeated_id)
{
    uint32_t slot = slot_take(load, index);
    heap_set(&load->due, index, NS_NEVER);
    session_resume(&load->sessions[index], &load->clients[slot], repeated_id);
    return slot;
}

static void session_act(struct load *load, uint32_t index)
{
    struct session *session = &load->sessions[index];
    uint32_t slot = slot_resume(load, index, UINT32_MAX);
    struct initiator *client = &load->clients[slot];
    bool begun = true;
    if (session->rekey_ike_at <= load->now) {
        session->rekey_ike_at = load->now + load->options->rekey_ike;
        load->slot_task[slot] = TASK_REKEY_IKE;
        begun = initiator_rekey_ike(client, load->now);
    } else if (session->rekey_child_at <= load->now) {
        session->rekey_child_at = load->now + load->options->rekey_child;
        load->slot_task[slot] = session->has_child ? TASK_REKEY_CHILD : TASK_NONE;
        begun = !session->has_child || initiator_rekey_child(client, load->now, 0);
    } else if (session->dpd_at <= load->now) {
        session->dpd_at = load->now + load->options->dpd;
        load->slot_task[slot] = TASK_DPD;
        begun = initiator_dpd(client, load->now);
    }
    hf_assert(begun);
    slot_settle(load, slot, true);
}

static void repeat_due(struct load *load)
{
    uint32_t slot;
    while (heap_first(&load->retries, &slot) <= load->now) {
        struct initiator *client = &load->clients[slot];
        bool was_up = client->state == INITIATOR_UP;
        working = load->slot_session[slot];
        initiator_timer(client, load->now);
        slot_settle(load, slot, was_up);
    }
}

void load_timers(struct load *load, ns_t now, bool closing)
{
    uint32_t index;
    load->now = now;
    repeat_due(load);
    while (!closing && load->num_free > 0 && heap_first(&load->due, &index) <= now) {
        session_act(load, index);
    }
}

bool load_ask(struct load *load, ns_t now, uint32_t index)
{
    load->now = now;
    if (load->num_free == 0 || load->sessions[index].state != SESSION_PARKED) {
        return false;
    }
    uint32_t slot = slot_resume(load, index, UINT32_MAX);
    load->slot_task[slot] = TASK_DPD;
    bool begun = initiator_dpd(&load->clients[slot], now);
    hf_assert(begun);
    slot_settle(load, slot, true);
    return true;
}

void load_delete(struct load *load, ns_t now)
{
    load->now = now;
    for (; load->num_free > 0 && load->next_delete < load->options->sessions; load->next_delete++) {
        uint32_t index = load->next_delete;
        if (load->sessions[index].state != SESSION_PARKED) {
            continue;
        }
        uint32_t slot = slot_resume(load, index, UINT32_MAX);
        load->slot_task[slot] = TASK_DELETE_IKE;
        bool begun = initiator_delete(&load->clients[slot], now);
        hf_assert(begun);
        slot_settle(load, slot, true);
    }
}

bool load_is_idle(const struct load *load)
{
    return load->num_free == load->options->window;
}

/* ---- what comes */

static void take(void *context, const struct endpoint *from, struct span bytes)
{
    struct load *load = context;
    struct ike_header header;
    if (ike_header_read(bytes, &header) != CAUSE_NONE) {
        load->tally.garbage++;
        return;
    }
    uint32_t index = map_get(&load->by_spi, header.spi_i);
    struct session *session = index == MAP_NONE ? NULL : &load->sessions[index];
    bool request = (header.flags & IKE_FLAG_RESPONSE) == 0;
    load->tally.heard = true;
    if (session == NULL || (session->state == SESSION_PARKED && !request)) {
        load->tally.garbage++; /* an answer that came twice, for the most part */
        return;
    }
    if (session->state == SESSION_PARKED && load->num_free == 0) {
        load->tally.no_room++; /* the gateway will ask again */
        return;
    }
    uint32_t slot =
        session->state == SESSION_PARKED ? slot_resume(load, index, header.message_id) : session->slot;
    struct initiator *client = &load->clients[slot];
    bool was_up = client->state == INITIATOR_UP;
    working = index;
    load->now = load_clock();
    initiator_receive(client, load->now, from, bytes);
    slot_settle(load, slot, was_up);
}

void load_wait(struct load *load, ns_t until)
{
    uint32_t id;
    ns_t now = load_clock();
    ns_t first = HF_MIN(until, heap_first(&load->retries, &id));
    if (load->num_free > 0) {
        first = HF_MIN(first, heap_first(&load->due, &id));
    }
    net_receive(&load->net, first > now ? first - now : 0, take, load);
}

#include "tools/ikeload/load.h"

#include "tools/ikeload/chores.h"
#include "tools/ikeload/echo.h"
#include "tools/ikeload/place.h"

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
    uint32_t names = 2 * sessions + PLACE_NAMES * window;
    void *map = calloc(1, map_bytes(names));
    void *due = calloc(1, heap_bytes(sessions));
    void *retries = calloc(1, heap_bytes(window));
    if (map == NULL || due == NULL || retries == NULL) {
        free(map);
        free(due);
        free(retries);
        return false;
    }
    map_init(&load->by_spi, map, names);
    heap_init(&load->due, due, sessions);
    heap_init(&load->retries, retries, window);
    return true;
}

/* Which session sends is known from the client that is at work. */
static void send_of(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                    struct span bytes)
{
    struct load *load = context;
    net_send(&load->net, load->sessions[load->working].socket, &local->addr, remote, natt, bytes);
}

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
        .credulous = options->no_verify,
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
    *load = (struct load){.options = options,
                          .secrets = *secrets,
                          .now_unix_s = (int64_t)time(NULL),
                          .dice = 0x9e3779b97f4a7c15};
    load->sessions = calloc(options->sessions, sizeof(*load->sessions));
    load->places = calloc(window, sizeof(*load->places));
    load->free_places = calloc(window, sizeof(*load->free_places));
    if (load->sessions == NULL || load->places == NULL || load->free_places == NULL ||
        !tables_init(load, options->sessions, window)) {
        fputs("ikeload: not enough memory for so many sessions\n", stderr);
        return false;
    }
    struct initiator_config config = config_of(load);
    for (uint32_t i = 0; i < window; i++) {
        initiator_init(&load->places[i].client, &config);
        load->free_places[load->num_free++] = window - 1 - i;
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
    free(load->places);
    free(load->free_places);
}

/* ---- what is begun */

void load_open(struct load *load, ns_t now, uint32_t most)
{
    load->now = now;
    for (; most > 0 && load->num_free > 0 && load->next_open < load->options->sessions; most--) {
        session_open(load, load->next_open++);
    }
}

static void repeat_due(struct load *load)
{
    uint32_t at;
    while (heap_first(&load->retries, &at) <= load->now) {
        struct place *place = &load->places[at];
        bool was_up = place->client.state == INITIATOR_UP;
        load->working = place->session;
        initiator_timer(&place->client, load->now);
        place_settle(load, place, was_up);
    }
}

void load_timers(struct load *load, ns_t now)
{
    uint32_t index;
    load->now = now;
    repeat_due(load);
    while (load->num_free > 0 && heap_first(&load->due, &index) <= now) {
        session_act(load, index);
    }
}

void load_close(struct load *load, ns_t now)
{
    load->now = now;
    load->closing = true;
    for (uint32_t i = 0; i < load->options->sessions; i++) {
        struct session *session = &load->sessions[i];
        bool deletes = session->state == SESSION_PARKED && load->options->delete;
        heap_set(&load->due, i, deletes ? now : NS_NEVER);
        session->state = session->state == SESSION_AWAY ? SESSION_ENDED : session->state;
    }
}

bool load_is_idle(const struct load *load)
{
    return load->num_free == load->options->window;
}

/* ---- what comes */

static void take_ike(struct load *load, const struct datagram *datagram)
{
    struct ike_header header;
    struct span bytes = span_of(datagram->bytes, datagram->len);
    load->tally.heard = true;
    if (ike_header_read(bytes, &header) != CAUSE_NONE) {
        load->tally.garbage++;
        return;
    }
    uint32_t index = map_get(&load->by_spi, header.spi_i);
    struct session *session = index == MAP_NONE ? NULL : &load->sessions[index];
    bool request = (header.flags & IKE_FLAG_RESPONSE) == 0;
    if (session == NULL || (session->state == SESSION_PARKED && !request)) {
        load->tally.garbage++; /* an answer that came twice, for the most part */
        return;
    }
    if (datagram->socket != session->socket) {
        load->tally.misplaced++; /* to where it was before: there is nobody any more */
        return;
    }
    if (session->state == SESSION_PARKED && load->num_free == 0) {
        load->tally.no_room++; /* the gateway will ask again */
        return;
    }
    struct place *place = session->state == SESSION_PARKED ? place_resume(load, index, header.message_id)
                                                           : &load->places[session->place];
    bool was_up = place->client.state == INITIATOR_UP;
    load->working = index;
    initiator_receive(&place->client, load->now, datagram->from, bytes);
    place_settle(load, place, was_up);
}

static void take(void *context, const struct datagram *datagram)
{
    struct load *load = context;
    load->now = load_clock();
    (datagram->esp ? echo_take : take_ike)(load, datagram);
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

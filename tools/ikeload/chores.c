#include "tools/ikeload/chores.h"

#include "tools/ikeload/echo.h"
#include "tools/ikeload/identity.h"
#include "tools/ikeload/place.h"

/* ---- where a session's datagrams come from */

static uint64_t source_count(const struct load *load)
{
    return HF_MAX(load->options->num_sources, UINT64_C(1));
}

/* The source with this number: all addresses in turn, and then with another port. */
static struct endpoint source_of(struct load *load, uint64_t number, uint16_t *ret_socket)
{
    *ret_socket = (uint16_t)(number / source_count(load) % load->options->num_ports);
    struct endpoint local = {load->local, load->net.ports[*ret_socket]};
    if (load->options->num_sources > 0) {
        local.addr = ip_add(&load->options->source, number % source_count(load));
    }
    return local;
}

/* Another source, by chance. The client goes on taking its own port for 4500, as behind a NAT. */
static void source_change(struct load *load, struct session *session)
{
    double all = (double)source_count(load) * load->options->num_ports;
    uint16_t port = session->local.port;
    session->local = source_of(load, (uint64_t)(load_chance(load) * all), &session->socket);
    session->local.port = session->natt ? port : session->local.port;
}

/* ---- beginning */

void session_open(struct load *load, uint32_t index)
{
    struct session *session = &load->sessions[index];
    load->now = load_clock(); /* those before it took their time */
    struct place *place = place_take(load, index);
    struct initiator_config *config = &place->client.config;
    heap_set(&load->due, index, NS_NEVER);
    config->local = source_of(load, index, &session->socket);
    identity_number(load->options->identity, index, &config->id);
    initiator_connect(&place->client, load->now);
    load->tally.begun++;
    place_settle(load, place, false);
}

/* ---- chores */

static void roam(struct load *load, struct session *session, struct initiator *client)
{
    source_change(load, session);
    initiator_roam(client, load->now, &session->local, &client->remote);
}

/* Chores that are exchanges, which a client has. */
static bool exchange_begin(struct load *load, struct session *session, struct place *place)
{
    struct initiator *client = &place->client;
    switch (place->chore) {
    case CHORE_DPD:
        return initiator_dpd(client, load->now);
    case CHORE_REKEY_CHILD:
        return session->child.spi_in == 0 || initiator_rekey_child(client, load->now, 0);
    case CHORE_REKEY_IKE:
        return initiator_rekey_ike(client, load->now);
    case CHORE_LEAVE:
        return initiator_delete(client, load->now);
    default:
        roam(load, session, client);
        return true;
    }
}

static void exchange(struct load *load, uint32_t index, enum chore chore)
{
    struct session *session = &load->sessions[index];
    struct place *place = place_resume(load, index, UINT32_MAX);
    place->chore = chore;
    session->at[chore] = load_around(load, load->options->every[chore]);
    bool begun = exchange_begin(load, session, place);
    hf_assert(begun);
    place_settle(load, place, true);
}

bool session_ask(struct load *load, ns_t now, uint32_t index)
{
    load->now = now;
    if (load->num_free == 0 || load->sessions[index].state != SESSION_PARKED) {
        return false;
    }
    exchange(load, index, CHORE_DPD);
    return true;
}

static void vanish(struct load *load, uint32_t index)
{
    const struct session *session = &load->sessions[index];
    map_remove(&load->by_spi, session->spi_i);
    if (session->child.spi_in != 0) {
        map_remove(&load->by_spi, session->child.spi_in);
    }
    load->tally.done[CHORE_VANISH]++;
    session_goes_away(load, index);
}

/* What comes next tells the gateway: a ping, or a liveness check. */
static void rebind(struct load *load, struct session *session)
{
    enum chore teller = load->options->every[CHORE_ECHO] > 0 ? CHORE_ECHO : CHORE_DPD;
    source_change(load, session);
    session->at[CHORE_REBIND] = load_around(load, load->options->every[CHORE_REBIND]);
    session->at[teller] = load->now;
    load->tally.done[CHORE_REBIND]++;
}

void session_act(struct load *load, uint32_t index)
{
    struct session *session = &load->sessions[index];
    enum chore chore;
    if (session->state == SESSION_AWAY) {
        session_open(load, index);
        return;
    }
    session_due(session, &chore);
    if (load->closing || chore == CHORE_LEAVE) {
        exchange(load, index, CHORE_LEAVE);
    } else if (chore == CHORE_VANISH) {
        vanish(load, index);
    } else if (chore == CHORE_ECHO || chore == CHORE_REBIND) {
        (chore == CHORE_ECHO ? echo_act : rebind)(load, session);
        heap_set(&load->due, index, session_due(session, &chore));
    } else {
        exchange(load, index, chore);
    }
}

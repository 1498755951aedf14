#include "tools/ikeload/place.h"

#include <inttypes.h>
#include <stdio.h>

/* For so long a session may have two children or IKE SAs: until who made the new one deletes the old. */
#define LINGER (30 * NS_PER_S)

double load_chance(struct load *load)
{
    load->dice ^= load->dice << 13;
    load->dice ^= load->dice >> 7;
    load->dice ^= load->dice << 17;
    return (double)(load->dice >> 11) / (double)(UINT64_C(1) << 53);
}

ns_t load_around(struct load *load, ns_t every)
{
    return every == 0 ? NS_NEVER : load->now + (ns_t)((double)every * (0.75 + load_chance(load) / 2));
}

struct place *place_take(struct load *load, uint32_t index)
{
    hf_assert(load->num_free > 0);
    uint32_t at = load->free_places[--load->num_free];
    struct place *place = &load->places[at];
    place->session = index;
    place->began = load->now;
    place->chore = CHORES;
    place->num_names = 0;
    place->client.counters = (struct initiator_counters){0};
    place->client.config.mobike = index % 100 < load->options->mobike_percent;
    load->sessions[index].place = at;
    load->sessions[index].state = SESSION_WORKS;
    load->working = index;
    return place;
}

struct place *place_resume(struct load *load, uint32_t index, uint32_t repeated_id)
{
    struct place *place = place_take(load, index);
    const struct session *session = &load->sessions[index];
    heap_set(&load->due, index, NS_NEVER);
    session_resume(session, &place->client, repeated_id);
    place->names[place->num_names++] = session->spi_i;
    if (session->child.spi_in != 0) {
        place->names[place->num_names++] = session->child.spi_in;
    }
    return place;
}

/* ---- by which SPIs a session is found */

static void names_clear(struct load *load, struct place *place)
{
    while (place->num_names > 0) {
        map_remove(&load->by_spi, place->names[--place->num_names]);
    }
}

static void name_add(struct load *load, struct place *place, uint64_t name)
{
    bool room = map_put(&load->by_spi, name, place->session);
    hf_assert(room && place->num_names < PLACE_NAMES);
    place->names[place->num_names++] = name;
}

static void names_renew(struct load *load, struct place *place)
{
    const struct initiator *client = &place->client;
    names_clear(load, place);
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        if (client->sa[i].used) {
            name_add(load, place, client->sa[i].spi_i);
        }
    }
    for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
        if (client->children[i].used) {
            name_add(load, place, client->children[i].spi_in);
        }
    }
}

/* ---- how it came out */

static void came_up(struct load *load, const struct place *place)
{
    struct session *session = &load->sessions[place->session];
    const struct initiator *client = &place->client;
    latency_add(&load->tally.latency, load->now - place->began);
    *(session->returns ? &load->tally.returned : &load->tally.came_up) += 1;
    load->tally.up++;
    session->inner = (struct ip_addr){0};
    for (uint32_t i = 0; i < client->num_addresses; i++) {
        if (ip_is_v4(&client->addresses[i])) {
            session->inner = client->addresses[i];
        }
    }
    for (enum chore chore = 0; chore < CHORES; chore++) { /* sessions should not march in step */
        ns_t every = load->options->every[chore];
        bool can = chore != CHORE_ROAM || client->mobike;
        session->at[chore] =
            every == 0 || !can ? NS_NEVER : load->now + (ns_t)((double)every * load_chance(load));
    }
}

void session_goes_away(struct load *load, uint32_t index)
{
    struct session *session = &load->sessions[index];
    session->state = SESSION_AWAY;
    session->returns = true;
    session->echo_tries = 0;
    load->tally.up--;
    heap_set(&load->due, index, load_around(load, load->options->away));
}

static void ended(struct load *load, const struct place *place, bool was_up)
{
    const struct initiator *client = &place->client;
    struct session *session = &load->sessions[place->session];
    bool good = place->chore == CHORE_LEAVE &&
                (client->why == INITIATOR_WE_DELETED || client->why == INITIATOR_PEER_DELETED);
    if (good && !load->closing) {
        load->tally.done[CHORE_LEAVE]++;
        session_goes_away(load, place->session);
        return;
    }
    session->state = SESSION_ENDED;
    heap_set(&load->due, place->session, NS_NEVER);
    load->tally.up -= was_up ? 1 : 0;
    if (good) {
        load->tally.deleted++;
    } else {
        tally_fail(&load->tally, client->why, client->notify, was_up);
    }
}

static void chore_count(struct load *load, const struct place *place)
{
    const struct initiator *client = &place->client;
    bool rekeys = place->chore == CHORE_REKEY_CHILD || place->chore == CHORE_REKEY_IKE;
    bool refused =
        (rekeys && client->child_notify != 0) || (place->chore == CHORE_ROAM && client->update_notify != 0);
    if (place->chore != CHORES) {
        (refused ? load->tally.refused : load->tally.done)[place->chore]++;
    }
}

static void park(struct load *load, struct place *place)
{
    struct session *session = &load->sessions[place->session];
    enum chore chore;
    chore_count(load, place);
    session_park(session, &place->client);
    ns_t due = load->options->delete ? load->now : NS_NEVER;
    heap_set(&load->due, place->session, load->closing ? due : session_due(session, &chore));
}

static void counters_add(struct load *load, const struct initiator_counters *counters)
{
    struct tally *tally = &load->tally;
    tally->repeated += counters->retransmits;
    tally->garbage += counters->garbage;
    tally->answered += counters->requests_answered;
    tally->gateway_child_rekeys += counters->gateway_rekeys;
    tally->gateway_ike_rekeys += counters->gateway_ike_rekeys;
}

static bool is_single(const struct initiator *client)
{
    uint32_t sas = 0;
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        sas += client->sa[i].used ? 1 : 0;
    }
    return sas == 1 && initiator_num_children(client) <= 1;
}

/* Which SAs those are, for who has to find out why. */
static void leftover_say(const struct place *place)
{
    const struct initiator *client = &place->client;
    const struct initiator_counters *counters = &client->counters;
    fprintf(stderr,
            "ikeload: session %u has an SA too many: chore %d, notify %u, child notify %u; rekeys by the "
            "gateway: "
            "%" PRIu64 " of children, %" PRIu64 " of IKE SAs; %" PRIu64 " answered, %" PRIu64
            " asked, %" PRIu64 " without use\n",
            place->session, place->chore, client->notify, client->child_notify, counters->gateway_rekeys,
            counters->gateway_ike_rekeys, counters->requests_answered, counters->exchanges_done,
            counters->garbage);
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        const struct initiator_sa *sa = &client->sa[i];
        if (sa->used) {
            fprintf(stderr, "  IKE SA %016" PRIx64 " %016" PRIx64 "%s%s, next %u, %u\n", sa->spi_i, sa->spi_r,
                    sa->by_gateway ? " by the gateway" : "", i == client->current ? " current" : "",
                    sa->next_id, sa->peer_next_id);
        }
    }
    for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
        if (client->children[i].used) {
            fprintf(stderr, "  Child SA %08x %08x\n", client->children[i].spi_in,
                    client->children[i].spi_out);
        }
    }
}

static void forget_old(struct initiator *client)
{
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        client->sa[i].used = i == client->current;
    }
    for (uint32_t i = initiator_first_child(client) + 1; i < INITIATOR_CHILDREN_MAX; i++) {
        client->children[i].used = false;
    }
}

/* Nothing of the client's is under way, and nothing of the gateway's is to be expected. */
static bool is_done(struct load *load, struct place *place)
{
    const struct initiator *client = &place->client;
    if (client->state != INITIATOR_UP || !initiator_is_idle(client) || client->update_due) {
        return false;
    }
    if (is_single(client)) {
        return true;
    }
    if (load->now < place->began + LINGER) {
        return false;
    }
    load->tally.leftover++;
    leftover_say(place);
    forget_old(&place->client);
    return true;
}

void place_settle(struct load *load, struct place *place, bool was_up)
{
    struct initiator *client = &place->client;
    uint32_t at = (uint32_t)(place - load->places);
    if (!was_up && client->state == INITIATOR_UP) {
        came_up(load, place);
        was_up = true;
    }
    bool over = client->state == INITIATOR_FAILED || client->state == INITIATOR_CLOSED;
    if (over) {
        names_clear(load, place);
        ended(load, place, was_up);
    } else if (is_done(load, place)) {
        names_renew(load, place);
        park(load, place);
    } else {
        ns_t lingers = initiator_is_idle(client) ? place->began + LINGER : NS_NEVER;
        names_renew(load, place);
        heap_set(&load->retries, at, HF_MIN(initiator_deadline(client), lingers));
        return;
    }
    counters_add(load, &client->counters);
    heap_set(&load->retries, at, NS_NEVER);
    load->free_places[load->num_free++] = at;
}

#include "tools/ikeload/session.h"

static void child_park(struct session_child *to, const struct initiator_child *from)
{
    bool same = to->spi_in == from->spi_in;
    *to = (struct session_child){
        .spi_in = from->spi_in,
        .spi_out = from->spi_out,
        .suite = from->suite,
        .key_in = from->key_in,
        .key_out = from->key_out,
        .num_ts_i = (uint8_t)HF_MIN(from->num_ts_i, (uint32_t)SESSION_SELECTORS),
        .num_ts_r = (uint8_t)HF_MIN(from->num_ts_r, (uint32_t)SESSION_SELECTORS),
        .sent = same ? to->sent : 0,
    };
    memcpy(to->ts_i, from->ts_i, to->num_ts_i * sizeof(to->ts_i[0]));
    memcpy(to->ts_r, from->ts_r, to->num_ts_r * sizeof(to->ts_r[0]));
}

static void child_resume(const struct session_child *from, struct initiator_child *to)
{
    *to = (struct initiator_child){
        .used = true,
        .spi_in = from->spi_in,
        .spi_out = from->spi_out,
        .suite = from->suite,
        .key_in = from->key_in,
        .key_out = from->key_out,
        .num_ts_i = from->num_ts_i,
        .num_ts_r = from->num_ts_r,
    };
    memcpy(to->ts_i, from->ts_i, from->num_ts_i * sizeof(to->ts_i[0]));
    memcpy(to->ts_r, from->ts_r, from->num_ts_r * sizeof(to->ts_r[0]));
}

void session_park(struct session *session, const struct initiator *client)
{
    const struct initiator_sa *sa = initiator_current(client);
    uint32_t child = initiator_first_child(client);
    session->state = SESSION_PARKED;
    session->natt = client->natt;
    session->fragmentation = client->fragmentation;
    session->mobike = client->mobike;
    session->by_gateway = sa->by_gateway;
    session->spi_i = sa->spi_i;
    session->spi_r = sa->spi_r;
    session->suite = sa->suite;
    session->keys = sa->keys;
    session->iv = sa->iv;
    session->next_id = sa->next_id;
    session->peer_next_id = sa->peer_next_id;
    session->local = client->local;
    session->remote = client->remote;
    if (child < INITIATOR_CHILDREN_MAX) {
        child_park(&session->child, &client->children[child]);
    } else {
        session->child = (struct session_child){0};
    }
}

static void resume_sa(const struct session *session, struct initiator_sa *sa)
{
    sa->used = sa->has_keys = true;
    sa->by_gateway = session->by_gateway;
    sa->spi_i = session->spi_i;
    sa->spi_r = session->spi_r;
    sa->suite = session->suite;
    sa->keys = session->keys;
    sa->iv = session->iv;
    sa->next_id = session->next_id;
    sa->peer_next_id = session->peer_next_id;
    sa->request.valid = sa->response.valid = false;
    sa->task = TASK_NONE;
    sa->next_try = NS_NEVER;
    sa->fragments.total = 0;
}

void session_resume(const struct session *session, struct initiator *client, uint32_t repeated_id)
{
    initiator_vanish(client);
    client->state = INITIATOR_UP;
    client->notify = client->child_notify = client->update_notify = 0;
    client->current = 0;
    client->natt = session->natt;
    client->fragmentation = session->fragmentation;
    client->mobike = session->mobike;
    client->update_due = client->rival.there = false;
    client->local = session->local;
    client->remote = session->remote;
    resume_sa(session, &client->sa[0]);
    if (repeated_id != UINT32_MAX && repeated_id + 1 == session->peer_next_id) {
        client->sa[0].peer_next_id = repeated_id;
    }
    if (session->child.spi_in != 0) {
        child_resume(&session->child, &client->children[0]);
    }
}

ns_t session_due(const struct session *session, enum chore *ret_chore)
{
    ns_t first = NS_NEVER;
    *ret_chore = CHORES;
    for (enum chore chore = 0; chore < CHORES; chore++) {
        if (session->at[chore] < first) {
            first = session->at[chore];
            *ret_chore = chore;
        }
    }
    return first;
}

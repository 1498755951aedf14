#include "tools/ikeload/session.h"

void session_park(struct session *session, const struct initiator *client)
{
    const struct initiator_sa *sa = initiator_current(client);
    uint32_t child = initiator_first_child(client);
    session->state = SESSION_PARKED;
    session->natt = client->natt;
    session->fragmentation = client->fragmentation;
    session->spi_i = sa->spi_i;
    session->spi_r = sa->spi_r;
    session->suite = sa->suite;
    session->keys = sa->keys;
    session->iv = sa->iv;
    session->next_id = sa->next_id;
    session->peer_next_id = sa->peer_next_id;
    session->local = client->local;
    session->remote = client->remote;
    session->has_child = child < INITIATOR_CHILDREN_MAX;
    if (session->has_child) {
        session->child_in = client->children[child].spi_in;
        session->child_out = client->children[child].spi_out;
        session->child_suite = client->children[child].suite;
    }
}

static void resume_sa(const struct session *session, struct initiator_sa *sa)
{
    sa->used = sa->has_keys = true;
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
    client->notify = client->child_notify = 0;
    client->current = 0;
    client->natt = session->natt;
    client->fragmentation = session->fragmentation;
    client->local = session->local;
    client->remote = session->remote;
    resume_sa(session, &client->sa[0]);
    if (repeated_id != UINT32_MAX && repeated_id + 1 == session->peer_next_id) {
        client->sa[0].peer_next_id = repeated_id;
    }
    if (session->has_child) {
        struct initiator_child *child = &client->children[0];
        child->used = true;
        child->spi_in = session->child_in;
        child->spi_out = session->child_out;
        child->suite = session->child_suite;
    }
}

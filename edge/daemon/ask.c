/* The main thread asks a worker and waits: a worker answers between two batches, so in milliseconds. */
#include "edge/daemon/daemon.h"

#include <poll.h>
#include <unistd.h>

#define ANSWER_WAIT_NS (2 * NS_PER_S)

bool daemon_tell(struct daemon *d, enum mail_type type)
{
    bool all = true;
    for (uint32_t i = 0; i < d->num_workers; i++) {
        struct mail *mail = mesh_room(&d->port, i, sizeof(*mail));
        if (mail == NULL) {
            all = false;
        } else {
            *mail = (struct mail){.type = type};
        }
    }
    mesh_flush(&d->port);
    return all;
}

/* True when it is the answer to this question. Answers to earlier ones came too late, and are dropped. */
static bool mail_in(struct daemon *d, struct span message, uint64_t token)
{
    const struct mail *mail = (const struct mail *)message.data;
    const struct mail_answer *answer = (const struct mail_answer *)message.data;
    if (mail->type == MAIL_NEWS) {
        fleet_host_news(d, &((const struct mail_news *)message.data)->shard);
    }
    return mail->type == MAIL_ANSWER && answer->token == token;
}

static const struct mail_answer *take_answer(struct daemon *d, uint32_t worker, uint64_t token)
{
    struct mailbox *box = mesh_from(&d->port, worker);
    struct mail_answer *found = NULL;
    struct span message;
    while (found == NULL && mailbox_next(box, &message)) {
        if (mail_in(d, message, token)) {
            memcpy(d->answer, message.data, message.len);
            found = (struct mail_answer *)d->answer;
        }
    }
    mailbox_done(box);
    return found;
}

void daemon_mail_read(struct daemon *d)
{
    for (uint32_t worker = 0; worker < d->num_workers; worker++) {
        (void)take_answer(d, worker, 0);
    }
}

/* Other news that the bell was rung for are looked for at the end of every round of the main loop. */
static void wait_for_bell(struct daemon *d, ns_t until)
{
    struct pollfd bell = {.fd = mesh_bell_fd(&d->port), .events = POLLIN};
    ns_t now = daemon_now();
    uint64_t rings;
    if (now < until) {
        (void)poll(&bell, 1, (int)((until - now) / NS_PER_MS) + 1);
        (void)!read(bell.fd, &rings, sizeof(rings));
    }
}

const struct mail_answer *daemon_ask(struct daemon *d, uint32_t worker, struct mail_ask *ask)
{
    struct mail_ask *room = mesh_room(&d->port, worker, sizeof(*room));
    ns_t until = daemon_now() + ANSWER_WAIT_NS;
    if (room == NULL) {
        return NULL;
    }
    ask->mail.type = MAIL_ASK;
    ask->token = ++d->ask_token;
    *room = *ask;
    mesh_flush(&d->port);
    const struct mail_answer *answer = take_answer(d, worker, ask->token);
    while (answer == NULL && daemon_now() < until) {
        doorbell_sleep(&d->shared.mesh.bells[d->num_workers]);
        if (mailbox_is_empty(mesh_from(&d->port, worker))) {
            wait_for_bell(d, until);
        }
        answer = take_answer(d, worker, ask->token);
    }
    return answer;
}

bool daemon_ask_epochs(struct daemon *d, uint32_t ret_counts[4])
{
    memset(ret_counts, 0, 4 * sizeof(*ret_counts));
    for (uint32_t i = 0; i < d->num_workers; i++) {
        struct mail_ask ask = {.type = ASK_EPOCHS};
        const struct mail_answer *answer = daemon_ask(d, i, &ask);
        if (answer == NULL) {
            return false;
        }
        for (uint32_t epoch = 0; epoch < 4; epoch++) {
            ret_counts[epoch] += ((const uint32_t *)answer->bytes)[epoch];
        }
    }
    return true;
}

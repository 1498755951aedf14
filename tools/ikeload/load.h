/* The sessions and the clients that work on them. */
#pragma once

#include "tools/ikeload/net.h"
#include "tools/ikeload/options.h"
#include "tools/ikeload/session.h"
#include "tools/ikeload/tally.h"

#include "edge/base/heap.h"
#include "edge/base/map.h"
#include "edge/crypto/sign.h"

/* What every client proves itself with, and checks the gateway by. */
struct load_secrets {
    struct span psk;
    const struct credential *credential;
    const struct trust *trust;
};

struct load {
    const struct options *options;
    struct load_secrets secrets;
    struct net net;
    struct ip_addr local; /* where no source is given */
    int64_t now_unix_s;

    struct session *sessions;
    struct map by_spi;
    struct heap due; /* of parked sessions: DPD, rekeys */

    /* A place of the window: a client and the session it works on. */
    struct initiator *clients;
    uint32_t *slot_session;
    ns_t *slot_began;
    enum initiator_task *slot_task;
    uint32_t *free_slots;
    uint32_t num_free;
    struct heap retries; /* of slots */

    uint32_t next_open, next_delete;
    struct tally tally;
    ns_t now;
};

/* Memory for all of it; false with a message on standard error. */
HF_MUST bool load_init(struct load *load, const struct options *options, const struct load_secrets *secrets);
void load_done(struct load *load);

/* What can be done at `now`: retransmissions first, then what is due in the sessions that are up (unless
 * `closing`). */
void load_timers(struct load *load, ns_t now, bool closing);
/* Begins up to `most` sessions, as places of the window allow. */
void load_open(struct load *load, ns_t now, uint32_t most);
/* Begins to ask the gateway in a session; false when it is not up, or something is under way. */
HF_MUST bool load_ask(struct load *load, ns_t now, uint32_t index);
/* Begins to delete what is up, as places allow. */
void load_delete(struct load *load, ns_t now);
/* Nothing is under way. */
bool load_is_idle(const struct load *load);
/* Waits for datagrams and for what is due, until `until` at the latest. */
void load_wait(struct load *load, ns_t until);
ns_t load_clock(void);

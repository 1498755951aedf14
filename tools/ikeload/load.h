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

enum { PLACE_NAMES = INITIATOR_SAS + INITIATOR_CHILDREN_MAX };

/* A place of the window: a client and the session it works on. */
struct place {
    struct initiator client;
    uint32_t session;
    ns_t began;
    enum chore chore;            /* that it is for */
    uint64_t names[PLACE_NAMES]; /* SPIs that lead to the session */
    uint32_t num_names;
};

struct load {
    const struct options *options;
    struct load_secrets secrets;
    struct net net;
    struct ip_addr local; /* where no source is given */
    int64_t now_unix_s;
    uint64_t dice;

    struct session *sessions;
    struct map by_spi; /* initiator SPIs of IKE SAs, our SPIs of children */
    struct heap due;   /* of sessions that nobody works on */

    struct place *places;
    uint32_t *free_places;
    uint32_t num_free;
    struct heap retries; /* of places */
    uint32_t working;    /* session whose client sends */

    uint32_t next_open;
    bool closing;
    struct tally tally;
    ns_t now;
};

/* Memory for all of it; false with a message on standard error. */
HF_MUST bool load_init(struct load *load, const struct options *options, const struct load_secrets *secrets);
void load_done(struct load *load);

/* What can be done at `now`: retransmissions first, then what is due in the sessions. */
void load_timers(struct load *load, ns_t now);
/* Begins up to `most` sessions, as places of the window allow. */
void load_open(struct load *load, ns_t now, uint32_t most);
/* From here on nothing new is begun, and what is up is deleted, if that was asked for. */
void load_close(struct load *load, ns_t now);
/* Nothing is under way. */
bool load_is_idle(const struct load *load);
/* Waits for datagrams and for what is due, until `until` at the latest. */
void load_wait(struct load *load, ns_t until);
ns_t load_clock(void);

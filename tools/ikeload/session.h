/* An established session while nothing is under way in it: what is needed to go on, a two hundredth of what a
 * client takes while it works. */
#pragma once

#include "tools/ikeload/chore.h"

#include "tests/lib/initiator.h"

enum {
    SESSION_SELECTORS =
        4, /* kept of each side; more are forgotten, and the gateway cannot rekey that child */
};

enum session_state {
    SESSION_WAITS,  /* not begun */
    SESSION_WORKS,  /* a client has it */
    SESSION_PARKED, /* up, nothing under way */
    SESSION_AWAY,   /* deleted or vanished; it comes again */
    SESSION_ENDED,  /* refused, lost or deleted */
};

/* Its Child SA, and how far its ESP has come. */
struct session_child {
    uint32_t spi_in, spi_out; /* 0: there is no child */
    struct esp_suite suite;
    struct esp_keys key_in, key_out;
    struct ts_range ts_i[SESSION_SELECTORS], ts_r[SESSION_SELECTORS];
    uint8_t num_ts_i, num_ts_r;
    uint64_t sent; /* the last number */
};

struct session {
    uint8_t state;
    bool natt, fragmentation, mobike, by_gateway;
    bool returns;       /* it was up before, and went away */
    uint8_t echo_tries; /* pings that wait for their answer; 0: none */
    uint16_t socket;    /* index of the source port */
    uint16_t echo_id;
    uint32_t place; /* of its client while it works */
    uint64_t spi_i, spi_r;
    struct ike_suite suite;
    struct ike_keys keys;
    uint64_t iv;
    uint32_t next_id, peer_next_id;
    struct session_child child;
    struct ip_addr inner; /* its address in the tunnel; zero: none */
    struct endpoint local, remote;
    ns_t at[CHORES]; /* when it is due; NS_NEVER: not at all */
};

/* Takes the session out of a client that is up and idle. */
void session_park(struct session *session, const struct initiator *client);
/* Puts it back into a client whose config is that of the session. The message that it must answer again when
 * it was answered before it was parked: `repeated_id`; UINT32_MAX for none. */
void session_resume(const struct session *session, struct initiator *client, uint32_t repeated_id);
/* When its next chore is due, and which that is. */
ns_t session_due(const struct session *session, enum chore *ret_chore);

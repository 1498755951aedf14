/* An established session while nothing is under way in it: what is needed to go on, a five hundredth of what
 * a client takes while it works. */
#pragma once

#include "tests/lib/initiator.h"

enum session_state {
    SESSION_WAITS,  /* not begun */
    SESSION_WORKS,  /* a client has it */
    SESSION_PARKED, /* up, nothing under way */
    SESSION_ENDED,  /* refused, lost or deleted */
};

struct session {
    uint8_t state;
    bool natt, fragmentation;
    bool has_child;
    uint32_t slot; /* of its client while it works */
    uint64_t spi_i, spi_r;
    struct ike_suite suite;
    struct ike_keys keys;
    uint64_t iv;
    uint32_t next_id, peer_next_id;
    uint32_t child_in, child_out;
    struct esp_suite child_suite;
    struct endpoint local, remote;
    ns_t dpd_at, rekey_child_at, rekey_ike_at; /* NS_NEVER: not at all */
};

/* Takes the session out of a client that is up and idle. */
void session_park(struct session *session, const struct initiator *client);
/* Puts it back into a client whose config is that of the session. The message that it must answer again when
 * it was answered before it was parked: `repeated_id`; UINT32_MAX for none. */
void session_resume(const struct session *session, struct initiator *client, uint32_t repeated_id);

/* What happened, for the progress line and the summary. */
#pragma once

#include "tools/ikeload/chore.h"
#include "tools/ikeload/latency.h"

#include "tests/lib/initiator.h"

enum { TALLY_CAUSES_MAX = 32 };

struct tally_cause {
    enum initiator_why why;
    uint16_t notify;
    bool lost; /* it was up before */
    uint64_t count;
};

struct tally {
    ns_t started, opened, held, done_at; /* when each part was over; 0: not yet */
    uint64_t begun, came_up, returned, failed, lost, up, deleted;
    uint64_t done[CHORES], refused[CHORES]; /* of pings: answered, given up */
    uint64_t answered, gateway_child_rekeys, gateway_ike_rekeys;
    uint64_t leftover; /* times that a second child or IKE SA stayed */
    uint64_t bare;     /* times that there was no child to send by */
    uint64_t echoes_repeated, esp_wrong;
    uint64_t misplaced; /* came where the session had been before */
    uint64_t repeated, garbage, no_room;
    bool heard; /* anything of the gateway */
    struct latency latency;
    struct tally_cause causes[TALLY_CAUSES_MAX];
    uint32_t num_causes;
};

/* A session failed, or was lost. */
void tally_fail(struct tally *tally, enum initiator_why why, uint16_t notify, bool lost);
/* "no answer", "refused: AUTHENTICATION_FAILED"; the text is in ret_text. */
const char *tally_cause_text(const struct tally_cause *cause, char ret_text[80]);

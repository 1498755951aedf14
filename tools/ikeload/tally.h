/* What happened, for the progress line and the summary. */
#pragma once

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
    ns_t started, opened, held, done; /* when each part was over; 0: not yet */
    uint64_t begun, came_up, failed, lost, up, deleted;
    uint64_t dpds, child_rekeys, ike_rekeys, rekeys_refused, answered;
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

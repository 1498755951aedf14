#include "tools/ikeload/tally.h"

#include "edge/wire/ids.h"

#include <stdio.h>

void tally_fail(struct tally *tally, enum initiator_why why, uint16_t notify, bool lost)
{
    *(lost ? &tally->lost : &tally->failed) += 1;
    for (uint32_t i = 0; i < tally->num_causes; i++) {
        struct tally_cause *cause = &tally->causes[i];
        if (cause->why == why && cause->notify == notify && cause->lost == lost) {
            cause->count++;
            return;
        }
    }
    if (tally->num_causes < TALLY_CAUSES_MAX) {
        tally->causes[tally->num_causes++] =
            (struct tally_cause){.why = why, .notify = notify, .lost = lost, .count = 1};
    }
}

const char *tally_cause_text(const struct tally_cause *cause, char ret_text[80])
{
    static const char *const texts[] = {
        [INITIATOR_FINE] = "given up",
        [INITIATOR_NO_ANSWER] = "no answer",
        [INITIATOR_REFUSED] = "refused",
        [INITIATOR_BAD_PEER] = "wrong answer",
        [INITIATOR_PEER_DELETED] = "deleted by the gateway",
        [INITIATOR_WE_DELETED] = "deleted by us",
    };
    const char *name = cause->notify != 0 ? ike_notify_name(cause->notify) : NULL;
    if (cause->notify != 0 && name != NULL) {
        snprintf(ret_text, 80, "%s: %s", texts[cause->why], name);
    } else if (cause->notify != 0) {
        snprintf(ret_text, 80, "%s: notify %u", texts[cause->why], cause->notify);
    } else {
        snprintf(ret_text, 80, "%s", texts[cause->why]);
    }
    return ret_text;
}

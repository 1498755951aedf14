/* The test of the simulator: bugs that are known to be there must be found. */
#include "tests/sim/faults.h"

#include <stdio.h>
#include <string.h>

struct planting {
    enum planted planted;
    const char *name;
    const char *story;
    uint32_t crash_at;  /* 0: no restart */
    uint32_t duplicate; /* NET_NONE: none */
    bool forge_all;
    const char *ids; /* one of these must be violated */
};

static const struct planting plantings[] = {
    {PLANTED_EPOCH_BACK, "epoch-back", "dpd", 3, NET_NONE, false, "N1"},
    {PLANTED_FORGETS_PUTS, "put-forgotten", "connect", 0, NET_NONE, false, "P2"},
    {PLANTED_KEEPS_DELETED, "record-kept", "delete", 0, NET_NONE, false, "P2"},
    {PLANTED_FORGETS_INSTALL, "install-forgotten", "connect", 0, NET_NONE, false, "E1"},
    {PLANTED_KEEPS_REMOVED, "removed-kept", "delete", 0, NET_NONE, false, "P2"},
    {PLANTED_EARLY_SEND, "send-before-store", "connect", 0, NET_NONE, false, "E1"},
    {PLANTED_LEASE_LOST, "lease-lost", "connect", 0, NET_NONE, false, "P1"},
    {PLANTED_WINDOW, "window-open", "rekey-child", 0, 0, false, "M1"},
    {PLANTED_UNCHECKED_ICV, "icv-unchecked", "dpd", 0, NET_NONE, true, "A1"},
    {PLANTED_TIMER, "timer-lost", "dpd", 0, NET_NONE, false, "T1"},
    {PLANTED_GAUGE, "gauge-wrong", "connect", 0, NET_NONE, false, "P3"},
};

static const struct story *story_named(const char *name)
{
    const struct story *story = stories;
    while (strcmp(story->name, name) != 0) {
        story++;
    }
    return story;
}

static void planted_go(struct tally *tally, const struct planting *planting)
{
    struct run run = run_of(story_named(planting->story), tally->seed);
    run.options.planted = planting->planted;
    run.options.verbose = tally->only_case != NULL;
    run.crash_at = planting->crash_at;
    run.crash_again = planting->crash_at == 0 ? 0 : 12;
    run.net.duplicate = planting->duplicate;
    run.net.duplicate_after = 5 * NS_PER_MS; /* the first copy has been answered */
    run.net.forge_all = planting->forge_all;
    struct outcome outcome = run_go(&run);
    bool found = !outcome.passed && strstr(planting->ids, outcome.id) != NULL;
    *(found ? &tally->passed : &tally->failed) += 1;
    if (!found) {
        printf("FAILED planted %s: not found as %s, but as '%s' %s\n", planting->name, planting->ids,
               outcome.id, outcome.text);
    }
}

void planted_run(struct tally *tally)
{
    for (size_t i = 0; i < HF_COUNT(plantings); i++) {
        const struct planting *planting = &plantings[i];
        bool wanted = tally->only_story == NULL || strcmp(tally->only_story, "planted") == 0;
        if (!wanted || (tally->only_case != NULL && strcmp(tally->only_case, planting->name) != 0)) {
            continue;
        }
        if (tally->list) {
            printf("planted %s\n", planting->name);
        } else {
            planted_go(tally, planting);
        }
    }
}

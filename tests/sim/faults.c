#include "tests/sim/faults.h"

#include <stdio.h>
#include <string.h>

#define LATE_NS (7 * NS_PER_S)
#define EVENTS_AFTER 4 /* operations that a fault brings about beyond those of the story without fault */

bool tally_wants(const struct tally *tally, const struct story *story)
{
    return tally->only_story == NULL || strcmp(tally->only_story, story->name) == 0;
}

struct outcome tally_go(struct tally *tally, struct run *run, const char *name)
{
    struct outcome outcome = {.passed = true};
    if (tally->only_case != NULL && strcmp(tally->only_case, name) != 0) {
        return outcome;
    }
    if (tally->list) {
        printf("%s %s\n", run->story->name, name);
        return outcome;
    }
    run->options.verbose = tally->only_case != NULL;
    outcome = run_go(run);
    tally->checks += outcome.num_checks;
    *(outcome.passed ? &tally->passed : &tally->failed) += 1;
    if (!outcome.passed) {
        printf("FAILED %s %s: %s: %s\n  again: sim --seed %llu --story %s --case %s\n", run->story->name,
               name, outcome.id, outcome.text, (unsigned long long)tally->seed, run->story->name, name);
    }
    return outcome;
}

static void go(struct tally *tally, const struct run *run, const char *kind, uint64_t a, const char *how)
{
    char name[CASE_NAME];
    struct run copy = *run;
    snprintf(name, sizeof(name), "%s:%llu%s", kind, (unsigned long long)a, how);
    (void)tally_go(tally, &copy, name);
}

static void losses(struct tally *tally, const struct story *story, uint32_t datagrams)
{
    struct run run = run_of(story, tally->seed);
    uint32_t bits = HF_MIN(datagrams + 2, tally->mask_bits);
    for (uint64_t mask = 1; mask < UINT64_C(1) << bits; mask++) {
        run.net.lose = mask;
        go(tally, &run, "lose", mask, "");
    }
    for (uint32_t i = bits; i < datagrams; i++) { /* of long stories, the rest one by one */
        run.net.lose = UINT64_C(1) << i;
        go(tally, &run, "lose-one", i, "");
    }
}

static void network(struct tally *tally, const struct story *story, uint32_t datagrams)
{
    static const uint32_t cuts[] = {0, 1, 17, 27, 28, 31, 40, 56, 100};
    for (uint32_t i = 0; i < datagrams; i++) {
        struct run run = run_of(story, tally->seed);
        run.net.duplicate = i;
        go(tally, &run, "duplicate", i, "");
        run.net.duplicate_after = LATE_NS;
        go(tally, &run, "duplicate", i, ":late");
        run = run_of(story, tally->seed);
        run.net.swap = i;
        go(tally, &run, "swap", i, "");
        for (uint32_t j = 0; j < HF_COUNT(cuts); j++) {
            char how[16];
            snprintf(how, sizeof(how), "@%u", cuts[j]);
            run = run_of(story, tally->seed);
            run.net.truncate = i;
            run.net.truncate_to = cuts[j];
            go(tally, &run, "cut", i, how);
        }
    }
    struct run run = run_of(story, tally->seed);
    run.net.forge_all = true;
    go(tally, &run, "forge", 0, "");
}

static void store_faults(struct tally *tally, const struct story *story, uint32_t ops)
{
    static const struct {
        const char *name;
        enum store_result result;
        bool carried_out;
    } kinds[] = {
        {"down", STORE_DOWN, false},   {"full", STORE_FULL, false},     {"unknown", STORE_UNKNOWN, false},
        {"done", STORE_UNKNOWN, true}, {"fenced", STORE_FENCED, false},
    };
    for (uint32_t i = 0; i < 4 * HF_COUNT(kinds); i++) {
        bool for_ever = i % 2 == 1, refuse = i / 2 % 2 == 1;
        struct run run = run_of(story, tally->seed);
        run.harmless = false;
        run.options.store_failure = refuse ? POLICY_STORE_REFUSE : POLICY_STORE_ACCEPT;
        run.store = (struct store_faults){
            .for_ever = for_ever, .result = kinds[i / 4].result, .carried_out = kinds[i / 4].carried_out};
        char how[48];
        snprintf(how, sizeof(how), ":%s:%s:%s", kinds[i / 4].name, for_ever ? "ever" : "once",
                 refuse ? "refuse" : "accept");
        for (uint32_t n = 1; n <= ops + EVENTS_AFTER; n++) {
            run.store.fail_nth = n;
            go(tally, &run, "store", n, how);
        }
    }
}

static void plane_faults(struct tally *tally, const struct story *story, uint32_t installs)
{
    for (uint32_t n = 1; n <= installs + 1; n++) {
        struct run run = run_of(story, tally->seed);
        run.harmless = false;
        run.plane.fail_nth = n;
        go(tally, &run, "plane", n, ":once");
        run.plane.for_ever = true;
        go(tally, &run, "plane", n, ":ever");
    }
}

/* The gateway's process ends before the n-th event and starts again at once; then also with a store that
 * fails while the sessions are read back. */
static void crashes(struct tally *tally, const struct story *story, uint32_t events)
{
    for (uint32_t n = 1; n <= events; n++) {
        struct run run = run_of(story, tally->seed);
        run.harmless = false;
        run.crash_at = n;
        run.survives = story->survives;
        go(tally, &run, "crash", n, ":late");
        run.options.store_early = true;
        go(tally, &run, "crash", n, ":early");
        run.survives = false;
        run.store.result = STORE_DOWN;
        for (uint32_t op = 1; op <= 3 * WORLD_SHARDS; op++) {
            char how[48];
            snprintf(how, sizeof(how), ":early:store:%u", op);
            run.store.fail_nth = op;
            go(tally, &run, "crash", n, how);
        }
    }
}

/* No memory for a message during the n-th event. */
static void starvation(struct tally *tally, const struct story *story, uint32_t events)
{
    for (uint32_t n = 1; n <= events; n++) {
        struct run run = run_of(story, tally->seed);
        run.harmless = false;
        run.starve_at = n;
        go(tally, &run, "starve", n, "");
    }
}

/* The same seed twice gives the same trace. */
static struct outcome plain(struct tally *tally, const struct story *story)
{
    struct run run = run_of(story, tally->seed);
    struct outcome once = tally_go(tally, &run, "plain");
    struct outcome twice = tally_go(tally, &run, "again");
    if (once.trace_hash != twice.trace_hash && tally->only_case == NULL) {
        printf("FAILED %s again: seed %llu gave another trace\n", story->name,
               (unsigned long long)tally->seed);
        tally->failed++;
    }
    return once;
}

void faults_run(struct tally *tally)
{
    for (const struct story *story = stories; story->name != NULL; story++) {
        if (!tally_wants(tally, story)) {
            continue;
        }
        struct run run = run_of(story, tally->seed);
        struct outcome size = run_go(&run);
        (void)plain(tally, story);
        losses(tally, story, size.datagrams);
        network(tally, story, size.datagrams);
        store_faults(tally, story, size.store_ops);
        plane_faults(tally, story, size.installs);
        crashes(tally, story, size.events);
        starvation(tally, story, size.events);
    }
}

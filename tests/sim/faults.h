/* All single faults of a story, one after the other (rung L0 of the ladder), and the bugs that the checkers
 * must find. */
#pragma once

#include "tests/sim/run.h"

enum { CASE_NAME = 96 };

struct tally {
    uint64_t seed;
    const char *only_story; /* NULL: all */
    const char *only_case;  /* NULL: all; else with its trace */
    bool list;              /* names instead of runs */
    uint32_t mask_bits;     /* loss masks cover so many datagrams */
    uint32_t passed, failed;
    uint64_t checks;
};

/* Runs what `only_story` and `only_case` leave; prints each failure with what repeats it. */
void faults_run(struct tally *tally);
/* Runs of several clients under faults of all kinds, drawn from seeds `first` on (rung L2, one gateway). */
void swarm_run(struct tally *tally, uint64_t first, uint64_t count);
/* Every planted bug must be found; each counts as one. */
void planted_run(struct tally *tally);
/* One run under a name, counted. */
struct outcome tally_go(struct tally *tally, struct run *run, const char *name);
bool tally_wants(const struct tally *tally, const struct story *story);

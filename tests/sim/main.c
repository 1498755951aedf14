/* sim: runs the core through every single fault of every story. See --help. */
#include "tests/lib/rand.h"
#include "tests/sim/commit.h"
#include "tests/sim/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MASK_BITS 12
#define SWARM_RUNS 400

static void usage(void)
{
    printf("usage: sim [--seeds N | --seed X] [--story NAME] [--case NAME] [--masks BITS] [--list]\n\n"
           "Runs the engine in a simulated world: every story under every loss mask, duplicate, swap, cut,\n"
           "forgery, failure of store and data plane, and restart. Checkers watch from outside.\n\n"
           "  --seeds N      N seeds, from 1 on (default 1)\n"
           "  --seed X       this seed\n"
           "  --story NAME   one story only, or 'planted' for the bugs that must be found\n"
           "  --case NAME    one case only, with its trace\n"
           "  --swarm N      N runs of several clients with faults drawn by seed (default %d; --seed is the "
           "first)\n"
           "  --masks BITS   loss masks cover so many datagrams (default %d)\n"
           "  --list         names of stories and cases\n",
           SWARM_RUNS, MASK_BITS);
}

/* The number behind an option; ends the program when it is none. */
static uint64_t number_of(const char *text)
{
    char *end;
    uint64_t value = text == NULL ? 0 : strtoull(text, &end, 0);
    if (text == NULL || *text == '\0' || *end != '\0') {
        fprintf(stderr, "sim: a number is missing\n");
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    struct tally tally = {.mask_bits = MASK_BITS};
    uint64_t first = 1, seeds = 1, swarm = SWARM_RUNS;
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(option, "--list") == 0) {
            tally.list = true;
            continue;
        }
        i++;
        if (strcmp(option, "--seeds") == 0) {
            seeds = number_of(value);
        } else if (strcmp(option, "--seed") == 0) {
            first = number_of(value);
        } else if (strcmp(option, "--story") == 0 && value != NULL) {
            tally.only_story = value;
        } else if (strcmp(option, "--case") == 0 && value != NULL) {
            tally.only_case = value;
        } else if (strcmp(option, "--swarm") == 0) {
            swarm = number_of(value);
        } else if (strcmp(option, "--masks") == 0) {
            tally.mask_bits = (uint32_t)HF_MIN(number_of(value), UINT64_C(16));
        } else {
            usage();
            return strcmp(option, "--help") == 0 ? 0 : 2;
        }
    }
    (void)test_credentials();
    for (tally.seed = first; tally.seed < first + seeds; tally.seed++) {
        printf("seed %llu, commit %s, signatures %s\n", (unsigned long long)tally.seed, commit_name(),
               sim_rand_library_repeats() ? "repeat" : "do not repeat");
        fflush(stdout);
        faults_run(&tally);
        planted_run(&tally);
    }
    swarm_run(&tally, first, swarm);
    printf("%llu checks\n", (unsigned long long)tally.checks);
    printf("%u passed, %u failed\n", tally.passed, tally.failed);
    return tally.failed == 0 ? 0 : 1;
}

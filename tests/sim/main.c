#include "tests/sim/run.h"
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    for (const struct story *s = stories; s->name != NULL; s++) {
        if (argc > 1 && strcmp(argv[1], s->name) != 0) {
            continue;
        }
        struct run run = run_of(s, 1);
        run.options.verbose = argc > 1;
        struct outcome o = run_go(&run);
        printf("%s: %d %s %s datagrams %u events %u store %u installs %u hash %llx\n", s->name, o.passed,
               o.id, o.text, o.datagrams, o.events, o.store_ops, o.installs,
               (unsigned long long)o.trace_hash);
    }
    return 0;
}

/* The deviant of the tests against a gateway that runs: one violation after the other, with a well-behaved
 * session beside it that must not notice. */
#pragma once

#include "tools/ikeload/load.h"

/* Prints the table on standard output. */
void deviate_list(const struct options *options);
/* Walks the rows that options->deviate names; an IKELOAD_ exit code. */
int deviate_run(const struct options *options, const struct load_secrets *secrets);

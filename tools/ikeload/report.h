/* What is printed. */
#pragma once

#include "tools/ikeload/options.h"
#include "tools/ikeload/tally.h"

struct report {
    bool quiet, terminal;
    uint32_t sessions;
    ns_t next;
    ns_t last_at; /* for the rate since the last line */
    uint64_t last_up;
};

void report_init(struct report *report, const struct options *options);
/* Prints progress on standard error when it is time to. `doing`: "opening". */
void report_progress(struct report *report, const struct tally *tally, const char *doing, ns_t now);
/* Ends the progress line, so that what follows stands on a line of its own. */
void report_progress_end(const struct report *report);
/* The summary on standard output. */
void report_summary(const struct options *options, const struct tally *tally, uint64_t sent,
                    uint64_t received, uint64_t unsent);

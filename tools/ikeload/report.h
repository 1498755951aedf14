/* What is printed. */
#pragma once

#include "tools/ikeload/net.h"
#include "tools/ikeload/options.h"
#include "tools/ikeload/tally.h"

struct report {
    const struct options *options;
    const struct net *net;
    bool terminal;
    ns_t next, next_object;
    ns_t last_at; /* for the rate since the last line */
    uint64_t last_up;
};

void report_init(struct report *report, const struct options *options, const struct net *net);
/* Prints progress on standard error when it is time to, and on standard output what --report asks for.
 * `doing`: "opening". */
void report_progress(struct report *report, const struct tally *tally, const char *doing, ns_t now);
/* Ends the progress line, so that what follows stands on a line of its own. */
void report_progress_end(const struct report *report);
/* The summary on standard output. */
void report_summary(const struct report *report, const struct tally *tally);

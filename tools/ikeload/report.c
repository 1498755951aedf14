#include "tools/ikeload/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define TERMINAL_EVERY (200 * NS_PER_MS)
#define LINE_EVERY (5 * NS_PER_S)

static double seconds(ns_t ns)
{
    return (double)ns / 1e9;
}

static double ms(ns_t ns)
{
    return (double)ns / 1e6;
}

static double rate(uint64_t count, ns_t took)
{
    return took > 0 ? (double)count / seconds(took) : 0;
}

void report_init(struct report *report, const struct options *options)
{
    *report = (struct report){
        .quiet = options->quiet, .terminal = isatty(STDERR_FILENO) == 1, .sessions = options->sessions};
}

void report_progress(struct report *report, const struct tally *tally, const char *doing, ns_t now)
{
    ns_t every = report->terminal ? TERMINAL_EVERY : LINE_EVERY;
    if (report->next == 0) {
        report->next = now + every;
        report->last_at = now;
    }
    if (report->quiet || now < report->next) {
        return;
    }
    fprintf(stderr,
            "%s%s: %" PRIu64 " of %u begun, %" PRIu64 " up (%.0f/s), %" PRIu64 " failed, %" PRIu64
            " lost, p50 %.1f ms, p99 %.1f ms%s",
            report->terminal ? "\r" : "", doing, tally->begun, report->sessions, tally->up,
            rate(tally->came_up - report->last_up, now - report->last_at), tally->failed, tally->lost,
            ms(latency_permille(&tally->latency, 500)), ms(latency_permille(&tally->latency, 990)),
            report->terminal ? "\033[K" : "\n");
    report->next = now + every;
    report->last_at = now;
    report->last_up = tally->came_up;
}

void report_progress_end(const struct report *report)
{
    if (!report->quiet && report->terminal && report->last_at != 0) {
        fputs("\r\033[K", stderr);
    }
}

static void print_text(const struct options *options, const struct tally *tally, uint64_t sent,
                       uint64_t received, uint64_t unsent)
{
    char text[80];
    ns_t opening = tally->opened - tally->started;
    printf("sessions   %" PRIu64 " came up, %" PRIu64 " failed, %" PRIu64 " lost, of %u; in %.2f s: %.0f/s\n",
           tally->came_up, tally->failed, tally->lost, options->sessions, seconds(opening),
           rate(tally->came_up, opening));
    printf("latency    p50 %.2f ms, p99 %.2f ms, worst %.2f ms (IKE_SA_INIT sent to IKE_AUTH answered)\n",
           ms(latency_permille(&tally->latency, 500)), ms(latency_permille(&tally->latency, 990)),
           ms(tally->latency.worst));
    printf("datagrams  %" PRIu64 " sent, %" PRIu64 " received; %" PRIu64 " requests repeated, %" PRIu64
           " datagrams without use\n",
           sent, received, tally->repeated, tally->garbage);
    if (unsent > 0 || tally->no_room > 0) {
        printf("           %" PRIu64 " could not be sent, %" PRIu64 " came when the window was full\n",
               unsent, tally->no_room);
    }
    for (uint32_t i = 0; i < tally->num_causes; i++) {
        const struct tally_cause *cause = &tally->causes[i];
        printf("%-10s %" PRIu64 " %s\n", cause->lost ? "lost" : "failed", cause->count,
               tally_cause_text(cause, text));
    }
    if (options->hold > 0) {
        printf("held       %.1f s: %" PRIu64 " DPDs, %" PRIu64 " children and %" PRIu64
               " IKE SAs rekeyed, %" PRIu64 " rekeys refused, %" PRIu64 " requests answered\n",
               seconds(tally->held - tally->opened), tally->dpds, tally->child_rekeys, tally->ike_rekeys,
               tally->rekeys_refused, tally->answered);
    }
    if (options->delete) {
        printf("deleted    %" PRIu64 " in %.2f s\n", tally->deleted, seconds(tally->done - tally->held));
    }
}

static void print_json(const struct options *options, const struct tally *tally, uint64_t sent,
                       uint64_t received, uint64_t unsent)
{
    char text[80];
    ns_t opening = tally->opened - tally->started;
    printf("{\"sessions\": %u, \"begun\": %" PRIu64 ", \"came_up\": %" PRIu64 ", \"failed\": %" PRIu64
           ", \"lost\": %" PRIu64 ", \"deleted\": %" PRIu64 ", ",
           options->sessions, tally->begun, tally->came_up, tally->failed, tally->lost, tally->deleted);
    printf("\"opening_s\": %.6f, \"per_s\": %.1f, \"held_s\": %.6f, \"deleting_s\": %.6f, ", seconds(opening),
           rate(tally->came_up, opening), seconds(tally->held - tally->opened),
           seconds(tally->done - tally->held));
    printf("\"latency_ms\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"worst\": %.3f}, ",
           ms(latency_permille(&tally->latency, 500)), ms(latency_permille(&tally->latency, 900)),
           ms(latency_permille(&tally->latency, 990)), ms(tally->latency.worst));
    printf("\"datagrams\": {\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"unsent\": %" PRIu64
           ", \"repeated\": %" PRIu64 ", \"without_use\": %" PRIu64 ", \"no_room\": %" PRIu64 "}, ",
           sent, received, unsent, tally->repeated, tally->garbage, tally->no_room);
    printf("\"dpds\": %" PRIu64 ", \"child_rekeys\": %" PRIu64 ", \"ike_rekeys\": %" PRIu64
           ", \"rekeys_refused\": %" PRIu64 ", \"requests_answered\": %" PRIu64 ", \"causes\": [",
           tally->dpds, tally->child_rekeys, tally->ike_rekeys, tally->rekeys_refused, tally->answered);
    for (uint32_t i = 0; i < tally->num_causes; i++) {
        const struct tally_cause *cause = &tally->causes[i];
        printf("%s{\"cause\": \"%s\", \"was_up\": %s, \"count\": %" PRIu64 "}", i > 0 ? ", " : "",
               tally_cause_text(cause, text), cause->lost ? "true" : "false", cause->count);
    }
    puts("]}");
}

void report_summary(const struct options *options, const struct tally *tally, uint64_t sent,
                    uint64_t received, uint64_t unsent)
{
    (options->json ? print_json : print_text)(options, tally, sent, received, unsent);
    fflush(stdout);
}

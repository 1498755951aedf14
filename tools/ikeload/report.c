#include "tools/ikeload/report.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_EVERY (200 * NS_PER_MS)
#define LINE_EVERY (5 * NS_PER_S)

/* Numbers that are printed as they are. */
static const struct {
    const char *name;
    size_t at; /* in struct tally */
} fields[] = {
    {"dpds", offsetof(struct tally, done[CHORE_DPD])},
    {"child_rekeys", offsetof(struct tally, done[CHORE_REKEY_CHILD])},
    {"child_rekeys_refused", offsetof(struct tally, refused[CHORE_REKEY_CHILD])},
    {"ike_rekeys", offsetof(struct tally, done[CHORE_REKEY_IKE])},
    {"ike_rekeys_refused", offsetof(struct tally, refused[CHORE_REKEY_IKE])},
    {"requests_answered", offsetof(struct tally, answered)},
    {"gateway_child_rekeys", offsetof(struct tally, gateway_child_rekeys)},
    {"gateway_ike_rekeys", offsetof(struct tally, gateway_ike_rekeys)},
    {"pings_answered", offsetof(struct tally, done[CHORE_ECHO])},
    {"pings_repeated", offsetof(struct tally, echoes_repeated)},
    {"pings_unanswered", offsetof(struct tally, refused[CHORE_ECHO])},
    {"roamed", offsetof(struct tally, done[CHORE_ROAM])},
    {"roams_refused", offsetof(struct tally, refused[CHORE_ROAM])},
    {"rebound", offsetof(struct tally, done[CHORE_REBIND])},
    {"left", offsetof(struct tally, done[CHORE_LEAVE])},
    {"vanished", offsetof(struct tally, done[CHORE_VANISH])},
    {"returned", offsetof(struct tally, returned)},
    {"sas_left_over", offsetof(struct tally, leftover)},
    {"childless", offsetof(struct tally, bare)},
    {"esp_wrong", offsetof(struct tally, esp_wrong)},
    {"misplaced", offsetof(struct tally, misplaced)},
};

static uint64_t field_of(const struct tally *tally, size_t index)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)tally + fields[index].at, sizeof(value));
    return value;
}

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

void report_init(struct report *report, const struct options *options, const struct net *net)
{
    *report = (struct report){.options = options, .net = net, .terminal = isatty(STDERR_FILENO) == 1};
}

static void print_line(struct report *report, const struct tally *tally, const char *doing, ns_t now)
{
    fprintf(stderr,
            "%s%s: %" PRIu64 " of %u begun, %" PRIu64 " up (%.0f/s), %" PRIu64 " failed, %" PRIu64
            " lost, p50 %.1f ms, p99 %.1f ms%s",
            report->terminal ? "\r" : "", doing, tally->begun, report->options->sessions, tally->up,
            rate(tally->came_up - report->last_up, now - report->last_at), tally->failed, tally->lost,
            ms(latency_permille(&tally->latency, 500)), ms(latency_permille(&tally->latency, 990)),
            report->terminal ? "\033[K" : "\n");
    report->last_at = now;
    report->last_up = tally->came_up;
}

void report_progress_end(const struct report *report)
{
    if (!report->options->quiet && report->terminal && report->last_at != 0) {
        fputs("\r\033[K", stderr);
    }
}

static void print_text(const struct report *report, const struct tally *tally)
{
    char text[80];
    const struct options *options = report->options;
    const struct net *net = report->net;
    ns_t opening = tally->opened - tally->started;
    printf("sessions   %" PRIu64 " came up, %" PRIu64 " failed, %" PRIu64 " lost, of %u; in %.2f s: %.0f/s\n",
           tally->came_up, tally->failed, tally->lost, options->sessions, seconds(opening),
           rate(tally->came_up, opening));
    printf("latency    p50 %.2f ms, p99 %.2f ms, worst %.2f ms (IKE_SA_INIT sent to IKE_AUTH answered)\n",
           ms(latency_permille(&tally->latency, 500)), ms(latency_permille(&tally->latency, 990)),
           ms(tally->latency.worst));
    printf("datagrams  %" PRIu64 " sent, %" PRIu64 " received; %" PRIu64 " requests repeated, %" PRIu64
           " datagrams without use\n",
           net->sent, net->received, tally->repeated, tally->garbage);
    if (net->unsent > 0 || tally->no_room > 0) {
        printf("           %" PRIu64 " could not be sent, %" PRIu64 " came when the window was full\n",
               net->unsent, tally->no_room);
    }
    for (uint32_t i = 0; i < tally->num_causes; i++) {
        const struct tally_cause *cause = &tally->causes[i];
        printf("%-10s %" PRIu64 " %s\n", cause->lost ? "lost" : "failed", cause->count,
               tally_cause_text(cause, text));
    }
    if (options->hold > 0) {
        printf("held       %.1f s", seconds(tally->held - tally->opened));
        for (size_t i = 0; i < HF_COUNT(fields); i++) {
            uint64_t value = field_of(tally, i);
            if (value > 0) {
                printf(", %s %" PRIu64, fields[i].name, value);
            }
        }
        puts("");
    }
    if (options->delete) {
        printf("deleted    %" PRIu64 " in %.2f s\n", tally->deleted, seconds(tally->done_at - tally->held));
    }
}

static double seconds_between(ns_t from, ns_t to)
{
    return to > from ? seconds(to - from) : 0;
}

static void print_json(const struct report *report, const struct tally *tally)
{
    char text[80];
    const struct net *net = report->net;
    printf("{\"sessions\": %u, \"begun\": %" PRIu64 ", \"came_up\": %" PRIu64 ", \"failed\": %" PRIu64
           ", \"lost\": %" PRIu64 ", \"up\": %" PRIu64 ", \"deleted\": %" PRIu64 ", ",
           report->options->sessions, tally->begun, tally->came_up, tally->failed, tally->lost, tally->up,
           tally->deleted);
    printf("\"opening_s\": %.6f, \"per_s\": %.1f, \"held_s\": %.6f, \"deleting_s\": %.6f, ",
           seconds_between(tally->started, tally->opened),
           tally->opened > 0 ? rate(tally->came_up, tally->opened - tally->started) : 0,
           seconds_between(tally->opened, tally->held), seconds_between(tally->held, tally->done_at));
    printf("\"latency_ms\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"worst\": %.3f}, ",
           ms(latency_permille(&tally->latency, 500)), ms(latency_permille(&tally->latency, 900)),
           ms(latency_permille(&tally->latency, 990)), ms(tally->latency.worst));
    printf("\"datagrams\": {\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"unsent\": %" PRIu64
           ", \"repeated\": %" PRIu64 ", \"without_use\": %" PRIu64 ", \"no_room\": %" PRIu64 "}, ",
           net->sent, net->received, net->unsent, tally->repeated, tally->garbage, tally->no_room);
    for (size_t i = 0; i < HF_COUNT(fields); i++) {
        printf("\"%s\": %" PRIu64 ", ", fields[i].name, field_of(tally, i));
    }
    printf("\"causes\": [");
    for (uint32_t i = 0; i < tally->num_causes; i++) {
        const struct tally_cause *cause = &tally->causes[i];
        printf("%s{\"cause\": \"%s\", \"was_up\": %s, \"count\": %" PRIu64 "}", i > 0 ? ", " : "",
               tally_cause_text(cause, text), cause->lost ? "true" : "false", cause->count);
    }
    puts("]}");
    fflush(stdout);
}

void report_progress(struct report *report, const struct tally *tally, const char *doing, ns_t now)
{
    const struct options *options = report->options;
    ns_t every = report->terminal ? TERMINAL_EVERY : LINE_EVERY;
    if (report->next == 0) {
        report->next = now + every;
        report->next_object = now + options->report;
        report->last_at = now;
    }
    if (!options->quiet && now >= report->next) {
        print_line(report, tally, doing, now);
        report->next = now + every;
    }
    if (options->json && options->report > 0 && now >= report->next_object) {
        print_json(report, tally);
        report->next_object += options->report;
    }
}

void report_summary(const struct report *report, const struct tally *tally)
{
    (report->options->json ? print_json : print_text)(report, tally);
    fflush(stdout);
}

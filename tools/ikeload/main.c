/* ikeload: many IKEv2 sessions against one gateway. */
#include "tools/ikeload/deviate.h"
#include "tools/ikeload/hostile.h"
#include "tools/ikeload/load.h"
#include "tools/ikeload/report.h"

#include "edge/base/secret.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_BYTES_MAX = 65536, SECRET_BYTES_MAX = 4096 };

/* How long the loop waits at most: for the progress line and for Ctrl-C. */
#define WAIT_MOST (50 * NS_PER_MS)

static volatile sig_atomic_t stops;

static void stop(int signal)
{
    (void)signal;
    stops++;
}

/* The file's bytes in static memory of its own; false with a message on standard error. */
static bool file_read(const char *path, uint8_t *bytes, size_t room, struct span *ret)
{
    FILE *file = fopen(path, "rbe");
    size_t len = file == NULL ? 0 : fread(bytes, 1, room, file);
    bool good = file != NULL && !ferror(file) && len > 0 && len < room;
    if (!good) {
        fprintf(stderr, "ikeload: %s: %s\n", path,
                file == NULL || ferror(file) ? strerror(errno)
                : len == 0                   ? "is empty"
                                             : "is too long");
    }
    if (file != NULL) {
        fclose(file);
    }
    *ret = span_of(bytes, len);
    return good;
}

static bool read_psk(const char *path, struct load_secrets *secrets)
{
    static uint8_t bytes[SECRET_BYTES_MAX];
    if (!file_read(path, bytes, sizeof(bytes), &secrets->psk)) {
        return false;
    }
    const uint8_t *end = memchr(bytes, '\n', secrets->psk.len);
    secrets->psk.len = end != NULL ? (size_t)(end - bytes) : secrets->psk.len;
    return true;
}

static bool read_certificates(const struct options *options, struct load_secrets *secrets)
{
    static uint8_t chain[FILE_BYTES_MAX], key[FILE_BYTES_MAX], ca[FILE_BYTES_MAX];
    char error[CRYPTO_ERROR_MAX];
    struct span chain_pem, key_pem, ca_pem;
    struct trust *trust = trust_new(CRL_IF_PRESENT);
    trust_of_gateways(trust);
    secrets->trust = trust;
    if (!file_read(options->certificate, chain, sizeof(chain), &chain_pem) ||
        !file_read(options->key, key, sizeof(key), &key_pem) ||
        !file_read(options->ca, ca, sizeof(ca), &ca_pem)) {
        return false;
    }
    secrets->credential = credential_new(chain_pem, key_pem, error);
    secret_wipe(key, sizeof(key));
    if (secrets->credential == NULL || !trust_add_ca(trust, ca_pem, error)) {
        fprintf(stderr, "ikeload: %s: %s\n", secrets->credential == NULL ? options->certificate : options->ca,
                error);
        return false;
    }
    return true;
}

static bool identity_is_good(const char *text)
{
    struct identity id;
    bool good = strlen(text) < 128 && identity_parse(text, &id);
    if (!good) {
        fprintf(stderr, "ikeload: '%s' is no identity\n", text);
    }
    return good;
}

/* How many sessions more should have been begun by now. */
static uint32_t behind(const struct load *load, ns_t now)
{
    double rate = load->options->rate;
    if (rate == 0) {
        return UINT32_MAX;
    }
    double wanted = (double)(now - load->tally.started) / 1e9 * rate + 1;
    return wanted > load->next_open ? (uint32_t)(wanted - load->next_open) : 0;
}

static ns_t next_begin(const struct load *load, ns_t now)
{
    double rate = load->options->rate;
    bool more = load->next_open < load->options->sessions && load->num_free > 0;
    ns_t at = rate > 0 ? load->tally.started + (ns_t)((double)load->next_open / rate * 1e9) : now;
    return more ? at : NS_NEVER;
}

static void run_opening(struct load *load, struct report *report)
{
    load->tally.started = load_clock();
    while (stops == 0 && (load->next_open < load->options->sessions || !load_is_idle(load)) &&
           load->tally.came_up + load->tally.failed < load->options->sessions) {
        ns_t now = load_clock();
        load_timers(load, now);
        load_open(load, now, behind(load, now));
        report_progress(report, &load->tally, "opening", now);
        now = load_clock();
        load_wait(load, HF_MIN(now + WAIT_MOST, next_begin(load, now)));
    }
    load->tally.opened = load_clock();
}

static void run_hold(struct load *load, struct report *report)
{
    ns_t end = load->options->hold == NS_NEVER ? NS_NEVER : load->tally.opened + load->options->hold;
    for (ns_t now = load_clock(); stops == 0 && now < end && load->tally.up > 0; now = load_clock()) {
        load_timers(load, now);
        report_progress(report, &load->tally, "holding", now);
        load_wait(load, HF_MIN(now + WAIT_MOST, end));
    }
    load->tally.held = load_clock();
}

/* Lets what is under way come to its end, and deletes, if asked to. */
static void run_closing(struct load *load, struct report *report)
{
    int before = stops;
    load_close(load, load_clock());
    while (stops <= before && !(load_is_idle(load) && (load->tally.up == 0 || !load->options->delete))) {
        ns_t now = load_clock();
        load_timers(load, now);
        report_progress(report, &load->tally, "closing", now);
        load_wait(load, now + WAIT_MOST);
    }
    load->tally.done_at = load_clock();
}

/* Between opening and hold. */
static void run_hostile(struct load *load)
{
    static struct hostile hostile;
    if (!hostile_init(&hostile, load)) {
        stops++;
        return;
    }
    while (stops == 0 && hostile_step(&hostile)) {
    }
    hostile_end(&hostile);
}

static int verdict(const struct load *load)
{
    const struct tally *tally = &load->tally;
    if (stops > 0) {
        return IKELOAD_STOPPED;
    }
    if (!tally->heard) {
        return IKELOAD_NO_ANSWER;
    }
    bool good = tally->failed + tally->lost + tally->leftover + tally->bare + tally->esp_wrong == 0 &&
                tally->refused[CHORE_ECHO] == 0;
    return good ? IKELOAD_OK : IKELOAD_FAILED;
}

static int run(const struct options *options, const struct load_secrets *secrets)
{
    static struct load load;
    struct report report;
    if (!load_init(&load, options, secrets)) {
        return IKELOAD_FAILED;
    }
    report_init(&report, options, &load.net);
    run_opening(&load, &report);
    if (options->hostile > 0) {
        run_hostile(&load);
    }
    run_hold(&load, &report);
    run_closing(&load, &report);
    report_progress_end(&report);
    report_summary(&report, &load.tally);
    int code = verdict(&load);
    load_done(&load);
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    struct load_secrets secrets = {0};
    int code;
    if (!options_parse(argc, argv, &options, &code)) {
        return code;
    }
    if (options.list_deviations) {
        deviate_list(&options);
        return IKELOAD_OK;
    }
    if (!identity_is_good(options.identity) ||
        !(options.psk != NULL ? read_psk(options.psk, &secrets) : read_certificates(&options, &secrets))) {
        return IKELOAD_USAGE;
    }
    if (options.deviate != NULL) {
        return deviate_run(&options, &secrets);
    }
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return run(&options, &secrets);
}

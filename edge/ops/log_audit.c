/* What the core's audit records look like as lines. */
#include "edge/ops/log.h"

#include "edge/ops/describe.h"
#include "edge/ops/log_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *event;
    enum log_level level;
} kinds[] = {
    [AUDIT_SESSION_UP] = {"session_up", LOG_LEVEL_INFO},
    [AUDIT_SESSION_DOWN] = {"session_down", LOG_LEVEL_INFO},
    [AUDIT_LOGIN_FAILED] = {"login_failed", LOG_LEVEL_WARNING},
    [AUDIT_SESSION_RESTORED] = {"session_restored", LOG_LEVEL_DEBUG}, /* `ready` says how many */
    [AUDIT_RESTORE_FAILED] = {"restore_failed", LOG_LEVEL_WARNING},
    [AUDIT_IKE_REKEYED] = {"ike_rekeyed", LOG_LEVEL_DEBUG},
    [AUDIT_SESSION_MOVED] = {"session_moved", LOG_LEVEL_INFO},
    [AUDIT_CHILD_UP] = {"child_up", LOG_LEVEL_DEBUG},
    [AUDIT_CHILD_DOWN] = {"child_down", LOG_LEVEL_DEBUG},
    [AUDIT_CHILD_FAILED] = {"child_failed", LOG_LEVEL_WARNING},
    [AUDIT_QUIRK] = {"quirk", LOG_LEVEL_DEBUG},
    [AUDIT_STORE_FAILED] = {"store_failed", LOG_LEVEL_ERROR},
    [AUDIT_STORE_RECOVERED] = {"store_recovered", LOG_LEVEL_INFO},
    [AUDIT_READY] = {"ready", LOG_LEVEL_INFO},
};

enum log_level log_audit_level(const struct audit *audit)
{
    hf_assert((size_t)audit->type < HF_COUNT(kinds));
    return kinds[audit->type].level;
}

/* ---- the message ---- */

struct words {
    char text[1400];
    size_t len;
};

static void say(struct words *words, const char *format, ...) HF_PRINTF(2, 3);

static void say(struct words *words, const char *format, ...)
{
    size_t room = sizeof(words->text) - words->len;
    va_list args;

    va_start(args, format);
    int len = vsnprintf(words->text + words->len, room, format, args);
    va_end(args);
    words->len += len < 0 ? 0 : HF_MIN((size_t)len, room - 1);
}

static bool endpoint_known(const struct endpoint *ep)
{
    return ep->port != 0;
}

static void say_who(struct words *words, const struct audit *audit)
{
    char id[IDENTITY_TEXT_MAX];

    if (audit->remote_id != NULL) {
        say(words, "%s", identity_format(audit->remote_id, id));
    } else if (audit->session_id != 0) {
        say(words, "session %016" PRIx64, audit->session_id);
    } else {
        say(words, "a client");
    }
}

static void say_from(struct words *words, const struct audit *audit)
{
    char text[ENDPOINT_TEXT_MAX];

    if (endpoint_known(&audit->remote)) {
        say(words, " from %s", endpoint_format(&audit->remote, text));
    }
}

static void say_addresses(struct words *words, const struct audit *audit, const char *before)
{
    char text[IP_TEXT_MAX];

    for (uint32_t i = 0; i < audit->num_addresses; i++) {
        say(words, "%s%s", i == 0 ? before : " and ", ip_format(&audit->addresses[i], text));
    }
}

static void say_why(struct words *words, const struct audit *audit)
{
    if (audit->cause != CAUSE_NONE) {
        say(words, ": %s", cause_text(audit->cause));
    }
    if (audit->detail != NULL && audit->detail[0] != '\0') {
        say(words, " (%s)", audit->detail);
    }
}

static void say_up(struct words *words, const struct audit *audit, const char *verb)
{
    say_who(words, audit);
    say(words, " %s", verb);
    say_from(words, audit);
    say_addresses(words, audit, " as ");
    if (audit->connection != NULL) {
        say(words, " (%s)", audit->connection);
    }
}

static void say_down(struct words *words, const struct audit *audit)
{
    char duration[AMOUNT_TEXT_MAX], in[AMOUNT_TEXT_MAX], out[AMOUNT_TEXT_MAX];

    say_who(words, audit);
    say(words, " disconnected");
    say_why(words, audit);
    say(words, "; after %s, %s received, %s sent", span_of_time_format(audit->duration, duration),
        bytes_format(audit->bytes_in, in), bytes_format(audit->bytes_out, out));
}

static void say_failed(struct words *words, const struct audit *audit)
{
    say(words, "login failed");
    if (audit->remote_id != NULL) {
        say(words, " for ");
        say_who(words, audit);
    }
    say_from(words, audit);
    say_why(words, audit);
}

static void say_event(struct words *words, const struct audit *audit, const char *what)
{
    say_who(words, audit);
    say(words, " %s", what);
    say_why(words, audit);
}

static void say_quirk(struct words *words, const struct audit *audit)
{
    say_who(words, audit);
    say(words, " is different");
    for (int quirk = 0; quirk < QUIRK_COUNT; quirk++) {
        const struct quirk_row *row = quirk_row((enum quirk)quirk);
        if (audit->detail != NULL && strcmp(audit->detail, row->name) == 0) {
            say(words, " (%s, known from %s): %s; %s", row->name, row->whose, row->known_by, row->done);
        }
    }
}

static void message_say(struct words *words, uint32_t worker, const struct audit *audit)
{
    switch (audit->type) {
    case AUDIT_SESSION_UP:
        say_up(words, audit, "connected");
        break;
    case AUDIT_SESSION_RESTORED:
        say_up(words, audit, "restored");
        break;
    case AUDIT_SESSION_DOWN:
        say_down(words, audit);
        break;
    case AUDIT_LOGIN_FAILED:
        say_failed(words, audit);
        break;
    case AUDIT_RESTORE_FAILED:
        say(words, "a stored session was not restored");
        say_why(words, audit);
        break;
    case AUDIT_IKE_REKEYED:
        say_event(words, audit, "has new IKE keys");
        break;
    case AUDIT_SESSION_MOVED:
        say_event(words, audit, "has moved");
        break;
    case AUDIT_CHILD_UP:
        say_event(words, audit, "has a new Child SA");
        break;
    case AUDIT_CHILD_DOWN:
        say_event(words, audit, "has lost a Child SA");
        break;
    case AUDIT_CHILD_FAILED:
        say_event(words, audit, "was refused a Child SA");
        break;
    case AUDIT_QUIRK:
        say_quirk(words, audit);
        break;
    case AUDIT_STORE_FAILED:
        say(words, "the session store failed; sessions go on, but new ones would not survive a restart");
        say_why(words, audit);
        break;
    case AUDIT_STORE_RECOVERED:
        say(words, "the session store works again");
        break;
    case AUDIT_READY:
        say(words, "worker %u is ready; %u sessions restored", worker, audit->count);
        break;
    }
}

/* ---- the line ---- */

static void put_identity(struct json *j, const char *key, const struct identity *id)
{
    char text[IDENTITY_TEXT_MAX];

    if (id != NULL) {
        json_string(j, key, identity_format(id, text));
    }
}

static void put_places(struct json *j, const struct audit *audit)
{
    if (endpoint_known(&audit->remote)) {
        json_endpoint(j, "remote", &audit->remote);
    }
    if (endpoint_known(&audit->local)) {
        json_endpoint(j, "local", &audit->local);
    }
    if (audit->num_addresses > 0) {
        json_array_begin(j, "addresses");
        for (uint32_t i = 0; i < audit->num_addresses; i++) {
            json_ip(j, NULL, &audit->addresses[i]);
        }
        json_array_end(j);
    }
}

static void put_sas(struct json *j, const struct audit *audit)
{
    char text[SUITE_TEXT_MAX];

    if (audit->spi_i != 0 || audit->spi_r != 0) {
        json_hex(j, "spi_i", audit->spi_i, 16);
        json_hex(j, "spi_r", audit->spi_r, 16);
    }
    if (audit->suite.encr != 0) {
        json_string(j, "ike", ike_suite_format(&audit->suite, text));
    }
    if (audit->esp_spi_in != 0 || audit->esp_spi_out != 0) {
        json_hex(j, "esp_spi_in", audit->esp_spi_in, 8);
        json_hex(j, "esp_spi_out", audit->esp_spi_out, 8);
    }
}

static void put_session(struct json *j, const struct audit *audit)
{
    if (audit->session_id != 0) {
        json_hex(j, "session", audit->session_id, 16);
    }
    put_identity(j, "identity", audit->remote_id);
    put_identity(j, "local_identity", audit->local_id);
    if (audit->connection != NULL) {
        json_string(j, "connection", audit->connection);
    }
    put_places(j, audit);
    put_sas(j, audit);
}

static void put_amounts(struct json *j, const struct audit *audit)
{
    if (audit->type == AUDIT_SESSION_DOWN) {
        json_u64(j, "bytes_in", audit->bytes_in);
        json_u64(j, "bytes_out", audit->bytes_out);
        json_seconds(j, "duration_s", audit->duration);
    }
    if (audit->type == AUDIT_READY) {
        json_u64(j, "restored", audit->count);
    }
}

static size_t line_format(char *ret_line, size_t cap, size_t string_max, int64_t wall_ns, uint32_t worker,
                          const struct audit *audit)
{
    struct json j = json_of(ret_line, cap);
    struct words words = {.text = ""};

    message_say(&words, worker, audit);
    j.string_max = string_max;
    log_line_begin(&j, wall_ns, log_audit_level(audit), kinds[audit->type].event);
    if (audit->cause != CAUSE_NONE) {
        json_string(&j, "cause", cause_json(audit->cause));
    }
    json_string(&j, "message", words.text);
    json_u64(&j, "worker", worker);
    put_session(&j, audit);
    if (audit->detail != NULL && audit->detail[0] != '\0') {
        json_string(&j, "detail", audit->detail);
    }
    put_amounts(&j, audit);
    json_object_end(&j);
    return json_end(&j);
}

size_t log_format_audit(char *ret_line, size_t cap, int64_t wall_ns, uint32_t worker,
                        const struct audit *audit)
{
    size_t len = line_format(ret_line, cap, SIZE_MAX, wall_ns, worker, audit);
    return len > 0 ? len : line_format(ret_line, cap, LOG_STRING_SHORT, wall_ns, worker, audit);
}

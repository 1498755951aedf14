/* The control socket: one JSON object a line in, lines out (docs/CONTROL.md). What is about sessions goes to
 * one worker after the other, in parts, as fast as the client reads. */
#include "edge/daemon/daemon.h"

#include "edge/daemon/fleet_status.h"
#include "edge/daemon/steer_status.h"
#include "edge/ops/metrics.h"

#include <stdio.h>
#include <stdlib.h>

/* A list in the making. */
struct job {
    struct mail_ask ask;
    uint32_t worker, count;
    bool must_match; /* none found is an error */
};

static size_t line_len(const struct stream *stream)
{
    const char *end = memchr(stream->in, '\n', stream->in_len);
    return end == NULL ? 0 : (size_t)(end - stream->in) + 1;
}

static void end_line(struct stream *stream, size_t len)
{
    stream_wrote(stream, len);
    stream_write(stream, "\n", 1);
}

void stream_done(struct stream *stream, uint32_t count)
{
    if (stream == NULL) {
        return;
    }
    char *room = stream_room(stream, CONTROL_LINE_MAX);
    if (room != NULL) {
        end_line(stream, control_done_format(room, CONTROL_LINE_MAX, count));
    }
    stream_answered(stream);
}

void stream_error(struct stream *stream, const char *error, const char *message)
{
    if (stream == NULL) {
        return;
    }
    char *room = stream_room(stream, CONTROL_LINE_MAX);
    if (room != NULL) {
        end_line(stream, control_error_format(room, CONTROL_LINE_MAX, error, message));
    }
    stream_answered(stream);
}

/* ---- lists of sessions */

static void list_begin(struct stream *stream, enum ask_type type, const struct control_request *request)
{
    struct job *job = calloc(1, sizeof(*job));
    free(stream->job_data);
    stream->job_data = job;
    if (job == NULL) {
        stream_error(stream, "failed", "no memory for the answer");
        return;
    }
    job->ask = (struct mail_ask){.type = type, .selector = request->selector};
    job->must_match = request->selector.type != SELECT_ALL;
}

static void list_more(struct stream *stream)
{
    struct daemon *d = stream->server->context;
    struct job *job = stream->job_data;
    if (job->worker == d->num_workers) {
        if (job->count == 0 && job->must_match) {
            stream_error(stream, "no_session", "no session matches");
        } else {
            stream_done(stream, job->count);
        }
        return;
    }
    const struct mail_answer *answer = daemon_ask(d, job->worker, &job->ask);
    if (answer == NULL) {
        stream_error(stream, "busy", "a worker does not answer; try again");
        return;
    }
    stream_write(stream, answer->bytes, answer->len);
    job->count += answer->count;
    job->ask.cursor = answer->cursor;
    if (answer->last) {
        job->worker++;
        job->ask.cursor = 0;
    }
}

/* ---- the rest */

static void answer_status(struct stream *stream)
{
    struct status *status = status_new(stream->server->context);
    char *room = stream_room(stream, CONTROL_LINE_MAX);
    size_t len = status == NULL || room == NULL
                     ? 0
                     : control_status_format(room, CONTROL_LINE_MAX, status_snapshot(status));
    status_free(status);
    if (len == 0) {
        stream_error(stream, "busy", "a worker does not answer; try again");
        return;
    }
    end_line(stream, len);
    stream_done(stream, 1);
}

static void answer_metrics(struct stream *stream)
{
    struct status *status = status_new(stream->server->context);
    char *text = malloc(METRICS_BYTES_MAX);
    char *room = stream_room(stream, 6 * METRICS_BYTES_MAX);
    size_t len = 0;
    if (status != NULL && text != NULL && room != NULL &&
        metrics_format(text, METRICS_BYTES_MAX, status_snapshot(status)) > 0) {
        len = control_text_format(room, 6 * METRICS_BYTES_MAX, text);
    }
    free(text);
    status_free(status);
    if (len == 0) {
        stream_error(stream, "busy", "a worker does not answer; try again");
        return;
    }
    end_line(stream, len);
    stream_done(stream, 1);
}

static void answer_steer(struct stream *stream)
{
    struct daemon *d = stream->server->context;
    uint32_t epochs[4];
    char *room = stream_room(stream, CONTROL_LINE_MAX);
    size_t len = room == NULL || !daemon_ask_epochs(d, epochs)
                     ? 0
                     : steer_status_format(room, CONTROL_LINE_MAX, &d->feed, epochs);
    if (len == 0) {
        stream_error(stream, "busy", "a worker does not answer; try again");
        return;
    }
    end_line(stream, len);
    stream_done(stream, 1);
}

/* What has been reported since the last time, and more of it until nobody asks any more. */
static void answer_trace(struct stream *stream, const struct control_selector *selector)
{
    struct daemon *d = stream->server->context;
    char line[TRACE_LINE_MAX];
    uint32_t count = 0;
    size_t len;
    if (d->feed.steering == NULL) {
        stream_error(stream, "failed", "steering is off");
    } else if (!steer_trace_start(&d->feed, selector, daemon_now())) {
        stream_error(stream, "bad_request", "not an address or an SPI (0x...)");
    } else {
        steer_events_take(&d->feed);
        for (; (len = steer_trace_next(&d->feed, line)) > 0; count++) {
            stream_write(stream, line, len);
            stream_write(stream, "\n", 1);
        }
        stream_done(stream, count);
    }
}

static void answer_bgp(struct stream *stream, const struct control_request *request)
{
    struct daemon *d = stream->server->context;
    bool is_config = request->command == CONTROL_BGP_CONFIG;
    size_t cap = is_config ? (size_t)12 * FRR_TEXT_MAX : CONTROL_LINE_MAX, len = 0;
    if (!d->bgp.is_on) {
        stream_error(stream, "failed", "the config has no section bgp");
        return;
    }
    if (request->command == CONTROL_BGP_ANNOUNCE) {
        bgp_override(d, ANNOUNCE_BY_FORCE, request->reason);
    } else if (request->command == CONTROL_BGP_WITHDRAW) {
        bgp_override(d, ANNOUNCE_NEVER, request->reason);
    } else if (request->command == CONTROL_BGP_AUTO) {
        bgp_override(d, ANNOUNCE_BY_HEALTH, request->reason);
    }
    char *room = stream_room(stream, cap);
    if (room != NULL) {
        len = is_config ? bgp_config_format(d, room, cap) : bgp_format(d, room, cap);
    }
    if (len == 0) {
        stream_error(stream, "failed", "no memory for the answer");
        return;
    }
    end_line(stream, len);
    stream_done(stream, 1);
}

static void answer_drain(struct stream *stream, bool is_draining)
{
    struct daemon *d = stream->server->context;
    if (d->state == NODE_STARTING) {
        stream_error(stream, "busy", "the daemon starts; try again");
        return;
    }
    for (uint32_t i = 0; i < d->num_workers; i++) {
        struct mail_ask ask = {.type = is_draining ? ASK_DRAIN : ASK_UNDRAIN};
        if (daemon_ask(d, i, &ask) == NULL) {
            stream_error(stream, "busy", "a worker does not answer; try again");
            return;
        }
    }
    d->state = is_draining ? NODE_DRAINING : NODE_READY;
    log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_INFO, is_draining ? "draining" : "undrained",
              LOG_NO_FIELDS,
              is_draining ? "no new sessions are accepted" : "new sessions are accepted again");
    if (d->fleet.engine != NULL) {
        fleet_host_drain(d, is_draining);
    }
    stream_done(stream, 0);
}

/* ---- the fleet */

static void answer_fleet(struct stream *stream)
{
    struct daemon *d = stream->server->context;
    struct fleet_member_view members[FLEET_MEMBERS_MAX];
    uint32_t count = fleet_members(d->fleet.engine, daemon_now(), members, HF_COUNT(members));
    char *room = stream_room(stream, CONTROL_LINE_MAX);
    if (room != NULL) {
        end_line(stream,
                 fleet_status_format(room, CONTROL_LINE_MAX, d->fleet.engine, d->config_start->fleet.node,
                                     d->config_start->shard_bits, daemon_now()));
    }
    for (uint32_t i = 0; i < count; i++) {
        room = stream_room(stream, CONTROL_LINE_MAX);
        if (room != NULL) {
            end_line(stream, fleet_member_format(room, CONTROL_LINE_MAX, &members[i]));
        }
    }
    stream_done(stream, count);
}

static void answer_shards(struct stream *stream)
{
    struct daemon *d = stream->server->context;
    uint32_t num_shards = UINT32_C(1) << d->config_start->shard_bits;
    for (uint32_t first = 0; first < num_shards; first += FLEET_SHARDS_PER_LINE) {
        char *room = stream_room(stream, CONTROL_LINE_MAX);
        if (room != NULL) {
            end_line(stream,
                     fleet_shards_format(room, CONTROL_LINE_MAX, d->fleet.engine, first, num_shards - first));
        }
    }
    stream_done(stream, num_shards);
}

static void answer_forget(struct stream *stream, uint16_t node)
{
    struct daemon *d = stream->server->context;
    switch (fleet_host_forget(d, node)) {
    case STORE_OK:
        stream_done(stream, 1);
        break;
    case STORE_FENCED:
        stream_error(stream, "failed", "the node has a lease: stop it first");
        break;
    default:
        stream_error(stream, "failed", "the store does not answer");
        break;
    }
}

static void answer_of_fleet(struct stream *stream, const struct control_request *request)
{
    struct daemon *d = stream->server->context;
    if (d->fleet.engine == NULL) {
        stream_error(stream, "failed", "this node is in no fleet: its config has no `fleet:`");
    } else if (request->command == CONTROL_FLEET) {
        answer_fleet(stream);
    } else if (request->command == CONTROL_FLEET_SHARDS) {
        answer_shards(stream);
    } else {
        answer_forget(stream, request->node);
    }
}

void stream_findings(struct stream *stream, const struct config_errors *errors)
{
    for (uint32_t i = 0; stream != NULL && i < errors->count; i++) {
        char *room = stream_room(stream, CONTROL_LINE_MAX);
        if (room != NULL) {
            end_line(stream, control_finding_format(room, CONTROL_LINE_MAX, errors, &errors->v[i]));
        }
    }
}

void stream_changes(struct stream *stream, const struct config_changes *changes)
{
    for (uint32_t i = 0; stream != NULL && i < changes->count; i++) {
        char *room = stream_room(stream, CONTROL_LINE_MAX);
        if (room != NULL) {
            end_line(stream, control_change_format(room, CONTROL_LINE_MAX, &changes->v[i]));
        }
    }
}

static void write_changes(struct stream *stream, const struct config *before, const struct config *after)
{
    struct config_changes *changes = malloc(sizeof(*changes));
    if (changes != NULL) {
        config_diff(before, after, changes);
        stream_changes(stream, changes);
    }
    free(changes);
}

static void answer_check(struct stream *stream, const char *path)
{
    struct daemon *d = stream->server->context;
    struct config_errors *errors = malloc(sizeof(*errors));
    struct config *config = NULL;
    struct policy *policy = NULL;
    if (errors == NULL) {
        stream_error(stream, "failed", "no memory for the answer");
        return;
    }
    bool fine = daemon_load(path, d->num_workers, &config, &policy, errors);
    stream_findings(stream, errors);
    if (fine) {
        write_changes(stream, d->config, config);
        stream_done(stream, errors->count);
    } else {
        stream_error(stream, "config_refused", "the daemon would refuse this config");
    }
    policy_free(policy);
    config_free(config);
    free(errors);
}

static void answer(struct stream *stream, const struct control_request *request)
{
    struct daemon *d = stream->server->context;
    const char *path = request->config[0] != '\0' ? request->config : d->config_path;
    switch (request->command) {
    case CONTROL_STATUS:
        answer_status(stream);
        break;
    case CONTROL_SESSIONS:
    case CONTROL_SHOW:
        list_begin(stream, ASK_SESSIONS, request);
        break;
    case CONTROL_DISCONNECT:
        list_begin(stream, ASK_DISCONNECT, request);
        break;
    case CONTROL_RELOAD:
        daemon_reload(d, path, stream);
        break;
    case CONTROL_CHECK:
        answer_check(stream, path);
        break;
    case CONTROL_METRICS:
        answer_metrics(stream);
        break;
    case CONTROL_DRAIN:
    case CONTROL_UNDRAIN:
        answer_drain(stream, request->command == CONTROL_DRAIN);
        break;
    case CONTROL_FLEET:
    case CONTROL_FLEET_SHARDS:
    case CONTROL_FLEET_FORGET:
        answer_of_fleet(stream, request);
        break;
    case CONTROL_STEER:
        answer_steer(stream);
        break;
    case CONTROL_BGP:
    case CONTROL_BGP_CONFIG:
    case CONTROL_BGP_ANNOUNCE:
    case CONTROL_BGP_WITHDRAW:
    case CONTROL_BGP_AUTO:
        answer_bgp(stream, request);
        break;
    case CONTROL_TRACE:
        answer_trace(stream, &request->selector);
        break;
    }
}

static void request(struct stream *stream, struct span line)
{
    struct control_request parsed;
    char error[CONTROL_ERROR_MAX];
    if (control_request_parse(span_of(line.data, line.len - 1), &parsed, error)) {
        answer(stream, &parsed);
    } else {
        stream_error(stream, "bad_request", error);
    }
}

int control_open(struct daemon *d, int fd)
{
    d->control.context = d;
    d->control.request_len = line_len;
    d->control.request = request;
    d->control.more = list_more;
    return server_open(&d->control, &d->loop, fd);
}

/* Lines of answers. */
#include "edge/ops/control.h"

#include "edge/ops/describe.h"

/* ---- sessions ---- */

static void put_identity(struct json *j, const char *key, const struct identity *id)
{
    char text[IDENTITY_TEXT_MAX];
    json_string(j, key, id == NULL ? NULL : identity_format(id, text));
}

static void put_ranges(struct json *j, const char *key, const struct ts_range *ranges, uint32_t count)
{
    char text[RANGE_TEXT_MAX];

    json_array_begin(j, key);
    for (uint32_t i = 0; i < count; i++) {
        json_string(j, NULL, range_format(&ranges[i], text));
    }
    json_array_end(j);
}

static void put_limit(struct json *j, const char *key, uint64_t limit)
{
    if (limit == 0) {
        json_null(j, key);
    } else {
        json_u64(j, key, limit);
    }
}

static void put_child(struct json *j, const struct child_view *child, const struct plane_counters *counters)
{
    char text[SUITE_TEXT_MAX];

    json_object_begin(j, NULL);
    json_hex(j, "spi_in", child->spi_in, 8);
    json_hex(j, "spi_out", child->spi_out, 8);
    json_string(j, "esp", esp_suite_format(&child->suite, text));
    json_seconds(j, "age_s", child->age);
    put_ranges(j, "local_subnets", child->ts_local, child->num_ts_local);
    put_ranges(j, "remote_subnets", child->ts_remote, child->num_ts_remote);
    put_limit(j, "rekey_bytes", child->soft.bytes);
    put_limit(j, "rekey_packets", child->soft.packets);
    put_limit(j, "limit_bytes", child->hard.bytes);
    put_limit(j, "limit_packets", child->hard.packets);
    if (counters != NULL) {
        json_u64(j, "bytes_in", counters->bytes_in);
        json_u64(j, "bytes_out", counters->bytes_out);
        json_u64(j, "packets_in", counters->packets_in);
        json_u64(j, "packets_out", counters->packets_out);
    }
    json_object_end(j);
}

static void put_traffic(struct json *j, const struct session_view *view,
                        const struct plane_counters *counters)
{
    uint64_t in = 0, out = 0;

    for (uint32_t i = 0; counters != NULL && i < view->num_children; i++) {
        in += counters[i].bytes_in;
        out += counters[i].bytes_out;
    }
    if (counters != NULL) {
        json_u64(j, "bytes_in", in);
        json_u64(j, "bytes_out", out);
    }
}

static void put_agreed(struct json *j, uint32_t agreed)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{AGREED_MOBIKE, "mobike"},
                 {AGREED_FRAGMENTATION, "fragmentation"},
                 {AGREED_MESSAGE_ID_SYNC, "message_id_sync"},
                 {AGREED_REPLAY_COUNTER_SYNC, "replay_counter_sync"},
                 {AGREED_REDIRECT, "redirect"}};

    json_array_begin(j, "agreed");
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        if ((agreed & names[i].bit) != 0) {
            json_string(j, NULL, names[i].name);
        }
    }
    json_array_end(j);
}

static void put_session(struct json *j, const struct session_view *view, uint32_t worker)
{
    char text[SUITE_TEXT_MAX];

    json_hex(j, "session", view->session_id, 16);
    json_string(j, "state", view->established ? "established" : "half_open");
    put_identity(j, "identity", view->remote_id);
    put_identity(j, "local_identity", view->local_id);
    json_string(j, "connection", view->connection);
    json_endpoint(j, "remote", &view->remote);
    json_endpoint(j, "local", &view->local);
    json_array_begin(j, "addresses");
    for (uint32_t i = 0; i < view->num_addresses; i++) {
        json_ip(j, NULL, &view->addresses[i]);
    }
    json_array_end(j);
    json_bool(j, "nat", view->behind_nat);
    json_array_begin(j, "quirks");
    for (int quirk = 0; quirk < QUIRK_COUNT; quirk++) {
        if ((view->quirks & UINT32_C(1) << quirk) != 0) {
            json_string(j, NULL, quirk_row((enum quirk)quirk)->name);
        }
    }
    json_array_end(j);
    put_agreed(j, view->agreed);
    json_bool(j, "resumed", view->resumed);
    json_bool(j, "restored", view->restored);
    json_bool(j, "saved", view->established && !view->unsaved);
    json_seconds(j, "age_s", view->age);
    json_seconds(j, "idle_s", view->idle);
    if (view->login_left == NS_NEVER) {
        json_null(j, "login_ends_s");
    } else {
        json_seconds(j, "login_ends_s", view->login_left);
    }
    json_hex(j, "spi_i", view->spi_i, 16);
    json_hex(j, "spi_r", view->spi_r, 16);
    json_string(j, "ike", view->suite.encr == 0 ? NULL : ike_suite_format(&view->suite, text));
    json_u64(j, "worker", worker);
    json_u64(j, "shard", view->shard);
}

size_t control_session_format(char *ret_line, size_t cap, const struct session_view *view, uint32_t worker,
                              const struct plane_counters *counters)
{
    struct json j = json_of(ret_line, cap);

    json_object_begin(&j, NULL);
    json_object_begin(&j, "session");
    put_session(&j, view, worker);
    put_traffic(&j, view, counters);
    json_array_begin(&j, "children");
    for (uint32_t i = 0; i < view->num_children; i++) {
        put_child(&j, &view->children[i], counters == NULL ? NULL : &counters[i]);
    }
    json_array_end(&j);
    json_object_end(&j);
    json_object_end(&j);
    return json_end(&j);
}

/* ---- configs ---- */

size_t control_finding_format(char *ret_line, size_t cap, const struct config_errors *errors,
                              const struct config_finding *finding)
{
    struct json j = json_of(ret_line, cap);
    char text[CONFIG_LINE_MAX];

    json_object_begin(&j, NULL);
    json_object_begin(&j, "finding");
    json_string(&j, "severity", finding->warning ? "warning" : "error");
    json_string(&j, "file", errors->file);
    json_u64(&j, "line", finding->line);
    json_u64(&j, "column", finding->column);
    json_string(&j, "path", finding->path);
    json_string(&j, "reason", finding->reason);
    json_string(&j, "text", config_finding_format(errors, finding, text));
    json_object_end(&j);
    json_object_end(&j);
    return json_end(&j);
}

size_t control_change_format(char *ret_line, size_t cap, const struct config_change *change)
{
    struct json j = json_of(ret_line, cap);

    json_object_begin(&j, NULL);
    json_object_begin(&j, "change");
    json_bool(&j, "restart", change->restart);
    json_string(&j, "text", change->text);
    json_object_end(&j);
    json_object_end(&j);
    return json_end(&j);
}

/* ---- status ---- */

static void put_node(struct json *j, const struct snapshot *s)
{
    char time[TIME_TEXT_MAX];

    json_string(j, "version", s->version);
    json_string(j, "state", node_state_name(s->state));
    json_string(j, "time", time_format(s->now_unix_ns, time));
    json_seconds(j, "uptime_s", s->uptime);
    json_u64(j, "workers", s->num_workers);
    json_array_begin(j, "listen");
    for (uint32_t i = 0; i < s->num_listen; i++) {
        json_endpoint(j, NULL, &s->listen[i]);
    }
    json_array_end(j);
    json_string(j, "plane", s->plane);
    json_string(j, "interface", s->plane_interface);
    json_string(j, "store", s->store);
    json_bool(j, "store_ok", s->store_ok);
    json_string(j, "config", s->config_file);
    json_string(j, "config_loaded", time_format(s->config_loaded_unix_s * 1000000000, time));
    json_bool(j, "config_reload_ok", s->config_reload_ok);
    json_u64(j, "log_lines_lost", s->log_lost);
}

static void put_counts(struct json *j, const struct snapshot *s)
{
    struct core_counters sum;
    uint64_t failed = 0, dropped = 0;

    counters_sum(s->workers, s->num_workers, &sum);
    for (int cause = 0; cause < CAUSE_COUNT; cause++) {
        failed += sum.handshakes[cause];
        dropped += sum.drops[cause];
        for (uint32_t i = 0; i < s->num_drops; i++) {
            dropped += s->drops[i].by_cause[cause];
        }
    }
    json_u64(j, "sessions", sum.sessions);
    json_u64(j, "sessions_limit", s->sessions_max);
    json_u64(j, "children", sum.children);
    json_u64(j, "half_open", sum.half_open);
    json_u64(j, "half_open_limit", s->half_open_max);
    json_u64(j, "unsaved", sum.unsaved);
    json_u64(j, "restored", sum.sessions_restored);
    json_u64(j, "handshakes_ok", sum.handshakes_ok);
    json_u64(j, "handshakes_failed", failed);
    json_u64(j, "drops", dropped);
    json_u64(j, "bytes_in", s->traffic.bytes_in);
    json_u64(j, "bytes_out", s->traffic.bytes_out);
}

static void put_pools(struct json *j, const struct snapshot *s)
{
    json_array_begin(j, "pools");
    for (uint32_t i = 0; i < s->num_pools; i++) {
        json_object_begin(j, NULL);
        json_string(j, "name", s->pools[i].name);
        json_u64(j, "ipv4_leased", s->pools[i].leased_v4);
        json_u64(j, "ipv4_size", s->pools[i].size_v4);
        json_u64(j, "ipv6_leased", s->pools[i].leased_v6);
        json_u64(j, "ipv6_size", s->pools[i].size_v6);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_identities(struct json *j, const struct snapshot *s)
{
    char time[TIME_TEXT_MAX];

    json_array_begin(j, "identities");
    for (uint32_t i = 0; i < s->num_identities; i++) {
        const struct snapshot_identity *identity = &s->identities[i];
        json_object_begin(j, NULL);
        json_string(j, "id", identity->id);
        json_string(j, "certificate_ends",
                    identity->has_certificate ? time_format(identity->not_after_unix_s * 1000000000, time)
                                              : NULL);
        json_object_end(j);
    }
    json_array_end(j);
}

size_t control_status_format(char *ret_line, size_t cap, const struct snapshot *snapshot)
{
    struct json j = json_of(ret_line, cap);

    json_object_begin(&j, NULL);
    json_object_begin(&j, "status");
    put_node(&j, snapshot);
    put_counts(&j, snapshot);
    put_pools(&j, snapshot);
    put_identities(&j, snapshot);
    json_object_end(&j);
    json_object_end(&j);
    return json_end(&j);
}

/* ---- the end of an answer ---- */

size_t control_done_format(char *ret_line, size_t cap, uint32_t count)
{
    struct json j = json_of(ret_line, cap);

    json_object_begin(&j, NULL);
    json_bool(&j, "ok", true);
    json_u64(&j, "count", count);
    json_object_end(&j);
    return json_end(&j);
}

size_t control_error_format(char *ret_line, size_t cap, const char *error, const char *message)
{
    struct json j = json_of(ret_line, cap);

    json_object_begin(&j, NULL);
    json_bool(&j, "ok", false);
    json_string(&j, "error", error);
    json_string(&j, "message", message);
    json_object_end(&j);
    return json_end(&j);
}

size_t control_text_format(char *ret_line, size_t cap, const char *text)
{
    struct json j = json_of(ret_line, cap);

    json_object_begin(&j, NULL);
    json_string(&j, "text", text);
    json_object_end(&j);
    return json_end(&j);
}

/* Series that alerts are made of exist from the start, with 0: a rate over a series that appears with its
 * first event misses that event. So each group lists the range of causes that belong to it, and adds others
 * when they happen. */
#include "edge/ops/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct page {
    char *text;
    size_t cap, len;
    bool overflow;
};

static void put(struct page *p, const char *format, ...) HF_PRINTF(2, 3);

static void put(struct page *p, const char *format, ...)
{
    va_list args;

    if (p->overflow) {
        return;
    }
    va_start(args, format);
    int len = vsnprintf(p->text + p->len, p->cap - p->len, format, args);
    va_end(args);
    p->overflow = len < 0 || (size_t)len >= p->cap - p->len;
    p->len += p->overflow ? 0 : (size_t)len;
}

/* Escapes as the format wants it; what is not printable ASCII is replaced, so that every page is valid UTF-8.
 */
static void put_label(struct page *p, const char *name, const char *value, bool first)
{
    put(p, "%s%s=\"", first ? "{" : ",", name);
    for (; *value != '\0'; value++) {
        bool printable = *value >= 0x20 && *value < 0x7f;
        bool special = *value == '"' || *value == '\\';
        put(p, "%s%c", special ? "\\" : "", printable ? *value : '?');
    }
    put(p, "\"");
}

static void head(struct page *p, const char *name, const char *type, const char *help)
{
    put(p, "# HELP holdfast_%s %s\n# TYPE holdfast_%s %s\n", name, help, name, type);
}

static void value(struct page *p, uint64_t number)
{
    put(p, " %" PRIu64 "\n", number);
}

/* Without the zeros that say nothing. */
static void seconds(struct page *p, uint64_t ns)
{
    char fraction[16] = "";
    int digits = snprintf(fraction, sizeof(fraction), ".%09" PRIu64, ns % NS_PER_S);
    while (fraction[digits - 1] == '0') {
        fraction[--digits] = '\0';
    }
    put(p, "%" PRIu64 "%s", ns / NS_PER_S, digits > 1 ? fraction : "");
}

static void single(struct page *p, const char *name, const char *type, const char *help, uint64_t number)
{
    head(p, name, type, help);
    put(p, "holdfast_%s", name);
    value(p, number);
}

static void gauge(struct page *p, const char *name, const char *help, uint64_t number)
{
    single(p, name, "gauge", help, number);
}

static void counter(struct page *p, const char *name, const char *help, uint64_t number)
{
    single(p, name, "counter", help, number);
}

/* One sample with one or two labels. */
static void labelled(struct page *p, const char *name, const char *label, const char *text,
                     const char *label2, const char *text2, uint64_t number)
{
    put(p, "holdfast_%s", name);
    put_label(p, label, text, true);
    if (label2 != NULL) {
        put_label(p, label2, text2, false);
    }
    put(p, "}");
    value(p, number);
}

static void by_cause(struct page *p, const char *name, const char *label, const char *text,
                     const uint64_t *counts, enum cause first, enum cause last)
{
    for (int cause = CAUSE_NONE + 1; cause < CAUSE_COUNT; cause++) {
        bool listed = cause >= (int)first && cause <= (int)last;
        if (!listed && counts[cause] == 0) {
            continue;
        }
        if (label != NULL) {
            labelled(p, name, label, text, "cause", cause_json((enum cause)cause), counts[cause]);
        } else {
            labelled(p, name, "cause", cause_json((enum cause)cause), NULL, NULL, counts[cause]);
        }
    }
}

/* ---- groups ---- */

static void node_put(struct page *p, const struct snapshot *s)
{
    head(p, "build_info", "gauge", "Version of the daemon, always 1.");
    labelled(p, "build_info", "version", s->version, NULL, NULL, 1);
    gauge(p, "start_time_seconds", "When the daemon started, Unix time.",
          (uint64_t)(s->started_unix_ns / 1000000000));
    head(p, "state", "gauge", "1 for the state the node is in.");
    for (int state = NODE_STARTING; state <= NODE_DRAINING; state++) {
        labelled(p, "state", "state", node_state_name((enum node_state)state), NULL, NULL,
                 state == (int)s->state);
    }
    gauge(p, "workers", "Worker threads.", s->num_workers);
    gauge(p, "config_reload_success", "1 when the last reload was taken.", s->config_reload_ok);
    gauge(p, "config_loaded_timestamp_seconds", "When the running config was loaded, Unix time.",
          (uint64_t)s->config_loaded_unix_s);
    gauge(p, "store_up", "1 while the session store takes writes.", s->store_ok);
    counter(p, "log_lines_total", "Lines written to the event log.", s->log_lines);
    counter(p, "log_lines_lost_total", "Lines of the event log that could not be written.", s->log_lost);
}

static void sessions_put(struct page *p, const struct snapshot *s, const struct core_counters *c)
{
    gauge(p, "sessions", "Established sessions.", c->sessions);
    gauge(p, "sessions_limit", "Sessions this node can hold.", s->sessions_max);
    gauge(p, "half_open", "Handshakes under way.", c->half_open);
    gauge(p, "half_open_limit", "Handshakes this node can hold.", s->half_open_max);
    gauge(p, "child_sas", "Child SAs.", c->children);
    gauge(p, "sessions_unsaved",
          "Established sessions that would not survive a restart: the store does not have them.", c->unsaved);
    counter(p, "sessions_restored_total", "Sessions read back from the store.", c->sessions_restored);
    head(p, "sessions_ended_total", "counter", "Sessions that ended, by cause.");
    by_cause(p, "sessions_ended_total", NULL, NULL, c->sessions_ended, CAUSE_PEER_DELETE, CAUSE_LIFETIME);
    head(p, "handshakes_total", "counter", "Handshakes that came to an end, by result and cause.");
    labelled(p, "handshakes_total", "result", "ok", "cause", cause_json(CAUSE_NONE), c->handshakes_ok);
    by_cause(p, "handshakes_total", "result", "failed", c->handshakes, CAUSE_NO_PROPOSAL, CAUSE_RECORD);
}

static void rekey_put(struct page *p, const char *sa, const char *initiator, const char *result,
                      uint64_t number)
{
    put(p, "holdfast_rekeys_total");
    put_label(p, "sa", sa, true);
    put_label(p, "initiator", initiator, false);
    put_label(p, "result", result, false);
    put(p, "}");
    value(p, number);
}

static void rekeys_put(struct page *p, const char *sa, uint64_t all, uint64_t own, const uint64_t refused[2])
{
    rekey_put(p, sa, "client", "done", all - own);
    rekey_put(p, sa, "client", "refused", refused[1]);
    rekey_put(p, sa, "gateway", "done", own);
    rekey_put(p, sa, "gateway", "refused", refused[0]);
}

static void ike_put(struct page *p, const struct core_counters *c)
{
    head(p, "ike_datagrams_total", "counter", "IKE datagrams.");
    labelled(p, "ike_datagrams_total", "direction", "in", NULL, NULL, c->datagrams_in);
    labelled(p, "ike_datagrams_total", "direction", "out", NULL, NULL, c->datagrams_out);
    counter(p, "cookies_sent_total", "Cookie challenges sent.", c->cookies_sent);
    counter(p, "retransmits_answered_total", "Repeated requests of clients, answered with the same bytes.",
            c->retransmits_answered);
    counter(p, "retransmits_sent_total", "Own requests repeated.", c->retransmits_sent);
    counter(p, "dpd_sent_total", "Clients asked whether they are still there.", c->dpd_sent);
    counter(p, "dpd_timeouts_total", "Sessions given up because the client did not answer that.",
            c->dpd_timeouts);
    head(p, "rekeys_total", "counter", "Rekeys of SAs, by who asked for them and what became of it.");
    rekeys_put(p, "ike", c->ike_rekeys, c->own_ike_rekeys, c->ike_rekeys_refused);
    rekeys_put(p, "child", c->child_rekeys, c->own_child_rekeys, c->child_rekeys_refused);
    head(p, "ike_fragments_total", "counter", "Fragments of IKE messages (RFC 7383); in: authentic ones.");
    labelled(p, "ike_fragments_total", "direction", "in", NULL, NULL, c->fragments_in);
    labelled(p, "ike_fragments_total", "direction", "out", NULL, NULL, c->fragments_out);
    head(p, "ike_reassemblies_total", "counter",
         "IKE messages that came in fragments, by what became of them.");
    labelled(p, "ike_reassemblies_total", "result", "done", NULL, NULL, c->reassembled);
    labelled(p, "ike_reassemblies_total", "result", "given_up", NULL, NULL, c->reassembly_failures);
    counter(p, "moves_total", "Changes of clients' addresses, asked for or seen.", c->moves);
    counter(p, "mobike_updates_total", "Changes of address that clients asked for (MOBIKE).",
            c->mobike_updates);
    counter(p, "tickets_total", "Tickets given, with which a session can be resumed.", c->tickets);
    counter(p, "resumptions_total", "Sessions resumed with a ticket.", c->resumptions);
    counter(p, "resumptions_unchecked_total",
            "Tickets presented when the store could not say whether they were used before.",
            c->resumptions_unchecked);
    counter(p, "crash_tokens_total", "Tokens shown for sessions that nobody has (RFC 6290).", c->tokens);
    counter(p, "id_syncs_total", "Message ids agreed anew with a client (RFC 6311).", c->syncs);
    counter(p, "redirects_total", "Clients that were sent elsewhere (RFC 5685).", c->redirects);
    head(p, "quirks_total", "counter", "Sessions, or refusals, in which a client's quirk was met.");
    for (int quirk = 0; quirk < QUIRK_COUNT; quirk++) {
        labelled(p, "quirks_total", "quirk", quirk_row((enum quirk)quirk)->name, NULL, NULL,
                 c->quirks[quirk]);
    }
    counter(p, "store_failures_total", "Writes that the session store did not take.", c->store_failures);
}

static void tables_put(struct page *p, const struct core_counters *c)
{
    head(p, "table_entries", "gauge", "Entries in use of the engine's tables.");
    for (enum ike_table table = 0; table < IKE_TABLES; table++) {
        labelled(p, "table_entries", "table", ike_table_name(table), NULL, NULL, c->tables[table]);
    }
}

static void traffic_put(struct page *p, const struct snapshot *s, const struct core_counters *c)
{
    head(p, "bytes_total", "counter", "Bytes of inner packets; in: from clients.");
    labelled(p, "bytes_total", "direction", "in", NULL, NULL, s->traffic.bytes_in);
    labelled(p, "bytes_total", "direction", "out", NULL, NULL, s->traffic.bytes_out);
    head(p, "packets_total", "counter", "Inner packets; in: from clients.");
    labelled(p, "packets_total", "direction", "in", NULL, NULL, s->traffic.packets_in);
    labelled(p, "packets_total", "direction", "out", NULL, NULL, s->traffic.packets_out);
    head(p, "drops_total", "counter", "Packets and datagrams dropped, by layer and cause.");
    by_cause(p, "drops_total", "layer", "ike", c->drops, CAUSE_SHORT, CAUSE_RATE);
    for (uint32_t i = 0; i < s->num_drops; i++) {
        by_cause(p, "drops_total", "layer", s->drops[i].layer, s->drops[i].by_cause, CAUSE_ESP_SHORT,
                 CAUSE_TRUNCATED);
    }
}

static void pools_put(struct page *p, const struct snapshot *s)
{
    head(p, "pool_leased", "gauge", "Addresses of a pool in use.");
    for (uint32_t i = 0; i < s->num_pools; i++) {
        labelled(p, "pool_leased", "pool", s->pools[i].name, "family", "ipv4", s->pools[i].leased_v4);
        labelled(p, "pool_leased", "pool", s->pools[i].name, "family", "ipv6", s->pools[i].leased_v6);
    }
    head(p, "pool_size", "gauge", "Addresses of a pool that can be handed out.");
    for (uint32_t i = 0; i < s->num_pools; i++) {
        labelled(p, "pool_size", "pool", s->pools[i].name, "family", "ipv4", s->pools[i].size_v4);
        labelled(p, "pool_size", "pool", s->pools[i].name, "family", "ipv6", s->pools[i].size_v6);
    }
}

static void certificates_put(struct page *p, const struct snapshot *s)
{
    head(p, "certificate_not_after_seconds", "gauge",
         "When our certificate for an identity ends, Unix time.");
    for (uint32_t i = 0; i < s->num_identities; i++) {
        const struct snapshot_identity *identity = &s->identities[i];
        if (identity->has_certificate && identity->not_after_unix_s >= 0) {
            labelled(p, "certificate_not_after_seconds", "identity", identity->id, NULL, NULL,
                     (uint64_t)identity->not_after_unix_s);
        }
    }
}

static void samples_put(struct page *p, const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->num_samples; i++) {
        const struct snapshot_sample *sample = &s->samples[i];
        char name[80];
        (void)snprintf(name, sizeof(name), "%s%s", sample->name, sample->counter ? "_total" : "");
        if (i == 0 || strcmp(s->samples[i - 1].name, sample->name) != 0) {
            head(p, name, sample->counter ? "counter" : "gauge", sample->help);
        }
        put(p, "holdfast_%s", name);
        if (sample->label != NULL) {
            put_label(p, sample->label, sample->label_value, true);
            put(p, "}");
        }
        put(p, " ");
        if (sample->is_ns) {
            seconds(p, sample->value);
        } else {
            put(p, "%" PRIu64, sample->value);
        }
        put(p, "\n");
    }
}

static void histogram_put(struct page *p, const struct snapshot_histogram *h)
{
    uint64_t count = 0;
    head(p, h->name, "histogram", h->help);
    for (uint32_t i = 0; i <= h->num_bounds; i++) {
        count += h->counts[i];
        put(p, "holdfast_%s_bucket{le=\"", h->name);
        if (i < h->num_bounds) {
            seconds(p, h->bounds_us[i] * NS_PER_US);
        } else {
            put(p, "+Inf");
        }
        put(p, "\"} %" PRIu64 "\n", count);
    }
    put(p, "holdfast_%s_sum ", h->name);
    seconds(p, h->sum_ns);
    put(p, "\nholdfast_%s_count %" PRIu64 "\n", h->name, count);
}

size_t metrics_format(char *ret_text, size_t cap, const struct snapshot *snapshot)
{
    struct page p = {.text = ret_text, .cap = cap};
    struct core_counters sum;

    counters_sum(snapshot->workers, snapshot->num_workers, &sum);
    node_put(&p, snapshot);
    sessions_put(&p, snapshot, &sum);
    ike_put(&p, &sum);
    tables_put(&p, &sum);
    traffic_put(&p, snapshot, &sum);
    pools_put(&p, snapshot);
    certificates_put(&p, snapshot);
    samples_put(&p, snapshot);
    for (uint32_t i = 0; i < snapshot->num_histograms; i++) {
        histogram_put(&p, &snapshot->histograms[i]);
    }
    return p.overflow ? 0 : p.len;
}

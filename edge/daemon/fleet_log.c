/* What happens in the fleet, for the event log (docs/LOG.md). */
#include "edge/daemon/daemon.h"

#include "edge/session/fleet.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WRONG_KEY_INTERVAL_NS (60 * NS_PER_S)
#define KEY_MARK 0x8000 /* of the store; without: of heartbeats */

/* ---- what the engine says */

static const struct {
    enum log_level level;
    const char *event;
    const char *text; /* {node}, {shards} and {ms} stand for their numbers */
} news[] = {
    [FLEET_NEWS_JOINED] = {LOG_LEVEL_INFO, "fleet_joined", "this node has its lease and is one of the fleet"},
    [FLEET_NEWS_LEASE_LOST] =
        {LOG_LEVEL_ERROR, "fleet_lease_lost",
         "the store did not renew this node's lease in time: nothing new is begun, what is here is served"},
    [FLEET_NEWS_LEASE_REGAINED] = {LOG_LEVEL_INFO, "fleet_lease_regained",
                                   "this node has its lease again, and begins new sessions"},
    [FLEET_NEWS_NODE_ID_TAKEN] =
        {LOG_LEVEL_ERROR, "fleet_node_taken",
         "another process has the lease of node {node}, which is our number: fleet.node must be another one "
         "on "
         "each node (after a restart this ends by itself with the lease of the process before)"},
    [FLEET_NEWS_NODE_UP] = {LOG_LEVEL_INFO, "fleet_node_up", "node {node} is there"},
    [FLEET_NEWS_NODE_SILENT] = {LOG_LEVEL_WARNING, "fleet_node_silent",
                                "node {node} is silent: its packets go to others"},
    [FLEET_NEWS_NODE_ALONE] =
        {LOG_LEVEL_WARNING, "fleet_node_alone",
         "node {node} is there, but does not reach the store: it keeps the sessions that it has"},
    [FLEET_NEWS_NODE_DEAD] = {LOG_LEVEL_WARNING, "fleet_node_dead",
                              "node {node} is dead: its sessions are taken over"},
    [FLEET_NEWS_NODE_DRAINS] = {LOG_LEVEL_INFO, "fleet_node_drains", "node {node} drains"},
    [FLEET_NEWS_TAKEN_OVER] = {LOG_LEVEL_WARNING, "fleet_taken_over",
                               "took over {shards} shards of node {node}, in {ms} ms"},
    [FLEET_NEWS_GIVEN] = {LOG_LEVEL_INFO, "fleet_given", "handed {shards} shards over to other nodes"},
    [FLEET_NEWS_LOST] = {LOG_LEVEL_WARNING, "fleet_lost", "lost {shards} shards to nodes that claimed them"},
    [FLEET_NEWS_DRAINED] = {LOG_LEVEL_INFO, "fleet_drained", "drained: this node has no shard any more"},
    [FLEET_NEWS_DRAIN_ALONE] = {LOG_LEVEL_WARNING, "fleet_drain_alone",
                                "cannot drain: there is no other live node that does not drain, too"},
    [FLEET_NEWS_VIEW_BAD] = {LOG_LEVEL_ERROR, "fleet_view_bad",
                             "what the store says of nodes and shards makes no sense, and is not used"},
};

/* The number that a word in braces stands for. */
static uint64_t number_of(const char *word, const struct fleet_effect *effect)
{
    return word[1] == 'n'   ? effect->news.node
           : word[1] == 's' ? effect->news.count
                            : effect->news.took / NS_PER_MS;
}

static void text_format(char *ret_text, size_t cap, enum fleet_news what, const struct fleet_effect *effect)
{
    size_t len = 0;
    ret_text[0] = '\0';
    for (const char *at = news[what].text; *at != '\0' && len + 1 < cap;) {
        if (*at == '{') {
            int more = snprintf(ret_text + len, cap - len, "%ju", (uintmax_t)number_of(at, effect));
            len = HF_MIN(len + (size_t)more, cap - 1);
            at = strchr(at, '}') + 1;
        } else {
            ret_text[len++] = *at++;
            ret_text[len] = '\0';
        }
    }
}

void fleet_log_news(struct daemon *d, const struct fleet_effect *effect)
{
    enum fleet_news what = effect->news.news;
    char text[320];
    if (what >= HF_COUNT(news) || news[what].event == NULL) {
        return;
    }
    text_format(text, sizeof(text), what, effect);
    log_event(&d->log, daemon_wall_ns(), news[what].level, news[what].event,
              LOG_FIELDS(LOG_NUMBER("node", effect->news.node), LOG_NUMBER("shards", effect->news.count),
                         LOG_NUMBER("took_ms", effect->news.took / NS_PER_MS)),
              "%s", text);
}

void fleet_log_shard(struct daemon *d, const struct effect_shard *shard)
{
    static const char *const names[] = {
        [FLEET_SHARD_TAKEN] = "taken", [FLEET_SHARD_READY] = "ready", [FLEET_SHARD_FAILED] = "failed",
        [FLEET_SHARD_GIVEN] = "given", [FLEET_SHARD_LOST] = "lost",
    };
    log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_DEBUG, "fleet_shard",
              LOG_FIELDS(LOG_TEXT("news", names[shard->news]), LOG_NUMBER("shard", shard->shard),
                         LOG_NUMBER("epoch", shard->epoch), LOG_NUMBER("sessions", shard->sessions)),
              "shard %u: %s, epoch %u, %u sessions", shard->shard, names[shard->news], shard->epoch,
              shard->sessions);
}

/* ---- what is no heartbeat of ours */

/* True when nothing was said of this node for a while. */
static bool is_to_be_said(struct fleet_host *h, uint16_t node, ns_t now)
{
    struct fleet_wrong_key *oldest = &h->wrong_keys[0];
    for (uint32_t i = 0; i < FLEET_WRONG_KEYS_MAX; i++) {
        struct fleet_wrong_key *entry = &h->wrong_keys[i];
        if (entry->said != 0 && entry->node == node) {
            bool old = now >= entry->said + WRONG_KEY_INTERVAL_NS;
            entry->said = old ? now : entry->said;
            return old;
        }
        oldest = entry->said < oldest->said ? entry : oldest;
    }
    if (oldest->said != 0 && now < oldest->said + WRONG_KEY_INTERVAL_NS) {
        return false; /* so many at once are made up */
    }
    *oldest = (struct fleet_wrong_key){node, now};
    return true;
}

void fleet_log_fault(struct daemon *d, const struct heartbeat_in *in)
{
    char remote[ENDPOINT_TEXT_MAX];
    bool is_forged = in->fault == HEARTBEAT_FORGED || in->fault == HEARTBEAT_MALFORMED;
    if (!is_forged || !is_to_be_said(&d->fleet, in->from, daemon_now())) {
        return;
    }
    endpoint_format(&in->remote, remote);
    log_event(&d->log, daemon_wall_ns(), LOG_LEVEL_WARNING, "fleet_heartbeat_bad",
              LOG_FIELDS(LOG_NUMBER("node", in->from), LOG_TEXT("from", remote),
                         LOG_TEXT("fault", heartbeat_fault_name(in->fault))),
              in->fault == HEARTBEAT_FORGED
                  ? "%s says it is node %u, but has not our fleet key (or it is forged)"
                  : "heartbeat of %s, node %u, cannot be read: another version?",
              remote, in->from);
}

void fleet_log_key(struct daemon *d, uint16_t node)
{
    if (!is_to_be_said(&d->fleet, KEY_MARK | node, daemon_now())) {
        return;
    }
    log_event(
        &d->log, daemon_wall_ns(), LOG_LEVEL_ERROR, "fleet_key_wrong", LOG_FIELDS(LOG_NUMBER("node", node)),
        "cannot read what node %u says of itself in the store: another fleet key, or another fleet; this "
        "node does not join",
        node);
}

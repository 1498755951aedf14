/* Read-only views for people: counters, sessions. */
#include "edge/core/internal.h"

const struct core_counters *core_counters(struct core *core)
{
    const struct ike_counters *ike = ike_counters(core->ike);
    struct core_counters *c = &core->counters;
    uint64_t starting = c->drops[CAUSE_STARTING];
    c->datagrams_in = ike->datagrams_in;
    c->datagrams_out = ike->datagrams_out;
    memcpy(c->drops, ike->drops, sizeof(c->drops));
    memcpy(c->handshakes, ike->handshakes, sizeof(c->handshakes));
    memcpy(c->sessions_ended, ike->ended, sizeof(c->sessions_ended));
    c->drops[CAUSE_STARTING] = starting;
    c->handshakes_ok = ike->handshakes_ok;
    c->cookies_sent = ike->cookies_sent;
    c->retransmits_answered = ike->retransmits_answered;
    c->retransmits_sent = ike->retransmits_sent;
    c->dpd_sent = ike->dpd_sent;
    c->ike_rekeys = ike->ike_rekeys;
    c->child_rekeys = ike->child_rekeys;
    c->own_ike_rekeys = ike->own_ike_rekeys;
    c->own_child_rekeys = ike->own_child_rekeys;
    memcpy(c->ike_rekeys_refused, ike->ike_rekeys_refused, sizeof(c->ike_rekeys_refused));
    memcpy(c->child_rekeys_refused, ike->child_rekeys_refused, sizeof(c->child_rekeys_refused));
    memcpy(c->quirks, ike->quirks, sizeof(c->quirks));
    c->dpd_timeouts = ike->dpd_timeouts;
    c->fragments_in = ike->fragments_in;
    c->fragments_out = ike->fragments_out;
    c->reassembled = ike->reassembled;
    c->reassembly_failures = ike->reassembly_failures;
    c->moves = ike->moves;
    c->mobike_updates = ike->mobike_updates;
    c->store_failures = ike->store_failures;
    c->sessions_restored = ike->restored;
    c->tickets = ike->tickets;
    c->resumptions = ike->resumptions;
    c->resumptions_unchecked = ike->resumptions_unchecked;
    c->sessions_given = ike->given;
    c->tokens = ike->tokens;
    c->syncs = ike->syncs;
    c->redirects = ike->redirects;
    c->sessions = ike->sessions;
    c->half_open = ike->half_open;
    c->children = ike->children;
    c->unsaved = ike->unsaved;
    ike_tables(core->ike, c->tables);
    return c;
}

static void view_child(ns_t now, const struct ike_child *child, struct child_view *ret)
{
    *ret = (struct child_view){.child = child->slot,
                               .spi_in = child->spi_in,
                               .spi_out = child->spi_out,
                               .suite = child->suite,
                               .age = now - child->created,
                               .soft = {child->soft.bytes, child->soft.packets},
                               .hard = {child->hard.bytes, child->hard.packets},
                               .ts_local = child->ts->v,
                               .ts_remote = ranges_remote(child->ts),
                               .num_ts_local = child->ts->num_local,
                               .num_ts_remote = child->ts->num_remote};
}

/* By the wall clock, in seconds: a session is as old as its login, also after a restart. */
static ns_t session_age(const struct core *core, const struct ike_sa *sa)
{
    int64_t age_s = core->time.unix_s - sa->established_unix_s;
    return age_s > 0 ? (ns_t)age_s * NS_PER_S : 0;
}

static ns_t login_left(const struct core *core, const struct ike_sa *sa)
{
    int64_t left_s = sa->auth_until_unix_s - core->time.unix_s;
    return sa->auth_until_unix_s == 0 ? NS_NEVER : left_s > 0 ? (ns_t)left_s * NS_PER_S : 0;
}

static uint32_t agreed_of(const struct ike_sa *sa)
{
    return (sa->mobike ? AGREED_MOBIKE : 0u) | (sa->fragmentation ? AGREED_FRAGMENTATION : 0u) |
           (sa->sync_ids ? AGREED_MESSAGE_ID_SYNC : 0u) |
           (sa->sync_replay ? AGREED_REPLAY_COUNTER_SYNC : 0u) | (sa->follows ? AGREED_REDIRECT : 0u);
}

static void view_session(const struct core *core, ns_t now, const struct ike_sa *sa, struct session_view *ret)
{
    bool established = sa->state == SA_ESTABLISHED || sa->state == SA_RESTORING;
    *ret = (struct session_view){
        .session_id = sa->session_id,
        .spi_i = sa->spi_i,
        .spi_r = sa->spi_r,
        .shard = core->config.shards[ike_shard_position(core->ike, sa->slot)],
        .established = established,
        .restored = sa->restored,
        .unsaved = sa->unsaved,
        .behind_nat = sa->behind_nat,
        .quirks = sa->quirks,
        .agreed = agreed_of(sa),
        .resumed = sa->resumed_from != 0,
        .suite = sa->suite,
        .local = sa->local,
        .remote = sa->remote,
        .local_id = sa->local_id,
        .remote_id = sa->remote_id,
        .connection = sa->connection[0] == '\0' ? NULL : sa->connection,
        .num_addresses = sa->num_addresses,
        .age = established ? session_age(core, sa) : now - sa->created,
        .idle = now - sa->last_in,
        .login_left = login_left(core, sa),
        .num_children = sa->num_children,
    };
    memcpy(ret->addresses, sa->addresses, sizeof(ret->addresses));
    for (uint32_t i = 0; i < sa->num_children; i++) {
        view_child(now, ike_child_at(core->ike, sa->children[i]), &ret->children[i]);
    }
}

bool core_session_next(const struct core *core, ns_t now, uint32_t *cursor, struct session_view *ret_view)
{
    while (*cursor < ike_capacity(core->ike)) {
        const struct ike_sa *sa = ike_sa_at(core->ike, (*cursor)++);
        if (sa != NULL &&
            (sa->state == SA_HALF_OPEN || sa->state == SA_ESTABLISHED || sa->state == SA_RESTORING)) {
            view_session(core, now, sa, ret_view);
            return true;
        }
    }
    return false;
}

void core_spi_count(const struct core *core, uint32_t ret_counts[4])
{
    ike_spi_count(core->ike, ret_counts);
}

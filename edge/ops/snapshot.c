#include "edge/ops/snapshot.h"

const char *node_state_name(enum node_state state)
{
    static const char *const names[] = {"starting", "ready", "draining"};
    hf_assert((size_t)state < HF_COUNT(names));
    return names[state];
}

void counters_sum(const struct core_counters *workers, uint32_t num_workers, struct core_counters *ret_sum)
{
    *ret_sum = (struct core_counters){0};
    for (uint32_t i = 0; i < num_workers; i++) {
        const struct core_counters *w = &workers[i];
        for (int cause = 0; cause < CAUSE_COUNT; cause++) {
            ret_sum->drops[cause] += w->drops[cause];
            ret_sum->handshakes[cause] += w->handshakes[cause];
            ret_sum->sessions_ended[cause] += w->sessions_ended[cause];
        }
        ret_sum->datagrams_in += w->datagrams_in;
        ret_sum->datagrams_out += w->datagrams_out;
        ret_sum->handshakes_ok += w->handshakes_ok;
        ret_sum->cookies_sent += w->cookies_sent;
        ret_sum->retransmits_answered += w->retransmits_answered;
        ret_sum->retransmits_sent += w->retransmits_sent;
        ret_sum->dpd_sent += w->dpd_sent;
        ret_sum->ike_rekeys += w->ike_rekeys;
        ret_sum->child_rekeys += w->child_rekeys;
        ret_sum->own_ike_rekeys += w->own_ike_rekeys;
        ret_sum->own_child_rekeys += w->own_child_rekeys;
        for (size_t side = 0; side < HF_COUNT(w->ike_rekeys_refused); side++) {
            ret_sum->ike_rekeys_refused[side] += w->ike_rekeys_refused[side];
            ret_sum->child_rekeys_refused[side] += w->child_rekeys_refused[side];
        }
        for (int quirk = 0; quirk < QUIRK_COUNT; quirk++) {
            ret_sum->quirks[quirk] += w->quirks[quirk];
        }
        ret_sum->dpd_timeouts += w->dpd_timeouts;
        ret_sum->fragments_in += w->fragments_in;
        ret_sum->fragments_out += w->fragments_out;
        ret_sum->reassembled += w->reassembled;
        ret_sum->reassembly_failures += w->reassembly_failures;
        ret_sum->moves += w->moves;
        ret_sum->mobike_updates += w->mobike_updates;
        ret_sum->store_failures += w->store_failures;
        ret_sum->sessions_restored += w->sessions_restored;
        ret_sum->tickets += w->tickets;
        ret_sum->tokens += w->tokens;
        ret_sum->syncs += w->syncs;
        ret_sum->redirects += w->redirects;
        ret_sum->resumptions += w->resumptions;
        ret_sum->resumptions_unchecked += w->resumptions_unchecked;
        ret_sum->sessions += w->sessions;
        ret_sum->half_open += w->half_open;
        ret_sum->children += w->children;
        ret_sum->unsaved += w->unsaved;
        for (int table = 0; table < IKE_TABLES; table++) {
            ret_sum->tables[table] += w->tables[table];
        }
    }
}

static struct pool_view *pool_of(struct pool_view *pools, uint32_t *num_pools, uint32_t cap, const char *name)
{
    for (uint32_t i = 0; i < *num_pools; i++) {
        if (strcmp(pools[i].name, name) == 0) {
            return &pools[i];
        }
    }
    if (*num_pools == cap) {
        return NULL;
    }
    pools[*num_pools] = (struct pool_view){.name = name};
    return &pools[(*num_pools)++];
}

void pools_merge(struct pool_view *pools, uint32_t *num_pools, uint32_t cap, const struct pool_view *more,
                 uint32_t num_more)
{
    for (uint32_t i = 0; i < num_more; i++) {
        struct pool_view *pool = pool_of(pools, num_pools, cap, more[i].name);
        if (pool != NULL) {
            pool->leased_v4 += more[i].leased_v4;
            pool->leased_v6 += more[i].leased_v6;
            pool->size_v4 += more[i].size_v4;
            pool->size_v6 += more[i].size_v6;
        }
    }
}

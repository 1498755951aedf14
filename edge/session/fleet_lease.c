/* Our own lease (FLEET.md rule 1). It counts from the moment at which the renewal was sent that was answered,
 * less an eighth, so it ends here before it ends in the store. */
#include "edge/session/fleet_internal.h"

static ns_t margin_of(const struct fleet *fleet)
{
    return fleet->config.lease / 8;
}

void lease_start(struct fleet *fleet)
{
    fleet->lease.ask_at = fleet->now;
    fleet->lease.takes_from = NS_NEVER;
}

void lease_hurry(struct fleet *fleet)
{
    fleet->lease.ask_at = fleet->now;
}

static void lease_ask(struct fleet *fleet)
{
    struct fleet_own_lease *lease = &fleet->lease;
    struct fleet_member self = fleet->config.self;
    self.is_draining = fleet->is_draining;
    size_t len = fleet_member_encode(&self, lease->value, sizeof(lease->value));
    hf_assert(len > 0);
    lease->asked++;
    lease->sent[lease->asked % FLEET_LEASES_MAX] = fleet->now;
    lease->sent_last = fleet->now;
    fleet_emit(fleet, FLEET_EFFECT_STORE)->store = (struct store_op){
        .type = STORE_LEASE,
        .token = lease->asked,
        .index = fleet_self(fleet),
        .replaces = STORE_NO_INDEX,
        .value = span_of(lease->value, len),
        .ttl_ms = (uint32_t)(fleet->config.lease / NS_PER_MS),
    };
    lease->ask_at = fleet->now + fleet->config.lease / 2; /* without an answer */
}

static void lease_tell(struct fleet *fleet)
{
    struct fleet_effect *effect = fleet_emit(fleet, FLEET_EFFECT_LEASE);
    effect->may_begin = fleet->lease.is_valid;
    effect->until = fleet->lease.is_valid ? fleet->lease.valid_until : fleet->now;
}

/* Others that could not reach the store either have a lease's time to renew theirs. */
static void lease_joined(struct fleet *fleet)
{
    struct fleet_own_lease *lease = &fleet->lease;
    fleet_news(fleet, lease->was_valid ? FLEET_NEWS_LEASE_REGAINED : FLEET_NEWS_JOINED, 0, 0, 0);
    lease->is_valid = true;
    lease->was_valid = true;
    lease->takes_from = fleet->now + fleet->config.lease;
    lease->joined_at = fleet->now;
    fleet->is_joined_view_read = false;
    view_want_now(fleet);
    beat_hurry(fleet);
    places_changed(fleet);
}

static void lease_renewed(struct fleet *fleet, const struct store_done *done)
{
    struct fleet_own_lease *lease = &fleet->lease;
    ns_t until = lease->sent[done->token % FLEET_LEASES_MAX] + fleet->config.lease - margin_of(fleet);
    lease->is_taken = false;
    lease->refused_at = 0;
    lease->valid_until = HF_MAX(lease->valid_until, until);
    if (done->view != fleet->view || !fleet->is_view_read) {
        view_want(fleet);
    }
    if (!lease->is_valid && fleet->now < lease->valid_until) {
        lease_joined(fleet);
    }
    if (lease->is_valid) {
        lease_tell(fleet);
    }
}

/* For as long as a lease lasts it may be the one of our own former process. */
static void lease_refused(struct fleet *fleet)
{
    struct fleet_own_lease *lease = &fleet->lease;
    if (lease->refused_at == 0) {
        lease->refused_at = fleet->now;
    } else if (!lease->is_taken && fleet->now - lease->refused_at > 2 * fleet->config.lease) {
        lease->is_taken = true;
        fleet_news(fleet, FLEET_NEWS_NODE_ID_TAKEN, fleet_self(fleet), 0, 0);
    }
}

void lease_answered(struct fleet *fleet, const struct store_done *done)
{
    struct fleet_own_lease *lease = &fleet->lease;
    if (lease->is_over || done->token <= lease->answered || done->token > lease->asked ||
        lease->asked - done->token >= FLEET_LEASES_MAX) {
        return;
    }
    lease->answered = done->token;
    if (done->result == STORE_OK) {
        lease_renewed(fleet, done);
    } else if (done->result == STORE_FENCED) {
        lease_refused(fleet);
    }
    if (done->token == lease->asked) {
        ns_t pause = done->result == STORE_OK ? fleet->config.lease / 4 : fleet->config.lease / 8;
        lease->ask_at = HF_MIN(lease->ask_at, HF_MAX(fleet->now, lease->sent_last + pause));
    }
}

void lease_check(struct fleet *fleet)
{
    if (!fleet->lease.is_valid || fleet->now < fleet->lease.valid_until) {
        return;
    }
    fleet->lease.is_valid = false;
    fleet->lease.takes_from = NS_NEVER;
    lease_tell(fleet);
    fleet_news(fleet, FLEET_NEWS_LEASE_LOST, 0, 0, 0);
    beat_hurry(fleet);
}

void lease_work(struct fleet *fleet)
{
    struct fleet_own_lease *lease = &fleet->lease;
    if (lease->is_over) {
        return;
    }
    if (fleet->now >= lease->ask_at) {
        lease_ask(fleet);
    }
    fleet_wake(fleet, lease->ask_at);
    if (lease->is_valid) {
        fleet_wake(fleet, lease->valid_until);
    }
}

void lease_end(struct fleet *fleet)
{
    struct fleet_own_lease *lease = &fleet->lease;
    lease->is_valid = false;
    lease->is_over = true;
    lease_tell(fleet);
    fleet_emit(fleet, FLEET_EFFECT_STORE)->store = (struct store_op){
        .type = STORE_UNLEASE,
        .token = lease->asked + 1,
        .index = fleet_self(fleet),
        .replaces = STORE_NO_INDEX,
    };
}

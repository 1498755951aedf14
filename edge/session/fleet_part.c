/* A shard as this node sees it: what the table says, what we do with it, where its packets go. */
#include "edge/session/fleet_internal.h"

void part_touch(struct fleet *fleet, uint32_t shard)
{
    bit_set(fleet->dirty, shard, true);
}

void parts_touch_all(struct fleet *fleet)
{
    memset(fleet->dirty, 0xff, fleet->num_parts / 8);
}

void part_set_state(struct fleet *fleet, uint32_t shard, enum part_state state)
{
    struct part *part = &fleet->parts[shard];
    fleet->states[part->state]--;
    fleet->states[state]++;
    part->state = (uint8_t)state;
    part_touch(fleet, shard);
}

/* ---- what the table says */

static void part_learn(struct fleet *fleet, uint32_t shard, uint16_t owner, uint16_t epoch)
{
    struct part *part = &fleet->parts[shard];
    if (part->owner != owner || part->epoch != epoch) {
        part->owner = owner;
        part->epoch = epoch;
        part->was_given = part->was_given && owner == 0;
        part_touch(fleet, shard);
    }
    if (epoch == part->seen || epoch_is_newer(epoch, part->seen)) {
        part->seen = epoch;
        part->holder = owner;
    }
    bit_set(fleet->forgotten, shard, epoch_is_newer(part->seen, part->epoch));
}

/* What we did, or heard, after the view was asked for is newer than it. */
void part_view(struct fleet *fleet, uint32_t shard, uint16_t owner, uint16_t epoch, ns_t asked_at)
{
    if (asked_at > fleet->parts[shard].known_at || fleet->parts[shard].known_at == 0) {
        part_learn(fleet, shard, owner, epoch);
    }
}

static void part_seen(struct fleet *fleet, uint32_t shard, uint16_t epoch)
{
    struct part *part = &fleet->parts[shard];
    if (epoch_is_newer(epoch, part->seen)) {
        part->seen = epoch;
        part->holder = 0;
        bit_set(fleet->forgotten, shard, true);
        part_touch(fleet, shard);
    }
}

/* Of two who name the same epoch the table knows which is right. */
void part_change(struct fleet *fleet, uint32_t shard, uint16_t owner, uint16_t epoch)
{
    struct part *part = &fleet->parts[shard];
    if (owner == FLEET_OWNER_UNKNOWN) {
        part_seen(fleet, shard, epoch);
    } else if (epoch_is_newer(epoch, part->epoch) ||
               (epoch == part->epoch && owner == 0 && part->owner != fleet_self(fleet))) {
        part_learn(fleet, shard, owner, epoch);
        part->known_at = fleet->now;
    } else if (epoch == part->epoch && owner != part->owner && owner != 0) {
        view_want_now(fleet);
    }
}

static void part_done(struct fleet *fleet, uint32_t shard, uint16_t owner, uint16_t epoch, uint16_t to)
{
    part_learn(fleet, shard, owner, epoch);
    fleet->parts[shard].known_at = fleet->now;
    beat_change(fleet, (uint16_t)shard, owner, epoch, to);
}

/* ---- what the core says */

static void part_taken(struct fleet *fleet, uint32_t shard, uint16_t epoch)
{
    struct part *part = &fleet->parts[shard];
    part->own_epoch = epoch;
    part->failures = 0;
    fleet->taken_total++;
    part_set_state(fleet, shard, PART_LOADING);
    part_done(fleet, shard, fleet_self(fleet), epoch, 0);
}

static void part_ready(struct fleet *fleet, uint32_t shard)
{
    struct part *part = &fleet->parts[shard];
    struct peer *from = part->from == 0 ? NULL : peer_of(fleet, part->from);
    if (from != NULL) {
        from->taken++;
        fleet->is_takeover_changed = true;
    }
    part->from = 0;
    part->is_again = false;
    part->retry_at = part->is_substitute ? fleet->now + FLEET_HOLD_NS : 0;
    part->is_substitute = false;
    part_set_state(fleet, shard, PART_OWNED);
}

static void part_given(struct fleet *fleet, uint32_t shard)
{
    struct part *part = &fleet->parts[shard];
    part->failures = 0;
    part->retry_at = 0;
    part->free_since = 0;
    fleet->given_total++;
    fleet->given_untold++;
    part_set_state(fleet, shard, PART_NONE);
    part_done(fleet, shard, 0, part->own_epoch, part->to);
    part->was_given = true;
}

static void part_fail(struct fleet *fleet, struct part *part)
{
    ns_t pause = FLEET_RETRY_NS << HF_MIN(part->failures, 5);
    pause = HF_MIN(pause, FLEET_RETRY_MAX_NS);
    part->failures = (uint8_t)HF_MIN(part->failures + 1, UINT8_MAX);
    part->retry_at = fleet->now + pause - rand_u64(&fleet->config.rand) % (pause / 4);
}

static void part_failed(struct fleet *fleet, uint32_t shard, enum store_result result)
{
    struct part *part = &fleet->parts[shard];
    bool still_ours = part->state == PART_GIVING || (part->state == PART_TAKING && part->is_again);
    fleet->failed_total++;
    part_fail(fleet, part);
    part->is_again = false;
    part->from = 0;
    part_set_state(fleet, shard, still_ours ? PART_OWNED : PART_NONE);
    if (result == STORE_FENCED || result == STORE_UNKNOWN) {
        view_want_now(fleet);
    }
}

/* Who has it now says the table, which is read at once; until then nothing is tried. */
static void part_lost(struct fleet *fleet, uint32_t shard)
{
    struct part *part = &fleet->parts[shard];
    fleet->lost_total++;
    fleet->lost_untold++;
    part->is_again = false;
    part->from = 0;
    part_fail(fleet, part);
    part_set_state(fleet, shard, PART_NONE);
    view_want_now(fleet);
}

/* What fits no state is old: the shard was lost in the meantime. */
void part_news(struct fleet *fleet, const struct fleet_event *event)
{
    uint32_t shard = event->shard.shard;
    if (shard >= fleet->num_parts) {
        return;
    }
    const struct part *part = &fleet->parts[shard];
    switch (event->shard.news) {
    case FLEET_SHARD_TAKEN:
        if (part->state == PART_TAKING) {
            part_taken(fleet, shard, event->shard.epoch);
        }
        break;
    case FLEET_SHARD_READY:
        if (part->state == PART_LOADING) {
            part_ready(fleet, shard);
        }
        break;
    case FLEET_SHARD_GIVEN:
        if (part->state == PART_GIVING) {
            part_given(fleet, shard);
        }
        break;
    case FLEET_SHARD_FAILED:
        if (part->state == PART_TAKING || part->state == PART_LOADING || part->state == PART_GIVING) {
            part_failed(fleet, shard, event->shard.result);
        }
        break;
    case FLEET_SHARD_LOST:
        if (part->state != PART_NONE) {
            part_lost(fleet, shard);
        }
        break;
    }
}

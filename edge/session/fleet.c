/* The fleet engine as a whole: memory, the step, the order of work. */
#include "edge/session/fleet_internal.h"

uint32_t bit_next(const uint64_t *bits, uint32_t from, uint32_t count)
{
    while (from < count) {
        uint64_t rest = bits[from / 64] >> (from % 64);
        if (rest != 0) {
            uint32_t at = from + (uint32_t)__builtin_ctzll(rest);
            return at < count ? at : count;
        }
        from = (from / 64 + 1) * 64;
    }
    return count;
}

/* ---- memory */

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t bits_bytes(uint32_t num_parts)
{
    return rounded((num_parts + 63) / 64 * sizeof(uint64_t));
}

size_t fleet_bytes(const struct fleet_config *config)
{
    uint32_t num_parts = UINT32_C(1) << config->shard_bits;
    return rounded(sizeof(struct fleet)) + rounded(num_parts * sizeof(struct part)) +
           4 * bits_bytes(num_parts) + rounded((size_t)num_parts * STORE_OWNER_BYTES);
}

static uint8_t *carve(uint8_t **memory, size_t bytes)
{
    uint8_t *taken = *memory;
    *memory += rounded(bytes);
    return taken;
}

static void parts_init(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->num_parts; i++) {
        fleet->parts[i] = (struct part){.wanted = RENDEZVOUS_NOBODY, .secondary = RENDEZVOUS_NOBODY};
    }
}

struct fleet *fleet_init(void *memory, const struct fleet_config *config)
{
    hf_assert(config->shard_bits >= SHARD_BITS_MIN && config->shard_bits <= SHARD_BITS_MAX);
    hf_assert(config->self.node >= 1 && config->self.node <= FLEET_NODE_MAX && config->self.instance != 0);
    hf_assert(config->lease > 0 && config->heartbeat > 0 && config->takes_per_s > 0 &&
              config->gives_per_s > 0);
    uint8_t *rest = memory;
    memset(memory, 0, fleet_bytes(config));
    struct fleet *fleet = (void *)carve(&rest, sizeof(struct fleet));
    fleet->config = *config;
    fleet->num_parts = UINT32_C(1) << config->shard_bits;
    fleet->parts = (void *)carve(&rest, fleet->num_parts * sizeof(struct part));
    uint64_t **bits[] = {&fleet->dirty, &fleet->takes, &fleet->gives, &fleet->forgotten};
    for (uint32_t i = 0; i < HF_COUNT(bits); i++) {
        *bits[i] = (void *)carve(&rest, bits_bytes(fleet->num_parts));
    }
    fleet->reading.owners = carve(&rest, (size_t)fleet->num_parts * STORE_OWNER_BYTES);
    fleet->take_rate = rate_make(config->takes_per_s);
    fleet->give_rate = rate_make(config->gives_per_s);
    fleet->is_draining = config->self.is_draining;
    fleet->wake = NS_NEVER;
    fleet->states[PART_NONE] = fleet->num_parts;
    parts_init(fleet);
    return fleet;
}

/* ---- effects */

struct fleet_effect *fleet_emit(struct fleet *fleet, enum fleet_effect_type type)
{
    hf_assert(fleet->out->count < FLEET_EFFECTS_MAX);
    struct fleet_effect *effect = &fleet->out->v[fleet->out->count++];
    effect->type = type;
    return effect;
}

void fleet_news(struct fleet *fleet, enum fleet_news news, uint16_t node, uint32_t count, ns_t took)
{
    struct fleet_effect *effect = fleet_emit(fleet, FLEET_EFFECT_NEWS);
    effect->news.news = news;
    effect->news.cause = news == FLEET_NEWS_LEASE_LOST ? CAUSE_STORE : CAUSE_NONE;
    effect->news.node = node;
    effect->news.count = count;
    effect->news.took = took;
}

void fleet_wake(struct fleet *fleet, ns_t at)
{
    fleet->wake = HF_MIN(fleet->wake, at);
}

ns_t fleet_deadline(const struct fleet *fleet)
{
    return fleet->wake;
}

/* ---- the step */

static void start(struct fleet *fleet)
{
    hf_assert(!fleet->is_started);
    fleet->is_started = true;
    peers_start(fleet);
    lease_start(fleet);
    view_want_now(fleet);
}

static void store_answered(struct fleet *fleet, const struct store_done *done)
{
    if (done->type == STORE_LEASE) {
        lease_answered(fleet, done);
    } else if (done->type == STORE_VIEW) {
        view_answered(fleet, done);
    } else if (done->type == STORE_RELEASE) {
        view_want_now(fleet);
    } else if (done->type == STORE_UNLEASE && fleet->lease.is_over) {
        fleet->is_left = true;
    }
}

static void take_in(struct fleet *fleet, const struct fleet_event *event)
{
    switch (event->type) {
    case FLEET_EVENT_START:
        start(fleet);
        break;
    case FLEET_EVENT_TIMER:
        break;
    case FLEET_EVENT_STORE_DONE:
        store_answered(fleet, &event->store);
        break;
    case FLEET_EVENT_STORE_RECORD:
        view_record(fleet, &event->record);
        break;
    case FLEET_EVENT_HEARTBEAT:
        beat_received(fleet, &event->heartbeat);
        break;
    case FLEET_EVENT_SHARD:
        part_news(fleet, event);
        break;
    case FLEET_EVENT_DRAIN:
    case FLEET_EVENT_UNDRAIN:
        drain_set(fleet, event->type == FLEET_EVENT_DRAIN);
        break;
    case FLEET_EVENT_LEAVE:
        leave_begin(fleet);
        break;
    }
}

/* What comes once a step comes first; what may be many stops FLEET_ROOM_ALWAYS before the end. */
static void fleet_work(struct fleet *fleet)
{
    lease_work(fleet);
    news_work(fleet);
    peers_work(fleet);
    beats_work(fleet);
    places_work(fleet);
    parts_work(fleet);
    takes_work(fleet);
    gives_work(fleet);
    leave_work(fleet);
    view_work(fleet);
}

void fleet_step(struct fleet *fleet, const struct fleet_event *event, struct fleet_effects *ret_effects)
{
    hf_assert(fleet->is_started || event->type == FLEET_EVENT_START);
    ret_effects->count = 0;
    fleet->out = ret_effects;
    fleet->now = HF_MAX(event->now, fleet->last);
    ns_t slept = fleet->is_started ? fleet->now - fleet->last : 0;
    if (slept > 2 * fleet->config.heartbeat) {
        peers_forgive(fleet, slept);
    }
    fleet->last = fleet->now;
    lease_check(fleet);
    take_in(fleet, event);
    fleet->wake = NS_NEVER;
    if (!fleet->is_left) {
        fleet_work(fleet);
    }
    fleet->out = NULL;
}

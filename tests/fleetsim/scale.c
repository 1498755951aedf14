/* What a large fleet costs: real engines, all of them, with cores and a store that only take time. One site's
 * node has ten times the weight of the others, and dies. */
#include "edge/base/bytes.h"
#include "edge/base/rendezvous.h"
#include "tests/fleetsim/fleetsim.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SCALE_NODES = 200,
    SCALE_HEAVY = 1, /* the node that dies */
    SCALE_HEAVY_WEIGHT = 1000,
    SCALE_WEIGHT = 100,
    SCALE_SESSIONS = 10000000,
    SCALE_RECORD_BYTES = 570,   /* of one session, with one child, sealed: 564 for unit_session's sample */
    SCALE_SCANS_PER_S = 200000, /* records that one store reads for all (assumed) */
    SCALE_UDP_BYTES = 28 + 32,  /* headers, and what sealing adds */
};

#define SCALE_LINK_NS (20 * NS_PER_MS)
#define SCALE_STORE_NS (2 * NS_PER_MS)

enum what { WHAT_DONE, WHAT_BEAT, WHAT_TAKEN, WHAT_READY, WHAT_GIVEN };

struct thing {
    ns_t at;
    uint64_t seq;
    enum what what;
    uint16_t node, shard, epoch;
    enum store_result result;
    struct store_done done;
    struct fleet_heartbeat *beat;
};

struct scale {
    uint32_t bits, num_shards;
    ns_t now, scan_free_at;
    bool is_starting; /* reading is free: what the fleet costs later is wanted */
    struct fleet *fleets[SCALE_NODES + 1];
    bool is_dead[SCALE_NODES + 1];
    ns_t lease_until[SCALE_NODES + 1];
    uint8_t values[SCALE_NODES + 1][FLEET_MEMBER_BYTES_MAX];
    size_t lens[SCALE_NODES + 1];
    uint16_t *owners, *epochs;
    uint64_t view;
    struct thing *heap;
    uint32_t num, cap;
    uint64_t seq;
    struct sim_rand rand;
    struct fleet_effects effects;
    /* Counted since the last report. */
    uint64_t beats, beat_bytes, leases, views, claims, steps, rows;
    ns_t view_last; /* when the last claim came */
    uint64_t cpu_ns;
};

/* ---- a heap of what is due */

static bool is_before(const struct thing *a, const struct thing *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void heap_push(struct scale *scale, struct thing thing)
{
    if (scale->num == scale->cap) {
        scale->cap = scale->cap == 0 ? 1024 : 2 * scale->cap;
        scale->heap = realloc(scale->heap, scale->cap * sizeof(*scale->heap));
        hf_assert(scale->heap != NULL);
    }
    thing.seq = ++scale->seq;
    uint32_t at = scale->num++;
    for (; at > 0 && is_before(&thing, &scale->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        scale->heap[at] = scale->heap[(at - 1) / 2];
    }
    scale->heap[at] = thing;
}

static struct thing heap_take(struct scale *scale)
{
    struct thing first = scale->heap[0], last = scale->heap[--scale->num];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < scale->num && is_before(&scale->heap[child + 1], &scale->heap[child])) {
            child++;
        }
        if (child >= scale->num || !is_before(&scale->heap[child], &last)) {
            scale->heap[at] = last;
            return first;
        }
        scale->heap[at] = scale->heap[child];
        at = child;
    }
}

/* ---- the store */

static uint32_t sessions_of_shard(const struct scale *scale)
{
    return SCALE_SESSIONS / scale->num_shards;
}

static void member_make(uint16_t node, struct fleet_member *ret_member)
{
    *ret_member = (struct fleet_member){.node = node,
                                        .weight = node == SCALE_HEAVY ? SCALE_HEAVY_WEIGHT : SCALE_WEIGHT,
                                        .mtu = 1500,
                                        .instance = node};
    snprintf(ret_member->site_name, sizeof(ret_member->site_name), "site%u", node);
    snprintf(ret_member->version, sizeof(ret_member->version), "0.1.0");
}

static void engine_step(struct scale *scale, uint16_t node, struct fleet_event *event);

static void view_tell(struct scale *scale, uint16_t node, uint64_t token)
{
    struct fleet_event event = {.type = FLEET_EVENT_STORE_RECORD, .record = {.token = token}};
    for (uint32_t i = 1; i <= SCALE_NODES; i++) {
        event.record.index = i;
        event.record.epoch = scale->lease_until[i] > scale->now;
        event.record.value = span_of(scale->values[i], scale->lens[i]);
        engine_step(scale, node, &event);
    }
    uint8_t *owners = malloc((size_t)scale->num_shards * STORE_OWNER_BYTES);
    for (uint32_t i = 0; i < scale->num_shards; i++) {
        be16_store(owners + (size_t)i * 4, scale->owners[i]);
        be16_store(owners + (size_t)i * 4 + 2, scale->epochs[i]);
    }
    event.record.index = STORE_NO_INDEX;
    event.record.value = span_of(owners, (size_t)scale->num_shards * STORE_OWNER_BYTES);
    engine_step(scale, node, &event);
    free(owners);
}

static void store_do(struct scale *scale, uint16_t node, const struct store_op *op)
{
    if (op->type == STORE_LEASE) {
        scale->leases++;
        memcpy(scale->values[node], op->value.data, op->value.len);
        scale->lens[node] = op->value.len;
        scale->lease_until[node] = scale->now + op->ttl_ms * NS_PER_MS;
    }
    struct thing thing = {.at = scale->now + SCALE_STORE_NS,
                          .what = WHAT_DONE,
                          .node = node,
                          .done = {.token = op->token, .type = op->type, .view = scale->view}};
    heap_push(scale, thing);
}

static void claim(struct scale *scale, uint16_t node, uint16_t shard, uint16_t epoch)
{
    scale->claims++;
    scale->view++;
    scale->view_last = scale->now;
    scale->owners[shard] = node;
    scale->epochs[shard] = (uint16_t)(HF_MAX(scale->epochs[shard], epoch) + 1);
    struct thing thing = {.at = scale->now + 2 * SCALE_STORE_NS,
                          .what = WHAT_TAKEN,
                          .node = node,
                          .shard = shard,
                          .epoch = scale->epochs[shard]};
    heap_push(scale, thing);
}

/* ---- engines */

static void effect_do(struct scale *scale, uint16_t node, const struct fleet_effect *effect)
{
    uint8_t bytes[FLEET_HEARTBEAT_BYTES_MAX];
    struct thing thing = {.at = scale->now + SCALE_LINK_NS, .what = WHAT_BEAT};
    switch (effect->type) {
    case FLEET_EFFECT_STORE:
        store_do(scale, node, &effect->store);
        break;
    case FLEET_EFFECT_HEARTBEAT:
        scale->beats++;
        scale->beat_bytes +=
            SCALE_UDP_BYTES + fleet_heartbeat_encode(&effect->heartbeat.heartbeat, bytes, sizeof(bytes));
        thing.node = effect->heartbeat.to;
        thing.beat = malloc(sizeof(*thing.beat));
        *thing.beat = effect->heartbeat.heartbeat;
        heap_push(scale, thing);
        break;
    case FLEET_EFFECT_TAKE:
        claim(scale, node, effect->shard.shard, effect->shard.epoch);
        break;
    case FLEET_EFFECT_GIVE:
        scale->owners[effect->shard.shard] = 0;
        scale->view++;
        thing.what = WHAT_GIVEN;
        thing.node = node;
        thing.shard = effect->shard.shard;
        heap_push(scale, thing);
        break;
    case FLEET_EFFECT_ROW:
        scale->rows++;
        break;
    default:
        break;
    }
}

static uint64_t cpu_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void engine_step(struct scale *scale, uint16_t node, struct fleet_event *event)
{
    event->now = scale->now;
    uint64_t began = cpu_now();
    fleet_step(scale->fleets[node], event, &scale->effects);
    scale->cpu_ns += cpu_now() - began;
    scale->steps++;
    for (uint32_t i = 0; i < scale->effects.count; i++) {
        effect_do(scale, node, &scale->effects.v[i]);
    }
}

static void shard_tell(struct scale *scale, const struct thing *thing, enum fleet_shard_news news)
{
    struct fleet_event event = {.type = FLEET_EVENT_SHARD};
    event.shard.news = news;
    event.shard.shard = thing->shard;
    event.shard.epoch = thing->epoch;
    engine_step(scale, thing->node, &event);
}

/* All records come from one store, one after the other. */
static void taken(struct scale *scale, struct thing thing)
{
    ns_t scan = scale->is_starting ? 0 : NS_PER_S * sessions_of_shard(scale) / SCALE_SCANS_PER_S;
    scale->scan_free_at = HF_MAX(scale->scan_free_at, scale->now) + scan;
    shard_tell(scale, &thing, FLEET_SHARD_TAKEN);
    thing.what = WHAT_READY;
    thing.at = scale->scan_free_at;
    heap_push(scale, thing);
}

static void thing_do(struct scale *scale, struct thing *thing)
{
    struct fleet_event event = {.type = FLEET_EVENT_HEARTBEAT};
    if (scale->is_dead[thing->node]) {
        free(thing->beat);
        return;
    }
    switch (thing->what) {
    case WHAT_BEAT:
        event.heartbeat = *thing->beat;
        free(thing->beat);
        engine_step(scale, thing->node, &event);
        break;
    case WHAT_DONE:
        if (thing->done.type == STORE_VIEW) {
            scale->views++;
            view_tell(scale, thing->node, thing->done.token);
            thing->done.view = scale->view;
        }
        event.type = FLEET_EVENT_STORE_DONE;
        event.store = thing->done;
        engine_step(scale, thing->node, &event);
        break;
    case WHAT_TAKEN:
        taken(scale, *thing);
        break;
    case WHAT_READY:
        shard_tell(scale, thing, FLEET_SHARD_READY);
        break;
    case WHAT_GIVEN:
        thing->epoch = scale->epochs[thing->shard];
        shard_tell(scale, thing, FLEET_SHARD_GIVEN);
        break;
    }
}

static uint16_t timer_next(const struct scale *scale, ns_t *ret_due)
{
    uint16_t first = 1;
    *ret_due = NS_NEVER;
    for (uint16_t i = 1; i <= SCALE_NODES; i++) {
        ns_t due = scale->is_dead[i] ? NS_NEVER : fleet_deadline(scale->fleets[i]);
        if (due < *ret_due) {
            *ret_due = due;
            first = i;
        }
    }
    return first;
}

static void run(struct scale *scale, ns_t until)
{
    for (;;) {
        ns_t due, at = scale->num > 0 ? scale->heap[0].at : NS_NEVER;
        uint16_t node = timer_next(scale, &due);
        if (HF_MIN(due, at) > until) {
            scale->now = until;
            return;
        }
        scale->now = HF_MAX(scale->now, HF_MIN(due, at));
        if (at <= due) {
            struct thing thing = heap_take(scale);
            thing_do(scale, &thing);
        } else {
            engine_step(scale, node, &(struct fleet_event){.type = FLEET_EVENT_TIMER});
        }
    }
}

/* ---- the fleet */

static void owners_place(struct scale *scale, const uint64_t key[2])
{
    struct rendezvous_member members[SCALE_NODES];
    for (uint16_t i = 0; i < SCALE_NODES; i++) {
        members[i] =
            (struct rendezvous_member){.id = (uint16_t)(i + 1),
                                       .weight = i + 1 == SCALE_HEAVY ? SCALE_HEAVY_WEIGHT : SCALE_WEIGHT,
                                       .site = i,
                                       .may_own = true};
    }
    for (uint32_t shard = 0; shard < scale->num_shards; shard++) {
        scale->owners[shard] = rendezvous_place(key, shard, members, SCALE_NODES).primary;
        scale->epochs[shard] = 1;
    }
}

static void start(struct scale *scale)
{
    struct fleet_config config = {.shard_bits = (uint8_t)scale->bits,
                                  .shards_key = {3, 4},
                                  .lease = NS_PER_S,
                                  .heartbeat = 100 * NS_PER_MS,
                                  .takes_per_s = 500,
                                  .gives_per_s = 100,
                                  .rand = sim_rand_source(&scale->rand)};
    owners_place(scale, config.shards_key);
    for (uint16_t node = 1; node <= SCALE_NODES; node++) {
        member_make(node, &config.self);
        scale->fleets[node] = fleet_init(aligned_alloc(64, fleet_bytes(&config)), &config);
        scale->now = SIM_START + node * NS_PER_MS / 2;
        engine_step(scale, node, &(struct fleet_event){.type = FLEET_EVENT_START});
    }
}

static void clear(struct scale *scale)
{
    scale->beats = scale->beat_bytes = scale->leases = scale->views = scale->claims = scale->steps =
        scale->rows = scale->cpu_ns = 0;
}

static void tell_rates(const struct scale *scale, const char *when, double seconds)
{
    double view_bytes = (double)scale->num_shards * STORE_OWNER_BYTES + SCALE_NODES * 80.0;
    printf("%-22s %9.0f %9.1f %8.0f %8.0f %9.2f %8.0f %9.0f %7.2f %7.1f\n", when,
           (double)scale->beats / seconds, (double)scale->beat_bytes / seconds / 1e6,
           (double)scale->leases / seconds, (double)scale->views / seconds,
           (double)scale->views / seconds * view_bytes / 1e6, (double)scale->claims / seconds,
           (double)scale->rows / seconds / SCALE_NODES,
           (double)scale->cpu_ns / seconds / 1e9 / SCALE_NODES * 100,
           scale->steps == 0 ? 0 : (double)scale->cpu_ns / (double)scale->steps / 1e3);
}

static uint32_t owned_by(const struct scale *scale, uint16_t node)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < scale->num_shards; i++) {
        count += scale->owners[i] == node;
    }
    return count;
}

static void takeover(struct scale *scale)
{
    uint32_t shards = owned_by(scale, SCALE_HEAVY);
    ns_t died = scale->now;
    scale->is_dead[SCALE_HEAVY] = true;
    scale->is_starting = false;
    scale->scan_free_at = died;
    clear(scale);
    run(scale, died + 3 * NS_PER_S);
    tell_rates(scale, "3 s from its death on", 3);
    uint64_t sessions = (uint64_t)shards * sessions_of_shard(scale);
    printf("  %u shards, %llu sessions: the last claim came %.2f s after the death, the last record %.2f s "
           "(%u left)\n",
           shards, (unsigned long long)sessions, (double)(scale->view_last - died) / 1e9,
           (double)(HF_MAX(scale->scan_free_at, scale->view_last) - died) / 1e9,
           owned_by(scale, SCALE_HEAVY));
}

static void scale_run(uint32_t bits)
{
    struct scale *scale = calloc(1, sizeof(*scale));
    scale->bits = bits;
    scale->num_shards = UINT32_C(1) << bits;
    scale->rand = sim_rand_of(1);
    scale->owners = calloc(scale->num_shards, sizeof(uint16_t));
    scale->epochs = calloc(scale->num_shards, sizeof(uint16_t));
    printf("%u shards of %u sessions\n%-22s %9s %9s %8s %8s %9s %8s %9s %7s %7s\n", scale->num_shards,
           sessions_of_shard(scale), "", "beats/s", "MB/s", "leases/s", "views/s", "MB/s", "claims/s",
           "rows/s", "CPU %", "us/step");
    printf("%-22s %9s %9s %8s %8s %9s %8s %9s %7s %7s\n", "", "fleet", "fleet", "store", "store", "store",
           "store", "node", "node", "");
    scale->is_starting = true;
    start(scale);
    run(scale, SIM_START + 3 * NS_PER_S);
    tell_rates(scale, "3 s, all start", 3);
    fflush(stdout);
    clear(scale);
    run(scale, scale->now + NS_PER_S);
    tell_rates(scale, "at rest", 1);
    takeover(scale);
    for (uint16_t i = 1; i <= SCALE_NODES; i++) {
        free(scale->fleets[i]);
    }
    while (scale->num > 0) {
        free(scale->heap[--scale->num].beat);
    }
    free(scale->heap);
    free(scale->owners);
    free(scale->epochs);
    free(scale);
}

static void tell_store(void)
{
    double records = SCALE_SESSIONS;
    printf("the store: %d sessions of %d bytes are %.1f GB, with 120 bytes of index each %.1f GB\n",
           SCALE_SESSIONS, SCALE_RECORD_BYTES, records * SCALE_RECORD_BYTES / 1e9,
           records * (SCALE_RECORD_BYTES + 120) / 1e9);
    double rekeys = 2 * records / 3600, logins = 2 * records / (8 * 3600);
    printf("  writes: %.0f/s (a child's rekey each half hour, written twice) + %.0f/s (sessions of 8 h)\n",
           2 * rekeys, logins);
    printf("  = %.0f/s, %.1f MB/s\n", 2 * rekeys + logins, (2 * rekeys + logins) * SCALE_RECORD_BYTES / 1e6);
}

int scale_report(void)
{
    printf("%d sites of one node, %d sessions; lease 1 s, heartbeat 100 ms, takes 500/s\n\n", SCALE_NODES,
           SCALE_SESSIONS);
    tell_store();
    printf("\n");
    scale_run(10);
    fflush(stdout);
    scale_run(14);
    return 0;
}

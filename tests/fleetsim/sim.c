/* The clock, and what is due next. */
#include "tests/fleetsim/fleetsim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_NS (45 * NS_PER_S) /* longer than a substitute keeps a shard */
#define SERVE_NS (12 * NS_PER_S)

/* ---- items, in a heap */

static bool is_before(const struct item *a, const struct item *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void swap(struct sim *sim, uint32_t i, uint32_t k)
{
    struct item *item = sim->items[i];
    sim->items[i] = sim->items[k];
    sim->items[k] = item;
}

static void push(struct sim *sim, struct item *item)
{
    if (sim->num_items == sim->cap_items) {
        sim->cap_items = sim->cap_items == 0 ? 256 : 2 * sim->cap_items;
        sim->items = realloc(sim->items, sim->cap_items * sizeof(*sim->items));
    }
    uint32_t at = sim->num_items++;
    sim->items[at] = item;
    for (; at > 0 && is_before(sim->items[at], sim->items[(at - 1) / 2]); at = (at - 1) / 2) {
        swap(sim, at, (at - 1) / 2);
    }
}

static struct item *pop(struct sim *sim)
{
    struct item *first = sim->items[0];
    sim->items[0] = sim->items[--sim->num_items];
    uint32_t at = 0;
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < sim->num_items; child++) {
            least = is_before(sim->items[child], sim->items[least]) ? child : least;
        }
        if (least == at) {
            return first;
        }
        swap(sim, at, least);
        at = least;
    }
}

struct item *item_add(struct sim *sim, enum item_type type, ns_t at)
{
    struct item *item = calloc(1, sizeof(*item));
    hf_assert(item != NULL);
    item->type = type;
    item->at = at;
    item->seq = ++sim->seq;
    push(sim, item);
    return item;
}

void item_free(struct item *item)
{
    if (item->type == ITEM_ANSWER) {
        free(item->answer.seen);
    }
    free(item->bytes);
    free(item);
}

/* ---- what is said */

static uint64_t hash_of(uint64_t hash, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static void say(struct sim *sim, const char *line)
{
    sim->hash = hash_of(hash_of(sim->hash, &sim->now, sizeof(sim->now)), line, strlen(line));
    if (sim->verbose) {
        printf("%10.4f %s\n", (double)(sim->now - SIM_START) / 1e9, line);
    }
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    char line[SIM_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    say(sim, line);
}

void sim_fail(struct sim *sim, const char *id, const char *format, ...)
{
    if (sim_failed(sim)) {
        return;
    }
    snprintf(sim->id, sizeof(sim->id), "%s", id);
    va_list args;
    va_start(args, format);
    vsnprintf(sim->text, sizeof(sim->text), format, args);
    va_end(args);
    sim_trace(sim, "VIOLATION %s: %s", id, sim->text);
}

/* ---- life */

struct sim *sim_new(const struct scenario *scenario, bool verbose)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    hf_assert(sim != NULL);
    sim->scenario = *scenario;
    sim->verbose = verbose;
    sim->now = SIM_START;
    sim->hash = UINT64_C(0xcbf29ce484222325);
    sim->fate = sim_rand_of(scenario->seed ^ UINT64_C(0xfa7e));
    for (uint16_t i = 1; i <= scenario->num_nodes; i++) {
        struct node *node = &sim->nodes[i];
        int32_t most = (int32_t)scenario->drift_permille * 1000;
        node->number = i;
        node->is_newer = scenario->mixed_versions && i % 2 == 0;
        node->drift_ppm = most == 0 ? 0 : (int32_t)sim_rand_below(&sim->fate, 2 * (uint32_t)most) - most;
    }
    for (uint32_t i = 0; i < scenario->num_clients; i++) {
        sim->clients[i].key = (uint64_t)(i + 1) << 32;
        sim->clients[i].pop = (uint16_t)(i % scenario->num_nodes + 1);
        sim->clients[i].next_at = SIM_START + (1000 + sim_rand_below(&sim->fate, 1000)) * NS_PER_MS;
    }
    return sim;
}

void sim_free(struct sim *sim)
{
    sim->verbose = false;
    for (uint32_t i = 1; i <= sim->scenario.num_nodes; i++) {
        node_crash(sim, &sim->nodes[i]);
    }
    for (uint32_t i = 0; i < sim->num_items; i++) {
        item_free(sim->items[i]);
    }
    free(sim->items);
    free(sim->seals);
    free(sim->snapshot);
    free(sim);
}

/* ---- one thing after the other */

/* Whether it is for a node that is there, in this life; one that is paused gets it later. */
static bool is_for_node(struct sim *sim, struct item **item)
{
    struct node *node = &sim->nodes[(*item)->node];
    if (!node->is_up || node->life != (*item)->life) {
        return false;
    }
    if (sim->now < node->paused_until) {
        (*item)->at = node->paused_until;
        (*item)->seq = ++sim->seq;
        push(sim, *item);
        *item = NULL;
        return false;
    }
    return true;
}

static void node_item(struct sim *sim, struct item *item)
{
    struct node *node = &sim->nodes[item->node];
    if (item->type == ITEM_ANSWER) {
        node_answer(sim, node, item);
    } else if (item->type == ITEM_BEAT) {
        node_beat(sim, node, item);
    } else if (item->type == ITEM_NEWS) {
        node_event(sim, node, &item->news);
    } else {
        net_route(sim, node, &item->request);
    }
}

static void handle(struct sim *sim, struct item *item)
{
    switch (item->type) {
    case ITEM_STORE:
        net_store(sim, item);
        break;
    case ITEM_REPLY:
        client_reply(sim, &item->reply);
        break;
    case ITEM_DEED:
        deed_do(sim, &sim->scenario.deeds[item->deed]);
        break;
    case ITEM_END:
        deed_end(sim, &sim->scenario.deeds[item->deed]);
        break;
    default:
        if (is_for_node(sim, &item)) {
            node_item(sim, item);
        }
        break;
    }
    if (item != NULL) {
        item_free(item);
    }
}

static void handle_timers(struct sim *sim)
{
    for (uint32_t i = 1; i <= sim->scenario.num_nodes; i++) {
        if (node_deadline(sim, &sim->nodes[i]) <= sim->now) {
            node_timer(sim, &sim->nodes[i]);
            return;
        }
    }
    for (uint32_t i = 0; i < sim->scenario.num_clients; i++) {
        if (sim->clients[i].next_at <= sim->now) {
            client_timer(sim, i);
            return;
        }
    }
}

static ns_t timers_due(const struct sim *sim)
{
    ns_t due = NS_NEVER;
    for (uint32_t i = 1; i <= sim->scenario.num_nodes; i++) {
        due = HF_MIN(due, node_deadline(sim, &sim->nodes[i]));
    }
    for (uint32_t i = 0; i < sim->scenario.num_clients; i++) {
        due = HF_MIN(due, sim->clients[i].next_at);
    }
    return due;
}

static bool step(struct sim *sim, ns_t until)
{
    static const uint32_t steps_max = 10000; /* of one moment */
    ns_t item_at = sim->num_items > 0 ? sim->items[0]->at : NS_NEVER, timer_at = timers_due(sim);
    ns_t at = HF_MIN(item_at, timer_at);
    if (at > until || sim_failed(sim)) {
        sim->now = HF_MAX(sim->now, until);
        return false;
    }
    sim->steps_here = at > sim->now ? 0 : sim->steps_here + 1;
    if (sim->steps_here > steps_max) {
        sim_fail(sim, "T1", "timers without end");
    }
    sim->now = HF_MAX(sim->now, at);
    sim->events++;
    if (item_at <= timer_at) {
        handle(sim, pop(sim));
    } else {
        handle_timers(sim);
    }
    return true;
}

static void run_until(struct sim *sim, ns_t until)
{
    while (step(sim, until)) {
    }
}

void sim_run(struct sim *sim)
{
    struct scenario *scenario = &sim->scenario;
    for (uint32_t i = 0; i < scenario->num_deeds; i++) {
        ns_t at = SIM_START + scenario->deeds[i].at_ms * NS_PER_MS;
        item_add(sim, ITEM_DEED, at)->deed = i;
        item_add(sim, ITEM_END, at + scenario->deeds[i].lasts_ms * NS_PER_MS)->deed = i;
    }
    for (uint32_t i = 1; i <= scenario->num_nodes - scenario->late_nodes; i++) {
        node_start(sim, &sim->nodes[i]);
    }
    run_until(sim, SIM_START + scenario->duration_ms * NS_PER_MS / 2);
    for (uint32_t i = scenario->num_nodes - scenario->late_nodes + 1; i <= scenario->num_nodes; i++) {
        node_start(sim, &sim->nodes[i]);
    }
    run_until(sim, SIM_START + scenario->duration_ms * NS_PER_MS);
    deeds_heal(sim);
    run_until(sim, sim->now + SETTLE_NS);
    for (uint32_t i = 0; i < scenario->num_clients; i++) {
        sim->clients[i].answered = 0;
    }
    run_until(sim, sim->now + SERVE_NS);
    if (!sim_failed(sim)) {
        check_end(sim);
    }
}

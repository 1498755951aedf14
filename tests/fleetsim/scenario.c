/* Scenarios: drawn by a seed, written to a file, read from one. */
#include "tests/fleetsim/fleetsim.h"

#include <string.h>

static const char *const deed_names[DEED_KINDS] = {
    "crash", "pause", "cut",  "down",  "slow",  "unknown", "failover", "wipe",
    "split", "apart", "loss", "drain", "leave", "flip",    "flap",
};

static const char *const planted_names[SIM_PLANTED] = {
    [SIM_HEALTHY] = "nothing",
    [SIM_SKIPS_FENCE] = "fence-skipped",
    [SIM_REUSES_EPOCH] = "epoch-reused",
    [SIM_TWO_TAKERS] = "two-takers",
    [SIM_NO_LEASE] = "lease-ignored",
    [SIM_FORGETS_RELEASE] = "release-forgotten",
    [SIM_ANSWERS_EARLY] = "answer-before-write",
    [SIM_FORGETS_NUMBERS] = "numbers-not-written",
    [SIM_FORGETS_SEEN] = "seen-epochs-forgotten",
    [SIM_IV_WITHOUT_NODE] = "iv-without-node",
    [SIM_KEEPS_LOST] = "lost-shard-kept",
    [SIM_DEAF] = "deaf",
};

const char *planted_name(enum fleet_planted planted)
{
    return planted_names[planted];
}

/* ---- by seed */

static uint32_t between(struct sim_rand *rand, uint32_t low, uint32_t high)
{
    return low + sim_rand_below(rand, high - low + 1);
}

static uint32_t lasts_of(struct sim_rand *rand, enum deed_kind kind)
{
    if (kind == DEED_FAILOVER) {
        return between(rand, 1, 300);
    }
    return sim_rand_chance(rand, 300) ? between(rand, 1, 500) : between(rand, 500, 8000);
}

static void deeds_draw(struct scenario *scenario, struct sim_rand *rand)
{
    bool allowed[DEED_KINDS];
    for (uint32_t i = 0; i < DEED_KINDS; i++) {
        allowed[i] = sim_rand_chance(rand, i == DEED_WIPE ? 50 : 500);
    }
    uint32_t count = between(rand, 0, 14);
    for (uint32_t i = 0; i < count; i++) {
        enum deed_kind kind = (enum deed_kind)sim_rand_below(rand, DEED_KINDS);
        struct deed deed = {.kind = kind,
                            .at_ms = between(rand, 2000, scenario->duration_ms),
                            .lasts_ms = lasts_of(rand, kind),
                            .a = between(rand, 1, scenario->num_nodes),
                            .b = between(rand, 1, scenario->num_nodes)};
        if (kind == DEED_FLIP || kind == DEED_FLAP) {
            deed.a = sim_rand_below(rand, scenario->num_clients);
        }
        if (allowed[kind]) {
            scenario->deeds[scenario->num_deeds++] = deed;
        }
    }
}

/* The store fails over while shards change hands: the worst moment. */
static void failovers_draw(struct scenario *scenario, struct sim_rand *rand)
{
    uint32_t count = scenario->num_deeds;
    for (uint32_t i = 0; i < count; i++) {
        enum deed_kind kind = scenario->deeds[i].kind;
        if (kind == DEED_CRASH || kind == DEED_PAUSE || kind == DEED_DRAIN || kind == DEED_LEAVE) {
            scenario->deeds[scenario->num_deeds++] =
                (struct deed){.kind = DEED_FAILOVER,
                              .at_ms = scenario->deeds[i].at_ms + between(rand, 0, 1600),
                              .lasts_ms = between(rand, 1, 300)};
        }
    }
}

/* One node after the other leaves and comes back, as at an upgrade. */
static void rolling_draw(struct scenario *scenario)
{
    for (uint32_t i = 1; i <= scenario->num_nodes; i++) {
        scenario->deeds[scenario->num_deeds++] =
            (struct deed){.kind = DEED_LEAVE, .at_ms = 2000 + i * 4000, .lasts_ms = 2500, .a = i};
    }
    scenario->duration_ms = 8000 + scenario->num_nodes * 4000;
}

void scenario_draw(struct scenario *scenario, uint64_t seed)
{
    struct sim_rand rand = sim_rand_of(seed * UINT64_C(0x5eed));
    *scenario = (struct scenario){.seed = seed,
                                  .num_nodes = between(&rand, 2, 7),
                                  .num_sites = between(&rand, 1, 4),
                                  .num_clients = between(&rand, 4, 24),
                                  .duration_ms = between(&rand, 5000, 25000),
                                  .drift_permille = sim_rand_chance(&rand, 500) ? between(&rand, 0, 30) : 0,
                                  .mixed_versions = sim_rand_chance(&rand, 500)};
    scenario->late_nodes = sim_rand_chance(&rand, 300) ? between(&rand, 1, scenario->num_nodes - 1) : 0;
    if (sim_rand_chance(&rand, 100)) {
        rolling_draw(scenario);
    } else {
        deeds_draw(scenario, &rand);
    }
    if (sim_rand_chance(&rand, 200)) {
        failovers_draw(scenario, &rand);
    }
}

/* ---- as a file */

void scenario_print(const struct scenario *scenario, FILE *file)
{
    fprintf(
        file,
        "seed %llu\nnodes %u\nsites %u\nclients %u\nduration %u\ndrift %u\nlate %u\nmixed %d\nplanted %s\n",
        (unsigned long long)scenario->seed, scenario->num_nodes, scenario->num_sites, scenario->num_clients,
        scenario->duration_ms, scenario->drift_permille, scenario->late_nodes, scenario->mixed_versions,
        planted_name(scenario->planted));
    for (uint32_t i = 0; i < scenario->num_deeds; i++) {
        const struct deed *deed = &scenario->deeds[i];
        fprintf(file, "at %u %s %u %u for %u\n", deed->at_ms, deed_names[deed->kind], deed->a, deed->b,
                deed->lasts_ms);
    }
}

static int name_find(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static bool deed_read(struct scenario *scenario, const char *line)
{
    struct deed deed;
    char name[32];
    if (scenario->num_deeds == SIM_DEEDS ||
        sscanf(line, "at %u %31s %u %u for %u", &deed.at_ms, name, &deed.a, &deed.b, &deed.lasts_ms) != 5) {
        return false;
    }
    int kind = name_find(deed_names, DEED_KINDS, name);
    deed.kind = (enum deed_kind)kind;
    scenario->deeds[scenario->num_deeds++] = deed;
    return kind >= 0;
}

static bool number_read(struct scenario *scenario, const char *line)
{
    char name[32], value[32];
    if (sscanf(line, "%31s %31s", name, value) != 2) {
        return false;
    }
    unsigned long long number = 0;
    (void)sscanf(value, "%llu", &number);
    struct {
        const char *name;
        uint32_t *where;
    } fields[] = {{"nodes", &scenario->num_nodes},      {"sites", &scenario->num_sites},
                  {"clients", &scenario->num_clients},  {"duration", &scenario->duration_ms},
                  {"drift", &scenario->drift_permille}, {"late", &scenario->late_nodes}};
    for (uint32_t i = 0; i < HF_COUNT(fields); i++) {
        if (strcmp(name, fields[i].name) == 0) {
            *fields[i].where = (uint32_t)number;
            return true;
        }
    }
    if (strcmp(name, "planted") == 0) {
        int planted = name_find(planted_names, SIM_PLANTED, value);
        scenario->planted = (enum fleet_planted)planted;
        return planted >= 0;
    }
    scenario->seed = strcmp(name, "seed") == 0 ? number : scenario->seed;
    scenario->mixed_versions = strcmp(name, "mixed") == 0 ? number != 0 : scenario->mixed_versions;
    return strcmp(name, "seed") == 0 || strcmp(name, "mixed") == 0;
}

bool scenario_read(struct scenario *ret_scenario, FILE *file)
{
    char line[256];
    *ret_scenario = (struct scenario){.seed = 1};
    while (fgets(line, sizeof(line), file) != NULL) {
        bool ok =
            line[0] == '#' || line[0] == '\n' ||
            (strncmp(line, "at ", 3) == 0 ? deed_read(ret_scenario, line) : number_read(ret_scenario, line));
        if (!ok) {
            return false;
        }
    }
    return ret_scenario->num_nodes >= 1 && ret_scenario->num_nodes <= SIM_NODES &&
           ret_scenario->num_clients >= 1 && ret_scenario->num_clients <= SIM_CLIENTS &&
           ret_scenario->late_nodes < ret_scenario->num_nodes;
}

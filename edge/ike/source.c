#include "edge/ike/source.h"

#include "ebpf/shared.h"
#include "edge/base/bytes.h"
#include "edge/base/limits.h"

#define PLACES_MIN 1024
#define PLACES_MAX 65536
#define V4_LEVEL 8 /* so that no IPv4 prefix has the hash of an IPv6 one */

/* `halves` of the limit of an IPv4 address. */
struct level {
    uint8_t bits, halves;
};
static const struct level v4_levels[] = {{32, 2}, {24, 2 * SOURCE_WIDER}};
static const struct level v6_levels[] = {{64, 1}, {56, 2}, {48, 2 * SOURCE_WIDER}};
_Static_assert(HF_COUNT(v6_levels) <= SOURCE_LEVELS_MAX, "places for all levels");

static const struct level *level_of(const struct source *source, uint32_t i)
{
    return source->is_v4 ? &v4_levels[i] : &v6_levels[i];
}

/* With as many places as there are entries, few prefixes meet others in both rows. */
static uint32_t places_of(uint32_t half_open_max)
{
    uint32_t places = PLACES_MIN;
    while (places < PLACES_MAX && places / SOURCE_LEVELS_MAX < half_open_max) {
        places *= 2;
    }
    return places;
}

size_t sources_bytes(uint32_t half_open_max)
{
    return (size_t)SOURCE_ROWS * places_of(half_open_max) * sizeof(struct source_count);
}

void sources_init(struct sources *sources, void *memory, uint32_t half_open_max, const uint64_t key[2])
{
    uint32_t places = places_of(half_open_max);
    memset(memory, 0, sources_bytes(half_open_max));
    *sources = (struct sources){.mask = places - 1, .key = {key[0], key[1]}};
    for (uint32_t row = 0; row < SOURCE_ROWS; row++) {
        sources->rows[row] = (struct source_count *)memory + (size_t)row * places;
    }
}

struct source source_of(const struct sources *sources, const struct ip_addr *addr)
{
    struct source source = {.is_v4 = ip_is_v4(addr)};
    source.num_levels = source.is_v4 ? HF_COUNT(v4_levels) : HF_COUNT(v6_levels);
    uint64_t network = source.is_v4 ? (uint64_t)be32_load(addr->bytes + 12) << 32 : be64_load(addr->bytes);
    for (uint32_t i = 0; i < source.num_levels; i++) {
        uint64_t prefix = network & ~UINT64_C(0) << (64 - level_of(&source, i)->bits);
        uint64_t hash = hf_siphash13_2(sources->key, prefix, source.is_v4 ? V4_LEVEL + i : i);
        for (uint32_t row = 0; row < SOURCE_ROWS; row++) {
            source.places[i][row] = (uint32_t)(hash >> (32 * row)) & sources->mask;
        }
    }
    return source;
}

static struct source_count *count_at(const struct sources *sources, const struct source *source,
                                     uint32_t level, uint32_t row)
{
    return &sources->rows[row][source->places[level][row]];
}

void sources_enter(struct sources *sources, const struct source *source)
{
    for (uint32_t i = 0; i < source->num_levels * SOURCE_ROWS; i++) {
        count_at(sources, source, i / SOURCE_ROWS, i % SOURCE_ROWS)->half_open++;
    }
}

void sources_leave(struct sources *sources, const struct source *source)
{
    for (uint32_t i = 0; i < source->num_levels * SOURCE_ROWS; i++) {
        struct source_count *count = count_at(sources, source, i / SOURCE_ROWS, i % SOURCE_ROWS);
        hf_assert(count->half_open > 0);
        count->half_open--;
    }
}

uint32_t sources_full_level(const struct sources *sources, const struct source *source, uint32_t limit)
{
    for (uint32_t i = 0; i < source->num_levels; i++) {
        uint64_t allowed = HF_MAX((uint64_t)limit * level_of(source, i)->halves / 2, UINT64_C(1));
        uint32_t under_way = UINT32_MAX;
        for (uint32_t row = 0; row < SOURCE_ROWS; row++) {
            under_way = HF_MIN(under_way, count_at(sources, source, i, row)->half_open);
        }
        if (under_way >= allowed) {
            return i;
        }
    }
    return SOURCE_NOT_FULL;
}

bool sources_are_one(const struct source *a, const struct source *b, uint32_t level)
{
    return a->is_v4 == b->is_v4 && a->places[level][0] == b->places[level][0] &&
           a->places[level][1] == b->places[level][1];
}

static uint32_t work_now(struct source_count *count, ns_t now)
{
    uint64_t decayed = (now - count->decayed_at) / SOURCE_WORK_INTERVAL_NS;
    if (decayed > 0) {
        count->work -= (uint32_t)HF_MIN((uint64_t)count->work, decayed);
        count->decayed_at += decayed * SOURCE_WORK_INTERVAL_NS; /* not `now`: asking must not slow it */
    }
    return count->work;
}

bool sources_charge(struct sources *sources, const struct source *source, ns_t now, uint32_t cost)
{
    for (uint32_t i = 0; i < source->num_levels; i++) {
        uint32_t work = UINT32_MAX;
        for (uint32_t row = 0; row < SOURCE_ROWS; row++) {
            work = HF_MIN(work, work_now(count_at(sources, source, i, row), now));
        }
        if (work + cost > SOURCE_WORK_MAX * level_of(source, i)->halves / 2) {
            return false;
        }
    }
    for (uint32_t i = 0; i < source->num_levels * SOURCE_ROWS; i++) {
        count_at(sources, source, i / SOURCE_ROWS, i % SOURCE_ROWS)->work += cost;
    }
    return true;
}

void sources_refund(struct sources *sources, const struct source *source, uint32_t cost)
{
    for (uint32_t i = 0; i < source->num_levels * SOURCE_ROWS; i++) {
        struct source_count *count = count_at(sources, source, i / SOURCE_ROWS, i % SOURCE_ROWS);
        count->work -= HF_MIN(count->work, cost);
    }
}

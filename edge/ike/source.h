/* How much of our handshakes each part of the internet takes, by prefix: IPv4 /32 and /24, IPv6 /64, /56 and
 * /48. One address is no measure: behind an IPv4 address there may be a carrier's NAT, and a household has
 * more IPv6 addresses than we have memory.
 *
 * Two rows of counters, at places that a keyed hash of the prefix names; what counts is the lower one, so
 * that a prefix is blamed for another only when it meets others in both rows. The memory is fixed: nobody's
 * addresses, spoofed or not, make it grow or push out what is known of others. */
#pragma once

#include "edge/base/addr.h"
#include "edge/base/compiler.h"

enum { SOURCE_LEVELS_MAX = 3, SOURCE_ROWS = 2 };

struct source_count {
    uint32_t half_open; /* handshakes under way */
    uint32_t work;      /* key exchanges that led to no login, in units of about 65 us; decays */
    ns_t decayed_at;
};

struct sources {
    struct source_count *rows[SOURCE_ROWS];
    uint32_t mask; /* places in a row, a power of 2, - 1 */
    uint64_t key[2];
};

/* The prefixes of one address. */
struct source {
    uint32_t places[SOURCE_LEVELS_MAX][SOURCE_ROWS];
    uint8_t num_levels;
    bool is_v4;
};

/* Bytes for at most so many handshakes at a time. */
size_t sources_bytes(uint32_t half_open_max);
void sources_init(struct sources *sources, void *memory, uint32_t half_open_max, const uint64_t key[2]);
struct source source_of(const struct sources *sources, const struct ip_addr *addr);

/* A handshake begins, and is over. */
void sources_enter(struct sources *sources, const struct source *source);
void sources_leave(struct sources *sources, const struct source *source);
/* The first of its prefixes that has as many handshakes as it may, or SOURCE_NOT_FULL. `limit`: of an IPv4
 * address; the others' follow from it (limits.h). */
#define SOURCE_NOT_FULL SOURCE_LEVELS_MAX
uint32_t sources_full_level(const struct sources *sources, const struct source *source, uint32_t limit);
/* Whether both have this prefix, or one that is counted with it. */
bool sources_are_one(const struct source *a, const struct source *b, uint32_t level);

/* Charges all its prefixes with a key exchange, unless one of them has no more to spend: then false, and
 * nothing is charged. */
HF_MUST bool sources_charge(struct sources *sources, const struct source *source, ns_t now, uint32_t cost);
/* It led to a login after all. */
void sources_refund(struct sources *sources, const struct source *source, uint32_t cost);

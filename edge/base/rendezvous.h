/* Which nodes own which shard: weighted rendezvous hashing. Every node of the fleet computes the same table
 * from the same list, whatever its order; a node that comes or goes moves its own share and nothing else; a
 * share is proportional to the weight. No floating point: the table must not depend on the machine. */
#pragma once

#include "edge/base/compiler.h"

struct rendezvous_node {
    uint16_t id;
    uint16_t weight; /* 0: owns nothing, as when it drains */
};

struct rendezvous_pair {
    uint16_t primary, secondary; /* RENDEZVOUS_NOBODY where there is none */
};

#define RENDEZVOUS_NOBODY UINT16_MAX

/* The two nodes with the highest score for `shard`. Node ids are distinct and below RENDEZVOUS_NOBODY. `key`
 * is the fleet's. O(num_nodes). */
struct rendezvous_pair rendezvous_pick(const uint64_t key[2], uint32_t shard,
                                       const struct rendezvous_node *nodes, uint32_t num_nodes);

/* A node of a fleet whose nodes stand in sites, and die. */
struct rendezvous_member {
    uint16_t id;
    uint16_t weight; /* 0: no shard is its own */
    uint16_t site;
    bool may_own; /* lives, and does not drain */
};

struct rendezvous_place {
    uint16_t home; /* whose the shard is when everybody lives; RENDEZVOUS_NOBODY without members */
    uint16_t primary, secondary; /* who has it now, and who if that one may not; RENDEZVOUS_NOBODY: nobody */
};

/* Where a shard belongs: its home, or the best of the home's site that may own it, or else the best of all.
 * So a node that dies is stood in for by its site, and everything is as before when it returns. Ids ascend,
 * at most FLEET_MEMBERS_MAX. O(num_members). */
struct rendezvous_place rendezvous_place(const uint64_t key[2], uint32_t shard,
                                         const struct rendezvous_member *members, uint32_t num_members);

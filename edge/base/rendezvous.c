#include "edge/base/rendezvous.h"

#include "edge/base/limits.h"
#include "ebpf/shared.h"

enum { FRACTION_BITS = 32 };

/* -log2(hash / 2^64), in units of 2^-32, at least 1: digit by digit, by squaring. */
static uint64_t log_of(uint64_t hash)
{
    uint64_t mantissa = hash | 1;
    uint64_t zeros = (uint64_t)__builtin_clzll(mantissa);
    uint64_t fraction = 0;
    mantissa <<= zeros; /* 1.0 is 2^63 */
    for (int i = 0; i < FRACTION_BITS; i++) {
        unsigned __int128 square = (unsigned __int128)mantissa * mantissa;
        uint64_t carry = (uint64_t)(square >> 127);
        mantissa = (uint64_t)(square >> (63 + carry));
        fraction = fraction << 1 | carry;
    }
    uint64_t log2 = (63 - zeros) << FRACTION_BITS | fraction;
    return (UINT64_C(64) << FRACTION_BITS) - log2;
}

struct candidate {
    uint64_t cost; /* -log2 of the hash; the score is weight / cost */
    uint32_t weight;
    uint16_t id;
};

/* Equal scores, which the list's order must not decide, go to the lower id. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    uint64_t left = a->weight * b->cost, right = b->weight * a->cost; /* 16 + 39 bits */
    return left != right ? left > right : a->id < b->id;
}

struct rendezvous_pair rendezvous_pick(const uint64_t key[2], uint32_t shard,
                                       const struct rendezvous_node *nodes, uint32_t num_nodes)
{
    struct candidate first = {.cost = 1, .id = RENDEZVOUS_NOBODY}, second = first;
    for (uint32_t i = 0; i < num_nodes; i++) {
        hf_assert(nodes[i].id != RENDEZVOUS_NOBODY);
        if (nodes[i].weight == 0) {
            continue;
        }
        struct candidate node = {
            .cost = log_of(hf_siphash13_2(key, shard, nodes[i].id)),
            .weight = nodes[i].weight,
            .id = nodes[i].id,
        };
        if (is_better(&node, &first)) {
            second = first;
            first = node;
        } else if (is_better(&node, &second)) {
            second = node;
        }
    }
    return (struct rendezvous_pair){first.id, second.id};
}

/* The best two of those that were offered so far, in ascending order of their ids. */
struct podium {
    struct candidate first, second;
    uint64_t first_hash, second_hash;
};

static const struct podium PODIUM_EMPTY = {
    .first = {.cost = 1, .id = RENDEZVOUS_NOBODY},
    .second = {.cost = 1, .id = RENDEZVOUS_NOBODY},
};

/* A logarithm is expensive: who has neither more weight nor a better hash than the second needs none, for its
 * id is higher. */
static void podium_offer(struct podium *podium, const struct rendezvous_member *member, uint64_t hash)
{
    if (member->weight == 0 || (member->weight <= podium->second.weight && hash <= podium->second_hash)) {
        return;
    }
    struct candidate node = {.cost = log_of(hash), .weight = member->weight, .id = member->id};
    if (is_better(&node, &podium->first)) {
        podium->second = podium->first;
        podium->second_hash = podium->first_hash;
        podium->first = node;
        podium->first_hash = hash;
    } else if (is_better(&node, &podium->second)) {
        podium->second = node;
        podium->second_hash = hash;
    }
}

struct rendezvous_place rendezvous_place(const uint64_t key[2], uint32_t shard,
                                         const struct rendezvous_member *members, uint32_t num_members)
{
    uint64_t hashes[FLEET_MEMBERS_MAX];
    struct podium all = PODIUM_EMPTY, near = PODIUM_EMPTY, any = PODIUM_EMPTY;
    uint32_t home = num_members;
    hf_assert(num_members <= FLEET_MEMBERS_MAX);
    for (uint32_t i = 0; i < num_members; i++) {
        hf_assert(members[i].id != RENDEZVOUS_NOBODY && (i == 0 || members[i - 1].id < members[i].id));
        hashes[i] = hf_siphash13_2(key, shard, members[i].id);
        podium_offer(&all, &members[i], hashes[i]);
        home = all.first.id == members[i].id ? i : home;
    }
    for (uint32_t i = 0; home < num_members && i < num_members; i++) {
        if (members[i].may_own) {
            podium_offer(members[i].site == members[home].site ? &near : &any, &members[i], hashes[i]);
        }
    }
    uint16_t order[] = {near.first.id, near.second.id, any.first.id, any.second.id};
    struct rendezvous_place place = {all.first.id, RENDEZVOUS_NOBODY, RENDEZVOUS_NOBODY};
    for (uint32_t i = 0; i < HF_COUNT(order); i++) {
        if (order[i] != RENDEZVOUS_NOBODY && place.primary == RENDEZVOUS_NOBODY) {
            place.primary = order[i];
        } else if (order[i] != RENDEZVOUS_NOBODY && place.secondary == RENDEZVOUS_NOBODY) {
            place.secondary = order[i];
        }
    }
    return place;
}

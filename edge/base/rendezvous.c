#include "edge/base/rendezvous.h"

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

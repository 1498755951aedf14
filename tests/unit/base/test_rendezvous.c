#include "edge/base/rendezvous.h"

#include <criterion/criterion.h>

enum { SHARDS = 4096, NODES = 10 };

static const uint64_t KEY[2] = {0x1122334455667788, 0x99aabbccddeeff00};

static void table_make(const struct rendezvous_node *nodes, uint32_t num_nodes,
                       struct rendezvous_pair ret_table[SHARDS])
{
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        ret_table[shard] = rendezvous_pick(KEY, shard, nodes, num_nodes);
    }
}

static uint32_t share_of(const struct rendezvous_pair table[SHARDS], uint16_t id)
{
    uint32_t count = 0;
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        count += table[shard].primary == id;
    }
    return count;
}

static void nodes_make(struct rendezvous_node nodes[NODES])
{
    for (uint16_t i = 0; i < NODES; i++) {
        nodes[i] = (struct rendezvous_node){.id = i, .weight = 100};
    }
}

Test(rendezvous, small_fleets)
{
    struct rendezvous_node nodes[2] = {{.id = 7, .weight = 1}, {.id = 9, .weight = 1}};
    struct rendezvous_pair pair = rendezvous_pick(KEY, 5, nodes, 0);
    cr_assert(pair.primary == RENDEZVOUS_NOBODY && pair.secondary == RENDEZVOUS_NOBODY);
    pair = rendezvous_pick(KEY, 5, nodes, 1);
    cr_assert(pair.primary == 7 && pair.secondary == RENDEZVOUS_NOBODY);
    pair = rendezvous_pick(KEY, 5, nodes, 2);
    cr_assert(pair.primary + pair.secondary == 16 && pair.primary != pair.secondary);
    nodes[0].weight = 0;
    pair = rendezvous_pick(KEY, 5, nodes, 2);
    cr_assert(pair.primary == 9 && pair.secondary == RENDEZVOUS_NOBODY, "who drains owns nothing");
}

/* Frozen: all nodes of a fleet, of two releases too, must agree. Computed by a second implementation with
 * floating point (Python). */
Test(rendezvous, vectors)
{
    static const struct rendezvous_pair WANTED[8] = {{5, 2}, {1, 3}, {3, 6}, {4, 3},
                                                     {3, 8}, {6, 3}, {3, 9}, {3, 7}};
    struct rendezvous_node nodes[NODES];
    nodes_make(nodes);
    nodes[3].weight = 300;
    for (uint32_t shard = 0; shard < HF_COUNT(WANTED); shard++) {
        struct rendezvous_pair pair = rendezvous_pick(KEY, shard, nodes, NODES);
        cr_assert(pair.primary == WANTED[shard].primary && pair.secondary == WANTED[shard].secondary,
                  "shard %u: %u, %u", shard, pair.primary, pair.secondary);
    }
}

Test(rendezvous, shares_follow_weights)
{
    struct rendezvous_node nodes[NODES];
    struct rendezvous_pair table[SHARDS];
    nodes_make(nodes);
    nodes[3].weight = 300;
    nodes[4].weight = 50;
    table_make(nodes, NODES, table);
    for (uint16_t i = 0; i < NODES; i++) {
        double wanted = (double)SHARDS * nodes[i].weight / 1150;
        uint32_t share = share_of(table, i);
        cr_assert(share > wanted * 0.8 - 10 && share < wanted * 1.2 + 10, "node %u: %u of %.0f", i, share,
                  wanted);
    }
}

/* When a node goes, its shards go to their seconds, and no other shard changes hands. */
Test(rendezvous, minimal_disruption)
{
    struct rendezvous_node nodes[NODES], rest[NODES];
    struct rendezvous_pair before[SHARDS], after[SHARDS];
    nodes_make(nodes);
    nodes[3].weight = 300;
    table_make(nodes, NODES, before);
    for (uint16_t gone = 0; gone < NODES; gone++) {
        uint32_t num_rest = 0;
        for (int i = NODES - 1; i >= 0; i--) { /* the order of the list does not matter */
            if (nodes[i].id != gone) {
                rest[num_rest++] = nodes[i];
            }
        }
        table_make(rest, num_rest, after);
        for (uint32_t shard = 0; shard < SHARDS; shard++) {
            bool moved = before[shard].primary == gone;
            cr_assert_eq(after[shard].primary, moved ? before[shard].secondary : before[shard].primary);
            cr_assert(moved || before[shard].secondary == gone ||
                      after[shard].secondary == before[shard].secondary);
        }
    }
}

/* More weight takes shards from others to this node only. */
Test(rendezvous, weight_moves_only_to_or_from_its_node)
{
    struct rendezvous_node nodes[NODES];
    struct rendezvous_pair before[SHARDS], after[SHARDS];
    nodes_make(nodes);
    table_make(nodes, NODES, before);
    nodes[6].weight = 150;
    table_make(nodes, NODES, after);
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        cr_assert(after[shard].primary == before[shard].primary || after[shard].primary == 6);
    }
    cr_assert_gt(share_of(after, 6), share_of(before, 6));
}

/* ---- sites */

enum { MEMBERS = 12 };

/* Four sites of three nodes. */
static void members_make(struct rendezvous_member members[MEMBERS])
{
    for (uint16_t i = 0; i < MEMBERS; i++) {
        members[i] = (struct rendezvous_member){
            .id = (uint16_t)(i + 1), .weight = 100, .site = i % 4, .may_own = true};
    }
}

static void places_make(const struct rendezvous_member *members, uint32_t num_members,
                        struct rendezvous_place ret_places[SHARDS])
{
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        ret_places[shard] = rendezvous_place(KEY, shard, members, num_members);
    }
}

Test(rendezvous, home_is_as_in_a_fleet_without_sites)
{
    struct rendezvous_member members[MEMBERS];
    struct rendezvous_node nodes[MEMBERS];
    struct rendezvous_place places[SHARDS];
    members_make(members);
    members[3].weight = 300;
    members[5].weight = 0;
    members[7].weight = 7;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        nodes[i] = (struct rendezvous_node){.id = members[i].id, .weight = members[i].weight};
    }
    places_make(members, MEMBERS, places);
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        uint16_t first = rendezvous_pick(KEY, shard, nodes, MEMBERS).primary;
        cr_assert(places[shard].home == first && places[shard].primary == first);
        cr_assert((places[shard].secondary - 1) % 4 == (first - 1) % 4, "of its site");
        cr_assert(places[shard].secondary != first && places[shard].secondary != 6);
    }
}

/* Who dies is stood in for by its second, of its site as long as one of it lives; nothing else moves, and all
 * is as before when it returns. */
Test(rendezvous, the_site_stands_in)
{
    struct rendezvous_member members[MEMBERS];
    struct rendezvous_place before[SHARDS], after[SHARDS];
    members_make(members);
    for (uint32_t round = 0; round < 4; round++) { /* node 1, then 5, then 9 die: all of site 0; then 2 */
        static const uint32_t dies[] = {0, 4, 8, 1};
        places_make(members, MEMBERS, before);
        members[dies[round]].may_own = false;
        uint16_t dead = members[dies[round]].id;
        places_make(members, MEMBERS, after);
        for (uint32_t shard = 0; shard < SHARDS; shard++) {
            cr_assert_eq(after[shard].home, before[shard].home);
            cr_assert_eq(after[shard].primary,
                         before[shard].primary == dead ? before[shard].secondary : before[shard].primary);
            bool has_site = round < 2 || (before[shard].home - 1) % 4 != 0;
            cr_assert(!has_site || (after[shard].primary - 1) % 4 == (after[shard].home - 1) % 4);
        }
    }
}

Test(rendezvous, nobody_may)
{
    struct rendezvous_member members[MEMBERS];
    members_make(members);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        members[i].may_own = i == 2;
    }
    struct rendezvous_place place = rendezvous_place(KEY, 1, members, MEMBERS);
    cr_assert(place.home != RENDEZVOUS_NOBODY && place.primary == 3 && place.secondary == RENDEZVOUS_NOBODY);
    members[2].may_own = false;
    cr_assert_eq(rendezvous_place(KEY, 1, members, MEMBERS).primary, RENDEZVOUS_NOBODY);
    place = rendezvous_place(KEY, 1, members, 0);
    cr_assert(place.home == RENDEZVOUS_NOBODY && place.primary == RENDEZVOUS_NOBODY);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        members[i].weight = 0;
    }
    cr_assert_eq(rendezvous_place(KEY, 1, members, MEMBERS).home, RENDEZVOUS_NOBODY);
}

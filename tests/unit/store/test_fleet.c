/* What stores promise a fleet (docs/FLEET.md): leases, claims, fences among several nodes, on each kind that
 * several nodes can share; and that a store with one node answers as if there were no other. */
#include "edge/base/bytes.h"
#include "tests/unit/store/harness.h"

#include <criterion/criterion.h>

enum { TTL_MS = 400 }; /* time enough for a step, also where it passes for everybody */

static enum store_result op_of(struct harness *h, enum store_op_type type, uint16_t shard, uint16_t epoch)
{
    return harness_do(h, (struct store_op){.type = type, .shard = shard, .epoch = epoch});
}

static enum store_result forget(struct harness *h, uint16_t node)
{
    return harness_do(h, (struct store_op){.type = STORE_FORGET, .index = node});
}

static enum store_result put(struct harness *h, uint16_t shard, uint32_t index, const char *value)
{
    return harness_put(h, shard, index, STORE_NO_INDEX, span_of_string(value));
}

static void expect_owner(struct harness *h, uint16_t shard, uint16_t owner, uint16_t epoch)
{
    cr_assert_eq(op_of(h, STORE_VIEW, 0, 0), STORE_OK, "%s", h->kind);
    struct span owners = harness_owners(h);
    cr_assert_geq(owners.len, (size_t)HARNESS_SHARDS * STORE_OWNER_BYTES, "%s: %zu", h->kind, owners.len);
    cr_expect_eq(be16_load(owners.data + (size_t)shard * STORE_OWNER_BYTES), owner, "%s", h->kind);
    cr_expect_eq(be16_load(owners.data + (size_t)shard * STORE_OWNER_BYTES + 2), epoch, "%s", h->kind);
}

static void one_process_has_the_lease_of_a_node(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *root = harness_new(kind);
        struct harness *a = harness_join(root, 2, 0xaaaa), *b = harness_join(root, 2, 0xbbbb);
        cr_expect_eq(harness_lease(a, "a", TTL_MS), STORE_OK, "%s", a->kind);
        cr_expect_eq(harness_lease(b, "b", TTL_MS), STORE_FENCED, "%s", a->kind);
        cr_expect_eq(harness_lease(a, "a again", TTL_MS), STORE_OK, "%s: renewed", a->kind);
        cr_expect_eq(op_of(b, STORE_UNLEASE, 0, 0), STORE_FENCED, "%s", a->kind);
        harness_pass(a, TTL_MS + 50);
        cr_expect_eq(harness_lease(b, "b", 600 * 1000), STORE_OK, "%s: it has expired", a->kind);
        cr_expect_eq(harness_lease(a, "a", TTL_MS), STORE_FENCED, "%s", a->kind);
        cr_expect_eq(harness_claim(a, 1), STORE_FENCED, "%s: a lease, but another's", a->kind);
        cr_expect_eq(op_of(b, STORE_UNLEASE, 0, 0), STORE_OK, "%s", a->kind);
        cr_expect_eq(op_of(b, STORE_UNLEASE, 0, 0), STORE_OK, "%s: again", a->kind);
        cr_expect_eq(harness_lease(a, "a", TTL_MS), STORE_OK, "%s: it was ended", a->kind);
        harness_free(a);
        harness_free(b);
        harness_free(root);
    }
}

Test(fleet, one_process_has_the_lease_of_a_node)
{
    one_process_has_the_lease_of_a_node(HARNESS_FLEETS, HARNESS_KINDS);
}

static void a_shard_of_the_dead_is_claimed(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *live = harness_new(kind);
        struct harness *dead = harness_join(live, 2, 0x2222);
        cr_expect_eq(harness_claim(dead, 3), STORE_FENCED, "%s: no lease yet", live->kind);
        cr_assert_eq(harness_lease(dead, "dead", TTL_MS), STORE_OK);
        cr_assert_eq(harness_claim(dead, 3), STORE_OK, "%s", live->kind);
        cr_expect_eq(dead->epoch, 1);
        cr_expect_eq(put(dead, 3, 7, "of the dead"), STORE_OK);
        cr_expect_eq(harness_claim(live, 3), STORE_FENCED, "%s: its owner lives", live->kind);
        expect_owner(live, 3, 2, 1);
        harness_pass(live, TTL_MS + 50);
        cr_expect_eq(put(dead, 3, 8, "late"), STORE_OK, "%s: the fence is still its own", live->kind);
        cr_assert_eq(harness_claim(live, 3), STORE_OK, "%s", live->kind);
        cr_expect_eq(live->epoch, 2);
        cr_expect_eq(put(dead, 3, 7, "too late"), STORE_FENCED, "%s", live->kind);
        cr_expect_eq(harness_delete(dead, 3, 7), STORE_FENCED, "%s", live->kind);
        cr_expect_eq(op_of(dead, STORE_RELEASE, 3, 1), STORE_FENCED, "%s", live->kind);
        cr_expect_eq(put(live, 3, 9, "of the living"), STORE_OK);
        cr_assert_eq(harness_lease(dead, "back", 600 * 1000), STORE_OK);
        cr_expect_eq(harness_claim(dead, 3), STORE_FENCED, "%s: now it is the other's", live->kind);
        expect_owner(dead, 3, 1, 2);
        cr_assert_eq(harness_scan(dead, 3), STORE_OK);
        cr_expect_eq(dead->num_records, 3, "%s", live->kind);
        cr_expect_eq(harness_record(dead, 8)->epoch, 1);
        cr_expect_eq(harness_record(dead, 9)->epoch, 2);
        harness_free(dead);
        harness_free(live);
    }
}

Test(fleet, a_shard_of_the_dead_is_claimed)
{
    a_shard_of_the_dead_is_claimed(HARNESS_FLEETS, HARNESS_KINDS);
}

static void a_shard_is_handed_over(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *from = harness_new(kind);
        struct harness *to = harness_join(from, 1023, 0x2222);
        cr_assert_eq(harness_lease(to, "to", 600 * 1000), STORE_OK);
        cr_assert_eq(harness_claim(from, 15), STORE_OK);
        cr_assert_eq(harness_claim(from, 15), STORE_OK, "%s: its own again", from->kind);
        cr_expect_eq(op_of(from, STORE_RELEASE, 15, 1), STORE_FENCED, "%s: not this epoch", from->kind);
        cr_expect_eq(op_of(to, STORE_RELEASE, 15, 2), STORE_FENCED, "%s: not its own", from->kind);
        cr_expect_eq(op_of(from, STORE_RELEASE, 15, 2), STORE_OK, "%s", from->kind);
        cr_expect_eq(op_of(from, STORE_RELEASE, 15, 2), STORE_OK, "%s: again", from->kind);
        expect_owner(from, 15, 0, 2);
        cr_assert_eq(harness_do(to, (struct store_op){.type = STORE_CLAIM, .shard = 15, .epoch = 40}),
                     STORE_OK);
        cr_expect_eq(to->epoch, 41, "%s: above what it has seen", from->kind);
        expect_owner(from, 15, 1023, 41);
        cr_expect_eq(op_of(from, STORE_RELEASE, 15, 2), STORE_FENCED, "%s", from->kind);
        cr_expect_eq(put(from, 15, 1, "late"), STORE_FENCED, "%s", from->kind);
        harness_free(to);
        harness_free(from);
    }
}

Test(fleet, a_shard_is_handed_over)
{
    a_shard_is_handed_over(HARNESS_FLEETS, HARNESS_KINDS);
}

static void a_view_tells_members_and_owners(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *h = harness_new(kind);
        struct harness *other = harness_join(h, 300, 0x2222);
        cr_assert_eq(op_of(h, STORE_VIEW, 0, 0), STORE_OK);
        cr_expect_eq(h->num_records, 2, "%s: a member, the owners", h->kind);
        uint64_t version = h->done.view;
        cr_assert_eq(harness_lease(other, "other", TTL_MS), STORE_OK);
        cr_expect_eq(other->done.view, version, "%s", h->kind);
        cr_assert_eq(harness_claim(other, 9), STORE_OK);
        cr_assert_eq(harness_lease(other, "another", TTL_MS), STORE_OK);
        cr_expect_gt(other->done.view, version, "%s: it grows with a claim", h->kind);
        version = other->done.view;
        cr_assert_eq(op_of(other, STORE_RELEASE, 9, 1), STORE_OK);
        expect_owner(h, 9, 0, 1);
        cr_expect_gt(h->done.view, version, "%s: and with a release", h->kind);
        cr_assert_eq(h->num_records, 3);
        cr_expect_eq(h->records[0].index, 1, "%s: in order", h->kind);
        cr_expect_eq(h->records[0].epoch, 1);
        cr_expect_eq(h->records[1].index, 300);
        cr_expect_eq(h->records[1].epoch, 1);
        cr_expect(span_equal(h->records[1].value, span_of_string("another")), "%s", h->kind);
        cr_expect_eq(forget(h, 300), STORE_FENCED, "%s: it has a lease", h->kind);
        harness_pass(h, TTL_MS + 50);
        cr_assert_eq(op_of(h, STORE_VIEW, 0, 0), STORE_OK);
        cr_expect_eq(harness_record(h, 300)->epoch, 0, "%s: known, without a lease", h->kind);
        cr_expect_eq(forget(h, 300), STORE_OK, "%s", h->kind);
        cr_expect_eq(forget(h, 300), STORE_OK, "%s: again", h->kind);
        cr_assert_eq(op_of(h, STORE_VIEW, 0, 0), STORE_OK);
        cr_expect_null(harness_record(h, 300));
        harness_free(other);
        harness_free(h);
    }
}

Test(fleet, a_view_tells_members_and_owners)
{
    a_view_tells_members_and_owners(HARNESS_FLEETS, HARNESS_KINDS);
}

static void once_means_once(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *a = harness_new(kind);
        struct harness *b = harness_join(a, 2, 0x2222);
        struct store_op once = {
            .type = STORE_ONCE, .value = span_of_string("a ticket's number"), .ttl_ms = TTL_MS};
        cr_expect_eq(harness_do(a, once), STORE_OK, "%s", a->kind);
        cr_expect_eq(harness_do(a, once), STORE_FENCED, "%s", a->kind);
        cr_expect_eq(harness_do(b, once), STORE_FENCED, "%s: no lease is needed to ask", a->kind);
        once.value = span_of("\0\r\n", 4);
        cr_expect_eq(harness_do(b, once), STORE_OK, "%s: another one", a->kind);
        harness_pass(a, TTL_MS + 50);
        cr_expect_eq(harness_do(b, once), STORE_OK, "%s: its time is over", a->kind);
        harness_free(b);
        harness_free(a);
    }
}

Test(fleet, once_means_once)
{
    once_means_once(HARNESS_FLEETS, HARNESS_KINDS);
}

/* The same node in a new life has what the old one had, under a new epoch. */
static void a_restarted_node_claims_its_own(int first, int end)
{
    for (int kind = first; kind < end; kind++) {
        struct harness *root = harness_new(kind);
        struct harness *before = harness_join(root, 5, 1), *after = harness_join(root, 5, 2);
        cr_assert_eq(harness_lease(before, "", TTL_MS), STORE_OK);
        cr_assert_eq(harness_claim(before, 4), STORE_OK);
        cr_expect_eq(harness_claim(after, 4), STORE_FENCED, "%s: no lease", root->kind);
        harness_pass(root, TTL_MS + 50);
        cr_assert_eq(harness_lease(after, "", 600 * 1000), STORE_OK);
        cr_assert_eq(harness_claim(after, 4), STORE_OK, "%s", root->kind);
        cr_expect_eq(after->epoch, 2);
        cr_expect_eq(put(before, 4, 1, "late"), STORE_FENCED, "%s", root->kind);
        cr_expect_eq(harness_claim(before, 4), STORE_FENCED, "%s: not its lease", root->kind);
        harness_free(before);
        harness_free(after);
        harness_free(root);
    }
}

Test(fleet, a_restarted_node_claims_its_own)
{
    a_restarted_node_claims_its_own(HARNESS_FLEETS, HARNESS_KINDS);
}

Test(fleet, alone_there_is_no_other)
{
    for (int kind = 0; kind < HARNESS_FLEETS; kind++) {
        struct harness *h = harness_new(kind);
        struct store_op once = {.type = STORE_ONCE, .value = span_of_string("x"), .ttl_ms = 60 * 1000};
        cr_assert_eq(harness_claim(h, 3), STORE_OK, "%s: no lease is needed", h->kind);
        cr_expect_eq(harness_lease(h, "me", 60 * 1000), STORE_OK);
        uint64_t version = h->done.view;
        expect_owner(h, 3, 1, 1);
        cr_expect_eq(h->num_records, 2);
        cr_expect(span_equal(harness_record(h, 1)->value, span_of_string("me")), "%s", h->kind);
        cr_expect_eq(op_of(h, STORE_RELEASE, 3, 2), STORE_FENCED, "%s", h->kind);
        cr_expect_eq(op_of(h, STORE_RELEASE, 3, 1), STORE_OK, "%s", h->kind);
        expect_owner(h, 3, 0, 1);
        cr_expect_gt(h->done.view, version);
        cr_expect_eq(harness_do(h, once), STORE_OK, "%s", h->kind);
        cr_expect_eq(harness_do(h, once), STORE_FENCED, "%s", h->kind);
        cr_expect_eq(forget(h, 1), STORE_FENCED, "%s", h->kind);
        cr_expect_eq(op_of(h, STORE_UNLEASE, 0, 0), STORE_OK, "%s", h->kind);
        cr_expect_eq(forget(h, 1), STORE_OK, "%s", h->kind);
        harness_reopen(h);
        expect_owner(h, 3, 0, 1);
        cr_assert_eq(harness_claim(h, 3), STORE_OK, "%s", h->kind);
        cr_expect_eq(h->epoch, 2, "%s: epochs are kept", h->kind);
        harness_free(h);
    }
}

/* All of them on one cluster, because it takes its time to start. */
Test(fleet, cluster)
{
    static void (*const all[])(int first, int end) = {
        one_process_has_the_lease_of_a_node,
        a_shard_of_the_dead_is_claimed,
        a_shard_is_handed_over,
        a_view_tells_members_and_owners,
        once_means_once,
        a_restarted_node_claims_its_own,
    };
    for (size_t i = 0; i < HF_COUNT(all); i++) {
        all[i](HARNESS_CLUSTER, HARNESS_CLUSTER + 1);
    }
    harness_cluster_end();
}

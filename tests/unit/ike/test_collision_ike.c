/* Both sides rekey the IKE SA, or one rekeys what the other deletes (RFC 7296 2.8.2, 2.25.2). Afterwards one
 * IKE SA is left, the same one on both sides, and it has the child. */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/initiator_internal.h"
#include "tests/unit/ike/collide.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define REKEY_NS (20 * NS_PER_S)

static uint32_t gateway_sas(const struct world *world)
{
    return world->core->ike->sas.used;
}

static void expect_one(struct world *world, const char *what)
{
    struct initiator *client = world->clients[0];
    cr_expect(world_settle(world, 15 * NS_PER_S), "%s: does not come to rest", what);
    world_run(world, 100 * NS_PER_S); /* old ones linger until then */
    (void)world_settle(world, 15 * NS_PER_S);
    cr_expect_eq(client->state, INITIATOR_UP, "%s", what);
    cr_expect_eq(gateway_sas(world), 1, "%s: gateway has %u IKE SAs", what, gateway_sas(world));
    uint32_t used = 0;
    for (uint32_t i = 0; i < INITIATOR_SAS; i++) {
        used += client->sa[i].used ? 1 : 0;
    }
    cr_expect_eq(used, 1, "%s: client has %u IKE SAs", what, used);
    cr_expect_eq(initiator_num_children(client), 1, "%s", what);
    cr_expect_eq(core_counters(world->core)->children, 1, "%s", what);
    cr_expect(initiator_dpd(client, world->now), "%s", what);
    cr_expect(world_settle(world, 15 * NS_PER_S) && client->state == INITIATOR_UP, "%s: is not served", what);
}

/* Once is enough: the new IKE SA is as old as the client wants. */
static void no_more_rekeys(struct world *world)
{
    world->policy.policy.timers.ike_rekey = 0;
}

static void rekey_ike(struct world *world)
{
    no_more_rekeys(world);
    cr_assert(initiator_rekey_ike(world->clients[0], world->now));
}

Test(collision_ike, the_lowest_nonce_of_four_loses)
{
    enum { GATEWAY, CLIENT };
    static const struct {
        const char *what;
        struct collision collision;
        int left;
    } rows[] = {
        {"collision: client's Ni is lowest", {0x22, 0x11, 0x44, 0x33, 0, 0}, GATEWAY},
        {"collision: gateway's Ni is lowest", {0x11, 0x22, 0x33, 0x44, 0, 0}, CLIENT},
        {"collision: gateway's Nr is lowest", {0x44, 0x33, 0x11, 0x22, 0, 0}, GATEWAY},
        {"collision: client's Nr is lowest", {0x44, 0x33, 0x22, 0x11, 0, 0}, CLIENT},
        {"collision_delayed_response: gateway's is left", {0x22, 0x11, 0x44, 0x33, 0, 15}, GATEWAY},
        {"collision_delayed_response: client's is left", {0x11, 0x22, 0x33, 0x44, 0, 15}, CLIENT},
        {"collision_delayed_response: after the delete", {0x11, 0x22, 0x33, 0x44, 0, 400}, CLIENT},
        {"collision_delayed_request: too late", {0x22, 0x11, 0x44, 0x33, 15, 0}, GATEWAY},
        {"collision_delayed_request: after the delete", {0x22, 0x11, 0x44, 0x33, 400, 0}, GATEWAY},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = collide_begin(0, REKEY_NS);
        struct initiator *client = world->clients[0];
        collide_both(world, &rows[i].collision, rekey_ike);
        cr_assert_eq(client->counters.gateway_ike_rekeys, 1, "%s", rows[i].what);
        world_run(world, NS_PER_S);
        expect_one(world, rows[i].what);
        cr_expect_eq(initiator_current(client)->by_gateway, rows[i].left == GATEWAY,
                     "%s: the wrong one is left", rows[i].what);
        live_free(world);
    }
}

/* A child is due as soon as the client's IKE SA has the session, before our own rekey is decided; or the
 * client deletes the old IKE SA before its answer to us is here. */
Test(collision_ike, what_is_undecided_is_decided_first)
{
    static const struct collision nonces[] = {{0x22, 0x11, 0x44, 0x33, 0, 0}, {0x11, 0x22, 0x33, 0x44, 0, 0}};
    for (size_t i = 0; i < HF_COUNT(nonces) * 40; i++) {
        struct collision collision = nonces[i / 40];
        char what[64];
        collision.answer_late_ms = i % 40;
        snprintf(what, sizeof(what), "row %zu, the answer comes %zu ms late", i / 40, i % 40);
        struct world *world = collide_begin(0, REKEY_NS);
        struct ike *ike = world->core->ike;
        collide_both(world, &collision, rekey_ike);
        for (uint32_t slot = 0; slot < slab_capacity(&ike->children); slot++) {
            if (slab_is_used(&ike->children, slot)) {
                ike->child[slot].rekey_at = world->now;
            }
        }
        world_run(world, NS_PER_S);
        expect_one(world, what);
        cr_expect_eq(initiator_current(world->clients[0])->by_gateway, i / 40 == 0, "%s: the wrong one",
                     what);
        live_free(world);
    }
}

Test(collision_ike, other_exchanges_cross_a_rekey)
{
    static const struct {
        const char *what;
        enum { NOTHING, REKEY_CHILD, DELETE_IKE } deed;
        ns_t request_late, gateway_late; /* the client's request, the gateway's */
        uint16_t child_notify;           /* what the client's rekey of the child is refused by */
        bool ends;
    } rows[] = {
        {"regular", NOTHING, 0, 0, 0, false},
        {"collision with a child rekey", REKEY_CHILD, 0, 0, NOTIFY_TEMPORARY_FAILURE, false},
        {"the gateway's request is late", REKEY_CHILD, 0, 100, NOTIFY_TEMPORARY_FAILURE, false},
        {"collision_delete: the client's delete crosses", DELETE_IKE, 0, 0, 0, true},
        {"collision_delete: the gateway's request is late", DELETE_IKE, 0, 100, 0, true},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = collide_begin(0, REKEY_NS);
        struct initiator *client = world->clients[0];
        collide_until_asked(world);
        collide_delay(world, ITEM_TO_CLIENT, rows[i].gateway_late * NS_PER_MS);
        if (rows[i].deed == REKEY_CHILD) {
            cr_assert(initiator_rekey_child(client, world->now, initiator_first_child(client)));
        } else if (rows[i].deed == DELETE_IKE) {
            cr_assert(initiator_delete(client, world->now));
        }
        collide_delay(world, ITEM_TO_GATEWAY, rows[i].request_late * NS_PER_MS);
        world_run(world, 12 * NS_PER_S);
        cr_expect_eq(client->child_notify, rows[i].child_notify, "%s: notify %u", rows[i].what,
                     client->child_notify);
        no_more_rekeys(world);
        if (rows[i].ends) {
            world_run(world, 300 * NS_PER_S);
            check_empty(world);
        } else {
            cr_expect_eq(client->counters.gateway_ike_rekeys, 1, "%s", rows[i].what);
            expect_one(world, rows[i].what);
        }
        live_free(world);
    }
}

/* It uses the new IKE SA while our record of it is on its way to the store. */
Test(collision_ike, the_client_is_faster_than_the_store)
{
    struct world *world = collide_begin(0, REKEY_NS);
    struct initiator *client = world->clients[0];
    collide_until_asked(world);
    collide_until_asked(world); /* its answer */
    no_more_rekeys(world);
    cr_assert_eq(client->counters.gateway_ike_rekeys, 1);
    cr_assert(initiator_delete_child(client, world->now, initiator_first_child(client)));
    world_run(world, 5 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->children, 0);
    cr_expect_eq(client->state, INITIATOR_UP);
    live_free(world);
}

/* The client will not have it: the session goes on. */
Test(collision_ike, a_refused_rekey_changes_nothing)
{
    static const uint16_t notifies[] = {NOTIFY_TEMPORARY_FAILURE, NOTIFY_NO_ADDITIONAL_SAS,
                                        NOTIFY_NO_PROPOSAL_CHOSEN};
    for (size_t i = 0; i < HF_COUNT(notifies); i++) {
        struct world *world = collide_begin(0, REKEY_NS);
        struct initiator *client = world->clients[0];
        client->config.deviate.refuse_create = notifies[i];
        collide_until_asked(world);
        uint64_t answered = client->counters.requests_answered;
        world_run(world, 15 * NS_PER_S);
        no_more_rekeys(world);
        uint64_t asked = client->counters.requests_answered - answered;
        cr_expect_eq(asked, notifies[i] == NOTIFY_TEMPORARY_FAILURE ? 2 : 1, "notify %u", notifies[i]);
        cr_expect_eq(client->counters.gateway_ike_rekeys, 0);
        cr_expect_eq(core_counters(world->core)->ike_rekeys_refused[REKEY_OURS], asked);
        client->config.deviate.refuse_create = 0;
        world_run(world, 15 * NS_PER_S);
        expect_one(world, "refused");
        live_free(world);
    }
}

/* libcharon's responder_incorrect_delete: the client, too, deletes the IKE SA that we replaced. */
Test(collision_ike, the_client_deletes_what_is_ours_to_delete)
{
    for (ns_t wait_ms = 0; wait_ms < 60; wait_ms++) {
        struct world *world = collide_begin(0, REKEY_NS);
        struct initiator *client = world->clients[0];
        struct initiator_sa *old = client_current(client);
        char what[64];
        snprintf(what, sizeof(what), "responder_incorrect_delete after %u ms", (unsigned)wait_ms);
        collide_until_asked(world);
        no_more_rekeys(world);
        world_run(world, 10 * NS_PER_MS + wait_ms * NS_PER_MS);
        cr_assert_eq(client->counters.gateway_ike_rekeys, 1, "%s", what);
        if (old->used) {
            client->now = world->now;
            client_delete_ike(client, old);
        }
        world_run(world, NS_PER_S);
        expect_one(world, what);
        live_free(world);
    }
}

/* The client rekeys, forgets the old IKE SA with the rekey of ours that crossed, and ends the session: that
 * is what it meant, and no liveness check has to find it out. */
Test(collision_ike, a_client_that_leaves_meanwhile_is_gone)
{
    struct world *world = collide_begin(0, REKEY_NS);
    struct initiator *client = world->clients[0];
    client->config.deviate.skip_ike_delete = true;
    collide_until_asked(world);
    world->policy.policy.timers.dpd_idle = 0;
    collide_delay(world, ITEM_TO_CLIENT, 300 * NS_PER_MS);
    rekey_ike(world);
    world_run(world, 50 * NS_PER_MS);
    cr_assert(initiator_delete(client, world->now));
    world_run(world, 100 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->sessions, 0);
    check_empty(world);
    live_free(world);
}

/* libcharon's delete_timeout: the client forgot the old IKE SA, and never answers our DELETE of it. */
Test(collision_ike, a_delete_that_nobody_answers_harms_nobody)
{
    struct world *world = collide_begin(0, REKEY_NS);
    struct initiator *client = world->clients[0];
    struct initiator_sa *old = client_current(client);
    collide_until_asked(world);
    collide_until_asked(world); /* its answer */
    no_more_rekeys(world);
    cr_assert_eq(client->counters.gateway_ike_rekeys, 1);
    old->used = false;
    world_run(world, NS_PER_S);
    expect_one(world, "delete_timeout");
    live_free(world);
}

/* RFC 6023: an IKE SA is rekeyed without a child, too, and can have one later. */
Test(collision_ike, a_session_without_a_child)
{
    static const struct collision rows[] = {{0x22, 0x11, 0x44, 0x33, 0, 0}, {0x11, 0x22, 0x33, 0x44, 0, 15}};
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = collide_begin(0, REKEY_NS);
        struct initiator *client = world->clients[0];
        cr_assert(initiator_delete_child(client, world->now, initiator_first_child(client)));
        world_run(world, NS_PER_S);
        collide_both(world, &rows[i], rekey_ike);
        world_run(world, NS_PER_S);
        cr_expect_eq(initiator_num_children(client), 0);
        cr_expect_eq(initiator_current(client)->by_gateway, i == 0, "row %zu", i);
        cr_assert(initiator_create_child(client, world->now), "row %zu", i);
        world_run(world, NS_PER_S);
        expect_one(world, "childless");
        live_free(world);
    }
}

/* Until the client has answered there are no keys: nothing that names the new IKE SA is heard. */
Test(collision_ike, an_ike_sa_without_keys_is_deaf)
{
    struct world *world = collide_begin(0, REKEY_NS);
    collide_until_asked(world);
    uint32_t slot = SLOT_NONE;
    for (uint32_t i = 0; i < ike_capacity(world->core->ike); i++) {
        const struct ike_sa *sa = ike_sa_at(world->core->ike, i);
        slot = sa != NULL && sa->request.message.valid ? sa->request.sa : slot;
    }
    cr_assert_neq(slot, SLOT_NONE);
    struct initiator_sa forged = {.spi_i = ike_sa_at(world->core->ike, slot)->spi_i,
                                  .suite = ike_sa_at(world->core->ike, slot)->suite,
                                  .by_gateway = true};
    struct builder b;
    uint8_t memory[64];
    static struct initiator_sent sent;
    chain_begin(&b, memory, sizeof(memory));
    build_delete(&b, PROTOCOL_IKE, 0, NULL, 0);
    struct span inner = message_end(&b);
    client_seal(world->clients[0], &forged, INFORMATIONAL, 0, 0, b.first, inner, &sent);
    uint64_t before = check_state_hash(world);
    world_inject(world, &world->clients[0]->local, true, span_of(sent.bytes, sent.lens[0]), false);
    cr_expect_eq(check_state_hash(world), before);
    world_run(world, NS_PER_S);
    no_more_rekeys(world);
    expect_one(world, "regular");
    live_free(world);
}

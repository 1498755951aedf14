/* Both sides rekey the same Child SA (RFC 7296 2.8.1, 2.25.1). Each row holds back chosen datagrams;
 * afterwards one child is left on both sides, the same one, and it carries the gateway's traffic. */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/unit/ike/collide.h"

#include <criterion/criterion.h>

#define REKEY_NS (20 * NS_PER_S)

enum deed { DEED_NONE, DEED_REKEY, DEED_DELETE, DEED_REKEY_IKE, DEED_DELETE_IKE };

static void client_does(struct world *world, enum deed deed)
{
    struct initiator *client = world->clients[0];
    bool done = true;
    switch (deed) {
    case DEED_REKEY:
        done = initiator_rekey_child(client, world->now, initiator_first_child(client));
        break;
    case DEED_DELETE:
        done = initiator_delete_child(client, world->now, initiator_first_child(client));
        break;
    case DEED_REKEY_IKE:
        done = initiator_rekey_ike(client, world->now);
        break;
    case DEED_DELETE_IKE:
        done = initiator_delete(client, world->now);
        break;
    case DEED_NONE:
        break;
    }
    cr_assert(done);
}

static void rekey_child(struct world *world)
{
    client_does(world, DEED_REKEY);
}

/* What is left: `children` on both sides, and the last one carries the traffic. */
static void expect_left(struct world *world, uint32_t children, const char *what)
{
    struct initiator *client = world->clients[0];
    cr_expect(world_settle(world, 15 * NS_PER_S), "%s: does not come to rest", what);
    cr_expect_eq(initiator_num_children(client), children, "%s: client has %u", what,
                 initiator_num_children(client));
    cr_expect_eq(core_counters(world->core)->children, children, "%s: gateway has %u", what,
                 core_counters(world->core)->children);
    cr_expect_eq(plane_model_count(&world->plane), children, "%s: plane has %u", what,
                 plane_model_count(&world->plane));
    for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
        const struct initiator_child *child = &client->children[i];
        const struct plane_model_child *there =
            child->used ? plane_model_find(&world->plane, child->spi_out) : NULL;
        cr_expect(!child->used || (there != NULL && there->outbound), "%s: nothing carries traffic", what);
    }
}

/* RFC 7296 2.8.1: whose exchange holds the lowest of the four nonces loses, whatever arrives first. */
Test(collision_child, the_lowest_nonce_of_four_loses)
{
    enum { NOBODY = 0, GATEWAY, CLIENT };
    static const struct {
        const char *what;
        struct collision collision;
        int loser;
    } rows[] = {
        {"collision: client's Ni is lowest", {0x22, 0x11, 0x44, 0x33, 0, 0}, CLIENT},
        {"collision: gateway's Ni is lowest", {0x11, 0x22, 0x33, 0x44, 0, 0}, GATEWAY},
        {"collision: gateway's Nr is lowest", {0x44, 0x33, 0x11, 0x22, 0, 0}, CLIENT},
        {"collision: client's Nr is lowest", {0x44, 0x33, 0x22, 0x11, 0, 0}, GATEWAY},
        {"collision_delayed_response: client loses", {0x22, 0x11, 0x44, 0x33, 0, 300}, CLIENT},
        {"collision_delayed_response: gateway loses", {0x11, 0x22, 0x33, 0x44, 0, 300}, GATEWAY},
        {"collision_delayed_request: too late", {0x22, 0x11, 0x44, 0x33, 15, 0}, NOBODY},
        {"collision_delayed_request: after the delete", {0x11, 0x22, 0x33, 0x44, 400, 0}, NOBODY},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = collide_begin(REKEY_NS, 0);
        struct initiator *client = world->clients[0];
        collide_both(world, &rows[i].collision, rekey_child);
        uint32_t of_gateways = client->children[1].spi_in;
        cr_assert(client->children[1].used, "%s: the client made the gateway's child", rows[i].what);
        world_run(world, NS_PER_S);
        expect_left(world, 1, rows[i].what);
        bool gateways_left = client->children[initiator_first_child(client)].spi_in == of_gateways;
        cr_expect_eq(gateways_left, rows[i].loser != GATEWAY, "%s: the wrong one is left", rows[i].what);
        live_free(world);
    }
}

/* What the client wants with the child, or the IKE SA, while the gateway's request is under way. */
Test(collision_child, other_exchanges_cross_a_rekey)
{
    static const struct {
        const char *what;
        enum deed deed;
        ns_t request_late, gateway_late; /* the client's request, the gateway's */
        uint32_t children;
    } rows[] = {
        {"regular", DEED_NONE, 0, 0, 1},
        {"collision_delete: the client has deleted it", DEED_DELETE, 0, 100, 0},
        {"collision_delete: both cross", DEED_DELETE, 0, 0, 0},
        {"collision_delete: the delete comes late", DEED_DELETE, 500, 0, 0},
        {"collision_ike_rekey", DEED_REKEY_IKE, 0, 0, 1},
        {"collision_ike_rekey: the gateway's request is late", DEED_REKEY_IKE, 0, 100, 1},
        {"collision_ike_delete", DEED_DELETE_IKE, 0, 0, 0},
        {"collision_ike_delete: the gateway's request is late", DEED_DELETE_IKE, 0, 100, 0},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = collide_begin(REKEY_NS, 0);
        collide_until_asked(world);
        collide_delay(world, ITEM_TO_CLIENT, rows[i].gateway_late * NS_PER_MS);
        client_does(world, rows[i].deed);
        collide_delay(world, ITEM_TO_GATEWAY, rows[i].request_late * NS_PER_MS);
        world_run(world, NS_PER_S);
        expect_left(world, rows[i].children, rows[i].what);
        live_free(world);
    }
}

/* libcharon's responder_incorrect_delete: the client, too, deletes the child that we replaced. */
Test(collision_child, the_client_deletes_what_is_ours_to_delete)
{
    static const ns_t waits_ms[] = {10, 12, 15, 22, 25, 32, 40}; /* from its answer on */
    for (size_t i = 0; i < HF_COUNT(waits_ms); i++) {
        struct world *world = collide_begin(REKEY_NS, 0);
        struct initiator *client = world->clients[0];
        collide_until_asked(world);
        uint32_t old = initiator_first_child(client);
        world_run(world, waits_ms[i] * NS_PER_MS);
        cr_assert_eq(client->counters.gateway_rekeys, 1);
        if (client->children[old].used) {
            cr_assert(initiator_delete_child(client, world->now, old));
        }
        world_run(world, NS_PER_S);
        expect_left(world, 1, "responder_incorrect_delete");
        live_free(world);
    }
}

/* libcharon's collision_delete_drop_*, _dropped_request: each datagram of an exchange is lost once. */
Test(collision_child, what_crosses_may_be_lost)
{
    static const enum deed deeds[] = {DEED_NONE, DEED_REKEY, DEED_DELETE, DEED_REKEY_IKE, DEED_DELETE_IKE};
    for (size_t i = 0; i < HF_COUNT(deeds) * 8; i++) {
        enum deed deed = deeds[i / 8];
        struct world *world = collide_begin(REKEY_NS, 0);
        struct net_faults faults = NET_FAULTLESS;
        faults.lose = UINT64_C(1) << i % 8;
        world_arm_net(world, &faults);
        collide_until_asked(world);
        client_does(world, deed);
        world_run(world, 12 * NS_PER_S);
        expect_left(world, deed == DEED_DELETE || deed == DEED_DELETE_IKE ? 0 : 1, "a loss");
        live_free(world);
    }
}

/* The client will not have it. Its child goes on unharmed. */
Test(collision_child, a_refused_rekey_leaves_the_child_alone)
{
    static const struct {
        const char *what;
        uint16_t refuse, group;
        uint32_t children;
        bool rekeyed, again; /* in the end; more than one request was made */
    } rows[] = {
        {"regular", 0, 0, 1, true, false},
        {"TEMPORARY_FAILURE", NOTIFY_TEMPORARY_FAILURE, 0, 1, false, true},
        {"NO_ADDITIONAL_SAS", NOTIFY_NO_ADDITIONAL_SAS, 0, 1, false, false},
        {"NO_PROPOSAL_CHOSEN", NOTIFY_NO_PROPOSAL_CHOSEN, 0, 1, false, false},
        {"TS_UNACCEPTABLE", NOTIFY_TS_UNACCEPTABLE, 0, 1, false, false},
        {"ke_invalid", 0, KE_P256, 1, true, true},
        {"ke_invalid: a group that is not allowed", 0, KE_P384, 1, false, false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = collide_begin(REKEY_NS, 0);
        struct initiator *client = world->clients[0];
        client->config.deviate.refuse_create = rows[i].refuse;
        client->config.deviate.want_group = rows[i].group;
        collide_until_asked(world);
        uint64_t answered = client->counters.requests_answered;
        world_run(world, 15 * NS_PER_S);
        (void)world_settle(world, 15 * NS_PER_S);
        uint64_t requests = client->counters.requests_answered - answered - (rows[i].rekeyed ? 1 : 0);
        cr_expect_eq(requests, rows[i].again ? 2 : 1, "%s: %u requests", rows[i].what, (unsigned)requests);
        cr_expect_eq(client->counters.gateway_rekeys, rows[i].rekeyed ? 1 : 0, "%s", rows[i].what);
        const struct core_counters *counters = core_counters(world->core);
        cr_expect_eq(counters->own_child_rekeys, rows[i].rekeyed ? 1 : 0, "%s", rows[i].what);
        cr_expect_eq(counters->child_rekeys_refused[REKEY_OURS], requests - (rows[i].rekeyed ? 1 : 0),
                     "%s", rows[i].what);
        expect_left(world, rows[i].children, rows[i].what);
        live_free(world);
    }
}

/* RFC 7296 2.25.1: the client lost the child without a word. */
Test(collision_child, a_child_that_the_client_does_not_know_goes)
{
    struct world *world = collide_begin(REKEY_NS, 0);
    struct initiator *client = world->clients[0];
    client->children[initiator_first_child(client)].used = false;
    world_run(world, REKEY_NS + NS_PER_S);
    expect_left(world, 0, "regular_responder_lost_sa");
    live_free(world);
}

/* 2.8.1 counts bytes from the first on; a nonce that ends is the lower one. */
Test(collision_child, nonces_are_compared_octet_by_octet)
{
    static const struct {
        uint8_t a[IKE_NONCE_BYTES];
        uint16_t a_len;
        uint8_t b[IKE_NONCE_BYTES];
        uint16_t b_len;
        bool lower;
    } rows[] = {
        {{1}, 32, {2}, 32, true},        {{2}, 32, {1}, 32, false},       {{1, 255}, 32, {2, 0}, 32, true},
        {{1, 2}, 16, {1, 2}, 32, true},  {{1, 2}, 32, {1, 2}, 16, false}, {{1, 2}, 32, {1, 2}, 32, false},
        {{0x80}, 16, {0x7f}, 32, false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct nonce_low a = {.len = rows[i].a_len}, b = {.len = rows[i].b_len};
        memcpy(a.bytes, rows[i].a, sizeof(a.bytes));
        memcpy(b.bytes, rows[i].b, sizeof(b.bytes));
        cr_expect_eq(nonce_is_lower(&a, &b), rows[i].lower, "row %zu", i);
    }
}

/* RFC 4303 3.3.3: without extended sequence numbers a child has 2^32 packets; we do not wait for the last
 * one. */
Test(collision_child, short_sequence_numbers_are_renewed_in_time)
{
    static const struct {
        uint64_t sent;
        bool esn, rekeyed;
    } rows[] = {
        {UINT64_C(1) << 31, false, false},
        {UINT64_C(3) << 30, false, true},
        {UINT64_C(3) << 30, true, false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        client->config.esp[0].esn = rows[i].esn;
        cr_assert(world_connect(world, 0));
        uint32_t spi = client->children[initiator_first_child(client)].spi_out;
        struct event event = {.type = EVENT_PLANE,
                              .plane = {.type = PLANE_EVENT_SEQUENCE,
                                        .child = plane_model_find(&world->plane, spi)->child,
                                        .sequence_out = rows[i].sent}};
        world_event(world, &event);
        world_run(world, NS_PER_S);
        expect_left(world, 1, "sequence numbers");
        cr_expect_eq(client->counters.gateway_rekeys, rows[i].rekeyed ? 1 : 0, "row %zu", i);
        live_free(world);
    }
}

/* The DELETE of the old child is lost together with our memory: the record knows what is left to do. */
Test(collision_child, a_restart_deletes_what_was_replaced)
{
    struct world *world = collide_begin(REKEY_NS, 0);
    struct net_faults faults = NET_FAULTLESS;
    faults.lose = 4; /* after our request and the client's answer */
    world_arm_net(world, &faults);
    collide_until_asked(world);
    world_run(world, 30 * NS_PER_MS);
    cr_assert_eq(initiator_num_children(world->clients[0]), 2);
    world_restart(world);
    world_run(world, 10 * NS_PER_S);
    expect_left(world, 1, "restart");
    live_free(world);
}

/* RFC 7296 2.25.1: what the client does not know may be what our lost answer would have told it of. */
Test(collision_child, a_child_that_the_client_does_not_know_yet_stays)
{
    struct world *world = collide_begin(0, 0);
    struct ike *ike = world->core->ike;
    client_does(world, DEED_REKEY);
    collide_until_asked(world);
    collide_delay(world, ITEM_TO_CLIENT, 100 * NS_PER_MS);
    for (uint32_t slot = 0; slot < slab_capacity(&ike->children); slot++) {
        struct ike_child *child = &ike->child[slot];
        if (slab_is_used(&ike->children, slot) && child->rekeys != SLOT_NONE) {
            child->rekey_at = world->now;
            children_arm(ike, &ike->sa[child->sa]);
            sa_schedule(ike, &ike->sa[child->sa]);
        }
    }
    collide_until_asked(world); /* our request */
    collide_until_asked(world); /* CHILD_SA_NOT_FOUND */
    collide_delay(world, ITEM_TO_GATEWAY, 300 * NS_PER_MS);
    world_run(world, NS_PER_S);
    expect_left(world, 1, "CHILD_SA_NOT_FOUND is late");
    live_free(world);
}

/* The client has a child that our plane will not have, and our window is taken: it is deleted all the
 * same. */
Test(collision_child, a_child_that_the_plane_refuses_is_deleted_when_the_window_is_free)
{
    struct world_options options = {.seed = 7, .child_rekey = REKEY_NS, .mobike = true};
    struct world *world = live_new(&options, NULL);
    struct initiator *client = world->clients[0];
    struct endpoint away = client->config.local;
    cr_assert(world_connect(world, 0));
    collide_until_asked(world);
    world->plane.faults.fail_nth = world->plane.installs + 1;
    away.addr.bytes[13]++;
    away.port = 4500;
    initiator_roam(client, world->now, &away, &client->remote); /* our check of its new address comes next */
    world_run(world, 2 * NS_PER_S);
    cr_assert_eq(client->counters.gateway_rekeys, 1);
    cr_assert_eq(world->plane.num_failed, 1);
    expect_left(world, 1, "the plane refuses");
    live_free(world);
}

/* What was refused because of our own rekey stays refused when a restart has forgotten why. */
Test(collision_child, a_refusal_outlives_a_restart)
{
    struct world *world = collide_begin(REKEY_NS, 0);
    struct initiator *client = world->clients[0];
    struct net_faults faults = NET_FAULTLESS;
    faults.lose = 1; /* our request */
    world_arm_net(world, &faults);
    collide_until_asked(world);
    client_does(world, DEED_REKEY_IKE);
    world_run(world, 15 * NS_PER_MS);
    collide_delay(world, ITEM_TO_CLIENT, 2 * NS_PER_S); /* the refusal */
    world_restart(world);
    world_run(world, 10 * NS_PER_S); /* the client asks again */
    cr_expect_eq(client->child_notify, NOTIFY_TEMPORARY_FAILURE);
    expect_left(world, 1, "a refusal");
    live_free(world);
}

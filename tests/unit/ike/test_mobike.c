/* Clients that move: RFC 4555, and RFC 7296 2.23 for those without it. */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/initiator_internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>

#define GATEWAY "192.0.2.1"
#define HOME "198.51.100.10"
#define ROUND_TRIP_NS (25 * NS_PER_MS)

static struct endpoint at(const char *addr, uint16_t port)
{
    struct endpoint ep = {.port = port};
    bool parsed = ip_parse(addr, &ep.addr);
    cr_assert(parsed);
    return ep;
}

static void with_nat(struct initiator_config *config)
{
    config->behind_nat = true;
}

static struct world *up(bool mobike, void (*change)(struct initiator_config *config))
{
    struct world *world = live_new(&(struct world_options){.seed = 7, .mobike = mobike}, change);
    cr_assert(world_connect(world, 0));
    live_mark(world);
    return world;
}

static const struct ike_sa *session(const struct world *world)
{
    for (uint32_t slot = 0; slot < ike_capacity(world->core->ike); slot++) {
        const struct ike_sa *sa = ike_sa_at(world->core->ike, slot);
        if (sa != NULL && sa->state == SA_ESTABLISHED) {
            return sa;
        }
    }
    cr_assert(false, "no session");
    return NULL;
}

/* Every child in the plane is there, and there is one at least. */
static bool esp_is_at(const struct world *world, const struct endpoint *local, const struct endpoint *remote)
{
    for (uint32_t i = 0; i < PLANE_MODEL_CHILDREN; i++) {
        const struct plane_model_child *child = &world->plane.children[i];
        if (child->used &&
            (!endpoint_equal(&child->remote, remote) || !endpoint_equal(&child->local, local))) {
            return false;
        }
    }
    return plane_model_count(&world->plane) > 0;
}

static void roam(struct world *world, const struct endpoint *local, const struct endpoint *remote)
{
    initiator_roam(world->clients[0], world->now, local, remote);
    (void)world_settle(world, 10 * NS_PER_S);
}

static void esp_from(struct world *world, const struct endpoint *local, const struct endpoint *remote)
{
    struct event event = {.type = EVENT_PLANE,
                          .plane = {.type = PLANE_EVENT_MOVED,
                                    .child = session(world)->children[0],
                                    .local = *local,
                                    .remote = *remote}};
    world_event(world, &event);
    (void)world_settle(world, 10 * NS_PER_S);
}

Test(mobike, is_agreed_and_our_other_addresses_are_named)
{
    struct world *world = up(true, NULL);
    struct initiator *client = world->clients[0];
    cr_expect(client->mobike);
    cr_assert_eq(client->num_gateways, 2, "not the one in use");
    struct endpoint others[] = {at("2001:db8:1::1", 500), at("192.0.2.2", 500)};
    cr_expect(ip_equal(&client->gateways[0], &others[0].addr));
    cr_expect(ip_equal(&client->gateways[1], &others[1].addr));
    live_free(world);
    world = up(false, NULL);
    cr_expect(!world->clients[0]->mobike);
    cr_expect_eq(world->clients[0]->num_gateways, 0);
    live_free(world);
}

/* 3.5: both children and the IKE SA go, and a restarted gateway finds the client there. */
Test(mobike, an_update_moves_the_whole_session)
{
    static const struct {
        const char *what, *client;
        uint16_t port;
        const char *gateway;
        bool nat;
        uint32_t checks;
    } rows[] = {
        {"another address", "203.0.113.7", 4500, GATEWAY, false, 1},
        {"behind a new NAT", "203.0.113.7", 23456, GATEWAY, true, 1},
        {"from IPv4 to IPv6", "2001:db8:7::7", 4500, "2001:db8:1::1", false, 1},
        {"another port of the same NAT", HOME, 23456, GATEWAY, true, 0},
        {"another address of ours", HOME, 4500, "192.0.2.2", false, 0},
        {"nowhere", HOME, 4500, GATEWAY, false, 0},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = up(true, NULL);
        struct initiator *client = world->clients[0];
        cr_assert(initiator_create_child(client, world->now));
        (void)world_settle(world, 5 * NS_PER_S);
        struct endpoint remote = at(rows[i].client, rows[i].port), local = at(rows[i].gateway, 4500);
        client->config.behind_nat = rows[i].nat;
        roam(world, &remote, &local);
        cr_expect_eq(client->updates, 1, "%s", rows[i].what);
        cr_expect_eq(client->cookies_copied, rows[i].checks, "%s: checks", rows[i].what);
        cr_expect(esp_is_at(world, &local, &remote), "%s: ESP", rows[i].what);
        cr_expect(endpoint_equal(&session(world)->remote, &remote), "%s: IKE", rows[i].what);
        cr_expect_eq(session(world)->behind_nat, rows[i].nat, "%s: NAT", rows[i].what);
        cr_expect_eq(core_counters(world->core)->mobike_updates, 1, "%s", rows[i].what);
        world_restart(world);
        world_run(world, NS_PER_S);
        cr_expect(esp_is_at(world, &local, &remote), "%s: after a restart", rows[i].what);
        cr_expect(session(world)->mobike, "%s: after a restart", rows[i].what);
        remote = at("203.0.113.99", 4500);
        local = at(GATEWAY, 4500);
        roam(world, &remote, &local);
        cr_expect_eq(client->updates, 2, "%s: moves again after a restart", rows[i].what);
        live_free(world);
    }
}

/* 3.7: IPsec SAs are updated when the client has answered at its new address. */
Test(mobike, esp_follows_what_is_proven)
{
    struct world *world = up(true, NULL);
    struct initiator *client = world->clients[0];
    struct endpoint home = at(HOME, 4500), gateway = at(GATEWAY, 4500), away = at("203.0.113.7", 4500);
    initiator_roam(client, world->now, &away, &gateway);
    world_run(world, ROUND_TRIP_NS);
    cr_expect_eq(client->updates, 1, "the update is answered");
    cr_expect_eq(client->cookies_copied, 1, "and we are asked");
    cr_expect(esp_is_at(world, &gateway, &home), "our answer has not arrived");
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect(esp_is_at(world, &gateway, &away));
    cr_expect_eq(world->audits[AUDIT_SESSION_MOVED], 1);
    live_free(world);
}

/* 3.7: "in environments where the peer is expected to be well-behaved" */
Test(mobike, esp_follows_at_once_where_clients_are_trusted)
{
    struct world *world = up(true, NULL);
    struct endpoint gateway = at(GATEWAY, 4500), away = at("203.0.113.7", 4500);
    world->policy.policy.mobike_unchecked = true;
    initiator_roam(world->clients[0], world->now, &away, &gateway);
    world_run(world, ROUND_TRIP_NS);
    cr_expect(esp_is_at(world, &gateway, &away));
    cr_expect_eq(world->clients[0]->cookies_copied, 0);
    live_free(world);
}

Test(mobike, a_wrong_cookie2_ends_the_ike_sa)
{
    for (int missing = 0; missing < 2; missing++) {
        struct world *world = up(true, NULL);
        struct initiator *client = world->clients[0];
        client->config.deviate.cookie2_missing = missing != 0;
        client->config.deviate.cookie2_flip = missing == 0;
        struct endpoint gateway = at(GATEWAY, 4500), away = at("203.0.113.7", 4500);
        roam(world, &away, &gateway);
        cr_expect_eq(client->state, INITIATOR_CLOSED);
        cr_expect_eq(client->why, INITIATOR_PEER_DELETED);
        cr_expect_eq(core_counters(world->core)->sessions_ended[CAUSE_COOKIE_WRONG], 1);
        live_free(world);
    }
}

/* 3.5 "acceptable according to local policy": not ourselves, not inside of the tunnel. */
Test(mobike, refuses_addresses_that_cannot_be)
{
    static const char *const rows[] = {"10.9.0.77", "fd00:9::7", "192.0.2.2"};
    struct endpoint home = at(HOME, 4500), gateway = at(GATEWAY, 4500);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = up(true, NULL);
        struct endpoint away = at(rows[i], 4500);
        roam(world, &away, &gateway);
        cr_expect_eq(world->clients[0]->update_notify, NOTIFY_UNACCEPTABLE_ADDRESSES, "%s", rows[i]);
        cr_expect_eq(live_drops(world, CAUSE_ADDRESS_REFUSED), 1, "%s", rows[i]);
        cr_expect(esp_is_at(world, &gateway, &home), "%s", rows[i]);
        live_free(world);
    }
}

static void wants_no_nat(struct initiator_config *config)
{
    config->no_nats = true;
}

/* 3.9 */
Test(mobike, nats_are_forbidden_where_the_client_says_so)
{
    struct world *world = up(true, wants_no_nat);
    struct initiator *client = world->clients[0];
    struct endpoint gateway = at(GATEWAY, 4500), away = at("203.0.113.7", 4500),
                    far = at("203.0.113.8", 4500);
    roam(world, &away, &gateway);
    cr_expect(esp_is_at(world, &gateway, &away), "the addresses are as the client says");
    client->config.deviate.no_nats_lie = true;
    roam(world, &far, &gateway);
    cr_expect_eq(client->update_notify, NOTIFY_UNEXPECTED_NAT_DETECTED);
    cr_expect(esp_is_at(world, &gateway, &away), "nothing moved");
    cr_expect_eq(live_drops(world, CAUSE_NAT_FORBIDDEN), 1);
    live_free(world);

    world = live_new(&(struct world_options){.seed = 7, .mobike = true}, wants_no_nat);
    world->clients[0]->config.deviate.no_nats_lie = true;
    initiator_connect(world->clients[0], world->now);
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(world->clients[0]->state, INITIATOR_FAILED);
    cr_expect_eq(world->clients[0]->notify, NOTIFY_UNEXPECTED_NAT_DETECTED);
    cr_expect_eq(core_counters(world->core)->sessions, 0);
    live_free(world);
}

static uint8_t kept[INITIATOR_SENT_BYTES];
static size_t kept_len;

static void keep_request(const struct initiator *client)
{
    const struct initiator_sent *sent = &initiator_current(client)->request;
    kept_len = sent->lens[0];
    memcpy(kept, sent->bytes, kept_len);
}

/* Updates are ordered by their message ids: an old one does nothing, the last one is only answered again. */
Test(mobike, a_replayed_update_moves_nothing)
{
    struct world *world = up(true, NULL);
    struct initiator *client = world->clients[0];
    struct endpoint gateway = at(GATEWAY, 4500), away = at("203.0.113.7", 4500),
                    far = at("203.0.113.8", 4500), thief = at("192.0.2.66", 4500);
    initiator_roam(client, world->now, &away, &gateway);
    keep_request(client);
    (void)world_settle(world, 5 * NS_PER_S);
    uint64_t before = check_state_hash(world);
    live_mark(world);
    world_inject(world, &thief, true, span_of(kept, kept_len), false);
    cr_expect_eq(live_sent(world), 1, "the last one is answered again");
    cr_expect_eq(check_state_hash(world), before, "and that is all");
    roam(world, &far, &gateway);
    before = check_state_hash(world);
    live_mark(world);
    world_inject(world, &thief, true, span_of(kept, kept_len), false);
    cr_expect_eq(live_drops(world, CAUSE_MESSAGE_ID), 1, "an old one is dropped");
    cr_expect_eq(check_state_hash(world), before);
    cr_expect(esp_is_at(world, &gateway, &far));
    live_free(world);
}

/* The update was sent under an IKE SA that has been replaced since. */
Test(mobike, an_update_of_a_replaced_ike_sa_counts_until_the_next)
{
    static struct initiator_sent sent;
    struct world *world = up(true, NULL);
    struct initiator *client = world->clients[0];
    struct endpoint gateway = at(GATEWAY, 4500);
    static const char *const places[] = {"203.0.113.7", "203.0.113.8", "203.0.113.9"};
    client->config.deviate.skip_ike_delete = true;
    uint32_t old = client->current;
    cr_assert(initiator_rekey_ike(client, world->now));
    (void)world_settle(world, 5 * NS_PER_S);
    cr_assert_neq(client->current, old);
    for (int i = 0; i < 3; i++) {
        struct endpoint away = at(places[i], 4500);
        if (i == 1) { /* under the new one */
            roam(world, &away, &gateway);
            continue;
        }
        uint8_t memory[64];
        struct builder b;
        chain_begin(&b, memory, sizeof(memory));
        build_notify(&b, PROTOCOL_NONE, (struct span){0}, NOTIFY_UPDATE_SA_ADDRESSES, (struct span){0});
        struct span inner = message_end(&b);
        struct initiator_sa *sa = &client->sa[old];
        client_seal(client, sa, INFORMATIONAL, IKE_FLAG_INITIATOR, sa->next_id++, b.first, inner, &sent);
        initiator_move(client, &away);
        world_inject(world, &away, true, span_of(sent.bytes, sent.lens[0]), false);
        (void)world_settle(world, 5 * NS_PER_S);
        struct endpoint there = at(places[i == 0 ? 0 : 1], 4500);
        cr_expect(esp_is_at(world, &gateway, &there), "%d", i);
    }
    live_free(world);
}

/* 3.5: what we have asked already is asked on at the new address. */
Test(mobike, our_requests_follow)
{
    struct world *world = up(true, NULL);
    struct initiator *client = world->clients[0];
    struct endpoint gateway = at(GATEWAY, 4500), away = at("203.0.113.7", 4500);
    initiator_move(client, &away); /* and does not know it yet */
    world_run(world, 27 * NS_PER_S);
    cr_assert(session(world)->request.message.valid, "we ask in vain");
    initiator_roam(client, world->now, &away, &gateway);
    world_run(world, 100 * NS_PER_MS);
    cr_expect(!session(world)->request.message.valid, "answered at once");
    cr_expect_eq(client->counters.requests_answered, 2, "and then the check");
    cr_expect(esp_is_at(world, &gateway, &away));
    live_free(world);
}

/* Somebody writes another source address on a client's update: ESP stays, and IKE comes back. */
Test(mobike, an_address_that_does_not_answer_is_given_up)
{
    struct world *world = up(true, NULL);
    struct initiator *client = world->clients[0];
    struct endpoint home = at(HOME, 4500), gateway = at(GATEWAY, 4500), nobody = at("192.0.2.66", 4500);
    initiator_roam(client, world->now, &nobody, &gateway);
    initiator_move(client, &home);
    world_run(world, 20 * NS_PER_S);
    cr_expect(session(world)->move.pending);
    cr_expect(esp_is_at(world, &gateway, &home));
    world_run(world, 60 * NS_PER_S);
    cr_expect(!session(world)->move.pending);
    cr_expect(endpoint_equal(&session(world)->remote, &home));
    cr_expect(esp_is_at(world, &gateway, &home));
    world_run(world, 120 * NS_PER_S);
    cr_expect_eq(client->state, INITIATOR_UP);
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    live_free(world);
}

/* RFC 7296 2.23: behind a NAT the client is where its last message came from; the record follows. */
Test(mobike, nat_rebinding_is_followed)
{
    static const struct {
        const char *what;
        bool mobike, nat, esp;
        const char *addr;
        bool moves;
        uint32_t checks;
    } rows[] = {
        {"IKE, behind a NAT", false, true, false, HOME, true, 0},
        {"IKE, behind a NAT with many addresses", false, true, false, "203.0.113.7", true, 0},
        {"IKE, no NAT", false, false, false, HOME, false, 0},
        {"ESP, behind a NAT", false, true, true, HOME, true, 0},
        {"ESP, no NAT", false, false, true, HOME, false, 0},
        /* RFC 4555 3.8: not by IKE, but by ESP */
        {"MOBIKE: IKE, behind a NAT", true, true, false, HOME, false, 0},
        {"MOBIKE: ESP, behind a NAT", true, true, true, HOME, true, 0},
        {"MOBIKE: ESP, behind a NAT with many addresses", true, true, true, "203.0.113.7", true, 1},
        {"MOBIKE: ESP, no NAT", true, false, true, HOME, false, 0},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = up(rows[i].mobike, rows[i].nat ? with_nat : NULL);
        struct initiator *client = world->clients[0];
        struct endpoint home = at(HOME, 4500), gateway = at(GATEWAY, 4500), away = at(rows[i].addr, 40404);
        initiator_move(client, &away);
        if (rows[i].esp) {
            esp_from(world, &gateway, &away);
        } else {
            cr_assert(initiator_dpd(client, world->now));
            (void)world_settle(world, 5 * NS_PER_S);
        }
        const struct endpoint *now = rows[i].moves ? &away : &home;
        cr_expect(esp_is_at(world, &gateway, now), "%s", rows[i].what);
        cr_expect_eq(client->cookies_copied, rows[i].checks, "%s: checks", rows[i].what);
        world_run(world, 35 * NS_PER_S);
        world_restart(world);
        world_run(world, NS_PER_S);
        cr_expect(esp_is_at(world, &gateway, now), "%s: after a restart", rows[i].what);
        live_free(world);
    }
}

/* Between families: both of our address and the client's change together. */
Test(mobike, esp_may_change_family)
{
    struct world *world = up(true, with_nat);
    struct endpoint gateway = at("2001:db8:1::1", 4500), away = at("2001:db8:7::7", 4500);
    initiator_move(world->clients[0], &away);
    world->clients[0]->remote = gateway;
    esp_from(world, &gateway, &away);
    cr_expect(esp_is_at(world, &gateway, &away));
    cr_expect_eq(world->clients[0]->cookies_copied, 1);
    live_free(world);
}

/* 3.6, 3.8: lists of addresses, path tests and NAT probes are answered and change nothing. */
Test(mobike, what_asks_for_nothing_changes_nothing)
{
    static const struct {
        const char *what;
        uint16_t type, answer;
        uint8_t len;
    } rows[] = {
        {"another address of the client", NOTIFY_ADDITIONAL_IP4_ADDRESS, 0, 4},
        {"another address of the client", NOTIFY_ADDITIONAL_IP6_ADDRESS, 0, 16},
        {"no other address", NOTIFY_NO_ADDITIONAL_ADDRESSES, 0, 0},
        {"a path test", NOTIFY_COOKIE2, NOTIFY_COOKIE2, 64},
        {"a NAT probe", NOTIFY_NAT_DETECTION_SOURCE_IP, NOTIFY_NAT_DETECTION_DESTINATION_IP, 20},
        {"NO_NATS_ALLOWED of somewhere else", NOTIFY_NO_NATS_ALLOWED, NOTIFY_UNEXPECTED_NAT_DETECTED, 12},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = up(true, with_nat);
        struct initiator *client = world->clients[0];
        struct endpoint home = at(HOME, 4500), gateway = at(GATEWAY, 4500), away = at("203.0.113.7", 4500);
        static const uint8_t data[64];
        uint8_t memory[128];
        struct builder b;
        chain_begin(&b, memory, sizeof(memory));
        build_notify(&b, PROTOCOL_NONE, (struct span){0}, rows[i].type, span_of(data, rows[i].len));
        struct span inner = message_end(&b);
        initiator_move(client, &away);
        cr_assert(initiator_send_raw(client, world->now, INFORMATIONAL, b.first, inner));
        (void)world_settle(world, 5 * NS_PER_S);
        cr_expect(initiator_is_idle(client), "%s: no answer", rows[i].what);
        cr_expect(rows[i].answer == 0 || message_notify(&client->message, rows[i].answer) != NULL, "%s",
                  rows[i].what);
        cr_expect(esp_is_at(world, &gateway, &home), "%s: moved", rows[i].what);
        live_free(world);
    }
}

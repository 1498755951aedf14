/* Before there is an IKE SA: COOKIE, NAT detection, and datagrams that belong to nothing. */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/initiator_internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct endpoint stranger(const char *addr, uint16_t port)
{
    struct endpoint ep = {.port = port};
    cr_assert(ip_parse(addr, &ep.addr));
    return ep;
}

static struct world *cookie_world(uint32_t threshold)
{
    struct world_options options = {.seed = 3, .cookie_threshold = threshold + 1};
    return live_new(&options, NULL);
}

/* RFC 7296 2.6 */
Test(cookie, is_demanded_from_the_threshold_on)
{
    struct world *world = cookie_world(2);
    for (uint32_t i = 0; i < 4; i++) {
        struct span bytes = live_first_message(world);
        struct endpoint from = stranger("203.0.113.9", (uint16_t)(1000 + i));
        world_inject(world, &from, false, bytes, false);
    }
    cr_expect_eq(core_counters(world->core)->half_open, 2);
    cr_expect_eq(core_counters(world->core)->cookies_sent, 2);
    cr_expect_eq(live_drops(world, CAUSE_COOKIE_WANTED), 2);
    initiator_vanish(world->clients[0]);
    world_run(world, 60 * NS_PER_S);
    live_free(world);
}

/* A first message with a cookie of so many bytes, in front as the RFC wants it. */
static struct span with_cookie(struct world *world, const uint8_t *cookie, uint16_t len)
{
    struct initiator *client = world->clients[0];
    memcpy(client->cookie, cookie, len);
    client->cookie_len = len;
    client->now = world->now;
    client_init_send(client);
    return span_of(client->init_request, client->init_request_len);
}

Test(cookie, of_the_right_place_and_time_opens)
{
    static const struct {
        const char *what, *from;
        uint64_t after_s;
        int flip; /* bit of this byte, -1 none */
        uint16_t len;
        bool opens;
    } rows[] = {
        {"its own", "203.0.113.9", 0, -1, 9, true},
        {"another address", "203.0.113.10", 0, -1, 9, false},
        {"a flipped bit", "203.0.113.9", 0, 4, 9, false},
        {"a flipped version", "203.0.113.9", 0, 0, 9, false},
        {"cut", "203.0.113.9", 0, -1, 8, false},
        {"one byte", "203.0.113.9", 0, -1, 1, false},
        {"too long", "203.0.113.9", 0, -1, 64, false},
        {"of the hour before", "203.0.113.9", 3600, -1, 9, true},
        {"of two hours before", "203.0.113.9", 7200, -1, 9, false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = cookie_world(0);
        struct endpoint from = stranger("203.0.113.9", 500), later = stranger(rows[i].from, 501);
        struct span first = live_first_message(world);
        struct ike_input input = {.datagram = &(struct ike_datagram){.remote = from},
                                  .header = {.spi_i = world->clients[0]->sa[0].spi_i}};
        static struct message message;
        message.nonce = span_of(world->clients[0]->nonce, world->clients[0]->nonce_len);
        input.message = &message;
        world_inject(world, &from, false, first, false);
        cr_assert_eq(live_drops(world, CAUSE_COOKIE_WANTED), 1);
        uint8_t cookie[64] = {0};
        cookie_write(world->core->ike, &input, cookie);
        if (rows[i].flip >= 0) {
            cookie[rows[i].flip] ^= 2;
        }
        world->now += rows[i].after_s * NS_PER_S;
        struct span again = with_cookie(world, cookie, rows[i].len);
        struct event_datagram event = {.remote = later, .bytes = again};
        cr_expect_eq(core_is_proven(world->core, world_unix_s(world), &event), rows[i].opens, "%s",
                     rows[i].what);
        world_inject(world, &later, false, again, false);
        cr_expect_eq(core_counters(world->core)->half_open, rows[i].opens ? 1 : 0, "%s", rows[i].what);
        cr_expect_eq(live_drops(world, CAUSE_COOKIE_WRONG), rows[i].opens ? 0 : 1, "%s", rows[i].what);
        initiator_vanish(world->clients[0]);
        world_run(world, 60 * NS_PER_S);
        live_free(world);
    }
}

/* The answer to an address that has not shown that it is there is never longer than what it sent. */
Test(gate, nothing_is_amplified)
{
    struct world *world = cookie_world(0);
    struct span bytes = live_first_message(world);
    struct endpoint from = stranger("203.0.113.9", 500);
    world_inject(world, &from, false, bytes, false);
    const struct effects *effects = &world->effects;
    cr_assert_eq(effects->count, 1);
    cr_assert_eq(effects->v[0].type, EFFECT_SEND);
    cr_expect_leq(effects->v[0].send.bytes.len, bytes.len);
    cr_expect(endpoint_equal(&effects->v[0].send.remote, &from));
    initiator_vanish(world->clients[0]);
    live_free(world);
}

/* RFC 7296 2.1: the same bytes, the same answer, and no second state. */
Test(gate, a_repeated_first_message_is_answered_again)
{
    struct world *world = live_new(NULL, NULL);
    struct endpoint from = stranger("203.0.113.9", 500), other = stranger("203.0.113.10", 500);
    struct span bytes = live_first_message(world);
    uint8_t answer[2048];
    world_inject(world, &from, false, bytes, false);
    struct span first = world->effects.v[0].send.bytes;
    memcpy(answer, first.data, first.len);
    size_t len = first.len;
    world_inject(world, &from, false, bytes, false);
    cr_expect(span_equal(span_of(answer, len), world->effects.v[0].send.bytes));
    cr_expect_eq(core_counters(world->core)->half_open, 1);
    cr_expect_eq(core_counters(world->core)->retransmits_answered, 1);
    world_inject(world, &other, false, bytes, false);
    cr_expect_eq(core_counters(world->core)->half_open, 2, "another source is another handshake");
    initiator_vanish(world->clients[0]);
    world_run(world, 60 * NS_PER_S);
    live_free(world);
}

/* A first message of a new client from there, with the cookie that it would have got, or without. */
static void knock(struct world *world, const char *addr, uint16_t port, bool proven)
{
    struct endpoint from = stranger(addr, port);
    struct span bytes = live_first_message(world);
    if (proven) {
        static struct message message;
        message.nonce = span_of(world->clients[0]->nonce, world->clients[0]->nonce_len);
        struct ike_input input = {.datagram = &(struct ike_datagram){.remote = from},
                                  .header = {.spi_i = world->clients[0]->sa[0].spi_i},
                                  .message = &message};
        uint8_t cookie[HF_COOKIE_BYTES];
        world->core->ike->time.unix_s = world_unix_s(world);
        cookie_write(world->core->ike, &input, cookie);
        bytes = with_cookie(world, cookie, sizeof(cookie));
    }
    world_inject(world, &from, false, bytes, false);
}

Test(gate, half_open_handshakes_are_limited_and_end)
{
    struct world *world = live_new(NULL, NULL);
    for (uint32_t i = 0; i < WORLD_HALF_OPEN + 5; i++) {
        knock(world, "203.0.113.9", (uint16_t)(1000 + i), false);
    }
    cr_expect_eq(core_counters(world->core)->half_open, WORLD_HALF_OPEN);
    cr_expect_eq(live_drops(world, CAUSE_COOKIE_WANTED), 5, "who shows its address may take a place");
    initiator_vanish(world->clients[0]);
    world_run(world, 60 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->half_open, 0);
    cr_expect_eq(live_handshakes(world, CAUSE_TIMEOUT), WORLD_HALF_OPEN);
    check_empty(world);
    live_free(world);
}

/* An IPv4 address may have 2 here; 8 knock. The oldest of a network gives way to who shows its address. */
Test(gate, networks_are_limited)
{
    static const struct {
        const char *what, *before, *after; /* the client's number stands between them; NULL: one address */
        uint32_t half_open;
        bool proven;
    } rows[] = {
        {"one address", "203.0.113.9", NULL, 2, true},
        {"one /24", "203.0.113.", "", 4, true},
        {"other /24s", "203.0.", ".9", 8, true},
        {"one /64", "2001:db8:5:6::", "", 1, true},
        {"one /56", "2001:db8:5:", "::1", 2, true},
        {"one /48", "2001:db8:5:", "00::1", 4, true},
        {"other /48s", "2001:db8:", "::1", 8, true},
        {"an address that may be somebody else's", "203.0.113.9", NULL, 1, false},
        {"addresses that may be", "203.0.", ".9", 8, false},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = live_new(NULL, NULL);
        world->policy.policy.half_open_per_address = 2;
        for (uint32_t n = 1; n <= WORLD_HALF_OPEN; n++) {
            char addr[IP_TEXT_MAX];
            if (rows[i].after != NULL) {
                snprintf(addr, sizeof(addr), "%s%u%s", rows[i].before, n, rows[i].after);
            } else {
                snprintf(addr, sizeof(addr), "%s", rows[i].before);
            }
            knock(world, addr, (uint16_t)(1000 + n), rows[i].proven);
        }
        uint32_t refused = WORLD_HALF_OPEN - rows[i].half_open;
        cr_expect_eq(core_counters(world->core)->half_open, rows[i].half_open, "%s", rows[i].what);
        cr_expect_eq(rows[i].proven ? live_handshakes(world, CAUSE_HALF_OPEN_EVICTED)
                                    : live_drops(world, CAUSE_COOKIE_WANTED),
                     refused, "%s", rows[i].what);
        initiator_vanish(world->clients[0]);
        world_run(world, 60 * NS_PER_S);
        check_empty(world);
        live_free(world);
    }
}

/* All places are taken by who showed its address: the oldest one gives way, and a client gets in. */
Test(gate, a_flood_that_returns_cookies_keeps_nobody_out)
{
    struct world_options options = {.seed = 3, .cookie_threshold = 5};
    struct world *world = live_new(&options, NULL);
    uint32_t late = world_add_client(world, "bob@example.net");
    for (uint32_t i = 0; i < 3 * WORLD_HALF_OPEN; i++) {
        char addr[IP_TEXT_MAX];
        snprintf(addr, sizeof(addr), "198.18.%u.1", i);
        knock(world, addr, 500, true);
    }
    cr_expect_eq(core_counters(world->core)->half_open, WORLD_HALF_OPEN);
    cr_expect_eq(live_handshakes(world, CAUSE_HALF_OPEN_EVICTED), 2 * WORLD_HALF_OPEN);
    for (uint32_t i = 0; i < WORLD_HALF_OPEN; i++) {
        const struct ike *ike = world->core->ike;
        uint32_t number = ike->sa[ike->half_open[i].sa].remote.addr.bytes[14];
        cr_expect_geq(number, 2 * WORLD_HALF_OPEN, "the oldest gave way, not number %u", number);
    }
    initiator_connect(world->clients[late], world->now);
    world_run(world, 5 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    cr_expect_eq(live_handshakes(world, CAUSE_HALF_OPEN_EVICTED), 2 * WORLD_HALF_OPEN + 1);
    initiator_vanish(world->clients[0]);
    initiator_vanish(world->clients[late]);
    world_run(world, 300 * NS_PER_S);
    check_empty(world);
    live_free(world);
}

/* Many hosts have the address of a carrier's NAT: one that begins handshakes and never ends them keeps none
 * of the others out, and takes no place from other networks. */
Test(gate, a_host_behind_a_nat_does_not_lock_its_address_out)
{
    struct world_options options = {.seed = 3, .cookie_threshold = 1};
    struct world *world = live_new(&options, NULL);
    world->policy.policy.half_open_per_address = 3;
    uint32_t late = world_add_client(world, "bob@example.net");
    char shared[IP_TEXT_MAX];
    ip_format(&world->clients[late]->local.addr, shared);
    knock(world, "198.18.0.1", 500, true);
    for (uint32_t i = 0; i < 10; i++) {
        knock(world, shared, (uint16_t)(1000 + i), true);
    }
    cr_expect_eq(core_counters(world->core)->half_open, 1 + 3);
    cr_expect_eq(live_handshakes(world, CAUSE_HALF_OPEN_EVICTED), 7);
    initiator_connect(world->clients[late], world->now);
    world_run(world, 5 * NS_PER_S);
    cr_expect_eq(core_counters(world->core)->sessions, 1);
    cr_expect_eq(core_counters(world->core)->half_open, 1 + 2,
                 "of the others only the address's oldest went");
    initiator_vanish(world->clients[0]);
    initiator_vanish(world->clients[late]);
    world_run(world, 300 * NS_PER_S);
    check_empty(world);
    live_free(world);
}

/* Work is charged when it is done: a guess that is refused is none. */
Test(gate, a_wrong_guess_costs_nothing)
{
    struct world *world = live_new(NULL, NULL);
    struct ike *ike = world->core->ike;
    struct endpoint from = stranger("203.0.113.9", 500);
    struct source source = source_of(&ike->sources, &from.addr);
    world->clients[0]->config.ike[0].ke = KE_X25519;
    world->clients[0]->config.ke_first = KE_P384;
    for (int proven = 0; proven < 2; proven++) {
        knock(world, "203.0.113.9", (uint16_t)(500 + proven), proven == 1);
    }
    cr_expect_eq(live_drops(world, CAUSE_KE_GROUP), 2);
    cr_expect(sources_charge(&ike->sources, &source, world->now, SOURCE_WORK_MAX), "nothing is spent");
    initiator_vanish(world->clients[0]);
    live_free(world);
}

/* RFC 7296 2.23: who is behind a NAT, or is made to believe it, moves to port 4500. */
Test(nat, moves_to_4500)
{
    static const struct {
        const char *what;
        bool client_nat, force, natt, behind;
    } rows[] = {
        {"nobody in between", false, false, false, false},
        {"a NAT in front of the client", true, false, true, true},
        {"encapsulation is forced", false, true, true, false},
        {"both", true, true, true, true},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world_options options = {.seed = 5, .no_nat = !rows[i].force};
        struct world *world = live_new(&options, NULL);
        struct initiator *client = world->clients[0];
        client->config.behind_nat = rows[i].client_nat;
        cr_assert(world_connect(world, 0), "%s", rows[i].what);
        struct session_view view;
        uint32_t cursor = 0;
        cr_assert(core_session_next(world->core, world->now, &cursor, &view));
        cr_expect_eq(client->natt, rows[i].natt, "%s", rows[i].what);
        cr_expect_eq(view.remote.port, rows[i].natt ? 4500 : 500, "%s", rows[i].what);
        cr_expect_eq(view.behind_nat, rows[i].behind, "%s", rows[i].what);
        live_free(world);
    }
}

/* A rebinding NAT: the session follows its client, the data plane too. Without a NAT it stays where it was.
 */
Test(nat, follows_an_authentic_message)
{
    for (int behind = 0; behind < 2; behind++) {
        struct world_options options = {.seed = 5};
        struct world *world = live_new(&options, NULL);
        struct initiator *client = world->clients[0];
        client->config.behind_nat = behind == 1;
        cr_assert(world_connect(world, 0));
        struct endpoint moved = client->local;
        moved.port = 61234;
        initiator_move(client, &moved);
        cr_assert(initiator_dpd(client, world->now));
        cr_assert(world_settle(world, 60 * NS_PER_S));
        struct session_view view;
        uint32_t cursor = 0;
        cr_assert(core_session_next(world->core, world->now, &cursor, &view));
        cr_expect_eq(view.remote.port, behind == 1 ? 61234 : 4500);
        const struct plane_model_child *child = plane_model_find(&world->plane, view.children[0].spi_in);
        cr_assert_not_null(child);
        cr_expect_eq(child->remote.port, behind == 1 ? 61234 : 4500);
        live_free(world);
    }
}

/* What comes from nowhere: one answer where the RFC wants one, and a counter always. */
Test(gate, strays_are_counted_and_answered_by_rule)
{
    static const struct {
        const char *what;
        uint8_t exchange, flags, version;
        uint64_t spi_i, spi_r;
        uint32_t id;
        enum cause cause;
        uint16_t answer; /* notify, 0: silence */
    } rows[] = {
        {"request for an SA of nobody", IKE_AUTH, 0x08, 0x20, 1, 2, 1, CAUSE_SPI_FORGED,
         NOTIFY_INVALID_IKE_SPI},
        {"response for an SA of nobody", IKE_AUTH, 0x20, 0x20, 1, 2, 1, CAUSE_SPI_FORGED, 0},
        {"IKE_AUTH without our SPI", IKE_AUTH, 0x08, 0x20, 1, 0, 1, CAUSE_SPI_FORGED, NOTIFY_INVALID_IKE_SPI},
        {"INFORMATIONAL before anything", INFORMATIONAL, 0x08, 0x20, 1, 0, 0, CAUSE_SPI_FORGED,
         NOTIFY_INVALID_IKE_SPI},
        {"first message with both SPIs", IKE_SA_INIT, 0x08, 0x20, 1, 2, 0, CAUSE_STATE, 0},
        {"first message with an id", IKE_SA_INIT, 0x08, 0x20, 1, 0, 1, CAUSE_STATE, 0},
        {"first message as a response", IKE_SA_INIT, 0x28, 0x20, 1, 0, 0, CAUSE_FLAGS, 0},
        {"first message not by the initiator", IKE_SA_INIT, 0x00, 0x20, 1, 0, 0, CAUSE_FLAGS, 0},
        {"IKEv1", IKE_SA_INIT, 0x08, 0x10, 1, 0, 0, CAUSE_VERSION, 0},
        {"IKEv3", IKE_SA_INIT, 0x08, 0x30, 1, 0, 0, CAUSE_VERSION, NOTIFY_INVALID_MAJOR_VERSION},
        {"IKEv3 response", IKE_SA_INIT, 0x28, 0x30, 1, 0, 0, CAUSE_VERSION, 0},
        {"SPI zero", IKE_SA_INIT, 0x08, 0x20, 0, 0, 0, CAUSE_IKE_SPI_ZERO, 0},
        {"first message with nothing in it", IKE_SA_INIT, 0x08, 0x20, 1, 0, 0, CAUSE_PAYLOAD_MISSING, 0},
    };
    struct world *world = live_new(NULL, NULL);
    struct endpoint from = stranger("203.0.113.9", 500);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t memory[64];
        struct builder b;
        struct ike_header header = {.spi_i = rows[i].spi_i,
                                    .spi_r = rows[i].spi_r,
                                    .version = rows[i].version,
                                    .exchange = rows[i].exchange,
                                    .flags = rows[i].flags,
                                    .message_id = rows[i].id};
        message_begin(&b, memory, sizeof(memory), &header);
        live_mark(world);
        world_inject(world, &from, false, message_end(&b), true);
        cr_expect_eq(live_drops(world, rows[i].cause), 1, "%s", rows[i].what);
        cr_expect_eq(live_drops_all(world), 1, "%s", rows[i].what);
        cr_expect_eq(world->effects.count, rows[i].answer == 0 ? 0 : 1, "%s", rows[i].what);
        if (rows[i].answer != 0 && world->effects.count == 1) {
            struct span answer = world->effects.v[0].send.bytes;
            cr_expect_eq(be16_load(answer.data + 34), rows[i].answer, "%s", rows[i].what);
            cr_expect_eq(answer.data[19] & IKE_FLAG_RESPONSE, IKE_FLAG_RESPONSE, "%s", rows[i].what);
        }
    }
    live_free(world);
}

/* Unprotected error answers are not worth spoofing for. */
Test(gate, errors_for_strangers_are_rate_limited)
{
    struct world *world = live_new(NULL, NULL);
    struct endpoint from = stranger("203.0.113.9", 500);
    uint8_t memory[28];
    struct builder b;
    struct ike_header header = {
        .spi_i = 1, .spi_r = 2, .version = 0x20, .exchange = INFORMATIONAL, .flags = IKE_FLAG_INITIATOR};
    message_begin(&b, memory, sizeof(memory), &header);
    struct span bytes = message_end(&b);
    for (int i = 0; i < 1000; i++) {
        world_inject(world, &from, false, bytes, true);
    }
    cr_expect_leq(live_sent(world), 64);
    cr_expect_eq(live_drops(world, CAUSE_SPI_FORGED), 1000);
    cr_expect_eq(live_drops(world, CAUSE_RATE), 1000 - live_sent(world));
    live_free(world);
}

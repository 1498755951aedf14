/* Messages for sessions that nobody has (RFC 6290). */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/initiator_internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* A client with a token, whose session is then lost without a word. */
static struct world *lost(bool by_rekey)
{
    struct world_options options = {.seed = 21, .mobike = true};
    struct world *world = live_new(&options, NULL);
    world->policy.policy.crash_detection = true;
    cr_assert(world_connect(world, 0));
    if (by_rekey) {
        cr_assert(initiator_rekey_ike(world->clients[0], world->now));
        (void)world_settle(world, 5 * NS_PER_S);
    }
    cr_assert_eq(initiator_current(world->clients[0])->token_len, 16);
    for (uint32_t i = 0; i < STORE_MODEL_RECORDS; i++) {
        struct stored *stored = &world->store.records[i];
        free(stored->bytes);
        *stored = (struct stored){.used = false};
    }
    world_restart(world);
    world_run(world, NS_PER_S);
    cr_assert_eq(core_counters(world->core)->sessions, 0);
    live_mark(world);
    return world;
}

Test(dead_end, a_token_ends_it_at_once)
{
    for (int by_rekey = 0; by_rekey < 2; by_rekey++) {
        struct world *world = lost(by_rekey != 0);
        struct initiator *client = world->clients[0];
        cr_assert(initiator_dpd(client, world->now));
        world_run(world, 100 * NS_PER_MS);
        cr_expect_eq(client->state, INITIATOR_CLOSED, "rekey %d", by_rekey);
        cr_expect_eq(client->why, INITIATOR_PEER_LOST, "rekey %d", by_rekey);
        cr_expect_eq(core_counters(world->core)->tokens, 1);
        live_free(world);
    }
}

/* RFC 6290 9.2: never where the session may live; RFC 7296 2.21.4 all the same where the SPI is not ours. */
Test(dead_end, a_token_is_kept_back)
{
    static const struct {
        const char *what;
        bool off, unread, forged, other_spi_i, response;
        uint32_t tokens, invalid, bad;
    } rows[] = {
        {"of a lost session", .tokens = 1, .invalid = 1},
        {"switched off", .off = true, .invalid = 1},
        {"of a shard that is being read", .unread = true},
        {"of no SPI of the fleet", .forged = true, .invalid = 0},
        {"a response", .response = true},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = lost(false);
        struct initiator *client = world->clients[0];
        struct initiator_sa *sa = &client->sa[client->current];
        world->policy.policy.crash_detection = !rows[i].off;
        for (uint32_t s = 0; s < WORLD_SHARDS && rows[i].unread; s++) {
            world->core->shards[s].state = SHARD_SCANNING;
        }
        client->config.deviate.response_flag = rows[i].response;
        sa->spi_r ^= rows[i].forged ? 1 : 0;
        cr_assert(initiator_dpd(client, world->now));
        sa->spi_r ^= rows[i].forged ? 1 : 0;
        world_run(world, 100 * NS_PER_MS);
        cr_expect_eq(core_counters(world->core)->tokens, rows[i].tokens, "%s", rows[i].what);
        cr_expect_eq(client->invalid_spis, rows[i].invalid, "%s: %u", rows[i].what, client->invalid_spis);
        cr_expect_eq(client->state == INITIATOR_CLOSED, rows[i].tokens > 0, "%s", rows[i].what);
        initiator_vanish(client);
        for (uint32_t s = 0; s < WORLD_SHARDS; s++) {
            world->core->shards[s].state = SHARD_OWNED;
        }
        live_free(world);
    }
}

/* Who has a session gets no token for it, whatever SPI of the client's is written beside ours. */
Test(dead_end, no_token_for_a_session_that_lives)
{
    struct world *world = live_new(NULL, NULL);
    struct initiator *client = world->clients[0];
    world->policy.policy.crash_detection = true;
    cr_assert(world_connect(world, 0));
    struct initiator_sa *sa = &client->sa[client->current];
    sa->spi_i ^= 1;
    cr_assert(initiator_dpd(client, world->now));
    sa->spi_i ^= 1;
    world_run(world, 100 * NS_PER_MS);
    cr_expect_eq(core_counters(world->core)->tokens, 1, "of that pair, which nobody has");
    cr_expect_eq(client->state, INITIATOR_UP, "and which is not the client's");
    (void)world_settle(world, 30 * NS_PER_S);
    cr_expect_eq(client->state, INITIATOR_UP);
    live_free(world);
}

/* 8.1: a flood gets what one address may have, and no more in all. */
Test(dead_end, tokens_are_few)
{
    struct world *world = lost(false);
    struct initiator *client = world->clients[0];
    cr_assert(initiator_dpd(client, world->now));
    initiator_vanish(client);
    struct span bytes = span_of(client->sa[0].request.bytes, client->sa[0].request.lens[0]);
    world->net.faults.lose_permille = 1000;
    for (uint32_t i = 0; i < 1000; i++) {
        world_inject(world, &client->local, true, bytes, false);
    }
    cr_expect_leq(core_counters(world->core)->tokens, 201);
    cr_expect_leq(live_sent(world), 201 + 64);
    cr_expect_geq(live_drops(world, CAUSE_RATE), 700);
    world->net.faults = NET_FAULTLESS;
    live_free(world);
}

/* 4.3: when we rekeyed it, in a request of ours. */
Test(dead_end, our_own_rekey_brings_a_token)
{
    struct world_options options = {.seed = 4, .ike_rekey = 60 * NS_PER_S};
    struct world *world = live_new(&options, NULL);
    struct initiator *client = world->clients[0];
    world->policy.policy.crash_detection = true;
    cr_assert(world_connect(world, 0));
    world_run(world, 62 * NS_PER_S);
    cr_assert_geq(client->counters.gateway_ike_rekeys, 1);
    const struct initiator_sa *sa = initiator_current(client);
    uint8_t token[16], spis[16], mac[PRF_BYTES_MAX];
    be64_store(spis, sa->spi_i);
    be64_store(spis + 8, sa->spi_r);
    const struct span input = span_of(spis, 16);
    prf_compute(PRF_HMAC_SHA2_256, span_of(world->core->ike->token_key, 32), &input, 1, mac);
    memcpy(token, mac, 16);
    cr_assert_eq(sa->token_len, 16);
    cr_expect_arr_eq(sa->token, token, 16);
    live_free(world);
}

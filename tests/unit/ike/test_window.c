/* Message ids and states of a live IKE SA (RFC 7296 2.1 to 2.3). */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/initiator_internal.h"
#include "tests/unit/ike/live.h"

#include <criterion/criterion.h>

/* A sealed request (or response) with whatever header, straight into the gateway. */
static void inject_sealed(struct world *world, uint8_t exchange, uint8_t flags, uint32_t id,
                          struct builder *b)
{
    struct initiator *client = world->clients[0];
    static struct initiator_sent sent;
    struct span inner = message_end(b);
    client_seal(client, &client->sa[client->current], exchange, flags, id, b->first, inner, &sent);
    world_inject(world, &client->local, client->natt, span_of(sent.bytes, sent.lens[0]), false);
}

static void empty(struct builder *b)
{
    static uint8_t memory[64];
    chain_begin(b, memory, sizeof(memory));
}

/* Up, with its next request id 2 (0 and 1 were the handshake). */
static struct world *up(void)
{
    struct world *world = live_new(NULL, NULL);
    cr_assert(world_connect(world, 0));
    live_mark(world);
    return world;
}

Test(window, an_authentic_message_out_of_place_is_dropped)
{
    static const struct {
        const char *what;
        uint8_t exchange, flags;
        uint32_t id;
        enum cause cause; /* CAUSE_NONE: it is answered */
    } rows[] = {
        {"the next request", INFORMATIONAL, 0x08, 2, CAUSE_NONE},
        {"one too high", INFORMATIONAL, 0x08, 3, CAUSE_MESSAGE_ID},
        {"far too high", INFORMATIONAL, 0x08, 5000, CAUSE_MESSAGE_ID},
        {"the last id there is", INFORMATIONAL, 0x08, UINT32_MAX, CAUSE_MESSAGE_ID},
        {"an old id", INFORMATIONAL, 0x08, 0, CAUSE_MESSAGE_ID},
        {"a response to nothing", INFORMATIONAL, 0x28, 2, CAUSE_RESPONSE_UNASKED},
        {"a response to our request that never was", INFORMATIONAL, 0x28, 0, CAUSE_RESPONSE_UNASKED},
        {"not by the initiator", INFORMATIONAL, 0x00, 2, CAUSE_SPI_FORGED},
        {"IKE_AUTH again", IKE_AUTH, 0x08, 2, CAUSE_STATE},
        {"a resumption", IKE_SESSION_RESUME, 0x08, 2, CAUSE_STATE},
        {"an unknown exchange", 77, 0x08, 2, CAUSE_EXCHANGE_UNKNOWN},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = up();
        struct builder b;
        empty(&b);
        uint64_t before = check_state_hash(world);
        inject_sealed(world, rows[i].exchange, rows[i].flags, rows[i].id, &b);
        if (rows[i].cause == CAUSE_NONE) {
            cr_expect_eq(live_sent(world), 1, "%s", rows[i].what);
            cr_expect_eq(live_drops_all(world), 0, "%s", rows[i].what);
        } else {
            cr_expect_eq(live_drops(world, rows[i].cause), 1, "%s", rows[i].what);
            cr_expect_eq(check_state_hash(world), before, "%s", rows[i].what);
        }
        live_free(world);
    }
}

/* Before the client has shown who it is, only IKE_AUTH is heard (CVE-2019-12312). */
Test(window, a_half_open_sa_takes_ike_auth_alone)
{
    static const uint8_t exchanges[] = {CREATE_CHILD_SA, INFORMATIONAL, IKE_SESSION_RESUME, 0, 255};
    for (size_t i = 0; i < sizeof(exchanges); i++) {
        struct world *world = live_new(NULL, NULL);
        struct initiator *client = world->clients[0];
        world_arm_net(world, &(struct net_faults){
                                 .lose = 4, .duplicate = NET_NONE, .swap = NET_NONE, .truncate = NET_NONE});
        initiator_connect(client, world->now);
        world_run(world, 100 * NS_PER_MS); /* IKE_AUTH is lost */
        cr_assert_eq(core_counters(world->core)->half_open, 1);
        struct builder b;
        empty(&b);
        inject_sealed(world, exchanges[i], IKE_FLAG_INITIATOR, 1, &b);
        cr_expect_eq(live_drops_all(world), 1, "exchange %u", exchanges[i]);
        cr_expect_eq(core_counters(world->core)->half_open, 1, "exchange %u", exchanges[i]);
        (void)world_settle(world, 10 * NS_PER_S);
        cr_expect_eq(client->state, INITIATOR_UP, "exchange %u", exchanges[i]);
        live_free(world);
    }
}

Test(window, malformed_but_authentic_is_answered_by_invalid_syntax)
{
    static const struct {
        const char *what;
        uint8_t exchange, first;
        uint8_t inner[16];
        size_t len;
        uint16_t answer;
    } rows[] = {
        {"payload length 3", INFORMATIONAL, PAYLOAD_NOTIFY, {0, 0, 0, 3}, 4, NOTIFY_INVALID_SYNTAX},
        {"payload longer than the message",
         INFORMATIONAL,
         PAYLOAD_NOTIFY,
         {0, 0, 1, 0},
         4,
         NOTIFY_INVALID_SYNTAX},
        {"an SK inside of SK", INFORMATIONAL, PAYLOAD_SK, {0, 0, 0, 4}, 4, NOTIFY_INVALID_SYNTAX},
        {"delete with a count that lies",
         INFORMATIONAL,
         PAYLOAD_DELETE,
         {0, 0, 0, 8, 3, 4, 0, 9},
         8,
         NOTIFY_INVALID_SYNTAX},
        {"rekey of protocol 0 (CVE-2023-38710)",
         CREATE_CHILD_SA,
         PAYLOAD_NOTIFY,
         {0, 0, 0, 8, 0, 0, 0x40, 0x09},
         8,
         NOTIFY_INVALID_SYNTAX},
        {"CREATE_CHILD_SA with nothing in it", CREATE_CHILD_SA, PAYLOAD_NONE, {0}, 0, NOTIFY_INVALID_SYNTAX},
        {"an unknown critical payload",
         INFORMATIONAL,
         200,
         {0, 0x80, 0, 4},
         4,
         NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD},
        {"an unknown payload", INFORMATIONAL, 200, {0, 0, 0, 4}, 4, 0},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = up();
        struct initiator *client = world->clients[0];
        cr_assert(initiator_send_raw(client, world->now, rows[i].exchange, rows[i].first,
                                     span_of(rows[i].inner, rows[i].len)));
        (void)world_settle(world, 5 * NS_PER_S);
        cr_expect(initiator_is_idle(client), "%s: no answer", rows[i].what);
        cr_expect_eq(client->notify, rows[i].answer, "%s: notify %u", rows[i].what, client->notify);
        cr_expect_eq(live_drops_all(world), rows[i].answer == 0 ? 0 : 1, "%s", rows[i].what);
        /* RFC 7296 2.21.3: INVALID_SYNTAX ends the IKE SA on both sides. */
        uint32_t left = rows[i].answer == NOTIFY_INVALID_SYNTAX ? 0 : 1;
        cr_expect_eq(core_counters(world->core)->sessions, left, "%s: sessions", rows[i].what);
        live_free(world);
    }
}

/* RFC 7383 2.6: fragments are opened one by one; what does not fit is not kept. */
Test(window, fragments_are_bounded)
{
    struct world *world = up();
    struct initiator *client = world->clients[0];
    struct initiator_sa *sa = &client->sa[client->current];
    static uint8_t body[6000];
    static struct initiator_sent sent;
    client_seal(client, sa, INFORMATIONAL, IKE_FLAG_INITIATOR, sa->next_id, 200, span_of(body, sizeof(body)),
                &sent);
    cr_assert_gt(sent.count, 3);
    uint32_t free_before = world->core->ike->blobs.free_count;
    size_t at = 0;
    for (uint32_t i = 0; i + 1 < sent.count; i++) {
        world_inject(world, &client->local, true, span_of(sent.bytes + at, sent.lens[i]), false);
        world_inject(world, &client->local, true, span_of(sent.bytes + at, sent.lens[i]), false);
        at += sent.lens[i];
    }
    cr_expect_eq(live_drops_all(world), 0, "fragments that are taken, or were, are no drops");
    cr_expect_lt(world->core->ike->blobs.free_count, free_before);
    cr_assert(initiator_dpd(client, world->now), "a whole message of the same id takes over");
    (void)world_settle(world, 5 * NS_PER_S);
    cr_expect_eq(client->state, INITIATOR_UP);
    const struct core_counters *counters = core_counters(world->core);
    cr_expect_eq(counters->fragments_in, 2 * (sent.count - 1));
    cr_expect_eq(counters->reassembly_failures, 1, "given up for the whole message");
    cr_expect_eq(counters->reassembled, 0);
    world_run(world, 120 * NS_PER_S);
    live_free(world);
}

/* Both certificate chains are longer than a datagram. */
Test(window, fragments_are_put_together)
{
    struct world_options options = {.seed = 5, .certificates = true};
    struct world *world = live_new(&options, NULL);
    cr_assert(world_connect(world, 0));
    const struct core_counters *counters = core_counters(world->core);
    cr_expect_geq(counters->fragments_in, 2);
    cr_expect_geq(counters->fragments_out, 2);
    cr_expect_eq(counters->reassembled, 1);
    cr_expect_eq(counters->reassembly_failures, 0);
    live_free(world);
}

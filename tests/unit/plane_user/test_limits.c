/* What the plane tells the core of a child's limits. */
#include "edge/base/bytes.h"
#include "tests/unit/plane_user/packets.h"

#include <criterion/criterion.h>

enum { PACKET_MAX = 2048 };

/* The core raises the limit in time, and when it does not, nothing is sent above it. */
Test(plane_limits, sequence_events)
{
    struct world *world = world_open(1400, false);
    struct side *side = &world->gateway;
    struct plane_child child = child_of(world, 1, 3, 2);
    struct packet_spec spec = to_client();
    uint32_t num_sent = 0;

    child.sequence_out = 100;
    child.sequence_limit = 120;
    cr_assert_eq(side_install(side, &child), CAUSE_NONE);
    for (int i = 1; i <= 25; i++) {
        num_sent += spi_to_client(world, &spec) != 0;
        cr_expect_eq(plane_user_counters(side->plane)->drops[CAUSE_ESP_SEQUENCE], i > 20 ? i - 20 : 0);
    }
    cr_expect_eq(num_sent, 20);
    for (int i = 0; i < 30; i++) {
        if (i == 0 || i == 15) { /* the second is no higher */
            side_op(side, (struct plane_op){.type = PLANE_SEQUENCE_LIMIT, .child = 1, .sequence_limit = 140});
        }
        num_sent += spi_to_client(world, &spec) != 0;
    }
    cr_expect_eq(num_sent, 40);
    world_close(world);
}

Test(plane_limits, one_event_per_limit)
{
    struct world *world = world_open(1400, false);
    struct side *side = &world->gateway;
    struct plane_child child = child_of(world, 1, 3, 2);
    struct packet_spec spec = to_client();
    uint8_t packet[PACKET_MAX];
    size_t len = packet_write(&spec, packet);

    child.suite.esn = false;
    child.sequence_out = UINT32_MAX - UINT32_MAX / 8 - 10;
    child.sequence_limit = child.sequence_out + 20;
    cr_assert_eq(side_install(side, &child), CAUSE_NONE);
    for (uint32_t i = 1; i <= 30; i++) {
        side_send(side, NULL, packet, len);
        cr_expect_eq(side->num_events, i < 10 ? 0u : 2u, "packet %u: %u", i, side->num_events);
    }
    cr_expect_eq(side->events[0].type, PLANE_EVENT_SEQUENCE);
    cr_expect_eq(side->events[0].sequence_out, child.sequence_out + 10);
    cr_expect_eq(side->events[1].type, PLANE_EVENT_SPENT);
    side_op(side, (struct plane_op){
                      .type = PLANE_SEQUENCE_LIMIT, .child = 1, .sequence_limit = child.sequence_limit + 20});
    for (uint32_t i = 1; i <= 30; i++) {
        side_send(side, NULL, packet, len);
        cr_expect_eq(side->num_events, i < 10 ? 2u : 3u);
    }
    world_close(world);
}

/* A host whose queue is full hears of it with the next packet; without, the session would stand still. */
Test(plane_limits, events_are_told_until_they_are_taken)
{
    struct world *world = world_open(1400, false);
    struct side *side = &world->gateway;
    struct plane_child child = child_of(world, 1, 3, 2);
    struct packet_spec spec = to_client();
    uint8_t packet[PACKET_MAX];
    size_t len = packet_write(&spec, packet);

    child.sequence_limit = child.sequence_out + 20;
    cr_assert_eq(side_install(side, &child), CAUSE_NONE);
    for (uint32_t i = 1; i <= 15; i++) {
        side->takes_no_events = i < 15;
        side_send(side, NULL, packet, len);
        cr_expect_eq(side->num_events, i < 15 ? 0u : 1u, "packet %u: %u", i, side->num_events);
    }
    cr_expect_eq(side->events[0].type, PLANE_EVENT_SEQUENCE);
    world_close(world);
}

/* What one key may protect: told once at the soft limit, and silent both ways from the hard one on. */
Test(plane_limits, volumes)
{
    static const struct {
        const char *what;
        struct plane_volume soft, hard;
        bool inbound;
        uint32_t aged_after, worn_after; /* packets; 0: never */
    } rows[] = {
        {"packets out", {0, 5}, {0, 9}, false, 5, 9}, {"packets in", {0, 5}, {0, 9}, true, 5, 9},
        {"no limit", {0, 0}, {0, 0}, false, 0, 0},    {"soft only", {0, 5}, {0, 0}, false, 5, 0},
        {"hard only", {0, 0}, {0, 9}, true, 9, 9},    {"bytes out", {1, 0}, {2000, 9}, false, 1, 9},
        {"bytes in", {1, 0}, {1, 0}, true, 1, 1},     {"soft above hard", {0, 20}, {0, 9}, false, 9, 9},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct world *world = world_open(1400, false);
        struct side *side = &world->gateway;
        struct plane_child child = child_of(world, 1, 3, 2), mirror = mirror_of(world, &child);
        struct packet_spec spec = rows[i].inbound ? tcp_spec() : to_client();
        uint8_t packet[PACKET_MAX];
        child.soft = rows[i].soft;
        child.hard = rows[i].hard;
        spec.payload_len = 10;
        cr_assert(side_install(side, &child) == CAUSE_NONE &&
                  side_install(&world->client, &mirror) == CAUSE_NONE);
        uint32_t carried = 0, aged = 0, worn = 0;
        for (uint32_t n = 1; n <= 30; n++) {
            struct side *from = rows[i].inbound ? &world->client : side;
            struct side *to = rows[i].inbound ? side : &world->client;
            side_send(from, NULL, packet, packet_write(&spec, packet));
            side_flush(from);
            side_deliver(from, to);
            side_flush(to);
            carried += to->num_tun;
            for (uint32_t k = 0; k < side->num_events; k++) {
                aged = side->events[k].type == PLANE_EVENT_AGED && aged == 0 ? n : aged;
                worn = side->events[k].type == PLANE_EVENT_WORN && worn == 0 ? n : worn;
            }
            cr_expect_leq(side->num_events, 2u, "%s: told once each", rows[i].what);
            side_clear(side);
            side_clear(&world->client);
        }
        uint32_t most = rows[i].worn_after == 0 ? 30 : rows[i].worn_after;
        cr_expect_eq(aged, rows[i].aged_after, "%s: aged after %u", rows[i].what, aged);
        cr_expect_eq(worn, rows[i].worn_after, "%s: worn after %u", rows[i].what, worn);
        cr_expect_eq(carried, most, "%s: %u packets", rows[i].what, carried);
        cr_expect_eq(plane_user_counters(side->plane)->drops[CAUSE_ESP_VOLUME], 30 - most, "%s",
                     rows[i].what);
        world_close(world);
    }
}

/* Heartbeats as packets: taken by the node that they are for, with its fleet's key, and by nobody else. */
#include "edge/daemon/heartbeat.h"

#include <criterion/criterion.h>
#include <string.h>

static struct heartbeats end_of(uint16_t node, uint8_t key)
{
    struct heartbeats h = {.node = node, .fd = -1, .rand = rand_system()};
    memset(h.key, key, sizeof(h.key));
    return h;
}

static struct fleet_heartbeat heartbeat_of(uint16_t node)
{
    struct fleet_heartbeat heartbeat = {
        .node = node, .instance = 77, .your_instance = 88, .number = 9, .has_lease = true, .view = 12};
    for (uint16_t i = 0; i < FLEET_CHANGES_MAX; i++) {
        heartbeat.changes[i] = (struct fleet_change){i, (uint16_t)(i + 1), (uint16_t)(i + 2)};
    }
    heartbeat.num_changes = FLEET_CHANGES_MAX;
    return heartbeat;
}

static enum heartbeat_fault fault_of(const struct heartbeats *h, const uint8_t *packet, size_t len)
{
    struct heartbeat_in in;
    heartbeat_open(h, span_of(packet, len), &in);
    return in.fault;
}

Test(heartbeat, arrives_where_it_should)
{
    uint8_t packet[HEARTBEAT_PACKET_MAX];
    struct heartbeats one = end_of(1, 5), two = end_of(2, 5), three = end_of(3, 5), strange = end_of(2, 6);
    struct fleet_heartbeat heartbeat = heartbeat_of(1);
    struct heartbeat_in in;

    size_t len = heartbeat_seal(&one, 2, &heartbeat, packet);
    cr_assert_gt(len, 0);
    heartbeat_open(&two, span_of(packet, len), &in);
    cr_assert_eq(in.fault, HEARTBEAT_GOOD);
    cr_assert_eq(in.from, 1);
    cr_assert_eq(in.heartbeat.your_instance, 88);
    cr_assert_eq(in.heartbeat.num_changes, FLEET_CHANGES_MAX);
    cr_assert_eq(fault_of(&three, packet, len), HEARTBEAT_ASTRAY);
    cr_assert_eq(fault_of(&strange, packet, len), HEARTBEAT_FORGED);
}

Test(heartbeat, says_in_the_head_whose_it_is)
{
    uint8_t packet[HEARTBEAT_PACKET_MAX];
    struct heartbeats one = end_of(1, 5), two = end_of(2, 5);
    struct fleet_heartbeat heartbeat = heartbeat_of(4);

    size_t len = heartbeat_seal(&one, 2, &heartbeat, packet);
    cr_assert_eq(fault_of(&two, packet, len), HEARTBEAT_MALFORMED, "of another node than its head says");
}

Test(heartbeat, no_byte_of_it_may_change)
{
    uint8_t packet[HEARTBEAT_PACKET_MAX + 1];
    struct heartbeats one = end_of(1, 5), two = end_of(2, 5);
    struct fleet_heartbeat heartbeat = heartbeat_of(1);

    heartbeat.num_changes = 1;
    size_t len = heartbeat_seal(&one, 2, &heartbeat, packet);
    for (size_t i = 0; i < len; i++) {
        packet[i] ^= 4;
        cr_assert_neq(fault_of(&two, packet, len), HEARTBEAT_GOOD, "byte %zu", i);
        packet[i] ^= 4;
    }
    for (size_t i = 0; i < len; i++) {
        cr_assert_neq(fault_of(&two, packet, i), HEARTBEAT_GOOD, "%zu bytes", i);
    }
    cr_assert_neq(fault_of(&two, packet, len + 1), HEARTBEAT_GOOD);
    cr_assert_eq(fault_of(&two, packet, len), HEARTBEAT_GOOD);
}

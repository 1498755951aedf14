/* Members and heartbeats as bytes. */
#include "edge/session/fleet.h"
#include "tests/unit/base/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct fleet_member member_sample(void)
{
    struct fleet_member member = {
        .node = 1023, .weight = 65535, .mtu = 9000, .is_draining = true, .instance = UINT64_MAX};
    memset(member.site_name, 's', FLEET_SITE_BYTES - 1);
    memset(member.version, 'v', FLEET_VERSION_BYTES - 1);
    memset(member.address.bytes, 0xfd, sizeof(member.address.bytes));
    return member;
}

static struct fleet_heartbeat heartbeat_sample(uint32_t num_changes)
{
    struct fleet_heartbeat heartbeat = {.node = 7,
                                        .instance = 1,
                                        .your_instance = 2,
                                        .number = 3,
                                        .is_draining = true,
                                        .has_lease = true,
                                        .view = 4,
                                        .num_changes = num_changes};
    for (uint32_t i = 0; i < num_changes; i++) {
        heartbeat.changes[i] = (struct fleet_change){
            (uint16_t)i, i % 3 == 0 ? FLEET_OWNER_UNKNOWN : (uint16_t)(i % 3 - 1), (uint16_t)(i * 500)};
    }
    return heartbeat;
}

static bool decode_exact(const uint8_t *bytes, size_t len, bool is_member, void *ret_value)
{
    uint8_t *copy = malloc(len + 1); /* a read beyond the end is seen by the sanitizer */
    uint8_t *exact = malloc(len == 0 ? 1 : len);
    memcpy(exact, bytes, len);
    bool ok = is_member ? fleet_member_decode(span_of(exact, len), ret_value)
                        : fleet_heartbeat_decode(span_of(exact, len), ret_value);
    free(exact);
    free(copy);
    return ok;
}

Test(fleet_bytes, come_back_as_they_were)
{
    uint8_t bytes[FLEET_HEARTBEAT_BYTES_MAX];
    struct fleet_member member = member_sample(), back;
    size_t len = fleet_member_encode(&member, bytes, FLEET_MEMBER_BYTES_MAX);
    cr_assert(len > 0 && decode_exact(bytes, len, true, &back));
    cr_expect(back.node == 1023 && back.weight == 65535 && back.mtu == 9000 && back.is_draining &&
              back.instance == UINT64_MAX && ip_equal(&back.address, &member.address));
    cr_expect_str_eq(back.site_name, member.site_name);
    cr_expect_str_eq(back.version, member.version);
    static const uint32_t counts[] = {0, 1, FLEET_CHANGES_MAX};
    for (size_t i = 0; i < HF_COUNT(counts); i++) {
        struct fleet_heartbeat heartbeat = heartbeat_sample(counts[i]), again;
        len = fleet_heartbeat_encode(&heartbeat, bytes, sizeof(bytes));
        cr_assert(len > 0 && decode_exact(bytes, len, false, &again));
        cr_expect(again.node == 7 && again.instance == 1 && again.your_instance == 2 && again.number == 3 &&
                  again.is_draining && again.has_lease && again.view == 4);
        cr_assert_eq(again.num_changes, counts[i]);
        cr_expect(memcmp(again.changes, heartbeat.changes, sizeof(heartbeat.changes)) == 0);
    }
}

/* Any prefix, and any one byte too many, is refused; no room is said. */
Test(fleet_bytes, cut_or_extended)
{
    uint8_t bytes[FLEET_HEARTBEAT_BYTES_MAX + 1] = {0};
    struct fleet_member member = member_sample();
    struct fleet_heartbeat heartbeat = heartbeat_sample(3);
    for (int is_member = 0; is_member < 2; is_member++) {
        size_t len = is_member ? fleet_member_encode(&member, bytes, FLEET_MEMBER_BYTES_MAX)
                               : fleet_heartbeat_encode(&heartbeat, bytes, FLEET_HEARTBEAT_BYTES_MAX);
        union {
            struct fleet_member member;
            struct fleet_heartbeat heartbeat;
        } value;
        for (size_t cut = 0; cut < len; cut++) {
            /* A heartbeat without its changes is one. */
            bool whole = !is_member && cut == len - 3 - 3 * 6;
            cr_expect_eq(decode_exact(bytes, cut, is_member, &value), whole, "%zu of %zu", cut, len);
            uint8_t small[FLEET_HEARTBEAT_BYTES_MAX];
            size_t fit = is_member ? fleet_member_encode(&member, small, cut)
                                   : fleet_heartbeat_encode(&heartbeat, small, cut);
            cr_expect_eq(fit, 0);
        }
        cr_expect_not(decode_exact(bytes, len + 1, is_member, &value));
    }
}

Test(fleet_bytes, newer_versions_say_more)
{
    uint8_t bytes[FLEET_HEARTBEAT_BYTES_MAX];
    struct fleet_member member = member_sample(), back;
    size_t len = fleet_member_encode(&member, bytes, FLEET_MEMBER_BYTES_MAX);
    static const uint8_t more[] = {31, 0, 2, 1, 2, 200, 0, 1, 9};
    memcpy(bytes + len, more, sizeof(more));
    cr_expect(decode_exact(bytes, len + sizeof(more), true, &back) && back.node == 1023);
    struct fleet_heartbeat heartbeat = heartbeat_sample(2), again;
    len = fleet_heartbeat_encode(&heartbeat, bytes, sizeof(bytes));
    memcpy(bytes + len, more, sizeof(more));
    cr_expect(decode_exact(bytes, len + sizeof(more), false, &again) && again.num_changes == 2);
}

Test(fleet_bytes, nonsense)
{
    uint8_t bytes[FLEET_HEARTBEAT_BYTES_MAX];
    struct fleet_member back;
    struct fleet_heartbeat again;
    struct fleet_member member = member_sample();
    static const uint16_t nodes[] = {0, 1024, 65535};
    for (size_t i = 0; i < HF_COUNT(nodes); i++) {
        member.node = nodes[i];
        size_t len = fleet_member_encode(&member, bytes, FLEET_MEMBER_BYTES_MAX);
        cr_expect_not(decode_exact(bytes, len, true, &back));
        struct fleet_heartbeat heartbeat = heartbeat_sample(1);
        heartbeat.node = nodes[i];
        len = fleet_heartbeat_encode(&heartbeat, bytes, sizeof(bytes));
        cr_expect_not(decode_exact(bytes, len, false, &again));
        cr_expect_eq(again.node, 0);
    }
    struct fleet_heartbeat heartbeat = heartbeat_sample(1);
    heartbeat.changes[0].owner = 1024;
    size_t len = fleet_heartbeat_encode(&heartbeat, bytes, sizeof(bytes));
    cr_expect_not(decode_exact(bytes, len, false, &again), "no node has this number");
    member = member_sample();
    member.instance = 0;
    len = fleet_member_encode(&member, bytes, FLEET_MEMBER_BYTES_MAX);
    cr_expect_not(decode_exact(bytes, len, true, &back), "no process has this number");
}

/* Flipped bits never lead beyond the input, and what is accepted is in bounds. */
Test(fleet_bytes, flipped)
{
    uint64_t state = 5;
    uint8_t bytes[FLEET_HEARTBEAT_BYTES_MAX];
    struct fleet_heartbeat heartbeat = heartbeat_sample(20), again;
    struct fleet_member member = member_sample(), back;
    for (int i = 0; i < 20000; i++) {
        bool is_member = i % 2 == 0;
        size_t len = is_member ? fleet_member_encode(&member, bytes, FLEET_MEMBER_BYTES_MAX)
                               : fleet_heartbeat_encode(&heartbeat, bytes, sizeof(bytes));
        for (uint64_t flips = random_next(&state) % 4; flips < 4; flips++) {
            bytes[random_next(&state) % len] ^= (uint8_t)(1U << random_next(&state) % 8);
        }
        if (is_member && decode_exact(bytes, len, true, &back)) {
            cr_assert(back.node >= 1 && back.node <= FLEET_NODE_MAX &&
                      memchr(back.site_name, 0, FLEET_SITE_BYTES) != NULL);
        } else if (!is_member && decode_exact(bytes, len, false, &again)) {
            cr_assert(again.node >= 1 && again.num_changes <= FLEET_CHANGES_MAX);
        }
    }
}

/* What edge/plane/link.h makes of the kernel, seen with iproute2, in a fresh network namespace. */
#include "edge/plane/link.h"
#include "tests/unit/plane_link/netns.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static char error[LINK_ERROR_MAX];

/* Host bits may be set. */
static struct ip_prefix prefix_of(const char *addr, uint8_t bits)
{
    struct ip_prefix prefix = {.bits = bits};
    cr_assert(ip_parse(addr, &prefix.addr));
    prefix.is_v4 = ip_is_v4(&prefix.addr);
    return prefix;
}

static struct link *link_with_devices(void)
{
    char none[64];
    output_of("ip link add hf0 type veth peer name hf0p && ip link add hf1 type veth peer name hf1p &&"
              "ip link set hf0p up && ip link set hf1p up && ip link set lo up",
              none, sizeof(none));
    struct link *link = link_open(error);
    cr_assert_not_null(link, "%s", error);
    return link;
}

Test(link, links_and_addresses)
{
    if (!netns_enter()) {
        return;
    }
    static const struct {
        const char *dev, *addr;
        uint8_t bits;
        const char *shown;
    } rows[] = {
        {"hf0", "10.1.0.1", 24, "inet 10.1.0.1/24"},
        {"hf0", "fd00:1::1", 64, "inet6 fd00:1::1/64"},
        {"lo", "192.0.2.1", 32, "inet 192.0.2.1/32"},
        {"lo", "2001:db8::1", 128, "inet6 2001:db8::1/128"},
    };
    struct link *link = link_with_devices();
    cr_expect(link_up(link, "hf0", 1360, error), "%s", error);
    cr_expect(says("ip link show hf0", "mtu 1360"));
    cr_expect(says("ip link show hf0", "UP"));
    cr_expect(link_up(link, "hf0", 0, error), "%s", error);
    cr_expect(says("ip link show hf0", "mtu 1360"), "0 leaves it");
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct ip_prefix address = prefix_of(rows[i].addr, rows[i].bits);
        char command[64];
        snprintf(command, sizeof(command), "ip addr show dev %s scope global", rows[i].dev);
        for (int twice = 0; twice < 2; twice++) {
            cr_expect(link_address_add(link, rows[i].dev, &address, error), "%s", error);
            cr_expect(says(command, rows[i].shown), "%s", rows[i].shown);
        }
        cr_expect_not(says(command, "tentative"), "works at once");
        for (int twice = 0; twice < 2; twice++) {
            cr_expect(link_address_delete(link, rows[i].dev, &address, error), "%s", error);
            cr_expect_not(says(command, rows[i].shown), "%s", rows[i].shown);
        }
    }
    link_close(link);
}

Test(link, routes_are_ours)
{
    if (!netns_enter()) {
        return;
    }
    static const struct {
        const char *addr;
        uint8_t bits;
        const char *dev, *shown;
    } rows[] = {
        {"10.1.0.0", 16, "hf0", "10.1.0.0/16 dev hf0"},
        {"10.1.0.0", 16, "hf1", "10.1.0.0/16 dev hf1"}, /* in its place */
        {"10.2.0.0", 28, "hf0", "10.2.0.0/28 dev hf0"},
        {"0.0.0.0", 0, "hf0", "default dev hf0"},
        {"fd00:1::", 112, "hf0", "fd00:1::/112 dev hf0"},
        {"fd00:2::", 64, "hf1", "fd00:2::/64 dev hf1"},
    };
    struct link *link = link_with_devices();
    char none[64];
    struct link_route routes[8];
    size_t count;
    cr_assert(link_up(link, "hf0", 1400, error) && link_up(link, "hf1", 1400, error));
    output_of("ip route add 10.9.0.0/16 dev hf0 && ip route add 10.8.0.0/16 dev hf0 proto 202 &&"
              "ip -6 route add fd00:9::/64 dev hf0",
              none, sizeof(none));
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct ip_prefix prefix = prefix_of(rows[i].addr, rows[i].bits);
        cr_expect(link_route_add(link, rows[i].dev, &prefix, error), "%s", error);
        cr_expect(link_route_add(link, rows[i].dev, &prefix, error), "again: %s", error);
        cr_expect(
            says(prefix.is_v4 ? "ip route show proto 201" : "ip -6 route show proto 201", rows[i].shown),
            "%s", rows[i].shown);
    }
    cr_assert(link_routes(link, routes, HF_COUNT(routes), &count, error), "%s", error);
    cr_expect_eq(count, 5, "%zu", count);
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(strncmp(routes[i].name, "hf", 2), 0);
    }
    cr_assert(link_routes(link, routes, 1, &count, error), "%s", error);
    cr_expect_eq(count, 5, "counts what it has no room for");

    struct ip_prefix theirs = prefix_of("10.9.0.0", 16), ours = prefix_of("10.2.0.0", 28);
    cr_expect(link_route_delete(link, "hf0", &theirs, error), "%s", error);
    cr_expect(link_route_delete(link, "hf0", &ours, error), "%s", error);
    cr_expect(link_route_delete(link, "hf0", &ours, error), "absent is fine: %s", error);
    cr_assert(link_routes(link, routes, 8, &count, error), "%s", error);
    cr_expect_eq(count, 4);
    cr_expect(link_routes_clear(link, NULL, 0, error), "%s", error);
    cr_assert(link_routes(link, routes, 8, &count, error), "%s", error);
    cr_expect_eq(count, 0);
    cr_expect(says("ip route", "10.9.0.0/16"), "not ours");
    cr_expect(says("ip route", "10.8.0.0/16"), "not ours");
    cr_expect(says("ip -6 route", "fd00:9::/64"), "not ours");
    link_close(link);
}

/* Whatever happens to the routes above, nothing of a pool leaves by the default route. */
Test(link, covers)
{
    if (!netns_enter()) {
        return;
    }
    static const struct {
        const char *addr;
        uint8_t bits;
        const char *shown, *ask, *taken;
    } rows[] = {
        {"10.1.0.0", 16, "blackhole 10.1.0.0/16", "ip route get 10.1.2.3", "dev hf1"},
        {"fd00:1::", 64, "blackhole fd00:1::/64", "ip route get fd00:1::7", "dev hf1"},
    };
    struct link *link = link_with_devices();
    struct ip_prefix kept[HF_COUNT(rows)];
    size_t count;
    char none[64], command[128];
    cr_assert(link_up(link, "hf0", 1400, error) && link_up(link, "hf1", 1400, error));
    output_of("ip route add default dev hf0 && ip -6 route add default dev hf0", none, sizeof(none));
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        kept[i] = prefix_of(rows[i].addr, rows[i].bits);
        const char *list = kept[i].is_v4 ? "ip route show proto 201" : "ip -6 route show proto 201";
        snprintf(command, sizeof(command), "%s 2>&1 || true", rows[i].ask);
        cr_expect(link_cover_add(link, &kept[i], error), "%s", error);
        cr_expect(link_cover_add(link, &kept[i], error), "again: %s", error);
        cr_expect(says(list, rows[i].shown), "%s", rows[i].shown);
        cr_expect_not(says(command, "dev hf"), "leaks");
        cr_expect(link_route_add(link, "hf1", &kept[i], error), "%s", error);
        cr_expect(says(command, rows[i].taken), "the route is above");
        cr_expect(link_route_delete(link, "hf1", &kept[i], error), "%s", error);
        cr_expect_not(says(command, "dev hf"), "leaks");
        cr_expect(link_route_add(link, "hf1", &kept[i], error), "%s", error);
    }
    cr_expect(link_routes_clear(link, kept, HF_COUNT(rows), error), "%s", error);
    cr_expect(link_routes(link, NULL, 0, &count, error) && count == HF_COUNT(rows), "%zu left", count);
    cr_expect(link_routes_clear(link, kept, 1, error), "%s", error);
    cr_expect(link_routes(link, NULL, 0, &count, error) && count == 1, "%zu left", count);
    for (int twice = 0; twice < 2; twice++) {
        cr_expect(link_cover_delete(link, &kept[0], error), "%s", error);
    }
    cr_expect(link_routes(link, NULL, 0, &count, error) && count == 0, "%zu left", count);
    link_close(link);
}

/* More than one answer of the kernel and one round of removing hold; also routes of ours that look strange.
 */
Test(link, many_routes_are_cleared)
{
    if (!netns_enter()) {
        return;
    }
    struct link *link = link_with_devices();
    struct ip_prefix prefix = prefix_of("10.0.0.0", 24);
    char none[64];
    size_t count;
    cr_assert(link_up(link, "hf0", 1400, error));
    for (uint32_t i = 0; i < 1000; i++) {
        cr_assert(link_route_add(link, "hf0", &prefix, error), "%s", error);
        prefix.addr = ip_add(&prefix.addr, 256);
    }
    output_of("ip route add blackhole 172.16.0.0/16 proto 201 && ip route add 172.17.0.0/16 dev hf0 metric 7 "
              "proto 201 &&"
              "ip addr add 198.51.100.2/24 dev hf0 && ip route add 172.18.0.0/16 via 198.51.100.1 proto 201",
              none, sizeof(none));
    cr_assert(link_routes(link, NULL, 0, &count, error), "%s", error);
    cr_expect_eq(count, 1003, "%zu", count);
    cr_expect(link_routes_clear(link, NULL, 0, error), "%s", error);
    cr_assert(link_routes(link, NULL, 0, &count, error), "%s", error);
    cr_expect_eq(count, 0);
    cr_expect_not(says("ip route", "proto 201"));
    link_close(link);
}

Test(link, errors_name_object_and_step)
{
    if (!netns_enter()) {
        return;
    }
    struct link *link = link_with_devices();
    struct ip_prefix prefix = prefix_of("10.1.2.3", 24), network = prefix_of("10.1.2.0", 24);
    cr_expect_not(link_up(link, "hf9", 1400, error));
    cr_expect_str_eq(error, "link hf9: set up: No such device");
    cr_expect_not(link_up(link, "a-name-that-is-far-too-long", 1400, error));
    cr_expect_not(link_up(link, "hf0", 1, error) && link_up(link, "lo", 0xffffffff, error));
    cr_expect_not_null(strstr(error, "link "), "%s", error);
    cr_expect_not(link_address_add(link, "hf9", &prefix, error));
    cr_expect_str_eq(error, "address 10.1.2.3/24 dev hf9: add: No such device");
    cr_expect_not(link_route_add(link, "hf9", &network, error));
    cr_expect_str_eq(error, "route 10.1.2.0/24 dev hf9: add: No such device");
    cr_expect_not(link_route_add(link, "hf0", &network, error), "the link is down");
    cr_expect_eq(strncmp(error, "route 10.1.2.0/24 dev hf0: add: Network is down", 47), 0, "%s", error);
    cr_assert(link_up(link, "hf0", 1400, error));
    cr_expect_not(link_route_add(link, "hf0", &prefix, error));
    cr_expect_eq(strncmp(error, "route 10.1.2.3/24 dev hf0: add: Invalid argument (", 50), 0, "%s", error);
    cr_expect(link_address_delete(link, "hf9", &prefix, error), "%s", error);
    cr_expect(link_route_delete(link, "hf9", &network, error), "%s", error);
    cr_expect(link_up(link, "hf0", 1400, error), "goes on after errors: %s", error);
    link_close(link);
}

Test(link, forwarding)
{
    if (!netns_enter()) {
        return;
    }
    char none[64];
    bool changed;
    output_of("mount -t proc none /proc; echo 0 > /proc/sys/net/ipv4/ip_forward;"
              "echo 0 > /proc/sys/net/ipv6/conf/all/forwarding",
              none, sizeof(none));
    cr_expect(link_forwarding_enable(&changed, error), "%s", error);
    cr_expect(changed);
    cr_expect(says("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding", "1\n1\n"));
    cr_expect(link_forwarding_enable(&changed, error), "%s", error);
    cr_expect_not(changed, "it was on");
}

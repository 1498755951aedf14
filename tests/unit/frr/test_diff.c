#include "edge/frr/answer.h"
#include "edge/frr/setup.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct frr_setup setup_of(bool last_resort)
{
    struct frr_setup s = {.asn = 64501,
                          .num_prefixes = 2,
                          .num_pools = 1,
                          .num_neighbours = 3,
                          .keepalive_s = 3,
                          .hold_s = 9,
                          .connect_s = 5,
                          .bfd_ms = 300,
                          .bfd_multiplier = 3,
                          .prepend = 3,
                          .is_last_resort = last_resort};
    static const char *const neighbours[] = {"203.0.113.1", "2001:db8:0:1::1", "10.0.0.1"};
    cr_assert(ip_parse("203.0.113.2", &s.router) && prefix_parse("198.51.100.0/24", &s.prefixes[0]) &&
              prefix_parse("2001:db8:1::/48", &s.prefixes[1]) && prefix_parse("10.60.0.0/16", &s.pools[0]));
    for (uint32_t i = 0; i < 3; i++) {
        struct frr_neighbour *n = &s.neighbours[i];
        cr_assert(ip_parse(neighbours[i], &n->addr));
        n->asn = i < 2 ? 64500 : 64501;
        n->is_transit = n->bfd = i < 2;
        n->accept = i < 2 ? FRR_ACCEPT_DEFAULT : FRR_ACCEPT_ALL;
        n->hops = 1;
    }
    snprintf(s.neighbours[0].password, sizeof(s.neighbours[0].password), "hunter2");
    return s;
}

static char from[2 * FRR_TEXT_MAX], to[FRR_TEXT_MAX], commands[FRR_TEXT_MAX];

static void texts(const struct frr_setup *a, const struct frr_setup *b)
{
    cr_assert(frr_bgpd_text(a, true, from, sizeof(from)) > 0 && frr_bgpd_text(b, true, to, sizeof(to)) > 0);
    cr_assert(frr_diff(from, to, NULL, commands, sizeof(commands)));
}

Test(frr, changes_only_what_differs)
{
    struct frr_setup a = setup_of(false), b = setup_of(false);
    texts(&a, &b);
    cr_expect_str_eq(commands, "");
    b.neighbours[1] = b.neighbours[2];
    b.num_neighbours = 2;
    texts(&a, &b);
    cr_expect_str_eq(commands, "router bgp 64501\nno neighbor 2001:db8:0:1::1 remote-as 64500\nexit\n");
    b = setup_of(false);
    b.hold_s = 12;
    b.neighbours[0].password[0] = '\0';
    b.num_neighbours = 1;
    a.num_neighbours = 1;
    texts(&a, &b);
    cr_expect_str_eq(commands, "router bgp 64501\nno neighbor 203.0.113.1 password hunter2\n"
                               "neighbor 203.0.113.1 timers 3 12\nexit\n");
}

Test(frr, drains_and_returns)
{
    struct frr_setup a = setup_of(false), b = setup_of(true);
    texts(&a, &b);
    cr_expect_str_eq(commands, "route-map HF-TRANSIT-OUT permit 10\nset as-path prepend 64501 64501 64501\n"
                               "set community graceful-shutdown additive\nexit\n"
                               "route-map HF-TRANSIT-OUT permit 20\nset as-path prepend 64501 64501 64501\n"
                               "set community graceful-shutdown additive\nexit\n");
    texts(&b, &a);
    cr_expect_str_eq(commands,
                     "route-map HF-TRANSIT-OUT permit 10\nno set as-path prepend 64501 64501 64501\n"
                     "no set community graceful-shutdown additive\nexit\n"
                     "route-map HF-TRANSIT-OUT permit 20\nno set as-path prepend 64501 64501 64501\n"
                     "no set community graceful-shutdown additive\nexit\n");
}

Test(frr, leaves_alone_what_is_not_ours)
{
    static const char theirs[] = "hostname r1\n!\nip prefix-list THEIRS seq 5 permit any\n"
                                 "route-map THEIRS permit 10\n match ip address prefix-list THEIRS\nexit\n"
                                 "router ospf\n network 10.0.0.0/8 area 0\nexit\n"
                                 "bfd\n profile slow\n  transmit-interval 1000\n exit\nexit\n";
    struct frr_setup b = setup_of(false);
    cr_assert(frr_bgpd_text(&b, true, to, sizeof(to)) > 0);
    memcpy(from, theirs, sizeof(theirs));
    memcpy(from + strlen(theirs), to, strlen(to) + 1);
    cr_assert(frr_diff(from, to, NULL, commands, sizeof(commands)));
    cr_expect_str_eq(commands, "");
    cr_assert(frr_diff(theirs, to, NULL, commands, sizeof(commands)));
    cr_expect(strstr(commands, "THEIRS") == NULL && strstr(commands, "ospf") == NULL);
    cr_assert(frr_diff(theirs, to, "route-map HF-TRANSIT-OUT", commands, sizeof(commands)));
    cr_expect(strstr(commands, "router bgp") == NULL && strstr(commands, "HF-KERNEL") == NULL);
    cr_expect(strstr(commands, "HF-TRANSIT-OUT permit 10\n") != NULL);
    cr_assert(frr_bfdd_text(&b, to, sizeof(to)) > 0 &&
              frr_diff(theirs, to, NULL, commands, sizeof(commands)));
    cr_expect_str_eq(commands, "bfd\nprofile holdfast\nexit\nexit\n");
    cr_expect(frr_other_asn(from, 64501) == 0 && frr_other_asn(from, 65000) == 64501);
    cr_expect(frr_other_asn("router bgp 1 vrf x\n", 2) == 0 && frr_other_asn("", 2) == 0);
}

Test(frr, hides_passwords)
{
    struct frr_setup a = setup_of(false);
    cr_assert(frr_bgpd_text(&a, false, to, sizeof(to)) > 0);
    cr_expect(strstr(to, "hunter2") == NULL && strstr(to, "password ********\n") != NULL);
    cr_expect(frr_bgpd_text(&a, true, to, 500) == 0, "too little room");
    cr_expect(!frr_diff("", from, NULL, commands, 10) || from[0] == '\0');
}

Test(frr, reads_answers)
{
    static const char *const nonsense[] = {
        "", "[]", "{", "{\"ipv4Unicast\":7}", "{\"advertisedRoutes\":[1]}", "null"};
    struct frr_setup s = setup_of(false);
    struct frr_view view = {0}, before;
    answer_summary(
        "{\"ipv4Unicast\":{\"peers\":{\"203.0.113.1\":{\"state\":\"Established\",\"peerUptimeMsec\":7,"
        "\"pfxSnt\":2,\"pfxRcd\":3}}}}",
        &s, &view);
    cr_expect(view.neighbours[0].is_established && view.neighbours[0].up_ms == 7 && view.knows_sessions);
    cr_expect(view.neighbours[0].prefixes_sent == 2 && view.neighbours[0].prefixes_received == 3);
    answer_sent(
        "{\"advertisedRoutes\":{\"198.51.100.0/24\":{\"paths\":[{\"aspath\":{\"string\":\"64501 64501\"},"
        "\"community\":{\"string\":\"graceful-shutdown\"}}]}}}",
        &s, 0, &view);
    cr_expect(view.neighbours[0].sent[0].is_sent && view.neighbours[0].sent[0].has_shutdown);
    cr_expect(view.neighbours[0].sent[0].prepended == 2 && !view.neighbours[0].sent[1].is_sent);
    answer_bfd("[{\"peer\":\"203.0.113.1\",\"status\":\"up\"},{\"peer\":\"x\"},7]", &s, &view);
    cr_expect_str_eq(view.neighbours[0].bfd, "up");
    before = view;
    for (size_t i = 0; i < HF_COUNT(nonsense); i++) {
        answer_summary(nonsense[i], &s, &view);
        answer_sent(nonsense[i], &s, 0, &view);
        cr_expect(view.neighbours[0].is_established, "%s", nonsense[i]);
    }
    cr_expect(view.neighbours[0].sent[0].is_sent == before.neighbours[0].sent[0].is_sent);
}

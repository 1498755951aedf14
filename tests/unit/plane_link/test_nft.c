/* The rules as nft lists them, and what they do to real packets. */
#include "edge/plane/nft.h"
#include "tests/unit/plane_link/lab.h"
#include "tests/unit/plane_link/netns.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char error[NFT_ERROR_MAX];

static struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;
    cr_assert(prefix_parse(text, &prefix), "%s", text);
    return prefix;
}

Test(nft, table_as_nft_lists_it)
{
    if (!netns_enter()) {
        return;
    }
    static const char expected[] =
        "table inet holdfast {\n"
        "\tchain forward {\n"
        "\t\ttype filter hook forward priority mangle; policy accept;\n"
        "\t\tiifname \"hf*\" meta nfproto ipv4 tcp flags & (syn | rst) == syn tcp option maxseg size > 1320 "
        "tcp option maxseg size set 1320\n"
        "\t\tiifname \"hf*\" meta nfproto ipv6 tcp flags & (syn | rst) == syn tcp option maxseg size > 1300 "
        "tcp option maxseg size set 1300\n"
        "\t\toifname \"hf*\" meta nfproto ipv4 tcp flags & (syn | rst) == syn tcp option maxseg size > 1320 "
        "tcp option maxseg size set 1320\n"
        "\t\toifname \"hf*\" meta nfproto ipv6 tcp flags & (syn | rst) == syn tcp option maxseg size > 1300 "
        "tcp option maxseg size set 1300\n"
        "\t}\n\n"
        "\tchain postrouting {\n"
        "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
        "\t\tip saddr 10.1.0.0/16 oifname != \"hf*\" masquerade\n"
        "\t\tip saddr 10.2.3.4 oifname != \"hf*\" masquerade\n"
        "\t\tip6 saddr fd00:1::/61 oifname != \"hf*\" masquerade\n"
        "\t}\n"
        "}\n";
    const struct ip_prefix nat[] = {prefix_of("10.1.0.0/16"), prefix_of("10.2.3.4"),
                                    prefix_of("fd00:1::/61")};
    const struct nft_config config = {
        .tunnel_prefix = "hf", .mtu = 1360, .nat = nat, .num_nat = HF_COUNT(nat)};
    char listed[8192];
    for (int twice = 0; twice < 2; twice++) {
        cr_assert(nft_apply(&config, error), "%s", error);
        output_of("nft list ruleset", listed, sizeof(listed));
        cr_expect_str_eq(listed, expected);
    }
    output_of("nft -j list table inet holdfast", listed, sizeof(listed));
    cr_expect_not_null(strstr(listed, "\"masquerade\""));
}

Test(nft, replaced_whole_and_alone)
{
    if (!netns_enter()) {
        return;
    }
    static struct ip_prefix nat[NFT_NAT_MAX];
    struct nft_config config = {.tunnel_prefix = "hf", .mtu = 1360, .nat = nat, .num_nat = NFT_NAT_MAX};
    char none[64];
    output_of("nft add table inet other && nft add chain inet other mine", none, sizeof(none));
    for (uint32_t i = 0; i < NFT_NAT_MAX; i++) {
        nat[i] = prefix_of(i % 2 == 0 ? "10.0.0.0/16" : "fd00::/64");
        nat[i].addr.bytes[i % 2 == 0 ? 13 : 1] = (uint8_t)i;
    }
    cr_expect(nft_remove(error), "nothing to remove is fine: %s", error);
    cr_assert(nft_apply(&config, error), "as many as there can be: %s", error);
    cr_expect(says("nft list table inet holdfast", "ip saddr 10.126.0.0/16"));
    cr_expect(says("nft list table inet holdfast", "ip6 saddr fd7f::/64"));
    config = (struct nft_config){.tunnel_prefix = "tun9", .mtu = 1280};
    cr_assert(nft_apply(&config, error), "%s", error);
    cr_expect(says("nft list table inet holdfast", "iifname \"tun9*\" meta nfproto ipv6"));
    cr_expect(says("nft list table inet holdfast", "maxseg size set 1240"));
    cr_expect_not(says("nft list table inet holdfast", "masquerade"), "of the table before");
    cr_expect_not(says("nft list table inet holdfast", "1320"), "of the table before");
    cr_expect(nft_remove(error), "%s", error);
    cr_expect_not(says("nft list ruleset", "holdfast"));
    cr_expect(says("nft list ruleset", "chain mine"), "somebody else's table stays");
}

/* Both ways through the gateway: the SYN's MSS tells the server what to send, the SYN-ACK's the client. */
Test(nft, lowers_the_mss_and_hides_pools)
{
    static const struct {
        const char *what;
        bool is_v4, rules, nat;
        int mss;                    /* that the client asks for */
        int mss_client, mss_server; /* what they send, without 12 bytes of timestamps */
        const char *peer;
    } rows[] = {
        {"IPv4 without rules", true, false, false, 0, 1460, 1460, LAB_CLIENT_V4},
        {"IPv4", true, true, false, 0, 1320, 1320, LAB_CLIENT_V4},
        {"IPv4, a client below", true, true, false, 1000, 1000, 1000, LAB_CLIENT_V4},
        {"IPv4 with NAT", true, true, true, 0, 1320, 1320, LAB_GATEWAY_V4},
        {"IPv6 without rules", false, false, false, 0, 1440, 1440, LAB_CLIENT_V6},
        {"IPv6", false, true, false, 0, 1300, 1300, LAB_CLIENT_V6},
        {"IPv6, a client below", false, true, false, 1000, 1000, 1000, LAB_CLIENT_V6},
        {"IPv6 with NAT", false, true, true, 0, 1300, 1300, LAB_GATEWAY_V6},
    };
    struct lab lab;
    const struct ip_prefix nat[] = {prefix_of("10.1.0.0/24"), prefix_of("fd00:1::/64")};
    if (!lab_open(&lab)) {
        return;
    }
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct nft_config config = {.tunnel_prefix = "hf", .mtu = 1360, .nat = nat};
        struct lab_connection connection;
        config.num_nat = rows[i].nat ? HF_COUNT(nat) : 0;
        cr_assert(rows[i].rules ? nft_apply(&config, error) : nft_remove(error), "%s", error);
        cr_assert(lab_connect(&lab, rows[i].is_v4, rows[i].mss, &connection), "%s: no connection",
                  rows[i].what);
        cr_expect_eq(connection.mss_client, rows[i].mss_client - 12, "%s: client %d", rows[i].what,
                     connection.mss_client);
        cr_expect_eq(connection.mss_server, rows[i].mss_server - 12, "%s: server %d", rows[i].what,
                     connection.mss_server);
        cr_expect_str_eq(connection.peer, rows[i].peer, "%s: %s", rows[i].what, connection.peer);
    }
    lab_close(&lab);
}

Test(nft, refusal_is_said)
{
    if (!netns_enter()) {
        return;
    }
    const struct nft_config config = {.tunnel_prefix = "hf", .mtu = 1360};
    if (setuid(65534) != 0) {
        return;
    }
    cr_expect_not(nft_apply(&config, error));
    cr_expect_str_eq(error, "nftables: table inet holdfast: transaction: Operation not permitted");
    cr_expect_not(nft_remove(error));
}

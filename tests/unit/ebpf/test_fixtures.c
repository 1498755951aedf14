/* Every class of packet, over IPv4 and IPv6 and with 0 to 2 VLAN tags: bytes in, verdict, bytes out,
 * counters; in the kernel (BPF_PROG_TEST_RUN) and in the twin. */
#include "edge/base/compiler.h"
#include "tests/unit/ebpf/judge.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum out { OUT_SAME, OUT_SEALED, OUT_ASKED, OUT_TOO_BIG };

/* A byte that is changed before the frame is sent: `at` counts from `from`. */
enum from { FROM_NONE, FROM_IP, FROM_L4, FROM_IKE, FROM_LINK, FROM_START };
struct poke {
    enum from from;
    int at;
    uint8_t value;
};

struct row {
    const char *name;
    struct packet packet;
    enum hf_verdict verdict;
    enum out out;
    uint32_t only; /* 4, 6; 0: both */
    struct poke poke;
    bool wanted; /* cookies */
};

#define ESP(where, ...) {WHAT_ESP, {0}, where, __VA_ARGS__}
#define NATT(where, ...) {WHAT_ESP_UDP, {0}, where, __VA_ARGS__}
#define IKE(what, where) {WHAT_##what, {0}, where, 0, 0, 0, 0}
#define FIRST(port, cookie, nonce) {WHAT_FIRST_##port, {0}, 0, 0, 0, COOKIE_##cookie, nonce}
#define FORM(what, where, ...) {WHAT_##what, {__VA_ARGS__}, where, 0, 0, 0, 0}
#define BYTES(what, n) {WHAT_##what, {0}, 0, 0, n, 0, 0}

/* What a row does not name is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static const struct row ROWS[] = {
    {"ESP here", ESP(SHARD_HERE, 3), HF_WORKER_ESP},
    {"ESP in UDP here", NATT(SHARD_HERE, 3), HF_WORKER_ESP},
    {"index without SA", NATT(SHARD_HERE, 32), HF_ESP_DEAD},
    {"native, too", ESP(SHARD_HERE, 32), HF_ESP_DEAD},
    {"index beyond the bitmap", NATT(SHARD_HERE, 64), HF_ESP_DEAD},
    {"shard still loading", NATT(SHARD_LOADING, 64), HF_WORKER_ESP},
    {"second of a dead node", NATT(SHARD_INHERITED, 3), HF_WORKER_ESP},
    {"all dead", NATT(SHARD_LOST, 3), HF_NO_OWNER},
    {"no link address", NATT(SHARD_UNRESOLVED, 3), HF_NODE_UNRESOLVED},
    {"ESP to node 2", ESP(SHARD_ON_V4, 99), HF_NODE_ESP, OUT_SEALED},
    {"ESP in UDP to node 2", NATT(SHARD_ON_V4, 99), HF_NODE_ESP, OUT_SEALED},
    {"ESP to node 3", ESP(SHARD_ON_V6, 99), HF_NODE_ESP, OUT_SEALED},
    {"ESP in UDP to node 3", NATT(SHARD_ON_V6, 99), HF_NODE_ESP, OUT_SEALED},
    {"ESP to node 6", NATT(SHARD_ELSEWHERE, 99), HF_NODE_ESP, OUT_SEALED},
    {"largest that fits IPv4", NATT(SHARD_ON_V4, 99, 1500 - 44 - 28), HF_NODE_ESP, OUT_SEALED, 4},
    {"one byte more, DF",
     {WHAT_ESP_UDP, {.dont_fragment = true}, SHARD_ON_V4, 99, 1500 - 44 - 28 + 1, 0, 0},
     HF_TOO_BIG_TOLD,
     OUT_TOO_BIG,
     4},
    {"one byte more, no DF", NATT(SHARD_ON_V4, 99, 1500 - 44 - 28 + 1), HF_WORKER_TOO_BIG, OUT_SAME, 4},
    {"largest IPv6 in IPv6", NATT(SHARD_ON_V6, 99, 1500 - 64 - 48), HF_NODE_ESP, OUT_SEALED, 6},
    {"too big IPv6", NATT(SHARD_ON_V6, 99, 1500 - 64 - 48 + 1), HF_TOO_BIG_TOLD, OUT_TOO_BIG, 6},
    {"the class goes along", FORM(ESP_UDP, SHARD_ON_V4, .tos = 0xb9), HF_NODE_ESP, OUT_SEALED},
    {"and into IPv6", FORM(ESP_UDP, SHARD_ON_V6, .tos = 0xb9), HF_NODE_ESP, OUT_SEALED},
    {"epoch 3 has no keys", NATT(SHARD_HERE, 3), HF_ESP_SPI, .poke = {FROM_IKE, 0, 0xff}},
    {"reserved SPI", ESP(SHARD_HERE, 3), HF_ESP_SPI, .poke = {FROM_L4, 0, 0x00}},
    {"ESP of 7 bytes", {WHAT_NATT_BYTES, {0}, 0, 0, 7, 0, 0}, HF_SHORT},
    {"keepalive", BYTES(NATT_BYTES, 1), HF_KEEPALIVE},
    {"another byte", BYTES(NATT_BYTES, 1), HF_SHORT, .poke = {FROM_IKE, 0, 0xfe}},
    {"three bytes", BYTES(NATT_BYTES, 3), HF_SHORT},

    {"IKE on 500", IKE(IKE_500, SHARD_HERE), HF_WORKER_IKE},
    {"IKE on 4500", IKE(IKE_4500, SHARD_HERE), HF_WORKER_IKE},
    {"IKE where SPIi is ours", IKE(IKE_REKEYED, SHARD_HERE), HF_WORKER_IKE},
    {"inherited", IKE(IKE_4500, SHARD_INHERITED), HF_WORKER_IKE},
    {"IKE for nobody", IKE(IKE_4500, SHARD_LOST), HF_NO_OWNER},
    {"IKE on 500 to node 2", IKE(IKE_500, SHARD_ON_V4), HF_NODE_IKE, OUT_SEALED},
    {"IKE on 4500 to node 3", IKE(IKE_4500, SHARD_ON_V6), HF_NODE_IKE, OUT_SEALED},
    {"SPIi ours, to node 3", IKE(IKE_REKEYED, SHARD_ON_V6), HF_NODE_IKE, OUT_SEALED},
    {"the other flag", IKE(IKE_4500, SHARD_HERE), HF_IKE_FORGED, .poke = {FROM_IKE, 4 + 19, 0x20}},
    {"SPI with another tag", IKE(IKE_500, SHARD_HERE), HF_IKE_FORGED, .poke = {FROM_IKE, 15, 0x55}},
    {"IKE length", IKE(IKE_500, SHARD_HERE), HF_IKE_LENGTH, .poke = {FROM_IKE, 27, 99}},
    {"IKE version 3", IKE(IKE_500, SHARD_HERE), HF_WORKER_VERSION, .poke = {FROM_IKE, 17, 0x30}},
    {"IKE header short", {WHAT_IKE_500, {0}, 0, 0, 28, 0, 0}, HF_SHORT, .poke = {FROM_L4, 5, 8 + 27}},

    {"first on 500", FIRST(500, NONE, 0), HF_WORKER_FIRST},
    {"first on 4500", FIRST(4500, NONE, 0), HF_WORKER_FIRST},
    {"first with message id 1", FIRST(500, NONE, 0), HF_IKE_MALFORMED, .poke = {FROM_IKE, 23, 1}},
    {"first as a response", FIRST(500, NONE, 0), HF_IKE_MALFORMED, .poke = {FROM_IKE, 19, 0x28}},
    {"IKE_AUTH without SPIr", FIRST(500, NONE, 0), HF_IKE_MALFORMED, .poke = {FROM_IKE, 18, 35}},
    {"resumption", FIRST(500, NONE, 0), HF_WORKER_FIRST, .poke = {FROM_IKE, 18, 38}},
    {"asked on 500", FIRST(500, NONE, 0), HF_COOKIE_ASKED, OUT_ASKED, .wanted = true},
    {"asked on 4500", FIRST(4500, NONE, 0), HF_COOKIE_ASKED, OUT_ASKED, .wanted = true},
    {"asked, nonce 16", FIRST(500, NONE, 16), HF_COOKIE_ASKED, OUT_ASKED, .wanted = true},
    {"asked, nonce 255", FIRST(4500, NONE, 255), HF_COOKIE_ASKED, OUT_ASKED, .wanted = true},
    {"asked, nonce 256", FIRST(500, NONE, 256), HF_COOKIE_ASKED, OUT_ASKED, .wanted = true},
    {"wrong cookie", FIRST(500, WRONG, 0), HF_COOKIE_ASKED, OUT_ASKED, .wanted = true},
    {"cookie of yesterday", FIRST(500, OLD, 0), HF_COOKIE_ASKED, OUT_ASKED, .wanted = true},
    {"cookie", FIRST(500, NOW, 0), HF_WORKER_FIRST, .wanted = true},
    {"cookie, nonce 17", FIRST(4500, NOW, 17), HF_WORKER_FIRST, .wanted = true},
    {"cookie of last hour", FIRST(4500, LAST_HOUR, 256), HF_WORKER_FIRST, .wanted = true},
    {"nonce of 15", FIRST(500, NONE, 15), HF_FIRST_MALFORMED, .wanted = true},
    {"nonce of 257", FIRST(500, NONE, 257), HF_FIRST_MALFORMED, .wanted = true},
    {"no payload", FIRST(500, NONE, 0), HF_FIRST_MALFORMED, .poke = {FROM_IKE, 16, 0}, .wanted = true},
    {"payload too long", FIRST(500, NONE, 0), HF_FIRST_MALFORMED, .poke = {FROM_IKE, 30, 9}, .wanted = true},
    {"asked through options",
     {WHAT_FIRST_500, {.options = 40}, 0, 0, 0, 0, 0},
     HF_COOKIE_ASKED,
     OUT_ASKED,
     4,
     .wanted = true},
    {"asked through headers",
     {WHAT_FIRST_500, {.extensions = 6}, 0, 0, 0, 0, 0},
     HF_COOKIE_ASKED,
     OUT_ASKED,
     6,
     .wanted = true},

    {"IPv4 options", FORM(ESP_UDP, SHARD_HERE, .options = 4), HF_WORKER_ESP, OUT_SAME, 4},
    {"forty bytes of them, on", FORM(IKE_4500, SHARD_ON_V4, .options = 40), HF_NODE_IKE, OUT_SEALED, 4},
    {"IPv6 header", FORM(ESP_UDP, SHARD_HERE, .extensions = 1), HF_WORKER_ESP, OUT_SAME, 6},
    {"six of them, on", FORM(ESP, SHARD_ON_V6, .extensions = 6), HF_NODE_ESP, OUT_SEALED, 6},
    {"seven", FORM(ESP, SHARD_HERE, .extensions = 7), HF_IP6_HEADERS, OUT_SAME, 6},
    {"atomic fragment", FORM(ESP_UDP, SHARD_HERE, .extensions = 2, .atomic = true), HF_WORKER_ESP, OUT_SAME,
     6},
    {"first fragment", FORM(IKE_500, SHARD_ON_V4, .fragment = 0x2000), HF_WORKER_FRAGMENT, OUT_SAME, 4},
    {"later fragment", FORM(IKE_500, SHARD_ON_V4, .fragment = 0x00b9), HF_WORKER_FRAGMENT, OUT_SAME, 4},
    {"first fragment", FORM(IKE_500, SHARD_ON_V4, .fragment = 1), HF_WORKER_FRAGMENT, OUT_SAME, 6},
    {"later fragment", FORM(ESP, SHARD_ON_V4, .extensions = 1, .fragment = 0x5c8), HF_WORKER_FRAGMENT,
     OUT_SAME, 6},

    {"ICMP about our response", IKE(ICMP_IKE, SHARD_HERE), HF_WORKER_ICMP},
    {"ICMP about our request", IKE(ICMP_REKEYED, SHARD_HERE), HF_WORKER_ICMP},
    {"ICMP for node 2", IKE(ICMP_IKE, SHARD_ON_V4), HF_NODE_ICMP, OUT_SEALED},
    {"ICMP for node 3", IKE(ICMP_REKEYED, SHARD_ON_V6), HF_NODE_ICMP, OUT_SEALED},
    {"ICMP about ESP", IKE(ICMP_ESP, 0), HF_WORKER_ICMP_CLIENT},
    {"ICMP about ESP in UDP", IKE(ICMP_ESP_UDP, 0), HF_WORKER_ICMP_CLIENT},
    {"echo", IKE(ICMP_ESP, 0), HF_PASS_OTHER, .poke = {FROM_L4, 0, 0}},
    {"ICMP about a stranger", IKE(ICMP_ESP, 0), HF_ICMP_MALFORMED, OUT_SAME, 4, {FROM_L4, 8 + 12, 9}},
    {"ICMP about a stranger", IKE(ICMP_ESP, 0), HF_ICMP_MALFORMED, OUT_SAME, 6, {FROM_L4, 8 + 8, 9}},
    {"ICMP about TCP", IKE(ICMP_ESP, 0), HF_PASS_OTHER, OUT_SAME, 4, {FROM_L4, 8 + 9, 6}},

    {"DNS", BYTES(UDP_53, 40), HF_PASS_OTHER},
    {"TCP", BYTES(TCP, 0), HF_PASS_OTHER},
    {"to a stranger", NATT(SHARD_HERE, 3), HF_PASS_NOT_OURS, OUT_SAME, 4, {FROM_IP, 16, 9}},
    {"to a stranger", NATT(SHARD_HERE, 3), HF_PASS_NOT_OURS, OUT_SAME, 6, {FROM_IP, 24, 9}},
    {"longer than the frame", NATT(SHARD_HERE, 3), HF_IP_MALFORMED, OUT_SAME, 4, {FROM_IP, 3, 200}},
    {"longer than the frame", NATT(SHARD_HERE, 3), HF_IP_MALFORMED, OUT_SAME, 6, {FROM_IP, 5, 200}},
    {"IPv4 header of 16", NATT(SHARD_HERE, 3), HF_IP_MALFORMED, OUT_SAME, 4, {FROM_IP, 0, 0x44}},
    {"UDP longer than IP", NATT(SHARD_HERE, 3), HF_UDP_MALFORMED, .poke = {FROM_L4, 5, 200}},
    {"UDP of 7", NATT(SHARD_HERE, 3), HF_UDP_MALFORMED, .poke = {FROM_L4, 5, 7}},
    {"from a group", NATT(SHARD_HERE, 3), HF_IP_MALFORMED, OUT_SAME, 4, {FROM_IP, 12, 224}},
    {"from a group", NATT(SHARD_HERE, 3), HF_IP_MALFORMED, OUT_SAME, 6, {FROM_IP, 8, 0xff}},
    {"from this network", NATT(SHARD_HERE, 3), HF_IP_MALFORMED, OUT_SAME, 4, {FROM_IP, 12, 0}},
    {"from loopback", NATT(SHARD_HERE, 3), HF_IP_MALFORMED, OUT_SAME, 4, {FROM_IP, 12, 127}},
    {"to a group on the link", FIRST(500, NONE, 0), HF_PASS_NOT_OURS, .poke = {FROM_START, 0, 3},
     .wanted = true},
    {"ARP", NATT(SHARD_HERE, 3), HF_PASS_NOT_IP, .poke = {FROM_LINK, -1, 0x06}},
};

static void poke(struct frame *frame, const struct packet *packet, const struct poke *poke)
{
    const struct form *form = &packet->form;
    size_t link = frame_link_len(form);
    size_t l4 = link + (form->v6 ? 40 + 8 * form->extensions : 20 + form->options);
    size_t from[] = {0, link, l4, l4 + 8, link, 0};
    if (poke->from != FROM_NONE) {
        frame->bytes[from[poke->from] + (size_t)poke->at] = poke->value;
    }
}

static uint32_t node_of(uint32_t shard)
{
    static const uint32_t NODES[8] = {0, 0, 2, 3, 0, 0, 5, 6};
    return NODES[shard & 7];
}

static void expected_out(const struct scene *scene, const struct row *row, const struct packet *packet,
                         const struct frame *in, struct frame *ret_out)
{
    uint32_t node = node_of(packet->shard);
    switch (row->out) {
    case OUT_SEALED:
        expect_sealed(scene, packet, in, node, 1, ret_out);
        break;
    case OUT_ASKED:
        expect_asked(scene, packet, ret_out);
        break;
    case OUT_TOO_BIG:
        expect_too_big(packet, in, SCENE_MTU - (node == 3 ? 64 : 44), ret_out);
        break;
    default:
        *ret_out = *in;
    }
}

static void check_row(struct worlds *worlds, const struct row *row, bool v6, uint32_t vlans)
{
    struct packet packet = row->packet;
    struct frame in;
    char name[96];
    (void)snprintf(name, sizeof(name), "%s, IPv%d, %u tags", row->name, v6 ? 6 : 4, vlans);
    packet.form.v6 = v6;
    packet.form.vlans = vlans;
    worlds->scene.control.cookie_wanted = row->wanted;
    worlds_set_control(worlds);
    packet_make(&worlds->scene, &packet, &in);
    poke(&in, &packet, &row->poke);
    struct sentence wanted = {
        .name = name,
        .verdict = row->verdict,
        .note = row->wanted && row->verdict == HF_WORKER_FIRST ? HF_NOTE_COOKIE : 0,
        .counted_bytes = in.len,
        .action = verdict_action(row->verdict, (packet.shard & 7) == SHARD_ELSEWHERE),
    };
    expected_out(&worlds->scene, row, &packet, &in, &wanted.out);
    judge(worlds, &in, &wanted);
}

Test(steer, every_class_from_clients)
{
    struct worlds worlds;
    worlds_open(&worlds);
    for (size_t i = 0; i < HF_COUNT(ROWS); i++) {
        for (uint32_t form = 0; form < 6; form++) {
            bool v6 = form >= 3;
            if (ROWS[i].only == 0 || (ROWS[i].only == 6) == v6) {
                check_row(&worlds, &ROWS[i], v6, form % 3);
            }
        }
    }
    worlds_close(&worlds);
}

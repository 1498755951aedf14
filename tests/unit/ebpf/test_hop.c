/* Packets between nodes. */
#include "ebpf/hop.h"
#include "edge/base/compiler.h"
#include "tests/unit/ebpf/judge.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum out { OUT_SAME, OUT_OPENED, OUT_SEALED };

struct row {
    const char *name;
    enum what what;
    uint32_t shard;
    uint32_t hop;
    enum hf_verdict verdict;
    enum out out;
    uint32_t epoch;   /* 0: 1 */
    uint32_t version; /* of the table; 0: ours */
    bool fragment;
    int poke;      /* a byte of the node-to-node packet, counted from its header, that is changed; 0: none */
    uint32_t from; /* 0: node 2 on IPv4 and node 3 on IPv6 */
};

static const struct row ROWS[] = {
    {"ESP", WHAT_ESP, SHARD_HERE, 1, HF_WORKER_ESP, OUT_OPENED, 0, 0, false, 0, 0},
    {"ESP in UDP", WHAT_ESP_UDP, SHARD_HERE, 1, HF_WORKER_ESP, OUT_OPENED, 0, 0, false, 0, 0},
    {"IKE", WHAT_IKE_500, SHARD_HERE, 1, HF_WORKER_IKE, OUT_OPENED, 0, 0, false, 0, 0},
    {"second hop", WHAT_IKE_4500, SHARD_HERE, 2, HF_WORKER_IKE, OUT_OPENED, 0, 0, false, 0, 0},
    {"SPIi ours", WHAT_IKE_REKEYED, SHARD_INHERITED, 1, HF_WORKER_IKE, OUT_OPENED, 0, 0, false, 0, 0},
    {"ICMP about IKE", WHAT_ICMP_IKE, SHARD_HERE, 1, HF_WORKER_ICMP, OUT_OPENED, 0, 0, false, 0, 0},
    {"ICMP about ESP", WHAT_ICMP_ESP, 0, 1, HF_WORKER_ICMP_CLIENT, OUT_OPENED, 0, 0, false, 0, 0},
    {"key epoch 2", WHAT_ESP, SHARD_HERE, 1, HF_WORKER_ESP, OUT_OPENED, 2, 0, false, 0, 0},
    {"sender with an old table", WHAT_ESP, SHARD_HERE, 1, HF_WORKER_ESP, OUT_OPENED, 0, 6, false, 0, 0},
    {"sender with a new table", WHAT_ESP, SHARD_HERE, 1, HF_WORKER_ESP, OUT_OPENED, 0, 8, false, 0, 0},
    {"on to another", WHAT_ESP_UDP, SHARD_ELSEWHERE, 1, HF_NODE_ESP, OUT_SEALED, 0, 0, false, 0, 0},
    {"IKE on to another", WHAT_IKE_500, SHARD_ELSEWHERE, 1, HF_NODE_IKE, OUT_SEALED, 0, 0, false, 0, 0},
    {"not a third time", WHAT_ESP_UDP, SHARD_ELSEWHERE, 2, HF_HOP_LIMIT, OUT_OPENED, 0, 0, false, 0, 0},
    {"not back", WHAT_ESP_UDP, SHARD_ELSEWHERE, 1, HF_HOP_BACK, OUT_OPENED, 0, 0, false, 0, 6},
    {"no SA", WHAT_NATT_BYTES, 0, 1, HF_HOP_CLASS, OUT_SAME, 0, 0, true, 0, 0},
    {"first message", WHAT_FIRST_500, 0, 1, HF_HOP_CLASS, OUT_OPENED, 0, 0, false, 0, 0},
    {"hop 0", WHAT_ESP, SHARD_HERE, 0, HF_HOP_MALFORMED, OUT_SAME, 0, 0, false, 0, 0},
    {"hop 3", WHAT_ESP, SHARD_HERE, 3, HF_HOP_MALFORMED, OUT_SAME, 0, 0, false, 0, 0},
    {"epoch without key", WHAT_ESP, SHARD_HERE, 1, HF_HOP_FORGED, OUT_SAME, 3, 0, false, 0, 0},
    {"claims our name", WHAT_ESP, SHARD_HERE, 1, HF_HOP_SOURCE, OUT_SAME, 0, 0, false, 3, 0},
    {"table version forged", WHAT_ESP, SHARD_HERE, 1, HF_HOP_FORGED, OUT_SAME, 0, 0, false, 7, 0},
    {"MAC forged", WHAT_ESP, SHARD_HERE, 1, HF_HOP_FORGED, OUT_SAME, 0, 0, false, 15, 0},
};

static const uint8_t POKED[16] = {[3] = SCENE_SELF, [7] = 0x99, [15] = 0x99};

static void outer_poke(struct frame *frame, const struct hop_case *hop, const struct row *row)
{
    if (row->poke != 0) {
        size_t header = 14 + 4 * hop->vlans + (hop->outer_v6 ? 40 : 20) + 8;
        frame->bytes[header + (size_t)row->poke] = POKED[row->poke];
    }
}

/* The link header of the outer packet, the inner packet as it was sent. */
static void expect_opened(const struct hop_case *hop, const struct packet *packet, const struct frame *outer,
                          const struct frame *inner, struct frame *ret_frame)
{
    struct form form = {.vlans = hop->vlans};
    size_t at = frame_link_len(&packet->form);
    ret_frame->len = 0;
    frame_add_link(ret_frame, &form, packet->form.v6, outer->bytes, outer->bytes + 6);
    frame_add(ret_frame, inner->bytes + at, inner->len - at);
}

static void check(struct worlds *worlds, const struct row *row, bool outer_v6, bool v6, uint32_t vlans)
{
    struct packet packet = {.what = row->what, .form.v6 = v6, .shard = row->shard, .index = 5};
    struct packet tagged = packet; /* as it would have come in with the tags of the outer packet */
    struct hop_case hop = {
        .source = row->from  ? row->from
                  : outer_v6 ? 3
                             : 2,
        .dest = SCENE_SELF,
        .outer_v6 = outer_v6,
        .vlans = vlans,
        .hop = row->hop,
        .epoch = row->epoch ? row->epoch : 1,
        .table_version = row->version ? row->version : worlds->scene.config.table_version,
    };
    struct frame inner, outer;
    char name[96];
    (void)snprintf(name, sizeof(name), "%s, IPv%d in IPv%d, %u tags", row->name, v6 ? 6 : 4, outer_v6 ? 6 : 4,
                   vlans);
    packet.form.fragment = !row->fragment ? 0 : v6 ? 1 : 0x2000;
    packet_make(&worlds->scene, &packet, &inner);
    hop_make(&worlds->scene, &hop, &packet, &inner, &outer);
    outer_poke(&outer, &hop, row);
    struct sentence wanted = {.name = name, .verdict = row->verdict};
    wanted.action = verdict_action(row->verdict, true);
    if (row->out == OUT_SAME) {
        wanted.out = outer;
        wanted.counted_bytes = outer.len;
    } else {
        expect_opened(&hop, &packet, &outer, &inner, &wanted.out);
        wanted.counted_bytes = wanted.out.len;
        wanted.note = HF_NOTE_HOP;
    }
    if (row->out == OUT_SEALED) {
        tagged.form.vlans = 0;
        expect_sealed(&worlds->scene, &tagged, &inner, 6, 2, &wanted.out);
    }
    judge(worlds, &outer, &wanted);
}

Test(hop, every_class_from_nodes)
{
    struct worlds worlds;
    worlds_open(&worlds);
    for (size_t i = 0; i < HF_COUNT(ROWS); i++) {
        for (uint32_t form = 0; form < 12; form++) {
            bool outer_v6 = form % 2 == 1;
            if (ROWS[i].from == 0 || !outer_v6) {
                check(&worlds, &ROWS[i], outer_v6, form / 2 % 2 == 1, form / 4);
            }
        }
    }
    worlds_close(&worlds);
}

/* A node that works with an old table is to be told, and one that is told asks for the new one. */
Test(hop, table_versions)
{
    struct worlds worlds;
    struct hf_event events[8];
    struct packet packet = {.what = WHAT_ESP, .shard = SHARD_HERE};
    struct hop_case hop = {.source = 2, .dest = SCENE_SELF, .hop = 1, .epoch = 1, .table_version = 6};
    struct frame inner, outer;
    worlds_open(&worlds);
    packet_make(&worlds.scene, &packet, &inner);
    for (uint32_t version = 6; version <= 8; version++) {
        hop.table_version = version;
        hop_make(&worlds.scene, &hop, &packet, &inner, &outer);
        cr_assert_eq(judge_verdict(&worlds, &outer), HF_WORKER_ESP);
        cr_assert_eq(judge_events(&worlds, events, HF_COUNT(events)), version == 7 ? 0 : 1);
        if (version != 7) {
            cr_assert_eq(events[0].kind, version == 6 ? HF_EVENT_PEER_OLD : HF_EVENT_SELF_OLD);
            cr_assert(events[0].node == 2 && events[0].table_version == version);
        }
    }
    hop.notice = true;
    hop_make(&worlds.scene, &hop, NULL, NULL, &outer);
    cr_assert_eq(judge_verdict(&worlds, &outer), HF_HOP_NOTICE);
    cr_assert_eq(judge_events(&worlds, events, HF_COUNT(events)), 1);
    cr_assert(events[0].kind == HF_EVENT_SELF_OLD && events[0].node == 2 && events[0].table_version == 8);
    outer.bytes[outer.len - 1] ^= 1;
    cr_assert_eq(judge_verdict(&worlds, &outer), HF_HOP_FORGED);
    cr_assert_eq(judge_events(&worlds, events, HF_COUNT(events)), 0);
    worlds_close(&worlds);
}

/* Frozen: nodes of two releases must read each other's. Computed by a second implementation (Python) from the
 * description in steer.h. */
Test(hop, layout)
{
    static const uint64_t KEY[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    struct hf_hop hop = {.hop = 1, .epoch = 2, .node = 0x1234, .table_version = 0x89abcdef}, back;
    struct hf_hop_inner inner = {.ip_len = 1400, .src_port = 61000, .dst_port = 4500, .proto = 17};
    uint8_t bytes[8], addr[16];
    hf_word_store(bytes, hf_hop_word(&hop));
    cr_assert(memcmp(bytes, "\x11\x02\x12\x34\x89\xab\xcd\xef", 8) == 0);
    cr_assert(hf_hop_parse(hf_hop_word(&hop), &back) && memcmp(&hop, &back, sizeof(hop)) == 0);
    inner.head = hf_word_load((const uint8_t *)"\x40\x01\x02\x03\x00\x00\x00\x09");
    for (int v6 = 0; v6 < 2; v6++) {
        static const uint64_t MACS[2] = {UINT64_C(0x09700c2e4cbc4ded), UINT64_C(0x1c2de391ee7801eb)};
        client_addr(v6, addr);
        addr_words(addr, inner.src);
        anycast_addr(v6, addr);
        addr_words(addr, inner.dst);
        inner.is_v6 = (uint32_t)v6;
        uint64_t mac = hf_hop_mac(KEY, hf_hop_word(&hop), 0x0567, &inner);
        cr_assert_eq(mac, MACS[v6], "%lx", mac);
    }
}

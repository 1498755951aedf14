/* Budgets, key epochs, traces. */
#include "edge/base/compiler.h"
#include "tests/unit/base/random.h"
#include "tests/unit/ebpf/judge.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

enum { INTERVAL_NS = 10000000, BURST = 5 };

struct row {
    const char *name;
    enum what what;
    uint32_t shard;
    enum hf_budget rate;
    enum hf_verdict within, above;
    enum cookie cookie;
    uint16_t fragment;
    bool wanted, v6;
    int version; /* IKE version byte; 0: as made */
};

static const struct row ROWS[] = {
    {"first", WHAT_FIRST_500, 0, HF_BUDGET_FIRST, HF_WORKER_FIRST, HF_COOKIE_ASKED, 0, 0, false, false, 0},
    {"first, /64", WHAT_FIRST_500, 0, HF_BUDGET_FIRST, HF_WORKER_FIRST, HF_COOKIE_ASKED, 0, 0, false, true,
     0},
    {"first, /56", WHAT_FIRST_500, 0, HF_BUDGET_FIRST_56, HF_WORKER_FIRST, HF_COOKIE_ASKED, 0, 0, false, true,
     0},
    {"first, /48", WHAT_FIRST_500, 0, HF_BUDGET_FIRST_48, HF_WORKER_FIRST, HF_COOKIE_ASKED, 0, 0, false, true,
     0},
    {"proven", WHAT_FIRST_500, 0, HF_BUDGET_PROVEN, HF_WORKER_FIRST, HF_FIRST_BUDGET, COOKIE_NOW, 0, true,
     false, 0},
    {"asked", WHAT_FIRST_500, 0, HF_BUDGET_COOKIE, HF_COOKIE_ASKED, HF_COOKIE_BUDGET, 0, 0, true, false, 0},
    {"IKE", WHAT_IKE_500, SHARD_HERE, HF_BUDGET_IKE, HF_WORKER_IKE, HF_IKE_BUDGET, 0, 0, false, false, 0},
    {"fragment", WHAT_ESP, 0, HF_BUDGET_FRAGMENT, HF_WORKER_FRAGMENT, HF_FRAGMENT_BUDGET, 0, 0x2000, false,
     false, 0},
    {"fragments", WHAT_ESP, 0, HF_RATE_FRAGMENTS, HF_WORKER_FRAGMENT, HF_FRAGMENT_BUDGET, 0, 0x2000, false,
     false, 0},
    {"ICMP of clients", WHAT_ICMP_ESP, 0, HF_RATE_ICMP_CLIENT, HF_WORKER_ICMP_CLIENT, HF_ICMP_BUDGET, 0, 0,
     false, false, 0},
    {"ICMP", WHAT_ICMP_IKE, 0, HF_BUDGET_ICMP, HF_WORKER_ICMP, HF_ICMP_BUDGET, 0, 0, false, false, 0},
    {"shard", WHAT_ESP, SHARD_ON_V4, HF_RATE_SHARD, HF_NODE_ESP, HF_ESP_BUDGET, 0, 0, false, false, 0},
    {"node", WHAT_IKE_500, SHARD_ON_V4, HF_RATE_NODE_OUT_IKE, HF_NODE_IKE, HF_NODE_BUDGET, 0, 0, false, false,
     0},
    {"node", WHAT_ESP, SHARD_ON_V4, HF_RATE_NODE_OUT_ESP, HF_NODE_ESP, HF_NODE_BUDGET, 0, 0, false, false, 0},
    {"version", WHAT_IKE_500, 0, HF_RATE_VERSION, HF_WORKER_VERSION, HF_VERSION_BUDGET, 0, 0, false, false,
     0x10},
};

static void send(struct worlds *worlds, const struct row *row, const struct frame *frame, int count,
                 enum hf_verdict wanted)
{
    for (int i = 0; i < count; i++) {
        enum hf_verdict got = judge_verdict(worlds, frame);
        cr_assert_eq(got, wanted, "%s, packet %d: %s, not %s", row->name, i, verdict_name(got),
                     verdict_name(wanted));
    }
}

/* The burst, then nothing, then one for each interval; and who is above it takes from nobody else. */
Test(gate, budgets)
{
    struct worlds worlds;
    worlds_open(&worlds);
    for (size_t i = 0; i < HF_COUNT(ROWS); i++) {
        const struct row *row = &ROWS[i];
        struct packet packet = {.what = row->what, .shard = row->shard, .cookie = row->cookie};
        struct frame frame, other;
        packet.form.fragment = row->fragment;
        packet.form.v6 = row->v6;
        packet_make(&worlds.scene, &packet, &frame);
        if (row->version != 0) {
            frame.bytes[14 + 20 + 8 + 17] = (uint8_t)row->version;
        }
        memset(worlds.scene.config.rates, 0, sizeof(worlds.scene.config.rates));
        worlds.scene.config.rates[row->rate] = (struct hf_rate){INTERVAL_NS, (BURST - 1) * INTERVAL_NS};
        worlds.scene.control.clock_ns += UINT64_C(1000000000);
        worlds.scene.control.cookie_wanted = row->wanted;
        worlds_set(&worlds);
        send(&worlds, row, &frame, BURST, row->within);
        send(&worlds, row, &frame, 3, row->above);
        worlds.scene.control.clock_ns += 2 * INTERVAL_NS;
        worlds_set_control(&worlds);
        send(&worlds, row, &frame, 2, row->within);
        send(&worlds, row, &frame, 1, row->above);
        if (row->what == WHAT_FIRST_500 && row->cookie == COOKIE_NONE) {
            other = frame;
            other.bytes[14 + (row->v6 ? 8 : 12) + 1] ^= 0x40; /* another network */
            send(&worlds, row, &other, 1, row->within);
        }
    }
    worlds_close(&worlds);
}

/* ESP may be garbage; it does not use up what IKE has between two nodes, on either side. */
Test(gate, esp_takes_nothing_from_ike_between_nodes)
{
    struct worlds worlds;
    struct packet esp = {.what = WHAT_ESP, .shard = SHARD_ON_V4}, ike = {.what = WHAT_IKE_500};
    struct hop_case hop = {.source = 2, .dest = SCENE_SELF, .hop = 1, .epoch = 1, .table_version = 7};
    struct frame frame, outer;
    worlds_open(&worlds);
    for (int rate = HF_RATE_NODE_OUT_ESP; rate <= HF_RATE_NODE_IN_IKE; rate++) {
        worlds.scene.config.rates[rate] = (struct hf_rate){INTERVAL_NS, 0};
    }
    worlds_set(&worlds);
    ike.shard = SHARD_ON_V4;
    packet_make(&worlds.scene, &esp, &frame);
    cr_assert_eq(judge_verdict(&worlds, &frame), HF_NODE_ESP);
    cr_assert_eq(judge_verdict(&worlds, &frame), HF_NODE_BUDGET);
    packet_make(&worlds.scene, &ike, &frame);
    cr_assert_eq(judge_verdict(&worlds, &frame), HF_NODE_IKE);
    esp.shard = ike.shard = SHARD_HERE;
    packet_make(&worlds.scene, &esp, &frame);
    hop_make(&worlds.scene, &hop, &esp, &frame, &outer);
    cr_assert_eq(judge_verdict(&worlds, &outer), HF_WORKER_ESP);
    cr_assert_eq(judge_verdict(&worlds, &outer), HF_HOP_BUDGET);
    packet_make(&worlds.scene, &ike, &frame);
    hop_make(&worlds.scene, &hop, &ike, &frame, &outer);
    cr_assert_eq(judge_verdict(&worlds, &outer), HF_WORKER_IKE);
    cr_assert_eq(judge_verdict(&worlds, &outer), HF_HOP_BUDGET);
    worlds_close(&worlds);
}

/* As it is loaded: a second message within a second is refused, one after it is not. */
Test(gate, real_time)
{
    struct scene scene;
    struct frame frame;
    struct packet packet = {.what = WHAT_IKE_500, .shard = SHARD_HERE};
    struct hf_counter counters[HF_VERDICT_COUNT];
    struct kernel *kernel = kernel_open(true);
    if (!kernel) {
        cr_skip_test("may not load BPF programs");
    }
    scene_init(&scene);
    scene.config.rates[HF_BUDGET_IKE].interval_ns = NS_PER_S;
    kernel_set(kernel, &scene);
    for (int i = 0; i < 3; i++) {
        packet_make(&scene, &packet, &frame);
        if (i == 2) {
            (void)nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 50000000}, NULL);
        }
        (void)kernel_run(kernel, &frame);
    }
    kernel_counters(kernel, counters);
    cr_assert_eq(counters[HF_WORKER_IKE].packets, 2);
    cr_assert_eq(counters[HF_IKE_BUDGET].packets, 1);
    kernel_close(kernel);
}

/* From one /64 every address has the same budget. */
Test(gate, addresses_of_a_64_share)
{
    struct worlds worlds;
    struct packet packet = {.what = WHAT_FIRST_500, .form.v6 = true};
    struct frame frame;
    worlds_open(&worlds);
    worlds.scene.config.rates[HF_BUDGET_FIRST] = (struct hf_rate){INTERVAL_NS, (BURST - 1) * INTERVAL_NS};
    worlds_set(&worlds);
    packet_make(&worlds.scene, &packet, &frame);
    for (int i = 0; i < 2 * BURST; i++) {
        frame.bytes[14 + 8 + 15] = (uint8_t)i;
        cr_assert_eq(judge_verdict(&worlds, &frame), i < BURST ? HF_WORKER_FIRST : HF_COOKIE_ASKED);
    }
    worlds_close(&worlds);
}

/* The next key first, then minting, then the old key goes: what is established never notices. */
Test(gate, key_epochs_rotate)
{
    struct worlds worlds;
    struct packet packet = {.what = WHAT_IKE_500, .shard = SHARD_HERE};
    struct frame old, new;
    worlds_open(&worlds);
    struct hf_spi_config *spi = &worlds.scene.config.spi;
    struct hf_spi_keys next = spi->epochs[2];
    spi->epochs[2] = (struct hf_spi_keys){0};
    worlds_set(&worlds);
    packet_make(&worlds.scene, &packet, &old);
    cr_assert_eq(judge_verdict(&worlds, &old), HF_WORKER_IKE);
    spi->epochs[2] = next;
    spi->mint_epoch = 2;
    packet_make(&worlds.scene, &packet, &new);
    worlds.scene.control.active = 1; /* the other configuration, whole */
    worlds_set(&worlds);
    cr_assert_eq(judge_verdict(&worlds, &old), HF_WORKER_IKE);
    cr_assert_eq(judge_verdict(&worlds, &new), HF_WORKER_IKE);
    spi->epochs[1] = (struct hf_spi_keys){0};
    worlds.scene.control.active = 0;
    worlds_set(&worlds);
    cr_assert_eq(judge_verdict(&worlds, &old), HF_IKE_FORGED);
    cr_assert_eq(judge_verdict(&worlds, &new), HF_WORKER_IKE);
    worlds_close(&worlds);
}

/* Of random SPIs one in 2^24 passes: of a million, on average 0.06. */
Test(gate, forged_tags)
{
    struct scene scene;
    uint64_t seed = 4;
    uint32_t passed = 0;
    struct hf_spi spi;
    scene_init(&scene);
    for (uint32_t i = 0; i < 1000000; i++) {
        uint64_t guess = (random_next(&seed) & HF_BITS(62)) | UINT64_C(1) << 62;
        passed += (uint32_t)hf_ike_spi_decode(&scene.config.spi, guess, &spi);
    }
    cr_assert_leq(passed, 2);
}

Test(gate, trace)
{
    struct worlds worlds;
    struct hf_event events[16];
    struct packet packet = {.what = WHAT_IKE_500, .shard = SHARD_ON_V4};
    struct frame frame, esp;
    worlds_open(&worlds);
    struct hf_control *control = &worlds.scene.control;
    packet_make(&worlds.scene, &packet, &frame);
    cr_assert_eq(judge_verdict(&worlds, &frame), HF_NODE_IKE);
    cr_assert_eq(judge_events(&worlds, events, HF_COUNT(events)), 0, "off by default");
    control->trace = 1;
    control->trace_spi = packet_spi(&worlds.scene, &packet);
    worlds_set_control(&worlds);
    cr_assert_eq(judge_verdict(&worlds, &frame), HF_NODE_IKE);
    packet.what = WHAT_ESP;
    packet_make(&worlds.scene, &packet, &esp);
    cr_assert_eq(judge_verdict(&worlds, &esp), HF_NODE_ESP);
    cr_assert_eq(judge_events(&worlds, events, HF_COUNT(events)), 1, "of this SPI only");
    cr_assert(events[0].verdict == HF_NODE_IKE && events[0].shard == SHARD_ON_V4 && events[0].node == 2 &&
              events[0].dst_port == 500 && events[0].len == frame.len);
    uint8_t addr[16];
    client_addr(false, addr);
    addr_words(addr, control->trace_addr);
    control->trace_spi = 0;
    worlds.scene.config.rates[HF_RATE_EVENT] = (struct hf_rate){INTERVAL_NS, 2 * INTERVAL_NS};
    worlds_set(&worlds);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(judge_verdict(&worlds, &esp), HF_NODE_ESP);
    }
    cr_assert_eq(judge_events(&worlds, events, HF_COUNT(events)), 3, "within the rate");
    worlds_close(&worlds);
}

/* The kernel's memory for reassembly is one for all addresses of the node. */
Test(gate, fragments_to_the_nodes_own_address_have_a_budget)
{
    struct worlds worlds;
    struct packet packet = {.what = WHAT_ESP, .form = {.fragment = 0x2000}};
    struct frame frame;
    uint8_t self[16];
    worlds_open(&worlds);
    worlds.scene.config.rates[HF_RATE_FRAGMENTS_NODE] = (struct hf_rate){NS_PER_S, 0};
    worlds_set(&worlds);
    packet_make(&worlds.scene, &packet, &frame);
    node_addr(SCENE_SELF, false, self);
    memcpy(frame.bytes + 14 + 16, self + 12, 4);
    uint32_t passed = 0;
    for (int i = 0; i < 100; i++) {
        passed += verdict_action(judge_verdict(&worlds, &frame), false) != 1 ? 1 : 0;
    }
    cr_expect_leq(passed, 1, "%u of 100", passed);
    worlds_close(&worlds);
}

/* Too big to be forwarded whole, and may be fragmented: the slow way must not be the unlimited one. */
Test(gate, the_slow_way_to_a_node_has_its_budget)
{
    struct worlds worlds;
    struct packet packet = {.what = WHAT_ESP, .shard = SHARD_ON_V4, .size = 1470};
    struct frame frame;
    worlds_open(&worlds);
    worlds.scene.config.rates[HF_RATE_NODE_OUT_ESP] = (struct hf_rate){NS_PER_S, 0};
    worlds_set(&worlds);
    packet_make(&worlds.scene, &packet, &frame);
    uint32_t passed = 0;
    for (int i = 0; i < 100; i++) {
        passed += judge_verdict(&worlds, &frame) == HF_WORKER_TOO_BIG ? 1 : 0;
    }
    cr_expect_leq(passed, 1, "%u of 100", passed);
    worlds_close(&worlds);
}

/* The budget is the sender's, not that of whom it names. */
Test(gate, icmp_that_names_many_clients)
{
    struct worlds worlds;
    struct packet packet = {.what = WHAT_ICMP_ESP};
    struct frame frame;
    worlds_open(&worlds);
    worlds.scene.config.rates[HF_BUDGET_ICMP] = (struct hf_rate){NS_PER_S, 0};
    worlds_set(&worlds);
    packet_make(&worlds.scene, &packet, &frame);
    uint32_t passed = 0;
    for (int i = 0; i < 100; i++) {
        frame.bytes[14 + 20 + 8 + 16 + 3] = (uint8_t)i; /* the quoted destination */
        passed += judge_verdict(&worlds, &frame) == HF_WORKER_ICMP_CLIENT ? 1 : 0;
    }
    cr_expect_leq(passed, 1, "%u of 100", passed);
    worlds_close(&worlds);
}

/* An answer to a packet that claims to come from us would go to ourselves. */
Test(gate, our_own_addresses_are_no_source)
{
    struct worlds worlds;
    struct frame frame;
    uint8_t self[16];
    worlds_open(&worlds);
    for (int i = 0; i < 4; i++) {
        struct packet packet = {.what = WHAT_FIRST_500, .form = {.v6 = i >= 2}};
        size_t source = packet.form.v6 ? 14 + 8 : 14 + 12, len = packet.form.v6 ? 16 : 4;
        packet_make(&worlds.scene, &packet, &frame);
        node_addr(SCENE_SELF, packet.form.v6, self);
        memcpy(frame.bytes + source, i % 2 == 0 ? frame.bytes + source + len : self + 16 - len, len);
        cr_expect_eq(judge_verdict(&worlds, &frame), HF_IP_MALFORMED, "%d", i);
    }
    worlds_close(&worlds);
}

/* The twin and the kernel, on random and damaged packets: same action, same bytes, same counters, same
 * events, with budgets that run out and a clock that moves. HF_PACKETS says how many packets (default
 * 200000). */
#include "edge/base/compiler.h"
#include "tests/unit/base/random.h"
#include "tests/unit/ebpf/judge.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 500 };

static uint32_t below(uint64_t *seed, uint32_t bound)
{
    return (uint32_t)(random_next(seed) % bound);
}

static bool once_in(uint64_t *seed, uint32_t n)
{
    return below(seed, n) == 0;
}

static struct packet random_packet(uint64_t *seed)
{
    static const uint32_t NONCES[] = {0, 0, 0, 15, 16, 20, 255, 256, 257};
    struct packet packet = {
        .what = (enum what)below(seed, WHAT_TCP + 1),
        .shard = below(seed, SCENE_SHARDS),
        .index = below(seed, 70),
        .cookie = (enum cookie)below(seed, COOKIE_OLD + 1),
        .nonce_len = NONCES[below(seed, HF_COUNT(NONCES))],
        .size = once_in(seed, 4) ? 1360 + below(seed, 140) : 28 + below(seed, 200),
    };
    if (packet.what == WHAT_NATT_BYTES) {
        packet.size = 1 + below(seed, 9);
    }
    packet.form.v6 = once_in(seed, 2);
    packet.form.vlans = below(seed, 3);
    packet.form.dont_fragment = once_in(seed, 2);
    packet.form.tos = (uint8_t)random_next(seed);
    if (once_in(seed, 4)) {
        packet.form.options = 4 * below(seed, 11);
        packet.form.extensions = below(seed, 8);
        packet.form.atomic = once_in(seed, 2);
    }
    if (once_in(seed, 12)) {
        packet.form.fragment = (uint16_t)random_next(seed);
    }
    return packet;
}

static void random_frame(const struct scene *scene, uint64_t *seed, struct frame *ret_frame)
{
    struct packet packet = random_packet(seed);
    packet_make(scene, &packet, ret_frame);
    if (once_in(seed, 4)) {
        struct frame inner = *ret_frame;
        struct hop_case hop = {
            .source = below(seed, SCENE_NODES),
            .dest = SCENE_SELF,
            .outer_v6 = once_in(seed, 2),
            .vlans = below(seed, 3),
            .hop = 1 + below(seed, HF_HOP_MAX),
            .epoch = 1 + below(seed, 2),
            .table_version = 6 + below(seed, 3),
            .notice = once_in(seed, 20),
        };
        hop_make(scene, &hop, hop.notice ? NULL : &packet, &inner, ret_frame);
    }
}

/* Sources differ, headers lie, the end is missing. */
static void damage(uint64_t *seed, struct frame *frame)
{
    uint32_t headers = (uint32_t)HF_MIN(frame->len, (size_t)130);
    for (uint32_t i = below(seed, 4); i > 0; i--) {
        frame->bytes[below(seed, headers)] = (uint8_t)random_next(seed);
    }
    for (uint32_t i = below(seed, 3); i > 0; i--) {
        frame->bytes[below(seed, headers)] ^= (uint8_t)(1 << below(seed, 8));
    }
    if (once_in(seed, 4)) {
        frame->len = 14 + below(seed, (uint32_t)frame->len - 13);
    }
}

static void rates_set(struct hf_config *config)
{
    for (uint32_t i = 0; i < HF_RATE_COUNT; i++) {
        config->rates[i] = (struct hf_rate){.interval_ns = 1000000 * (i + 1), .burst_ns = 2000000 * (i + 1)};
    }
    config->rates[HF_RATE_EVENT].burst_ns *= 100;
    config->mode = HF_MODE_CPUMAP;
}

static void world_move(struct worlds *worlds, uint64_t *seed)
{
    struct hf_control *control = &worlds->scene.control;
    control->clock_ns += below(seed, 200000000);
    control->cookie_wanted = once_in(seed, 3);
    control->trace = once_in(seed, 3);
    control->trace_spi = once_in(seed, 2) ? scene_ike_spi(&worlds->scene, below(seed, SCENE_SHARDS)) : 0;
    worlds_set_control(worlds);
}

static void run_both(struct worlds *worlds, const struct frame *frame, uint64_t number)
{
    struct frame in_twin = *frame, in_kernel = *frame;
    int wanted = twin_run(worlds->twin, &in_twin);
    int got = kernel_run(worlds->kernel, &in_kernel);
    cr_assert_eq(got, wanted, "packet %lu: kernel %d, twin %d", number, got, wanted);
    cr_assert_eq(in_kernel.len, in_twin.len, "packet %lu: length", number);
    cr_assert(memcmp(in_kernel.bytes, in_twin.bytes, in_twin.len) == 0, "packet %lu: bytes", number);
}

static void compare_counters(struct worlds *worlds, uint64_t number)
{
    struct hf_counter counters[HF_VERDICT_COUNT];
    kernel_counters(worlds->kernel, counters);
    for (uint32_t v = 0; v < HF_VERDICT_COUNT; v++) {
        const struct hf_counter *twin = &worlds->twin->counters[v];
        cr_assert(counters[v].packets == twin->packets && counters[v].bytes == twin->bytes,
                  "before packet %lu: %s: kernel %lu, twin %lu", number, verdict_name(v), counters[v].packets,
                  twin->packets);
    }
}

Test(twin, agrees_with_the_kernel)
{
    static struct hf_event events[TWIN_EVENTS_MAX];
    const char *text = getenv("HF_PACKETS");
    uint64_t packets = text ? strtoull(text, NULL, 10) : 200000;
    uint64_t seed = 20;
    struct worlds worlds;
    struct frame frame;
    worlds_open(&worlds);
    if (!worlds.kernel) {
        worlds_close(&worlds);
        cr_skip_test("may not load BPF programs");
    }
    rates_set(&worlds.scene.config);
    worlds_set(&worlds);
    for (uint64_t i = 0; i < packets; i++) {
        if (i % BATCH == 0) {
            world_move(&worlds, &seed);
            compare_counters(&worlds, i);
            (void)judge_events(&worlds, events, HF_COUNT(events));
        }
        random_frame(&worlds.scene, &seed, &frame);
        if (!once_in(&seed, 3)) {
            damage(&seed, &frame);
        }
        run_both(&worlds, &frame, i);
    }
    compare_counters(&worlds, packets);
    for (uint32_t v = 0; v < HF_VERDICT_COUNT; v++) {
        bool rare = v == HF_INTERNAL || v == HF_NO_ROOM || v == HF_NOTE_EVENT_LOST;
        cr_assert(rare || worlds.twin->counters[v].packets > 0, "%s never came", verdict_name(v));
    }
    worlds_close(&worlds);
}

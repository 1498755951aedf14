#include "edge/ops/metrics.h"
#include "tests/unit/ops/fixture.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static char page[METRICS_BYTES_MAX];

static struct snapshot snapshot_of(void)
{
    static struct core_counters workers[2];
    static const struct pool_view pools[] = {
        {.name = "people", .leased_v4 = 3, .size_v4 = 1000, .leased_v6 = 2}};
    static const struct snapshot_identity identities[] = {
        {"vpn.example.net", true, NOW_UNIX_S}, {"a\"b\\c\nd", true, 5}, {"psk", false, 0}};
    static uint64_t plane[CAUSE_COUNT];
    static const struct snapshot_drops drops[] = {{"plane", plane}};
    static const struct snapshot_sample samples[] = {
        {"store_bytes", "Bytes in the store.", false, NULL, NULL, 77, false},
        {"ring_overflows", "Overflows.", true, "worker", "0", 1, false},
        {"ring_overflows", "Overflows.", true, "worker", "1", 2, false},
        {"cpu_seconds", "Time.", true, "worker", "0", 12 * NS_PER_S + 34 * NS_PER_MS, true},
        {"idle_seconds", "Time.", true, NULL, NULL, 3 * NS_PER_S, true}};
    static const uint32_t bounds_us[] = {100, 2500, 1000000};
    static const uint64_t counts[] = {7, 0, 2, 1};
    static const struct snapshot_histogram histograms[] = {
        {"wait_seconds", "Waiting.", bounds_us, HF_COUNT(bounds_us), counts, 4 * NS_PER_S + 1}};

    workers[0] =
        (struct core_counters){.sessions = 3, .handshakes_ok = 5, .half_open = 1, .datagrams_in = UINT64_MAX};
    workers[1] = (struct core_counters){.sessions = 4,
                                        .handshakes_ok = 6,
                                        .ike_rekeys = 5,
                                        .own_ike_rekeys = 2,
                                        .child_rekeys_refused = {1, 3},
                                        .fragments_in = 4,
                                        .dpd_timeouts = 1};
    workers[1].handshakes[CAUSE_PSK_WRONG] = 2;
    workers[1].drops[CAUSE_SPI_FORGED] = 9;
    plane[CAUSE_ESP_REPLAY] = 8;
    return (struct snapshot){.version = "0.1.0",
                             .state = NODE_READY,
                             .started_unix_ns = NOW_UNIX_S * 1000000000,
                             .store_ok = true,
                             .workers = workers,
                             .num_workers = 2,
                             .pools = pools,
                             .num_pools = 1,
                             .identities = identities,
                             .num_identities = 3,
                             .traffic = {1, 2000, 3, 4000},
                             .drops = drops,
                             .num_drops = 1,
                             .samples = samples,
                             .num_samples = HF_COUNT(samples),
                             .histograms = histograms,
                             .num_histograms = 1};
}

Test(metrics, numbers)
{
    static const char *const lines[] = {
        "holdfast_build_info{version=\"0.1.0\"} 1",
        "holdfast_state{state=\"ready\"} 1",
        "holdfast_state{state=\"draining\"} 0",
        "holdfast_sessions 7",
        "holdfast_half_open 1",
        "holdfast_handshakes_total{result=\"ok\",cause=\"none\"} 11",
        "holdfast_handshakes_total{result=\"failed\",cause=\"psk_wrong\"} 2",
        "holdfast_handshakes_total{result=\"failed\",cause=\"cert_expired\"} 0",
        "holdfast_drops_total{layer=\"ike\",cause=\"spi_forged\"} 9",
        "holdfast_drops_total{layer=\"plane\",cause=\"esp_replay\"} 8",
        "holdfast_bytes_total{direction=\"in\"} 2000",
        "holdfast_bytes_total{direction=\"out\"} 4000",
        "holdfast_pool_leased{pool=\"people\",family=\"ipv4\"} 3",
        "holdfast_certificate_not_after_seconds{identity=\"vpn.example.net\"} 1795467600",
        "holdfast_certificate_not_after_seconds{identity=\"a\\\"b\\\\c?d\"} 5",
        "holdfast_store_bytes 77",
        "holdfast_ring_overflows_total{worker=\"1\"} 2",
        "holdfast_ike_datagrams_total{direction=\"in\"} 18446744073709551615",
        "holdfast_rekeys_total{sa=\"ike\",initiator=\"client\",result=\"done\"} 3",
        "holdfast_rekeys_total{sa=\"ike\",initiator=\"gateway\",result=\"done\"} 2",
        "holdfast_rekeys_total{sa=\"child\",initiator=\"gateway\",result=\"refused\"} 1",
        "holdfast_rekeys_total{sa=\"child\",initiator=\"client\",result=\"refused\"} 3",
        "holdfast_ike_fragments_total{direction=\"in\"} 4",
        "holdfast_dpd_timeouts_total 1",
        "holdfast_cpu_seconds_total{worker=\"0\"} 12.034",
        "holdfast_idle_seconds_total 3",
        "holdfast_wait_seconds_bucket{le=\"0.0001\"} 7",
        "holdfast_wait_seconds_bucket{le=\"0.0025\"} 7",
        "holdfast_wait_seconds_bucket{le=\"1\"} 9",
        "holdfast_wait_seconds_bucket{le=\"+Inf\"} 10",
        "holdfast_wait_seconds_sum 4.000000001",
        "holdfast_wait_seconds_count 10",
    };
    struct snapshot snapshot = snapshot_of();

    cr_assert_gt(metrics_format(page, sizeof(page), &snapshot), 0);
    for (size_t i = 0; i < HF_COUNT(lines); i++) {
        char wanted[200];
        (void)snprintf(wanted, sizeof(wanted), "\n%s\n", lines[i]);
        cr_assert_not_null(strstr(page, wanted), "%s", lines[i]);
    }
}

/* The grammar of the text format: HELP and TYPE once, before all samples of their name, and counters end with
 * _total. */
static void line_check(char *line, char *family, bool *counter, char *all)
{
    char name[128], type[16];

    if (sscanf(line, "# HELP %127s", name) == 1) {
        char quoted[140];
        (void)snprintf(quoted, sizeof(quoted), " %s ", name);
        cr_assert_null(strstr(all, quoted), "%s twice", name);
        memcpy(all + strlen(all), quoted, strlen(quoted) + 1);
        (void)snprintf(family, 128, "%s", name);
        return;
    }
    if (sscanf(line, "# TYPE %127s %15s", name, type) == 2) {
        cr_assert_str_eq(name, family);
        *counter = strcmp(type, "counter") == 0;
        cr_assert(*counter || strcmp(type, "gauge") == 0 || strcmp(type, "histogram") == 0);
        size_t len = strlen(name);
        cr_assert_eq(*counter, len > 6 && strcmp(name + len - 6, "_total") == 0, "%s", name);
        return;
    }
    size_t len = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_");
    cr_assert_eq(strncmp(line, family, strlen(family)), 0, "%s", line);
    cr_assert(len == strlen(family) || strncmp(line + strlen(family), "_bucket{", 8) == 0 ||
                  strncmp(line + strlen(family), "_sum ", 5) == 0 ||
                  strncmp(line + strlen(family), "_count ", 7) == 0,
              "%s", line);
    char *space = strrchr(line, ' ');
    cr_assert_not_null(space);
    cr_assert(line[len] == '{' ? space[-1] == '}' : line[len] == ' ', "%s", line);
    cr_assert_eq(strspn(space + 1, "0123456789."), strlen(space + 1), "%s", line);
}

Test(metrics, grammar)
{
    static char all[16384];
    struct snapshot snapshot = snapshot_of();
    char family[128] = "";
    bool counter = false;
    size_t len = metrics_format(page, sizeof(page), &snapshot);

    cr_assert_eq(len, strlen(page));
    cr_assert_eq(page[len - 1], '\n');
    for (char *line = page; *line != '\0';) {
        char *end = strchr(line, '\n');
        *end = '\0';
        line_check(line, family, &counter, all);
        line = end + 1;
    }
}

Test(metrics, too_small_a_buffer)
{
    struct snapshot snapshot = snapshot_of();
    size_t len = metrics_format(page, sizeof(page), &snapshot);

    cr_assert_eq(metrics_format(page, len + 1, &snapshot), len);
    for (size_t cap = 1; cap <= len; cap += 97) {
        cr_assert_eq(metrics_format(page, cap, &snapshot), 0);
    }
}

Test(metrics, pools_of_workers_add_up)
{
    struct pool_view pools[2];
    uint32_t num = 0;
    const struct pool_view one[] = {{"a", 1, 2, 3, 4}, {"b", 1, 0, 1, 0}},
                           two[] = {{"b", 5, 0, 6, 0}, {"c", 1, 1, 1, 1}};

    pools_merge(pools, &num, 2, one, 2);
    pools_merge(pools, &num, 2, two, 2);
    cr_assert_eq(num, 2, "what does not fit is left out");
    cr_assert_eq(pools[1].leased_v4, 6);
    cr_assert_eq(pools[1].size_v4, 7);
    cr_assert_eq(pools[0].size_v6, 4);
}

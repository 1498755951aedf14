/* What steering does, for `holdfast steer` and for metrics. */
#include "edge/daemon/steer_status.h"

#include "edge/ops/json.h"

static const struct {
    const char *name;
    enum hf_action action;
} verdicts[HF_VERDICT_COUNT] = {
#define VERDICT_ROW(id, action, json, text) [HF_##id] = {json, HF_ACTION_##action},
    HF_VERDICTS(VERDICT_ROW)
#undef VERDICT_ROW
};

const char *steer_verdict_name(uint32_t verdict)
{
    return verdict < HF_VERDICT_COUNT ? verdicts[verdict].name : "undecided";
}

static const char *action_name(enum hf_action action)
{
    static const char *const names[] = {
        [HF_ACTION_PASS] = "pass",     [HF_ACTION_WORKER] = "worker", [HF_ACTION_NODE] = "node",
        [HF_ACTION_ANSWER] = "answer", [HF_ACTION_DROP] = "drop",     [HF_ACTION_NOTE] = "note",
    };
    return names[action];
}

static void put_links(struct json *j, const struct steer_feed *feed)
{
    json_array_begin(j, "interfaces");
    for (uint32_t i = 0; i < feed->num_links; i++) {
        const struct steer_link *link = &feed->links[i];
        json_object_begin(j, NULL);
        json_string(j, "name", link->interface);
        json_string(j, "mode", link->is_attached ? steer_mode_name(link->mode) : "missing");
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_epochs(struct json *j, const struct steer_feed *feed, const uint32_t counts[4])
{
    static const char *const states[] = {"retiring", "mints", "next"};
    json_array_begin(j, "key_epochs");
    for (uint32_t i = 0; i < HF_COUNT(states); i++) {
        uint32_t number = feed->key_epoch + i - 1;
        if (number > 0) {
            json_object_begin(j, NULL);
            json_u64(j, "number", number);
            json_u64(j, "epoch", core_spi_epoch(number));
            json_string(j, "state", states[i]);
            json_u64(j, "sas", counts[core_spi_epoch(number)]);
            json_object_end(j);
        }
    }
    json_array_end(j);
}

/* How many shards each node has, and each worker of this one. */
static void put_table(struct json *j, const struct steer_feed *feed, const struct hf_config *config)
{
    const uint64_t *rows = steering_rows(feed->steering);
    uint32_t num_shards = UINT32_C(1) << config->spi.shard_bits;
    uint32_t owned = 0, by_worker[HF_WORKERS_MAX] = {0};
    for (uint32_t shard = 0; shard < num_shards; shard++) {
        if ((rows[shard] & 0xffff) == config->self) {
            owned++;
            by_worker[rows[shard] >> 32 & (HF_WORKERS_MAX - 1)]++;
        }
    }
    json_u64(j, "node", config->self);
    json_u64(j, "table_version", config->table_version);
    json_u64(j, "shards", num_shards);
    json_u64(j, "shards_here", owned);
    json_array_begin(j, "shards_by_worker");
    for (uint32_t worker = 0; worker < config->num_workers; worker++) {
        json_u64(j, NULL, by_worker[worker]);
    }
    json_array_end(j);
}

static void put_verdicts(struct json *j, const struct steer_feed *feed)
{
    struct hf_counter counters[HF_VERDICT_COUNT];
    if (steering_counters(feed->steering, counters) != 0) {
        return;
    }
    json_array_begin(j, "verdicts");
    for (uint32_t v = 0; v < HF_VERDICT_COUNT; v++) {
        json_object_begin(j, NULL);
        json_string(j, "verdict", verdicts[v].name);
        json_string(j, "action", action_name(verdicts[v].action));
        json_u64(j, "packets", counters[v].packets);
        json_u64(j, "bytes", counters[v].bytes);
        json_object_end(j);
    }
    json_array_end(j);
}

size_t steer_status_format(char *ret_line, size_t cap, struct steer_feed *feed, const uint32_t epochs[4])
{
    struct json j = json_of(ret_line, cap);
    json_object_begin(&j, NULL);
    json_object_begin(&j, "steering");
    json_bool(&j, "on", feed->steering != NULL);
    json_string(&j, "delivery", steer_delivery_name(feed->delivery));
    if (feed->steering != NULL) {
        const struct hf_config *config = steering_config(feed->steering);
        put_links(&j, feed);
        put_table(&j, feed, config);
        put_epochs(&j, feed, epochs);
        json_bool(&j, "cookies_wanted", steering_control(feed->steering)->cookie_wanted != 0);
        put_verdicts(&j, feed);
    }
    json_object_end(&j);
    json_object_end(&j);
    return json_end(&j);
}

uint32_t steer_status_samples(struct steer_feed *feed, struct snapshot_sample ret_samples[STEER_SAMPLES_MAX])
{
    struct hf_counter counters[HF_VERDICT_COUNT];
    uint32_t count = 0;
    ret_samples[count++] = (struct snapshot_sample){
        .name = "steering_interfaces",
        .help = "Interfaces with the steering program on them.",
        .value = steer_links_attached(feed),
    };
    if (feed->steering == NULL || steering_counters(feed->steering, counters) != 0) {
        return count;
    }
    ret_samples[count++] = (struct snapshot_sample){
        .name = "steering_cookies_wanted",
        .help = "1 while the steering program asks first messages for a cookie.",
        .value = steering_control(feed->steering)->cookie_wanted != 0,
    };
    ret_samples[count++] = (struct snapshot_sample){
        .name = "steering_icmp_relayed",
        .help = "ICMP errors about the size of clients' ESP that were shown to the other nodes.",
        .counter = true,
        .value = feed->relay.relayed,
    };
    for (uint32_t i = 0; i < 2 * HF_VERDICT_COUNT; i++) {
        bool bytes = i >= HF_VERDICT_COUNT;
        uint32_t v = i % HF_VERDICT_COUNT;
        ret_samples[count++] = (struct snapshot_sample){
            .name = bytes ? "steering_bytes" : "steering_packets",
            .help = bytes ? "Bytes of frames that came to the steering program, by what became of them."
                          : "Frames that came to the steering program, by what became of them.",
            .counter = true,
            .label = "verdict",
            .label_value = verdicts[v].name,
            .value = bytes ? counters[v].bytes : counters[v].packets,
        };
    }
    return count;
}

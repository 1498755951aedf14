/* What other nodes and the store say, as bytes: the first byte chooses. Decoders never read beyond their
 * input, what they accept can be encoded and decodes to the same, and an engine that is given it goes on. */
#include "edge/session/fleet.h"
#include "tests/lib/rand.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BITS = 4, SELF = 1 };

static struct sim_rand dice;
static struct fleet_effects effects;

/* Answers the store operations of a step with what is in `value`, as member and as table. */
static void answer(struct fleet *fleet, ns_t now, struct span value)
{
    static struct fleet_effects asked;
    asked = effects;
    for (uint32_t i = 0; i < asked.count; i++) {
        const struct store_op *op = &asked.v[i].store;
        if (asked.v[i].type != FLEET_EFFECT_STORE) {
            continue;
        }
        for (uint32_t index = 0; op->type == STORE_VIEW && index < 3; index++) {
            struct store_record record = {.token = op->token,
                                          .index = index == 2 ? STORE_NO_INDEX : index + 1,
                                          .epoch = 1,
                                          .value = value};
            fleet_step(fleet,
                       &(struct fleet_event){.type = FLEET_EVENT_STORE_RECORD, .now = now, .record = record},
                       &effects);
        }
        struct store_done done = {.token = op->token, .type = op->type, .view = value.len};
        fleet_step(fleet, &(struct fleet_event){.type = FLEET_EVENT_STORE_DONE, .now = now, .store = done},
                   &effects);
    }
}

static void run_engine(struct span value, const struct fleet_heartbeat *heartbeat)
{
    dice = sim_rand_of(1);
    struct fleet_config config = {.self = {.node = SELF, .weight = 1, .instance = 9, .site_name = "a"},
                                  .shard_bits = BITS,
                                  .lease = NS_PER_S,
                                  .heartbeat = NS_PER_S / 10,
                                  .takes_per_s = 100,
                                  .gives_per_s = 100,
                                  .rand = sim_rand_source(&dice)};
    struct fleet *fleet = fleet_init(aligned_alloc(64, fleet_bytes(&config)), &config);
    ns_t now = NS_PER_S;
    struct fleet_event event = {.type = FLEET_EVENT_START, .now = now};
    fleet_step(fleet, &event, &effects);
    for (int i = 0; i < 8; i++) {
        answer(fleet, now, value);
        if (heartbeat != NULL) {
            event = (struct fleet_event){.type = FLEET_EVENT_HEARTBEAT, .heartbeat = *heartbeat, .now = now};
            fleet_step(fleet, &event, &effects);
        }
        now += NS_PER_S / 4;
        event = (struct fleet_event){.type = FLEET_EVENT_TIMER, .now = now};
        fleet_step(fleet, &event, &effects);
    }
    free(fleet);
}

static void fuzz_member(struct span bytes)
{
    struct fleet_member member, again;
    uint8_t first[FLEET_MEMBER_BYTES_MAX], second[FLEET_MEMBER_BYTES_MAX];
    if (fleet_member_decode(bytes, &member)) {
        size_t len = fleet_member_encode(&member, first, sizeof(first));
        hf_assert(len > 0 && len <= bytes.len && fleet_member_decode(span_of(first, len), &again));
        hf_assert(fleet_member_encode(&again, second, sizeof(second)) == len &&
                  memcmp(first, second, len) == 0);
    }
    run_engine(bytes, NULL);
}

static void fuzz_heartbeat(struct span bytes)
{
    struct fleet_heartbeat heartbeat, again;
    uint8_t first[FLEET_HEARTBEAT_BYTES_MAX], second[FLEET_HEARTBEAT_BYTES_MAX];
    if (!fleet_heartbeat_decode(bytes, &heartbeat)) {
        return;
    }
    size_t len = fleet_heartbeat_encode(&heartbeat, first, sizeof(first));
    hf_assert(len > 0 && len <= bytes.len && fleet_heartbeat_decode(span_of(first, len), &again));
    hf_assert(fleet_heartbeat_encode(&again, second, sizeof(second)) == len &&
              memcmp(first, second, len) == 0);
    struct fleet_member sender = {.node = 2, .weight = 1, .instance = 8, .site_name = "a"};
    len = fleet_member_encode(&sender, first, sizeof(first));
    heartbeat.node = 2;
    heartbeat.instance = 8;
    heartbeat.your_instance = 9;
    run_engine(span_of(first, len), &heartbeat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct span rest = span_of(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        fuzz_member(rest);
    } else {
        fuzz_heartbeat(rest);
    }
    return 0;
}

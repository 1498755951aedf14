#include "edge/daemon/fleet_status.h"

#include "edge/ops/json.h"

static const char *const state_names[] = {
    [FLEET_MEMBER_LIVE] = "live",
    [FLEET_MEMBER_SILENT] = "silent",
    [FLEET_MEMBER_ALONE] = "alone",
    [FLEET_MEMBER_DEAD] = "dead",
};

size_t fleet_status_format(char *ret_line, size_t cap, const struct fleet *fleet, uint16_t self,
                           uint8_t shard_bits, ns_t now)
{
    struct json j = json_of(ret_line, cap);
    struct fleet_status status;
    fleet_status(fleet, now, &status);
    json_object_begin(&j, NULL);
    json_object_begin(&j, "fleet");
    json_u64(&j, "node", self);
    json_bool(&j, "has_lease", status.has_lease);
    json_seconds(&j, "lease_left_s", status.has_lease ? status.lease_left : 0);
    json_bool(&j, "draining", status.is_draining);
    json_u64(&j, "view", status.view);
    json_u64(&j, "shards", UINT64_C(1) << shard_bits);
    json_u64(&j, "owned", status.owned);
    json_u64(&j, "wanted", status.wanted);
    json_u64(&j, "taking", status.taking);
    json_u64(&j, "giving", status.giving);
    json_u64(&j, "taken_total", status.taken_total);
    json_u64(&j, "given_total", status.given_total);
    json_u64(&j, "lost_total", status.lost_total);
    json_u64(&j, "failed_total", status.failed_total);
    json_object_end(&j);
    json_object_end(&j);
    return json_end(&j);
}

size_t fleet_member_format(char *ret_line, size_t cap, const struct fleet_member_view *view)
{
    const struct fleet_member *member = &view->member;
    struct json j = json_of(ret_line, cap);
    json_object_begin(&j, NULL);
    json_object_begin(&j, "member");
    json_u64(&j, "node", member->node);
    json_string(&j, "state", state_names[view->state]);
    json_bool(&j, "draining", member->is_draining);
    json_string(&j, "site", member->site_name);
    json_ip(&j, "address", &member->address);
    json_u64(&j, "weight", member->weight);
    json_u64(&j, "mtu", member->mtu);
    json_string(&j, "version", member->version);
    json_hex(&j, "instance", member->instance, 16);
    if (view->heard == NS_NEVER) {
        json_null(&j, "heard_s");
    } else {
        json_seconds(&j, "heard_s", view->heard);
    }
    json_u64(&j, "owned", view->owned);
    json_u64(&j, "wanted", view->wanted);
    json_u64(&j, "secondary", view->secondary);
    json_object_end(&j);
    json_object_end(&j);
    return json_end(&j);
}

size_t fleet_shards_format(char *ret_line, size_t cap, const struct fleet *fleet, uint32_t first,
                           uint32_t count)
{
    struct json j = json_of(ret_line, cap);
    json_object_begin(&j, NULL);
    json_object_begin(&j, "shards");
    json_u64(&j, "first", first);
    json_array_begin(&j, "rows");
    for (uint32_t i = 0; i < HF_MIN(count, (uint32_t)FLEET_SHARDS_PER_LINE); i++) {
        struct fleet_shard_view view = fleet_shard(fleet, (uint16_t)(first + i));
        json_array_begin(&j, NULL);
        json_u64(&j, NULL, view.owner);
        json_u64(&j, NULL, view.wanted);
        json_u64(&j, NULL, view.secondary);
        json_u64(&j, NULL, view.epoch);
        json_bool(&j, NULL, view.is_moving);
        json_array_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
    json_object_end(&j);
    return json_end(&j);
}

void fleet_status_samples(const struct fleet *fleet, ns_t now,
                          struct snapshot_sample ret_samples[FLEET_SAMPLES])
{
    struct fleet_member_view members[FLEET_MEMBERS_MAX];
    struct fleet_status status;
    uint64_t states[HF_COUNT(state_names)] = {0};
    uint32_t count = fleet_members(fleet, now, members, HF_COUNT(members)), at = 0;
    fleet_status(fleet, now, &status);
    for (uint32_t i = 0; i < count; i++) {
        states[members[i].state]++;
    }
    for (uint32_t i = 0; i < HF_COUNT(state_names); i++) {
        ret_samples[at++] = (struct snapshot_sample){.name = "fleet_members",
                                                     .help = "Members of the fleet, as this node sees them.",
                                                     .label = "state",
                                                     .label_value = state_names[i],
                                                     .value = states[i]};
    }
    const struct snapshot_sample more[] = {
        {.name = "fleet_lease", .help = "1 while this node has a lease.", .value = status.has_lease},
        {.name = "fleet_draining",
         .help = "1 while this node gives its shards away.",
         .value = status.is_draining},
        {.name = "fleet_shards_owned", .help = "Shards that this node has.", .value = status.owned},
        {.name = "fleet_shards_wanted", .help = "Shards that this node should have.", .value = status.wanted},
        {.name = "fleet_shards_taking",
         .help = "Shards that are being claimed or read.",
         .value = status.taking},
        {.name = "fleet_shards_giving", .help = "Shards that are being handed over.", .value = status.giving},
        {.name = "fleet_shards_taken",
         .help = "Shards claimed.",
         .counter = true,
         .value = status.taken_total},
        {.name = "fleet_shards_given",
         .help = "Shards handed over.",
         .counter = true,
         .value = status.given_total},
        {.name = "fleet_shards_lost",
         .help = "Shards lost to a higher epoch.",
         .counter = true,
         .value = status.lost_total},
        {.name = "fleet_shards_failed",
         .help = "Claims and hand-overs that failed.",
         .counter = true,
         .value = status.failed_total},
    };
    _Static_assert(HF_COUNT(state_names) + HF_COUNT(more) == FLEET_SAMPLES, "all of them");
    memcpy(ret_samples + at, more, sizeof(more));
}

/* The maps that both programs read, for those who include <bpf/bpf_helpers.h> first. */
#pragma once

#include "ebpf/steer.h"

#define HF_ARRAY(name, map_type, flags, entries, value_type)                                                 \
    struct {                                                                                                 \
        __uint(type, map_type);                                                                              \
        __uint(map_flags, flags);                                                                            \
        __uint(max_entries, entries);                                                                        \
        __type(key, uint32_t);                                                                               \
        __type(value, value_type);                                                                           \
    } name SEC(".maps")

HF_ARRAY(steer_control, BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, 1, struct hf_control);
HF_ARRAY(steer_config, BPF_MAP_TYPE_ARRAY, 0, 2, struct hf_config);
HF_ARRAY(steer_shards, BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, HF_SHARDS_MAX, uint64_t);

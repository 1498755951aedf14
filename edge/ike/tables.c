#include "edge/ike/internal.h"

const char *ike_table_name(enum ike_table table)
{
    static const char *const names[IKE_TABLES] = {
        [IKE_TABLE_SAS] = "ike_sas",
        [IKE_TABLE_CHILDREN] = "child_sas",
        [IKE_TABLE_HALF_OPEN] = "half_open",
        [IKE_TABLE_BLOCKS] = "message_blocks",
        [IKE_TABLE_REASSEMBLIES] = "reassemblies",
        [IKE_TABLE_DIGESTS] = "first_messages",
        [IKE_TABLE_PEERS] = "peers",
        [IKE_TABLE_TIMERS] = "timers",
    };
    hf_assert(table < IKE_TABLES);
    return names[table];
}

void ike_tables(const struct ike *ike, uint32_t ret_used[IKE_TABLES])
{
    uint32_t reassemblies = 0;
    for (uint32_t i = 0; i < REASSEMBLIES_MAX; i++) {
        reassemblies += ike->reassemblies[i].sa != SLOT_NONE ? 1 : 0;
    }
    ret_used[IKE_TABLE_SAS] = ike->sas.used;
    ret_used[IKE_TABLE_CHILDREN] = ike->children.used;
    ret_used[IKE_TABLE_HALF_OPEN] = ike->config.half_open_max - ike->half_open_free;
    ret_used[IKE_TABLE_BLOCKS] = ike->blobs.capacity - ike->blobs.free_count;
    ret_used[IKE_TABLE_REASSEMBLIES] = reassemblies;
    ret_used[IKE_TABLE_DIGESTS] = ike->init_digests.count;
    ret_used[IKE_TABLE_PEERS] = ike->peers.count;
    ret_used[IKE_TABLE_TIMERS] = ike->timers.count;
}

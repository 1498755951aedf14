#include "edge/plane/user_internal.h"

enum { POSITION_NONE = UINT16_MAX, CHILD_ALIGN = 64 };

static uint32_t per_shard_of(const struct plane_user_config *config)
{
    uint32_t shards = 1u << config->spi.shard_bits;

    return (uint32_t)(((uint64_t)config->children_max + shards - 1) / shards);
}

static size_t aligned(size_t bytes)
{
    return (bytes + CHILD_ALIGN - 1) / CHILD_ALIGN * CHILD_ALIGN;
}

static uint32_t slots_of(const struct plane_user_config *config)
{
    return per_shard_of(config) * config->num_shards;
}

size_t table_bytes(const struct plane_user_config *config)
{
    uint32_t slots = slots_of(config);

    return aligned(slots * sizeof(uint32_t)) + aligned(sizeof(uint16_t) << config->spi.shard_bits) +
           aligned(map_bytes(slots)) + aligned(map_bytes(slots * ADDRESSES_PER_SESSION_MAX)) +
           aligned(slots * sizeof(struct user_child));
}

void table_init(struct plane_user *plane, uint8_t *memory)
{
    const struct plane_user_config *config = &plane->config;
    struct user_table *table = &plane->table;
    uint32_t slots = slots_of(config);

    table->per_shard = per_shard_of(config);
    table->num_shards = config->num_shards;
    table->spis = (uint32_t *)(void *)memory;
    memset(table->spis, 0, slots * sizeof(uint32_t));
    memory += aligned(slots * sizeof(uint32_t));
    table->positions = (uint16_t *)(void *)memory;
    memory += aligned(sizeof(uint16_t) << config->spi.shard_bits);
    for (uint32_t i = 0; i < 1u << config->spi.shard_bits; i++) {
        table->positions[i] = POSITION_NONE;
    }
    for (uint32_t i = 0; i < config->num_shards; i++) {
        table->positions[config->shards[i]] = (uint16_t)i;
    }
    map_init(&table->by_child, memory, slots);
    memory += aligned(map_bytes(slots));
    map_init(&table->by_address, memory, slots * ADDRESSES_PER_SESSION_MAX);
    memory += aligned(map_bytes(slots * ADDRESSES_PER_SESSION_MAX));
    table->children = (struct user_child *)(void *)memory;
}

/* Where a child with this SPI belongs; MAP_NONE when not here. */
static uint32_t slot_of(const struct plane_user *plane, uint32_t spi)
{
    const struct user_table *table = &plane->table;
    struct hf_spi place;

    if (!hf_esp_spi_decode(&plane->config.spi, spi, &place)) {
        return MAP_NONE;
    }
    uint16_t position = table->positions[place.shard];
    if (position == POSITION_NONE || place.index >= table->per_shard) {
        return MAP_NONE;
    }
    return place.index * table->num_shards + position;
}

static uint32_t slot_of_child(const struct plane_user *plane, const struct user_child *child)
{
    return (uint32_t)(child - plane->table.children);
}

struct user_child *table_by_spi(struct plane_user *plane, uint32_t spi)
{
    uint32_t slot = slot_of(plane, spi);

    return slot != MAP_NONE && plane->table.spis[slot] == spi ? &plane->table.children[slot] : NULL;
}

struct user_child *table_by_child(struct plane_user *plane, uint32_t child)
{
    uint32_t slot = map_get(&plane->table.by_child, child);

    return slot == MAP_NONE ? NULL : &plane->table.children[slot];
}

static uint64_t address_hash(const struct plane_user *plane, const struct ip_addr *addr)
{
    return hf_siphash13_2(plane->config.hash_key, hf_word_load(addr->bytes), hf_word_load(addr->bytes + 8));
}

/* Which of the child's addresses this is; num_addresses when none. */
static uint32_t address_index(const struct user_child *child, const struct ip_addr *addr)
{
    uint32_t i = 0;

    while (i < child->num_addresses && !ip_equal(&child->addresses[i], addr)) {
        i++;
    }
    return i;
}

struct user_child *table_for_outbound(struct plane_user *plane, const struct inner *inner)
{
    struct user_table *table = &plane->table;
    uint32_t slot = map_get(&table->by_address, address_hash(plane, &inner->destination));

    while (slot != MAP_NONE) {
        struct user_child *child = &table->children[slot];
        uint32_t i = address_index(child, &inner->destination);
        if (i == child->num_addresses) { /* two addresses with one hash: once in 2^64 */
            return NULL;
        }
        if (inner_allowed(inner, child->ts_local, child->num_ts_local, child->ts_remote,
                          child->num_ts_remote)) {
            return child;
        }
        slot = child->next[i];
    }
    return NULL;
}

static void address_unlink(struct plane_user *plane, struct user_child *child, uint32_t index)
{
    struct user_table *table = &plane->table;
    uint64_t hash = address_hash(plane, &child->addresses[index]);
    uint32_t slot = map_get(&table->by_address, hash), own = slot_of_child(plane, child);

    if (slot == own) {
        map_remove(&table->by_address, hash);
        if (child->next[index] != MAP_NONE) {
            hf_assert(map_put(&table->by_address, hash, child->next[index]));
        }
        return;
    }
    while (slot != MAP_NONE) {
        struct user_child *other = &table->children[slot];
        uint32_t i = address_index(other, &child->addresses[index]);
        hf_assert(i < other->num_addresses);
        if (other->next[i] == own) {
            other->next[i] = child->next[index];
            return;
        }
        slot = other->next[i];
    }
}

static void outbound_unlink(struct plane_user *plane, struct user_child *child)
{
    for (uint32_t i = 0; i < child->num_addresses && child->is_outbound; i++) {
        address_unlink(plane, child, i);
    }
    child->is_outbound = false;
}

void child_carry_outbound(struct plane_user *plane, struct user_child *child)
{
    outbound_unlink(plane, child);
    for (uint32_t i = 0; i < child->num_addresses; i++) {
        uint64_t hash = address_hash(plane, &child->addresses[i]);
        child->next[i] = map_get(&plane->table.by_address, hash);
        hf_assert(map_put(&plane->table.by_address, hash, slot_of_child(plane, child)));
    }
    child->is_outbound = true;
}

static void child_fill(struct user_child *child, const struct plane_child *install)
{
    child->child = install->child;
    child->local = install->local;
    child->remote = install->remote;
    child->num_addresses = 0;
    for (uint32_t i = 0; i < install->num_addresses; i++) {
        if (address_index(child, &install->addresses[i]) == child->num_addresses) {
            child->addresses[child->num_addresses++] = install->addresses[i];
        }
    }
    memcpy(child->ts_local, install->ts_local, sizeof(child->ts_local));
    memcpy(child->ts_remote, install->ts_remote, sizeof(child->ts_remote));
    child->num_ts_local = install->num_ts_local;
    child->num_ts_remote = install->num_ts_remote;
    child->packets_in = child->bytes_in = child->packets_out = child->bytes_out = 0;
    child->last_in = 0;
    child->moved_again = 0;
    child->is_outbound = false;
    child->told_half = child->told_spent = false;
    volume_init(child, install);
}

bool child_install(struct plane_user *plane, const struct plane_child *install)
{
    struct user_table *table = &plane->table;
    uint32_t slot = slot_of(plane, install->spi_in);

    hf_assert(install->num_addresses <= ADDRESSES_PER_SESSION_MAX &&
              install->num_ts_local <= SELECTORS_PER_CHILD_MAX &&
              install->num_ts_remote <= SELECTORS_PER_CHILD_MAX);
    if (slot == MAP_NONE || table->spis[slot] != 0 || table_by_child(plane, install->child) != NULL) {
        return false;
    }
    struct user_child *child = &table->children[slot];
    if (!esp_in_init(&child->in, &install->suite, &install->key_in, install->spi_in, install->replay_start)) {
        return false;
    }
    if (!esp_out_init(&child->out, &install->suite, &install->key_out, install->spi_out, install->iv_epoch,
                      install->sequence_out, install->sequence_limit)) {
        esp_in_done(&child->in);
        return false;
    }
    child_fill(child, install);
    hf_assert(map_put(&table->by_child, child->child, slot));
    table->spis[slot] = install->spi_in;
    plane->counters.children++;
    if (install->outbound) {
        child_carry_outbound(plane, child);
    }
    return true;
}

void child_remove(struct plane_user *plane, struct user_child *child)
{
    outbound_unlink(plane, child);
    map_remove(&plane->table.by_child, child->child);
    plane->table.spis[slot_of_child(plane, child)] = 0;
    plane->counters.children--;
    esp_in_done(&child->in);
    esp_out_done(&child->out);
}

#include "edge/base/secret.h"
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

static uint32_t warm_of(const struct plane_user_config *config)
{
    uint32_t most = config->warm_max == 0 ? PLANE_WARM_MAX : config->warm_max;
    return HF_MIN(slots_of(config), most);
}

size_t table_bytes(const struct plane_user_config *config)
{
    uint32_t slots = slots_of(config);

    return aligned(slots * sizeof(uint32_t)) + aligned(sizeof(uint16_t) << config->spi.shard_bits) +
           aligned(map_bytes(slots)) + aligned(map_bytes(slots * ADDRESSES_PER_SESSION_MAX)) +
           aligned(stock_bytes(RANGES_FEW_BYTES, RANGES_MANY_BYTES, slots)) +
           aligned(warm_of(config) * sizeof(struct warm)) + aligned(slots * sizeof(struct user_child));
}

void table_init(struct plane_user *plane, uint8_t *memory)
{
    const struct plane_user_config *config = &plane->config;
    struct user_table *table = &plane->table;
    uint32_t slots = slots_of(config);

    table->per_shard = per_shard_of(config);
    table->num_shards = config->num_shards;
    table->spis = (uint32_t *)(void *)memory;
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
    stock_init(&table->ranges, memory, RANGES_FEW_BYTES, RANGES_MANY_BYTES, slots);
    memory += aligned(stock_bytes(RANGES_FEW_BYTES, RANGES_MANY_BYTES, slots));
    table->warm = (struct warm *)(void *)memory;
    table->num_warm = warm_of(config);
    table->warm_free = WARM_NONE;
    memory += aligned(table->num_warm * sizeof(struct warm));
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
        if (inner_allowed(inner, child->ts->v, child->ts->num_local, ranges_remote(child->ts),
                          child->ts->num_remote)) {
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
    esp_in_init(&child->in, &install->suite, install->spi_in, install->replay_start);
    esp_out_init(&child->out, &install->suite, install->spi_out, iv_high(install->iv_epoch, install->iv_node),
                 install->sequence_out, install->sequence_limit);
    child->suite = install->suite;
    child->key_in = install->key_in;
    child->key_out = install->key_out;
    child->warm = WARM_NONE;
    child->child = install->child;
    child->local = install->local;
    child->remote = install->remote;
    child->num_addresses = 0;
    for (uint32_t i = 0; i < install->num_addresses; i++) {
        if (address_index(child, &install->addresses[i]) == child->num_addresses) {
            child->addresses[child->num_addresses++] = install->addresses[i];
        }
    }
    child->packets_in = child->bytes_in = child->packets_out = child->bytes_out = 0;
    child->last_in = 0;
    child->moved_again = 0;
    child->is_outbound = false;
    child->is_deaf = install->is_deaf;
    child->told_half = child->told_spent = false;
    volume_init(child, install);
}

static bool suite_is_usable(const struct plane_child *install)
{
    struct esp_cipher cipher;
    bool usable = esp_cipher_init(&cipher, &install->suite, &install->key_in);

    if (usable) {
        esp_cipher_done(&cipher);
    }
    return usable;
}

void plane_user_spi_config(struct plane_user *plane, const struct hf_spi_config *spi)
{
    plane->config.spi = *spi;
}

static void live_set(struct plane_user *plane, uint32_t spi, bool live)
{
    const struct plane_user_config *config = &plane->config;
    struct hf_spi place;

    if (config->live == NULL || !hf_esp_spi_decode(&config->spi, spi, &place)) {
        return;
    }
    uint64_t bit = (uint64_t)place.shard << config->live_bits | place.index;
    if (live) {
        __atomic_fetch_or(&config->live[bit / 64], UINT64_C(1) << bit % 64, __ATOMIC_RELEASE);
    } else {
        __atomic_fetch_and(&config->live[bit / 64], ~(UINT64_C(1) << bit % 64), __ATOMIC_RELEASE);
    }
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
    struct ranges *ts = suite_is_usable(install)
                            ? ranges_keep(&table->ranges, install->ts_local, install->num_ts_local,
                                          install->ts_remote, install->num_ts_remote)
                            : NULL;
    if (ts == NULL) {
        return false;
    }
    child_fill(child, install);
    child->ts = ts;
    hf_assert(map_put(&table->by_child, child->child, slot));
    table->spis[slot] = install->spi_in;
    live_set(plane, install->spi_in, true);
    plane->counters.children++;
    if (install->outbound) {
        child_carry_outbound(plane, child);
    }
    return true;
}

/* ---- ciphers of the children that have traffic */

static void child_cool(struct user_table *table, struct user_child *child)
{
    if (child->warm != WARM_NONE) {
        struct warm *warm = &table->warm[child->warm];
        esp_cipher_done(&warm->in);
        esp_cipher_done(&warm->out);
        warm->slot = table->warm_free;
        table->warm_free = child->warm;
        child->warm = WARM_NONE;
    }
}

/* A place given back, else one never used, else the hand goes round and takes one that was not used since it
 * came by. */
static uint32_t warm_place(struct user_table *table)
{
    uint32_t at = table->warm_free;

    if (at != WARM_NONE) {
        table->warm_free = table->warm[at].slot;
        return at;
    }
    if (table->warm_used < table->num_warm) {
        return table->warm_used++;
    }
    while (table->warm[table->warm_hand].is_recent) {
        table->warm[table->warm_hand].is_recent = false;
        table->warm_hand = (table->warm_hand + 1) % table->num_warm;
    }
    child_cool(table, &table->children[table->warm[table->warm_hand].slot]);
    return warm_place(table);
}

struct warm *child_warm(struct plane_user *plane, struct user_child *child)
{
    struct user_table *table = &plane->table;

    if (child->warm == WARM_NONE) {
        child->warm = warm_place(table);
        struct warm *warm = &table->warm[child->warm];
        warm->slot = slot_of_child(plane, child);
        bool made = esp_cipher_init(&warm->in, &child->suite, &child->key_in) &&
                    esp_cipher_init(&warm->out, &child->suite, &child->key_out);
        hf_assert(made); /* it was, when the child was installed */
    }
    struct warm *warm = &table->warm[child->warm];
    warm->is_recent = true;
    return warm;
}

void child_remove(struct plane_user *plane, struct user_child *child)
{
    uint32_t *spi = &plane->table.spis[slot_of_child(plane, child)];

    outbound_unlink(plane, child);
    map_remove(&plane->table.by_child, child->child);
    live_set(plane, *spi, false);
    *spi = 0;
    plane->counters.children--;
    child_cool(&plane->table, child);
    stock_give(&plane->table.ranges, child->ts);
    secret_wipe(child, sizeof(*child));
}

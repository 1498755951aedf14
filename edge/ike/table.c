/* The engine's tables: taking and freeing what an SPI, a handshake or an identity leads to. */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

uint64_t ike_hash(const struct ike *ike, struct span a, struct span b)
{
    uint8_t digest[32];
    struct span parts[] = {span_of(ike->hash_key, sizeof(ike->hash_key)), a, b};
    hash_sha256(parts, HF_COUNT(parts), digest);
    return be64_load(digest);
}

uint64_t sa_token(struct ike *ike, const struct ike_sa *sa)
{
    ike->next_token = token_next(ike->next_token);
    return token_make(ike->next_token, sa->slot);
}

uint64_t sa_removal_token(const struct ike_sa *sa)
{
    return (sa->session_id & INT32_MAX) << 32 | sa->slot;
}

/* The SPI of a slot: its shard, its place in the shard, and how often the slot was used before. */
static uint64_t slot_spi(const struct ike *ike, uint32_t slot)
{
    struct hf_spi spi = {
        .epoch = ike->config.spi.mint_epoch,
        .shard = ike->config.shards[slab_position(&ike->sas, slot)],
        .index = slab_index(&ike->sas, slot),
        .generation = ike->sas.generation[slot],
    };
    return hf_ike_spi_encode(&ike->config.spi, &spi);
}

void sa_reset(struct ike_sa *sa, uint32_t slot)
{
    memset(sa, 0, sizeof(*sa));
    sa->slot = slot;
    sa->pending_child = sa->pending_sa = sa->half_open = sa->reassembly = SLOT_NONE;
    sa->peer_prev = sa->peer_next = sa->stale = SLOT_NONE;
    sa->expires = sa->dpd_due = sa->save_due = sa->child_due = sa->rekey_at = sa->response_expires = NS_NEVER;
    sa->childless_end = sa->auth_end = sa->redirect_at = NS_NEVER;
    sa->request.next_try = NS_NEVER;
    sa->request.child = sa->request.rekeys = sa->request.rival = SLOT_NONE;
    sa->request.sa = sa->request.rival_sa = sa->replaces = sa->successor = SLOT_NONE;
}

struct ike_sa *sa_take(struct ike *ike, uint32_t position)
{
    uint32_t slot = slab_take(&ike->sas, position);
    if (slot == SLAB_NONE) {
        return NULL;
    }
    struct ike_sa *sa = &ike->sa[slot];
    sa_reset(sa, slot);
    sa->created = sa->last_in = ike->time.now;
    sa->spi_r = slot_spi(ike, slot);
    return sa;
}

void ike_sa_name(struct ike *ike, const struct identity **id, const struct identity *name)
{
    stock_give(&ike->identities, (void *)(uintptr_t)*id);
    *id = NULL;
    if (name != NULL && name->type != 0) {
        struct identity *kept = stock_take(&ike->identities, identity_bytes(name));
        hf_assert(kept != NULL); /* there is room for two of every IKE SA */
        memcpy(kept, name, identity_bytes(name));
        *id = kept;
    }
}

void ike_child_select(struct ike *ike, struct ike_child *child, const struct ts_range *local,
                      uint32_t num_local, const struct ts_range *remote, uint32_t num_remote)
{
    stock_give(&ike->ranges, child->ts);
    child->ts = ranges_keep(&ike->ranges, local, num_local, remote, num_remote);
    hf_assert(child->ts != NULL); /* there is room for those of every child */
}

/* What replaced it need not keep it in its record any longer. */
static void former_gone(struct ike *ike, const struct ike_sa *sa)
{
    struct ike_sa *new = slab_is_used(&ike->sas, sa->successor) ? &ike->sa[sa->successor] : NULL;
    if (new != NULL &&new->replaces == sa->slot &&new->session_id == sa->session_id) {
        new->replaces = SLOT_NONE;
        new->save_due = ike->time.now;
        sa_schedule(ike, new);
    }
}

void sa_free(struct ike *ike, struct ike_sa *sa)
{
    hf_assert(sa->num_children == 0 && sa->num_addresses == 0);
    half_open_free(ike, sa);
    reassembly_free(ike, sa);
    sent_free(ike, &sa->response);
    request_clear(ike, sa);
    sa_unlink_peer(ike, sa);
    ike_sa_name(ike, &sa->local_id, NULL);
    ike_sa_name(ike, &sa->remote_id, NULL);
    former_gone(ike, sa);
    heap_set(&ike->timers, sa->slot, NS_NEVER);
    secret_wipe(&sa->keys, sizeof(sa->keys));
    sa->state = SA_FREE;
    slab_free(&ike->sas, sa->slot);
}

struct ike_sa *sa_by_spi(struct ike *ike, uint64_t our_spi, enum cause *ret_cause)
{
    struct hf_spi spi;
    *ret_cause = CAUSE_SPI_FORGED;
    if (!hf_ike_spi_decode(&ike->config.spi, our_spi, &spi)) {
        return NULL;
    }
    *ret_cause = CAUSE_NOT_OURS;
    uint16_t position = ike->position_of[spi.shard];
    enum ike_shard_state state =
        position == SHARD_ABSENT ? IKE_SHARD_AWAY : (enum ike_shard_state)ike->shard[position].state;
    if (state == IKE_SHARD_AWAY || state == IKE_SHARD_LEAVING) {
        *ret_cause = state == IKE_SHARD_AWAY ? CAUSE_NOT_OURS : CAUSE_MOVING;
        return NULL;
    }
    *ret_cause = state == IKE_SHARD_LOADING ? CAUSE_STARTING : CAUSE_SPI_UNKNOWN;
    uint32_t slot = slab_slot(&ike->sas, position, spi.index);
    if (slot == SLAB_NONE || !slab_is_used(&ike->sas, slot) || sa_our_spi(&ike->sa[slot]) != our_spi) {
        return NULL;
    }
    *ret_cause = CAUSE_NONE;
    return &ike->sa[slot];
}

/* One place is kept for the child of a request in flight. */
static bool child_has_room(const struct ike *ike, const struct ike_sa *sa)
{
    uint32_t reserved = sa->request.child;
    bool waits = reserved != SLOT_NONE && ike->child[reserved].state == CHILD_RESERVED;
    return sa->num_children + (waits ? 1 : 0) < CHILD_PER_SA_MAX;
}

ns_t soft_due(struct ike *ike, ns_t period)
{
    return period == 0 ? NS_NEVER : ike->time.now + period - rand_u64(&ike->config.rand) % (period / 8 + 1);
}

struct ike_child *child_reserve(struct ike *ike, struct ike_sa *sa)
{
    uint32_t position = slab_position(&ike->sas, sa->slot);
    uint32_t slot = child_has_room(ike, sa) ? slab_take(&ike->children, position) : SLAB_NONE;
    if (slot == SLAB_NONE) {
        return NULL;
    }
    struct ike_child *child = &ike->child[slot];
    struct hf_spi spi = {
        .epoch = ike->config.spi.mint_epoch,
        .shard = ike->config.shards[position],
        .index = slab_index(&ike->children, slot),
    };
    *child = (struct ike_child){.slot = slot,
                                .sa = sa->slot,
                                .state = CHILD_RESERVED,
                                .spi_in = hf_esp_spi_encode(&ike->config.spi, &spi),
                                .rekeys = SLOT_NONE,
                                .answer_id = ANSWER_NONE,
                                .rekey_at = NS_NEVER};
    return child;
}

void child_adopt(struct ike *ike, struct ike_sa *sa, struct ike_child *child)
{
    hf_assert(child->state == CHILD_RESERVED && sa->num_children < CHILD_PER_SA_MAX);
    child->sa = sa->slot;
    child->state = CHILD_INSTALLING;
    child->created = ike->time.now;
    sa->childless_end = NS_NEVER;
    child->rekey_at = soft_due(ike, ike->policy->timers.child_rekey);
    sa->children[sa->num_children++] = child->slot;
    ike->counters.children++;
}

struct ike_child *child_take(struct ike *ike, struct ike_sa *sa)
{
    struct ike_child *child = child_reserve(ike, sa);
    if (child != NULL) {
        child_adopt(ike, sa, child);
    }
    return child;
}

void child_release(struct ike *ike, struct ike_child *child)
{
    secret_wipe(&child->key_in, sizeof(child->key_in));
    secret_wipe(&child->key_out, sizeof(child->key_out));
    stock_give(&ike->ranges, child->ts);
    child->ts = NULL;
    child->state = CHILD_FREE;
    slab_free(&ike->children, child->slot);
}

void child_free(struct ike *ike, struct ike_child *child)
{
    struct ike_sa *sa = &ike->sa[child->sa];
    uint32_t at = 0;
    while (at < sa->num_children && sa->children[at] != child->slot) {
        at++;
    }
    hf_assert(at < sa->num_children);
    memmove(&sa->children[at], &sa->children[at + 1], (sa->num_children - at - 1) * sizeof(sa->children[0]));
    sa->num_children--;
    ike->counters.children--;
    child_release(ike, child);
    childless_arm(ike, sa);
}

static bool has_address(const struct ike_sa *sa, const struct ip_addr *addr)
{
    uint32_t i = 0;
    while (i < sa->num_addresses && !ip_equal(&sa->addresses[i], addr)) {
        i++;
    }
    return i < sa->num_addresses;
}

struct ike_sa *sa_sharing(struct ike *ike, const struct ike_sa *sa, const struct ip_addr *addr)
{
    struct ike_sa *latest = NULL;
    for (uint32_t slot = sa_first_of_peer(ike, sa->remote_id, sa->connection); slot != SLOT_NONE;
         slot = ike->sa[slot].peer_next) {
        struct ike_sa *other = &ike->sa[slot];
        if (other != sa && (latest == NULL || other->turn > latest->turn) && has_address(other, addr) &&
            identity_equal(other->remote_id, sa->remote_id) &&
            strcmp(other->connection, sa->connection) == 0) {
            latest = other;
        }
    }
    return latest;
}

struct ike_child *sa_child_by_spi_out(struct ike *ike, const struct ike_sa *sa, uint32_t spi_out)
{
    for (uint32_t i = 0; i < sa->num_children; i++) {
        struct ike_child *child = &ike->child[sa->children[i]];
        if (child->spi_out == spi_out) {
            return child;
        }
    }
    return NULL;
}

struct half_open *half_open_take(struct ike *ike, struct ike_sa *sa)
{
    if (ike->half_open_free == 0) {
        return NULL;
    }
    while (ike->half_open[ike->half_open_cursor].sa != SLOT_NONE) {
        ike->half_open_cursor = (ike->half_open_cursor + 1) % ike->config.half_open_max;
    }
    struct half_open *half_open = &ike->half_open[ike->half_open_cursor];
    *half_open = (struct half_open){.sa = sa->slot, .request = BLOB_EMPTY, .response = BLOB_EMPTY};
    sa->half_open = ike->half_open_cursor;
    ike->half_open_free--;
    ike->counters.half_open++;
    ike->shard[slab_position(&ike->sas, sa->slot)].half_open++;
    return half_open;
}

void half_open_forget(struct ike *ike, struct ike_sa *sa)
{
    struct half_open *half_open = sa->half_open == SLOT_NONE ? NULL : &ike->half_open[sa->half_open];
    if (half_open != NULL && !half_open->over) {
        half_open->over = true;
        ike->shard[slab_position(&ike->sas, sa->slot)].half_open--;
        blob_free(&ike->blobs, &half_open->request);
        blob_free(&ike->blobs, &half_open->response);
        map_remove(&ike->init_digests, half_open->digest);
    }
}

void half_open_free(struct ike *ike, struct ike_sa *sa)
{
    if (sa->half_open == SLOT_NONE) {
        return;
    }
    half_open_forget(ike, sa);
    gate_leave(ike, &ike->half_open[sa->half_open]);
    ike->half_open[sa->half_open].sa = SLOT_NONE;
    sa->half_open = SLOT_NONE;
    ike->half_open_free++;
    ike->counters.half_open--;
}

static uint64_t peer_key(const struct ike *ike, const struct identity *id, const char *connection)
{
    uint8_t head[IKE_ID_BYTES_MAX + 1];
    head[0] = id->type;
    memcpy(head + 1, id->data, id->len);
    return ike_hash(ike, span_of(head, (size_t)id->len + 1), span_of_string(connection));
}

uint32_t sa_first_of_peer(const struct ike *ike, const struct identity *id, const char *connection)
{
    return map_get(&ike->peers, peer_key(ike, id, connection));
}

void sa_link_peer(struct ike *ike, struct ike_sa *sa)
{
    uint64_t key = peer_key(ike, sa->remote_id, sa->connection);
    uint32_t first = map_get(&ike->peers, key);
    sa->peer_prev = SLOT_NONE;
    sa->peer_next = first;
    if (first != MAP_NONE) {
        ike->sa[first].peer_prev = sa->slot;
    }
    bool placed = map_put(&ike->peers, key, sa->slot);
    hf_assert(placed); /* the map holds as many entries as there are slots */
}

void sa_unlink_peer(struct ike *ike, struct ike_sa *sa)
{
    if (sa->connection[0] == '\0') {
        return;
    }
    uint64_t key = peer_key(ike, sa->remote_id, sa->connection);
    if (sa->peer_next != SLOT_NONE) {
        ike->sa[sa->peer_next].peer_prev = sa->peer_prev;
    }
    if (sa->peer_prev != SLOT_NONE) {
        ike->sa[sa->peer_prev].peer_next = sa->peer_next;
    } else if (map_get(&ike->peers, key) == sa->slot) {
        map_remove(&ike->peers, key);
        if (sa->peer_next != SLOT_NONE) {
            bool placed = map_put(&ike->peers, key, sa->peer_next);
            hf_assert(placed);
        }
    }
    sa->peer_prev = sa->peer_next = SLOT_NONE;
}

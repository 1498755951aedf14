/* What the engine asks for, as effects; what it may know of pools and shards. The only glue between engines.
 */
#include "edge/core/internal.h"

#define PICK_TRIES 8

static void host_send(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                      struct span bytes)
{
    struct core *core = context;
    struct span copy = effect_copy(core, bytes);
    effect_add(core, EFFECT_SEND)->send =
        (struct effect_send){.local = *local, .remote = *remote, .bytes = copy, .natt = natt};
}

/* In a fleet most are others'; the gate lets nobody in when all are. */
static uint32_t draw(struct core *core)
{
    uint32_t num_shards = core->config.num_shards;
    uint32_t position = (uint32_t)(rand_u64(&core->config.rand) % num_shards);
    for (uint32_t i = 0; core->config.in_fleet && i < num_shards && !ike_shard_is_here(core->ike, position);
         i++) {
        position = (position + 1) % num_shards;
    }
    return position;
}

/* The better of a few random shards: evens out addresses without a search. */
static uint32_t host_shard_pick(void *context, const struct ip_addr *addr)
{
    struct core *core = context;
    uint32_t near = addr == NULL ? UINT32_MAX : pools_position(core, addr);
    if (near != UINT32_MAX && ike_shard_is_here(core->ike, near) &&
        shard_is_owned(core->shards[near].state) && ike_shard_has_room(core->ike, near)) {
        return near;
    }
    uint32_t best = 0, best_left = 0;
    for (int i = 0; i < PICK_TRIES && (i < 2 || best_left == 0); i++) {
        uint32_t position = draw(core);
        bool usable = shard_is_owned(core->shards[position].state) && ike_shard_has_room(core->ike, position);
        uint32_t left = usable ? pools_left(core, position) : 0;
        if (i == 0 || left > best_left) {
            best = position;
            best_left = left;
        }
    }
    return best;
}

static bool host_address_take(void *context, const struct ike_address_wish *wish, struct ip_addr *ret_addr)
{
    return pools_take(context, wish, ret_addr);
}

static void host_address_free(void *context, const struct ip_addr *addr)
{
    pools_free(context, addr);
}

static struct plane_op *plane_effect(struct core *core, enum plane_op_type type, uint32_t child,
                                     uint64_t token)
{
    struct plane_op *op = &effect_add(core, EFFECT_PLANE)->plane;
    *op = (struct plane_op){.type = type, .token = token, .child = child};
    return op;
}

static void host_child_install(void *context, const struct ike_sa *sa, const struct ike_child *child,
                               uint64_t token)
{
    struct core *core = context;
    uint32_t position = ike_shard_position(core->ike, sa->slot);
    struct plane_child *install = effect_room(core, sizeof(*install));
    *install = (struct plane_child){
        .child = child->slot,
        .session = sa->slot,
        .spi_in = child->spi_in,
        .spi_out = child->spi_out,
        .suite = child->suite,
        .key_in = child->key_in,
        .key_out = child->key_out,
        .local = sa->local,
        .remote = sa->remote,
        .iv_epoch = core->shards[position].epoch,
        .iv_node = core->config.node,
        .sequence_out = child->sequence_out,
        .sequence_limit = child->sequence_limit,
        .replay_start = child->sequence_in,
        .soft = {child->soft.bytes, child->soft.packets},
        .hard = {child->hard.bytes, child->hard.packets},
        .num_addresses = sa->num_addresses,
        .num_ts_local = child->ts->num_local,
        .num_ts_remote = child->ts->num_remote,
        .outbound = child->outbound,
        .is_deaf = child->exposed && core->policy->takeover_strict,
    };
    memcpy(install->addresses, sa->addresses, sizeof(install->addresses));
    memcpy(install->ts_local, child->ts->v, child->ts->num_local * sizeof(struct ts_range));
    memcpy(install->ts_remote, ranges_remote(child->ts), child->ts->num_remote * sizeof(struct ts_range));
    plane_effect(core, PLANE_INSTALL, child->slot, token)->install = install;
}

static void host_child_outbound(void *context, const struct ike_child *child)
{
    plane_effect(context, PLANE_OUTBOUND, child->slot, 0);
}

static void host_child_endpoint(void *context, const struct ike_sa *sa, const struct ike_child *child)
{
    struct plane_op *op = plane_effect(context, PLANE_UPDATE_ENDPOINT, child->slot, 0);
    op->local = sa->local;
    op->remote = sa->remote;
}

static void host_child_remove(void *context, const struct ike_child *child, uint64_t token)
{
    plane_effect(context, PLANE_REMOVE, child->slot, token);
}

static void host_child_read(void *context, const struct ike_child *child, uint64_t token)
{
    plane_effect(context, PLANE_READ, child->slot, token);
}

static void host_child_sequence(void *context, const struct ike_child *child)
{
    plane_effect(context, PLANE_SEQUENCE_LIMIT, child->slot, 0)->sequence_limit = child->sequence_limit;
}

static void host_record_put(void *context, const struct ike_sa *sa, uint32_t replaces, uint64_t token)
{
    struct core *core = context;
    if (!save_put(core, sa, replaces, token)) {
        hf_assert(core->num_failed < HF_COUNT(core->failed_tokens));
        core->failed_tokens[core->num_failed++] = token;
    }
}

static void host_record_delete(void *context, uint32_t slot)
{
    save_delete(context, slot);
}

/* Of no shard: whoever has seen it, has seen it for the whole fleet. */
static void host_once(void *context, uint32_t position, struct span value, uint32_t ttl_ms, uint64_t token)
{
    struct core *core = context;
    struct span copy = effect_copy(core, value);
    effect_add(core, EFFECT_STORE)->store = (struct store_op){
        .type = STORE_ONCE,
        .token = token,
        .shard = core->config.shards[position],
        .epoch = core->shards[position].epoch,
        .replaces = STORE_NO_INDEX,
        .value = copy,
        .ttl_ms = ttl_ms,
    };
}

static bool host_shard_is_read(void *context, uint32_t position)
{
    const struct core *core = context;
    return core->shards[position].state == SHARD_OWNED;
}

static uint16_t host_epoch(void *context, uint32_t position)
{
    struct core *core = context;
    return core->shards[position].epoch;
}

static enum audit_type audit_of(enum ike_news news)
{
    switch (news) {
    case NEWS_SESSION_UP:
        return AUDIT_SESSION_UP;
    case NEWS_SESSION_DOWN:
        return AUDIT_SESSION_DOWN;
    case NEWS_LOGIN_FAILED:
        return AUDIT_LOGIN_FAILED;
    case NEWS_SESSION_RESTORED:
        return AUDIT_SESSION_RESTORED;
    case NEWS_IKE_REKEYED:
        return AUDIT_IKE_REKEYED;
    case NEWS_SESSION_MOVED:
        return AUDIT_SESSION_MOVED;
    case NEWS_CHILD_UP:
        return AUDIT_CHILD_UP;
    case NEWS_CHILD_FAILED:
        return AUDIT_CHILD_FAILED;
    case NEWS_CHILD_DOWN:
        return AUDIT_CHILD_DOWN;
    case NEWS_QUIRK:
        return AUDIT_QUIRK;
    case NEWS_STORE_FAILED:
        return AUDIT_STORE_FAILED;
    case NEWS_STORE_RECOVERED:
        return AUDIT_STORE_RECOVERED;
    }
    __builtin_unreachable();
}

/* The SA's own may be gone at the end of this very step. */
static const struct identity *identity_copy(struct core *core, const struct identity *id)
{
    if (id == NULL) {
        return NULL;
    }
    struct identity *copy = effect_room(core, sizeof(*copy));
    *copy = identity_whole(id);
    return copy;
}

static void host_news(void *context, enum ike_news news, const struct ike_sa *sa,
                      const struct ike_child *child, enum cause cause, const char *detail)
{
    struct core *core = context;
    bool known = sa->established_unix_s != 0;
    struct audit audit = {
        .type = audit_of(news),
        .cause = cause,
        .session_id = sa->session_id,
        .spi_i = sa->spi_i,
        .spi_r = sa->spi_r,
        .local = sa->local,
        .remote = sa->remote,
        .local_id = identity_copy(core, sa->local_id),
        .remote_id = identity_copy(core, sa->remote_id),
        .connection = sa->connection[0] == '\0' ? NULL : sa->connection,
        .num_addresses = sa->num_addresses,
        .detail = detail,
        .suite = sa->suite,
        .bytes_in = sa->bytes_in,
        .bytes_out = sa->bytes_out,
        .is_only = news == NEWS_SESSION_UP && sa->initial_contact,
        .duration = known ? (ns_t)(core->time.unix_s - sa->established_unix_s) * NS_PER_S : 0,
    };
    memcpy(audit.addresses, sa->addresses, sizeof(audit.addresses));
    if (audit.connection != NULL) { /* the SA forgets it when it closes, in this very step */
        audit.connection =
            (const char *)effect_copy(core, span_of(sa->connection, sizeof(sa->connection))).data;
    }
    if (child != NULL) {
        audit.esp_spi_in = child->spi_in;
        audit.esp_spi_out = child->spi_out;
    }
    effect_audit(core, &audit);
}

struct ike_host core_host(struct core *core)
{
    return (struct ike_host){
        .context = core,
        .send = host_send,
        .shard_pick = host_shard_pick,
        .address_take = host_address_take,
        .address_free = host_address_free,
        .child_install = host_child_install,
        .child_outbound = host_child_outbound,
        .child_endpoint = host_child_endpoint,
        .child_remove = host_child_remove,
        .child_read = host_child_read,
        .child_sequence = host_child_sequence,
        .record_put = host_record_put,
        .record_delete = host_record_delete,
        .once = host_once,
        .shard_is_read = host_shard_is_read,
        .news = host_news,
        .epoch = host_epoch,
    };
}

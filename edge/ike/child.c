/* Creating a Child SA: negotiation, keys, selectors. IKE_AUTH and CREATE_CHILD_SA share it (RFC
 * 7296 1.2, 1.3). */
#include "edge/base/secret.h"
#include "edge/ike/internal.h"

const struct policy_connection *connection_by_name(const struct policy *policy, const char *name)
{
    for (uint32_t i = 0; i < policy->num_connections; i++) {
        if (strcmp(policy->connections[i].name, name) == 0) {
            return &policy->connections[i];
        }
    }
    return NULL;
}

static bool child_failed(struct child_result *result, enum cause cause, uint16_t notify)
{
    result->cause = cause;
    result->notify = notify;
    return false;
}

static bool child_propose(struct ike *ike, const struct ike_sa *sa, const struct child_request *request,
                          struct child_result *result)
{
    const struct message *message = request->message;
    struct sa_view *offer = &ike->scratch.offer;
    enum cause cause = sa_read(message->sa, offer);
    if (cause != CAUSE_NONE) {
        return child_failed(result, cause, NOTIFY_INVALID_SYNTAX);
    }
    cause = propose_esp(&ike->policy->esp, offer, message->ke_group, request->in_auth, &result->choice);
    if (cause != CAUSE_NONE) {
        return child_failed(result, cause, NOTIFY_NO_PROPOSAL_CHOSEN);
    }
    uint32_t spi = be32_load(result->choice.spi.data);
    if (spi < ESP_SPI_MIN || sa_child_by_spi_out(ike, sa, spi) != NULL) {
        return child_failed(result, CAUSE_SA_SYNTAX, NOTIFY_NO_PROPOSAL_CHOSEN);
    }
    uint16_t group = result->choice.esp.ke;
    if (group != KE_NONE && group != message->ke_group) {
        result->ke_wanted = group;
        return child_failed(result, CAUSE_KE_GROUP, NOTIFY_INVALID_KE_PAYLOAD);
    }
    return true;
}

/* What the client may use as its side: the addresses we gave it, or else the one it comes from. */
static uint32_t remote_allowed(const struct ike_sa *sa, struct ts_range ret[ADDRESSES_PER_SESSION_MAX])
{
    for (uint32_t i = 0; i < sa->num_addresses; i++) {
        ret[i] = range_of_host(&sa->addresses[i]);
    }
    if (sa->num_addresses == 0) {
        ret[0] = range_of_host(&sa->remote.addr);
        return 1;
    }
    return sa->num_addresses;
}

/* A rekeyed child keeps the selectors of the old one exactly: Windows refuses anything else. */
static bool child_narrow(struct ike *ike, const struct ike_sa *sa, const struct child_request *request,
                         struct ike_child *child, struct child_result *result)
{
    const struct policy_connection *connection = connection_by_name(ike->policy, sa->connection);
    struct ts_range own[ADDRESSES_PER_SESSION_MAX];
    const struct ts_range *remote = own, *local = connection == NULL ? NULL : connection->subnets;
    uint32_t num_remote = remote_allowed(sa, own),
             num_local = connection != NULL ? connection->num_subnets : 0;
    if (request->rekeys != NULL) {
        remote = ranges_remote(request->rekeys->ts);
        num_remote = request->rekeys->ts->num_remote;
        local = request->rekeys->ts->v;
        num_local = request->rekeys->ts->num_local;
    }
    if (connection == NULL) { /* gone by a reload: what there is goes on, nothing is added */
        return child_failed(result, CAUSE_NO_CONNECTION, NOTIFY_NO_ADDITIONAL_SAS);
    }
    if (connection->pool != POLICY_NO_POOL && sa->num_addresses == 0) {
        return child_failed(result, CAUSE_CP_MISSING, NOTIFY_FAILED_CP_REQUIRED);
    }
    struct ts_view *ts = &ike->scratch.ts;
    struct ts_range to_local[SELECTORS_PER_CHILD_MAX], to_remote[SELECTORS_PER_CHILD_MAX];
    enum cause cause = ts_read(request->message->ts_i, ts);
    if (cause == CAUSE_NONE) {
        num_remote = narrow(ts, remote, num_remote, to_remote, SELECTORS_PER_CHILD_MAX);
        cause = ts_read(request->message->ts_r, ts);
    }
    if (cause != CAUSE_NONE) {
        return child_failed(result, cause, NOTIFY_INVALID_SYNTAX);
    }
    num_local = narrow(ts, local, num_local, to_local, SELECTORS_PER_CHILD_MAX);
    if (num_remote == 0 || num_local == 0) {
        return child_failed(result, CAUSE_TS_NONE, NOTIFY_TS_UNACCEPTABLE);
    }
    ike_child_select(ike, child, to_local, num_local, to_remote, num_remote);
    return true;
}

static bool child_keys(struct ike *ike, const struct ike_sa *sa, const struct child_request *request,
                       struct ike_child *child, struct child_result *result)
{
    struct ke_value shared = {0};
    uint16_t group = child->suite.ke;
    bool ok = true;
    if (group != KE_NONE) {
        ok = ke_agree(group, &ike->config.rand, request->message->ke, &result->ke_public, &shared);
    }
    if (ok) {
        kdf_child(sa->suite.prf, span_of(sa->keys.d, prf_bytes(sa->suite.prf)),
                  span_of(shared.bytes, shared.len), &request->nonces, &child->suite, &child->key_in,
                  &child->key_out);
    }
    secret_wipe(&shared, sizeof(shared));
    return ok || child_failed(result, CAUSE_KE_INVALID, NOTIFY_INVALID_SYNTAX);
}

/* The table has room for one child of each session and its successor: who wants more takes what is left while
 * a quarter of its shard is free, so that there is always room for rekeys. */
static bool shard_spares_child(const struct ike *ike, const struct ike_sa *sa)
{
    const struct slab *children = &ike->children;
    uint32_t used = children->used_in[slab_position(&ike->sas, sa->slot)];
    return used < children->per_shard - children->per_shard / 4;
}

/* RFC 7296 1.3: an SA too many will not be had later either; one that waits for another to go may. */
static struct ike_child *child_place(struct ike *ike, struct ike_sa *sa, const struct child_request *request,
                                     struct child_result *result)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < sa->num_children; i++) {
        live += ike->child[sa->children[i]].state != CHILD_REPLACED ? 1 : 0;
    }
    bool full = request->rekeys == NULL &&
                (live >= CHILD_NEW_PER_SA_MAX || (live > 0 && !shard_spares_child(ike, sa)));
    struct ike_child *child = full ? NULL : child_take(ike, sa);
    if (child == NULL) {
        (void)child_failed(result, CAUSE_CHILD_LIMIT,
                           full || request->in_auth ? NOTIFY_NO_ADDITIONAL_SAS : NOTIFY_TEMPORARY_FAILURE);
    }
    return child;
}

struct ike_child *child_create(struct ike *ike, struct ike_sa *sa, const struct child_request *request,
                               struct child_result *ret_result)
{
    *ret_result = (struct child_result){0};
    if (!child_propose(ike, sa, request, ret_result)) {
        return NULL;
    }
    struct ike_child *child = child_place(ike, sa, request, ret_result);
    if (child == NULL) {
        return NULL;
    }
    child->suite = ret_result->choice.esp;
    child->spi_out = be32_load(ret_result->choice.spi.data);
    child->sequence_limit = ESP_SEQUENCE_STEP;
    child->outbound = request->rekeys == NULL;
    child->rekeys = request->rekeys == NULL ? SLOT_NONE : request->rekeys->slot;
    if (!child_narrow(ike, sa, request, child, ret_result) ||
        !child_keys(ike, sa, request, child, ret_result)) {
        child_free(ike, child);
        return NULL;
    }
    return child;
}

void child_answer(struct ike *ike, struct builder *b, const struct ike_child *child,
                  const struct child_result *result)
{
    uint8_t spi[4];
    be32_store(spi, child->spi_in);
    propose_answer(ike, b, &result->choice, span_of(spi, sizeof(spi)));
    if (result->ke_public.len > 0) {
        build_ke(b, child->suite.ke, span_of(result->ke_public.bytes, result->ke_public.len));
    }
    build_ts(b, PAYLOAD_TSI, ranges_remote(child->ts), child->ts->num_remote);
    build_ts(b, PAYLOAD_TSR, child->ts->v, child->ts->num_local);
}

/* What the gateway is at rest: its gauges, leases and tables, against the plane, the store and the clients.
 */
#include "tests/lib/check.h"

#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/world.h"

#include <stdarg.h>
#include <stdio.h>

#define TIMERS_AT_ONCE_MAX 256

void check_fail(struct world *world, const char *id, const char *format, ...)
{
    struct check *check = &world->check;
    if (check->id[0] != '\0') {
        return;
    }
    snprintf(check->id, sizeof(check->id), "%s", id);
    va_list args;
    va_start(args, format);
    vsnprintf(check->text, sizeof(check->text), format, args);
    va_end(args);
    world_trace(world, "VIOLATION %s: %s", check->id, check->text);
}

bool check_failed(const struct world *world)
{
    return world->check.id[0] != '\0';
}

struct totals {
    uint32_t established, half_open, children, unsaved, v4, v6;
};

/* A client that logs in again keeps its address: two sessions of one identity have one lease. */
static bool is_shared(const struct world *world, uint32_t until, const struct identity *id,
                      const struct ip_addr *addr)
{
    struct session_view other;
    uint32_t cursor = 0;
    while (core_session_next(world->core, world->now, &cursor, &other) && cursor < until) {
        for (uint32_t i = 0; i < other.num_addresses; i++) {
            if (ip_equal(&other.addresses[i], addr)) {
                return other.remote_id != NULL && id != NULL && identity_equal(other.remote_id, id);
            }
        }
    }
    return false;
}

static struct totals totals_of(const struct world *world)
{
    struct totals totals = {0};
    struct session_view view;
    uint32_t cursor = 0;
    while (core_session_next(world->core, world->now, &cursor, &view)) {
        totals.established += view.established ? 1 : 0;
        totals.unsaved += view.unsaved ? 1 : 0;
        totals.children += view.num_children;
        for (uint32_t i = 0; i < view.num_addresses; i++) {
            if (is_shared(world, cursor, view.remote_id, &view.addresses[i])) {
                continue;
            }
            *(ip_is_v4(&view.addresses[i]) ? &totals.v4 : &totals.v6) += 1;
        }
    }
    /* A handshake that was refused keeps its place for a while, though it is nobody's session any more. */
    for (uint32_t slot = 0; slot < ike_capacity(world->core->ike); slot++) {
        const struct ike_sa *sa = ike_sa_at(world->core->ike, slot);
        totals.half_open += sa != NULL && sa->half_open != SLOT_NONE ? 1 : 0;
    }
    return totals;
}

static void check_equal(struct world *world, const char *id, const char *what, uint64_t is, uint64_t should)
{
    if (is != should) {
        check_fail(world, id, "%s: %llu, should be %llu", what, (unsigned long long)is,
                   (unsigned long long)should);
    }
}

static void pool_totals(const struct world *world, uint64_t *ret_v4, uint64_t *ret_v6)
{
    struct pool_view pools[POOLS_MAX];
    uint32_t count = core_pools(world->core, pools, POOLS_MAX);
    *ret_v4 = *ret_v6 = 0;
    for (uint32_t i = 0; i < count; i++) {
        *ret_v4 += pools[i].leased_v4;
        *ret_v6 += pools[i].leased_v6;
    }
}

void check_step(struct world *world)
{
    const struct core_counters *c = core_counters(world->core);
    struct totals totals = totals_of(world);
    uint64_t v4, v6;
    world->check.num_checks++;
    check_equal(world, "P3", "gauge of sessions", c->sessions, totals.established);
    check_equal(world, "P3", "gauge of half-open SAs", c->half_open, totals.half_open);
    check_equal(world, "P3", "gauge of children", c->children, totals.children);
    check_equal(world, "P3", "gauge of unsaved sessions", c->unsaved, totals.unsaved);
    pool_totals(world, &v4, &v6);
    check_equal(world, "P1", "IPv4 leases", v4, totals.v4);
    check_equal(world, "P1", "IPv6 leases", v6, totals.v6);
}

void check_timer(struct world *world)
{
    struct check *check = &world->check;
    if (check->timer_at != world->now) {
        check->timer_at = world->now;
        check->timers = 0;
    }
    if (++check->timers > TIMERS_AT_ONCE_MAX) {
        check_fail(world, "T1", "timers without end");
    }
}

/* Every child of a session is in the plane, and none else. */
static void check_plane(struct world *world)
{
    struct session_view view;
    uint32_t cursor = 0, children = 0;
    while (core_session_next(world->core, world->now, &cursor, &view)) {
        for (uint32_t i = 0; i < view.num_children; i++) {
            if (plane_model_find(&world->plane, view.children[i].spi_in) == NULL) {
                check_fail(world, "E1", "child %08x is not in the plane", view.children[i].spi_in);
            }
            children++;
        }
    }
    check_equal(world, "P2", "SAs in the plane", plane_model_count(&world->plane), children);
}

/* What a connected client believes is what the gateway has. */
static void check_client(struct world *world, const struct initiator *client)
{
    struct session_view view;
    uint32_t cursor = 0;
    const struct initiator_sa *sa = initiator_current(client);
    while (core_session_next(world->core, world->now, &cursor, &view)) {
        if (view.spi_i != sa->spi_i || view.spi_r != sa->spi_r) {
            continue;
        }
        if (world->check.lenient_store && world->restarts > 0) {
            return; /* what was answered without a record is not there after a restart */
        }
        /* A restart forgets what the client agreed to a moment before: the client has a child too many, until
         * it rekeys it and learns that it is not there (RFC 7296 2.25.1). */
        bool forgets =
            world->restarts > 0 && (world->options.child_rekey != 0 || world->options.ike_rekey != 0 ||
                                    client->counters.gateway_rekeys > 0);
        if (!forgets) {
            check_equal(world, "E1", "children of a session", view.num_children,
                        initiator_num_children(client));
        }
        for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
            const struct initiator_child *child = &client->children[i];
            const struct plane_model_child *there =
                child->used ? plane_model_find(&world->plane, child->spi_out) : NULL;
            if (child->used && !forgets && (there == NULL || there->spi_out != child->spi_in)) {
                check_fail(world, "E1", "the client's child %08x is not in the plane", child->spi_out);
            }
        }
        return;
    }
}

void check_settled(struct world *world)
{
    const struct core_counters *c = core_counters(world->core);
    check_plane(world);
    if (world->options.nodes > 1) {
        return; /* clients and records are of all nodes */
    }
    for (uint32_t i = 0; i < world->num_clients && !world->check.deaf_clients; i++) {
        if (world->clients[i]->state == INITIATOR_UP) {
            check_client(world, world->clients[i]);
        }
    }
    if (!world->check.lenient_store) {
        check_equal(world, "P2", "records in the store", store_model_count(&world->store),
                    c->sessions - c->unsaved);
    }
    ns_t deadline = core_deadline(world->core);
    if (deadline < world->now && world->now - deadline > NS_PER_S) {
        check_fail(world, "T1", "a deadline passed %llu ms ago",
                   (unsigned long long)((world->now - deadline) / NS_PER_MS));
    }
}

void check_empty(struct world *world)
{
    const struct ike *ike = world->core->ike;
    const struct core_counters *c = core_counters(world->core);
    uint64_t v4, v6;
    pool_totals(world, &v4, &v6);
    check_equal(world, "P1", "IPv4 leases at the end", v4, 0);
    check_equal(world, "P1", "IPv6 leases at the end", v6, 0);
    check_equal(world, "P2", "sessions at the end", c->sessions, 0);
    check_equal(world, "P2", "half-open SAs at the end", c->half_open, 0);
    check_equal(world, "P2", "children at the end", c->children, 0);
    check_equal(world, "P2", "unsaved sessions at the end", c->unsaved, 0);
    check_equal(world, "P2", "SAs in the plane at the end", plane_model_count(&world->plane), 0);
    check_equal(world, "P2", "IKE SA slots at the end", ike->sas.used, 0);
    check_equal(world, "P2", "child slots at the end", ike->children.used, 0);
    check_equal(world, "P2", "blocks free at the end", ike->blobs.free_count, ike->blobs.capacity);
    check_equal(world, "P2", "half-open places at the end", ike->half_open_free, ike->config.half_open_max);
    check_equal(world, "P2", "digests at the end", ike->init_digests.count, 0);
    check_equal(world, "P2", "peers at the end", ike->peers.count, 0);
    check_equal(world, "P2", "timers at the end", ike->timers.count, 0);
    check_equal(world, "P2", "identities at the end", ike->identities.used, 0);
    check_equal(world, "P2", "selectors at the end", ike->ranges.used, 0);
    for (uint32_t i = 0; i < REASSEMBLIES_MAX; i++) {
        check_equal(world, "P2", "reassemblies at the end", ike->reassemblies[i].sa, SLOT_NONE);
    }
    if (!world->check.lenient_store) {
        check_equal(world, "P2", "records at the end", store_model_count(&world->store), 0);
    }
}

static uint64_t sa_hash(uint64_t hash, const struct ike_sa *sa)
{
    const uint64_t facts[] = {sa->slot,
                              sa->state,
                              sa->wait,
                              sa->spi_i,
                              sa->spi_r,
                              sa->iv_counter,
                              sa->peer_next_id,
                              sa->our_next_id,
                              sa->response.valid ? sa->response.id : UINT64_MAX,
                              sa->request.message.valid ? sa->request.message.id : UINT64_MAX,
                              sa->request.tries,
                              sa->last_in,
                              sa->expires,
                              sa->num_children,
                              sa->num_addresses,
                              sa->local.port,
                              sa->remote.port,
                              sa->natt,
                              sa->behind_nat,
                              sa->move.pending,
                              sa->move.to.remote.port,
                              sa->reassembly};
    hash = check_hash(hash, facts, sizeof(facts));
    hash = check_hash(hash, sa->remote.addr.bytes, sizeof(sa->remote.addr.bytes));
    hash = check_hash(hash, sa->move.to.remote.addr.bytes, sizeof(sa->move.to.remote.addr.bytes));
    return check_hash(hash, &sa->keys, sizeof(sa->keys));
}

uint64_t check_state_hash(struct world *world)
{
    struct ike *ike = world->core->ike;
    const struct core_counters *c = core_counters(world->core);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint32_t slot = 0; slot < ike_capacity(ike); slot++) {
        const struct ike_sa *sa = ike_sa_at(ike, slot);
        if (sa != NULL) {
            hash = sa_hash(hash, sa);
        }
    }
    const uint64_t facts[] = {c->handshakes_ok,  c->sessions,   c->half_open,    c->children,
                              c->unsaved,        c->ike_rekeys, c->child_rekeys, ike->blobs.free_count,
                              ike->children.used};
    return check_hash(hash, facts, sizeof(facts));
}

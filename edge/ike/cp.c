/* Configuration payload (RFC 7296 3.15, RFC 8598): inner addresses and what goes with them. */
#include "edge/ike/internal.h"

static const struct cp_attribute *cp_find(const struct cp_view *request, uint16_t type)
{
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->v[i].type == type) {
            return &request->v[i];
        }
    }
    return NULL;
}

/* The address a client had before and asks for again; false when it leaves the choice to us. */
static bool cp_wanted(const struct cp_attribute *attribute, bool v6, struct ip_addr *ret_addr)
{
    size_t bytes = v6 ? 16 : 4;
    if (attribute->value.len < bytes) {
        return false;
    }
    *ret_addr = v6 ? ip_from_v6(attribute->value.data) : ip_from_v4(attribute->value.data);
    return !ip_is_zero(ret_addr);
}

/* Who resumes a session, and does not say what it had (RFC 5723 section 5, note 5). */
static bool cp_former(const struct ike *ike, const struct ike_sa *sa, bool v6, struct ip_addr *ret_addr)
{
    const struct half_open *half_open = &ike->half_open[sa->half_open];
    for (uint32_t i = 0; i < half_open->num_former; i++) {
        if (ip_is_v4(&half_open->former[i]) != v6) {
            *ret_addr = half_open->former[i];
            return true;
        }
    }
    return false;
}

/* A client that logs in again keeps the address of its other session, which it then ends, or which its
 * INITIAL_CONTACT ends. The same identity alone may be two devices; the same port is one. */
static bool take_over(struct ike *ike, struct ike_sa *sa, const struct ip_addr *wanted)
{
    struct ike_sa *other = sa_sharing(ike, sa, wanted);
    bool together =
        !ike->config.in_fleet || /* else they may go to different nodes */
        (other != NULL && slab_position(&ike->sas, other->slot) == slab_position(&ike->sas, sa->slot));
    bool again = other != NULL && together && other->state == SA_ESTABLISHED &&
                 (sa->initial_contact || other->session_id == sa->resumed_from ||
                  endpoint_equal(&other->remote, &sa->remote));
    if (again) {
        sa->addresses[sa->num_addresses++] = *wanted;
        sa->shares = other->shares = true;
        sa->turn = HF_MAX(sa->turn, other->turn + 1);
    }
    return again;
}

static bool assign_family(struct ike *ike, struct ike_sa *sa, uint32_t pool, const struct cp_view *request,
                          bool v6)
{
    const struct cp_attribute *attribute =
        cp_find(request, v6 ? CP_INTERNAL_IP6_ADDRESS : CP_INTERNAL_IP4_ADDRESS);
    const struct policy_pool *policy = &ike->policy->pools[pool];
    if (attribute == NULL || !(v6 ? policy->has_v6 : policy->has_v4)) {
        return true;
    }
    struct ip_addr wanted;
    bool wants = cp_wanted(attribute, v6, &wanted) || cp_former(ike, sa, v6, &wanted);
    struct ike_address_wish wish = {
        .pool = pool,
        .position = slab_position(&ike->sas, sa->slot),
        .v6 = v6,
        .wanted = wants ? &wanted : NULL,
    };
    if (wish.wanted != NULL && prefix_contains(v6 ? &policy->v6 : &policy->v4, wish.wanted) &&
        take_over(ike, sa, wish.wanted)) {
        return true;
    }
    struct ike_host *host = &ike->config.host;
    if (!host->address_take(host->context, &wish, &sa->addresses[sa->num_addresses])) {
        return false;
    }
    sa->num_addresses++;
    return true;
}

enum cause cp_assign(struct ike *ike, struct ike_sa *sa, const struct policy_connection *connection,
                     const struct cp_view *request)
{
    if (connection->pool == POLICY_NO_POOL || request->type != CP_CFG_REQUEST) {
        return CAUSE_NONE;
    }
    const char *pool = ike->policy->pools[connection->pool].name;
    size_t len = strlen(pool);
    hf_assert(len < sizeof(sa->pool));
    memcpy(sa->pool, pool, len + 1);
    bool v4 = assign_family(ike, sa, connection->pool, request, false);
    bool v6 = assign_family(ike, sa, connection->pool, request, true);
    /* A client that asked for both and gets one is served; one that gets none is not (RFC 7296 3.15.4). */
    return (v4 && v6) || sa->num_addresses > 0 ? CAUSE_NONE : CAUSE_ADDRESS_FULL;
}

static const struct policy_pool *pool_of(const struct ike *ike, const struct ike_sa *sa)
{
    for (uint32_t i = 0; i < ike->policy->num_pools; i++) {
        if (strcmp(ike->policy->pools[i].name, sa->pool) == 0) {
            return &ike->policy->pools[i];
        }
    }
    return NULL;
}

static void answer_address(struct builder *b, const struct ip_addr *addr)
{
    if (ip_is_v4(addr)) {
        cp_attribute(b, CP_INTERNAL_IP4_ADDRESS, ip_span(addr));
        return;
    }
    uint8_t value[17]; /* address and prefix length (RFC 7296 3.15.1) */
    memcpy(value, addr->bytes, 16);
    value[16] = 128;
    cp_attribute(b, CP_INTERNAL_IP6_ADDRESS, span_of(value, sizeof(value)));
}

static void answer_dns(struct builder *b, const struct policy_pool *pool, const struct cp_view *request)
{
    bool any = false;
    for (uint32_t i = 0; i < pool->num_dns; i++) {
        uint16_t type = ip_is_v4(&pool->dns[i]) ? CP_INTERNAL_IP4_DNS : CP_INTERNAL_IP6_DNS;
        if (cp_find(request, type) != NULL) {
            cp_attribute(b, type, ip_span(&pool->dns[i]));
            any = true;
        }
    }
    if (any && cp_find(request, CP_INTERNAL_DNS_DOMAIN) != NULL) { /* RFC 8598 3.2: never without a server */
        for (uint32_t i = 0; i < pool->num_domains; i++) {
            cp_attribute(b, CP_INTERNAL_DNS_DOMAIN, span_of_string(pool->domains[i]));
        }
    }
}

void cp_answer(struct ike *ike, struct builder *b, const struct ike_sa *sa, const struct cp_view *request)
{
    const struct policy_pool *pool = pool_of(ike, sa);
    if (request->type != CP_CFG_REQUEST || pool == NULL || sa->num_addresses == 0) {
        return;
    }
    cp_begin(b, CP_CFG_REPLY);
    for (uint32_t i = 0; i < sa->num_addresses; i++) {
        answer_address(b, &sa->addresses[i]);
    }
    answer_dns(b, pool, request);
    payload_end(b);
}

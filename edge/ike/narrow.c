/* Traffic selector narrowing (RFC 7296 2.9). */
#include "edge/ike/internal.h"

struct ts_range range_of_host(const struct ip_addr *addr)
{
    return (struct ts_range){.port_last = UINT16_MAX, .first = *addr, .last = *addr};
}

/* The common part of two selectors; false when there is none. */
static bool range_intersect(const struct ts_range *a, const struct ts_range *b, struct ts_range *ret)
{
    if (ip_is_v4(&a->first) != ip_is_v4(&b->first) ||
        (a->protocol != 0 && b->protocol != 0 && a->protocol != b->protocol)) {
        return false;
    }
    *ret = (struct ts_range){
        .protocol = a->protocol != 0 ? a->protocol : b->protocol,
        .port_first = HF_MAX(a->port_first, b->port_first),
        .port_last = HF_MIN(a->port_last, b->port_last),
        .first = ip_compare(&a->first, &b->first) > 0 ? a->first : b->first,
        .last = ip_compare(&a->last, &b->last) < 0 ? a->last : b->last,
    };
    return ret->port_first <= ret->port_last && ip_compare(&ret->first, &ret->last) <= 0;
}

static bool range_within(const struct ts_range *inner, const struct ts_range *outer)
{
    struct ts_range common;
    return range_intersect(inner, outer, &common) && common.protocol == inner->protocol &&
           common.port_first == inner->port_first && common.port_last == inner->port_last &&
           ip_equal(&common.first, &inner->first) && ip_equal(&common.last, &inner->last);
}

uint32_t narrow(const struct ts_view *offer, const struct ts_range *allowed, uint32_t num_allowed,
                struct ts_range *ret, uint32_t cap)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < offer->count && count < cap; i++) {
        struct ts_range offered;
        selector_range(&offer->v[i], &offered);
        for (uint32_t j = 0; j < num_allowed && count < cap; j++) {
            struct ts_range common;
            bool new = range_intersect(&offered, &allowed[j], &common);
            for (uint32_t k = 0; k < count && new; k++) {
                new = !range_within(&common, &ret[k]);
            }
            if (new) {
                ret[count++] = common;
            }
        }
    }
    return count;
}

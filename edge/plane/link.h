/* Links, addresses, routes and forwarding of this host, by rtnetlink (libmnl), in the network namespace of
 * the thread that calls link_open(). Routes carry our own protocol number, so that a daemon that starts after
 * a crash removes what its predecessor left and nothing else. */
#pragma once

#include "edge/base/addr.h"

/* Free in the lists of the kernel, iproute2 and FRR; `ip route show proto 201`. */
#define LINK_ROUTE_PROTOCOL 201
#define LINK_ERROR_MAX 320
#define LINK_NAME_MAX 16 /* IFNAMSIZ */

struct link; /* a netlink socket */

/* NULL, and ret_error says why. */
struct link *link_open(char ret_error[LINK_ERROR_MAX]);
void link_close(struct link *link); /* NULL is fine */

/* All return false and name object, step and reason in ret_error: "route 10.1.0.0/16 dev hf0: add: No such
 * device (what the kernel says)". What is there already is no error, and neither is removing what is not
 * there. An address is a prefix whose host bits are set. */

/* Sets the MTU (0: as it is) and brings the link up. */
HF_MUST bool link_up(struct link *link, const char *name, uint32_t mtu, char ret_error[LINK_ERROR_MAX]);
/* IPv6 addresses work at once, without duplicate detection: others have an anycast address on purpose. */
HF_MUST bool link_address_add(struct link *link, const char *name, const struct ip_prefix *address,
                              char ret_error[LINK_ERROR_MAX]);
HF_MUST bool link_address_delete(struct link *link, const char *name, const struct ip_prefix *address,
                                 char ret_error[LINK_ERROR_MAX]);
/* A route of the main table to a link, without gateway; it takes the place of one to the same prefix with
 * the same metric, whoever made that. For IPv4 the metric is the kernel's, which is before all others; its
 * own for IPv6 would be behind what FRR learns of the prefix (20), which may be another node's of a moment
 * ago. */
#define LINK_METRIC_IP6 10
HF_MUST bool link_route_add(struct link *link, const char *name, const struct ip_prefix *prefix,
                            char ret_error[LINK_ERROR_MAX]);
/* Only a route with our protocol number; of several that with the lowest metric. */
HF_MUST bool link_route_delete(struct link *link, const char *name, const struct ip_prefix *prefix,
                               char ret_error[LINK_ERROR_MAX]);
/* A fallback is a route to a link that lies below all others but covers: what nothing else takes goes there.
 */
#define LINK_FALLBACK_METRIC 0x7ffffffe
HF_MUST bool link_fallback_add(struct link *link, const char *name, const struct ip_prefix *prefix,
                               char ret_error[LINK_ERROR_MAX]);
HF_MUST bool link_fallback_delete(struct link *link, const char *name, const struct ip_prefix *prefix,
                                  char ret_error[LINK_ERROR_MAX]);
/* A cover lies below the routes of a prefix (its metric is higher than theirs) and drops in silence what none
 * of them takes: packets for clients must not leave by the default route while there is no route for them,
 * nor may an ICMP error end connections that go on after a restart. */
#define LINK_COVER_METRIC 0x7fffffff
HF_MUST bool link_cover_add(struct link *link, const struct ip_prefix *prefix,
                            char ret_error[LINK_ERROR_MAX]);
HF_MUST bool link_cover_delete(struct link *link, const struct ip_prefix *prefix,
                               char ret_error[LINK_ERROR_MAX]);
/* Removes every route of the main table with our protocol number, of both families, but for the covers of the
 * given prefixes. */
HF_MUST bool link_routes_clear(struct link *link, const struct ip_prefix *covers, size_t num_covers,
                               char ret_error[LINK_ERROR_MAX]);

struct link_route {
    struct ip_prefix prefix;
    char name[LINK_NAME_MAX]; /* of the link; "" when it is gone, or a cover's */
};
/* The routes with our protocol number, covers too, of both families: *ret_count is how many there are, of
 * which at most `cap` are written. */
HF_MUST bool link_routes(struct link *link, struct link_route *ret_routes, size_t cap, size_t *ret_count,
                         char ret_error[LINK_ERROR_MAX]);

/* Turns on forwarding of both families (a kernel without IPv6 is fine); *ret_changed says whether anything
 * had been off. IPv6 forwarding makes links stop taking router advertisements unless their sysctl accept_ra
 * is 2: that is the operator's to set. */
HF_MUST bool link_forwarding_enable(bool *ret_changed, char ret_error[LINK_ERROR_MAX]);

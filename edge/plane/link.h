/* Links, addresses, routes and forwarding of this host, by rtnetlink (libmnl). Routes carry our own protocol
 * number, so that a daemon that starts after a crash removes what its predecessor left and nothing else. */
#pragma once

#include "edge/base/addr.h"

#define LINK_ROUTE_PROTOCOL 201 /* free in /etc/iproute2/rt_protos */
#define LINK_ERROR_MAX 192

struct link; /* a netlink socket */

/* NULL, and ret_error says why. */
struct link *link_open(char ret_error[LINK_ERROR_MAX]);
void link_close(struct link *link); /* NULL is fine */

/* All return false and name object, step and reason in ret_error. What is there already is no error, and
 * neither is removing what is not there. */
HF_MUST bool link_up(struct link *link, const char *name, uint32_t mtu, char ret_error[LINK_ERROR_MAX]);
HF_MUST bool link_address_add(struct link *link, const char *name, const struct ip_prefix *address,
                              char ret_error[LINK_ERROR_MAX]);
HF_MUST bool link_address_delete(struct link *link, const char *name, const struct ip_prefix *address,
                                 char ret_error[LINK_ERROR_MAX]);
HF_MUST bool link_route_add(struct link *link, const char *name, const struct ip_prefix *prefix,
                            char ret_error[LINK_ERROR_MAX]);
/* Removes every route with our protocol number, of both families. */
HF_MUST bool link_routes_clear(struct link *link, char ret_error[LINK_ERROR_MAX]);

/* Turns on forwarding of both families; *ret_changed says whether anything had been off. */
HF_MUST bool link_forwarding_enable(bool *ret_changed, char ret_error[LINK_ERROR_MAX]);

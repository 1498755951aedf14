/* Shared by the files of the network alone: network.c, network_routes.c (routes of pools to TUN devices). */
#pragma once

#include "edge/daemon/network.h"

/* The routes of one pool, as they are to be now. What is there already stays as it is. */
HF_MUST bool network_routes_add(struct network *network, const struct ip_prefix *pool, char *ret_error);
HF_MUST bool network_routes_remove(struct network *network, const struct ip_prefix *pool, char *ret_error);

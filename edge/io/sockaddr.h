/* Endpoints as the socket calls want them. */
#pragma once

#include "edge/base/addr.h"

#include <netinet/in.h>
#include <sys/socket.h>

union sockaddr_ip {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* The length of what was written. */
socklen_t sockaddr_from(const struct endpoint *endpoint, union sockaddr_ip *ret_addr);
/* False for families other than IPv4 and IPv6, and for too few bytes. */
HF_MUST bool sockaddr_to(const void *addr, size_t len, struct endpoint *ret_endpoint);

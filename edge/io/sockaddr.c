#include "edge/io/sockaddr.h"

#include <string.h>

socklen_t sockaddr_from(const struct endpoint *endpoint, union sockaddr_ip *ret_addr)
{
    memset(ret_addr, 0, sizeof(*ret_addr));
    struct span bytes = ip_span(&endpoint->addr);
    if (ip_is_v4(&endpoint->addr)) {
        ret_addr->v4.sin_family = AF_INET;
        ret_addr->v4.sin_port = htons(endpoint->port);
        memcpy(&ret_addr->v4.sin_addr, bytes.data, 4);
        return sizeof(ret_addr->v4);
    }
    ret_addr->v6.sin6_family = AF_INET6;
    ret_addr->v6.sin6_port = htons(endpoint->port);
    memcpy(&ret_addr->v6.sin6_addr, bytes.data, 16);
    return sizeof(ret_addr->v6);
}

bool sockaddr_to(const void *addr, size_t len, struct endpoint *ret_endpoint)
{
    union sockaddr_ip copy = {0};
    memcpy(&copy, addr, HF_MIN(len, sizeof(copy)));
    if (len >= sizeof(copy.v4) && copy.any.sa_family == AF_INET) {
        ret_endpoint->addr = ip_from_v4((const uint8_t *)&copy.v4.sin_addr);
        ret_endpoint->port = ntohs(copy.v4.sin_port);
        return true;
    }
    if (len >= sizeof(copy.v6) && copy.any.sa_family == AF_INET6) {
        ret_endpoint->addr = ip_from_v6(copy.v6.sin6_addr.s6_addr);
        ret_endpoint->port = ntohs(copy.v6.sin6_port);
        return true;
    }
    return false;
}

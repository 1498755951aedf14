/* The sockets of one worker: one for each address that is listened on and each of the two ports. All workers
 * have the same set (SO_REUSEPORT). A reply leaves from the socket of the address that was asked, so it
 * carries the right source address by itself. */
#pragma once

#include "edge/base/addr.h"

enum { UDP_SOCKETS_MAX = 64 };

struct udp_socket {
    int fd;
    struct endpoint local;
    bool natt;
    bool hop; /* for packets of other nodes */
};

struct udp_sockets {
    struct udp_socket v[UDP_SOCKETS_MAX];
    uint32_t count;
};

/* Opens, sets up and binds a socket. `natt`: the port where ESP comes too, in bursts (UDP_GRO). 0 or -errno.
 */
HF_MUST int udp_socket_open(const struct endpoint *local, bool natt, int *ret_fd);
/* The pair for one address; asserts that there is room. 0, or -errno with nothing added; EADDRINUSE is
 * another program's socket. */
HF_MUST int udp_sockets_add(struct udp_sockets *sockets, const struct ip_addr *addr, uint16_t ike_port,
                            uint16_t natt_port);
/* One for packets of other nodes. 0 or -errno. */
HF_MUST int udp_sockets_add_hop(struct udp_sockets *sockets, const struct endpoint *local);
void udp_sockets_close(struct udp_sockets *sockets);

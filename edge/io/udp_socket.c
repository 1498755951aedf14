#include "edge/io/udp_socket.h"

#include "edge/io/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <unistd.h>

/* A worker may be busy for some milliseconds with a batch of handshakes; ESP comes at gigabits meanwhile. */
#define BUFFER_BYTES (8 << 20)

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* Beyond net.core.rmem_max with CAP_NET_ADMIN, up to it without. */
static void set_buffers(int fd)
{
    if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES) != 0) {
        (void)set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
    }
    if (set(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES) != 0) {
        (void)set(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
    }
}

/* Path MTU discovery does not work towards anycast: the ICMP error may reach another node, or may be forged
 * to shrink our packets. IPv4: no DF, and what routers told is ignored (OMIT); packets above the link's MTU
 * are fragmented here, others on the way if need be. Tunnel MTU and MSS clamping make that rare. IPv6:
 * routers do not fragment, so what they told counts, down to 1280 (DONT: fragment here by path MTU). */
static int set_family_options(int fd, bool v4)
{
    if (v4) {
        int error = set(fd, IPPROTO_IP, IP_FREEBIND, 1);
        return error != 0 ? error : set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    }
    int error = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (error == 0) {
        error = set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
    }
    return error != 0 ? error : set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

static int set_up(int fd, const struct endpoint *local, bool natt)
{
    int error = set_family_options(fd, ip_is_v4(&local->addr));
    if (error == 0) {
        error = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (error != 0) {
        return error;
    }
    set_buffers(fd);
    if (natt) {
        (void)set(fd, IPPROTO_UDP, UDP_GRO, 1); /* slower without, not wrong */
    }
    union sockaddr_ip addr;
    socklen_t len = sockaddr_from(local, &addr);
    return bind(fd, &addr.any, len) == 0 ? 0 : -errno;
}

int udp_socket_open(const struct endpoint *local, bool natt, int *ret_fd)
{
    int family = ip_is_v4(&local->addr) ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int error = set_up(fd, local, natt);
    if (error != 0) {
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

int udp_sockets_add(struct udp_sockets *sockets, const struct ip_addr *addr, uint16_t ike_port,
                    uint16_t natt_port)
{
    hf_assert(sockets->count + 2 <= UDP_SOCKETS_MAX);
    struct udp_socket pair[2] = {
        {.local = {*addr, ike_port}, .natt = false},
        {.local = {*addr, natt_port}, .natt = true},
    };
    for (int i = 0; i < 2; i++) {
        int error = udp_socket_open(&pair[i].local, pair[i].natt, &pair[i].fd);
        if (error != 0) {
            if (i == 1) {
                close(pair[0].fd);
            }
            return error;
        }
    }
    sockets->v[sockets->count++] = pair[0];
    sockets->v[sockets->count++] = pair[1];
    return 0;
}

int udp_sockets_add_hop(struct udp_sockets *sockets, const struct endpoint *local)
{
    struct udp_socket hop = {.local = *local, .hop = true};
    hf_assert(sockets->count < UDP_SOCKETS_MAX);
    int error = udp_socket_open(local, false, &hop.fd);
    if (error == 0 && !ip_is_v4(&local->addr)) {
        /* A node's program sends none (RFC 6935), which we see when ours is not on the way. */
        error = set(hop.fd, SOL_UDP, UDP_NO_CHECK6_RX, 1);
    }
    if (error == 0) {
        sockets->v[sockets->count++] = hop;
    }
    return error;
}

void udp_sockets_close(struct udp_sockets *sockets)
{
    for (uint32_t i = 0; i < sockets->count; i++) {
        close(sockets->v[i].fd);
    }
    sockets->count = 0;
}

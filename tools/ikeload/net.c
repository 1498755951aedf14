#include "tools/ikeload/net.h"

#include "edge/base/bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { RECEIVE_BUFFER = 8 << 20, NATT_PORT = 4500, EVENTS_MAX = 32 };

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_of(const struct endpoint *ep, union socket_address *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (ip_is_v4(&ep->addr)) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(ep->port);
        memcpy(&ret->v4.sin_addr, ep->addr.bytes + 12, 4);
        return sizeof(ret->v4);
    }
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(ep->port);
    memcpy(&ret->v6.sin6_addr, ep->addr.bytes, 16);
    return sizeof(ret->v6);
}

static struct endpoint endpoint_of(const union socket_address *address)
{
    if (address->any.sa_family == AF_INET) {
        return (struct endpoint){ip_from_v4((const uint8_t *)&address->v4.sin_addr),
                                 ntohs(address->v4.sin_port)};
    }
    return (struct endpoint){ip_from_v6(address->v6.sin6_addr.s6_addr), ntohs(address->v6.sin6_port)};
}

static bool fail(const char *what)
{
    fprintf(stderr, "ikeload: %s: %s\n", what, strerror(errno));
    return false;
}

static bool socket_name(int fd, struct endpoint *ret)
{
    union socket_address address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(fd, &address.any, &len) != 0) {
        return false;
    }
    *ret = endpoint_of(&address);
    return true;
}

/* A socket that is connected, and not used, tells the address that the kernel prefers. */
static bool find_local(const struct ip_addr *remote, struct ip_addr *ret_local)
{
    union socket_address address;
    struct endpoint local, to = {*remote, 500};
    socklen_t len = address_of(&to, &address);
    int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && connect(fd, &address.any, len) == 0 && socket_name(fd, &local);
    if (!good) {
        fail("no way to the gateway");
    } else {
        *ret_local = local.addr;
    }
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static bool open_one(struct net *net, uint32_t index)
{
    union socket_address any = {0};
    struct endpoint local;
    int on = 1, room = RECEIVE_BUFFER;
    any.any.sa_family = net->v4 ? AF_INET : AF_INET6;
    int fd = socket(any.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail("socket");
    }
    net->sockets[index] = fd;
    net->num_sockets = index + 1;
    /* A burst of answers must find room; where we are not root the system's limit has to do. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    }
    (void)setsockopt(fd, net->v4 ? IPPROTO_IP : IPPROTO_IPV6, net->v4 ? IP_FREEBIND : IPV6_FREEBIND, &on,
                     sizeof(on));
    if (bind(fd, &any.any, net->v4 ? sizeof(any.v4) : sizeof(any.v6)) != 0 || !socket_name(fd, &local)) {
        return fail("bind");
    }
    net->ports[index] = local.port;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    return epoll_ctl(net->epoll, EPOLL_CTL_ADD, fd, &event) == 0 || fail("epoll_ctl");
}

bool net_open(struct net *net, const struct ip_addr *remote, uint32_t num_ports, struct ip_addr *ret_local)
{
    *net = (struct net){.v4 = ip_is_v4(remote)};
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    net->sockets = calloc(num_ports, sizeof(*net->sockets));
    net->ports = calloc(num_ports, sizeof(*net->ports));
    net->rooms = calloc(NET_BATCH, NET_DATAGRAM_BYTES);
    if (net->epoll < 0 || net->sockets == NULL || net->ports == NULL || net->rooms == NULL) {
        return fail("no memory or descriptors");
    }
    for (uint32_t i = 0; i < num_ports; i++) {
        if (!open_one(net, i)) {
            return false;
        }
    }
    return find_local(remote, ret_local);
}

void net_close(struct net *net)
{
    for (uint32_t i = 0; i < net->num_sockets; i++) {
        close(net->sockets[i]);
    }
    if (net->epoll >= 0) {
        close(net->epoll);
    }
    free(net->sockets);
    free(net->ports);
    free(net->rooms);
}

union control {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void control_fill(struct net *net, const struct ip_addr *from, struct msghdr *message,
                         union control *control)
{
    memset(control, 0, sizeof(*control));
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(net->v4 ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo));
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (net->v4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, from->bytes + 12, 4);
        *header = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO};
        memcpy(CMSG_DATA(header), &info, sizeof(info));
    } else {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, from->bytes, 16);
        *header = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO};
        memcpy(CMSG_DATA(header), &info, sizeof(info));
    }
}

void net_send(struct net *net, uint32_t socket, const struct ip_addr *from, const struct endpoint *to,
              bool marker, struct span bytes)
{
    static uint8_t zeros[4];
    union socket_address address;
    union control control;
    struct iovec parts[2] = {{zeros, marker ? sizeof(zeros) : 0}, {(void *)bytes.data, bytes.len}};
    struct msghdr message = {.msg_name = &address, .msg_iov = parts, .msg_iovlen = 2};
    message.msg_namelen = address_of(to, &address);
    control_fill(net, from, &message, &control);
    if (sendmsg(net->sockets[socket], &message, 0) < 0) {
        net->unsent++;
    } else {
        net->sent++;
    }
}

uint32_t net_send_many(struct net *net, uint32_t socket, const struct net_shot *shots, uint32_t count)
{
    struct mmsghdr messages[NET_BATCH] = {0};
    union socket_address to[NET_BATCH];
    union control controls[NET_BATCH];
    struct iovec parts[NET_BATCH];
    uint32_t taken = 0;
    hf_assert(count <= NET_BATCH);
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = (struct iovec){(void *)shots[i].bytes.data, shots[i].bytes.len};
        struct msghdr *header = &messages[i].msg_hdr;
        *header = (struct msghdr){.msg_name = &to[i], .msg_iov = &parts[i], .msg_iovlen = 1};
        header->msg_namelen = address_of(&shots[i].to, &to[i]);
        control_fill(net, &shots[i].from, header, &controls[i]);
    }
    for (uint32_t at = 0; at < count;) { /* what the kernel refuses is left out */
        int done = sendmmsg(net->sockets[socket], messages + at, count - at, 0);
        taken += done > 0 ? (uint32_t)done : 0;
        at += done > 0 ? (uint32_t)done : 1;
    }
    net->sent += taken;
    net->unsent += count - taken;
    return taken;
}

/* IKE from port 4500 has a marker in front; ESP has not. False for what is neither. */
static bool sort(struct datagram *datagram)
{
    if (datagram->from->port != NATT_PORT) {
        return datagram->len > 0;
    }
    if (datagram->len <= 8) {
        return false;
    }
    datagram->esp = be32_load(datagram->bytes) != 0;
    datagram->bytes += datagram->esp ? 0 : 4;
    datagram->len -= datagram->esp ? 0 : 4;
    return true;
}

/* True when there may be more. */
static bool receive_batch(struct net *net, uint32_t socket,
                          void (*take)(void *context, const struct datagram *datagram), void *context)
{
    struct mmsghdr messages[NET_BATCH] = {0};
    union socket_address from[NET_BATCH];
    struct iovec parts[NET_BATCH];
    for (size_t i = 0; i < NET_BATCH; i++) {
        parts[i] = (struct iovec){net->rooms + i * NET_DATAGRAM_BYTES, NET_DATAGRAM_BYTES};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(net->sockets[socket], messages, NET_BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        struct endpoint at = endpoint_of(&from[i]);
        struct datagram datagram = {
            .from = &at, .socket = socket, .bytes = parts[i].iov_base, .len = messages[i].msg_len};
        net->received++;
        if (sort(&datagram)) {
            take(context, &datagram);
        }
    }
    return count == NET_BATCH;
}

void net_receive(struct net *net, ns_t wait_ns, void (*take)(void *context, const struct datagram *datagram),
                 void *context)
{
    struct epoll_event events[EVENTS_MAX];
    struct timespec wait = {(time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S)};
    int count = epoll_pwait2(net->epoll, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++) {
        while (receive_batch(net, events[i].data.u32, take, context)) {
        }
    }
}
